#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""glim fit as a user meets it: tables and texts to a file, predictions and explanations."""
import csv
import json
import os
import pathlib
import random
import subprocess
import tempfile
import unittest

import numpy as np
from jsonschema import Draft202012Validator

ROOT = pathlib.Path(__file__).resolve().parents[2]
GLIM = os.environ.get("GLIM", str(ROOT / "build/release/src/cli/glim"))
MODELS = ROOT / "tests/golden/models"
ENCODER = str(MODELS / "published/bert-embed")
DECODER = str(MODELS / "llama.gguf")
WORDS = {"lrp": ["--accept-patent-note"]}  # what a method asks for before it does anything


def run(*args, **more):
    return subprocess.run([GLIM, *map(str, args)], capture_output=True, timeout=120,
                          env=dict(os.environ, LANG="C.UTF-8"), **more)


def validate(name, value):
    schema = json.loads((ROOT / f"docs/schema/glim.{name}-1.schema.json").read_text())
    Draft202012Validator(schema).validate(value)


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        self.path = pathlib.Path(self.dir.name)
        self.table = self.path / "rows.csv"
        self.fit = self.path / "model.json"
        rng = random.Random(1)
        with open(self.table, "w", encoding="utf-8-sig", newline="") as f:
            out = csv.writer(f)
            out.writerow(["size", "city", "taste, sweet", "mood"])
            for _ in range(120):
                a, b, c = rng.gauss(0, 1), rng.gauss(0, 1), rng.choice(["北京", "Paris"])
                z = a - 2 * b + (c == "Paris") + rng.gauss(0, 0.5)
                out.writerow([f"{100 + 7 * a:.3f}", c, f"{b:.4f}", "好" if z > 0 else "bad"])

    def ok(self, *args, **more):
        r = run(*args, **more)
        self.assertEqual(r.returncode, 0, r.stderr.decode())
        return r.stdout.decode()

    def refused(self, status, *args, says):
        r = run(*args)
        self.assertEqual(r.returncode, status, r.stderr.decode())
        self.assertEqual(r.stdout, b"")
        self.assertEqual(len(r.stderr.decode().splitlines()), 1, r.stderr.decode())
        self.assertIn(says, r.stderr.decode())

    def fitted(self, *more):
        return json.loads(self.ok("fit", "--data", self.table, "--label", "mood", "-o", self.fit,
                                  "-q", "--json", *more))


