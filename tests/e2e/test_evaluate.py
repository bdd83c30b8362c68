#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""glim evaluate as a user meets it: explanations made here, saved, and of other tools."""
import contextlib
import csv
import json
import os
import pathlib
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

from jsonschema import Draft202012Validator

ROOT = pathlib.Path(__file__).resolve().parents[2]
GLIM = os.environ.get("GLIM", str(ROOT / "build/release/src/cli/glim"))
MODEL = ROOT / "tests/golden/models/gemma3.gguf"
TEXT = "Hello 世界 again"
NAMES = ["a", "b", "c", "d", "e", "f", "g", "h"]
WEIGHTS = [8, -6, 5, 4, -3, 2, 1, 0.5]


def run(*args, **more):
    return subprocess.run([GLIM, *map(str, args)], capture_output=True, timeout=300,
                          env=dict(os.environ, LANG="C.UTF-8"), **more)


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        self.path = pathlib.Path(self.dir.name)

    def ok(self, *args):
        r = run(*args)
        self.assertEqual(r.returncode, 0, r.stderr.decode())
        return r.stdout.decode()

    def refused(self, status, *args, says):
        r = run(*args)
        self.assertEqual(r.returncode, status, r.stderr.decode())
        self.assertEqual(len(r.stderr.decode().splitlines()), 1, r.stderr.decode())
        self.assertIn(says, r.stderr.decode())

    def write(self, name, text):
        (self.path / name).write_text(text, encoding="utf-8")
        return self.path / name

    def judged(self, *args):
        e = json.loads(self.ok("evaluate", "--json", "-q", *args))
        schema = json.loads((ROOT / "docs/schema/glim.evaluation-1.schema.json").read_text())
        Draft202012Validator.check_schema(schema)
        Draft202012Validator(schema).validate(e)
        return e

    @staticmethod
    def measures(e):
        return {m["metric"]: m for m in e["measures"]}


