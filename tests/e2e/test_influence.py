#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""glim influence as a user meets it: tables and texts, and what is refused."""
import csv
import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

import numpy as np
from jsonschema import Draft202012Validator

ROOT = pathlib.Path(__file__).resolve().parents[2]
GLIM = os.environ.get("GLIM", str(ROOT / "build/release/src/cli/glim"))
BERT = ROOT / "tests/golden/models/published/bert-embed"
SCHEMA = json.loads((ROOT / "docs/schema/glim.influence-1.schema.json").read_text())


def run(*args):
    return subprocess.run([GLIM, *map(str, args)], capture_output=True, timeout=120,
                          env=dict(os.environ, LC_ALL="C.UTF-8"))


def write(path, rows):
    with open(path, "w", newline="", encoding="utf-8") as f:
        csv.writer(f).writerows(rows)


def read(path):
    with open(path, newline="", encoding="utf-8") as f:
        return list(csv.reader(f))


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        self.here = pathlib.Path(self.dir.name)
        rng = np.random.default_rng(4)
        self.x = np.round(rng.normal(size=(60, 3)), 3)
        self.y = np.round(self.x @ [1, -2, 0.5] + rng.normal(size=60), 3)
        self.numbers = self.here / "numbers.csv"
        write(self.numbers, [["a", "b", "c", "y"], *np.column_stack([self.x, self.y]).tolist()])
        said = np.where(self.y > 0, "good", "bad")
        self.wrong = int(np.argmax(np.abs(self.y)))
        said[self.wrong] = "bad" if said[self.wrong] == "good" else "good"
        self.said = said
        self.classes = self.here / "classes.csv"
        write(self.classes, [["a", "b", "c", "label", "where"],
                             *[[*r, s, "east" if i % 4 else "west"]
                               for i, (r, s) in enumerate(zip(self.x.tolist(), said))]])

    def ok(self, *args):
        r = run("influence", "-q", *args)
        self.assertEqual(r.returncode, 0, r.stderr.decode())
        return r.stdout.decode()

    def document(self, *args):
        d = json.loads(self.ok("--json", *args))
        Draft202012Validator.check_schema(SCHEMA)
        Draft202012Validator(SCHEMA).validate(d)
        return d

    def refused(self, *args, says, status=2):
        r = run("influence", *args)
        self.assertEqual(r.returncode, status, r.stderr.decode())
        self.assertIn(says, r.stderr.decode())