class Tables(Case):
    def test_a_table_is_fitted_measured_and_kept(self):
        report = self.fitted()
        validate("fit", report)
        validate("linear", json.loads(self.fit.read_text()))
        self.assertEqual((report["rows"], report["held_out"]["rows"]), (96, 24))
        self.assertGreater(report["held_out"]["accuracy"], report["held_out"]["majority"])
        self.assertLess(report["held_out"]["low"], report["held_out"]["accuracy"])
        text = self.ok("fit", "--data", self.table, "--label", "mood", "-o", self.fit)
        self.assertIn("held out        accuracy", text)
        validate("predictor", json.loads(self.ok("info", "--predictor", f"fit:{self.fit}", "--json")))
        self.assertIn("columns", self.ok("info", "--predictor", f"fit:{self.fit}"))

    def test_the_seed_and_nothing_else_splits(self):
        self.fitted("--seed", "3", "--threads", "1")
        one = self.fit.read_bytes()
        self.fitted("--seed", "3", "--threads", "3")
        self.assertEqual(one, self.fit.read_bytes())
        self.fitted("--seed", "4")
        self.assertNotEqual(one, self.fit.read_bytes())

    def test_predictions_follow_from_the_file(self):
        self.fitted("--strength", "0.5")
        m = json.loads(self.fit.read_text())
        answers = json.loads(self.ok("predict", "--predictor", f"fit:{self.fit}", "--table",
                                     self.table, "--json"))
        with open(self.table, encoding="utf-8-sig") as f:
            rows = list(csv.DictReader(f))
        self.assertEqual(len(answers), len(rows))
        for answer, row in zip(answers, rows):
            validate("prediction", answer)
            x = [float(row["size"]), row["city"] == "Paris", row["city"] == "北京",
                 float(row["taste, sweet"])]
            z = m["bias"][0] + sum(w * (v - mean) / scale for w, v, mean, scale in
                                   zip(m["weights"][0], x, m["mean"], m["scale"]))
            p = {o["text"]: o["prob"] for o in answer["outputs"]}
            self.assertAlmostEqual(p["好"], 1 / (1 + np.exp(-z)), places=9)
            self.assertAlmostEqual(sum(p.values()), 1, places=12)
        self.assertEqual(len(self.ok("predict", "--predictor", f"fit:{self.fit}", "--table",
                                     self.table).splitlines()), len(rows))

    def test_a_row_is_explained_by_every_method(self):
        self.fitted("--strength", "0.5")
        listed = json.loads(self.ok("--dump-commands"))["methods"]
        scores = {}
        for method in listed:
            if method["name"] == "reagent" or {"attention", "activations"} & {*method["needs"]}:
                continue  # a row's cells have no other words, and there is nothing inside
            doc = json.loads(self.ok("explain", "--predictor", f"fit:{self.fit}", "--table",
                                     self.table, "--row", "5", "--json", "--method",
                                     method["name"], *WORDS.get(method["name"], ())))
            validate("explanation", doc)
            self.assertEqual(len(doc["scores"]), 3)
            scores[method["name"]] = doc["scores"]
        for other in ("input-x-gradient", "integrated-gradients"):
            np.testing.assert_allclose(scores["occlusion"], scores[other], rtol=1e-4, atol=1e-6)
        report = self.path / "why.html"
        page = self.ok("explain", "--predictor", f"fit:{self.fit}", "--table", self.table, "--row",
                       "5", "--class", "好", "--output", "prob", "--html", report)
        self.assertIn("city = ", page)
        self.assertIn("city = ", report.read_text())

    def test_numbers_are_predicted_by_a_linear_model(self):
        report = json.loads(self.ok("fit", "--data", self.table, "--label", "size", "--kind", "linear",
                                    "--l1-ratio", "0.5", "-o", self.fit, "-q", "--json"))
        validate("fit", report)
        self.assertIn("r2", report["held_out"])
        answer = json.loads(self.ok("predict", "--predictor", f"fit:{self.fit}", "--table",
                                    self.table, "--row", "1", "--json"))
        validate("prediction", answer)
        doc = json.loads(self.ok("explain", "--predictor", f"fit:{self.fit}", "--table", self.table,
                                 "--row", "1", "--json"))
        validate("explanation", doc)
        self.assertAlmostEqual(doc["target"]["value"], answer["outputs"][0]["score"], places=9)

    def test_bad_input_is_one_clear_line(self):
        f, fit = f"fit:{self.fit}", ("fit", "--data", self.table, "-o", self.fit)
        self.refused(2, "fit", "-o", self.fit, says="fit needs data")
        self.refused(2, "fit", "--data", self.table, says="-o FILE")
        self.refused(2, *fit, says="no column 'label' (there are size, city")
        self.refused(2, *fit, "--label", "size", says="these are no classes")
        self.refused(2, *fit, "--label", "mood", "--columns", "x", says="no column 'x'")
        self.refused(2, *fit, "--label", "mood", "--class-weights", "x=1", says="no class 'x'")
        self.refused(2, "fit", "--data", self.table, "--label", "mood", "-o", self.table,
                     says="would overwrite the data")
        self.assertFalse(self.fit.exists())
        self.refused(3, "predict", "--predictor", f, "--table", self.table, says="model.json")
        self.fitted()
        self.refused(2, "predict", "--predictor", f, says="--table FILE.csv")
        self.refused(2, "predict", "--predictor", f, "a text", says="no text")
        self.refused(2, "explain", "--predictor", f, "--table", self.table, says="--row N")
        self.refused(2, "explain", "--predictor", f, "--table", self.table, "--row", "121",
                     says="has 120 rows; there is no row 121")
        self.refused(2, "explain", "--predictor", f, "--table", self.table, "--row", "1", "--class",
                     "x", says="no class 'x'")
        self.refused(2, "explain", "--predictor", f, "--table", self.table, "--row", "1",
                     "--method", "occlusion", "--absent", "attention", says="no attention")
        self.refused(2, "explain", "--predictor", f, "-m", DECODER, "a", says="leave out --model")
        other = self.path / "other.csv"
        other.write_text("size,city,\"taste, sweet\"\n1,Paris,2\n1,Oslo,2\n,Paris,2\n")
        self.ok("predict", "--predictor", f, "--table", other, "--row", "1")
        self.refused(3, "predict", "--predictor", f, "--table", other, says="row 2 of")
        self.refused(3, "predict", "--predictor", f, "--table", other, "--row", "3", says="no 'size'")

    def test_memory_is_bounded(self):
        self.refused(4, "fit", "--data", self.table, "--label", "mood", "-o", self.fit, "--memory",
                     "1M", says="--memory")


