#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""LIME for rows of tables as a user meets it: fitted models, programs, picks, odd tables."""
import csv
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time
import unittest

from jsonschema import Draft202012Validator

ROOT = pathlib.Path(__file__).resolve().parents[2]
GLIM = os.environ.get("GLIM", str(ROOT / "build/release/src/cli/glim"))
ROWS = f"process:{sys.executable} {ROOT / 'examples/predictors/rows.py'}"


def run(*args, **more):
    return subprocess.run([GLIM, *map(str, args)], capture_output=True, timeout=300,
                          env=dict(os.environ, LANG="C.UTF-8"), **more)


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        self.path = pathlib.Path(self.dir.name)
        self.table = self.path / "loans.csv"
        self.fit = self.path / "loans.fit"
        rng = random.Random(1)
        with open(self.table, "w", encoding="utf-8-sig", newline="") as f:
            out = csv.writer(f)
            out.writerow(["income", "debt", "home", "bank", "verdict"])
            for _ in range(200):
                income, debt = rng.randint(800, 5000), rng.randint(0, 1500)
                home = rng.choice(["own", "rent, shared", "\"free\""])
                good = income - 2 * debt + 1500 * (home == "own") + rng.gauss(0, 300) > 1500
                out.writerow([income, debt, home, "here", "grant" if good else "refuse"])

    def ok(self, *args, **more):
        r = run(*args, **more)
        self.assertEqual(r.returncode, 0, r.stderr.decode())
        return r.stdout.decode()

    def refused(self, status, *args, says):
        r = run(*args)
        self.assertEqual(r.returncode, status, r.stderr.decode())
        self.assertEqual(len(r.stderr.decode().splitlines()), 1, r.stderr.decode())
        self.assertIn(says, r.stderr.decode())

    def lime(self, *args, table=None):
        doc = json.loads(self.ok("explain", "--method", "lime", "--json", "-q", "--table",
                                 table or self.table, *args))
        schema = json.loads((ROOT / "docs/schema/glim.explanation-1.schema.json").read_text())
        Draft202012Validator(schema).validate(doc)
        return doc

    def fitted(self, *more):
        self.ok("fit", "--data", self.table, "--label", "verdict", "--columns",
                "income,debt,home,bank", "--strength", "1", "-o", self.fit, "-q", *more)
        return "--predictor", f"fit:{self.fit}"

    @staticmethod
    def scores(doc):
        return {u["text"].strip(): s for u, s in zip(doc["input"]["units"], doc["scores"])}


