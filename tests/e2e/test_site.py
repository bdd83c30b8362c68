#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The documents' site: builds without a warning, every link leads somewhere, nothing is taken from a network,
search works from a folder in both languages, notebooks run, every command and method has its page."""
import json
import os
import pathlib
import re
import subprocess
import sys
import unittest

from playwright.sync_api import sync_playwright

ROOT = pathlib.Path(__file__).resolve().parents[2]
GLIM = pathlib.Path(os.environ.get("GLIM", str(ROOT / "build/release/src/cli/glim")))
SITE = ROOT / "build/site"
sys.path.insert(0, str(ROOT / "docs/site"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import links  # noqa: E402
import pages  # noqa: E402


class Site(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        built = subprocess.run([ROOT / "scripts/make-site"], env=dict(os.environ, GLIM=str(GLIM)), capture_output=True,
                               text=True, timeout=300)
        if built.returncode:
            raise AssertionError(built.stdout + built.stderr)
        cls.described = json.loads(subprocess.run([GLIM, "--dump-commands"], capture_output=True, check=True).stdout)

    def test_every_link_and_anchor_leads_somewhere(self):
        wrong, n = links.check(SITE.resolve())
        self.assertEqual(wrong, [])
        self.assertGreater(n, 5000)

    def test_a_wrong_link_is_seen(self):
        page = SITE / "wrong.html"
        page.write_text('<a href="en/start.html#nowhere"></a><a href="gone.html"></a><script src="https://x.example/a.js"></script>')
        try:
            self.assertEqual(len(links.check(SITE.resolve())[0]), 3)
        finally:
            page.unlink()

    def test_every_command_and_method_has_its_place_in_both_languages(self):
        words = json.loads((ROOT / "docs/zh/words.json").read_text(encoding="utf-8"))
        for name in ("en", "zh-CN"):
            methods = (SITE / name / "methods.html").read_text(encoding="utf-8")
            for command in self.described["commands"]:
                page = (SITE / name / f"how-to/{command['name']}.html").read_text(encoding="utf-8")
                for flag in command["flags"]:
                    self.assertIn("--" + flag["name"], page)
            for method in self.described["methods"]:
                self.assertIn(f'id="{method["name"]}"', methods)
        for method in self.described["methods"]:
            for what in ("summary", "use", "avoid"):
                self.assertIn(f"{method['name']}.{what}", words, "docs/zh/words.json lacks it")
            self.assertIn("costs." + method["costs"], words, "docs/zh/words.json lacks it")

    def test_every_function_of_c_has_its_place(self):
        for header in (ROOT / "include/glim").glob("*.h"):
            names = re.findall(r"GLIM_API[^;(]*?\b(glim_\w+)\s*\(", header.read_text(encoding="utf-8"))
            page = SITE / f"en/reference/c/{header.stem}.html"
            said = page.read_text(encoding="utf-8") if names else ""
            for name in names:
                self.assertIn(name.replace("_", "-"), said, header.name)

    def test_flags_of_blocks_that_are_only_shown_exist(self):
        known = {c["name"]: {f["name"] for f in c["flags"]} for c in self.described["commands"]}
        params = {p["name"] for m in self.described["methods"] for p in m["params"]}
        for page in pages.DOCS.rglob("*.md"):
            for block in pages.blocks(page):
                if block.kind != "text":
                    continue
                for line in block.text.replace("\\\n", " ").splitlines():
                    m = re.match(r"(?:\$ )?glim ([a-z]+) ", line)
                    if m and m.group(1) in known:
                        for flag in re.findall(r"(?<=\s)--([a-z][a-z-]*)", line.split("#")[0]):
                            self.assertTrue(flag in known[m.group(1)] | params or flag.startswith("no-"), f"{page.name}: {line}")

    def test_notebooks_have_outputs_on_the_site_and_none_in_the_tree(self):
        books = sorted((ROOT / "docs/notebooks").glob("*.ipynb"))
        self.assertGreaterEqual(len(books), 4)
        for book in books:
            cells = json.loads(book.read_text(encoding="utf-8"))["cells"]
            self.assertFalse(any(c.get("outputs") for c in cells), f"{book.name}: outputs are made by the build")
            self.assertIn("cell_output", (SITE / f"en/notebooks/{book.stem}.html").read_text(encoding="utf-8"))

    def test_it_works_from_a_folder_in_a_browser(self):
        with sync_playwright() as p:
            browser = p.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            page = browser.new_context(color_scheme="dark").new_page()
            asked = []
            page.on("request", lambda r: asked.append(r.url))
            for name, query, found in (("en", "occlusion", "The methods"), ("zh-CN", "注意力头", "怎样看注意力头看向哪里")):
                page.goto(f"{SITE.as_uri()}/{name}/search.html?q={query}")
                page.wait_for_selector("#search-results li a")
                self.assertIn(found, page.inner_text("#search-results"))
            page.goto(f"{SITE.as_uri()}/zh-CN/how-to/explain.html")
            self.assertEqual(page.evaluate("document.documentElement.lang"), "zh-CN")
            ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
            self.assertLess(max(map(int, numbers(ground))), 80, "dark")
            page.click(".languages a")
            self.assertTrue(page.url.endswith("/en/how-to/explain.html"))
            page.set_viewport_size({"width": 390, "height": 800})
            self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth"), 390)
            self.assertEqual([u for u in asked if not u.startswith(("file:", "data:", "about:"))], [])
            browser.close()


def numbers(text):
    return re.findall(r"\d+", text)[:3]


if __name__ == "__main__":
    unittest.main()
