#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""glim influence through a model's weights, as a user meets it."""
import csv
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

from jsonschema import Draft202012Validator

ROOT = pathlib.Path(__file__).resolve().parents[2]
GLIM = os.environ.get("GLIM", str(ROOT / "build/release/src/cli/glim"))
MODEL = ROOT / "tests/golden/models/llama-q4_0.gguf"
SCHEMA = json.loads((ROOT / "docs/schema/glim.model-influence-1.schema.json").read_text())
METHODS = ["tracin", "gradient-product", "gradient-cosine", "datainf", "trak"]
TEXTS = [f"{a} {b}, {c}" for a in ("a fine film", "no end", "the word") for b in ("in it", "at last")
         for c in ("again", "and x y z")]


def run(*args):
    return subprocess.run([GLIM, "influence", "-m", str(MODEL), *map(str, args)], timeout=120,
                          capture_output=True, env=dict(os.environ, LC_ALL="C.UTF-8"))


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.train = pathlib.Path(cls.folder.name) / "train.csv"
        with cls.train.open("w", newline="") as f:
            csv.writer(f).writerows([["text"]] + [[t] for t in TEXTS])

    def answer(self, *args):
        r = run("--train", self.train, "--json", "-q", *args)
        self.assertEqual(r.returncode, 0, r.stderr.decode())
        answer = json.loads(r.stdout)
        Draft202012Validator(SCHEMA).validate(answer)
        return answer

    def refused(self, *args):
        r = run("--train", self.train, *args)
        self.assertEqual(r.returncode, 2, r.stderr.decode())
        return r.stderr.decode()

    def test_every_method_answers(self):
        for method in METHODS:
            a = self.answer("--method", method, TEXTS[5])
            (column,) = (c for c in a["columns"] if c["name"] == "influence")
            self.assertEqual(column["defined"], len(TEXTS), method)
            self.assertEqual(a["queries"][0]["text"], TEXTS[5])
            if method == "gradient-cosine":
                self.assertEqual(column["high"][0]["row"], 6)
                self.assertAlmostEqual(column["high"][0]["value"], 1, places=5)

    def test_real_steps_do_what_the_product_says(self):
        a = self.answer("--method", "gradient-product", "--check", 8, TEXTS[0])
        self.assertGreater(a["truth"]["pearson"], 0.99)
        self.assertEqual(len(a["truth"]["steps"]), 8)

    def test_checkpoints_are_added_at_their_rates(self):
        out = pathlib.Path(self.folder.name) / "rows.csv"
        rows = []
        for more in ([], ["--rate", 0.5, "--checkpoint", f"{MODEL}:0.25,{MODEL}:0.25"]):
            r = run("--train", self.train, "--method", "tracin", "-q", "--csv", out, *more, TEXTS[1])
            self.assertEqual(r.returncode, 0, r.stderr.decode())
            rows.append(list(csv.DictReader(out.read_text().splitlines())))
        for x, y in zip(*rows, strict=True):
            self.assertAlmostEqual(float(x["influence:1"]), float(y["influence:1"]), places=4)
        self.assertEqual([r["row"] for r in rows[0]], [str(i + 1) for i in range(len(TEXTS))])

    def test_without_a_query_samples_meet_themselves(self):
        a = self.answer("--method", "tracin")
        self.assertEqual([c["name"] for c in a["columns"]], ["self-influence"])

    def test_a_store_gives_the_same_again(self):
        store = pathlib.Path(self.folder.name) / "kept.store"
        once, again = (self.answer("--method", "trak", "--store", store, TEXTS[2])["columns"]
                       for _ in range(2))
        self.assertEqual(once, again)

    def test_what_cannot_be_is_said(self):
        self.assertIn("FILE:RATE", self.refused("--method", "tracin", "--checkpoint", "x.gguf", "a b"))
        self.assertIn("--query", self.refused("--method", "trak"))
        self.assertIn("nowhere", self.refused("--method", "tracin", "--weights", "nowhere*", "a b"))
        r = run("--train", self.train, "--method", "tracin", "")
        self.assertNotEqual(r.returncode, 0)
        self.assertIn("text", r.stderr.decode())

    def test_plans_tell_tokens_and_bytes(self):
        r = run("--train", self.train, "--method", "datainf", "--dry-run", "a fine film")
        self.assertEqual(r.returncode, 0, r.stderr.decode())
        self.assertIn("tokens", r.stdout.decode())

    def test_narrow_terminals(self):
        for width in (40, 80):
            r = subprocess.run(
                [GLIM, "influence", "-m", MODEL, "--train", self.train, "--method", "tracin", "-q",
                 "--width", str(width), TEXTS[3]], capture_output=True, timeout=60)
            self.assertEqual(r.returncode, 0, r.stderr.decode())
            self.assertTrue(all(len(line) <= width for line in r.stdout.decode().splitlines()))


if __name__ == "__main__":
    unittest.main()
