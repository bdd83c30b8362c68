#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""glim probe as a user meets it: texts and tagged words, plans, directions, what is refused."""
import json
import os
import pathlib
import random
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
DECODER, ENCODER = str(MODELS / "llama.gguf"), str(MODELS / "published/bert-embed")
STACKS = str(MODELS / "stacks/marian")
WORDS = {"cat": "N", "dog": "N", "ran": "V", "sat": "V", "red": "A", "the": "D"}


def run(*args, **more):
    return subprocess.run([GLIM, *map(str, args)], capture_output=True, timeout=120,
                          env=dict(os.environ, LANG="C.UTF-8"), **more)


def load_file(path):
    data = path.read_bytes()
    n = int.from_bytes(data[:8], "little")
    head = json.loads(data[8:8 + n])
    meta = head.pop("__metadata__")
    return meta, {name: np.frombuffer(data[8 + n + t["data_offsets"][0]:8 + n + t["data_offsets"][1]], "<f4")
                  .reshape(t["shape"]) for name, t in head.items()}


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        self.path = pathlib.Path(self.dir.name)
        rng = random.Random(1)
        self.texts = self.path / "texts.csv"
        with open(self.texts, "w", encoding="utf-8") as f:
            f.write("text,label,size,page\n")
            for i in range(80):
                k = rng.randrange(2)
                f.write(f"{('alpha', 'omega')[k]} {rng.choice('abcde')} {rng.choice('vwxyz')} end,"
                        f"{('first', '最后')[k]},{k + 0.5},{i // 4}\n")
        self.tags = self.path / "tagged.conll"
        with open(self.tags, "w", encoding="utf-8") as f:
            for _ in range(40):
                for _ in range(5):
                    word = rng.choice(list(WORDS))
                    f.write(f"{word}\t{WORDS[word]}\n")
                f.write("\n")

    def ok(self, *args, **more):
        r = run(*args, **more)
        self.assertEqual(r.returncode, 0, r.stderr.decode())
        return r.stdout.decode()

    def refused(self, status, *args, says):
        r = run("probe", *args)
        self.assertEqual(r.returncode, status, r.stderr.decode())
        self.assertEqual(r.stdout, b"")
        self.assertEqual(len(r.stderr.decode().splitlines()), 1, r.stderr.decode())
        self.assertIn(says, r.stderr.decode())

    def document(self, *args):
        doc = json.loads(self.ok("probe", "-q", "--strength", "1", "--json", *args))
        Draft202012Validator(json.loads((ROOT / "docs/schema/glim.explanation-1.schema.json").read_text())).validate(doc)
        return doc

    @staticmethod
    def lines(doc, name="accuracy"):
        panel = next(p for p in doc["panels"] if p["name"] == name)
        return panel["columns"]["labels"], dict(zip(panel["rows"]["labels"], panel["values"]))