class Rows(Case):
    def test_a_fitted_row_is_explained_by_its_bins(self):
        doc = self.lime(*self.fitted(), "--row", "1", "--output", "prob", "--class", "grant")
        found = self.scores(doc)
        with open(self.table, encoding="utf-8-sig", newline="") as f:
            row = next(csv.DictReader(f))
        home = f"home = {row['home']}"
        self.assertIn(home, found)
        self.assertEqual(found[home] > 0, row["home"] == "own")
        self.assertIsNone(found["bank = here"])
        self.assertTrue(any(rule.startswith(("income in (", "income <= ", "income > "))
                            for rule in found))
        said = doc["prediction"] # classes with probabilities, and the cells of the row
        self.assertEqual({c["text"] for c in said["classes"]}, {"grant", "refuse"})
        self.assertAlmostEqual(sum(c["prob"] for c in said["classes"]), 1, 6)
        self.assertEqual(next(c["prob"] for c in said["classes"] if c["text"] == "grant"),
                         doc["target"]["prob"])
        self.assertEqual({c["column"]: c["value"] for c in said["row"]},
                         {k: row[k] for k in ("income", "debt", "home", "bank")})
        notes = " ".join(doc["notes"])
        self.assertIn(f"the row: income = {row['income']} debt", notes)
        self.assertIn("words: home (3)", notes)
        self.assertIn("left out, always the same: bank", notes)
        self.assertEqual(doc["cost"]["forward_tokens"], 5000)

    def test_a_program_is_asked_whole_rows(self):
        doc = self.lime("--predictor", ROWS, "--row", "3", "--num-samples", "600")
        found = self.scores(doc)
        self.assertLess(max(abs(v) for k, v in found.items() if k.startswith("verdict")),
                        0.3 * max(abs(v) for v in found.values() if v is not None))
        again = self.lime("--predictor", ROWS, "--row", "3", "--num-samples", "600",
                          "--threads", "1")
        self.assertEqual(doc["scores"], again["scores"])
        other = self.lime("--predictor", ROWS, "--row", "3", "--num-samples", "600", "--seed", "9")
        self.assertNotEqual(doc["scores"], other["scores"])

    def test_bins_can_be_cut_otherwise(self):
        who = self.fitted()
        for way in ("decile", "entropy", "none"):
            doc = self.lime(*who, "--row", "2", "--discretizer", way, "--output", "prob")
            income = next(rule for rule in self.scores(doc) if rule.startswith("income"))
            self.assertEqual(" per " in income, way == "none", income)
        doc = self.lime(*who, "--row", "2", "--discretizer", "none", "--sample-around-instance")
        slope = {rule.split()[0]: s for rule, s in self.scores(doc).items()}
        self.assertTrue(slope["income"] * slope["debt"] < 0)
        doc = self.lime(*who, "--row", "2", "--categorical", "income,debt")
        self.assertIn("income = ", " ".join(self.scores(doc)))

    def test_likeliest_classes_are_rows(self):
        doc = self.lime(*self.fitted(), "--row", "1", "--top-labels", "2", "--output", "prob")
        self.assertEqual(doc["kind"], "attribution-matrix")
        first, second = doc["rows"]
        self.assertEqual({first["text"], second["text"]}, {"grant", "refuse"})
        self.assertGreater(first["prob"], second["prob"])
        for a, b in zip(*doc["scores"]):
            self.assertTrue(a is b is None or abs(a + b) < 1e-9)  # of two classes

    def test_a_number_is_explained_too(self):
        self.ok("fit", "--data", self.table, "--label", "debt", "--kind", "linear", "--columns",
                "income,home", "--strength", "1", "-o", self.fit, "-q")
        doc = self.lime("--predictor", f"fit:{self.fit}", "--row", "4")
        self.assertEqual(doc["target"]["kind"], "value")
        self.refused(2, "explain", "--method", "lime", "--predictor", f"fit:{self.fit}", "--table",
                     self.table, "--row", "4", "--top-labels", "2", says="needs classes")
        self.refused(2, "explain", "--method", "lime", "--predictor", f"fit:{self.fit}", "--table",
                     self.table, "--row", "4", "--discretizer", "entropy", says="'debt'")

    def test_plans_are_kept(self):
        who = self.fitted()
        args = ("explain", "--method", "lime", "--table", self.table, "--row", "1", *who)
        plan = json.loads(self.ok(*args, "--dry-run", "--json"))
        doc = json.loads(self.ok(*args, "--json", "-q"))
        self.assertEqual(plan["asks"], 5000)
        self.assertLessEqual(doc["cost"]["peak_bytes"], plan["bytes"])


