#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""glim evaluate as a user meets it: explanations made here, saved, and of other tools."""
import csv
import json
import os
import pathlib
import random
import signal
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
        for text, says in (("unit,score\na,1\nz,2\n", "'z' is none of the 7 units"),
                           ("unit,score\nb,1\na,2\n", "'a' is none of"),
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
            if m["why"] is None:
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

    def test_the_plan_is_never_below_what_is_asked(self):
        data = self.write("texts.csv", self.WORDS)
        plan = json.loads(self.ok("evaluate", "-m", MODEL, "--data", data, "--dry-run", "--json"))
        self.assertGreaterEqual(plan["masked_inputs"],
                                self.judged("-m", MODEL, "--data", data)["asked"])

    def test_an_interrupted_run_tells_what_it_reached(self):
        data = self.write("texts.csv", "text\n" + "Hello 世界 again and again\n" * 1000)
        go = subprocess.Popen([GLIM, "evaluate", "-m", str(MODEL), "--data", str(data), "--json",
                               "--inputs", "1000", "--draws", "2000", "-q"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(2)
        go.send_signal(signal.SIGINT)
        out, err = go.communicate(timeout=60)
        self.assertEqual(go.returncode, 130, err.decode())
        e = json.loads(out)
        self.assertTrue(e["inputs"]["partial"])
        self.assertEqual(e["verdict"], "distrust")
        self.assertLess(e["inputs"]["judged"], 1000)


class Models(Case):
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
        self.assertIn("masked inputs    at most", self.ok("evaluate", "-m", MODEL, TEXT, "--dry-run"))

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

    def test_csv_and_list(self):
        rows = list(csv.DictReader(self.ok("evaluate", "-m", MODEL, TEXT, "--csv", "-", "-q")
                                   .splitlines()))
        self.assertEqual(len(rows), 29 + 5)
        self.assertEqual({len(r) for r in rows}, {14})
        self.assertIn("aopc-comprehensiveness", self.ok("evaluate", "--list"))


if __name__ == "__main__":
    unittest.main()
