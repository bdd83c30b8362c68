#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Documents of panels in every form: made here by hand, drawn by glim view. JSON is read
back as it was written and fits its schema; the report opens in Chromium without a request
or a message, shows the document's numbers, and axe-core finds nothing."""
import csv
import io
import json
import math
import pathlib
import tempfile
import unittest

from jsonschema import Draft202012Validator

from browser import AXE, DOCUMENTS, ROOT, Browser, glim

WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
SCHEMA = json.loads((ROOT / "docs/schema/glim.explanation-1.schema.json").read_text(encoding="utf-8"))
WORDS = {lang: json.loads((ROOT / f"web/words/{lang}.json").read_text(encoding="utf-8"))
         for lang in ("en", "zh-CN")}
TOKENS = ["The", " capital", " of", " France", "，", "法国的首都", " is", " </script>", "�", " "]


def numbers(rows, columns, of):
    return [[of(r, c) for c in range(columns)] for r in range(rows)]


def grid(name="probability", rows=6, columns=len(TOKENS), scale="share", **other):
    of = {"share": lambda r, c: abs(math.sin(r * 3 + c * 5 + 1)) ** 3,
          "rank": lambda r, c: 1 + (r * 37 + c * 11) ** 2 % 4000,
          "effect": lambda r, c: 1.4 * math.sin(r + c * 7 + 1) ** 3,
          "amount": lambda r, c: (r * c) % 7 / 2,
          "signed": lambda r, c: 3 * math.sin(r * 5 + c + 1)}[scale]
    return {"name": name, "title": f"Grid of {scale}", "caption": "A caption of the grid.", "unit": None,
            "kind": "grid", "scale": scale,
            "rows": {"name": "layer", "labels": [f"L{rows - r}" for r in range(rows)]},
            "columns": {"name": "position", "labels": [TOKENS[c % len(TOKENS)] for c in range(columns)]},
            "values": numbers(rows, columns, of), "low": None, "high": None, "texts": None, "marked": None, **other}


def words():
    g = grid("answer")
    g["texts"] = numbers(6, len(TOKENS), lambda r, c: TOKENS[(r * 3 + c) % len(TOKENS)])
    g["marked"] = numbers(6, len(TOKENS), lambda r, c: r == c % 3)
    g["values"][1][1] = None
    return g


def lines(name="accuracy", series=2, columns=13, scale="share", **other):
    value = numbers(series, columns, lambda s, c: (0.5 + 0.4 * math.sin(c / 5)) / (1 + s / 2) if c != 4 or s else None)
    if scale == "rank":
        value = [[x and round(1 / x ** 6) for x in row] for row in value]
    spread = [[None if x is None else x * 0.05 for x in row] for row in value]
    return {"name": name, "title": f"Lines of {scale}", "caption": None, "unit": None, "kind": "lines", "scale": scale,
            "rows": {"name": "series", "labels": ["accuracy", "control", *(f"series {s}" for s in range(2, series))][:series]},
            "columns": {"name": "layer", "labels": ["embed", *map(str, range(columns - 1))]}, "values": value,
            "low": [[x and x - e for x, e in zip(*p)] for p in zip(value, spread)],
            "high": [[x and x + e for x, e in zip(*p)] for p in zip(value, spread)], **other}


def table():
    return {"name": "examples", "title": "Examples misread", "caption": "Of the best layer.", "unit": None, "kind": "table",
            "scale": "share", "rows": {"name": "row", "labels": ["7", "12", "<b>13</b>"]},
            "columns": {"name": "", "labels": ["text", "label", "probability"]},
            "cells": [["It was a fine film, and 米茨 liked it", "positive", 0.1234], ["no", None, None],
                      ["\u001b[31mred </td>", "negative", 1.0]]}


def texts():
    def one(label, n, best):
        values = [0.0 if (i * 7) % 5 else 1.5 + i % 3 for i in range(n)]
        values[best] = 12.5
        return {"label": label, "value": 12.5, "best": best, "pieces": [TOKENS[i % 4] for i in range(n)], "values": values}
    return {"name": "top", "title": "Texts with the largest activations", "caption": "Not natural text below 3.", "unit": "activation",
            "kind": "texts", "scale": "amount",
            "texts": [one("reviews.csv, row 7", 12, 3), one("row 90", 200, 100),
                      {"label": None, "value": None, "best": None, "pieces": ["法国", "\n", " ", "ab"], "values": [-1.0, None, 0.5, 3.0]},
                      {"label": "empty", "value": 0.0, "best": None, "pieces": [], "values": []}]}