class Texts(Case):
    def setUp(self):
        super().setUp()
        self.data = self.path / "texts.jsonl"
        rng = random.Random(2)
        words = "hello small world again the of and to in is".split()
        with open(self.data, "w", encoding="utf-8") as f:
            for i in range(60):
                text = " ".join(rng.choice(words[:5] if i % 3 else words[5:])
                                for _ in range(rng.randint(1, 9)))
                f.write(json.dumps({"text": text, "label": "ab"[i % 3 == 0]}) + "\n")

    def represent(self, model, site, text, pool):
        out = self.path / "site.safetensors"
        self.ok("capture", "-m", model, "--site", site, "-o", out, text, "-q")
        raw = out.read_bytes()
        size = int.from_bytes(raw[:8], "little")
        info = json.loads(raw[8:8 + size])[site]
        begin, end = info["data_offsets"]
        x = np.frombuffer(raw[8 + size + begin:8 + size + end], "<f4").reshape(info["shape"])
        return {"mean": x.mean(0), "last": x[-1], "cls": x[0]}[pool]

    def check(self, model, site, pool):
        report = json.loads(self.ok("fit", "-m", model, "--data", self.data, "--on", site, "--pool",
                                    pool, "--strength", "1", "-o", self.fit, "-q", "--json"))
        validate("fit", report)
        m = json.loads(self.fit.read_text())
        validate("linear", m)
        text = "hello the small world"
        x = self.represent(model, site, text, pool)
        z = m["bias"][0] + float(np.dot(m["weights"][0], (x - m["mean"]) / m["scale"]))
        answer = json.loads(self.ok("predict", "--predictor", f"fit:{self.fit}", "-m", model, text,
                                    "--json"))
        validate("prediction", answer)
        p = {o["text"]: o["prob"] for o in answer["outputs"]}
        self.assertAlmostEqual(p["b"], 1 / (1 + np.exp(-z)), delta=2e-5)
        limits = {"gradient_check": 0.02, "completeness_residual": 0.01}
        for method in ("occlusion", "gradient", "input-x-gradient", "integrated-gradients"):
            doc = json.loads(self.ok("explain", "--predictor", f"fit:{self.fit}", "-m", model, text,
                                     "--method", method, "--class", "b", "--output", "prob",
                                     "--json"))
            validate("explanation", doc)
            self.assertAlmostEqual(doc["target"]["value"], p["b"], delta=2e-5)
            checks = {k: v["value"] for k, v in doc["checks"]["values"].items()}
            found = {k: abs(v) for k, v in checks.items() if k in limits}
            self.assertEqual(len(found), method != "occlusion")
            for name, value in found.items():
                self.assertLess(value, limits[name])

    def test_encoders_at_every_kind_of_site(self):
        for site in ("blocks.0.hook_resid_post", "blocks.1.hook_normalized_resid_post",
                     "blocks.1.hook_resid_pre"):
            for pool in ("mean", "cls", "last"):
                with self.subTest(site=site, pool=pool):
                    self.check(ENCODER, site, pool)

    def test_decoders(self):
        for pool in ("mean", "last"):
            with self.subTest(pool=pool):
                self.check(DECODER, "blocks.0.hook_resid_post", pool)

    def test_bad_input_is_one_clear_line(self):
        fit = ("fit", "-m", DECODER, "--data", self.data, "-o", self.fit)
        self.refused(2, *fit, "--on", "blocks.9.hook_resid_post", says="blocks.N.hook_resid_post")
        self.refused(2, *fit, "--on", "blocks.0.hook_resid_mid", says="blocks.N.hook_resid_post")
        self.refused(2, *fit, "--pool", "cls", says="sees no other")
        self.refused(2, *fit, "--text", "review", says="no column 'review'")
        self.refused(2, *fit, "--kind", "linear", says="from tables")
        self.refused(3, "fit", "-m", MODELS / "stacks/t5", "--data", self.data, "-o", self.fit,
                     says="writes translations")
        self.assertFalse(self.fit.exists())
        self.ok(*fit, "--strength", "1")
        f = f"fit:{self.fit}"
        self.refused(2, "explain", "--predictor", f, "a text", says="-m MODEL")
        self.refused(2, "explain", "--predictor", f, "-m", ENCODER, "a text", says="another model")
        self.refused(2, "predict", "--predictor", f, "--table", self.table, says="-m MODEL")
        self.refused(2, "predict", "--predictor", f, "-m", DECODER, "--table", self.table,
                     says="reads no rows")
        self.refused(2, "explain", "--predictor", "process:cat", "--table", self.table, "a",
                     says="--table gives a row")

    def test_lines_of_label_and_text(self):
        lines = self.path / "texts.txt"
        lines.write_text("".join(f"{'ab'[i % 2]}\t{'hello' if i % 2 else 'world'} again\r\n"
                                 for i in range(20)))
        self.ok("fit", "-m", DECODER, "--data", lines, "-o", self.fit, "--strength", "1")


if __name__ == "__main__":
    unittest.main()
