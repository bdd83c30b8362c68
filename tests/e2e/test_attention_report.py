#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The report of glim attention in Chromium: what is kept against the raw patterns, numbers
under the cursor against the file that --raw writes, keyboard, sinks, lines, tables, dark
mode, Chinese; tiles that the page around a sandboxed frame hands in, for 4,096 tokens of
1,024 heads; how fast and how large all this is."""
import base64
import html
import json
import os
import pathlib
import re
import time
import unittest
import zlib

import jsonschema
import numpy as np

from browser import AXE, ROOT, Browser, glim

MODELS = ROOT / "tests/golden/models"
LLAMA, BERT = MODELS / "llama.gguf", MODELS / "published/bert-classes"
ALIGNED, QWEN = ROOT / "tests/golden/aligned", MODELS / "qwen2.gguf"
TEXT = "Hello small world, hello again"
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
SCHEMA = json.loads((ROOT / "docs/schema/glim.explanation-1.schema.json").read_text(encoding="utf-8"))
CACHE = pathlib.Path(os.environ.get("GLIM_CACHE") or pathlib.Path(
    os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "glim")
SMOLLM2 = CACHE / "SmolLM2-135M-Instruct.Q4_1.gguf"
BUSY = 8  # how much slower a machine may be that does other things


def pack(data):
    return base64.b64encode(zlib.compress(data)).decode()


def unpack(text):
    return zlib.decompress(base64.b64decode(text))


class Case(Browser):
    def attention(self, model, text, *flags, name="a"):
        """The document, its patterns, and the report."""
        out = self.path / f"{name}-{self.id().rsplit('.')[-1]}"
        glim("attention", "-m", model, text, "--json", f"{out}.json", "--html", f"{out}.html",
             "--raw", f"{out}.npy", "-q", *flags)
        d = json.loads(pathlib.Path(f"{out}.json").read_text(encoding="utf-8"))
        jsonschema.validate(d, SCHEMA)
        return d, np.load(f"{out}.npy"), pathlib.Path(f"{out}.html")

    def ready(self, page):
        page.wait_for_selector("html[data-viewer=ready]")
        page.wait_for_selector("#glim-map[data-head]")  # set with the first picture

    def viewer(self, report, fragment="", **options):
        page = self.open(report, fragment, **options)
        self.ready(page)
        return page

    def press(self, page, where, *keys):
        page.focus(where)
        for key in keys:
            page.keyboard.press(key)


class Kept(Case):
    def check(self, model, text, *flags):
        d, a, _ = self.attention(model, text, *flags)
        s = d["attention"]["summary"]
        layers, heads, T, S = a.shape
        (R, C), step, causal = s["shape"], 1 << s["level"], s["causal"]
        self.assertEqual(causal, bool(np.all(np.triu(a[0, 0], 1) == 0)))
        seen = np.tril(np.ones((T, S))) if causal else np.ones((T, S))

        def pooled(x):
            return np.pad(x, ((0, R * step - T), (0, C * step - S))).reshape(R, step, C, step).sum((1, 3))
        data, count = unpack(s["cells"]), pooled(seen)
        most = np.frombuffer(data, "<f4", layers * heads).reshape(layers, heads)
        cells = np.frombuffer(data, "u1", offset=4 * layers * heads).reshape(layers, heads, R, C)
        for layer in range(layers):
            for head in range(heads):
                want = pooled(a[layer, head].astype(float)) / np.maximum(count, 1)
                np.testing.assert_allclose(cells[layer, head] / 255, np.sqrt(want / most[layer, head]),
                                           atol=0.502 / 255)
        K, data = s["largest"], unpack(s["weights"])
        each = T * K * 4 + T * 4
        self.assertEqual(len(data), each * len(s["kept"]))
        for i, one in enumerate(s["kept"]):
            own, p = data[i * each:(i + 1) * each], a[one["layer"], one["head"]].astype(float)
            columns = np.frombuffer(own, "<u2", T * K).reshape(T, K).cumsum(1)
            weights = np.frombuffer(own, "<u2", T * K, T * K * 2).reshape(T, K) / 65535
            tails = np.frombuffer(own, "<f4", T, T * K * 4)
            for t in range(T):
                n = min(K, t + 1 if causal else S)
                np.testing.assert_allclose(weights[t, :n], p[t, columns[t, :n]], atol=0.51 / 65535)
                rest = np.delete(p[t], columns[t, :n])
                self.assertAlmostEqual(tails[t], rest.sum(), delta=1e-7)
                self.assertLessEqual(rest.max(initial=0), p[t, columns[t, :n]].min())
            self.assertAlmostEqual(one["tail"], tails.mean(), delta=1e-6)
        return d

    def test_what_is_kept_is_what_the_patterns_say(self):
        d = self.check(LLAMA, TEXT)
        self.assertEqual(d["attention"]["summary"]["rows"], [
            [u["start"], u["end"]] if u["end"] > u["start"] else u["text"]
            for u in json.loads(glim("tokenize", "-m", LLAMA, TEXT, "--json").stdout)])
        self.check(LLAMA, TEXT, "--heads", "0,1.2")
        self.check(BERT, "Hello small world " * 3)
        self.check(MODELS / "stacks/t5", "the cat is on it " * 20, "--attention", "encoder")
        self.check(ALIGNED, "the cat is red")
        self.check(ALIGNED, "the cat is red", "--attention", "decoder")

    def test_layers_and_halves_of_raw(self):
        _, whole, _ = self.attention(LLAMA, TEXT)
        d, some, _ = self.attention(LLAMA, TEXT, "--raw-layers", "1", "--half")
        self.assertEqual(some.dtype, np.float16)
        np.testing.assert_array_equal(some, whole[1:].astype(np.float16))
        self.assertEqual(d["attention"]["patterns"]["first_layer"], 1)
        self.assertEqual(d["attention"]["patterns"]["type"], "float16")
        for says, flags in (("there are no layers 1-2", ("--raw-layers", "1-2")), ("takes 3 or 3-5", ("--raw-layers", "x"))):
            out = glim("attention", "-m", LLAMA, TEXT, "--raw", self.path / "x.npy", *flags, status=2)
            self.assertIn(says, out.stderr.decode())
        self.assertIn("are for --raw", glim("attention", "-m", LLAMA, TEXT, "--half", status=2).stderr.decode())
        self.assertIn("is no head", glim("attention", "-m", LLAMA, TEXT, "--heads", "0.9", status=2).stderr.decode())


class Viewer(Case):
    def shown(self, page):
        found = re.match(r"“(.*)” \((\d+)\) → “(.*)” \((\d+)\): (.*?)\s*%$", page.inner_text("#glim-detail"))
        self.assertIsNotNone(found, page.inner_text("#glim-detail"))
        return found

    def test_numbers_under_the_cursor_are_those_of_the_file(self):
        _, a, report = self.attention(LLAMA, TEXT)
        page = self.viewer(report, "#layer=1&head=2")
        for keys in (["ArrowDown"] * 5 + ["ArrowRight"] * 3, ["]", ","], ["["], [".", "ArrowDown"], ["Home"], ["PageDown"]):
            self.press(page, "#glim-map", *keys)
            page.wait_for_timeout(60)
            h = int(page.get_attribute("#glim-map", "data-head"))
            _, t, _, s, value = self.shown(page).groups()
            want = a[h // 4, h % 4, int(t), int(s)]
            self.assertAlmostEqual(float(value) / 100, want, delta=0.51 / 65535 + 5e-6 * want, msg=keys)
            self.assertTrue(page.inner_text("#glim-map-name").startswith(f"L{h // 4} H{h % 4}:"))
        self.assertClean(page)

    def test_the_pointer_zooms_pans_and_keeps_a_row(self):
        _, a, report = self.attention(LLAMA, TEXT)
        page = self.viewer(report, "#layer=0&head=1")
        box = page.locator("#glim-map canvas")
        box.scroll_into_view_if_needed()
        data = lambda: {k: float(v) for k, v in page.evaluate("({...document.getElementById('glim-map').dataset})").items()
                        if k in ("zoom", "x", "y", "left", "top", "level")}
        d = data()
        edge = box.bounding_box()

        def at(t, s):
            d = data()
            return (edge["x"] + d["left"] + (s - d["x"] + 0.5) * d["zoom"],
                    edge["y"] + d["top"] + (t - d["y"] + 0.5) * d["zoom"])
        page.mouse.click(*at(9, 4))
        page.wait_for_timeout(60)
        self.assertEqual(self.shown(page).group(2, 4), ("9", "4"))
        self.press(page, "#glim-map", "+", "+")
        self.assertGreaterEqual(data()["zoom"], d["zoom"])
        self.press(page, "#glim-map", "0")
        self.assertEqual(data()["zoom"], d["zoom"])
        page.focus("#glim-map")
        page.mouse.move(*at(5, 5))
        page.mouse.wheel(0, -300)
        page.wait_for_timeout(60)
        self.assertTrue(data()["zoom"] > d["zoom"] or d["zoom"] >= 39)
        # the weights of the row that is kept are those of the table
        page.evaluate("document.getElementById('glim-weights').open = true")
        page.wait_for_selector("#glim-weights tbody tr")
        rows = page.evaluate("Array.from(document.querySelectorAll('#glim-weights tbody tr'), (r) => r.innerText)")
        want = sorted((float(x) for x in a[0, 1, 9, :10]), reverse=True)
        got = [float(r.split()[-2]) / 100 for r in rows]
        np.testing.assert_allclose(got, want[:len(got)], atol=1.5e-5)

    def test_heads_are_ordered_by_any_number_and_kept_side_by_side(self):
        d, _, report = self.attention(LLAMA, TEXT)
        page = self.viewer(report)
        stats = {f"L{h['layer']} H{h['head']}": h for h in d["attention"]["head_stats"]}
        for sort in ("entropy", "distance", "previous", "first", "self", "induction", "strongest"):
            page.select_option("#glim-sort", sort)
            self.press(page, "#glim-grid", "Home")
            names = []
            for _ in range(len(stats)):
                names.append(page.inner_text("#glim-grid-say").split(" · ")[0])
                page.keyboard.press("ArrowRight")
            values = [stats[n][sort] for n in names]
            self.assertEqual(values, sorted(values, reverse=True), sort)
            self.assertEqual(set(names), set(stats))
        self.press(page, "#glim-grid", "Home", "p", "ArrowRight", "p", "ArrowRight", "Enter")
        self.assertEqual(page.locator("#glim-pins figure").count(), 2)
        self.assertEqual(page.locator("#glim-lines-heads input").count(), 3)
        self.assertEqual(page.inner_text("#glim-map-name").split(":")[0],
                         page.inner_text("#glim-grid-say").split(" · ")[0])
        page.check("#glim-arcs")
        self.assertClean(page)

    def test_lines_go_both_ways(self):
        _, a, report = self.attention(LLAMA, TEXT)
        page = self.viewer(report, "#layer=0&head=2")
        page.evaluate("document.getElementById('glim-lines').scrollIntoView()")
        lines = lambda: int(page.get_attribute("#glim-lines", "data-lines"))
        page.evaluate("const r = document.getElementById('glim-above'); r.value = 0.2; r.dispatchEvent(new Event('input'))")
        page.wait_for_timeout(60)
        self.assertEqual(lines(), int((a[0, 2] >= 0.2).sum()))
        self.press(page, "#glim-lines", "Home", "ArrowDown", "ArrowDown", "ArrowDown")
        page.wait_for_timeout(60)
        self.assertEqual(lines(), int((a[0, 2, 3, :4] >= 0.005).sum()))
        page.check("#glim-by")
        self.press(page, "#glim-lines", "Home", "ArrowDown")
        page.wait_for_timeout(60)
        self.assertEqual(lines(), int((a[0, 2, 1:, 1] >= 0.005).sum()))

    def test_sinks_and_the_scale_are_said(self):
        d, _, report = self.attention(LLAMA, TEXT)
        self.assertTrue(d["attention"]["sinks"])
        page = self.viewer(report)
        words = json.loads((ROOT / "web/words/en.json").read_text(encoding="utf-8"))
        picture = lambda: page.evaluate("document.querySelector('#glim-map canvas').toDataURL()")
        page.evaluate("document.getElementById('glim-map').scrollIntoView()")
        pictures = set()
        for way in ("show", "hide", "renormalise"):
            page.select_option("#glim-sink", way)
            page.wait_for_timeout(80)
            self.assertIn(words[f"attention.sink.{way}"], page.inner_text("#glim-map-legend"))
            pictures.add(picture())
        page.check("#glim-log")
        page.wait_for_timeout(80)
        pictures.add(picture())
        self.assertEqual(len(pictures), 4)
        self.assertIn(words["attention.logged"], page.inner_text("#glim-map-legend"))

    def test_characters_stay_whole(self):
        text = "今天天气很好，我们去公园𠮷"
        d, _, report = self.attention(LLAMA, text)
        page = self.viewer(report)
        n = len(d["attention"]["summary"]["rows"])
        raw = text.encode()
        self.press(page, "#glim-map", "Home", "ArrowUp")
        for t, span in reversed(list(enumerate(d["attention"]["summary"]["rows"]))):
            page.wait_for_timeout(30)
            name = self.shown_row(page, t)
            self.assertNotIn("�", name)
            if not isinstance(span, str):
                start, end = span
                whole = raw[start:end].decode(errors="ignore")
                if whole.encode() == raw[start:end]:
                    self.assertIn(whole.strip(), name)
                else:
                    self.assertIn("⟨" + " ".join(f"{b:02X}" for b in raw[start:end]) + "⟩", name)
            page.keyboard.press("ArrowUp")
        self.assertGreater(n, 5)

    def shown_row(self, page, t):
        text = page.inner_text("#glim-detail")
        found = re.match(r"“(.*?)” \((\d+)\) →", text)
        self.assertIsNotNone(found, text)
        self.assertEqual(int(found.group(2)), t)
        return found.group(1)

    def test_no_violations(self):
        _, _, report = self.attention(LLAMA, "法国的首都 is Paris </script><b>")
        for scheme, lang in (("light", "en"), ("dark", "zh")):
            page = self.viewer(report, "#layer=0&head=3&lock=2", locale=lang)
            page.emulate_media(color_scheme=scheme)
            self.press(page, "#glim-grid", "p", "ArrowRight", "p")
            page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true })")
            page.evaluate(AXE.read_text(encoding="utf-8") + ";0")
            found = page.evaluate("(tags) => axe.run(document, {runOnly: tags}).then((r) => r.violations.map((v) => "
                                  "v.id + ': ' + v.help + ' ' + v.nodes.map((n) => n.target.join()).slice(0, 3)))", WCAG)
            self.assertEqual(found, [], f"{scheme} {lang}")
            self.assertIn("全部注意力头" if lang == "zh" else "All heads", page.inner_text("#glim-overview h2"))
            page.emulate_media(color_scheme="light")

    def test_without_a_script_the_report_says_what_is_kept(self):
        _, _, report = self.attention(LLAMA, TEXT)
        page = self.open(report, java_script_enabled=False)
        self.assertIn("Of 8 heads the 25 largest weights", page.inner_text("#glim-kept"))
        self.assertTrue(page.is_visible("#glim-heat"))

    def test_links_of_a_translation_come_out_and_layers_are_bars(self):
        out = self.path / "align.html"
        glim("attention", "-m", ALIGNED, "--align", "--gold", "0-0 1p0 1-1 2-2 3-3", "the cat is red", "--html", out, "-q")
        page = self.open(out)
        page.wait_for_selector("html[data-viewer=ready]")
        self.assertEqual(page.locator("#glim-aer rect").count(), page.locator("#glim-aer rect.shown").count() + 1)
        page.hover("#glim-links text >> nth=1")
        self.assertEqual(page.locator("#glim-links path.bright").count(), 1)
        self.assertGreater(page.locator("#glim-links path.pale").count(), 1)
        self.assertEqual(page.locator("#glim-links text.bright").count(), 2)
        self.assertClean(page)


def synthetic(folder):
    """A document of 32 x 32 heads over 4,096 tokens, made without a model."""
    layers = heads = 32
    T = 4096
    out = folder / "small.json"
    glim("attention", "-m", QWEN, "the cat", "--json", out, "-q")
    d = json.loads(out.read_text(encoding="utf-8"))
    words = [f"word{i % 97}" for i in range(T)]
    spans, at = [], 0
    for word in words:
        spans.append([at, at + len(word)])
        at += len(word) + 1
    cells = np.random.default_rng(1).integers(0, 60, (layers * heads, 64, 64)).astype("u1")
    cells[:, np.arange(64), np.arange(64)] = 255
    cells *= np.tril(np.ones((64, 64), "u1"))
    a = d["attention"]
    stats = dict(a["head_stats"][0], strongest=None, strongest_row=None, strongest_unit=None)
    a.update(layers=layers, heads=heads, sinks=[0],
             head_stats=[dict(stats, layer=l, head=h) for l in range(layers) for h in range(heads)])
    d["input"]["text"] = " ".join(words)
    for one in d["input"]["units"] + d["rows"]:
        one.update(start=0, end=5)
    a["summary"] = {"causal": True, "rows": spans, "columns": None, "level": 6, "shape": [64, 64],
                    "cells": pack(np.full(layers * heads, 0.02, "<f4").tobytes() + cells.tobytes()),
                    "largest": 32, "kept": [], "weights": pack(b"")}
    out.write_text(json.dumps(d), encoding="utf-8")
    report = folder / "large.html"
    glim("view", out, "--html", report, "-q")
    return report


HOST = """<!doctype html><title>host</title><iframe id="f" width="1150" height="880" sandbox="allow-scripts allow-downloads"
srcdoc="%s"></iframe><script>
let asked = [], open = 0, most = 0, bad = false;
addEventListener("message", (event) => {
  const frame = document.getElementById("f").contentWindow;
  if (event.source !== frame) return;
  const d = event.data;
  if (d.type === "attention") { window.said = d; frame.postMessage({ glim: 1, type: "tiles" }, "*"); }
  if (d.type !== "ask-tile") return;
  asked.push(d); open++; most = Math.max(most, open);
  setTimeout(() => {
    open--;
    if (bad) { frame.postMessage({ glim: 1, type: "tile", id: d.id, error: "the disk is gone" }, "*"); return; }
    const b = new Uint8Array(65536);
    for (let i = 0; i < 65536; i += 127 - d.column) b[i] = 40 + ((i + d.row + d.head) %% 200);
    frame.postMessage({ glim: 1, type: "tile", id: d.id, bytes: b.buffer, scale: 0.5 }, "*");
  }, 1);
});</script>"""

TOUR = """async () => {
  const map = document.getElementById("glim-map");
  map.focus();
  const frame = () => new Promise((go) => requestAnimationFrame(() => setTimeout(go, 0)));
  const time = async (keys) => {
    const out = [];
    for (const key of keys) {
      const from = performance.now();
      map.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
      await frame();
      out.push(performance.now() - from);
    }
    return out.sort((x, y) => x - y)[out.length >> 1];
  };
  const plain = [];
  for (let i = 0; i < 20; i++) { // a peer: the browser alone, a line of text that changes
    const from = performance.now();
    document.getElementById("glim-grid-say").textContent = String(i);
    await frame();
    plain.push(performance.now() - from);
  }
  const times = (n, ...keys) => Array.from({ length: n }, (_, i) => keys[i % keys.length]);
  const cursor = await time(times(30, "ArrowRight", "ArrowDown"));
  await time(times(8, "+"));
  const heads = await time(times(30, "]", "."));
  const pages = await time(times(30, "PageDown"));
  return { plain: plain.sort((x, y) => x - y)[10], cursor, heads, pages };
}"""


def renderers(pid):
    """Megabytes of the largest page of the browsers below a process."""
    parents, sizes = {}, {}
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            status = (folder / "status").read_text()
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        parents[int(folder.name)] = int(re.search(r"PPid:\s+(\d+)", status).group(1))
        size = re.search(r"VmRSS:\s+(\d+)", status)
        if b"--type=renderer" in command and size:
            sizes[int(folder.name)] = int(size.group(1)) / 1024

    def below(p):
        while p and p != pid:
            p = parents.get(p, 0)
        return p == pid
    return max((size for p, size in sizes.items() if below(p)), default=0)


class Large(Case):
    def host(self, report):
        host = self.path / "host.html"
        host.write_text(HOST % html.escape(report.read_text(encoding="utf-8")), encoding="utf-8")
        page = self.open(host, fresh=True)
        frame = page.frames[1]
        self.ready(frame)
        return page, frame

    def test_4096_tokens_of_1024_heads_by_tiles_of_the_page(self):
        page, frame = self.host(synthetic(self.path))
        self.assertEqual(page.evaluate("window.said"), {"glim": 1, "type": "attention", "layers": 32, "heads": 32,
                                                        "rows": 4096, "columns": 4096, "causal": True})
        frame.evaluate("document.getElementById('glim-map').scrollIntoView()")
        took = frame.evaluate(TOUR)
        for name in ("cursor", "heads", "pages"):
            self.assertLess(took[name], max(50, 4 * took["plain"]) * BUSY / 2, took)
        frame.wait_for_selector("#glim-map[data-level='0']")
        asked = page.evaluate("({n: asked.length, most, levels: [...new Set(asked.map((d) => d.level))].sort()})")
        self.assertLessEqual(asked["most"], 8)
        self.assertGreater(asked["n"], 20)
        self.assertIn(0, asked["levels"])
        self.assertLessEqual(int(frame.get_attribute("#glim-map", "data-tiles")), 64)
        self.assertLess(renderers(os.getpid()), 500)
        self.assertEqual(frame.evaluate("window.violations"), [])
        # what the page refuses is said
        page.evaluate("bad = true")
        frame.evaluate("document.getElementById('glim-map').dispatchEvent(new KeyboardEvent('keydown', {key: '['}))")
        frame.wait_for_selector("#glim-map-legend:has-text('the disk is gone')")
        self.assertEqual([s for s in page.sins if "about:srcdoc" not in s], [])

    @unittest.skipUnless(SMOLLM2.exists() or os.environ.get("GLIM_REQUIRE_MODELS"), "SmolLM2 is missing (scripts/fetch)")
    def test_512_tokens_of_30_layers_open_at_once(self):
        text = ("The guide, who had seen it all before, said that the bridge over the river was older "
                "than the town itself. ") * 21
        d, _, report = self.attention(SMOLLM2, text, "--raw-layers", "0")
        s = d["attention"]["summary"]
        self.assertTrue(500 <= len(s["rows"]) <= 512, len(s["rows"]))
        self.assertEqual((s["level"], len(s["kept"])), (3, 16))
        self.assertLess(report.stat().st_size, 15 << 20)
        began = time.time()
        page = self.open(report, fresh=True)
        self.ready(page)
        self.assertLess(time.time() - began, 2 * BUSY)
        marks = dict(page.evaluate("performance.getEntriesByType('mark').map((m) => [m.name, m.startTime])"))
        self.assertLess(marks["glim-map"] - marks["glim-data"], 1000 * BUSY)
        self.assertClean(page)


if __name__ == "__main__":
    unittest.main()
