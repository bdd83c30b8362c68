#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Dialogue and question answering from the command line: levels of every method, what the
template took, units of characters, and talks with next to nothing in them."""
import csv
import io
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
GLIM = os.environ.get("GLIM", str(ROOT / "build/release/src/cli/glim"))
MODELS = ROOT / "tests/golden/models"
LLAMA, SPAN = MODELS / "llama.gguf", MODELS / "published/bert-span"
BOX = f"process:python3 {ROOT}/examples/predictors/naive_bayes.py"
TALK = [("user", "你。 Hi! 好。"), ("assistant", "Oh. No.")]  # a tiny model reads 64 tokens
FEW = {"shapley": ("--pairs", 2), "kernel-shap": ("--n-samples", 64), "lime": ("--num-samples", 64),
       "smoothgrad": ("--n-samples", 3), "integrated-gradients": ("--steps", 4),
       "lrp": ("--accept-patent-note",)}


def run(*args):
    return subprocess.run([GLIM, *map(str, args)], capture_output=True, timeout=120,
                          env={**os.environ, "LC_ALL": "C.UTF-8"})


class Talk(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name)

    def chat(self, turns):
        file = self.path / "talk.json"
        file.write_text(json.dumps([{"role": r, "content": c} for r, c in turns]), encoding="utf-8")
        return ("-m", LLAMA, "--chat", file, "--template", "chatml")

    def explain(self, *args):
        r = run("explain", *args, "--json", "-q")
        self.assertEqual(r.returncode, 0, r.stderr.decode())
        return json.loads(r.stdout)

    def check_levels(self, d):
        """Each scored unit is in one group of each level; sums are those of the groups' units."""
        units = d["input"]["units"]
        many = "rows" in d
        scores = d["scores"] if many else [d["scores"]]
        for level in d["levels"]:
            got = level["scores"] if many else [level["scores"]]
            seen = []
            for i, g in enumerate(level["units"]):
                mine = [u for u in range(g["first"], g["first"] + g["count"]) if not units[u]["fixed"]]
                seen += mine
                self.assertEqual({units[u]["turn"] for u in mine}, {g["turn"]})
                for r, row in enumerate(scores):
                    there = [row[u] for u in mine if row[u] is not None]
                    if not there:
                        self.assertIsNone(got[r][i])
                        continue
                    want = {"sum": sum(there), "l2": sum(x * x for x in there) ** 0.5,
                            "max": max(there, key=abs)}[level["rule"]]
                    self.assertAlmostEqual(got[r][i], want, delta=1e-9 * max(1, sum(map(abs, there))))
            self.assertEqual(seen, [u for u in range(len(units)) if not units[u]["fixed"]])

    def test_levels_of_every_method_are_those_of_its_units(self):
        talk = self.chat(TALK)
        listed = json.loads(run("explain", "--list", "--json").stdout)["methods"]
        for m in listed:
            if {"a picture", "a table", "maps of a picture"} & set(m["needs"]):
                continue
            with self.subTest(m["name"]):
                d = self.explain(*talk, "--units", "word", "--method", m["name"], *FEW.get(m["name"], ()))
                self.check_levels(d)
                if d["levels"]:
                    self.assertEqual([level["unit"] for level in d["levels"]], ["sentence", "turn"])
                    self.assertEqual([len(level["units"]) for level in d["levels"]], [5, 2])

    def test_a_matrix_has_levels_for_each_row(self):
        d = self.explain(*self.chat(TALK), "--units", "token", "--generate", 3)
        self.check_levels(d)
        self.assertEqual([level["unit"] for level in d["levels"]], ["word", "sentence", "turn"])
        turn = d["levels"][-1]
        self.assertTrue(turn["units"][-1]["generated"])
        self.assertEqual(len(turn["scores"]), 3)

    def test_levels_survive_view_and_csv(self):
        file = self.path / "why.json"
        run("explain", *self.chat(TALK), "--units", "word", "--json", file, "-q")
        again = json.loads(run("view", file, "--json").stdout)
        self.assertEqual(again["levels"], json.loads(file.read_text())["levels"])
        rows = list(csv.DictReader(io.StringIO(run("view", file, "--csv", "-").stdout.decode())))
        turns = [r for r in rows if r["level"] == "turn"]
        self.assertEqual([r["text"] for r in turns], [c for _, c in TALK])
        text = run("view", file, "--width", 100).stdout.decode()
        self.assertIn("by turn (sums of single scores): ", text)
        self.assertIn("by sentence", text)

    def test_damaged_levels_are_refused_by_name(self):
        d = self.explain(*self.chat(TALK), "--units", "word")
        for damage in (lambda x: x.update(levels=3), lambda x: x["levels"][0].pop("unit"),
                       lambda x: x["levels"][0].update(unit="a\x1b[31m"), lambda x: x["levels"][0].update(rule="mean"),
                       lambda x: x["levels"][0]["units"][0].update(first=10**6),
                       lambda x: x["levels"][0]["units"][0].update(end=10**6),
                       lambda x: x["levels"][0]["scores"].pop(), lambda x: x["levels"][0].update(error=["x"])):
            wrong = json.loads(json.dumps(d))
            damage(wrong)
            file = self.path / "wrong.json"
            file.write_text(json.dumps(wrong))
            r = run("view", file)
            self.assertEqual(r.returncode, 3)
            self.assertIn(b"'levels'", r.stderr)

    def test_the_template_never_takes_credit_silently(self):
        talk = self.chat(TALK)
        for method in ("input-x-gradient", "gradient", "integrated-gradients"):
            d = self.explain(*talk, "--method", method, *FEW.get(method, ()))
            share = d["checks"]["values"]["template_share"]["value"]
            self.assertTrue(0 <= share <= 1)
            self.assertEqual(share > 0.25, d["checks"]["reason"].startswith("fixed tokens"), method)
            self.assertIn("fixed tokens (template, special)",
                          run("explain", *talk, "--method", method, "-q").stdout.decode())
        for method in ("occlusion", "lime"):
            d = self.explain(*talk, "--method", method, *FEW.get(method, ()))
            self.assertNotIn("template_share", d["checks"]["values"])
            self.assertTrue(any("always kept" in note for note in d["notes"]))

    def test_a_question_and_its_context_are_named(self):
        d = self.explain("-m", SPAN, "--context", "Ada built it. It rained.", "Who built it?", "--units", "word")
        self.assertEqual([t["role"] for t in d["input"]["turns"]], ["question", "context"])
        self.assertEqual([level["unit"] for level in d["levels"]], ["sentence", "segment"])
        self.check_levels(d)
        text = run("explain", "-m", SPAN, "--context", "Ada built it. It rained.", "Who built it?", "-q").stdout
        self.assertRegex(text.decode(), "by sentence [^:]*: (“(Ada|It)|none supports it)")

    def test_characters_are_whole_and_few(self):
        d = self.explain("-m", LLAMA, "Hé👩‍👩‍👧查询 𠮷", "--units", "character", "--method", "lime", "--num-samples", 64)
        self.assertEqual(d["input"]["unit"], "character")
        texts = [u["text"] for u in d["input"]["units"] if not u["fixed"]]
        self.assertEqual("".join(texts), "Hé👩‍👩‍👧查询 𠮷")
        for whole in ("👩‍👩‍👧", "查", "询"):
            self.assertEqual(sum(whole in t for t in texts), 1)
        d = self.explain("--predictor", BOX, "bad，糟😀", "--units", "character", "--method", "lime",
                         "--num-samples", 64, "--bow")
        self.assertEqual([u["text"] for u in d["input"]["units"]], ["b", "a", "d", "，", "糟", "😀"])

    def test_words_that_share_a_score_are_not_added_up(self):
        text = ("--predictor", BOX, "fine and fine. A fine film. Bad.", "--method", "lime", "--num-samples", 64)
        self.assertEqual(self.explain(*text, "--bow")["levels"], [])
        self.assertEqual([level["unit"] for level in self.explain(*text)["levels"]], ["sentence"])

    def test_a_word_of_an_answer_is_asked_about_at_its_place(self):
        """Behind --prefix each token of an answer has the very number that it was written with."""
        talk = self.chat([("user", "a b c")])
        whole = self.explain(*talk, "--continuation", "hello a b", "--method", "occlusion")
        texts = [row["text"] for row in whole["rows"]]
        for k in (1, len(texts) - 1):
            before = "".join(texts[:k])
            one = self.explain(*talk, "--prefix", before, "--target", texts[k], "--method", "occlusion",
                               "--output", "logprob")
            self.assertAlmostEqual(one["target"]["value"], whole["rows"][k]["value"], 6)
            self.assertEqual([t["role"] for t in one["input"]["turns"]], ["user", "assistant"])
            last = one["input"]["turns"][1]
            self.assertEqual(one["input"]["text"][last["start"]:last["end"]], before)
            contrast = self.explain(*talk, "--prefix", before, "--target", texts[k], "--against", "x",
                                    "--method", "occlusion")
            self.assertEqual(contrast["target"]["kind"], "contrast")
            lens = json.loads(run("lens", *talk, "--prefix", before, "--json", "-q").stdout)
            self.assertEqual(lens["input"]["turns"][1]["role"], "assistant")
        plain = self.explain("-m", LLAMA, "--prefix", " c d", "a b")
        self.assertEqual(plain["input"]["text"], "a b c d")

    def test_samples_behind_a_word_of_a_chat(self):
        talk, train = self.chat([("user", "a b")]), self.path / "train.csv"
        train.write_text("text\na b c\nd e f\n", encoding="utf-8")
        r = run("influence", *talk, "--train", train, "--method", "gradient-cosine", "--prefix", "c d", "--target", " e",
                "--json", "-q")
        self.assertEqual(r.returncode, 0, r.stderr.decode())
        query = json.loads(r.stdout)["queries"][0]
        self.assertIn("assistant: c d", query["text"])
        self.assertIn("e", query["label"])
        r = run("influence", *talk, "--train", train, "--method", "gradient-cosine", "--json", "-q")  # it goes on itself
        self.assertEqual(r.returncode, 0, r.stderr.decode())

    def test_a_beginning_that_cannot_be_is_refused(self):
        for args, word in ((("explain", *self.chat(TALK), "--prefix", ""), "leave it out"),
                           (("explain", "-m", SPAN, "--prefix", "x", "a b"), "continue a text"),
                           (("predict", "-m", LLAMA, "--labels", "a,b", "--prefix", "x", "a b"), "continue a text"),
                           (("explain", "--predictor", BOX, "--prefix", "x", "a b"), "--prefix"),
                           (("influence", "-m", LLAMA, "--train", "x.txt", "--prefix", "x", "a"), "x.txt")):
            r = run(*args)
            self.assertEqual(r.returncode, 2 if word != "x.txt" else r.returncode, r.stderr)
            self.assertIn(word, r.stderr.decode())

    def test_talks_with_next_to_nothing_in_them(self):
        for turns, units in (([("user", "")], 0), ([("user", ""), ("user", "👍🏽")], 1),
                             ([("user", "👩‍👩‍👧")], 1), ([("user", "Hi."), ("assistant", ""), ("user", "😀")], 3)):
            for method in ("occlusion", "input-x-gradient", "lime", "shapley", "integrated-gradients"):
                d = self.explain(*self.chat(turns), "--units", "word", "--method", method, *FEW.get(method, ()))
                self.assertEqual(sum(not u["fixed"] for u in d["input"]["units"]), units, turns)
                if not units:
                    self.assertIn("nothing to score", d["checks"]["reason"])
                self.check_levels(d)
                self.assertEqual(len(d["levels"]), 1 if units > 2 else 0)


if __name__ == "__main__":
    unittest.main()