class Tables(Case):
    def test_press_residuals_are_those_of_fits_without_the_row(self):
        table = self.here / "all.csv"
        d = self.document("--train", self.numbers, "--label", "y", "--csv", table, "--raw",
                          self.here / "all.npy", "--method", "diagnostics", "--dfbetas")
        rows = [dict(zip(read(table)[0], r)) for r in read(table)[1:]]
        ones = np.column_stack([self.x, np.ones(60)])
        for i in (0, 7, 59):
            keep = np.arange(60) != i
            beta = np.linalg.lstsq(ones[keep], self.y[keep], rcond=None)[0]
            self.assertAlmostEqual(float(rows[i]["press-residual"]), self.y[i] - ones[i] @ beta, 10)
        self.assertIn("dfbetas:(intercept)", rows[0])
        raw = np.load(self.here / "all.npy")
        names = [c["name"] for c in d["columns"]]
        np.testing.assert_allclose(raw[:, names.index("leverage")],
                                   [float(r["leverage"]) for r in rows], rtol=1e-6)
        cook = d["columns"][names.index("cooks-distance")]
        self.assertEqual(cook["high"][0]["row"],
                         1 + int(np.argmax([float(r["cooks-distance"]) for r in rows])))
        self.assertEqual(cook["threshold"], 4 / 60)
        self.assertEqual(d["verdict"], "ok")

    def test_influences_of_a_query_are_checked_by_refits(self):
        d = self.document("--train", self.classes, "--columns", "a,b,c", "--table", self.classes,
                          "--row", "3", "--check", "12", "--group", "where")
        self.assertGreater(d["truth"]["spearman"], 0.95)
        self.assertGreater(d["truth"]["lds"], 0.8)
        self.assertEqual(d["truth"]["planted"], 6)
        whole = next(c for c in d["columns"] if c["name"] == "influence")
        self.assertAlmostEqual(sum(g["influence"][0] for g in d["groups"]),
                               whole["mean"] * whole["defined"], 9)
        self.assertEqual(sorted(g["name"] for g in d["groups"]), ["east", "west"])
        self.assertEqual([g["refit"] is not None for g in d["groups"]], [True, True])

    def test_a_wrong_label_is_flagged_and_duplicates_are_told(self):
        rows = read(self.classes)
        write(self.classes, rows + [rows[5][:3] + ["good" if rows[5][3] == "bad" else "bad", "x"]])
        d = self.document("--train", self.classes, "--columns", "a,b,c")
        self.assertIn(self.wrong + 1, [s["row"] for s in d["flags"]["mislabelled"]["samples"]])
        self.assertEqual(d["flags"]["duplicates"]["other_label"], 1)
        self.assertEqual(d["flags"]["duplicates"]["rows"], [[5, 61]])

    def test_a_fit_knows_its_rows_and_a_changed_file_is_told(self):
        fit = self.here / "a.fit"
        r = run("fit", "--data", self.classes, "--columns", "a,b,c", "-o", fit, "--strength", "1")
        self.assertEqual(r.returncode, 0, r.stderr.decode())
        d = self.document("--train", self.classes, "--predictor", f"fit:{fit}")
        self.assertEqual((d["train"]["samples"], d["train"]["held_out"]), (48, 12))
        self.assertEqual(d["verdict"], "ok")
        rows = read(self.classes)
        write(self.classes, rows[:40])
        d = self.document("--train", self.classes, "--predictor", f"fit:{fit}")
        self.assertEqual(d["verdict"], "careful")
        self.assertIn("not at its best on these samples", d["verdict_reason"])
        rows[2][3] = "unheard of"
        write(self.classes, rows)
        self.refused("--train", self.classes, "--predictor", f"fit:{fit}",
                     says="row 2 of")

    def test_the_report_shows_every_stem(self):
        page = self.here / "a.html"
        self.ok("--train", self.numbers, "--label", "y", "--html", page)
        text = page.read_text(encoding="utf-8")
        self.assertEqual(len(re.findall(r'<path class="stem', text)), 60)
        self.assertEqual(len(re.findall(r"<circle", text)), 60)

    def test_plans_cost_nothing_and_lines_fit_their_width(self):
        plan = json.loads(self.ok("--train", self.numbers, "--label", "y", "--dry-run", "--json"))
        self.assertEqual(plan["schema"], "glim.plan/1")
        for width in (40, 80):
            for line in self.ok("--train", self.numbers, "--label", "y", "--width",
                                width).splitlines():
                self.assertLessEqual(len(line), width)
        self.assertIn("--solver", run("influence", "--method", "influence-functions",
                                      "--help").stdout.decode())

    def test_columns_without_worth_are_named(self):
        write(self.numbers, [["a", "one", "twice", "y"],
                             *[[a, 3, 2 * a, y] for a, y in zip(self.x[:, 0], self.y)]])
        d = self.document("--train", self.numbers, "--label", "y")
        told = " ".join(d["notes"])
        self.assertIn("column 'one' is constant", told)
        self.assertEqual(d["checks"]["rank"]["value"], 2)

    def test_what_cannot_be_is_said(self):
        self.refused(says="--train FILE")
        self.refused("--train", self.classes, "--columns", "a,b,c", "a text", says="--table FILE")
        self.refused("--train", self.classes, "--columns", "a,b,c", "--check", "3",
                     says="--check compares")
        self.refused("--train", self.classes, "--predictor", "http:x", says="fit:FILE")
        self.refused("--train", self.classes, "--method", "no", says="no method 'no'")
        self.refused("--train", self.classes, "--label", "nowhere", says="no column 'nowhere'")
        few = self.here / "few.csv"
        write(few, [["a", "b", "c", "y"], *[[*x, y] for x, y in zip(self.x[:6], self.y[:6])]])
        self.refused("--train", few, "--label", "y", "--kind", "linear",
                     says="6 samples for 4 coefficients")
        write(few, [["a", "label"], *[[x, "only"] for x in self.x[:6, 0]]])
        self.refused("--train", few, says="class")
        write(few, [["a", "label"], ["1", "x"], ["", "y"], ["2", "y"], ["3", "x"]])
        self.refused("--train", few, says="row 2 of", status=3)
        self.assertEqual(self.document("--train", few, "--missing", "drop")["train"]["left_out"], 1)