class Linear(Case):
    """A fitted linear model of a table: what each column adds is known."""

    def setUp(self):
        super().setUp()
        rng = random.Random(3)
        rows = [[rng.gauss(0, 1) for _ in NAMES] for _ in range(300)]
        rows[0] = [1] * len(NAMES)
        self.table = self.path / "rows.csv"
        with open(self.table, "w", newline="") as f:
            out = csv.writer(f)
            out.writerow([*NAMES, "y"])
            for r in rows:
                out.writerow([*r, sum(w * x for w, x in zip(WEIGHTS, r))])
        fit = self.path / "rows.fit"
        self.ok("fit", "--kind", "linear", "--data", self.table, "--label", "y", "--columns",
                ",".join(NAMES), "--strength", "1e-9", "-o", fit, "-q")
        self.row = ("--predictor", f"fit:{fit}", "--table", self.table, "--row", "1")

    def scores(self, pairs):
        return self.write("tool.csv", "unit,score\n" + "".join(f"{n},{s}\n" for n, s in pairs))

    def test_a_perfect_explanation_has_all_of_accuracy(self):
        e = self.judged(*self.row, "--method", "shapley")
        self.assertAlmostEqual(e["marks"]["accuracy"], 1, 6)
        self.assertEqual(e["verdict"], "ok")
        told = [m for m in e["measures"] if m["quality"] == "accuracy" and m["why"] is None]
        self.assertGreater(len(told), 8)
        for m in told:
            self.assertAlmostEqual(m["skill"], 1, 6, m["metric"])

    def test_scores_of_another_tool_are_read_by_the_names_of_columns(self):
        e = self.judged(*self.row, "--explanation", self.scores(zip(NAMES, WEIGHTS)))
        self.assertGreater(e["marks"]["accuracy"], 0.98)  # of the means, which are not quite 0
        self.assertEqual(e["explanation"]["method"], "given")
        self.assertEqual(self.measures(e)["seed-kendall"]["why"],
                         "the method is not at hand to run again")

    def test_rules_of_lime_are_scores_of_the_columns_they_name(self):
        lime = self.path / "lime.json"
        self.ok("explain", *self.row, "--method", "lime", "--num-samples", "500", "-q", "--json", lime)
        e = self.judged(*self.row, "--explanation", lime)
        self.assertGreater(e["marks"]["accuracy"], 0.3)
        self.assertTrue(any(n.startswith("of the explanation: the row: a = 1") for n in e["notes"]),
                        e["notes"])
        self.refused(3, "evaluate", *self.row[:5], "2", "--explanation", lime,
                     says="of the input 'a =")

    def test_random_scores_have_little_and_reversed_ones_nothing(self):
        marks = []
        for seed in range(6):
            shuffled = random.Random(seed).sample(WEIGHTS, len(WEIGHTS))
            e = self.judged(*self.row, "--explanation", self.scores(zip(NAMES, shuffled)))
            marks.append(e["marks"]["accuracy"])
        self.assertLess(sum(marks) / len(marks), 0.35)
        worst = self.judged(*self.row, "--explanation",
                            self.scores((n, -w) for n, w in zip(NAMES, WEIGHTS)))
        for m in worst["measures"]:
            if m["quality"] == "accuracy" and m["skill"] is not None:
                self.assertEqual(m["skill"] > 0, m["metric"] == "monotonicity", m)  # of sizes
        self.assertEqual(worst["verdict"], "careful")
        self.assertIn("hardly better than chance", worst["reason"])

    def test_units_that_are_left_out_are_told(self):
        e = self.judged(*self.row, "--explanation",
                        self.scores([("a", 8), ("b", ""), ("c", "nan"), ("d", 4)]))
        self.assertIn("6 of 8 units have no score in the file; they count as 0", e["notes"])
        self.assertEqual(self.measures(e)["feature-coverage"]["value"], 0.25)

    def test_ties_are_told(self):
        e = self.judged(*self.row, "--explanation", self.scores((n, int(n > "d")) for n in NAMES[:6]),
                        "--metrics", "gini")
        self.assertTrue(any(n.startswith("6 of 6 scores are equal to another one") for n in e["notes"]))
        e = self.judged(*self.row, "--explanation", self.scores(zip(NAMES, WEIGHTS)),
                        "--metrics", "gini")
        self.assertFalse(any("equal to another" in n for n in e["notes"]))

    def test_ties_stay_in_place_and_the_seed_decides_the_rest(self):
        same = self.scores((n, 1 + (n > "d")) for n in NAMES)
        e = self.judged(*self.row, "--explanation", same, "--seed", "5")
        again = self.judged(*self.row, "--explanation", same, "--seed", "5")
        other = self.judged(*self.row, "--explanation", same, "--seed", "6")
        self.assertEqual(e["measures"], again["measures"])
        self.assertEqual(self.measures(other)["deletion-auc"]["value"],
                         self.measures(e)["deletion-auc"]["value"])
        self.assertNotEqual(other["measures"], e["measures"])

    def test_bad_files_are_refused(self):
        for text, says in (("unit,score\na,1\nz,2\n", "'z' is no unit of the input, whose next is 'b = 1' (or the"),
                           ("unit,score\nb,1\na,2\n", "'a' is behind its place"),
                           ("unit,score\nh,1\nz,2\n", "'z' is one too many"),
                           ("unit,score\na,inf\n", "'inf' is no number"),
                           ("{\"units\": [\"a\"], \"scores\": [NaN]}", "null: no score"),
                           ("[[\"a\", 1]]", "is no explanation"),
                           ("unit,score\na,much\n", "'much' is no number"),
                           ("unit,score\na,\n", "no score for any unit"),
                           ("word,weight\na,1\n", "lacks the columns unit and score"),
                           ("{\"units\": [\"a\"]}", "is no explanation"),
                           ("{\"units\": [\"a\"], \"scores\": [\"1\"]}", "entry 1"),
                           ("{\"units\": ", "")):
            file = self.write("bad", text)
            self.refused(3, "evaluate", *self.row, "--explanation", file, says=says)
        self.refused(3, "evaluate", *self.row, "--explanation", self.path / "none", says="none")
        self.refused(2, "evaluate", *self.row, "--metrics", "gini,ginny", says="no metric 'ginny'")
        self.refused(2, "evaluate", *self.row, "--metrics", "gini,gini", says="twice")
        self.refused(3, "evaluate", *self.row, "--rationale", "0 8", says="(0 to 7)")
        self.refused(2, "evaluate", *self.row, "--absent", "blur", says="blur")
        file = self.scores([("a", 1)])
        self.refused(2, "evaluate", *self.row, "--explanation", file, "--csv", file,
                     says="would overwrite")


    def test_exact_scores_have_all_of_accuracy_over_many_rows(self):
        e = self.judged(*self.row[:4], "--method", "shapley", "--inputs", "12")
        self.assertEqual(e["inputs"]["judged"], 12)
        self.assertEqual(e["inputs"]["available"], 300)
        self.assertAlmostEqual(e["marks"]["accuracy"], 1, 6)
        low, high = e["inputs"]["intervals"]["accuracy"]
        self.assertLess(high - low, 1e-6)
        for m in e["measures"]:
            if m["why"] is None and m["metric"] != "example-coverage":  # it is of all at once
                self.assertEqual(m["inputs"], 12)
                self.assertLessEqual(m["low"], m["value"] + 1e-12, m["metric"])
                self.assertGreaterEqual(m["high"], m["value"] - 1e-12, m["metric"])
        self.assertGreater(self.measures(e)["gini"]["high"], self.measures(e)["gini"]["low"])
        self.assertIn("fewer than 30 inputs: too few to say which method is better", e["notes"])

    def test_the_mean_is_that_of_the_rows_and_the_seed_draws_them(self):
        only = ("--method", "occlusion", "--metrics", "gini,infidelity")
        small = self.path / "small.csv"
        small.write_text("".join(self.table.read_text().splitlines(True)[:5]))
        box = (*self.row[:3], small)
        e = self.judged(*box, *only)
        ones = [self.judged(*box, "--row", i, *only) for i in range(1, 5)]
        for name in ("gini", "infidelity"):
            for key in ("value", "random", "best", "skill"):
                self.assertAlmostEqual(self.measures(e)[name][key], sum(
                    self.measures(o)[name][key] for o in ones) / 4, 12)
        self.assertIsNone(ones[0]["inputs"])
        drawn = [self.judged(*box, *only, "--inputs", 2, "--seed", s)["measures"] for s in (1, 1, 4)]
        self.assertEqual(drawn[0], drawn[1])
        self.assertNotEqual(drawn[0], drawn[2])

    def test_one_row_has_no_interval_and_none_is_refused(self):
        one, none = self.path / "one.csv", self.path / "none.csv"
        lines = self.table.read_text().splitlines(True)
        one.write_text("".join(lines[:2]))
        none.write_text(lines[0])
        e = self.judged(*self.row[:3], one, "--method", "occlusion")
        self.assertEqual(e["inputs"]["judged"], 1)
        self.assertTrue(all(m["low"] is None and m["high"] is None for m in e["measures"]))
        self.assertIsNone(e["inputs"]["intervals"]["accuracy"])
        self.assertNotEqual(run("evaluate", *self.row[:3], none).returncode, 0)
        self.refused(2, "evaluate", *self.row[:4], "--explanation", one, says="of one input")
        self.refused(2, "evaluate", *self.row[:4], "--metrics", "ginny", says="no metric 'ginny'")

    def test_rows_that_fail_are_counted_and_left_out(self):
        bad = self.path / "bad.csv"
        lines = self.table.read_text().splitlines(True)
        bad.write_text(lines[0] + lines[1] + "much,1,1,1,1,1,1,1,1\n" + lines[2])
        e = self.judged(*self.row[:3], bad, "--method", "occlusion", "--metrics", "gini")
        self.assertEqual((e["inputs"]["judged"], e["inputs"]["failed"]), (2, 1))
        self.assertTrue(any("because they failed: 1" in n and "row 2" in n for n in e["notes"]))
        bad.write_text(lines[0] + "much,1,1,1,1,1,1,1,1\n")
        self.refused(3, "evaluate", *self.row[:3], bad, says="row 1")


