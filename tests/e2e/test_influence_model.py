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
STACKS = ROOT / "tests/golden/models/stacks"
SCHEMA = json.loads((ROOT / "docs/schema/glim.influence-1.schema.json").read_text())
METHODS = ["tracin", "gradient-product", "gradient-cosine", "datainf", "trak", "ekfac"]
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
        return self.refused_of(self.train, *args)

    def refused_of(self, train, *args):
        r = run("--train", train, *args)
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

    def test_what_tokens_and_parts_have_sums_to_the_score(self):
        for method in METHODS:
            for by in ("token", "layer", "module"):
                if method == "trak":
                    self.assertIn("gradient-cosine", self.refused("--method", method, "--by", by, "a b"))
                    continue
                a = self.answer("--method", method, "--by", by, TEXTS[5])
                (column,) = (c for c in a["columns"] if c["name"] == "influence")
                shown = {e["row"]: e for e in column["high"] + column["low"] if e["value"]}
                listed = [e["row"] for e in column["high"] if e["value"] > 0]
                listed += [e["row"] for e in column["low"] if e["value"] < 0]
                self.assertEqual(sorted(listed), sorted(s["row"] for s in a["shares"]))
                for s in a["shares"]:
                    e, size = shown[s["row"]], sum(map(abs, s["values"]))
                    self.assertEqual((s["score"], s["query"]), (e["value"], 1))
                    self.assertLess(abs(sum(s["values"]) + s["rest"] - s["score"]), 1e-4 * size)
                    if by == "token": # the last is only said
                        self.assertTrue(e["text"].startswith("".join(s["names"])))

    def test_groups_are_sums_of_their_samples(self):
        rows = pathlib.Path(self.folder.name) / "grouped.jsonl"
        table = pathlib.Path(self.folder.name) / "grouped.csv"
        of = ["west", "east, \u4e1c", "west", "north"]
        rows.write_text("".join(json.dumps({"text": t, "where": of[i % 4]}) + "\n"
                                for i, t in enumerate(TEXTS)))
        two = pathlib.Path(self.folder.name) / "two.csv"
        two.write_text("text\nno end\nthe word at last\n")
        r = run("--train", rows, "--group", "where", "--method", "tracin", "-q", "--json", "--csv",
                table, "--query", two)
        self.assertEqual(r.returncode, 0, r.stderr.decode())
        a = json.loads(r.stdout)
        Draft202012Validator(SCHEMA).validate(a)
        lines = list(csv.DictReader(table.read_text().splitlines()))
        self.assertEqual([g["name"] for g in a["groups"]], ["west", "east, \u4e1c", "north"])
        self.assertEqual([g["samples"] for g in a["groups"]], [6, 3, 3])
        for g in a["groups"]:
            for q in (1, 2):
                mine = [float(x[f"influence:{q}"]) for i, x in enumerate(lines)
                        if of[i % 4] == g["name"]]
                self.assertAlmostEqual(g["influence"][q - 1], sum(mine), delta=1e-9 * sum(map(abs, mine)))
            self.assertEqual(g["refit"], [None, None])
        self.assertIn("text, where", self.refused_of(rows, "--group", "no", "no end"))
        self.assertIn("has none", self.refused_of(rows, "--group", "where", "--method", "similarity", "no"))
        self.assertIn("--query", self.refused_of(rows, "--group", "where", "--method", "tracin"))

    def test_very_many_groups(self):
        rows = pathlib.Path(self.folder.name) / "many.csv"
        with rows.open("w", newline="") as f:
            csv.writer(f).writerows([["text", "where"]] + [[f"{a}{b} c", f"g{a}{b}"] for a in "abcdefgh"
                                                          for b in "abcdefghijklmnopqrs"])
        r = run("--train", rows, "--group", "where", "--method", "tracin", "-q", "no end")
        self.assertEqual(r.returncode, 0, r.stderr.decode())
        self.assertIn("... and 132 more", r.stdout.decode())

    def test_real_steps_do_what_the_product_says(self):
        a = self.answer("--method", "gradient-product", "--check", 8, TEXTS[0])
        self.assertGreater(a["steps"]["pearson"], 0.99)
        self.assertEqual(len(a["steps"]["samples"]), 8)
        self.assertEqual(a["checks"]["steps"]["value"], a["steps"]["spearman"])

    def test_checkpoints_are_added_at_their_rates(self):
        out = pathlib.Path(self.folder.name) / "rows.csv"
        rows = []
        for more in ([], ["--rate", 0.5, "--checkpoint", f"{MODEL}:0.25", "--checkpoint", f"{MODEL}:0.25"]):
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
        self.assertIn("FILE:RATE", self.refused("--method", "tracin", "--checkpoint", "x.gguf:-1", "a b"))
        self.assertIn("--query", self.refused("--method", "trak"))
        self.assertIn("--query", self.refused("--method", "tracin", "--by", "layer"))
        self.assertIn("nowhere", self.refused("--method", "tracin", "--weights", "nowhere*", "a b"))
        r = run("--train", self.train, "--method", "tracin", "")
        self.assertNotEqual(r.returncode, 0)
        self.assertIn("text", r.stderr.decode())

    def test_what_a_text_says_is_given_or_written(self):
        a = self.answer("--method", "gradient-product", "no end", "--target", " in it")
        self.assertEqual((a["queries"][0]["text"], a["queries"][0]["label"]), ("no end", " in it"))
        pairs = pathlib.Path(self.folder.name) / "pairs.csv"
        pairs.write_text("source,target\nthe cat is red,die Katze ist rot\na dog,ein Hund\n")
        r = subprocess.run([GLIM, "influence", "-q", "--json", "-m", STACKS / "marian", "--train",
                            pairs, "the cat is red"], capture_output=True, timeout=60)
        a = json.loads(r.stdout)
        Draft202012Validator(SCHEMA).validate(a)
        self.assertEqual(a["queries"][0]["label"], "die Katze ist rot")
        (column,) = (c for c in a["columns"] if c["name"] == "influence")
        self.assertEqual(column["high"][0]["row"], 1)

    def test_methods_without_gradients_and_classifiers(self):
        classes = pathlib.Path(self.folder.name) / "classes.csv"
        classes.write_text("text,label\na good film,good\na bad one,bad\nvery good,good\n"
                           "a good film,bad\n")
        model = ROOT / "tests/golden/models/published/bert-classes"
        for method in ("loss", "duplicates", "similarity", "tracin"):
            r = subprocess.run([GLIM, "influence", "-q", "--json", "-m", model, "--train", classes,
                                "--method", method, "a good film"], capture_output=True, timeout=60)
            self.assertEqual(r.returncode, 0, r.stderr.decode())
            a = json.loads(r.stdout)
            Draft202012Validator(SCHEMA).validate(a)
            self.assertIn(a["queries"][0]["label"], ("good", "bad", "odd"))
        r = subprocess.run([GLIM, "influence", "-q", "--json", "-m", model, "--train", classes,
                            "--method", "duplicates"], capture_output=True, timeout=60)
        losses = subprocess.run([GLIM, "influence", "-q", "--json", "-m", model, "--train", classes, "--top", "4",
                                 "--method", "loss"], capture_output=True, timeout=60, check=True)
        d = json.loads(losses.stdout)
        probability = next(c for c in d["columns"] if c["name"] == "probability")
        unlikely = {e["row"] for e in probability["high"] + probability["low"] if e["value"] < 0.5}
        flagged = d["flags"]["mislabelled"]
        self.assertEqual({e["row"] for e in flagged["samples"]} if isinstance(flagged, dict)
                         else {e["row"] for e in flagged}, unlikely)
        self.assertTrue(unlikely)
        differs = next(c for c in json.loads(r.stdout)["columns"] if c["name"] == "label-differs")
        self.assertEqual({e["row"] for e in differs["high"] if e["value"]}, {1, 4})

    def test_a_report_lists_what_the_document_says(self):
        page = pathlib.Path(self.folder.name) / "why.html"
        a = self.answer("--method", "gradient-cosine", TEXTS[5], "--html", page, "--lang", "zh-CN")
        text = page.read_text(encoding="utf-8")
        for entry in a["columns"][0]["high"]:
            self.assertIn(entry["text"], text)
        self.assertIn("样本", text)

    def test_a_saved_document_is_shown_as_the_run_was(self):
        saved, page, again = (pathlib.Path(self.folder.name) / n for n in ("s.json", "s.html", "t.html"))
        args = ("--train", self.train, "--method", "tracin", "--self", "--by", "token", "--check", 3,
                "--checkpoint", f"{MODEL}:0.5", "-q", TEXTS[5])
        r = run(*args, "--json", saved, "--html", page, "--lang", "zh-CN")
        self.assertEqual(r.returncode, 0, r.stderr.decode())
        Draft202012Validator(SCHEMA).validate(json.loads(saved.read_text()))
        said = run(*args).stdout
        viewed = subprocess.run([GLIM, "view", saved], capture_output=True, timeout=60,
                                env=dict(os.environ, LC_ALL="C.UTF-8"))
        self.assertEqual((viewed.stdout.decode(), viewed.stderr), (said.decode(), b""))
        subprocess.run([GLIM, "view", saved, "--html", again, "--lang", "zh-CN", "-q"], check=True,
                       timeout=60)
        self.assertEqual(page.read_bytes(), again.read_bytes())
        self.assertIn('<div class="strip short"', page.read_text(encoding="utf-8"))

    def test_plans_tell_tokens_and_bytes(self):
        r = run("--train", self.train, "--method", "datainf", "--dry-run", "a fine film")
        self.assertEqual(r.returncode, 0, r.stderr.decode())
        self.assertIn("tokens", r.stdout.decode())

    def test_narrow_terminals(self):
        for width in (40, 80):
            r = subprocess.run(
                [GLIM, "influence", "-m", MODEL, "--train", self.train, "--method", "tracin", "-q",
                 "--width", str(width), "--by", "token" if width == 40 else "module", TEXTS[3]],
                capture_output=True, timeout=60)
            self.assertEqual(r.returncode, 0, r.stderr.decode())
            self.assertTrue(all(len(line) <= width for line in r.stdout.decode().splitlines()))


if __name__ == "__main__":
    unittest.main()
