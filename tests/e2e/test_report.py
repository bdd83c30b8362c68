#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The HTML report in a real browser, Debian's Chromium: every golden document
opens without a request, a message or a violation of its own policy; the numbers
shown are the document's; keyboard, saving, printing and no JavaScript work; and
axe-core finds nothing against WCAG 2.0 to 2.2, A and AA."""
import decimal
import hashlib
import html
import importlib.util
import json
import pathlib
import re
import time
import unittest
import xml.etree.ElementTree

import jsonschema

from browser import AXE, DOCUMENTS, ROOT, Browser, glim

IMAGES = ROOT / "tests/golden/images"
LLAMA = ROOT / "tests/golden/models/llama.gguf"
WORDS = json.loads((ROOT / "web/words/en.json").read_text(encoding="utf-8"))
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
POLICY = (r"default-src 'none'; img-src data:; style-src 'sha256-[A-Za-z0-9+/]{43}='; "
          r"script-src 'sha256-[A-Za-z0-9+/]{43}='; base-uri 'none'; form-action 'none'")

spec = importlib.util.spec_from_file_location("documents", ROOT / "scripts/record-documents.py")
recorder = importlib.util.module_from_spec(spec)
spec.loader.exec_module(recorder)


def number(x, scale, signed):
    """Three digits: written anew from the rule, not from the code."""
    if x is None:
        return "×"
    size = abs(x)
    if size == 0:
        return "0"
    exact = decimal.Decimal(size)
    power = exact.adjusted()
    rounded = exact.quantize(decimal.Decimal(1).scaleb(power - 2), decimal.ROUND_HALF_UP)
    power = rounded.adjusted()
    digits = rounded.scaleb(-power).quantize(decimal.Decimal("0.01"))
    sign = "−" if x < 0 else "+" if signed else ""
    if power < -3 and scale >= 0.1:
        return f"{sign}<0.001"
    if power < -3 or power > 5:
        return f"{sign}{digits}e{'−' if power < 0 else ''}{abs(power)}"
    return f"{sign}{exact.quantize(decimal.Decimal(1).scaleb(-max(0, 2 - power)), decimal.ROUND_HALF_UP)}"


def shown(d):
    """What the picture shows first: scores, and which units count."""
    units = d["input"]["units"]
    scores = d["scores"]
    if "rows" in d:
        scores = [None if all(x is None for x in column) else sum(x for x in column if x is not None)
                  for column in zip(*d["scores"])]
    counted = [u for u, unit in enumerate(units) if not unit["fixed"] and not unit["generated"]]
    limit = max([abs(scores[u]) for u in counted if scores[u] is not None], default=0)
    return scores, counted, limit


class Documents(Browser):
    def test_every_document_opens_clean_with_its_own_numbers(self):
        for name, d in self.documents.items():
            with self.subTest(name):
                page = self.open(self.report(name))
                self.assertEqual(page.evaluate("document.documentElement.dataset.viewer"), "ready")
                self.assertRegex(self.report(name).read_text(encoding="utf-8"), POLICY)
                self.check_furniture(page, d)
                self.check_numbers(page, d)
                self.assertClean(page, name)

    def check_furniture(self, page, d):
        order = ["h1", "p.target", "p.method", ".verdict", "#glim-strip", "#glim-legend", "#glim-say", ".caption",
                 "footer"]
        tops = page.evaluate("(all) => all.map((s) => document.querySelector(s).getBoundingClientRect().top)", order)
        self.assertEqual(tops, sorted(tops), "furniture out of order")
        verdict = page.inner_text(".verdict")
        self.assertIn(d["checks"]["verdict"], verdict)
        self.assertIn(d["checks"]["reason"], verdict)
        self.assertIn(d["method"]["name"], page.inner_text("p.method"))
        self.assertIn(f"seed {d['seed']}", page.inner_text("p.method"))
        self.assertIn(d["method"]["caption"], page.inner_text(".caption"))
        self.assertIn(WORDS["output." + d["target"]["output"]], page.inner_text("p.target"))
        foot = page.inner_text("footer")
        self.assertIn(d["model"]["quantisation"], foot)
        self.assertIn("glim " + d["glim"], foot)

    def check_levels(self, page, d):
        """Sums over the rows, without what the model wrote."""
        for k, level in enumerate(d.get("levels", [])):
            rows = level["scores"] if "rows" in d else [level["scores"]]
            sums = [sum(x for x in column if x is not None) for column in zip(*rows)]
            mine = [(u, x) for u, x in zip(level["units"], sums) if not u["generated"]]
            limit = max(abs(x) for _, x in mine)
            cells = page.evaluate("(id) => [...document.querySelectorAll(id + ' tbody tr')].map((r) => "
                                  "[r.querySelector('th').textContent, r.querySelectorAll('td')"
                                  "[r.children.length - 4].textContent])", f"#glim-by-{k}")
            self.assertEqual(cells, [[u["text"].strip(), number(x, limit, d["method"]["signed"])] for u, x in mine])
            top = max(mine, key=lambda pair: pair[1])
            share = 100 * top[1] / sum(abs(x) for _, x in mine)
            support = page.inner_text("#glim-support")
            self.assertIn(f"“{top[0]['text'].strip()}” supports it most: {share:.1f}", support)

    def check_numbers(self, page, d):
        scores, counted, limit = shown(d)
        signed = d["method"]["signed"]
        seen = page.evaluate("Object.fromEntries([...document.querySelectorAll('#glim-strip .u:not(.fixed)')]"
                             ".map((e) => [e.dataset.u, e.dataset.n]))")
        self.assertEqual({u: seen[str(u)] for u in counted},
                         {u: number(scores[u], limit, signed) for u in counted})
        legend = page.evaluate("['.least', '.most'].map((s) => document.querySelector('#glim-legend ' + s).textContent)")
        self.assertEqual(legend, [number(-limit if signed else 0, limit, signed), number(limit, limit, signed)])
        self.check_levels(page, d)
        ranked = sorted((u for u in counted if scores[u] is not None), key=lambda u: (-abs(scores[u]), u))
        rows = page.evaluate("[...document.querySelectorAll('#glim-ranks tbody tr[data-u]')]"
                             ".map((r) => [Number(r.dataset.u), r.children[2].textContent])")
        self.assertEqual(rows, [[u, number(scores[u], limit, signed)] for u in ranked[:30]])
        if "rows" not in d:
            cells = page.evaluate("[...document.querySelectorAll('#glim-table tbody tr')]"
                                  ".map((r) => [Number(r.dataset.u), r.children[1].textContent])")
            want = [[u, number(x, limit, signed)] for u, x in enumerate(d["scores"])
                    if not (d["input"]["units"][u]["fixed"] and x is None)]
            self.assertEqual(cells, want)
            return
        whole = max(abs(x) for line in d["scores"] for x in line if x is not None)
        scored = [u for u, unit in enumerate(d["input"]["units"]) if not unit["fixed"]]
        cells = page.evaluate("[...document.querySelectorAll('#glim-table tbody tr')]"
                              ".map((r) => [...r.querySelectorAll('td[data-c]')].map((c) => c.textContent))")
        later = [[d["input"]["units"][u]["start"] >= row["start"] for u in scored] for row in d["rows"]]
        self.assertEqual(cells, [["" if line[u] is None and late else number(line[u], whole, signed)
                                  for u, late in zip(scored, lates)] for line, lates in zip(d["scores"], later)])

    def test_text_is_whole_and_marks_are_not_part_of_it(self):
        for name in ("plain", "chinese", "emoji", "markup", "right-to-left", "mixed-direction", "long-names"):
            d = self.documents[name]
            page = self.open(self.report(name))
            text = page.evaluate("[...document.querySelectorAll('#glim-strip .u:not(.fixed)')]"
                                 ".map((e) => e.textContent).join('')")
            want = ["‹ZWJ›" if u["text"] == "\u200d" else re.sub("[\u2028\u2029]", lambda m: f"‹U+{ord(m[0]):04X}›", u["text"])
                    for u in d["input"]["units"] if not u["fixed"]]
            self.assertEqual(text, "".join(want), name)
            self.assertEqual(page.evaluate("[...document.querySelectorAll('#glim-strip .u > *:last-child')]"
                                           ".every((e) => e.tagName === 'BDI')"), True)
        self.assertEqual(self.open(self.report("right-to-left")).get_attribute("#glim-strip", "dir"), "rtl")
        self.assertEqual(self.open(self.report("mixed-direction")).get_attribute("#glim-strip", "dir"), "ltr")

    def test_nothing_without_a_glyph_is_raw(self):
        page = self.open(self.report("controls"))
        text = page.evaluate("document.getElementById('glim').textContent")
        self.assertNotRegex(text, "[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069\u2028\ufeff]")
        for mark in ("\\x1b", "\\x00", "‹U+202E›", "‹U+2028›", "‹U+FEFF›"):
            self.assertIn(mark, text)
        marks = page.evaluate("[...document.querySelectorAll('#glim-strip .m')].map((e) => e.dataset.m)")
        self.assertEqual(set(marks), {"→", "↵", "·×4", "␣", "∅"})

    def test_a_part_of_a_character_names_the_character_and_its_bytes(self):
        page = self.open(self.report("split-characters"))
        names = page.evaluate("[...document.querySelectorAll('.rows .row')].map((e) => e.textContent)")
        self.assertEqual(names[1:], ["🫎 ⟨F0 9F⟩", "🫎 ⟨AB⟩", "🫎 ⟨8E⟩", "模 ⟨E6 A8⟩", "模 ⟨A1⟩"])

    def test_amounts_have_no_cool_half(self):
        page = self.open(self.report("amounts"))
        self.assertEqual(page.evaluate("document.querySelectorAll('main .scale .w').length"), 9)
        self.assertEqual(page.evaluate("[...document.querySelectorAll('[class]')].filter((e) => "
                                       "/\\bs\\d+\\b/.test(e.getAttribute('class'))).length"), 0)
        self.assertNotIn(WORDS["legend.lowers"], page.inner_text("#glim-legend"))
        self.assertNotIn("+", page.inner_text("#glim-ranks"))

    def test_signs_uncertainty_and_absence_have_marks_besides_colour(self):
        page = self.open(self.report("plain"))
        line = "getComputedStyle(document.querySelector('#glim-strip .u[data-u=\"%d\"] > bdi')).borderBottomStyle"
        self.assertEqual(page.evaluate(line % 4), "solid")
        self.assertEqual(page.evaluate(line % 3), "dashed")
        page = self.open(self.report("errors"))
        hollow = page.evaluate("[...document.querySelectorAll('#glim-strip .h')].map((e) => e.dataset.u)")
        self.assertEqual(hollow, ["0", "2"])
        self.assertIn("95 %", page.inner_text("#glim-legend"))
        page = self.open(self.report("missing"))
        self.assertEqual(page.evaluate("document.querySelectorAll('#glim-strip .x').length"), 2)
        self.assertIn("not there (2)", page.inner_text("#glim-legend"))
        self.assertIn(WORDS["partial"], page.inner_text("main"))

    def test_matrix_cells_that_do_not_apply_differ_from_zero_and_from_missing(self):
        page = self.open(self.report("matrix-missing"), "#written=true")
        page.wait_for_timeout(100)
        cell = """([r, c]) => { const b = document.getElementById('glim-matrix'), k = window.devicePixelRatio;
          const [left, top, size] = ['left', 'top', 'cell'].map((n) => Number(b.dataset[n]));
          return [...b.querySelector('canvas').getContext('2d').getImageData(k * (left + c * size + 1),
            k * (top + r * size + 1), k * (size - 3), k * (size - 3)).data].join() }"""
        zero, missing, later, high = (page.evaluate(cell, at) for at in ([1, 0], [2, 1], [0, 3], [2, 0]))
        self.assertEqual(len({zero, missing, later, high}), 4)
        self.assertIn("does not apply (6)", page.inner_text(".chart .legend"))
        self.assertIn("not there (1)", page.inner_text(".chart .legend"))

    def test_parameters_that_differ_from_the_defaults_are_named(self):
        self.assertNotIn("window", self.open(self.report("plain")).inner_text("p.method"))
        method = self.open(self.report("distrust")).inner_text("p.method")
        self.assertIn("baseline zero", method)
        self.assertIn("steps 64", method)
        self.assertNotIn("window", method)
        self.assertIn("window 1", self.open(self.report("plain")).evaluate(
            "document.querySelector('.checks').textContent"))

    def test_sums_of_additive_methods_show_the_residual(self):
        text = self.open(self.report("distrust")).inner_text(".sum")
        for part in ("+11.0", "+13.7", "−2.71", "19.8", "−0.750"):
            self.assertIn(part, text)

    def test_what_the_template_took_is_told(self):
        text = self.open(self.report("distrust")).inner_text("#glim-fixed")
        self.assertIn("hold 4.4\u00a0% of the sizes", text)
        zh = self.open(self.report("sentences", "--lang", "zh-CN")).inner_text("#glim-support")
        self.assertIn("各个句子之中，最支持它的是“The cat is Mitzi.”", zh)


class Reading(Browser):
    def test_without_javascript(self):
        for name, d in self.documents.items():
            page = self.open(self.report(name), java_script_enabled=False)
            self.assertIn(d["method"]["caption"], page.text_content("main"))
            self.assertEqual(page.locator("#glim-strip .u").count(), len(d["input"]["units"]))
            self.assertEqual(page.locator("#glim-legend .w").count() >= 9, True)
            self.assertEqual(page.sins, [], name)
        page = self.open(self.report("chat"), java_script_enabled=False)
        self.assertFalse(page.locator(".fixed").first.is_visible())
        page.check("#glim-template")
        self.assertTrue(page.locator(".fixed").first.is_visible())
        page.check("#glim-template")

    def test_static_and_live_pages_say_the_same(self):
        for name, d in self.documents.items():
            parts = ["h1", "p.target", "p.method", ".verdict", "#glim-say", "#glim-legend", "#glim-ranks"]
            live, static = self.open(self.report(name)), self.open(self.report(name), java_script_enabled=False)
            for part in parts:
                if static.locator(part).count():
                    clean = lambda page: re.sub(r"\s+", "", page.locator(part).first.text_content())
                    self.assertEqual(clean(live), clean(static), f"{name} {part}")
            shades = "[...document.querySelectorAll('#glim-strip .u')].map((e) => e.className.trim())"
            drawn = re.findall(r'class="(u[^"]*)" data-u', self.report(name).read_text(encoding="utf-8"))
            self.assertEqual(live.evaluate(shades), drawn, name)

    def test_in_a_sandboxed_frame(self):
        for name in ("plain", "chat", "markup"):
            report = self.report(name).read_text(encoding="utf-8")
            host = self.path / "host.html"
            host.write_text("<!doctype html><title>host</title><iframe width=900 height=700 sandbox=\"allow-scripts "
                            "allow-downloads\" srcdoc=\"%s\"></iframe>" % html.escape(report), encoding="utf-8")
            page = self.open(host)
            frame = page.frames[1]
            frame.wait_for_selector("html[data-viewer=ready]")
            frame.focus("#glim-strip")
            page.keyboard.press("ArrowRight")
            page.keyboard.press("Enter")
            self.assertNotEqual(frame.inner_text("#glim-detail"), WORDS["detail.none"])
            self.assertEqual(frame.evaluate("window.violations"), [])
            self.assertEqual([s for s in page.sins if "about:srcdoc" not in s], [])

    def test_keyboard_alone(self):
        page = self.open(self.report("chat"))
        for _ in range(30):
            if page.evaluate("document.activeElement.id") == "glim-strip":
                break
            page.keyboard.press("Tab")
        self.assertEqual(page.evaluate("document.activeElement.id"), "glim-strip")
        ring = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
        self.assertEqual(ring, "3px")
        at = lambda: page.get_attribute("#glim-strip", "aria-activedescendant")
        page.keyboard.press("ArrowRight")
        self.assertEqual(at(), "glim-u3")
        page.keyboard.press("ArrowRight")
        self.assertEqual(at(), "glim-u4")
        page.keyboard.press("End")
        self.assertEqual(at(), "glim-u15")
        page.keyboard.press("Home")
        self.assertEqual(at(), "glim-u3")
        page.keyboard.press("PageDown")
        self.assertEqual(at(), "glim-u15")
        page.keyboard.press("Home")
        page.keyboard.press("Enter")
        page.keyboard.press("ArrowRight")
        self.assertIn("My dog ate a grape.", page.inner_text("#glim-detail"))
        self.assertIn("+8.25 ", page.inner_text("#glim-detail"))
        page.keyboard.press("ArrowDown")
        self.assertEqual(page.get_attribute(".row[data-r='0']", "aria-pressed"), "true")
        page.keyboard.press("Escape")
        self.assertEqual(page.get_attribute(".row[data-r='']", "aria-pressed"), "true")
        self.assertEqual(page.inner_text("#glim-detail"), WORDS["detail.none"])
        page.keyboard.press("n")
        self.assertIn("numbers", page.get_attribute("body", "class"))
        page.keyboard.press("w")
        self.assertIn("white", page.get_attribute("body", "class"))
        page.keyboard.press("t")
        self.assertTrue(page.evaluate("document.getElementById('glim-table').open"))
        page.keyboard.press("d")
        self.assertEqual(page.evaluate("document.documentElement.dataset.theme"), "dark")
        page.evaluate("localStorage.clear()")
        page.keyboard.press("?")
        self.assertTrue(page.locator("dialog").is_visible())
        page.uncheck("#glim-letters")
        page.keyboard.press("Escape")
        page.wait_for_selector("dialog", state="detached")
        page.focus("#glim-strip")
        page.keyboard.press("n")
        self.assertIn("numbers", page.get_attribute("body", "class"))
        page.click("button:text-is('Keys')")
        page.check("#glim-letters")
        page.click("dialog button")
        page.wait_for_selector("dialog", state="detached")
        page.focus("#glim-strip")
        page.keyboard.press("/")
        page.keyboard.type("ohio")
        self.assertEqual(page.evaluate("[...document.querySelectorAll('.found')].map((e) => e.dataset.u).join()"), "4")
        page.keyboard.press("Enter")
        self.assertEqual(at(), "glim-u4")
        page.focus("#glim-matrix")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowRight")
        self.assertEqual(page.get_attribute(".row[data-r='0']", "aria-pressed"), "true")
        self.assertClean(page)

    def test_a_chosen_row_shows_its_scores_and_a_link_shares_it(self):
        d = self.documents["chat"]
        page = self.open(self.report("chat"))
        page.click(".row[data-r='1']")
        seen = page.evaluate("[3, 4, 8, 9].map((u) => document.querySelector(`.u[data-u='${u}']`).dataset.n)")
        counted = [3, 4, 8, 9]
        limit = max(abs(row[u]) for row in d["scores"] for u in counted)
        self.assertEqual(seen, [number(d["scores"][1][u], limit, True) for u in counted])
        self.assertIn(WORDS["legend.shared"], page.inner_text("#glim-legend"))
        page.check("#glim-own")
        own = max(abs(d["scores"][1][u]) for u in counted)
        self.assertEqual(page.inner_text("#glim-legend .most"), number(own, own, True))
        self.assertIn(WORDS["legend.own"], page.inner_text("#glim-legend"))
        fragment = page.evaluate("location.hash")
        again = self.open(self.report("chat"), fragment, fresh=True)
        self.assertEqual(again.get_attribute(".row[data-r='1']", "aria-pressed"), "true")
        self.assertTrue(again.is_checked("#glim-own"))
        again.goto(again.address + "#row=99&kept=-1&threshold=x&numbers=1&find=%3Cb%3E")
        again.reload()
        self.assertEqual(again.get_attribute(".row[data-r='']", "aria-pressed"), "true")
        self.assertClean(again)

    def test_a_scale_without_the_largest_says_what_is_beyond_it(self):
        page = self.open(self.report("outlier"))
        self.assertTrue(page.locator(".hint").is_visible())
        page.check("#glim-clip")
        self.assertEqual(page.inner_text("#glim-legend .most"), "+0.0789")
        self.assertIn("beyond the scale (1)", page.inner_text("#glim-legend"))
        self.assertIn("over", page.get_attribute(".u[data-u='2']", "class").split())
        self.assertFalse(self.open(self.report("all-equal")).locator(".hint").is_visible())

    def test_languages(self):
        page = self.open(self.report("chat"), locale="zh-CN")
        self.assertEqual(page.get_attribute("html", "lang"), "zh-CN")
        self.assertTrue(page.inner_text("h1").startswith("为什么写出了"))
        page.click("text=English")
        self.assertTrue(page.inner_text("h1").startswith("Why"))
        page.click(".row[data-r='2']")
        page.click("text=中文")
        self.assertIn("个句子", page.inner_text("#glim-say"))
        written = self.report("chat", "--lang", "zh-CN").read_text(encoding="utf-8")
        self.assertIn('<html lang="zh-CN">', written)
        static = self.open(self.report("chat", "--lang", "zh-CN"), java_script_enabled=False)
        self.assertTrue(static.inner_text("h1").startswith("为什么写出了"))
        out = self.path / "env.html"
        glim("view", DOCUMENTS / "plain.json", "--html", out, "-q", env={"LC_ALL": "zh_CN.UTF-8"})
        self.assertIn('<html lang="zh-CN">', out.read_text(encoding="utf-8"))

    def test_narrow_and_enlarged_pages_do_not_overflow(self):
        for name in self.documents:
            page = self.open(self.report(name), viewport={"width": 360, "height": 800})
            self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth"), 360, name)
            page = self.open(self.report(name))
            page.evaluate("() => { document.documentElement.style.fontSize = '200%' }")
            self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth"), 1200, name)

    def test_print_is_light_open_and_numbered(self):
        page = self.open(self.report("errors"), color_scheme="dark")
        page.emulate_media(media="print", color_scheme="dark")
        self.addCleanup(page.emulate_media, media="screen")
        self.assertEqual(page.evaluate("getComputedStyle(document.body).backgroundColor"), "rgb(255, 255, 255)")
        self.assertFalse(page.locator(".bar").first.is_visible())
        self.assertTrue(page.locator("#glim-table table").is_visible())
        under = page.evaluate("getComputedStyle(document.querySelector('.u'), '::after').content")
        self.assertEqual(under, '"+0.120"')
        self.assertEqual(page.pdf()[:5], b"%PDF-")


class Saving(Browser):
    def save(self, page, kind):
        with page.expect_download() as waiting:
            page.click(f"button:text-is('{kind}')")
        return pathlib.Path(waiting.value.path()).read_bytes()

    def test_numbers_are_those_of_the_command_line(self):
        for name in ("plain", "markup", "controls", "errors", "chat", "sentences", "matrix-missing", "outlier",
                     "small"):
            page = self.open(self.report(name))
            document = self.path / "again.json"
            table = self.path / "again.csv"
            glim("view", DOCUMENTS / f"{name}.json", "--json", document, "--csv", table, "-q")
            self.assertEqual(self.save(page, "JSON"), document.read_bytes(), name)
            self.assertEqual(self.save(page, "CSV"), table.read_bytes(), name)
            digest = hashlib.sha256(document.read_bytes()).hexdigest()[:8]
            self.assertEqual(page.inner_text("#glim-digest"), digest)
            self.assertClean(page, name)

    def test_pictures(self):
        page = self.open(self.report("chat"))
        picture = xml.etree.ElementTree.fromstring(self.save(page, "SVG").decode())
        space = "{http://www.w3.org/2000/svg}"
        words = " ".join(e.text for e in picture.iter(space + "text"))
        for word in ("grape.", "+8.25", "−8.25", "ok", "occlusion", "numbers:"):
            self.assertIn(word, words)
        self.assertIn("Of 4 sentences", picture.find(space + "desc").text)
        self.assertTrue(picture.find(space + "title").text.startswith("Why"))
        self.assertFalse(any(e.get("style") or e.tag.endswith(("script", "image", "foreignObject"))
                             for e in picture.iter()))
        self.assertNotIn("+3.75", words)
        page.check("#glim-numbers")
        self.assertIn("+3.75", self.save(page, "SVG").decode())
        self.assertEqual(self.save(page, "PNG")[:8], b"\x89PNG\r\n\x1a\n")
        self.assertClean(page)


class Access(Browser):
    def check(self, page, name):
        found = page.evaluate("(tags) => axe.run(document, {runOnly: tags}).then((r) => r.violations.map((v) => "
                              "v.id + ': ' + v.help + ' ' + v.nodes.map((n) => n.target.join()).slice(0, 3)))", WCAG)
        self.assertEqual(found, [], name)

    def test_no_violations(self):
        both = [("light", "en"), ("dark", "en"), ("dark", "zh"), ("light", "zh")]
        for name in ("errors", "chat", "amounts", "distrust", "right-to-left", "matrix-missing"):
            page = self.open(self.report(name), "#numbers=true", reduced_motion="reduce")
            page.evaluate(AXE.read_text(encoding="utf-8") + ";0")
            if name == "chat":
                page.check("#glim-template")
                page.click(".row[data-r='1']")
            page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true })")
            for scheme, language in both if name in ("errors", "chat") else both[::2]:
                page.emulate_media(color_scheme=scheme)
                if not page.get_attribute("html", "lang").startswith(language):
                    page.click("text=English" if language == "en" else "text=中文")
                self.check(page, f"{name} {scheme} {language}")

    def test_no_violations_in_forced_colours_and_in_the_list_of_keys(self):
        page = self.open(self.report("chat"), forced_colors="active")
        page.evaluate(AXE.read_text(encoding="utf-8") + ";0")
        self.check(page, "forced colours")
        page.focus("#glim-strip")
        page.keyboard.press("?")
        self.check(page, "keys")

    def test_the_description_is_made_of_the_numbers(self):
        page = self.open(self.report("plain"))
        self.assertEqual(page.get_attribute("#glim-strip", "aria-describedby"), "glim-say")
        self.assertEqual(page.inner_text("#glim-say"),
                         "Of 5 words, “·is” matters most: +9.78. Then “·capital”: +6.80. The other 3 together: −0.300.")

    def test_every_step_has_contrast(self):
        def light(colour):
            parts = [int(x) / 255 for x in re.findall(r"\d+", colour)[:3]]
            return sum(w * (x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4)
                       for w, x in zip((0.2126, 0.7152, 0.0722), parts))
        for name in ("plain", "amounts"):
            for scheme in ("light", "dark"):
                page = self.open(self.report(name), color_scheme=scheme)
                pairs = page.evaluate("[...document.querySelectorAll('#glim-legend .swatches .w')].map((e) => "
                                      "[getComputedStyle(e).color, getComputedStyle(e).backgroundColor])")
                for text, back in pairs:
                    if "0)" in back and "rgba" in back:
                        continue
                    a, b = sorted((light(text), light(back)))
                    self.assertGreaterEqual((b + 0.05) / (a + 0.05), 4.5, f"{name} {scheme} {text} on {back}")


class Size(Browser):
    def write(self, name, value, *flags, status=0):
        source, out = self.path / f"{name}.json", self.path / f"{name}.html"
        source.write_text(json.dumps(value), encoding="utf-8")
        return out, glim("view", source, "--html", out, *flags, status=status).stderr.decode()

    def test_four_thousand_units_and_sixty_four_rows(self):
        value = recorder.large()
        out, talk = self.write("large", value)
        self.assertLess(out.stat().st_size, 10 << 20)
        self.assertNotIn("note", talk)
        before = time.monotonic()
        page = self.open(out)
        self.assertEqual(page.evaluate("document.documentElement.dataset.viewer"), "ready")
        self.assertLess(time.monotonic() - before, 10)
        self.assertLess(page.evaluate("document.getElementsByTagName('*').length"), 30_000)
        page.focus("#glim-strip")
        for key in ("ArrowRight", "ArrowDown", "n"):
            before = time.monotonic()
            page.keyboard.press(key)
            page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
            self.assertLess(time.monotonic() - before, 3, key)
        self.assertClean(page)
        page = self.open(self.write("long", recorder.large(4096, 0))[0])
        self.assertEqual(page.locator("#glim-table tbody tr").count(), 4096)
        self.assertIn("4066 others together", page.inner_text("#glim-ranks"))

    def test_large_reports_are_named_and_limited(self):
        value = recorder.large(4096, 128)
        value["scores"] = [[None if x is None else x + 1e-9 for x in line] for line in value["scores"]]
        out, talk = self.write("larger", value)
        self.assertGreater(out.stat().st_size, 10 << 20)
        self.assertIn("MiB", talk)
        out.unlink()
        out, talk = self.write("larger", value, "--html-limit", "5M", status=3)
        self.assertFalse(out.exists())
        self.assertIn("--html-limit", talk)

    def test_the_script_is_small_and_makes_no_code(self):
        text = self.report("plain").read_text(encoding="utf-8")
        script = re.search(r"<script>(.*?)</script>", text, re.S).group(1)
        self.assertLess(len(script), 250_000)
        self.assertNotRegex(script, r"\beval\b|\bFunction\s*\(|\bfetch\s*\(|XMLHttpRequest|\bimport\s*\(")


class Words(unittest.TestCase):
    def test_what_methods_say_of_themselves_is_translated(self):
        listed = json.loads(glim("--dump-commands").stdout)["methods"]
        self.assertTrue(listed)
        for method in listed:
            asked = ["--accept-patent-note"] if method["name"] == "lrp" else []
            of = (LLAMA, "Hello")
            if "a picture" in method["needs"]:
                of = (IMAGES / "mobilenet-v2", IMAGES / "pictures/rgb.png")
            d = json.loads(glim("explain", "-m", *of, "--method", method["name"], *asked, "--json",
                                "-q").stdout)
            for part in ("summary", "caption"):
                self.assertEqual(WORDS[f"{method['name']}.{part}"], d["method"][part])

    def test_golden_documents_are_valid_and_those_of_the_script(self):
        schema = json.loads((ROOT / "docs/schema/glim.explanation-1.schema.json").read_text(encoding="utf-8"))
        for name, value in recorder.cases():
            kept = json.loads((DOCUMENTS / f"{name}.json").read_text(encoding="utf-8"))
            self.assertEqual(kept, value, name)
            jsonschema.validate(kept, schema)


if __name__ == "__main__":
    unittest.main()