class Texts(Case):
    """A method over many texts."""
    WORDS = "text,label\nHello 世界 again,a\na fine film,b\n,a\nthe cat sat,a\n"

    def test_texts_are_judged_one_by_one_and_empty_ones_left_out(self):
        data = self.write("texts.csv", self.WORDS)
        e = self.judged("-m", MODEL, "--data", data)
        self.assertEqual((e["inputs"]["judged"], e["inputs"]["empty"]), (3, 1))
        one = [self.judged("-m", MODEL, t) for t in ("Hello 世界 again", "a fine film", "the cat sat")]
        self.assertAlmostEqual(e["marks"]["simplicity"],
                               sum(o["marks"]["simplicity"] for o in one) / 3, 12)
        self.assertIsNone(self.measures(e)["model-randomisation"]["why"])
        renamed = self.write("named.csv", self.WORDS.replace("text", "words"))
        again = self.judged("-m", MODEL, "--data", renamed, "--text", "words")
        self.assertEqual(again["measures"], e["measures"])
        self.refused(2, "evaluate", "-m", MODEL, "--data", renamed, says="no column 'text'")
        self.refused(2, "evaluate", "-m", MODEL, "--data", data, "more", says="--data")

    def test_programs_are_judged_by_the_classes_of_a_column(self):
        data = self.write("texts.csv", "text,label\na good film,positive\na bad thing,negative\n"
                          "great acting,nonsense\n")
        box = ("--predictor", f"process:{sys.executable} {ROOT}/examples/predictors/naive_bayes.py",
               "--data", data, "--metrics", "gini,deletion-auc")
        e = self.judged(*box, "--label", "label")
        self.assertEqual((e["inputs"]["judged"], e["inputs"]["failed"]), (2, 1))
        self.assertTrue(any("no class 'nonsense'" in n for n in e["notes"]))
        self.assertEqual(self.judged(*box)["inputs"]["judged"], 3)

    def test_a_file_without_texts_is_refused(self):
        data = self.write("texts.csv", "text\n\"  \"\n")
        self.refused(3, "evaluate", "-m", MODEL, "--data", data, says="nothing to explain")

    def test_every_view_tells_the_intervals(self):
        data, page = self.write("texts.csv", self.WORDS), self.path / "p.html"
        for lang, word in (("en", "95 % interval"), ("zh-CN", "95% 区间")):
            self.ok("evaluate", "-m", MODEL, "--data", data, "--html", page, "--lang", lang)
            self.assertIn(word, page.read_text(encoding="utf-8"))
        rows = list(csv.DictReader(self.ok("evaluate", "-m", MODEL, "--data", data, "--csv", "-")
                                   .splitlines()))
        gini = next(r for r in rows if r["metric"] == "gini")
        self.assertEqual(gini["inputs"], "3")
        self.assertLess(float(gini["low"]), float(gini["high"]))
        for width in (20, 40, 60, 80, 120):
            out = self.ok("evaluate", "-m", MODEL, "--data", data, "--width", width, "--ascii")
            self.assertLessEqual(max(map(len, out.splitlines())), width)
            self.assertEqual("95 % interval" in out, width >= 80)

    def test_a_saved_one_is_shown_as_the_run_shows_it(self):
        data = self.write("texts.csv", self.WORDS)
        saved, first, again = (self.path / n for n in ("e.json", "a", "b"))
        for args in (("--data", data, "--metrics", "deletion-auc,gini,auprc"), (TEXT, "--target", "x")):
            self.ok("evaluate", "-m", MODEL, *args, "--json", saved, "--html", f"{first}.html",
                    "--csv", f"{first}.csv", "--svg", f"{first}.svg", "--lang", "zh-CN")
            self.ok("view", saved, "--json", f"{again}.json", "--html", f"{again}.html",
                    "--csv", f"{again}.csv", "--svg", f"{again}.svg", "--lang", "zh-CN")
            self.assertEqual(saved.read_bytes(), pathlib.Path(f"{again}.json").read_bytes())
            for kind in ("html", "csv", "svg"):
                self.assertEqual(pathlib.Path(f"{first}.{kind}").read_bytes(),
                                 pathlib.Path(f"{again}.{kind}").read_bytes(), (kind, args))
            page = self.ok("evaluate", "-m", MODEL, *args).splitlines()[:-1]
            self.assertEqual(self.ok("view", saved).splitlines()[:-1], page) # but its seconds
        e = json.loads(saved.read_text(encoding="utf-8"))
        for m in e["measures"]:
            curve = m["curve"] or {}
            for line, area in ((curve.get("own"), "value"), (curve.get("random"), "random")):
                if line: # the area below is what the metric says
                    self.assertAlmostEqual(sum(a + b for a, b in zip(line, line[1:])) / 100,
                                           m[area], 2)
        self.assertEqual(sum(m["curve"] is not None for m in e["measures"]), 2)
        for member, wrong in (("measures", {}), ("inputs", {"judged": -1}), ("explanation", 1),
                              ("marks", {"accuracy": 2})):
            bad = self.write("bad.json", json.dumps(e | {member: wrong}))
            self.assertEqual(run("view", bad).returncode, 3, member)

    def test_the_plan_is_never_below_what_is_asked(self):
        data = self.write("texts.csv", self.WORDS)
        plan = json.loads(self.ok("evaluate", "-m", MODEL, "--data", data, "--dry-run", "--json"))
        self.assertGreaterEqual(plan["masked_inputs"],
                                self.judged("-m", MODEL, "--data", data)["asked"])

    def test_an_interrupted_run_tells_what_it_reached(self):
        data = self.write("texts.csv", "text\n" + "Hello 世界 again and again\n" * 1000)
        go = subprocess.Popen([GLIM, "evaluate", "-m", str(MODEL), "--data", str(data), "--json",
                               "--inputs", "1000", "--draws", "300", "-q"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(2)
        go.send_signal(signal.SIGINT)
        out, err = go.communicate(timeout=60)
        self.assertEqual(go.returncode, 130, err.decode())
        e = json.loads(out)
        self.assertTrue(e["inputs"]["partial"])
        self.assertEqual(e["verdict"], "distrust")
        self.assertLess(e["inputs"]["judged"], 1000)


class Store(Case):
    """Evaluations on disk."""
    WORDS = "Hello 世界 again a fine film badly cut the cat sat on mat".split()

    def setUp(self):
        super().setUp()
        self.store = self.path / "kept.sqlite"
        self.few = ("--metrics", "deletion-auc,infidelity,gini,row-coverage,model-randomisation")

    def kept(self):
        with contextlib.closing(sqlite3.connect(self.store, timeout=10)) as db:
            return db.execute("SELECT count(*) FROM kept").fetchone()[0]

    def timeless(self, *args):
        e = self.judged(*args)
        return {k: v for k, v in e.items() if k != "seconds"}

    def test_a_killed_run_goes_on_with_the_same_bits(self):
        rng = random.Random(1)
        data = self.write("texts.csv", "text\n" + "".join(
            " ".join(rng.sample(self.WORDS, 9)) + "\n" for _ in range(16)))
        how = ("-m", MODEL, "--data", data, "--draws", "60")
        whole = self.timeless(*how)
        for sign in (signal.SIGKILL, signal.SIGINT):
            go = subprocess.Popen([GLIM, "evaluate", "-q", *map(str, how), "--store",
                                   str(self.store)], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)
            n = self.kept() if self.store.exists() and self.store.stat().st_size else 0
            for _ in range(2000):
                if self.store.exists() and self.store.stat().st_size > 8192 and self.kept() > n + 2:
                    break
                time.sleep(0.005)
            go.send_signal(sign)
            go.wait(timeout=60)
            self.assertNotEqual(go.returncode, 0)
            self.assertTrue(n + 2 < self.kept() < 16, (n, self.kept()))
        n = self.kept()
        r = run("evaluate", *how, "--store", self.store, "--json")
        self.assertIn(f"{n} of 16 inputs found in", r.stderr.decode())
        e = json.loads(r.stdout)
        e.pop("seconds")
        self.assertEqual(e, whole)
        self.assertEqual(self.kept(), 16)
        views = [self.ok("evaluate", *how, "--store", self.store) for _ in range(2)]
        self.assertEqual(*views)
        fewer = self.timeless(*how, "--inputs", 5)
        self.assertEqual(self.timeless(*how, "--inputs", 5, "--store", self.store), fewer)
        self.assertEqual(self.kept(), 16)

    def test_what_was_made_otherwise_is_not_found(self):
        text = "a fine film, badly cut"
        other = self.path / "other.gguf"
        raw = bytearray(MODEL.read_bytes())
        raw[len(raw) * 37 // 40] ^= 16  # a weight that this answer does not depend on
        other.write_bytes(raw)
        runs = [("-m", MODEL, text), ("-m", MODEL, text + "!"),
                ("-m", other, text, "--output", "logit"),
                ("-m", MODEL, text, "--seed", 1), ("-m", MODEL, text, "--draws", 7),
                ("-m", MODEL, text, "--absent", "mask"), ("-m", MODEL, text, "--units", "token"),
                ("-m", MODEL, text, "--output", "logit"), ("-m", MODEL, text, "--method", "shapley"),
                ("-m", MODEL, text, "--method", "shapley", "--pairs", 9),
                ("-m", MODEL, text, "--rationale", 1), ("-m", MODEL, text, "--target", " a")]
        first = []
        for i, how in enumerate(runs):
            first.append(self.judged(*how, *self.few, "--store", self.store))
            self.assertEqual(self.kept(), i + 1, how)
        logits = [e["explanation"]["target"]["value"] for how, e in zip(runs, first)
                  if "logit" in how]
        self.assertEqual(*logits)
        for how, e in zip(runs, first):
            self.assertEqual(self.judged(*how, *self.few, "--store", self.store), e)
        self.assertEqual(self.kept(), len(runs))
        self.judged(*runs[0], "--metrics", "gini", "--store", self.store)
        self.assertEqual(self.kept(), len(runs) + 1)
        self.judged(*runs[0], *self.few, "--store", self.store, "--threads", 1, "--lang", "zh-CN")
        self.assertEqual(self.kept(), len(runs) + 1)

    def test_rows_of_programs_and_of_fits_are_kept_in_the_same_file(self):
        data = self.write("texts.csv", "text\na good film\na bad thing\n")
        box = ("--predictor", f"process:{sys.executable} {ROOT}/examples/predictors/naive_bayes.py",
               "--data", data, "--metrics", "gini,deletion-auc", "--store", self.store)
        e = self.judged(*box)
        self.assertEqual(self.judged(*box), e)
        table = self.write("rows.csv", "a,b,y\n" + "".join(f"{i},{i * i % 7},{3 * i}\n"
                                                          for i in range(9)))
        fit = self.path / "rows.fit"
        self.ok("fit", "--kind", "linear", "--data", table, "--label", "y", "--columns", "a,b",
                "--held-out", 0, "-o", fit, "-q")
        rows = ("--predictor", f"fit:{fit}", "--metrics", "gini,deletion-auc", "--store",
                self.store, "--absent", "resample", "--method", "occlusion", "--table")
        e, n = self.judged(*rows, table), self.kept()
        self.assertEqual(self.judged(*rows, table), e)
        self.assertEqual(self.kept(), n)
        self.write("rows.csv", table.read_text() + "100,3,1\n")  # what is resampled is another
        self.judged(*rows, table, "--row", 1)
        self.assertEqual(self.kept(), n + 1)

    def test_a_store_that_fails_ends_the_run(self):
        data = self.write("texts.csv", "text\na good film\na bad thing\n")
        how = ("evaluate", "-m", MODEL, "--data", data, *self.few, "--store", self.store)
        self.ok(*how)
        with contextlib.closing(sqlite3.connect(self.store)) as db, db:
            db.execute("UPDATE kept SET data = x'00'")
        self.refused(3, *how, says="no sound store")
        self.store.write_bytes(b"no database" * 1000)
        self.refused(3, *how, says="no sound store")
        self.store.unlink()
        self.ok(*how, "--dry-run")
        self.assertFalse(self.store.exists())
        self.refused(2, "explain", "-m", MODEL, TEXT, "--store", self.store, says="--predictor")


class Beside(Case):
    """explain --evaluate: the profile in the explanation's own document."""
    LISTED = ("occlusion", "integrated-gradients", "shapley", "attention-rollout", "lime")
    HOW = json.loads((ROOT / "docs/schema/glim.explanation-1.schema.json").read_text())

    def beside(self, *args):
        d = json.loads(self.ok("explain", "--evaluate", "--json", "-q", *args))
        Draft202012Validator(self.HOW).validate(d)
        return d

    def test_the_member_has_the_shape_of_an_evaluation(self):
        whole = json.loads((ROOT / "docs/schema/glim.evaluation-1.schema.json").read_text())
        member = self.HOW["properties"]["evaluation"]
        apart = {"schema", "glim", "explanation", "inputs", "notes"}
        self.assertEqual(member["properties"],
                         {k: v for k, v in whole["properties"].items() if k not in apart})
        self.assertEqual(set(member["required"]), set(whole["required"]) - apart)

    def test_every_kind_of_method_is_judged_within_its_plan(self):
        for method in self.LISTED:
            asked = ("-m", MODEL, TEXT, "--method", method)
            plan = json.loads(self.ok("explain", *asked, "--evaluate", "--dry-run", "--json"))
            bare = json.loads(self.ok("explain", *asked, "--dry-run", "--json"))
            self.assertGreater(plan["forward_tokens"], bare["forward_tokens"])
            e = self.beside(*asked, "--memory", plan["bytes"])["evaluation"]
            self.assertGreaterEqual(plan["masked_inputs"], e["asked"])
            self.assertGreaterEqual(plan["method_runs"], 2)
            self.assertIsNotNone(e["marks"]["accuracy"])

    def test_it_says_what_evaluate_says(self):
        asked = ("-m", MODEL, TEXT, "--method", "shapley", "--absent", "mask")
        d = self.beside(*asked)
        e = self.judged(*asked, "--draws", 10)
        self.assertEqual(d["evaluation"]["absent"], "mask")
        mine, theirs = self.measures(d["evaluation"]), self.measures(e)
        for name in ("deletion-auc", "infidelity", "gini", "model-randomisation"):
            self.assertEqual(mine[name], theirs[name])

    def test_predictors_of_all_kinds(self):
        box = ("--predictor", f"process:{sys.executable} {ROOT}/examples/predictors/naive_bayes.py")
        looks = ("--predictor", f"process:{sys.executable} {ROOT}/examples/predictors/brightness.py",
                 "--task", "image", "--patch", "3")
        picture = next(iter(sorted((ROOT / "tests/golden/images/pictures").glob("*.png"))))
        plan = json.loads(self.ok("explain", *box, "a good film", "--evaluate", "--dry-run", "--json"))
        self.assertGreater(plan["asks"], 0)
        for asked in ((*box, "a good film"), (*looks, picture, "--method", "occlusion"),
                      ("-m", MODEL, TEXT, "--generate", 2, "--method", "occlusion"),
                      ("-m", ROOT / "tests/golden/models/stacks/marian", "the cat is red")):
            self.assertGreater(self.beside(*asked)["evaluation"]["asked"], 1)

    def test_a_saved_one_is_drawn_again_and_the_table_has_no_profile(self):
        saved, a, b = (self.path / n for n in ("why.json", "a.html", "b.html"))
        target = ("-m", MODEL, TEXT, "--target", "a", "-q")
        table = self.ok("explain", *target, "--csv", "-")
        out = self.ok("explain", *target, "--evaluate", f"--json={saved}", "--html", a, "--ascii",
                      "--width", 40)
        self.assertLessEqual(max(map(len, out.splitlines())), 40)
        self.assertIn("How good is this", out)
        self.ok("view", saved, "--html", b, "-q")
        self.assertEqual(a.read_bytes(), b.read_bytes())
        self.assertIn("glim-profile", a.read_text(encoding="utf-8"))
        self.assertEqual(self.ok("view", saved, "--json"), saved.read_text(encoding="utf-8"))
        self.assertEqual(self.ok("explain", *target, "--evaluate", "--csv", "-"), table)
        self.judged("-m", MODEL, TEXT, "--target", "a", "--explanation", saved)
        self.refused(2, "explain", "-m", MODEL, "--data", saved, "--method", "lime", "--pick", 2,
                     "--evaluate", says="judges one explanation")


    def test_an_explanation_outlives_the_judging_that_was_interrupted(self):
        slow = self.write("slow.py", "import json, sys, time\nfor line in sys.stdin:\n"
                          " r = json.loads(line)['inputs']\n time.sleep(0.3)\n print(json.dumps("
                          "{'outputs': [[float('good' in x)] for x in r]}), flush=True)\n")
        go = subprocess.Popen([GLIM, "explain", "--predictor", f"process:{sys.executable} {slow}",
                               "a good film to see", "--method", "occlusion", "--evaluate", "--json",
                               "-q"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(1.5)
        go.send_signal(signal.SIGINT)
        out, err = go.communicate(timeout=60)
        self.assertEqual(go.returncode, 130, err.decode())
        d = json.loads(out)
        Draft202012Validator(self.HOW).validate(d)
        if "evaluation" not in d and not d["partial"]:
            self.assertIn("interrupted before it was judged", d["notes"])
            self.assertIn(1, d["scores"])


class Otherwise(Case):
    """The same question about another class, or in other words."""
    ONLY = ("--metrics", "random-class,class-coverage,wording-kendall,paraphrase-kendall")
    BOX = ("--predictor", f"process:{sys.executable} {ROOT}/examples/predictors/naive_bayes.py")

    def test_classes_of_every_kind_of_predictor(self):
        looks = ("--predictor", f"process:{sys.executable} {ROOT}/examples/predictors/brightness.py",
                 "--task", "image", "--patch", "3")
        picture = next(iter(sorted((ROOT / "tests/golden/images/pictures").glob("*.png"))))
        labels = ("-m", MODEL, TEXT, "--labels", "a,b c", "--prompt-file",
                  ROOT / "tests/golden/prompt.txt")
        classes = ("-m", ROOT / "tests/golden/models/published/bert-classes", TEXT)
        for asked in ((*self.BOX, "a good film"), (*looks, picture), labels, ("-m", MODEL, TEXT),
                      classes):
            m = self.measures(self.judged(*asked, "--method", "occlusion", *self.ONLY))
            self.assertTrue(m["class-coverage"]["note"].startswith("explained: ")
                            or m["class-coverage"]["why"] == "no class is that likely", asked)
            self.assertIsNone(m["wording-kendall"]["why"] if asked[0] == "-m" else None, asked)

    def test_attention_alone_fails_and_says_why(self):
        e = self.judged("-m", MODEL, TEXT, "--method", "attention-rollout", *self.ONLY)
        m = self.measures(e)["random-class"]
        self.assertEqual((m["value"], m["failed"], e["verdict"]), (1, True, "distrust"))
        self.assertIn("does not depend on what is asked", m["note"])

    def test_words_of_english_and_chinese_are_written_otherwise(self):
        for text in ("a good film, with great acting", "好的电影，演员很好。 很好"):
            m = self.measures(self.judged(*self.BOX, text, *self.ONLY))["wording-kendall"]
            self.assertRegex(m["note"] or m["why"], r"ways to write it")
        few, many = (self.measures(self.judged(*self.BOX, "a good film", *self.ONLY,
                                               f"--wording-kendall.typos={n}"))["wording-kendall"]
                     for n in (0, 4))
        self.assertNotEqual(few["note"], many["note"])

    def test_no_more_is_asked_of_a_program_than_planned(self):
        count, said = self.path / "n", self.write("count.py", "import json, sys\nn = 0\n"
            "for line in sys.stdin:\n r = json.loads(line)['inputs']\n n += len(r)\n"
            " open(sys.argv[1], 'w').write(str(n))\n print(json.dumps({'outputs': [[.2, .8] if "
            "'good' in x else [.6, .4] for x in r], 'classes': ['a', 'b'], 'scale': 'prob'}), "
            "flush=True)\n")
        box = ("--predictor", f"process:{sys.executable} {said} {count}", "a good long film to see")
        for command in (("evaluate",), ("explain", "--evaluate")):
            plan = json.loads(self.ok(*command, *box, "--dry-run", "--json"))
            self.ok(*command, *box, "--json", "-q")
            self.assertGreaterEqual(plan["asks"], int(count.read_text()))
            self.assertGreater(int(count.read_text()), 10)

    def test_paraphrases_of_people(self):
        file = self.write("para.txt", "great film\n\na film that is great\r\n")
        m = self.measures(self.judged(*self.BOX, "a great film", "--paraphrases", file, *self.ONLY))
        self.assertIn("answer: 2 of 2", m["paraphrase-kendall"]["note"])
        self.assertEqual(m["paraphrase-kendall"]["value"], 1)
        bare = self.measures(self.judged(*self.BOX, "a good film", *self.ONLY))
        self.assertIn("--paraphrases", bare["paraphrase-kendall"]["why"])
        self.refused(3, "evaluate", *self.BOX, "a good film", "--paraphrases",
                     self.write("empty", "\n \n"), says="has no paraphrase")
        self.refused(2, "evaluate", "-m", MODEL, TEXT, "--generate", 2, "--paraphrases", file,
                     says="one target of one text")
        self.refused(2, "evaluate", "-m", MODEL, "--data", self.write("t.csv", "text\na b\n"),
                     "--paraphrases", file, says="of one input")

    def test_the_examples_to_look_at_first_cover_most(self):
        words = ["good film", "bad film", "great acting here", "a dull plot", "so good", "so bad"]
        data = self.write("texts.csv", "text\n" + "\n".join(words) + "\n")
        asked = (*self.BOX, "--data", data, "--metrics", "example-coverage,gini")
        values = [self.measures(self.judged(*asked, f"--example-coverage.picks={k}"))
                  ["example-coverage"] for k in (1, 3, 6)]
        self.assertLess(values[0]["value"], values[1]["value"])
        self.assertGreater(values[1]["value"], values[1]["random"])
        self.assertAlmostEqual(values[2]["value"], 1, 12)
        self.assertEqual(values[0]["inputs"], len(words))
        one = self.measures(self.judged(*self.BOX, "good film", "--metrics", "example-coverage"))
        self.assertIn("of many explanations", one["example-coverage"]["why"])


class Models(Case):
    def test_ranks_over_seeds_are_those_of_explanations(self):
        asked = ("-m", ROOT / "tests/golden/models/llama.gguf", "Hello small world, hello", "--target",
                 "s", "--method", "lime")
        ranks = {r["unit"]: r["ranks"] for r in
                 self.judged(*asked, "--metrics", "seed-kendall")["seed_ranks"]}
        for seed in range(5):
            scores = json.loads(self.ok("explain", *asked, "--seed", seed, "-q", "--json=-"))["scores"]
            order = sorted(range(len(scores)), key=lambda u: -scores[u])
            self.assertEqual([ranks[u][seed] for u in order], list(range(1, len(order) + 1)))

    def test_saved_and_fresh_explanations_get_the_same_marks(self):
        saved = self.path / "why.json"
        self.ok("explain", "-m", MODEL, TEXT, "--method", "shapley", f"--json={saved}", "-q")
        fresh = self.judged("-m", MODEL, TEXT, "--method", "shapley")
        read = self.judged("-m", MODEL, TEXT, "--method", "shapley", "--explanation", saved)
        self.assertEqual(fresh["measures"], read["measures"])
        self.assertEqual(fresh["marks"], read["marks"])
        self.assertIsNone(self.measures(fresh)["model-randomisation"]["why"])
        self.refused(2, "evaluate", "-m", MODEL, TEXT, "--method", "occlusion", "--explanation",
                     saved, says="not made by --method occlusion")
        self.refused(3, "evaluate", "-m", MODEL, TEXT + " more", "--explanation", saved,
                     says="units in")
        self.refused(3, "evaluate", "-m", MODEL, "Hullo 世界 again", "--explanation", saved,
                     says="input 'Hullo'")
        self.refused(2, "evaluate", "-m", MODEL, TEXT, "--explanation", saved, "--target", "a",
                     says="--target")
        self.refused(2, "evaluate", "-m", MODEL, TEXT, "--explanation", saved, "--output", "logit",
                     says="--output")

    def test_tables_of_glim_and_lists_are_read(self):
        table, lists = self.path / "why.csv", self.path / "why.json"
        doc = json.loads(self.ok("explain", "-m", MODEL, TEXT, "--csv", table, "--json", "-q"))
        words = [(u["text"], s) for u, s in zip(doc["input"]["units"], doc["scores"])
                 if not u["fixed"]]
        lists.write_text(json.dumps({"units": [w.strip() for w, _ in words], "signed": True,
                                     "scores": [s for _, s in words]}))
        only = ("--metrics", "deletion-auc,infidelity,gini")
        a = self.judged("-m", MODEL, TEXT, "--explanation", table, *only)
        b = self.judged("-m", MODEL, TEXT, "--explanation", lists, *only)
        c = self.judged("-m", MODEL, TEXT, "--method", "occlusion", *only)
        self.assertEqual([m["metric"] for m in c["measures"]], only[1].split(","))
        for x, y, z in zip(a["measures"], b["measures"], c["measures"]):
            self.assertAlmostEqual(x["value"], z["value"], 6)
            self.assertAlmostEqual(y["value"], z["value"], 12)

    def test_marks_of_tokenizers_do_not_count(self):
        read = [self.judged("-m", MODEL, TEXT, "--metrics", "gini,deletion-auc", "--explanation",
                            self.write("why.json", json.dumps({"units": units, "scores": [1, 3]})))
                for units in (["Hello", "again"], ["▁Hello", "Ġagain"], ["Hello</w>", "##again"])]
        self.assertEqual(read[0]["measures"], read[1]["measures"])
        self.assertEqual(read[0]["measures"], read[2]["measures"])
        self.refused(3, "evaluate", "-m", MODEL, TEXT, "--explanation",
                     self.write("cut.csv", "unit,score\nHel,1\nlo,1\n"), says="whose next is 'Hello' (--units")

    def test_data_without_rows_and_models_of_one_class(self):
        self.refused(3, "evaluate", "-m", MODEL, "--data", self.write("t.csv", "text\n"),
                     says="has no rows")
        only = self.write("only.py", "import json, sys\nfor line in sys.stdin:\n"
                          " n = len(json.loads(line)['inputs'])\n print(json.dumps({'outputs': "
                          "[[1.0]] * n, 'classes': ['only'], 'scale': 'prob'}), flush=True)\n")
        m = self.measures(self.judged("--predictor", f"process:{sys.executable} {only}", "a b c d"))
        self.assertIn("no other class", m["random-class"]["why"])
        self.assertIn("do not differ", m["gini"]["why"])
        self.assertEqual(m["class-coverage"]["value"], 1)

    def test_plausibility_stands_apart(self):
        bare = self.judged("-m", MODEL, TEXT)
        file = self.write("marked", "3\n")
        for marked in ("3", file):
            e = self.judged("-m", MODEL, TEXT, "--rationale", marked)
            self.assertEqual(e["marks"]["accuracy"], bare["marks"]["accuracy"])
            self.assertEqual(self.measures(e)["token-f1"]["value"], 1)
        self.assertIsNone(bare["marks"]["plausibility"])
        self.assertIn("Apart from these", self.ok("evaluate", "-m", MODEL, TEXT, "--rationale", 3))

    def test_rows_of_written_tokens_are_judged_together(self):
        e = self.judged("-m", MODEL, TEXT, "--generate", 3, "--method", "occlusion")
        self.assertEqual(e["explanation"]["rows"], 3)
        self.assertGreater(max(m["rows"] for m in e["measures"]), 1)

    def test_the_plan_is_never_below_what_is_asked(self):
        for flags in ((), ("--generate", 3), ("--draws", 5), ("--metrics", "gini")):
            plan = json.loads(self.ok("evaluate", "-m", MODEL, TEXT, *flags, "--dry-run", "--json"))
            schema = json.loads((ROOT / "docs/schema/glim.plan-1.schema.json").read_text())
            Draft202012Validator(schema).validate(plan)
            e = self.judged("-m", MODEL, TEXT, *flags)
            self.assertGreaterEqual(plan["masked_inputs"], e["asked"])
        self.assertIn("at most", self.ok("evaluate", "-m", MODEL, TEXT, "--dry-run"))

    def test_pictures_and_programs(self):
        box = ("--predictor", f"process:{sys.executable} {ROOT}/examples/predictors/brightness.py",
               "--task", "image", "--patch", "3")
        picture = next(iter(sorted((ROOT / "tests/golden/images/pictures").glob("*.png"))))
        e = self.judged(*box, picture, "--method", "occlusion", "--metrics",
                        "deletion-auc,insertion-auc,gini")
        self.assertGreater(e["asked"], 1)

    def test_a_page_in_two_languages_holds_the_evaluation(self):
        page, data = self.path / "p.html", self.path / "p.json"
        for lang, word in (("en", "Accuracy: does it describe"), ("zh-CN", "准确性")):
            self.ok("evaluate", "-m", MODEL, TEXT, "--html", page, f"--json={data}", "--lang", lang)
            text = page.read_text(encoding="utf-8")
            self.assertIn(word, text)
            self.assertNotIn("http", text.split("glim-data")[0].split("</style>")[1])
            inside = text.split('id="glim-data">')[1].split("</script>")[0]
            self.assertEqual(json.loads(inside), json.loads(data.read_text(encoding="utf-8")))

    def test_words_of_metrics_are_translated(self):
        words = json.loads((ROOT / "web/words/en.json").read_text(encoding="utf-8"))
        for m in self.judged("-m", MODEL, TEXT)["measures"]:
            self.assertEqual(words[m["metric"] + ".metric"], m["summary"])

    def test_lines_fit_and_nothing_steers_the_terminal(self):
        for width in (20, 40, 60, 80, 120):
            out = self.ok("evaluate", "-m", MODEL, TEXT + " \x1b[31m", "--width", width,
                          "--rationale", 1, "--ascii")
            out.encode("ascii")
            self.assertNotIn("\x1b", out)
            self.assertLessEqual(max(map(len, out.splitlines())), width)

    def test_parameters_of_metrics_are_flags_with_the_metric_before_them(self):
        only = ("-m", MODEL, TEXT, "--metrics", "infidelity,deletion-auc")
        e = self.judged(*only, "--infidelity.draws", 20, "--infidelity.normalise",
                        "--deletion-auc.steps=2")
        bare = self.judged(*only)
        m, b = self.measures(e), self.measures(bare)
        self.assertEqual(m["infidelity"]["params"], {"draws": 20, "normalise": True})
        self.assertEqual(m["deletion-auc"]["params"], {"steps": 2})
        self.assertEqual(b["deletion-auc"]["params"], {"steps": 50})
        for name in m:
            self.assertNotEqual(m[name]["value"], b[name]["value"])
        for flag, says in (("--deletion-auc.stepz=3", "(it has: steps)"),
                           ("--gini.k=3", "'gini' has no parameters"),
                           ("--ginny.k=3", "no metric 'ginny'"),
                           ("--deletion-auc.steps=0", "--deletion-auc.steps: '0' is out of range"),
                           ("--seed-jaccard.k=3", "which --metrics leaves out")):
            self.refused(2, "evaluate", *only, flag, says=says)

    def test_the_list_names_every_flag_and_the_page_explains_it(self):
        text = self.ok("evaluate", "--list")
        listed = json.loads(self.ok("evaluate", "--list", "--json"))
        schema = json.loads((ROOT / "docs/schema/glim.metrics-1.schema.json").read_text())
        Draft202012Validator.check_schema(schema)
        Draft202012Validator(schema).validate(listed)
        pages = self.ok("evaluate", "--help", "--metrics",
                        ",".join(m["name"] for m in listed["metrics"]))
        for m in listed["metrics"]:
            self.assertIn(f"  {m['name']} (", text)
            for p in m["params"]:
                flag = f"--{m['name']}.{p['name']}"
                self.assertIn(flag, text)
                self.assertIn(flag, pages)
        for word in ("Accuracy: does it describe", "Plausibility: do people agree"):
            self.assertIn(word, text)
        narrow = self.ok("evaluate", "--list", "--width", 44)
        self.assertLessEqual(max(map(len, narrow.splitlines())), 44)
        self.refused(2, "evaluate", "--metrics", "ginny", "--help", says="no metric 'ginny'")
        self.refused(2, "evaluate", "--list", "--csv", "a.csv", says="text or JSON")

    def test_csv_and_list(self):
        rows = list(csv.DictReader(self.ok("evaluate", "-m", MODEL, TEXT, "--csv", "-", "-q")
                                   .splitlines()))
        self.assertEqual(len(rows), 34 + 5)
        self.assertEqual({len(r) for r in rows}, {14})
        self.assertIn("aopc-comprehensiveness", self.ok("evaluate", "--list"))


if __name__ == "__main__":
    unittest.main()
