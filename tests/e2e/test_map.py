#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""glim map as a user meets it: tables, arrays, texts of a model; every form; maps that are saved and
take new points; what is refused; a run that is ended."""
import base64
import csv
import io
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import time
import unittest

import numpy as np
from jsonschema import Draft202012Validator

ROOT = pathlib.Path(__file__).resolve().parents[2]
GLIM = os.environ.get("GLIM", str(ROOT / "build/release/src/cli/glim"))
MODELS = ROOT / "tests/golden/models"
CLASSES, DECODER = str(MODELS / "published/bert-classes"), str(MODELS / "llama.gguf")
STACKS = str(MODELS / "stacks/marian")
SCHEMA = json.loads((ROOT / "docs/schema/glim.map-1.schema.json").read_text())
GOLDEN = ROOT / "tests/golden/map/digits-300.json"
QUICK = ("--n-iter", 60, "--early-exaggeration-iter", 40)


def run(*args, **more):
    return subprocess.run([GLIM, *map(str, args)], capture_output=True, timeout=120,
                          env=dict(os.environ, LANG="C.UTF-8"), **more)


def unpack(v):
    return np.frombuffer(base64.b64decode(v["data"]), v["dtype"]).reshape(v["shape"])


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        rng = np.random.default_rng(1)
        cls.group = np.arange(120) % 3
        cls.x = (rng.normal(size=(3, 6))[cls.group] * 6 + rng.normal(size=(120, 6))).astype("<f4")

    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        self.path = pathlib.Path(self.dir.name)
        np.save(self.path / "x.npy", self.x)
        self.table("x.csv", ["kind", *"abcdef", "note"],
                   [[("red", "green", "蓝")[g], *row, f"n{i % 2}"] for i, (g, row) in enumerate(zip(self.group, self.x))])
        self.table("names.csv", ["label", "text", "id", "size"],
                   [[f"g{g}", f"text {i}, 字" + "x" * 300 * (i == 7), f"p{i}", i / 2] for i, g in enumerate(self.group)])
        self.table("texts.csv", ["text", "label", "score"],
                   [[f"the {w} number {i}", ("first", "second")[i % 2], i]
                    for i, w in enumerate(["cat", "dog", "red"] * 20)])

    def table(self, name, head, rows):
        with open(self.path / name, "w", newline="", encoding="utf-8") as f:
            w = csv.writer(f)
            w.writerow(head)
            w.writerows(rows)

    def ok(self, *args):
        r = run("map", *args, cwd=self.path)
        self.assertEqual(r.returncode, 0, r.stderr.decode())
        return r.stdout.decode()

    def document(self, *args):
        doc = json.loads(self.ok(*args, "--json", "-q"))
        Draft202012Validator(SCHEMA).validate(doc)
        return doc

    def refused(self, status, words, *args):
        r = run("map", *args, cwd=self.path)
        self.assertEqual(r.returncode, status, r.stderr.decode())
        self.assertIn(words, r.stderr.decode())
        self.assertEqual(len(r.stderr.decode().strip().splitlines()), 1)


class Maps(Case):
    def test_a_table(self):
        doc = self.document("--table", "x.csv", "--label", "kind", *QUICK)
        self.assertEqual(doc["labels"]["names"], ["green", "red", "蓝"])
        self.assertEqual([doc["labels"]["names"][k] for k in doc["labels"]["of"][:3]], ["red", "green", "蓝"])
        self.assertEqual((doc["points"], doc["dimensions"], doc["source"]["kind"]), (120, 6, "table"))
        self.assertEqual([c["name"] for c in doc["colors"]], ["note"])
        self.assertGreater(doc["quality"]["label_accuracy_map"], 0.95)
        self.assertEqual(doc["iterations"], {"done": 100, "asked": 100})
        d = np.sqrt(((self.x[:, None] - self.x[None]) ** 2).sum(-1))
        np.fill_diagonal(d, np.inf)
        np.testing.assert_array_equal(unpack(doc["neighbours"]["of"]), np.argsort(d, axis=1)[:, :5])
        np.testing.assert_allclose(unpack(doc["neighbours"]["distances"]), np.sort(d, axis=1)[:, :5], rtol=1e-5)

    def test_components(self):
        doc = self.document("--table", "x.csv", "--method", "pca", "--columns", "a,b,c", "--color-by", "d")
        x = self.x[:, :3].astype(float) - self.x[:, :3].mean(0)
        s = np.linalg.svd(x, compute_uv=False) ** 2
        np.testing.assert_allclose(doc["variance"], (s / s.sum())[:2], rtol=1e-5)
        self.assertIsNone(doc["kl"])
        self.assertEqual(doc["colors"][0]["name"], "d")
        np.testing.assert_allclose(doc["colors"][0]["values"], self.x[:, 3], rtol=1e-6)

    def test_an_array_in_every_form(self):
        files = [self.path / f"m.{e}" for e in ("json", "csv", "html", "npy")]
        self.ok("x.npy", "--labels", "names.csv", "--snapshots", 3, *QUICK, "--json", files[0], "--csv", files[1],
                "--html", files[2], "--raw", files[3])
        doc = json.loads(files[0].read_text())
        Draft202012Validator(SCHEMA).validate(doc)
        np.testing.assert_array_equal(np.load(files[3]), np.array(doc["xy"], "<f4"))
        self.assertEqual([s["iteration"] for s in doc["snapshots"]], [0, 33, 66])
        self.assertEqual((len(doc["texts"][7]), doc["texts_cut"], doc["ids"][7]), (200, 1, "p7"))
        rows = list(csv.DictReader(io.StringIO(files[1].read_text(encoding="utf-8"))))
        self.assertEqual((rows[4]["id"], rows[4]["label"], float(rows[4]["size"])), ("p4", "g1", 2.0))
        self.assertEqual(float(rows[4]["x"]), doc["xy"][4][0])
        page = files[2].read_text(encoding="utf-8")
        self.assertIn('<figure class="map">', page)
        self.assertEqual(len(re.findall(r"M[\d.-]+ [\d.-]+h0", page)), 120)
        inside = re.search(r'id="glim-data">(.*?)</script>', page, re.S).group(1)
        self.assertEqual(json.loads(inside)["xy"], doc["xy"])
        self.assertNotIn("http://", page.split("<svg")[0])
        again = run("view", files[0], "--json", cwd=self.path)
        self.assertEqual(json.loads(again.stdout), doc)

    def test_bits_are_those_of_one_thread(self):
        one, three = (self.document("x.npy", *QUICK, "--threads", t) for t in (1, 3))
        self.assertEqual(one["xy"], three["xy"])
        self.assertNotEqual(one["xy"], self.document("x.npy", *QUICK, "--initialization", "random", "--seed", 2)["xy"])
        for way in ("barnes-hut", "fft"):
            self.assertAlmostEqual(self.document("x.npy", "--gradient", way)["kl"],
                                   self.document("x.npy")["kl"], delta=0.02)

    def test_new_points(self):
        new = self.x[:9] + np.float32(0.01)
        np.save(self.path / "new.npy", new)
        self.table("new.csv", ["label"], [[f"g{k}" for k in self.group[i:i + 1]] for i in range(8)] + [["other"]])
        for method in ("tsne", "pca"):
            self.ok("x.npy", "--labels", "names.csv", "--save", "m.safetensors", "--method", method, "--raw", "m.npy")
            doc = self.document("new.npy", "--labels", "new.csv", "--place", "m.safetensors")
            xy, old = np.array(doc["xy"]), np.load(self.path / "m.npy")
            self.assertEqual((doc["points"], doc["placed"], doc["labels"]["names"][-1]), (129, 9, "other"))
            np.testing.assert_array_equal(xy[:120].astype("<f4"), old)
            self.assertEqual(list(unpack(doc["neighbours"]["of"])[120:, 0]), list(range(9)))
            size = np.ptp(old, axis=0).max()
            self.assertLess(np.abs(xy[120:] - old[:9]).max() / size, 0.2)
        self.refused(3, "x.npy", "new.npy", "--place", "x.npy")
        np.save(self.path / "wide.npy", np.ones((3, 9)))
        self.refused(2, "dimensions", "wide.npy", "--place", "m.safetensors")

    def test_texts_of_models(self):
        for model in (CLASSES, DECODER, STACKS):
            doc = self.document("-m", model, "--data", "texts.csv", *QUICK)
            self.assertEqual((doc["points"], doc["source"]["kind"]), (60, "texts"))
            self.assertIn("blocks.", doc["site"])
        for by in ("prediction", "error", "score"):
            doc = self.document("-m", CLASSES, "--data", "texts.csv", "--color-by", by, *QUICK)
            self.assertEqual(doc["colors"][0]["name"], by)
        self.table("why.csv", ["row", "influence"], [[3, 0.5], [1, -2]])
        doc = self.document("-m", DECODER, "--data", "texts.csv", "--color-by", "why.csv#influence", "--site",
                            "blocks.0.hook_resid_post", "--pool", "mean", *QUICK)
        self.assertEqual(doc["colors"][0]["values"][:4], [-2, None, 0.5, None])
        self.assertEqual((doc["site"], doc["pool"]), ("blocks.0.hook_resid_post", "mean"))
        self.assertIn("forward tokens", self.ok("-m", DECODER, "--data", "texts.csv", "--dry-run"))
        self.refused(2, "needs a classifier", "-m", DECODER, "--data", "texts.csv", "--color-by", "error")

    def test_a_map_for_each_of_several_sites(self):
        sites = [f"blocks.{layer}.hook_resid_post" for layer in (0, 1)]
        ask = ("-m", DECODER, "--data", "texts.csv", *QUICK, "--site")
        alone = [self.document(*ask, site, "--threads", 2) for site in sites]
        self.ok(*ask, "blocks.*.hook_resid_post", "--threads", 1, "--json", "all.json", "--csv", "all.csv", "-q")
        both = json.loads((self.path / "all.json").read_text())
        Draft202012Validator(SCHEMA).validate(both)
        self.assertEqual([d["site"] for d in [*both["earlier"], both]], sites)
        for one, several in zip(alone, [*both["earlier"], both]):
            self.assertEqual({k: one[k] for k in both["earlier"][0]}, {k: several[k] for k in both["earlier"][0]})
        rows = list(csv.DictReader(io.StringIO((self.path / "all.csv").read_text())))
        self.assertEqual([(r["site"], float(r["x"])) for r in rows if r["point"] == "9"],
                         [(site, d["xy"][8][0]) for site, d in zip(sites, alone)])
        for more, wanted in (((), both), (("--site", sites[0]), alone[0]), (("--site", ",".join(sites)), both)):
            again = json.loads(run("view", "all.json", *more, "--json", cwd=self.path).stdout)
            self.assertEqual({**again, "cost": 0}, {**wanted, "cost": 0})
        r = run("view", "all.json", "--site", "blocks.7.*", cwd=self.path)
        self.assertEqual(r.returncode, 2)
        self.assertIn(f"whose sites are {sites[0]} to {sites[1]}", r.stderr.decode())
        self.assertIn("--site is for maps", run("view", MODELS.parent / "documents/plain.json", "--site", "x").stderr.decode())
        for flag in (("--save", "m.safetensors"), ("--raw", "m.npy"), ("--place", "m.safetensors")):
            self.refused(2, f"{flag[0]} ", *ask, "blocks.*.hook_resid_post", *flag)

    def test_memory_is_known_before_the_run(self):
        ask = ("-m", DECODER, "--data", "texts.csv", "--site", "blocks.*.hook_resid_post", *QUICK)
        planned = int(re.search(r"memory +(\d+) MiB", self.ok(*ask, "--dry-run"))[1])
        self.ok(*ask, "--memory", f"{planned}M")
        self.refused(4, "the map needs at least", *ask, "--memory", "27M")

    def test_the_terminal_fits(self):
        for width in (20, 60, 80, 120):
            for more in (["--ascii"], ["--color", "always"], []):
                text = run("view", GOLDEN, "--width", width, *more).stdout.decode()
                plain = re.sub("\x1b\\[[0-9;]*m", "", text)
                self.assertLessEqual(max(len(line) for line in plain.splitlines()), width)
                self.assertIn("mean", plain.replace("\n", " "))
                self.assertEqual("\x1b" in text, "always" in more)

    def test_bad_points_are_told(self):
        self.refused(2, "map needs points")
        self.refused(2, "not more", "x.npy", "--table", "x.csv")
        self.refused(2, "needs a model", "--data", "texts.csv")
        self.refused(2, "no column 'nothing'", "--table", "x.csv", "--label", "nothing")
        self.refused(2, "no column 'z'", "--table", "x.csv", "--columns", "a,z")
        self.refused(2, "no column of the points", "x.npy", "--color-by", "size")
        self.refused(2, "has 60 rows for the 120 points", "x.npy", "--labels", "texts.csv")
        (self.path / "bad.npy").write_bytes((self.path / "x.npy").read_bytes()[:500])
        self.refused(3, "ends before its numbers", "bad.npy")
        (self.path / "bad.npy").write_bytes(b"nothing of the kind")
        self.refused(3, "no .npy file", "bad.npy")
        np.save(self.path / "bad.npy", np.array([[1, np.nan], [2, 3]]))
        self.refused(1, "point 1", "bad.npy")
        np.save(self.path / "bad.npy", np.asfortranarray(self.x))
        self.refused(3, "Fortran", "bad.npy")
        self.table("hole.csv", ["a", "b"], [[1, 2], ["", 3], [4, 5]])
        self.refused(3, "row 2", "--table", "hole.csv")
        self.assertEqual(self.document("--table", "hole.csv", "--missing", "drop")["points"], 2)
        np.save(self.path / "one.npy", np.ones((1, 4), "i4"))
        self.assertEqual(self.document("one.npy")["xy"], [[0, 0]])
        small = self.document("--table", "x.csv", "--perplexity", 500, *QUICK)
        self.assertAlmostEqual(small["params"]["perplexity"], 119 / 3)
        self.assertIn("perplexity 500 is too much", small["notes"][0])
        doc = json.loads(GOLDEN.read_text())
        for member in ("xy", "labels", "neighbours", "method", "points"):
            broken = dict(doc, **{member: {"names": ["a"], "of": [5] * 300} if member == "labels" else {"k": 5}})
            (self.path / "broken.json").write_text(json.dumps(broken))
            r = run("view", "broken.json", cwd=self.path)
            self.assertEqual(r.returncode, 3, member)

    def test_help_and_interrupt(self):
        lines = run("map", "--help").stdout.decode().splitlines()
        self.assertLessEqual(len(lines), 50)
        self.assertLessEqual(max(map(len, lines)), 80)
        np.save(self.path / "many.npy", np.random.default_rng(1).normal(size=(3000, 8)))
        p = subprocess.Popen([GLIM, "map", "many.npy", "--n-iter", "100000", "--json", "out.json", "-q"], cwd=self.path,
                             stderr=subprocess.PIPE)
        time.sleep(2)
        p.send_signal(signal.SIGINT)
        try:
            p.communicate(timeout=20)
        finally:
            p.kill()
        self.assertEqual(p.returncode, 130)
        doc = json.loads((self.path / "out.json").read_text())
        Draft202012Validator(SCHEMA).validate(doc)
        self.assertLess(doc["iterations"]["done"], 100250)
        self.assertIn("interrupted", " ".join(doc["notes"]))


if __name__ == "__main__":
    unittest.main()