class Texts(Case):
    def test_samples_of_a_text_head_are_found_again(self):
        words = "small world hello again the a and of".split()
        rows = [["text", "label"]]
        for i in range(24):
            rows.append([" ".join(words[(i * k) % 8] for k in range(1, 6)),
                         "x" if i % 3 else "y"])
        data, fit = self.here / "t.csv", self.here / "t.fit"
        write(data, rows)
        r = run("fit", "-m", BERT, "--data", data, "--strength", "1", "--held-out", "0", "-o", fit)
        self.assertEqual(r.returncode, 0, r.stderr.decode())
        d = self.document("-m", BERT, "--predictor", f"fit:{fit}", "--train", data, rows[3][0])
        self.assertEqual(d["verdict"], "ok")
        self.assertEqual(d["queries"][0]["text"], rows[3][0])
        like = next(c for c in d["columns"] if c["name"] == "cosine")
        self.assertGreater(like["high"][0]["value"], 0.999)
        plan = json.loads(self.ok("-m", BERT, "--predictor", f"fit:{fit}", "--train", data,
                                  "hello", "--dry-run", "--json"))
        self.assertGreater(plan["forward_tokens"], 24 * 3)
        write(data, rows + [["", "x"]])
        self.refused("-m", BERT, "--predictor", f"fit:{fit}", "--train", data,
                     says="row 25 of", status=3)
        self.refused("-m", BERT, "--train", data, says="fit a head")


class Methods(Case):
    def test_the_list_says_what_each_is_good_for(self):
        schema = json.loads((ROOT / "docs/schema/glim.influence-methods-1.schema.json").read_text())
        d = json.loads(run("influence", "--list", "--json").stdout)
        Draft202012Validator.check_schema(schema)
        Draft202012Validator(schema).validate(d)
        text = run("influence", "--list").stdout.decode()
        for m in d["methods"]:
            self.assertTrue(m["formula"] and m["use"], m["name"])
            self.assertIn(f"\n{m['name']}\n", text)
            by = run("influence", "--train", self.numbers, "--label", "y", "--method", m["name"],
                     "--by", "token").stderr.decode()
            self.assertEqual("cannot say" in by, m["family"] == "head", by)
        self.assertTrue(all(len(line) <= 100 for line in text.splitlines()))


class Saved(Case):
    """glim view of what a run saved shows what the run has shown."""

    def compared(self, *args):
        saved, page, again, table = (self.here / n for n in ("a.json", "a.html", "b.html", "b.csv"))
        self.ok(*args, "--json", saved, "--html", page)
        for view in ([], ["--ascii", "--width", "50"]):
            r = run("view", saved, *view)
            self.assertEqual((r.returncode, r.stderr), (0, b""))
            self.assertEqual(r.stdout.decode(), self.ok(*args, *view))
        r = run("view", saved, "--html", again, "--csv", table, "--json", self.here / "b.json")
        self.assertEqual(r.returncode, 0, r.stderr.decode())
        self.assertEqual(page.read_text(encoding="utf-8"), again.read_text(encoding="utf-8"))
        self.assertEqual(saved.read_bytes(), (self.here / "b.json").read_bytes())
        d = json.loads(saved.read_text())
        Draft202012Validator(SCHEMA).validate(d)
        return d, read(table)

    def test_diagnostics_with_their_figures(self):
        whole = self.here / "whole.csv"
        d, table = self.compared("--train", self.numbers, "--label", "y")
        self.ok("--train", self.numbers, "--label", "y", "--csv", whole)
        rows = {r[0]: r for r in read(whole)}
        self.assertEqual(table[0], rows["row"])
        for row in table[1:]:
            self.assertTrue(any(row[2:]))
            self.assertTrue(all(a in ("", b) for a, b in zip(row, rows[row[0]])))
        self.assertEqual(len(d["figures"]["stems"]["value"]), 60)
        self.assertIn("<circle", (self.here / "b.html").read_text(encoding="utf-8"))

    def test_queries_groups_and_refits(self):
        rows = read(self.classes)
        write(self.classes, rows + [rows[5][:3] + ["good" if rows[5][3] == "bad" else "bad", "x"]])
        d, _ = self.compared("--train", self.classes, "--columns", "a,b,c", "--table", self.classes,
                             "--row", "3", "--check", "8", "--group", "where", "--against", "bad",
                             "--target", "good")
        self.assertEqual((d["against"], d["grouped_by"]), ("bad", "where"))
        self.assertEqual(d["flags"]["duplicates"]["count"], 1)

    def test_a_document_of_another_version_is_refused(self):
        path = self.here / "other.json"
        path.write_text('{"schema": "glim.influence/2"}')
        r = run("view", path)
        self.assertEqual(r.returncode, 3)
        self.assertIn("glim.influence/1", r.stderr.decode())


if __name__ == "__main__":
    unittest.main()
