#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""glim compare as a user meets it: methods beside each other, and two models."""
import csv
import json
import math
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import numpy as np
from jsonschema import Draft202012Validator

ROOT = pathlib.Path(__file__).resolve().parents[2]
GLIM = os.environ.get("GLIM", str(ROOT / "build/release/src/cli/glim"))
MODELS = ROOT / "tests/golden/models"
LLAMA, F16, Q8, Q4 = (MODELS / f"{n}.gguf" for n in
                      ("llama", "llama-f16", "llama-q8_0", "llama-q4_0"))
TEXT = "Hello small world, hello again"
SCHEMA = json.loads((ROOT / "docs/schema/glim.comparison-1.schema.json").read_text())


def run(*args, **more):
    return subprocess.run([GLIM, *map(str, args)], capture_output=True, timeout=120,
                          env=dict(os.environ, LC_ALL="C.UTF-8"), **more)


class Case(unittest.TestCase):
    def ok(self, *args):
        r = run(*args)
        self.assertEqual(r.returncode, 0, r.stderr.decode())
        return r.stdout.decode()

    def compared(self, *args):
        c = json.loads(self.ok("compare", "--json", "-q", *args))
        Draft202012Validator.check_schema(SCHEMA)
        Draft202012Validator(SCHEMA).validate(c)
        return c

    def refused(self, *args, says):
        r = run("compare", *args)
        self.assertEqual(r.returncode, 2, r.stderr.decode())
        self.assertIn(says, r.stderr.decode())


class Methods(Case):
    def test_scores_are_those_of_explain(self):
        c = self.compared("-m", LLAMA, "--methods", "occlusion,gradient,shapley", TEXT)
        self.assertEqual([r["method"] for r in c["runs"]], ["occlusion", "gradient", "shapley"])
        for r in c["runs"]:
            alone = json.loads(self.ok("explain", "-m", LLAMA, "--method", r["method"], "--json",
                                       "-q", TEXT))
            told = [s if isinstance(s, (int, float)) else None for s in r["scores"]]
            np.testing.assert_allclose(told, np.ravel(alone["scores"]), rtol=1e-6)
            best = max(range(len(told)),
                       key=lambda u: told[u] if r["signed"] else abs(told[u]))
            self.assertEqual(r["top"][0], best)

    def test_agreement_is_a_symmetric_table_with_ones_on_its_diagonal(self):
        c = self.compared("-m", LLAMA, TEXT)
        n = len(c["runs"])
        self.assertGreater(n, 5)
        for name in ("kendall", "jaccard", "rbo"):
            m = np.array(c["agreement"][name], dtype=float)
            self.assertEqual(m.shape, (n, n))
            np.testing.assert_allclose(m, m.T, atol=1e-12)
            np.testing.assert_allclose(np.diag(m), 1, atol=1e-12)

    def test_tau_is_that_of_all_pairs(self):
        c = self.compared("-m", LLAMA, "--methods", "occlusion,shapley", TEXT)
        a, b = (r["scores"] for r in c["runs"])
        pairs = [(i, k) for i in range(len(a)) for k in range(i)]
        tau = sum(np.sign(a[i] - a[k]) * np.sign(b[i] - b[k]) for i, k in pairs) / len(pairs)
        self.assertAlmostEqual(c["agreement"]["kendall"][0][1], tau, 9)
        flips = sum(x * y < 0 for x, y in zip(a, b))
        self.assertEqual(c["agreement"]["sign_flips"][0][1], flips)

    def test_what_costs_too_much_is_left_out_with_the_reason_unless_it_is_named(self):
        c = self.compared("-m", LLAMA, "--passes", "20", TEXT)
        left = {x["method"]: x["why"] for x in c["left_out"]}
        self.assertIn("above --passes 20", left["lime"])
        self.assertIn("--accept-patent-note", left["lrp"])
        self.assertNotIn("lime", [r["method"] for r in c["runs"]])
        named = self.compared("-m", LLAMA, "--passes", "20", "--methods", "lime,gradient", TEXT)
        self.assertEqual(len(named["runs"]), 2)

    def test_terminal_fits_and_csv_stands_side_by_side(self):
        page = self.ok("compare", "-m", LLAMA, "--width", "80", TEXT)
        self.assertLessEqual(max(map(len, page.splitlines())), 80)
        self.assertIn("occlusion", page)
        with tempfile.TemporaryDirectory() as d:
            file = pathlib.Path(d) / "c.csv"
            self.ok("compare", "-m", LLAMA, "--methods", "occlusion,gradient", "--csv", file, TEXT)
            with open(file, newline="", encoding="utf-8") as f:
                rows = list(csv.DictReader(f))
        self.assertEqual("".join(r["text"] for r in rows), TEXT)
        self.assertTrue(all(float(r["gradient"]) >= 0 for r in rows))

    def test_slips_are_told(self):
        self.refused("-m", LLAMA, "--methods", "occlusion,occlusion", TEXT, says="twice")
        self.refused("-m", LLAMA, "--methods", "oclusion", TEXT, says="no method 'oclusion'")
        self.refused("-m", LLAMA, "--methods", "occlusion", TEXT, says="not two methods")
        self.refused("-m", LLAMA, "--methods", "lrp,gradient", TEXT, says="--accept-patent-note")
        self.refused("-m", LLAMA, "--method", "gradient", TEXT, says="--other")
        self.refused("-m", MODELS / "stacks/marian", "the cat is red", says="takes one target")

    def test_a_black_box_is_asked_by_methods_that_need_no_more(self):
        box = f"process:{sys.executable} {ROOT / 'examples/predictors/naive_bayes.py'}"
        c = self.compared("--predictor", box, "a fine film")
        self.assertIn("shapley", [r["method"] for r in c["runs"]])
        self.assertNotIn("gradient", [r["method"] for r in c["runs"]])
        self.refused("--predictor", box, "--other", LLAMA, "a fine film", says="--other")


