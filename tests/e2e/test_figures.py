# SPDX-License-Identifier: Apache-2.0
"""Figures without a browser: the rules of every SVG, the numbers in it, PNG and PDF as other programs
read them, and docs/gallery.md, which scripts/make-gallery.py writes and whose pictures are the golden ones.
Chromium measures every letter: nothing overlaps and nothing leaves the page."""
import json
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ET
import zlib

import numpy as np
from browser import Browser, DOCUMENTS, GLIM, ROOT, glim

MADE = ROOT / "tests/golden/figures"
MODELS = ROOT / "tests/golden/models"
ALL = sorted(DOCUMENTS.glob("*.json")) + sorted(MADE.glob("*.json"))
SVG = "{http://www.w3.org/2000/svg}"
TAGS = {"svg", "title", "desc", "metadata", "g", "rect", "line", "path", "circle", "text", "image"}
COLOUR = re.compile(r"none|#[0-9a-f]{6}")
LEAST = 28 / 3  # 7 points in pixels
HARD = ("long-names", "chat", "right-to-left", "emoji", "markup", "split-characters", "errors")
NARROW = ("long-names", "chat", "attention", "methods", "evaluation", "diagnostics", "map")


def loaded(path):
    return json.loads(path.read_text(encoding="utf-8"))


def svg_of(path, *flags):
    return glim("view", path, "--svg", "-", "-q", *flags).stdout


def chunks(data):
    at = 8
    while at < len(data):
        n, kind = struct.unpack(">I4s", data[at:at + 8])
        yield kind.decode(), data[at + 8:at + 8 + n]
        at += 12 + n


def pixels(data):
    """RGB of a PNG that glim wrote: its filters are none, sub and up."""
    parts = list(chunks(data))
    width, height = struct.unpack(">II", parts[0][1][:8])
    raw = np.frombuffer(zlib.decompress(b"".join(d for k, d in parts if k == "IDAT")), np.uint8)
    rows = raw.reshape(height, 1 + 3 * width)
    out = np.zeros((height, width, 3), np.uint8)
    for y in range(height):
        row = rows[y, 1:].reshape(width, 3)
        kind = rows[y, 0]
        assert kind <= 2, kind
        out[y] = (row if kind == 0 else np.cumsum(row, 0, dtype=np.uint64).astype(np.uint8) if kind == 1
                  else row + out[y - 1] if y else row)
    return out


