# SPDX-License-Identifier: Apache-2.0
"""Reports in Debian's Chromium, for the tests: pages that note whatever a report
must not do, and the command that writes the reports."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

try:
    from playwright.sync_api import sync_playwright
except ImportError:
    sync_playwright = None

ROOT = pathlib.Path(__file__).resolve().parents[2]
GLIM = os.environ.get("GLIM", str(ROOT / "build/release/src/cli/glim"))
DOCUMENTS = ROOT / "tests/golden/documents"
AXE = ROOT / "web/node_modules/axe-core/axe.min.js"
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]


def glim(*args, status=0, env=None):
    out = subprocess.run([GLIM, *map(str, args)], capture_output=True, timeout=120,
                         env={**os.environ, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", **(env or {})})
    assert out.returncode == status, out.stderr.decode()
    return out


class Browser(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if hasattr(Browser, "browser"):
            return
        path = shutil.which("chromium")
        missing = ("chromium is not installed" if not path else
                   "the Python package playwright is missing" if not sync_playwright else
                   "the viewer was not built (npm is missing)" if not AXE.exists() else None)
        if missing and os.environ.get("CI"):
            raise AssertionError(missing)
        if missing:
            raise unittest.SkipTest(missing)
        folder = tempfile.TemporaryDirectory()
        unittest.addModuleCleanup(folder.cleanup)
        driver = sync_playwright().start()
        unittest.addModuleCleanup(driver.stop)
        Browser.path, Browser.reports, Browser.pages = pathlib.Path(folder.name), {}, {}
        Browser.documents = {p.stem: json.loads(p.read_text(encoding="utf-8")) for p in sorted(DOCUMENTS.glob("*.json"))}
        Browser.browser = driver.chromium.launch(executable_path=path, args=FLAGS)
        unittest.addModuleCleanup(Browser.browser.close)

    def report(self, name, *flags):
        key = (name, flags)
        if key not in self.reports:
            out = self.path / f"{len(self.reports)}.html"
            glim("view", DOCUMENTS / f"{name}.json", "--html", out, "-q", *flags)
            self.reports[key] = out
        return self.reports[key]

    def open(self, path, fragment="", fresh=False, **options):
        """A page that notes whatever a report must not do. Pages with the same
        options are used again, because a new one costs a third of a second."""
        key = json.dumps(options, sort_keys=True)
        if fresh or key not in self.pages:
            self.pages[key] = self.new_page(options)
        page = self.pages[key]
        page.goto("about:blank")
        page.sins.clear()
        page.address = pathlib.Path(path).as_uri()
        page.goto(page.address + fragment)
        return page

    def new_page(self, options):
        options = {"viewport": {"width": 1200, "height": 900}, "accept_downloads": True, **options}
        page = self.browser.new_context(**options).new_page()
        page.set_default_timeout(15_000)
        page.sins, page.address = [], ""
        page.on("console", lambda m: page.sins.append(f"console: {m.text}"))
        page.on("pageerror", lambda e: page.sins.append(f"error: {e}"))
        page.on("dialog", lambda d: (page.sins.append(f"dialog: {d.message}"), d.dismiss()))
        page.on("request", lambda r: r.url.split("#")[0] == page.address or r.url.startswith(("blob:", "about:")) or
                page.sins.append(f"request: {r.url}"))
        page.add_init_script("window.violations = []; document.addEventListener('securitypolicyviolation',"
                             "(e) => window.violations.push(e.violatedDirective + ' ' + e.blockedURI))")
        return page

    def assertClean(self, page, name=""):
        self.assertEqual(page.sins, [], name)
        self.assertEqual(page.evaluate("window.violations"), [], name)