def document(kind, *panels):
    return {"schema": "glim.explanation/1", "kind": kind, "glim": "0.1.0",
            "model": {"file": "model.gguf", "name": None, "architecture": "llama", "quantisation": "F32", "digest": None},
            "input": {"text": "The capital of France", "unit": None, "units": [], "turns": []},
            "target": {"kind": None, "output": None, "text": " Paris", "id": None, "against": None, "against_id": None,
                       "value": None, "baseline_value": None, "prob": None},
            "method": {"name": "logit-lens", "summary": "the last layer's words read from every layer", "params": {},
                       "cite": None, "caption": None, "additive": False, "signed": False},
            "scores": None, "error": None, "levels": [], "panels": list(panels), "fixed_total": None,
            "checks": {"verdict": "ok", "reason": "", "values": {}},
            "cost": {"forward_tokens": 10, "backward_tokens": 0, "seconds": 0.5, "peak_bytes": 1 << 20, "threads": 2,
                     "kernels": "ref"}, "seed": 0, "notes": ["a note"], "partial": False}


def examples():
    return {"lens": document("lens", words(), grid("rank", scale="rank")),
            "patch": document("patch", grid("effect", scale="effect"), grid("wide", 12, 60, "effect"),
                              grid("signed", scale="signed", unit="logit",
                                   low=numbers(6, len(TOKENS), lambda r, c: 3 * math.sin(r * 5 + c + 1) - 1),
                                   high=numbers(6, len(TOKENS), lambda r, c: 3 * math.sin(r * 5 + c + 1) + 1))),
            "probe": document("probe", lines(), lines("rank", 3, 24, "rank"), lines("many", 14, 40), table()),
            "maximize": document("maximize", texts(), lines(series=1, columns=3), table()),
            "all": document("lens", words(), lines(), table(), texts())}


class Documents(unittest.TestCase):
    def view(self, value, *flags, status=0):
        path = self.folder / "document.json"
        path.write_text(json.dumps(value), encoding="utf-8")
        return glim("view", path, *flags, "-q", status=status).stdout.decode()

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)

    def test_what_is_written_fits_the_schema_and_is_read_back(self):
        Draft202012Validator.check_schema(SCHEMA)
        for name, value in examples().items():
            with self.subTest(name):
                written = json.loads(self.view(value, "--json"))
                self.assertEqual(written, value)
                Draft202012Validator(SCHEMA).validate(written)

    def test_scores_and_panels_stand_side_by_side(self):
        both = json.loads((DOCUMENTS / "plain.json").read_text(encoding="utf-8"))
        plain, whole = self.view(both, "--csv", "-"), json.loads(self.view(both, "--json"))
        both["panels"] = [lines(), table()]
        written = json.loads(self.view(both, "--json"))
        self.assertEqual(written, {**whole, "panels": both["panels"]})
        Draft202012Validator(SCHEMA).validate(written)
        self.assertEqual(self.view(both, "--csv", "-"), plain)

    def test_what_does_not_fit_is_refused_by_both(self):
        def broken():
            for path, wrong in ((("values", 0), [1]), (("scale",), "loud"), (("rows", "labels"), [1]),
                                (("kind",), "heat"), (("marked", 0, 0), "yes"), (("name",), None)):
                value = document("lens", words())
                at = value["panels"][0]
                for key in path[:-1]:
                    at = at[key]
                at[path[-1]] = wrong
                yield path, value
            for key, wrong in (("panels", None), ("kind", "attribution"), ("kind", "poem")):
                value = document("lens", words())
                value[key] = wrong
                yield (key,), value
            value = document("lens", words())
            del value["panels"]
            yield ("panels",), value
        for path, value in broken():
            with self.subTest(path):
                self.view(value, "--json", status=3)
                if path != ("values", 0):  # a schema cannot compare lengths
                    self.assertFalse(Draft202012Validator(SCHEMA).is_valid(value))

    def test_the_table_has_every_number(self):
        value = examples()["all"]
        rows = list(csv.DictReader(io.StringIO(self.view(value, "--csv", "-"))))
        g, l, t, x = value["panels"]
        self.assertEqual(len(rows), 60 + 26 + 9 + 4 + 12 + 200 + 4)
        cells = [r for r in rows if r["panel"] == "answer"]
        for i, r in enumerate(cells):
            row, column = divmod(i, 10)
            want = g["values"][row][column]
            self.assertEqual((r["row"], r["column"], r["text"], r["marked"]),
                             (g["rows"]["labels"][row], g["columns"]["labels"][column], g["texts"][row][column],
                              str(int(g["marked"][row][column]))))
            self.assertEqual(r["value"] and float(r["value"]), "" if want is None else float(f"{want:.9g}"))
            self.assertEqual((int(r["row_number"]), int(r["column_number"])), (row, column))
        bounds = [(r["low"], r["high"]) for r in rows if r["panel"] == "accuracy"]
        self.assertEqual(bounds, [("" if a is None else f"{a:.9g}", "" if b is None else f"{b:.9g}")
                                  for pair in zip(l["low"], l["high"]) for a, b in zip(*pair)])
        said = [r["text"] or r["value"] for r in rows if r["panel"] == "examples"]
        self.assertEqual(said, ["" if c is None else c if isinstance(c, str) else f"{c:.9g}" for r in t["cells"] for c in r])
        self.assertEqual([r["text"] for r in rows if r["panel"] == "top" and r["row"] == "row 90"][1:],
                         x["texts"][1]["pieces"])

    def test_who_judges_wants_scores(self):
        path = self.folder / "lens.json"
        path.write_text(json.dumps(examples()["lens"]), encoding="utf-8")
        out = glim("evaluate", "-m", ROOT / "tests/golden/models/gemma3.gguf", "Hello", "--explanation", path, status=3)
        self.assertIn("has no scores of units", out.stderr.decode())


