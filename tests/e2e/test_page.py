#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The page of glim serve in Debian's Chromium, against a real server with a tiny model:
an answer is written and a word of it explained, settings change and go back, runs are
cancelled, results outlive the server, two are compared, a saved document is opened;
every room has a form for its commands; Chinese, dark, small screens and the keyboard
alone work; axe-core finds nothing, no request leaves the page, and its policy holds."""
import json
import pathlib
import re
import subprocess
import tempfile
import time
import unittest
import urllib.request

import numpy as np
import scipy.stats

from browser import AXE, DOCUMENTS, GLIM, ROOT, Browser

TINY = ROOT / "tests/golden/models/phi3-partial.gguf"
TEXT = "x f n s"  # it goes on with C1#C1: a word of two tokens, one of one
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
WORDS = {name: json.loads((ROOT / f"web/words/{name}.json").read_text(encoding="utf-8"))
         for name in ("en", "zh-CN", "page-en", "page-zh-CN")}
ROOMS = ["explain", "attention", "inside", "training", "map", "evaluate", "advise", "model"]
SLOW = {"method": "smoothgrad", "n-samples": 100_000}  # seconds, of which a click needs one


class Server:
    """glim serve on a free port; where it keeps its jobs stays when it ends."""

    def __init__(self, folder):
        self.folder = folder
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [GLIM, "serve", "-m", str(TINY), "--port", "0", "--root", str(self.folder / "root"),
             "--history", str(self.folder / "history.sqlite"), "--threads", "1"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for line in self.process.stdout:
            found = re.search(r"http://\S+", line)
            if found:
                self.address = found[0].rstrip("/")
                return
        raise AssertionError(f"glim serve ended with {self.process.wait()}")

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
        self.process.stdout.close()

    def ask(self, path, body=None, method=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.address}/api/v1{path}", data, method=method,
                                         headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or b"null")

    def run(self, **body):
        """A job that is done."""
        job = self.ask("/jobs", {"parameters": {}, **body})["id"]
        for _ in range(400):
            if self.ask(f"/jobs/{job}")["state"] not in ("queued", "running"):
                return job
            time.sleep(0.05)
        raise AssertionError("the job does not end")


class Page(Browser):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        (cls.folder / "root/deeper").mkdir(parents=True)
        (cls.folder / "root/samples.csv").write_text("text,label\n" + "a b c,one\nc d e,two\n" * 4)
        cls.server = Server(cls.folder)
        cls.addClassCleanup(lambda: cls.server.stop())

    def visit(self, hash="", **options):
        """A page that notes whatever it must not do."""
        context = self.browser.new_context(**{"viewport": {"width": 1300, "height": 900}, **options})
        self.addCleanup(context.close)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.sins = []
        page.on("console", lambda m: page.sins.append(f"console: {m.text}"))
        page.on("pageerror", lambda e: page.sins.append(f"error: {e}"))
        page.on("request", lambda r: r.url.startswith((self.server.address, "data:", "blob:")) or
                page.sins.append(f"request: {r.url}"))
        page.add_init_script("window.violations = []; document.addEventListener('securitypolicyviolation',"
                             "(e) => window.violations.push(e.violatedDirective + ' ' + e.blockedURI))")
        page.goto(self.server.address + "/" + hash)
        page.wait_for_selector("html[data-page=ready]")
        return page

    def assertClean(self, page):
        """A plan of a form that is not filled in is refused, and Chromium notes that."""
        self.assertEqual([s for s in page.sins if "400 (Bad Request)" not in s], [])
        self.assertEqual(page.evaluate("window.violations"), [])

    def assertOpen(self, page, name):
        """axe-core, handed in by the browser's own door: the page's policy lets no script in."""
        page.evaluate("delete window.axe")
        page.evaluate(AXE.read_text(encoding="utf-8"))
        found = page.evaluate("(tags) => axe.run(document, {runOnly: tags, iframes: false})", WCAG)
        self.assertEqual([(v["id"], [n["html"][:160] for n in v["nodes"]]) for v in found["violations"]], [], name)

    def answer(self, page, text=TEXT):
        page.fill("#prompt", text)
        page.keyboard.press("Control+Enter")
        page.wait_for_selector(".answer .hint")

    def wait(self, what, of):
        """Asked from here: the page's policy lets nobody evaluate a text."""
        for _ in range(400):
            found = of()
            if found:
                return found
            time.sleep(0.05)
        raise AssertionError(f"{what} does not come")

    def job_of(self, page, last=None):
        """The shown result's number, another than the last one's."""
        found = lambda: (re.search("job=([0-9]+)", page.evaluate("location.hash")) or [None, None])[1]
        return int(self.wait("a result", lambda: found() not in (None, str(last)) and found()))

    def report(self, page, nth=0, last=None):
        """The frame of a result, once its report is there, and the result's number."""
        job = self.job_of(page, last) if nth == 0 else None
        at = f".frame iframe[src*='/jobs/{job}/']" if job else f".frame iframe >> nth={nth}"
        frame = page.frame_locator(at)
        frame.locator("h1").wait_for()
        return page.query_selector(at).content_frame(), job

    def test_a_word_of_an_answer_is_explained(self):
        page = self.visit()
        self.assertTrue(page.is_visible("text=Why did it say that?"))
        self.answer(page)
        words = page.locator(".words button")
        self.assertGreater(words.count(), 1)
        words.nth(0).click()
        _, job = self.report(page)
        first_job, job = job, self.server.ask(f"/jobs/{job}")
        token = self.server.ask("/jobs?search=generate")["jobs"][0]
        first = self.server.ask(f"/jobs/{token['id']}/document")["tokens"][0]["text"]
        self.assertEqual(first, "C")
        self.assertEqual(job["input"], {"text": TEXT})
        self.assertEqual(job["parameters"], {"continuation": "C1"})
        # why not another: what else might have stood there is offered
        page.locator(".chip").first.click()
        page.wait_for_selector("q.not")
        _, last = self.report(page, last=first_job)
        again = self.server.ask(f"/jobs/{last}")
        self.assertEqual(sorted(again["parameters"]), ["against", "target"])
        # a later word: the answer begins with what was written before it
        words.nth(1).click()
        _, last = self.report(page, last=last)
        later = self.server.ask(f"/jobs/{last}")
        self.assertEqual(later["input"], {"text": TEXT})
        self.assertEqual(later["parameters"], {"prefix": "C1", "target": "#"})
        # layers, samples, trust
        page.click("#tab-layers")
        frame, last = self.report(page, last=last)
        self.assertIn("layer", frame.inner_text("h1"))
        page.click("#tab-samples")
        self.assertTrue(page.is_visible(".hint:has-text('training samples')"))
        page.click("#tab-trust")
        self.report(page, last=last)
        self.assertClean(page)

    def test_every_word_of_a_chat_is_explained(self):
        """All questions work for a late word: it is the next one behind the answer's beginning."""
        page = self.visit()
        page.click(".segments label:has-text('Chat')")
        page.fill(".turn textarea", "a b c")
        page.keyboard.press("Control+Enter")
        page.wait_for_selector(".answer .hint")
        chat = [{"role": "user", "content": "a b c"}]
        tokens = self.server.ask(f"/jobs/{self.server.ask('/jobs?search=generate')['jobs'][0]['id']}/document")["tokens"]
        page.locator(".words button").nth(2).click()
        _, last = self.report(page)
        job = self.server.ask(f"/jobs/{last}")
        self.assertEqual(job["input"], {"chat": chat})
        self.assertIn(set(job["parameters"]), ({"prefix", "target"}, {"prefix", "continuation"}))
        before = job["parameters"]["prefix"]
        document = self.server.ask(f"/jobs/{last}/document")
        at = next(i for i in range(len(tokens)) if "".join(t["text"] for t in tokens[:i]) == before and i)
        first = document["rows"][0]["prob"] if "rows" in document else document["target"]["prob"]
        self.assertAlmostEqual(first, tokens[at]["prob"], 5, "the word is explained where it was written")
        # and not another
        page.locator(".chip").first.click()
        _, last = self.report(page, last=last)
        against = self.server.ask(f"/jobs/{last}")["parameters"]
        self.assertEqual((against["prefix"], set(against)), (before, {"prefix", "target", "against"}))
        # which layers, can I trust it
        for tab, command in (("layers", "lens"), ("trust", "evaluate")):
            page.click(f"#tab-{tab}")
            _, last = self.report(page, last=last)
            job = self.server.ask(f"/jobs/{last}")
            self.assertEqual((job["command"], job["state"], job["input"]), (command, "done", {"chat": chat}))
            self.assertEqual(job["parameters"]["prefix"], before)
        # which samples: the chat's own words
        page.click("#tab-samples")
        page.fill("#f-samples-train", "samples.csv")
        page.click(".settings .go button")
        _, last = self.report(page, last=last)
        query = self.server.ask(f"/jobs/{last}/document")["queries"][0]
        self.assertIn("assistant: " + before, query["text"])
        self.assertClean(page)

    def test_settings_that_change_make_a_figure_stale(self):
        page = self.visit()
        page.fill("#prompt", TEXT)
        page.click(".settings .go button")
        _, last = self.report(page)
        self.assertFalse(page.is_visible(".banner.changed"))
        page.wait_for_selector(".plan:has-text('memory')")
        page.select_option("#f-words-method", "integrated-gradients")
        self.assertTrue(page.is_visible(".banner.changed"))
        self.assertTrue(page.is_visible(".frame iframe"), "a stale figure is not blanked")
        page.fill("#f-words-steps", "many")
        self.assertEqual(page.get_attribute("#f-words-steps", "aria-invalid"), "true")
        page.fill("#f-words-steps", "7")
        page.click(".banner.changed button:has-text('Undo')")
        self.assertFalse(page.is_visible(".banner.changed"))
        page.select_option("#f-words-method", "integrated-gradients")
        page.fill("#f-words-steps", "7")
        page.click(".banner.changed button:has-text('Run again')")
        _, job = self.report(page, last=last)
        self.assertFalse(page.is_visible(".banner.changed"))
        job = self.server.ask(f"/jobs/{job}")
        self.assertEqual(job["parameters"], {"method": "integrated-gradients", "steps": 7})
        page.click("button:has-text('Command line')")
        self.assertIn("--steps 7", page.inner_text(".command-line"))
        self.assertClean(page)

    def test_a_run_is_cancelled_and_a_bad_one_says_what_to_do(self):
        page = self.visit()
        page.fill("#prompt", TEXT)
        page.select_option("#f-words-method", SLOW["method"])
        page.fill("#f-words-n-samples", str(SLOW["n-samples"]))
        page.click(".settings .go button")
        page.click(".under-way button:has-text('Cancel')")
        page.wait_for_selector(".banner.partial")
        self.assertEqual(self.server.ask("/jobs")["jobs"][0]["state"], "cancelled")
        page.select_option("#f-words-method", "")
        page.click("summary:has-text('More settings')")
        page.fill("#f-words-target", "there is no such token")
        page.click(".settings .go button")
        page.wait_for_selector(".result .failed")
        self.assertTrue(page.inner_text(".result .failed .what").strip(" ✕"))
        self.assertTrue(page.is_visible(".result .failed .command-line"))
        self.assertOpen(page, "failed")
        self.assertEqual(page.evaluate("window.violations"), [])

    def test_results_outlive_the_server(self):
        job = self.server.run(command="explain", input={"text": "to be kept"})
        page = self.visit()
        page.click("button:has-text('Results')")
        item = page.locator(".results li", has_text="to be kept")
        item.get_by_label("Pin").click()
        item.get_by_label("Rename").click()
        page.get_by_label("Name of this result").fill("my result")
        page.keyboard.press("Enter")
        page.wait_for_selector(".results li:has-text('my result')")
        page.wait_for_timeout(100)
        self.server.stop()
        self.server.start()
        page = self.visit(f"#job={job}")
        self.report(page)
        self.assertEqual(page.input_value("#prompt"), "to be kept")
        page.click("button:has-text('Results')")
        first = page.locator(".results li").first
        self.assertIn("my result", first.inner_text())
        self.assertEqual(first.get_by_label("Pin").get_attribute("aria-pressed"), "true")
        page.fill(".results input[type=search]", "nothing has this name")
        page.wait_for_selector("text=Nothing has these words.")
        page.fill(".results input[type=search]", "my result")
        page.wait_for_selector(".results li")
        page.locator(".results li").first.get_by_label("Delete").click()
        page.wait_for_selector("text=Nothing has these words.")
        self.assertClean(page)

    def test_all_results_are_deleted_but_pinned_ones(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        (pathlib.Path(folder.name) / "root").mkdir()
        server, own = self.server, Server(pathlib.Path(folder.name))
        self.addCleanup(own.stop)
        type(self).server = own
        self.addCleanup(setattr, type(self), "server", server)
        jobs = [own.run(command="predict", input={"text": f"word {i}"}) for i in range(3)]
        own.ask(f"/jobs/{jobs[0]}", {"pinned": True}, "PATCH")
        page = self.visit(f"#job={jobs[1]}")
        page.click("button:has-text('Results')")
        self.assertIn("newest 1,000", page.inner_text(".clear"))
        page.click(".clear button")
        self.assertOpen(page, "asked twice")
        page.click(".clear button:has-text('Keep them')")
        self.assertEqual(page.locator(".results li").count(), 3)
        page.click(".clear button")
        page.click(".clear button:has-text('Delete them')")
        page.wait_for_selector(".results li:nth-child(2)", state="detached")
        self.assertEqual([j["id"] for j in own.ask("/jobs")["jobs"]], jobs[:1])
        self.assertNotIn("job=", page.evaluate("location.hash"))
        self.assertClean(page)

    def test_two_results_are_compared(self):
        text = "a b c d e f g"
        a, b = (self.server.run(command="explain", input={"text": text}, parameters={"method": m})
                for m in ("occlusion", "gradient"))
        page = self.visit(f"#job={a}&beside={b}")
        self.report(page, 0)
        self.report(page, 1)
        page.wait_for_selector(".differences")
        one, two = (self.server.ask(f"/jobs/{j}/document") for j in (a, b))
        counted = [u for u, unit in enumerate(one["input"]["units"]) if not unit["fixed"]]
        xs, ys = ([d["scores"][u] for u in counted] for d in (one, two))
        rho = scipy.stats.spearmanr(xs, ys).statistic
        shown = re.search("ρ ([−+]?[0-9.]+)", page.inner_text(".differences .sums"))[1]
        self.assertAlmostEqual(float(shown.replace("−", "-")), rho, delta=0.006)
        most = max(counted, key=lambda u: abs(two["scores"][u] - one["scores"][u]))
        top = page.inner_text(".differences tbody tr:first-child th")
        self.assertEqual(top.strip("·"), one["input"]["units"][most]["text"].strip())
        # what is chosen in one report is chosen in the other
        first, second = (e.content_frame() for e in page.query_selector_all(".frame iframe"))
        first.click("#glim-strip .u >> nth=2")
        unit = first.get_attribute("#glim-strip .u >> nth=2", "data-u")
        self.wait("the same unit", lambda: second.query_selector(f"#glim-strip .u.kept[data-u='{unit}']"))
        page.click(".beside > header button")
        self.assertFalse(page.is_visible(".differences"))
        self.assertNotIn("beside", page.evaluate("location.hash"))
        self.assertClean(page)

    def test_tiles_of_attention_are_handed_into_the_frame(self):
        """The frame asks as its viewer does, and gets what the patterns' own file says."""
        job = self.server.run(command="attention", input={"text": TEXT}, parameters={"heads": "auto"})
        page = self.visit(f"#job={job}")
        frame, _ = self.report(page)
        frame.evaluate("window.heard = []; addEventListener('message', (e) => window.heard.push(e.data))")
        frame.evaluate("parent.postMessage({glim: 1, type: 'attention', layers: 2}, '*')")
        heard = lambda kind: frame.evaluate("(t) => window.heard.filter((m) => m.type === t).map((m) => ({...m, "
                                            "bytes: m.bytes && [...new Uint8Array(m.bytes)]}))", kind)
        self.wait("an offer", lambda: heard("tiles"))
        place = {"layer": 1, "head": 2, "level": 0, "row": 0, "column": 0}
        for id, head in ((7, 2), (8, 9)):
            frame.evaluate("(m) => parent.postMessage(m, '*')", {"glim": 1, "type": "ask-tile", "id": id, **place, "head": head})
        got = lambda: {t["id"]: t for t in heard("tile")}  # the report's own viewer may ask as well
        tiles = self.wait("tiles", lambda: {7, 8} <= got().keys() and got())
        raw = self.folder / "raw.npy"
        subprocess.run([GLIM, "attention", "-m", TINY, "--raw", raw, "--half", TEXT], check=True, capture_output=True)
        weights = np.load(raw)[1, 2].astype(np.float64)
        n, most = len(weights), weights.max()
        self.assertEqual((len(tiles[7]["bytes"]), tiles[7]["scale"]), (65536, most))
        np.testing.assert_array_equal(np.reshape(tiles[7]["bytes"], (256, 256))[:n, :n], np.rint(255 * np.sqrt(weights / most)))
        self.assertIn("there is no tile", tiles[8]["error"])
        # a saved document has no run to ask
        document = self.server.ask(f"/jobs/{job}/document")
        page = self.visit(f"#job={self.server.ask('/documents', document)['id']}")
        frame, _ = self.report(page)
        frame.evaluate("window.heard = []; addEventListener('message', (e) => window.heard.push(e.data))")
        with page.expect_response("**/api/v1/jobs/*"):
            frame.evaluate("parent.postMessage({glim: 1, type: 'attention', layers: 2}, '*')")
        page.wait_for_timeout(100)
        self.assertEqual(frame.evaluate("window.heard.filter((m) => m.type === 'tiles').length"), 0)
        self.assertClean(page)

    def test_a_saved_document_is_opened(self):
        page = self.visit()
        page.click("button:has-text('Results')")
        page.set_input_files(".results input[type=file]", DOCUMENTS / "chinese.json")
        frame, _ = self.report(page)
        d = json.loads((DOCUMENTS / "chinese.json").read_text(encoding="utf-8"))
        self.assertIn(d["target"]["text"].strip(), frame.inner_text("h1"))
        self.assertFalse(page.is_visible(".banner.changed"), "a loaded document has no settings to differ from")
        page.set_input_files(".results input[type=file]", ROOT / "README.md")
        page.wait_for_selector("text=README.md is no document of glim")
        self.assertClean(page)

    def test_rooms_have_a_form_for_every_command(self):
        page = self.visit()
        tables = self.server.ask("/commands")
        seen = {"explain", "advise", "info", "tokenize", "verify"}
        for room in ROOMS:
            page.click(f"nav a[href='#room={room}']")
            names = page.locator(".left .segments[role=radiogroup] label")
            for i in range(max(1, names.count())):
                if names.count():
                    names.nth(i).click()
                seen |= set(page.evaluate("[...document.querySelectorAll('.form')].map((e) => e.dataset.command)"))
            self.assertOpen(page, room)
        self.assertEqual({c["name"] for c in tables["commands"]} - seen, set())
        # all settings of one command, folded ones too, are those of its descriptors
        page.click("nav a[href='#room=attention']")
        page.click("summary:has-text('More settings')")
        page.wait_for_selector(".form details fieldset")
        fields = page.locator(".form .field").count()
        self.assertEqual(fields, len(next(c for c in tables["commands"] if c["name"] == "attention")["parameters"]))
        self.assertClean(page)

    def test_advice_and_the_model(self):
        page = self.visit("#room=advise")
        page.wait_for_selector(".advice .best")
        best = page.inner_text(".advice .best th").split("\n")[0]
        page.click(".advice .best button")
        self.assertEqual(page.input_value("#f-words-method"), best)
        page.click("nav a[href='#room=model']")
        page.fill("#prompt", "a b")
        page.wait_for_selector(".tokens span")
        tokens = self.server.ask("/tokenize", {"model": "phi3-partial", "input": {"text": "a b"}})
        self.assertEqual(page.locator(".tokens > span").count(), len(tokens))
        page.wait_for_selector("dd:has-text('phi3')")
        self.assertClean(page)

    def test_files_are_chosen_under_the_root_alone(self):
        page = self.visit("#room=training")
        self.assertTrue(page.is_disabled(".go .main"))
        page.click("button[aria-label^='Browse']")
        page.click(".files button:has-text('deeper')")
        page.wait_for_selector(f"text={WORDS['page-en']['files.none']}")
        page.click(".files button:has-text('one folder up')")
        page.click(".files button:has-text('samples.csv')")
        self.assertEqual(page.input_value("#f-influence-train"), "samples.csv")
        self.assertClean(page)

    def test_it_speaks_chinese_and_is_dark(self):
        page = self.visit(locale="zh-CN", color_scheme="dark")
        self.assertEqual(page.get_attribute("html", "lang"), "zh-CN")
        methods = {part for m in self.server.ask("/commands")["methods"] for part in m["name"].split("-")}
        seen = re.sub(r"glim|phi3-partial\.gguf|English|Ctrl", "", page.inner_text("body"))
        self.assertEqual(set(re.findall("[A-Za-z]{4,}", seen)) - methods, set(), "English words in the Chinese page")
        page.fill("#prompt", "a b c")
        page.click(".settings .go button")
        frame, _ = self.report(page)
        self.assertEqual(frame.get_attribute("html", "lang"), "zh-CN")
        ink = "getComputedStyle(document.body).backgroundColor"
        self.assertEqual(frame.evaluate(ink), "rgb(28, 28, 28)")
        self.assertOpen(page, "dark")
        page.click("button[aria-label='浅色']")
        self.wait("light", lambda: frame.evaluate(ink) == "rgb(255, 255, 255)")
        page.click("button:has-text('English')")
        page.wait_for_selector("nav a:has-text('Explain')")
        page.reload()
        page.wait_for_selector("html[data-page=ready]")
        self.assertEqual(page.get_attribute("html", "lang"), "en", "the choice is kept")
        self.assertClean(page)

    def test_the_keyboard_alone_is_enough(self):
        page = self.visit()
        at = "(() => { const e = document.activeElement; return e.id || e.getAttribute('aria-label') || e.innerText })()"

        def tab_to(name):
            for _ in range(60):
                page.keyboard.press("Tab")
                if name in str(page.evaluate(at)):
                    ring = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
                    return self.assertNotEqual(ring, "none", f"{name} has no visible focus")
            raise AssertionError(f"no way to {name}")

        tab_to("Skip")
        page.keyboard.press("Enter")
        tab_to("prompt")
        page.keyboard.type(TEXT)
        page.keyboard.press("Control+Enter")
        page.wait_for_selector(".answer .hint")
        tab_to(page.inner_text(".words button >> nth=0").strip())
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        self.assertEqual(page.get_attribute(".words button >> nth=1", "aria-pressed"), "true")
        _, last = self.report(page)
        self.wait("Done", lambda: "Done" in page.inner_text("p[role=status]"))
        tab_to("tab-words")
        page.keyboard.press("ArrowRight")
        self.assertEqual(page.evaluate(at), "tab-layers")
        self.report(page, last=last)
        self.assertClean(page)

    def test_it_fits_a_telephone(self):
        page = self.visit(viewport={"width": 360, "height": 740})
        self.answer(page)
        page.locator(".words button").first.click()
        self.report(page)
        self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth"), 360)
        self.assertOpen(page, "360")

    def test_both_languages_have_the_same_words(self):
        en, zh = WORDS["page-en"], WORDS["page-zh-CN"]
        self.assertEqual(set(en) - set(zh), set())
        for key in en:
            self.assertEqual(set(re.findall(r"\{\d\}", en[key])), set(re.findall(r"\{\d\}", zh[key])), key)
        more = {key.split(".")[0] for key in set(zh) - set(en)}
        self.assertLessEqual(more, {"param", "help", "group", "slot", "about", "fact", "choice", "family"})
        self.assertEqual(set(en) & set(WORDS["en"]), set(), "a word of the page that the reports have")


if __name__ == "__main__":
    unittest.main()
