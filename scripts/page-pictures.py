#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the pictures of the page in docs/images, in Debian's Chromium: a word of an answer
explained, two methods side by side, and the layers, in Chinese and dark.

usage: build/venv/bin/python scripts/page-pictures.py [GLIM]
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from playwright.sync_api import sync_playwright

ROOT = pathlib.Path(__file__).resolve().parents[1]
GLIM = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "build/release/src/cli/glim")
IMAGES = ROOT / "docs/images"
PROMPT = "The capital of France is"


def answer(page, word=0):
    page.fill("#prompt", PROMPT)
    page.keyboard.press("Control+Enter")
    page.wait_for_selector(".answer .hint", timeout=60_000)
    page.locator(".words button").nth(word).click()
    page.wait_for_selector(".chip", timeout=60_000)
    settle(page)


def settle(page, frames=1):
    page.wait_for_selector(".under-way", state="detached", timeout=120_000)
    for nth in range(frames):
        page.frame_locator(f".frame iframe >> nth={nth}").locator("h1").wait_for(timeout=60_000)
    page.mouse.move(5, 400)
    page.wait_for_timeout(800)


def explained(page):
    answer(page)
    page.locator(".chip", has_text="London").click()
    page.wait_for_selector("q.not")
    settle(page)
    page.screenshot(path=IMAGES / "page.png")


def compared(page):
    page.click("button:has-text('Put beside')")
    page.select_option("#f-words-method", "shapley")
    page.click(".banner button.main")
    page.wait_for_selector(".differences", timeout=120_000)
    settle(page, 2)
    page.screenshot(path=IMAGES / "page-compare.png")


def layers(page):
    answer(page)
    page.click("#tab-layers")
    settle(page)
    page.screenshot(path=IMAGES / "page-layers.png")


def main():
    model = subprocess.run([ROOT / "scripts/fetch", "smollm2"], capture_output=True, text=True,
                           check=True).stdout.strip()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        server = subprocess.Popen([GLIM, "serve", "-m", model, "--port", "0", "--history", f"{folder}/h.sqlite"],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            address = next(filter(None, (re.search(r"http://\S+", line) for line in server.stdout)))[0]
            browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            for options, pictures in (({"viewport": {"width": 1440, "height": 860}}, (explained, compared)),
                                      ({"viewport": {"width": 1440, "height": 860}, "locale": "zh-CN",
                                        "color_scheme": "dark"}, (layers,))):
                page = browser.new_context(**options).new_page()
                page.goto(address)
                page.wait_for_selector("html[data-page=ready]")
                for picture in pictures:
                    picture(page)
            browser.close()
        finally:
            server.terminate()
            server.wait(20)


if __name__ == "__main__":
    main()
