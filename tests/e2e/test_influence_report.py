#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The report of glim influence in Chromium: it asks for nothing, shows the
document's numbers, has no violation of WCAG in light or dark, English or Chinese, and fits a
narrow screen that is touched."""
import csv
import json
import re
import unittest

import numpy as np

from browser import AXE, ROOT, Browser, glim

MODEL = ROOT / "tests/golden/models/llama-q4_0.gguf"
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
POLICY = (r"default-src 'none'; img-src data:; style-src 'sha256-[A-Za-z0-9+/]{43}='; "
          r"script-src 'sha256-[A-Za-z0-9+/]{43}='; base-uri 'none'; form-action 'none'")
WORDS = {n: json.loads((ROOT / f"web/words/{n}.json").read_text(encoding="utf-8")) for n in ("en", "zh-CN")}


def number(x):
    return f"{x:.4g}".replace("-", "−", 1) if x < 0 else f"{x:.4g}"


def write(path, rows):
    with open(path, "w", newline="", encoding="utf-8") as f:
        csv.writer(f).writerows(rows)


class Reports(Browser):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        rng = np.random.default_rng(4)
        x = np.round(rng.normal(size=(60, 3)), 3)
        y = np.round(x @ [1, -2, 0.5] + rng.normal(size=60), 3)
        said = np.where(y > 0, "good", "bad")
        said[int(np.argmax(np.abs(y)))] = "bad" if y[int(np.argmax(np.abs(y)))] > 0 else "good"
        numbers, classes, texts = (cls.path / n for n in ("numbers.csv", "classes.csv", "texts.csv"))
        write(numbers, [["a", "b", "c", "y"], *np.column_stack([x, y]).tolist()])
        write(classes, [["a", "b", "c", "label", "from"],
                        *[[*r, s, "<i>east</i>" if i % 4 else "西"] for i, (r, s) in enumerate(zip(x.tolist(), said))],
                        [*x[5].tolist(), "good" if said[5] == "bad" else "bad", "?"]])
        write(texts, [["text", "from"], *[[f"{a} {b}, {c}", b] for a in ("a <b>fine</b> film", "no end", "法国 the word")
                                          for b in ("in it", "at last") for c in ("again", "and x y z")]])
        head = ("--train", classes, "--columns", "a,b,c", "--table", classes, "--row", "3", "--group", "from")
        model = ("-m", MODEL, "--train", texts, "--group", "from", "no end at last")
        asked = {"diagnostics": ("--train", numbers, "--label", "y"), "head": (*head, "--check", "8"),
                 "tokens": (*model, "--by", "token", "--top", "3"),
                 "modules": (*model, "--method", "tracin", "--by", "module", "--self", "--check", "3"),
                 "loss": ("-m", MODEL, "--train", texts, "--method", "loss")}
        cls.made = {}
        for name, flags in asked.items():
            saved = cls.path / f"influence-{name}.json"
            glim("influence", "-q", *flags, "--json", saved)
            pages = {n: cls.path / f"influence-{name}-{n}.html" for n in WORDS}
            for n, page in pages.items():
                glim("view", saved, "-q", "--html", page, "--lang", n)
            cls.made[name] = (json.loads(saved.read_text(encoding="utf-8")), pages)

    def tables(self, page):
        """Texts of the cells of all tables of samples."""
        return page.evaluate("[...document.querySelectorAll('table.samples')].map((t) => "
                             "[...t.querySelectorAll('tbody tr')].map((r) => [...r.children].map((c) => c.innerText.trim())))")

    def test_it_opens_clean(self):
        for name, (_, pages) in self.made.items():
            for language, path in pages.items():
                page = self.open(path)
                self.assertRegex(path.read_text(encoding="utf-8")[:600], POLICY)
                self.assertEqual(page.get_attribute("html", "lang"), language)
                self.assertEqual(page.evaluate("[...document.scripts].map((s) => s.type)"), ["application/json", ""])
                self.assertClean(page, name)

    def test_numbers_are_the_documents(self):
        for name, (d, pages) in self.made.items():
            page = self.open(pages["en"])
            shown = self.tables(page)
            listed = [[[str(e["row"]), number(e["value"])] for e in column[end] if e["value"] * sign > 0]
                      for column in d["columns"] if column["name"] == "influence"
                      for end, sign in (("high", 1), ("low", -1))]
            have = [[row[:2] for row in table] for table in shown]
            for want in filter(None, listed):
                self.assertIn(want, have, name)
            data = page.evaluate("JSON.parse(document.getElementById('glim-data').textContent)")
            self.assertEqual(data, d)
            for group in d["groups"]:
                self.assertIn(group["name"], page.inner_text("main"))

    def test_tokens_have_the_colours_of_their_shares(self):
        d, pages = self.made["tokens"]
        page = self.open(pages["en"])
        strips = page.evaluate("[...document.querySelectorAll('.strip')].map((s) => [...s.querySelectorAll('.u')]"
                               ".map((u) => [u.textContent, u.className]))")
        self.assertEqual(len(strips), len(d["shares"]))
        by_text = {"".join(s["names"]): s for s in d["shares"]}
        for strip in strips:
            share = by_text["".join(text for text, _ in strip)]
            most = max(map(abs, share["values"]))
            for (_, look), value in zip(strip, share["values"], strict=True):
                step = value / most * 5
                self.assertLessEqual(abs(int(re.search(r"s(\d+)", look)[1]) - 5 - step), 0.51)

    def test_figures_mark_what_lies_beyond(self):
        d, pages = self.made["diagnostics"]
        page = self.open(pages["en"])
        self.assertEqual(page.locator(".stem").count(), 60)
        cook = next(c for c in d["columns"] if c["name"] == "cooks-distance")
        self.assertEqual(page.locator(".stem.over").count(), cook["beyond"])
        self.assertEqual(page.locator("circle.over").count(), cook["beyond"])
        inside = page.evaluate("[...document.querySelectorAll('.figure circle')].every((c) => { const a = "
                               "c.getBoundingClientRect(), b = c.closest('svg').getBoundingClientRect(); "
                               "return a.left >= b.left - 12 && a.right <= b.right + 12; })")
        self.assertTrue(inside)

    def test_words_are_chinese(self):
        for name, (d, pages) in self.made.items():
            page = self.open(pages["zh-CN"])
            said = page.inner_text("main")
            self.assertEqual(page.evaluate("[...document.querySelectorAll('[data-w]')].filter((e) => "
                                           "e.textContent == e.dataset.w).length"), 0, name)
            self.assertIn(WORDS["zh-CN"]["influence.row"], said, name)
            self.assertIn(WORDS["zh-CN"][d["method"]["name"] + ".caption"], said, name)
            self.assertEqual(WORDS["en"][d["method"]["name"] + ".caption"], d["method"]["caption"])
            for text in ("Helpful", "Harmful", "sample", "Colours", "of which"):
                self.assertNotIn(text, re.sub(r"\S*\.(csv|gguf)", "", said), name)

    def test_every_method_has_its_caption_in_both_languages(self):
        for m in json.loads(glim("influence", "--list", "--json").stdout)["methods"]:
            self.assertEqual(WORDS["en"][m["name"] + ".caption"], m["caption"])
            self.assertIn(m["name"] + ".caption", WORDS["zh-CN"])

    def test_no_violations_of_wcag(self):
        for name, (_, pages) in self.made.items():
            for scheme, language in (("light", "en"), ("dark", "zh-CN")):
                page = self.open(pages[language], reduced_motion="reduce")
                page.emulate_media(color_scheme=scheme)
                page.evaluate(AXE.read_text(encoding="utf-8") + ";0")
                found = page.evaluate("(tags) => axe.run(document, {runOnly: tags}).then((r) => r.violations.map((v) => "
                                      "v.id + ': ' + v.nodes.map((n) => n.target.join()).slice(0, 3)))", WCAG)
                self.assertEqual(found, [], f"{name} {scheme}")

    def test_a_narrow_screen_that_is_touched(self):
        for name, (_, pages) in self.made.items():
            for language in pages:
                page = self.open(pages[language], viewport={"width": 360, "height": 800}, has_touch=True, is_mobile=True)
                self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth"), 360, name)
                small = page.evaluate("Math.min(...[...document.querySelectorAll('main *')].filter((e) => "
                                      "!(e instanceof SVGElement) && e.childNodes.length && e.innerText.trim())"
                                      ".map((e) => parseFloat(getComputedStyle(e).fontSize)))")
                self.assertGreaterEqual(small, 12)
                texts = page.evaluate("[...document.querySelectorAll('.figure text')].map((e) => "
                                      "e.getBoundingClientRect().height)")
                self.assertTrue(all(h >= 10 for h in texts), name)
                self.assertClean(page, name)


if __name__ == "__main__":
    unittest.main()