class Texts(Case):
    def test_a_first_word_is_known_behind_attention_and_not_before(self):
        doc = self.document("-m", DECODER, "--data", self.texts, "--permutations", 5)
        layers, lines = self.lines(doc)
        self.assertEqual(layers[:3], ["embed", "0", "1"])
        self.assertLessEqual(lines["probe"][0], lines["majority"][0] + 0.01)
        self.assertGreater(min(lines["probe"][1:]), 0.95)
        for a, b, c in zip(lines["probe"], lines["control"], lines["selectivity"]):
            self.assertAlmostEqual(a - b, c)
        self.assertEqual(doc["kind"], "probe")
        self.assertEqual(self.document("-m", DECODER, "--data", self.texts, "--permutations", 5, "--threads", 1)["panels"],
                         doc["panels"])

    def test_encoders_numbers_hidden_layers_groups_and_halves(self):
        doc = self.document("-m", ENCODER, "--data", self.texts, "--label", "size", "--regression", "--group", "page",
                            "--permutations", 3)
        self.assertGreater(self.lines(doc, "r2")[1]["probe"][1], 0.8)
        self.assertIn("20 groups", " ".join(doc["notes"]))
        doc = self.document("-m", ENCODER, "--data", self.texts, "--probe", "mlp", "--hidden", 8, "--half", "--no-control",
                            "--no-baseline")
        self.assertGreater(self.lines(doc)[1]["probe"][-1], 0.9)
        self.assertNotIn("control", self.lines(doc)[1])
        doc = self.document("-m", STACKS, "--data", self.texts, "--no-control", "--no-code")
        self.assertGreater(self.lines(doc)[1]["probe"][-1], 0.8)

    def test_a_plan_runs_nothing_and_knows_the_disk(self):
        plan = json.loads(self.ok("probe", "-m", DECODER, "--data", self.texts, "--dry-run", "--json"))
        Draft202012Validator(json.loads((ROOT / "docs/schema/glim.plan-1.schema.json").read_text())).validate(plan)
        half = json.loads(self.ok("probe", "-m", DECODER, "--data", self.texts, "--half", "--dry-run", "--json"))
        self.assertEqual(plan["disk_bytes"], 2 * half["disk_bytes"])
        self.assertIn("for a temporary file", self.ok("probe", "-m", DECODER, "--data", self.texts, "--dry-run"))
        self.refused(4, "-m", DECODER, "--data", self.texts, "--memory", "1M", says="--memory")

    def test_directions_are_those_of_captured_values(self):
        out, acts = self.path / "d.safetensors", self.path / "a.safetensors"
        doc = self.document("-m", DECODER, "--data", self.texts, "--site", "blocks.1.hook_resid_post", "--no-control",
                            "--no-code", "--save", out, "--concept-target", "e")
        meta, tensors = load_file(out)
        self.assertEqual(json.loads(meta["classes"]), ["first", "最后"])
        self.assertEqual((meta["format"], meta["target"], meta["pool"]), ("glim.directions/1", "label", "last"))
        w, b = tensors["blocks.1.hook_resid_post.weight"], tensors["blocks.1.hook_resid_post.bias"]
        for text, sign in (("alpha a v end", -1), ("omega b w end", 1)):
            self.ok("capture", "-m", DECODER, "--site", "blocks.1.hook_resid_post", "-o", acts, text)
            h = self.rows(acts)
            self.assertGreater(sign * (w[0] @ h[-1] + b[0]), 0)
        shares = self.lines(doc, "concept")[1]
        self.assertTrue(0 <= shares["concept"][0] <= 1)

    @staticmethod
    def rows(path):
        data = path.read_bytes()
        n = int.from_bytes(data[:8], "little")
        t = json.loads(data[8:8 + n])["blocks.1.hook_resid_post"]
        begin, end = t["data_offsets"]
        return np.frombuffer(data[8 + n + begin:8 + n + end], "<f4").reshape(t["shape"])

    def test_an_interrupted_run_says_what_it_has(self):
        out = self.path / "out.json"
        p = subprocess.Popen([GLIM, "probe", "-m", DECODER, "--data", self.texts, "--permutations", "10000",
                              "--json", out], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        time.sleep(1.5)
        p.send_signal(signal.SIGINT)
        _, err = p.communicate(timeout=60)
        self.assertEqual(p.returncode, 130, err)
        self.assertTrue(json.loads(out.read_text())["partial"])


class Tagged(Case):
    def test_words_are_told_by_their_tags(self):
        doc = self.document("-m", DECODER, "--data", self.tags, "--word", "mean")
        lines = self.lines(doc)[1]
        self.assertEqual(lines["most frequent tag of the word"][0], 1)
        self.assertGreater(lines["probe"][0], 0.95)
        confusion = next(p for p in doc["panels"] if p["name"] == "confusion")
        self.assertEqual(confusion["rows"]["labels"], ["A", "D", "N", "V"])
        self.assertEqual(sum(map(sum, confusion["values"])), 200)
        same = self.path / "tagged.jsonl"
        sentences = [s.splitlines() for s in self.tags.read_text().strip().split("\n\n")]
        same.write_text("".join(json.dumps({"tokens": [w.split("\t")[0] for w in s], "tags": [w.split("\t")[1] for w in s]})
                                + "\n" for s in sentences))
        self.assertEqual(self.document("-m", DECODER, "--data", same, "--word", "mean")["panels"], doc["panels"])

    def test_what_does_not_fit_is_refused_by_line(self):
        bad = self.path / "bad.jsonl"
        bad.write_text('{"tokens":["a","b"],"tags":["X","Y"]}\n{"tokens":["a","b"],"tags":["X"]}\n')
        self.refused(3, "-m", DECODER, "--data", bad, says=f"line 2 of '{bad}' has 2 tokens and 1 tags")
        bad = self.path / "bad.tags"
        bad.write_text("a/X b/Y\nc d/Y\n")
        self.refused(3, "-m", DECODER, "--data", bad, says="line 2")

    def test_usage(self):
        self.refused(2, "-m", DECODER, says="--data")
        self.refused(2, "-m", DECODER, "--data", self.texts, "--site", "blocks.*.hook_resid_pots",
                     says="blocks.*.hook_resid_post")
        self.refused(2, "-m", DECODER, "--data", self.texts, "--label", "nothing", says="nothing")
        one = self.path / "one.csv"
        one.write_text("text,label\na,x\nb,x\n")
        self.refused(2, "-m", DECODER, "--data", one, says="there is nothing to tell apart")
        r = run("capture", "-m", DECODER, "--site", "blocks.*.hook_resid_pots", "-o", self.path / "x", "a")
        self.assertIn("near to it: blocks.*.hook_resid_post", r.stderr.decode())


if __name__ == "__main__":
    unittest.main()