class Models(Case):
    def test_a_model_beside_itself_is_the_same(self):
        for method in ("occlusion", "gradient", "attention-rollout"):
            c = self.compared("-m", LLAMA, "--other", LLAMA, "--method", method, TEXT)
            for name in ("kendall", "jaccard"):
                self.assertEqual(c["agreement"][name], [[1, 1], [1, 1]])
            self.assertAlmostEqual(c["agreement"]["rbo"][0][1], 1, 12)
            self.assertEqual(c["models"]["kl"], 0)
            self.assertEqual(c["models"]["drift"], [0, 0])
            self.assertFalse(c["models"]["flips"])
            self.assertEqual(c["runs"][0]["scores"], c["runs"][1]["scores"])

    def test_divergence_and_drift_are_those_of_captured_values(self):
        c = self.compared("-m", F16, "--other", Q8, TEXT)
        logits, rows = [], []
        with tempfile.TemporaryDirectory() as d:
            for model in (F16, Q8):
                raw, st = pathlib.Path(d) / "x.npy", pathlib.Path(d) / "x.safetensors"
                self.ok("predict", "-m", model, "--raw", raw, TEXT)
                self.ok("capture", "-m", model, "-o", st, "--site", "blocks.0.hook_resid_post", TEXT)
                logits.append(np.load(raw)[-1].astype(float))
                data = st.read_bytes()
                size = int.from_bytes(data[:8], "little")
                head = json.loads(data[8:8 + size])["blocks.0.hook_resid_post"]
                begin, end = head["data_offsets"]
                rows.append(np.frombuffer(data[8 + size + begin:8 + size + end], "<f4")
                            .reshape(head["shape"])[-1].astype(float))
        p, q = (np.exp(x - x.max()) / np.exp(x - x.max()).sum() for x in logits)
        kl = float((p * np.log(p / q)).sum())
        self.assertGreater(kl, 0)
        self.assertAlmostEqual(c["models"]["kl"] / kl, 1, 4)
        drift = 1 - rows[0] @ rows[1] / math.sqrt((rows[0] @ rows[0]) * (rows[1] @ rows[1]))
        self.assertAlmostEqual(c["models"]["drift"][0], drift, 9)
        self.assertGreater(drift, 0)

    def test_the_target_is_the_first_models_on_both(self):
        c = self.compared("-m", F16, "--other", Q4, TEXT)
        self.assertEqual(c["target"]["text"], c["models"]["likeliest"])
        self.assertEqual(c["models"]["flips"],
                         c["models"]["likeliest"] != c["models"]["likeliest_other"])
        alone = json.loads(self.ok("explain", "-m", Q4, "--target", c["target"]["text"], "--json",
                                   "-q", TEXT))
        self.assertAlmostEqual(c["runs"][1]["value"], alone["target"]["value"], 6)
        self.assertEqual(c["runs"][1]["model"]["quantisation"], "Q4_0")

    def test_other_shapes_have_no_drift_and_other_words_no_divergence(self):
        c = self.compared("-m", LLAMA, "--other", F16, TEXT)
        self.assertEqual(c["models"]["drift"], [])
        self.assertIn("shapes", c["models"]["no_drift"])
        c = self.compared("-m", LLAMA, "--other", MODELS / "gemma3.gguf", "--target", "s",
                          "--units", "word", TEXT)
        self.assertIsNone(c["models"]["kl"])
        self.assertIn("vocabularies", c["models"]["no_kl"])

    def test_classes_are_answers_and_labels_are_none_of_the_models_own(self):
        published = MODELS / "published"
        c = self.compared("-m", published / "bert-classes", "--other",
                          published / "distilbert-classes", "the cat is red")
        self.assertGreater(c["models"]["kl"], 0)
        self.assertEqual(c["models"]["likeliest"], c["target"]["text"])
        self.assertEqual(len(c["models"]["drift"]), 2)
        c = self.compared("-m", F16, "--other", Q8, "--labels", "a,b", "hello world")
        self.assertIsNone(c["models"]["flips"])
        self.assertIsNone(c["models"]["kl"])
        self.assertTrue(c["models"]["no_kl"])

    def test_terminal_says_what_flips(self):
        page = self.ok("compare", "-m", F16, "--other", Q4, "--width", "80", TEXT)
        self.assertIn("llama-q4_0.gguf, Q4_0", page)
        self.assertIn("KL(model || other)", page)
        self.assertIn("changes sign", page)
        self.assertLessEqual(max(map(len, page.splitlines())), 80)

    def test_units_that_differ_and_other_slips_are_told(self):
        self.refused("-m", LLAMA, "--other", MODELS / "gemma3.gguf", "--target", "s", "--units",
                     "token", TEXT, says="--units word")
        self.refused("-m", LLAMA, "--other", LLAMA, "--methods", "gradient,occlusion", TEXT,
                     says="--method NAME")
        piped = run("compare", "-m", LLAMA, "--other", LLAMA, "--file", "-", input=b"Hello")
        self.assertIn("twice", piped.stderr.decode())
        with tempfile.TemporaryDirectory() as d:
            copy = shutil.copy(LLAMA, d)
            self.refused("-m", LLAMA, "--other", copy, f"--json={copy}", TEXT,
                         says="would overwrite the other model")


if __name__ == "__main__":
    sys.exit(unittest.main())