class Picks(Case):
    def test_picked_rows_cover_most_rules(self):
        who = self.fitted()
        doc = self.lime(*who, "--pick", "3", "--pick-from", "40", "--num-samples", "500",
                        "--output", "prob")
        self.assertEqual(doc["kind"], "attribution-matrix")
        self.assertEqual(len(doc["rows"]), 3)
        checks = doc["checks"]["values"]
        self.assertEqual(checks["explained_rows"]["value"], 40)
        self.assertTrue(0.3 < checks["coverage"]["value"] <= 1)
        one = self.lime(*who, "--row", str(doc["rows"][0]["id"]), "--num-samples", "500",
                        "--output", "prob")
        want = self.scores(one)
        got = {u["text"].strip(): s for u, s in zip(doc["input"]["units"], doc["scores"][0])}
        for rule, score in want.items():
            if score is not None:
                self.assertEqual(got[rule], score)
        more = self.lime(*who, "--pick", "6", "--pick-from", "40", "--num-samples", "500",
                         "--output", "prob")
        self.assertEqual([r["text"] for r in more["rows"]][:3], [r["text"] for r in doc["rows"]])
        self.assertGreater(more["checks"]["values"]["coverage"]["value"],
                           checks["coverage"]["value"])

    def test_programs_are_picked_from_as_well(self):
        doc = self.lime("--predictor", ROWS, "--pick", "2", "--pick-from", "5",
                        "--num-samples", "60")
        self.assertEqual(len(doc["rows"]), 2)

    def test_every_row_may_be_picked(self):
        small = self.path / "small.csv"
        small.write_text("a,b\n1,x\n2,y\n3,x\n")
        doc = self.lime("--predictor", ROWS, "--pick", "9", table=small)
        self.assertEqual(len(doc["rows"]), 3)
        self.assertEqual(doc["checks"]["values"]["coverage"]["value"], 1)

    def test_pick_shows_the_texts_whose_words_together_say_most(self):
        where = pathlib.Path(self.table).parent / "texts.csv"
        texts = ["a fine film, a fine cast", "a dull film", "a fine film", "", "dull and bad", "good good good"]
        with open(where, "w", encoding="utf-8", newline="") as f:
            csv.writer(f).writerows([["review", "mood"]] + [[t, "x"] for t in texts])
        box = f"process:{sys.executable} {ROOT / 'examples/predictors/naive_bayes.py'}"
        args = ("explain", "--method", "lime", "--data", where, "--predictor", box)
        doc = json.loads(self.ok(*args, "--text", "review", "--pick", "3", "--json", "-q"))
        words = [u["text"].strip() for u in doc["input"]["units"]]
        self.assertEqual(len(words), len(set(words)))
        self.assertEqual(doc["input"]["unit"], "word")
        self.assertEqual(len(doc["rows"]), 3)
        for row, scores in zip(doc["rows"], doc["scores"]):
            there = {w for w, x in zip(words, scores) if x is not None}
            self.assertTrue(there and all(w in texts[row["id"] - 1] for w in there), (row, there))
        worth = [sum(abs(x or 0) for x in column) for column in zip(*doc["scores"])]
        self.assertGreater(min(worth), 0)
        self.assertTrue(any("texts left out: 1 " in n for n in doc["notes"]), doc["notes"])
        every = json.loads(self.ok(*args, "--text", "review", "--pick", "9", "--json", "-q"))
        checks = every["checks"]["values"]
        self.assertEqual(checks["coverage"]["value"], 1)
        self.assertEqual(checks["explained_rows"]["value"], 5)
        self.refused(2, *args, "--pick", "3", says="review")
        self.refused(2, *args, "--text", "review", says="--pick")
        self.refused(2, *args, "--text", "review", "--pick", "3", "a text", says="leave out TEXT")
        self.ok(*args, "--text", "review", "--pick", "3", "--dry-run")

    def test_picks_that_make_no_sense_are_refused(self):
        args = ("explain", "--method", "lime", "--table", self.table, *self.fitted())
        self.refused(2, *args, "--pick", "2", "--row", "1", says="either --row or --pick")
        self.refused(2, *args, "--pick", "2", "--top-labels", "2", says="--top-labels")
        self.refused(2, "explain", "--table", self.table, *self.fitted(), says="--row")
        self.refused(2, "explain", "--method", "lime", "--pick", "2", "--predictor", ROWS, "words",
                     says="--pick is for rows")


class OddTables(Case):
    def test_separators_marks_quotes_and_missing_cells(self):
        for sep, name in ((";", "a.csv"), ("\t", "b.csv"), ("\t", "c.tsv"), (",", "d.csv")):
            path = self.path / name
            rows = [["income", "debt", "home"], ["3000", "", "own"], ["1000", "500", '"a;b"'],
                    ["NA", "700", ""], ["2000", "0", "own"]]
            path.write_text("\ufeff" + "\r\n".join(sep.join(r) for r in rows) + "\r\n")
            doc = self.lime("--predictor", ROWS, "--row", "1", table=path)
            self.assertIn("debt is missing", self.scores(doc))
            self.assertIn("home = own", self.scores(doc))

    def test_little_to_tell_is_told_calmly(self):
        for text in ("a\n1\n", "a,b\n1,x\n1,x\n", "a\n1\n2\n", "a\nx\ny\n"):
            path = self.path / "t.csv"
            path.write_text(text)
            doc = self.lime("--predictor", ROWS, "--row", "1", table=path)
            for score in doc["scores"]:
                self.assertTrue(score is None or abs(score) < 1e-12)

    def test_values_that_were_not_fitted_are_named(self):
        who = self.fitted()
        other = self.path / "other.csv"
        other.write_text("income,debt,home,bank\n1,2,tent,here\n3,4,own,here\n")
        args = ("explain", "--method", "lime", "--table", other, *who)
        self.refused(3, *args, "--row", "1", says="'tent', which it did not when it was fitted")
        self.refused(3, *args, "--row", "2", says="'tent', which it did not when it was fitted")
        self.refused(2, "explain", "--method", "lime", "--table", self.table, *who, "--row", "1",
                     "--categorical", "shoes", says="shoes")

    def test_many_rows_take_seconds(self):
        many = self.path / "many.csv"
        rng = random.Random(2)
        with open(many, "w") as f:
            f.write("income,debt,home\n")
            for i in range(200_000):
                f.write(f"{rng.randint(800, 5000)},{rng.randint(0, 1500)},"
                        f"{'own' if i % 3 else 'rent'}\n")
        began = time.monotonic()
        doc = self.lime("--predictor", ROWS, "--row", "1", "--num-samples", "500", table=many)
        self.assertLess(time.monotonic() - began, 60)
        self.assertLess(doc["cost"]["peak_bytes"], 100 << 20)


if __name__ == "__main__":
    unittest.main()
