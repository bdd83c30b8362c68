#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the viewer adds to reports of maps, panels, training samples, pictures, comparisons and
evaluations, in Chromium: what is pointed at, chosen, filtered and written out has the document's
own numbers; a choice goes through all figures, and through the frame that holds a report; all of
it by keyboard, in light and dark, English and Chinese, at 360 pixels, printed, without a request."""
import base64
import collections
import csv
import io
import json
import pathlib
import random
import re
import struct
import time
import unittest
import xml.etree.ElementTree

from browser import AXE, ROOT, Browser, glim
from test_panels import document, grid, lines, table, texts

MODELS = ROOT / "tests/golden/models"
IMAGES = ROOT / "tests/golden/images"
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
WORDS = {n: json.loads((ROOT / f"web/words/{n}.json").read_text(encoding="utf-8")) for n in ("en", "zh-CN")}
EN = WORDS["en"]
MARGIN = 18  # of a map in its box


def exact(x, signed):
    """Five digits, as the viewer writes them."""
    digits = f"{abs(x):.5g}"
    text = str(float(digits)) if "e" not in digits else digits
    text = re.sub(r"\.0$", "", text).replace("e-0", "e-").replace("e-", "e−")
    return ("−" if x < 0 else "+" if signed and x else "") + text


def packed(values, kind):
    rows = [list(row) for row in values]
    data = struct.pack(f"<{len(rows) * len(rows[0])}{kind}", *(x for row in rows for x in row))
    return {"dtype": f"<{kind}4", "shape": [len(rows), len(rows[0])], "data": base64.b64encode(data).decode()}


def map_document(n, groups=3, bare=False):
    """Groups of points side by side; a point's neighbours are the next three."""
    rng = random.Random(5)
    of = [i % groups for i in range(n)]
    xy = [[10 * g + rng.random() * 6, 6 * (g % 2) + rng.random() * 6] for g in of]
    near = [[(i + k) % n for k in (1, 2, 3)] for i in range(n)]
    d = {"schema": "glim.map/1", "kind": "map", "glim": "0.1.0", "title": "points", "method": {
        "name": "tsne", "summary": "t-SNE", "cite": "x"}, "points": n, "xy": packed(xy, "f"), "kl": 0.5, "labels": None,
        "colors": [], "color_by": None, "texts": None, "ids": None, "neighbours": None, "snapshots": [],
        "iterations": {"done": 500, "asked": 500}}
    if bare:
        return d, xy
    d.update(labels={"names": ["red </b>", "绿色", "third"], "of": of}, color_by="label",
             colors=[{"name": "score", "kind": "number", "values": [None if i == 4 else i / 10 for i in range(n)]}],
             texts=[f"text {i} <i>法国</i>" for i in range(n)], ids=[f"id{i}" for i in range(n)],
             neighbours={"k": 3, "of": packed(near, "i"), "distances": packed([[0.5, 1.25, 2]] * n, "f"),
                         "search": "exact", "recall": None, "metric": "euclidean"},
             snapshots=[{"iteration": 250, "kl": 1.5, "xy": packed([[-x, y] for x, y in xy], "f")}])
    return d, xy


