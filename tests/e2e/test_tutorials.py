#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs every block of commands and of Python of docs/, on a copy of the examples, and holds what pages
say is printed against what is printed (pages.py says which blocks are which).

Real models come from scripts/fetch; without one its page is skipped, but in CI it fails.
"""
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import pages  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
GLIM = pathlib.Path(os.environ.get("GLIM", str(ROOT / "build/release/src/cli/glim")))

CACHE = pathlib.Path(os.environ.get("GLIM_CACHE") or pathlib.Path(
    os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "glim")
MODELS = {"SMOLLM2": CACHE / "SmolLM2-135M-Instruct.Q4_1.gguf",
          "QWEN": CACHE / "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
          "EFFICIENTNET": CACHE / "efficientnet-lite0",
          "PICTURES": CACHE / "pictures",
          "TOY": ROOT / "tests/golden/models/stacks/marian",
          "ALIGNED": ROOT / "tests/golden/aligned",
          "MINILM": CACHE / "all-MiniLM-L6-v2", "TABLES": CACHE / "tables",
          "REVIEWS": CACHE / "reviews",
          **{name: ROOT / f"tests/golden/models/llama-{kind}.gguf"
             for name, kind in (("F16", "f16"), ("Q8", "q8_0"), ("Q5", "q5_1"), ("Q4", "q4_1"))},
          "SPAN": ROOT / "tests/golden/models/published/bert-span"}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return str(s.getsockname()[1])


class Pages(unittest.TestCase):
    def environment(self, text):
        env = {k: v for k, v in os.environ.items() if k != "COLUMNS"}
        env.update(PATH=f"{GLIM.parent}:{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}", LANG="C.UTF-8",
                   PYTHONPATH=str(ROOT / "python"), GLIM_LIBRARY=str(GLIM.parents[2] / "libglim.so"))
        for name, path in MODELS.items():
            if re.search(rf"\b{name}\b", text) and not path.exists():
                message = f"'{path}' is missing (scripts/fetch)"
                if os.environ.get("CI") or os.environ.get("GLIM_REQUIRE_MODELS"):
                    self.fail(message)
                self.skipTest(message)
            env[name] = str(path)
        return env

    def check_page(self, page):
        env = self.environment(page.read_text(encoding="utf-8"))
        with tempfile.TemporaryDirectory() as where:
            here = pathlib.Path(where) / "examples/predictors"
            shutil.copytree(ROOT / "examples/predictors", here)
            (pathlib.Path(where) / "include").symlink_to(ROOT / "include")
            printed = ""
            for block in pages.blocks(page):
                text = block.text.replace("8008", free_port())
                with self.subTest(block=block.text):
                    if block.kind == "sh":
                        printed = self.ran(["bash", "-e", "-c", text], here, env)
                    elif block.kind == "output":
                        line = pages.missing_line(block.text, printed)
                        self.assertIsNone(line, f"{page.name}: not printed: {line}\n--- printed:\n{printed}")
            code = [b.text for b in pages.blocks(page) if b.kind == "python"]
            if code:
                (here / "page.py").write_text("\n".join(code), encoding="utf-8")
                with self.subTest(block="python"):
                    self.ran([sys.executable, "page.py"], here, env)

    def ran(self, words, here, env):
        r = subprocess.run(words, cwd=here, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
        printed = r.stdout.decode(errors="replace")
        self.assertEqual(r.returncode, 0, printed)
        return printed


for path in pages.pages():
    def check(self, page=path):
        self.check_page(page)
    name = "_".join(path.relative_to(pages.DOCS).with_suffix("").parts)
    setattr(Pages, "test_" + name.replace("-", "_"), check)


if __name__ == "__main__":
    unittest.main()