def blurred(picture, by=12):
    h, w = picture.shape[0] // by * by, picture.shape[1] // by * by
    return picture[:h, :w].reshape(h // by, by, w // by, by, 3).mean((1, 3))


class Rules(unittest.TestCase):
    def test_every_picture_keeps_the_rules(self):
        for path in ALL:
            with self.subTest(path.stem):
                text = svg_of(path)
                root = ET.fromstring(text)
                for e in root.iter():
                    self.assertIn(e.tag.removeprefix(SVG), TAGS)
                    self.assertFalse({"style", "class", "id", "onload", "href"} & set(e.attrib), e.attrib)
                    for name in ("fill", "stroke"):
                        self.assertRegex(e.get(name, "none"), COLOUR)
                    if e.tag == SVG + "text":
                        self.assertGreaterEqual(float(e.get("font-size")), LEAST)
                    for name, value in e.attrib.items():
                        if name.endswith("href"):
                            self.assertTrue(value.startswith("data:image/png;base64,"))
                self.assertTrue(root.find(SVG + "title").text)
                self.assertGreater(len(root.find(SVG + "desc").text or ""), 10)
                self.assertRegex(root.find(SVG + "metadata").get("data-source"), "^[0-9a-f]{8}$")

    def test_the_same_document_has_the_same_bytes(self):
        for path in (DOCUMENTS / "chinese.json", MADE / "attention.json"):
            with tempfile.TemporaryDirectory() as folder:
                made = [pathlib.Path(folder) / n for n in ("a", "b")]
                for form in ("--svg", "--png", "--pdf"):
                    for out in made:
                        glim("view", path, form, out, "-q")
                    self.assertEqual(made[0].read_bytes(), made[1].read_bytes(), form)

    def test_numbers_are_those_of_the_document(self):
        for path in sorted(DOCUMENTS.glob("*.json")):
            d = loaded(path)
            if d["kind"] != "attribution":
                continue
            root = ET.fromstring(svg_of(path))
            told = {}
            for e in root.iter(SVG + "rect"):
                if e.get("data-unit") and e.get("data-score"):
                    told.setdefault(int(e.get("data-unit")), set()).add(float(e.get("data-score")))
            for u, (unit, score) in enumerate(zip(d["input"]["units"], d["scores"])):
                if score is not None and not unit["fixed"]:
                    self.assertEqual(len(told[u]), 1, path.stem)
                    self.assertAlmostEqual(told[u].pop(), score, delta=1e-8 * abs(score))
        d = loaded(MADE / "attention.json")
        cells = {e.get("data-cell"): float(e.get("data-value"))
                 for e in ET.fromstring(svg_of(MADE / "attention.json", "--figure", "attention")).iter(SVG + "rect")
                 if e.get("data-cell")}
        for r, row in enumerate(d["scores"]):
            for u, x in enumerate(row):
                if x is not None:
                    self.assertAlmostEqual(cells[f"{r},{u}"], x, places=7)
        d = loaded(MADE / "map.json")
        points = [e for e in ET.fromstring(svg_of(MADE / "map.json")).iter() if e.get("data-point")]
        self.assertEqual(len(points), d["points"])

    def test_words_are_in_the_description_and_both_languages(self):
        alt = glim("view", DOCUMENTS / "plain.json", "--alt").stdout.decode()
        self.assertIn('Of 5 words, "·is" matters most: +9.78.', alt)
        self.assertIn(alt.splitlines()[1].strip()[:60], svg_of(DOCUMENTS / "plain.json").decode().replace("&quot;", '"'))
        self.assertIn("作用最大", glim("view", DOCUMENTS / "chinese.json", "--alt", "--lang", "zh-CN").stdout.decode())


class Forms(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name)

    def test_a_png_says_what_it_is_and_how_large(self):
        out = self.path / "a.png"
        glim("view", DOCUMENTS / "chinese.json", "--png", out, "--dpi", "144", "-q")
        data = out.read_bytes()
        self.assertEqual(data[:8], b"\x89PNG\r\n\x1a\n")
        parts = list(chunks(data))
        self.assertEqual(struct.unpack(">I", parts[0][1][:4])[0], 1080)
        texts = [d.split(b"\0")[0] for k, d in parts if k == "iTXt"]
        self.assertEqual(texts, [b"Title", b"Description", b"Software", b"Source"])
        self.assertEqual(struct.unpack(">IIB", dict(parts)["pHYs"]), (5669, 5669, 1))
        glim("view", DOCUMENTS / "chinese.json", "--png", out, "--width-mm", "85", "--dpi", "300", "-q")
        self.assertEqual(struct.unpack(">I", list(chunks(out.read_bytes()))[0][1][:4])[0], 1004)
        glim("view", DOCUMENTS / "chinese.json", "--png", out, "--background", "none", "-q")
        self.assertEqual(list(chunks(out.read_bytes()))[0][1][9], 6)  # with alpha

    def test_a_pdf_has_its_words(self):
        for name, words in (("chinese", "为什么"), ("plain", "capital"), ("markup", "</script>")):
            out = self.path / "a.pdf"
            glim("view", DOCUMENTS / f"{name}.json", "--pdf", out, "-q")
            self.assertIn(words, subprocess.run(["pdftotext", out, "-"], capture_output=True, check=True).stdout.decode())
            about = subprocess.run(["pdfinfo", out], capture_output=True, check=True)
            self.assertNotIn("CreationDate", about.stdout.decode())
            self.assertEqual(about.stderr, b"")

    def test_bad_wishes_are_told(self):
        plain = DOCUMENTS / "plain.json"
        for flags, status, says in (
                (("--svg", self.path / "no/such/a.svg"), 3, "no/such"),
                (("--png", "/dev/full"), 3, "/dev/full"),
                (("--png", self.path / "a.png", "--dpi", "2400"), 3, "--dpi"),
                (("--svg", self.path / "a.svg", "--figure", "lens"), 2, "1 strip"),
                (("--svg", plain), 2, "overwrite"),
                (("--svg", "-", "--alt"), 2, "standard output")):
            run = subprocess.run([GLIM, "view", plain, *map(str, flags)], capture_output=True)
            self.assertEqual(run.returncode, status, (flags, run.stderr))
            self.assertIn(says, run.stderr.decode())
            self.assertEqual(run.stdout, b"")
        self.assertEqual(list(self.path.iterdir()), [])

    def test_commands_draw_what_their_documents_draw(self):
        model, other = MODELS / "llama-q8_0.gguf", MODELS / "llama-q4_0.gguf"
        for name, args in (("explain", ("explain", "-m", model, "the cat")),
                           ("lens", ("lens", "-m", model, "the cat", "--figure", "2")),
                           ("attention", ("attention", "-m", model, "the cat")),
                           ("compare", ("compare", "-m", model, "--other", other, "the cat")),
                           ("evaluate", ("evaluate", "-m", model, "the cat", "--method", "occlusion"))):
            svg, saved = self.path / f"{name}.svg", self.path / f"{name}.json"
            glim(*args, "--svg", svg, "--json", saved, "-q")
            self.assertEqual(svg.read_bytes(), svg_of(saved, *args[4 if "--figure" in args else 99:]), name)


class Measured(Browser):
    SCRIPT = """() => {
      const svg = document.documentElement, page = svg.viewBox.baseVal, bad = [], boxes = []
      for (const t of svg.querySelectorAll('text')) {
        if (!t.textContent.trim()) continue
        const b = t.getBoundingClientRect(), s = svg.getBoundingClientRect(), k = page.width / s.width
        const box = [(b.left - s.left) * k, (b.top - s.top) * k, (b.right - s.left) * k, (b.bottom - s.top) * k]
        if (box[0] < -1 || box[1] < -1 || box[2] > page.width + 1 || box[3] > page.height + 1)
          bad.push(['outside', t.textContent, ...box])
        if (!t.getAttribute('transform') && !t.closest('[data-figure=map]')) boxes.push([box, t.textContent])
      }
      boxes.sort((a, b) => a[0][1] - b[0][1])
      for (let i = 0; i < boxes.length; i++)
        for (let k = i + 1; k < boxes.length && boxes[k][0][1] < boxes[i][0][3]; k++) {
          const [p, q] = [boxes[i][0], boxes[k][0]]
          const w = Math.min(p[2], q[2]) - Math.max(p[0], q[0]), h = Math.min(p[3], q[3]) - Math.max(p[1], q[1])
          if (w > 2.5 && h > 7) bad.push(['over', boxes[i][1], boxes[k][1], w, h])
        }
      return bad
    }"""

    def test_letters_neither_overlap_nor_leave_the_page(self):
        page = self.browser.new_page()
        self.addCleanup(page.close)
        for path in [DOCUMENTS / f"{n}.json" for n in HARD] + sorted(MADE.glob("*.json")):
            for flags in ((), ("--width-mm", "85"))[:2 if path.stem in NARROW else 1]:
                out = self.path / "figure.svg"
                out.write_bytes(svg_of(path, *flags))
                page.goto(out.as_uri())
                with self.subTest(path.stem, flags=flags):
                    self.assertEqual(page.evaluate(self.SCRIPT), [])


class Gallery(unittest.TestCase):
    def test_the_gallery_is_what_the_program_draws(self):
        with tempfile.TemporaryDirectory() as folder:
            made = pathlib.Path(folder)
            subprocess.run([sys.executable, ROOT / "scripts/make-gallery.py", GLIM, made], check=True)
            hint = "run scripts/make-gallery.py build/release/src/cli/glim"
            self.assertEqual((made / "gallery.md").read_text(), (ROOT / "docs/gallery.md").read_text(), hint)
            names = {p.name for p in (ROOT / "docs/images/gallery").iterdir()}
            self.assertEqual(names, {p.name for p in (made / "images/gallery").iterdir()}, hint)
            for name in names:
                a, b = (pixels((f / "images/gallery" / name).read_bytes()) for f in (made, ROOT / "docs"))
                self.assertLess(abs(a.shape[0] - b.shape[0]), 30, name)
                h = min(a.shape[0], b.shape[0])
                self.assertLess(np.abs(blurred(a[:h]) - blurred(b[:h])).mean(), 3, f"{name}: {hint}")


if __name__ == "__main__":
    unittest.main()