class Viewer(Browser):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.docs, cls.made = {}, {}
        llama, text = MODELS / "llama.gguf", "Hello small world"
        rng = random.Random(4)
        rows = [[round(rng.gauss(0, 1), 3) for _ in range(2)] for _ in range(40)]
        with open(cls.path / "rows.csv", "w", encoding="utf-8", newline="") as f:
            out = csv.writer(f)
            out.writerow(["a", "b", "y", "label"])
            for i, (a, b) in enumerate(rows):
                y = round(a - 2 * b + rng.gauss(0, 1), 3)
                out.writerow([a, b, y, ("good" if y > 0 else "bad") if i else ("bad" if y > 0 else "good")])
        (cls.path / "texts.txt").write_text("the cat and the river\na dog was found\nan old bridge, the light\n")
        asked = {
            "lens": ("lens", "-m", llama, text),
            "patch": ("patch", "-m", llama, "--corrupt", "Hello large world", text),
            "maximize": ("maximize", "-m", llama, "--site", "blocks.1.mlp.hook_post", "--index", 3, "--data",
                         cls.path / "texts.txt"),
            "picture": ("explain", "-m", IMAGES / "mobilenet-v2", "--method", "lime", "--num-samples", 200,
                        IMAGES / "pictures/small.jpg"),
            "diagnostics": ("influence", "--train", cls.path / "rows.csv", "--columns", "a,b", "--label", "y"),
            "samples": ("influence", "--train", cls.path / "rows.csv", "--columns", "a,b", "--label", "label",
                        "--table", cls.path / "rows.csv", "--row", 3),
            "methods": ("compare", "-m", llama, "--methods", "occlusion,shapley", text),
            "evaluation": ("evaluate", "-m", llama, "--method", "occlusion", text)}
        for name, args in asked.items():
            saved, page = cls.path / f"v-{name}.json", cls.path / f"v-{name}.html"
            glim(*args, "-q", f"--json={saved}", "--html", page)
            cls.keep(name, saved, page)
        wide = grid("wide", 70, 100, "signed")
        cls.draw("panels", document("probe", lines(), table(), texts(), wide))
        cls.map, cls.xy = map_document(60)
        cls.wrap("map", cls.map)

    @classmethod
    def keep(cls, name, saved, page):
        cls.docs[name], cls.made[name] = json.loads(saved.read_text(encoding="utf-8")), page

    @classmethod
    def draw(cls, name, value):
        saved, page = cls.path / f"v-{name}.json", cls.path / f"v-{name}.html"
        saved.write_text(json.dumps(value), encoding="utf-8")
        glim("view", saved, "--html", page, "-q")
        cls.keep(name, saved, page)

    @classmethod
    def wrap(cls, name, value):
        """The page of a map: what every report has around the figure and its document."""
        frame = cls.made["lens"].read_text(encoding="utf-8")
        head, script = frame.split("<header>")[0], frame[frame.rindex("<script>"):]
        data = json.dumps(value).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
        cls.made[name] = cls.path / f"v-{name}.html"
        cls.made[name].write_text(
            head + '<header><h1>Map</h1></header><figure class="map"></figure><footer>foot</footer></main>'
            f'<script type="application/json" id="glim-data">{data}</script>{script}', encoding="utf-8")

    def of(self, name, fragment="", **options):
        page = self.open(self.made[name], fragment, **options)
        self.assertEqual(page.evaluate("document.documentElement.dataset.viewer"), "ready")
        return page

    def save(self, page, kind, within):
        with page.expect_download() as waiting:
            page.locator(within).locator(f"button:text-is('{kind}')").last.click()
        return pathlib.Path(waiting.value.path()).read_bytes()

    def cells(self, data):
        return list(csv.DictReader(io.StringIO(data.decode())))

    def until(self, page, true):
        """wait_for_function would evaluate words, which a report's policy forbids."""
        end = time.monotonic() + 15
        while not page.evaluate(true):
            self.assertLess(time.monotonic(), end, true)
            page.wait_for_timeout(20)

    def slide(self, page, selector, value):
        page.eval_on_selector(selector, "(e, x) => { e.value = x; e.dispatchEvent(new Event('input')); }", str(value))