class Reports(Browser):
    def write(self, value, *flags):
        number = len(list(self.path.glob("panels-*.json")))
        source, out = self.path / f"panels-{number}.json", self.path / f"panels-{number}.html"
        source.write_text(json.dumps(value), encoding="utf-8")
        glim("view", source, "--html", out, "-q", *flags)
        return out

    def test_every_panel_shows_its_numbers(self):
        page = self.open(self.write(examples()["all"]))
        g, l, t, x = examples()["all"]["panels"]
        self.assertEqual(page.inner_text("h1"), WORDS["en"]["title.lens"])
        self.assertEqual(page.locator(".panel h2").all_inner_texts(), [p["title"] for p in (g, l, t, x)])
        cells = page.evaluate("[...document.querySelectorAll('#glim-panel-0 .grid tbody tr')].map((r) => "
                              "[...r.querySelectorAll('small')].map((e) => e.textContent))")
        self.assertEqual(cells, [["×" if v is None else f"{100 * v:.0f}" for v in row] for row in g["values"]])
        words_of = page.evaluate("[...document.querySelectorAll('#glim-panel-0 .grid tbody td bdi')].map((e) => e.textContent)")
        self.assertEqual([w.replace("·", " ") for w in words_of], [w for row in g["texts"] for w in row])
        self.assertEqual(page.locator("#glim-panel-0 td.marked").count(), sum(map(sum, g["marked"])))
        self.assertEqual(page.locator("#glim-panel-0 .marked .unseen").count(), sum(map(sum, g["marked"])))
        self.assertEqual(page.locator("#glim-panel-1 svg[role=img] .line").count(), 3)  # one has a gap
        self.assertEqual(page.locator("#glim-panel-1 svg[role=img] .dot").count(), 25)
        page.click("#glim-panel-1 summary")
        first = page.locator("#glim-panel-1 details tbody tr").first.inner_text().split("\t")
        self.assertEqual(first[0], "embed")
        self.assertEqual(first[1].replace("\xa0", " "), "50.0 % (47.5 % … 52.5 %)")
        self.assertIn("90.0", page.inner_text("#glim-panel-1 .say"))
        self.assertIn("\\x1b[31mred </td>", page.inner_text("#glim-panel-2"))
        self.assertEqual(page.locator("#glim-panel-3 li").count(), 4)
        self.assertIn("… 80 more …", page.inner_text("#glim-panel-3"))
        best = page.locator("#glim-panel-3 .u.now")
        self.assertEqual([e.get_attribute("data-n") for e in best.all()], ["12.5", "12.5"])
        after = "getComputedStyle(document.querySelector('#glim-panel-3 .u'), '::after').content"
        self.assertEqual(page.evaluate(after), "none")
        page.check("#glim-panel-3 .show")
        self.assertEqual(page.evaluate(after), '"1.50"')
        self.assertEqual(page.evaluate("document.documentElement.dataset.viewer"), "ready")
        self.assertClean(page)

    def test_scales_say_their_ends(self):
        page = self.open(self.write(examples()["patch"]))
        ends = page.evaluate("[...document.querySelectorAll('.panel')].map((e) => ['.least', '.most'].map((s) => "
                             "e.querySelector(s).textContent))")
        self.assertEqual(ends, [["−1.00", "+1.00"], ["−1.00", "+1.00"], ["−3.00", "+3.00"]])
        legend = page.inner_text("#glim-panel-0 .legend")
        for key in ("panel.zero", "panel.one"):
            self.assertIn(WORDS["en"][key], legend)
        effects = [v for row in examples()["patch"]["panels"][0]["values"] for v in row]
        beyond = sum(v < -0.2 or v > 1.2 for v in effects)
        self.assertIn(WORDS["en"]["panel.beyond"].replace("{0}", str(beyond)), legend)
        self.assertEqual(page.locator("#glim-panel-0 td.over").count(), beyond)
        self.assertEqual(page.locator("#glim-panel-1 table.top tbody tr").count(), 10)
        self.assertEqual(page.locator("#glim-panel-2 td.h").count(), 13)
        self.assertClean(page)

    def test_large_grids_are_pooled(self):
        out = self.write(document("patch", grid("effect", 200, 1024, "effect")))
        self.assertLess(out.stat().st_size, 6 << 20)
        page = self.open(out)
        self.assertLess(page.evaluate("document.getElementsByTagName('*').length"), 10_000)
        self.assertIn("204800 cells", page.text_content("#glim-panel-0"))
        self.assertIn("4 × 16", page.text_content("#glim-panel-0"))
        self.assertClean(page)

    def test_languages_translate_words_and_never_tokens(self):
        page = self.open(self.write(examples()["all"], "--lang", "zh-CN"))
        self.assertEqual(page.inner_text("h1"), WORDS["zh-CN"]["title.lens"])
        self.assertIn(WORDS["zh-CN"]["axis.layer"], page.inner_text("#glim-panel-0 .note"))
        self.assertEqual(page.text_content("#glim-panel-1 svg[role=img] > text[data-w]"), WORDS["zh-CN"]["axis.layer"])
        self.assertIn("capital", page.inner_text("#glim-panel-0"))
        self.assertEqual(page.get_attribute("#glim-panel-0 h2", "lang"), "en")
        self.assertClean(page)

    def test_panels_behind_scores_live_with_the_viewer(self):
        both = json.loads((DOCUMENTS / "plain.json").read_text(encoding="utf-8"))
        both["panels"] = [words(), lines(), table(), texts()]
        page = self.open(self.write(both))
        self.assertEqual(page.evaluate("document.documentElement.dataset.viewer"), "ready")
        page.click("text=中文")
        self.assertIn(WORDS["zh-CN"]["axis.layer"], page.inner_text("#glim-panel-0 .note"))
        self.assertEqual(page.locator("#glim-panel-3 li").count(), 4)
        self.assertClean(page)

    def test_narrow_enlarged_and_printed(self):
        for name, value in examples().items():
            out = self.write(value)
            page = self.open(out, viewport={"width": 360, "height": 800})
            self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth"), 360, name)
            page = self.open(out)
            page.evaluate("() => { document.documentElement.style.fontSize = '200%' }")
            self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth"), 1200, name)
        page.emulate_media(media="print", color_scheme="dark")
        self.addCleanup(page.emulate_media, media="screen")
        self.assertEqual(page.evaluate("getComputedStyle(document.body).backgroundColor"), "rgb(255, 255, 255)")
        self.assertTrue(page.locator("#glim-panel-1 details table").is_visible())
        self.assertEqual(page.pdf()[:5], b"%PDF-")

    def test_no_violations(self):
        for name in ("all", "patch", "probe"):
            page = self.open(self.write(examples()[name]), reduced_motion="reduce")
            page.evaluate(AXE.read_text(encoding="utf-8") + ";0")
            page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true })")
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                found = page.evaluate("(tags) => axe.run(document, {runOnly: tags}).then((r) => r.violations.map((v) => "
                                      "v.id + ': ' + v.help + ' ' + v.nodes.map((n) => n.target.join()).slice(0, 3)))",
                                      WCAG)
                self.assertEqual(found, [], f"{name} {scheme}")
            page.emulate_media(color_scheme="light")


if __name__ == "__main__":
    unittest.main()