class Maps(Viewer):
    def place(self, page, i, xy=None):
        """Where a point is on the screen: all points in the box, with one scale for both axes."""
        xy = xy or self.xy
        box = page.evaluate("(() => { const b = document.querySelector('.map-box'), r = b.getBoundingClientRect(); "
                            "return [r.left + b.clientLeft, r.top + b.clientTop, b.clientWidth, b.clientHeight] })()")
        (x0, x1), (y0, y1) = ((min(v), max(v)) for v in zip(*xy))
        k = min((box[2] - 2 * MARGIN) / (x1 - x0), (box[3] - 2 * MARGIN) / (y1 - y0))
        return (box[0] + box[2] / 2 + k * (xy[i][0] - (x0 + x1) / 2), box[1] + box[3] / 2 - k * (xy[i][1] - (y0 + y1) / 2))

    def test_a_point_says_what_it_is_and_what_is_near_it(self):
        page = self.of("map")
        page.mouse.move(*self.place(page, 17))
        said = page.inner_text(".map-detail")
        for part in ("text 17 <i>法国</i>", "point 17", "score: 1.70", "label: third", "id17", "0.50000", "1.2500", "2.0000"):
            self.assertIn(part, said)
        self.assertEqual([x.split(" <")[0] for x in page.locator(".map-detail li").all_inner_texts()],
                         ["text 18", "text 19", "text 20"])
        page.mouse.down()
        page.mouse.up()
        self.assertIn("point=17", page.evaluate("location.hash"))
        page.locator(".map-detail li button").nth(1).click()
        self.assertIn("point 19", page.inner_text(".map-detail"))
        self.assertClean(page)

    def test_points_are_selected_by_rectangle_lasso_search_and_group(self):
        page = self.of("map")
        corners = [(self.place(page, i)) for i in range(60)]
        left, top = 0, min(y for _, y in corners) - 5
        right = (max(x for i, (x, _) in enumerate(corners) if i % 3 == 0) +
                 min(x for i, (x, _) in enumerate(corners) if i % 3 == 1)) / 2
        left, bottom = min(x for x, _ in corners) - 5, max(y for _, y in corners) + 5
        for tool, way in (("rectangle", [(right, bottom)]), ("lasso", [(right, top), (right, bottom), (left, bottom)])):
            page.click(f"button[data-tool={tool}]")
            page.mouse.move(left, top)
            page.mouse.down()
            for at in way:
                page.mouse.move(*at, steps=3)
            page.mouse.up()
            self.assertIn("20 of 60", page.inner_text(".map-chosen h3"), tool)
            rows = self.cells(self.save(page, "CSV", ".map-chosen"))
            self.assertEqual([r["id"] for r in rows], [f"id{i}" for i in range(0, 60, 3)])
            self.assertEqual((rows[1]["text"], rows[1]["label"], rows[1]["score"]), ("text 3 <i>法国</i>", "red </b>", "0.3"))
            self.assertAlmostEqual(float(rows[1]["x"]), self.xy[3][0], places=4)
            page.focus(".map-box")
            page.keyboard.press("Escape")
            self.assertFalse(page.is_visible(".map-chosen"))
        page.click(".group >> text=绿色")
        page.click(f"button:text-is('{EN['scatter.shown']}')")
        self.assertIn("20 of 60", page.inner_text(".map-chosen h3"))
        page.click(".group >> text=绿色")
        page.fill(".map-find", "TEXT 1")
        self.until(page, "document.querySelector('.map-find').closest('.bar').textContent.includes('11 ')")
        self.assertClean(page)

    def test_colours_counts_and_stages(self):
        page = self.of("map")
        counts = collections.Counter(self.map["labels"]["of"])
        self.assertEqual(page.locator(".group small").all_inner_texts(), [str(c) for c in counts.values()])
        self.assertEqual(page.locator(".group bdi").all_inner_texts(), self.map["labels"]["names"])
        marks = page.evaluate("[...document.querySelectorAll('.group path')].map((p) => p.getAttribute('d'))")
        self.assertEqual(len(set(marks)), 3)
        page.select_option(".map-colour", "0")
        self.assertEqual(page.locator(".map-legend .scale b").all_inner_texts(), ["0", "5.90"])
        self.assertIn(EN["scatter.none"], page.inner_text(".map-legend .group"))
        self.assertIn("iteration 500, KL 0.5", page.inner_text(".map-stages"))
        self.slide(page, ".map-stages input", 0)
        self.until(page, "document.querySelector('.map-stages').textContent.includes('iteration 250, KL 1.5')")
        page.mouse.move(*self.place(page, 8, [[-x, y] for x, y in self.xy]))
        self.assertIn("point 8", page.inner_text(".map-detail"))

    def test_the_report_of_the_command_becomes_a_canvas(self):
        with open(self.path / "points.csv", "w", encoding="utf-8", newline="") as f:
            out = csv.writer(f)
            out.writerow(["a", "b", "c", "label"])
            rng = random.Random(2)
            for i in range(60):
                out.writerow([*(round(rng.gauss(4 * (i % 3 == k), 1), 3) for k in range(3)), "xyz"[i % 3]])
        page, saved = self.path / "command.html", self.path / "command.json"
        glim("map", "-q", "--table", self.path / "points.csv", "--columns", "a,b,c", "--snapshots", 2, "--html", page,
             f"--json={saved}")
        d = json.loads(saved.read_text(encoding="utf-8"))
        page = self.open(page)
        self.assertEqual(page.locator("figure.map svg[role=img]").count(), 0)
        self.assertEqual(page.locator(".group small").all_inner_texts(), ["20", "20", "20"])
        page.focus(".map-box")
        page.keyboard.press("Home")
        page.keyboard.press("ArrowRight")
        self.assertIn("point 0", page.inner_text(".map-detail"))
        self.assertEqual(page.locator(".map-detail li").count(), min(5, d["neighbours"]["k"]))
        self.assertTrue(page.is_visible(".map-stages"))
        self.assertFalse(page.is_visible("[data-w='map.groups']"))
        self.assertClean(page)

    def test_keys_go_from_point_to_point(self):
        page = self.of("map")
        page.focus(".map-box")
        page.keyboard.press("ArrowRight")
        self.assertIn("point 0", page.inner_text(".map-detail"))
        page.keyboard.press("ArrowRight")
        second = int(re.search(r"point (\d+)", page.inner_text(".map-detail"))[1])
        self.assertGreater(self.xy[second][0], self.xy[0][0])
        page.keyboard.press("Space")
        page.keyboard.press("ArrowUp")
        page.keyboard.press("Space")
        self.assertIn("2 of 60", page.inner_text(".map-chosen h3"))
        page.keyboard.press("Enter")
        self.assertIn("point=", page.evaluate("location.hash"))
        for key in ("+", "-", "0", "[", "]", "?"):
            page.keyboard.press(key)
        self.assertTrue(page.is_visible("dialog"))
        page.keyboard.press("Escape")
        self.assertClean(page)

    def test_another_map_lies_beside_it_and_follows(self):
        page = self.of("map")
        other = json.loads(json.dumps(self.map))
        order = list(reversed(range(60)))
        other.update(ids=[self.map["ids"][i] for i in order], texts=[f"other {i}" for i in order], snapshots=[],
                     xy=packed([[-3 * self.xy[i][1], 3 * self.xy[i][0]] for i in order], "f"))
        page.set_input_files("input[type=file]", {"name": "other.json", "mimeType": "application/json",
                                                  "buffer": json.dumps(other).encode()})
        page.wait_for_selector(".map-second canvas")
        page.wait_for_timeout(100)
        page.mouse.move(*self.place(page, 17))
        self.assertEqual(page.locator(".map-detail b").all_inner_texts(), ["text 17 <i>法国</i>", "other 17"])
        page.set_input_files("input[type=file]", {"name": "no.json", "mimeType": "x", "buffer": b"{"})
        page.wait_for_selector("text=no.json is no document")
        self.assertClean(page)

    def test_many_points_are_fluid_and_more_are_counted(self):
        big, _ = map_document(100_000)
        self.wrap("big", big)
        page = self.of("big")
        x, y = self.place(page, 0)
        page.mouse.move(x, y)
        page.evaluate("performance.clearMeasures()")
        page.mouse.down()
        for i in range(1, 9):
            page.mouse.move(x + 7 * i, y + 5 * i)
            page.wait_for_timeout(20)
        page.mouse.up()
        times = sorted(page.evaluate("performance.getEntriesByName('glim-map').map((e) => e.duration)"))
        self.assertGreater(len(times), 3)
        self.assertLess(times[len(times) // 2], 5 * 50)  # 50 ms on a machine with nothing else to do
        more, _ = map_document(200_001, bare=True)
        self.wrap("more", more)
        page = self.of("more")
        page.wait_for_selector(".map-dense:not([hidden])")
        self.assertIn("200001 points", page.inner_text(".map-dense"))
        self.assertClean(page)


class Panels(Viewer):
    def panel(self, name, panel):
        at = next(i for i, p in enumerate(self.docs[name]["panels"]) if p["name"] == panel)
        return f"#glim-panel-{at}", self.docs[name]["panels"][at]

    def test_a_cell_says_its_numbers_in_all_grids_of_its_shape(self):
        page = self.of("lens")
        host, panel = self.panel("lens", "lens")
        page.focus(f"{host} .scroll")
        for key in ("ArrowRight", "ArrowDown", "ArrowRight", "ArrowRight"):
            page.keyboard.press(key)
        said = page.inner_text(f"{host} .cell-detail")
        self.assertIn("layer 0, position 2 “l”", said)
        for p in self.docs["lens"]["panels"]:
            if p["kind"] == "grid":
                x = p["values"][1][2]
                want = f"{100 * x:.1f}" if p["scale"] == "share" else str(int(x)) if p["scale"] == "rank" else exact(x, False)
                self.assertIn(want, said, p["name"])
        page.keyboard.press("Enter")
        self.assertIn("kept=2", page.evaluate("location.hash"))
        self.assertIn("layer=0", page.evaluate("location.hash"))
        other, rank = self.panel("lens", "lens-rank")
        self.assertIn(str(int(rank["values"][1][2])), page.inner_text(f"{other} .cell-detail"))
        self.assertEqual(page.locator(f"{other} td.cursor").count(), 1)
        table_host, _ = self.panel("lens", "lens-top")
        self.assertEqual(page.locator(f"{table_host} tr.at th").inner_text(), "0")
        page.click(f"{host} button[data-way=column]")
        self.assertEqual(page.locator(f"{host} .follow th").all_inner_texts(), panel["rows"]["labels"])
        page.evaluate("navigator.clipboard.writeText = (t) => { window.copied = t; return Promise.resolve(); }")
        page.click(f"{host} button:text-is(\"{EN['grid.command']}\")")
        self.assertEqual(page.evaluate("window.copied"), "glim capture -m 'llama.gguf' --site 'blocks.0.hook_resid_post' "
                         "-o site.safetensors 'Hello small world'")
        self.assertClean(page)

    def test_totals_are_sums_of_the_document(self):
        page = self.of("patch")
        host, panel = self.panel("patch", "z")
        shown = [float(t.replace("−", "-")) for t in page.locator(f"{host} tbody td.total").all_inner_texts()]
        for x, row in zip(shown, panel["values"]):
            self.assertAlmostEqual(x, sum(row), places=2)
        foot = page.locator(f"{host} tfoot td").all_inner_texts()
        self.assertEqual(len(foot), len(panel["columns"]["labels"]) + 1)

    def test_a_grid_of_many_cells_is_whole(self):
        page = self.of("panels")
        host, panel = self.panel("panels", "wide")
        box = page.evaluate("(h) => { const b = document.querySelector(h + ' .matrix'); b.scrollIntoView(); b.scrollTo(0, 0); const r = "
                            "b.getBoundingClientRect(); return [r.left + Number(b.dataset.left), r.top + Number(b.dataset.top), "
                            "Number(b.dataset.cell)] }", host)
        page.mouse.click(box[0] + 5.5 * box[2], box[1] + 3.5 * box[2])
        self.assertIn(exact(panel["values"][3][5], True), page.inner_text(f"{host} .cell-detail"))
        self.assertFalse(page.is_visible(f"{host} table.grid"))

    def test_lines_say_a_column_and_are_put_aside(self):
        page = self.of("panels")
        host, panel = self.panel("panels", "accuracy")
        page.focus(f"{host} .figure")
        page.keyboard.press("End")
        said = page.inner_text(f"{host} .detail")
        for s in range(2):
            x, low = panel["values"][s][-1], panel["low"][s][-1]
            self.assertIn(f"{100 * x:.1f}", said)
            self.assertIn(f"{100 * low:.1f}", said)
        page.locator(f"{host} .legend button").nth(1).click()
        self.assertFalse(page.is_visible(f"{host} .figure .line.c2"))
        self.assertNotIn(f"{100 * panel['values'][1][-1]:.1f}", page.inner_text(f"{host} .detail"))
        page.click(f"{host} button:text-is('{EN['save.table']}')")
        self.assertTrue(page.is_visible(f"{host} details.numbers table"))

    def test_tables_are_put_in_order(self):
        page = self.of("panels")
        host, panel = self.panel("panels", "examples")
        by = page.locator(f"{host} th button").nth(2)
        for want in (["<b>13</b>", "7", "12"], ["7", "<b>13</b>", "12"], ["7", "12", "<b>13</b>"]):
            by.click()
            self.assertEqual(page.locator(f"{host} tbody th").all_inner_texts(), want)
        page = self.of("evaluation")
        table = page.locator("#glim-accuracy table")
        table.locator("th button").nth(1).click()
        values = [c for c in table.locator("tbody tr:not(.top) td:nth-child(2)").all_inner_texts() if c]
        numbers = [float(v.replace("−", "-").replace("<", "")) for v in values]
        self.assertEqual(numbers, sorted(numbers, reverse=True))

    def test_texts_have_a_threshold_an_order_and_the_same_token_everywhere(self):
        page = self.of("panels")
        host, panel = self.panel("panels", "top")
        page.locator(f"{host} .strip").first.locator(".u").nth(1).click()
        want = sum(t.strip() == "capital" for text in panel["texts"][:1] for t in text["pieces"])
        self.assertEqual(page.locator(f"{host} li:first-child .found").count(), want)
        self.assertGreater(page.locator(f"{host} .found").count(), want)
        self.slide(page, f"{host} input[type=range]", 0.9)
        loud = sum(x is not None and x >= 0.9 * 12.5 for x in panel["texts"][0]["values"])
        self.assertEqual(page.locator(f"{host} li:first-child .u:not(.a0)").count(), loud)
        page.select_option(f"{host} select", "value")
        self.assertIn("12.5", page.inner_text(f"{host} li:first-child .of"))
        self.assertClean(page)

    def test_every_panel_is_saved_in_every_form(self):
        page = self.of("panels")
        whole = glim("view", self.path / "v-panels.json", "--csv", "-").stdout
        for panel in ("accuracy", "examples", "top"):
            host, _ = self.panel("panels", panel)
            rows = self.cells(self.save(page, "CSV", host))
            self.assertEqual(rows, [r for r in self.cells(whole) if r["panel"] == panel])
        host, _ = self.panel("panels", "accuracy")
        picture = xml.etree.ElementTree.fromstring(self.save(page, "SVG", host).decode())
        words = " ".join("".join(e.itertext()) for e in picture.iter() if e.tag.endswith("}text"))
        for word in ("control", "100", "model.gguf"):
            self.assertIn(word, words)
        self.assertFalse(any(e.get("class") or e.tag.endswith(("script", "foreignObject")) for e in picture.iter()))
        self.assertEqual(self.save(page, "PNG", host)[:8], b"\x89PNG\r\n\x1a\n")
        self.assertClean(page)


class Samples(Viewer):
    def test_a_sample_is_chosen_in_every_figure_and_list(self):
        d = self.docs["diagnostics"]
        page = self.of("diagnostics")
        high = next(c for c in d["columns"] if c["name"] == "cooks-distance")["high"][0]
        stem = page.locator(f".stem[data-p='{high['row']}']")
        box = stem.bounding_box()
        page.mouse.click(box["x"] + 1, box["y"] + 10)
        self.assertEqual(page.evaluate("[...document.querySelectorAll('.figure .at')].map((e) => e.dataset.p)"),
                         [str(high["row"])] * 2)
        self.assertTrue(page.locator(f"table.samples tr.at[data-p='{high['row']}']").count())
        said = page.inner_text(".figure + .detail >> nth=0")
        at = d["figures"]["plane"]["row"].index(high["row"])
        for x in (high["value"], d["figures"]["plane"]["leverage"][at], d["figures"]["plane"]["residual"][at]):
            self.assertIn(exact(x, False), said)
        page.locator(".figure").nth(1).focus()
        page.keyboard.press("Home")
        page.keyboard.press("Enter")
        least = min(zip(d["figures"]["plane"]["leverage"], d["figures"]["plane"]["row"]))[1]
        self.assertIn(f"point={least}", page.evaluate("location.hash"))
        self.assertIn("4/n", page.inner_text(".figure >> nth=0"))
        self.assertClean(page)

    def test_lists_are_filtered_and_written_out(self):
        d = self.docs["samples"]
        page = self.of("samples")
        page.select_option("#glim-samples select", "bad")
        labels = page.evaluate("[...document.querySelectorAll('table.samples tbody tr:not([hidden])')]"
                               ".map((r) => r.cells[2].textContent)")
        self.assertEqual(set(labels), {"bad"})
        page.select_option("#glim-samples select", "")
        wrong = {s["row"] for s in d["flags"]["mislabelled"]["samples"]}
        self.assertTrue(wrong)
        page.check("#glim-samples input[type=checkbox]")
        shown = page.evaluate("[...document.querySelectorAll('table.samples tbody tr:not([hidden])')].map((r) => Number(r.dataset.p))")
        self.assertEqual(set(shown), wrong)
        first = page.locator("table.samples tbody tr:not([hidden])").first
        row = int(first.get_attribute("data-p"))
        first.locator("input").check()
        kept = self.cells(self.save(page, EN["samples.export"], "#glim-samples"))
        self.assertEqual([r["row"] for r in kept], [str(row)])


class Pictures(Viewer):
    def test_parts_by_rank_sign_and_size(self):
        d = self.docs["picture"]
        page = self.of("picture")
        visible = "document.querySelectorAll('.heat .u:not(.faint)').length"
        self.slide(page, "#glim-figure .bar input[type=range]", 7)
        self.assertEqual(page.evaluate(visible), 7)
        page.select_option("#glim-figure .bar select", "1")
        shown = page.evaluate("[...document.querySelectorAll('.heat .u:not(.faint)')].map((e) => Number(e.dataset.u))")
        ranked = sorted(range(len(d["scores"])), key=lambda u: -abs(d["scores"][u]))
        self.assertEqual(set(shown), set([u for u in ranked if d["scores"][u] > 0][:7]))
        page.focus(".stage")
        page.keyboard.press("Home")
        self.until(page, "document.querySelector('#glim-figure > .detail').textContent.includes('area')")
        said, unit = page.inner_text("#glim-figure > .detail"), d["input"]["units"][ranked[0]]
        self.assertIn(exact(d["scores"][ranked[0]], True), said)
        size = unit["tokens"] / (d["input"]["image"]["width"] * d["input"]["image"]["height"])
        self.assertIn(f"{100 * size:.1f}", said)
        self.assertIn(f"from {unit['x']}, {unit['y']}", said)
        page.keyboard.down("Space")
        self.assertEqual(page.evaluate("getComputedStyle(document.querySelector('.heat .u')).visibility"), "hidden")
        page.keyboard.up("Space")
        self.assertClean(page)


class Comparisons(Viewer):
    def test_two_runs_in_the_same_columns(self):
        d = self.docs["methods"]
        page = self.of("methods")
        a, b = ([x / max(map(abs, r["scores"])) for x in r["scores"]] for r in d["runs"])
        rows = self.cells(self.save(page, "CSV", "#glim-pair"))
        for row, x, y in zip(rows, a, b):
            for key, want in (("a", x), ("b", y), ("difference", y - x)):
                self.assertAlmostEqual(float(row[key]), want, places=6)
        page.click(f"button:text-is('{EN['pair.sort']}')")
        order = [int(u) for u in page.evaluate("[...document.querySelectorAll('.pair-table thead th')].map((t) => t.dataset.u)")]
        self.assertEqual(order, sorted(range(len(a)), key=lambda u: -abs(b[u] - a[u])))
        before = page.locator(".pair-table tbody tr").nth(0).inner_text()
        page.click(f"button:text-is('{EN['pair.flip']}')")
        self.assertEqual(page.locator(".pair-table tbody tr").nth(1).inner_text(), before)
        self.assertClean(page)


class Frames(Viewer):
    def test_a_frame_tells_what_is_chosen_and_is_told(self):
        for name, keys, want in (("lens", ("#glim-panel-0 .scroll", "ArrowRight", "Enter"), {"units": [0], "layer": 1}),
                                 ("map", (".map-box", "ArrowRight", "Enter"), {"point": 0})):
            holder = self.path / "frame.html"
            holder.write_text("<!doctype html><title>frame</title>")
            page = self.open(holder)
            page.evaluate("""(html) => { window.heard = [];
              window.addEventListener('message', (e) => window.heard.push(e.data));
              const f = document.createElement('iframe'); f.setAttribute('sandbox', 'allow-scripts allow-downloads');
              f.srcdoc = html; f.style = 'width: 1000px; height: 800px'; document.body.append(f); }""",
                          self.made[name].read_text(encoding="utf-8"))
            self.until(page, "window.heard.some((m) => m.glim === 1 && m.type === 'height' && m.px > 200)")
            frame = page.frames[-1]
            frame.focus(keys[0])
            for key in keys[1:]:
                page.keyboard.press(key)
            self.until(page, "window.heard.some((m) => m.type === 'select')")
            said = page.evaluate("window.heard.filter((m) => m.type === 'select').pop()")
            self.assertEqual({k: said[k] for k in want}, want, name)
            message = {"glim": 1, "type": "select", "units": [2], "row": None, "layer": 0, "head": None, "point": 7}
            n = page.evaluate("window.heard.length")
            page.evaluate("(m) => document.querySelector('iframe').contentWindow.postMessage(m, '*')", message)
            if name == "map":
                self.until(frame, "document.querySelector('.map-detail').textContent.includes('point 7')"
                                        " || document.querySelector('.map-detail').textContent.includes('text 0')")
            else:
                self.until(frame, "document.querySelector('#glim-panel-0 .cell-detail').textContent.includes('position 2')")
            self.assertFalse([m for m in page.evaluate("window.heard")[n:] if m["type"] == "select"], "an echo")
            self.assertEqual(page.sins, [])


class Access(Viewer):
    def test_no_violations_in_light_and_dark_and_two_languages(self):
        for i, name in enumerate(self.made):
            if name in ("big", "more"):
                continue
            page = self.of(name, reduced_motion="reduce")
            page.evaluate(AXE.read_text(encoding="utf-8") + ";0")
            for scheme, chinese in (("light", False), ("dark", True)):
                page.emulate_media(color_scheme=scheme, forced_colors="none")
                if chinese:
                    page.click(f"button:text-is('{EN['language']}')")
                    self.assertEqual(page.get_attribute("html", "lang"), "zh-CN")
                    self.assertEqual(page.evaluate("[...document.querySelectorAll('[data-w]')].filter((e) => "
                                                   "e.textContent == e.dataset.w).length"), 0)
                found = page.evaluate("(tags) => axe.run(document, {runOnly: tags}).then((r) => r.violations.map((v) => v.id + ': ' "
                                      "+ v.nodes.map((n) => n.target.join()).slice(0, 3)))", WCAG)
                self.assertEqual(found, [], f"{name} {scheme}")
            self.assertClean(page, name)

    def test_narrow_large_and_printed(self):
        for name in self.made:
            if name in ("big", "more"):
                continue
            page = self.of(name, viewport={"width": 360, "height": 800})
            self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth"), 360, name)
            self.assertClean(page, name)
        page = self.of("panels")
        page.evaluate("document.documentElement.style.fontSize = '200%'")
        self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth"), 1200)
        self.assertEqual(page.pdf()[:5], b"%PDF-")
        page.emulate_media(forced_colors="active")
        self.assertEqual(page.evaluate("getComputedStyle(document.querySelector('.swatches .w')).forcedColorAdjust"), "none")
        page.emulate_media(forced_colors="none")

    def test_every_word_is_there_in_both_languages(self):
        self.assertEqual(set(WORDS["en"]), set(WORDS["zh-CN"]))


if __name__ == "__main__":
    unittest.main()
