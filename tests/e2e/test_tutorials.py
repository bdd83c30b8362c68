#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs every `sh` block of docs/tutorials, a block in a shell, on a copy of the examples.

Real models come from scripts/fetch; without one its page is skipped, but in CI it fails.
"""
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import unittest

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


class Tutorials(unittest.TestCase):
    def check_page(self, page):
        text = page.read_text(encoding="utf-8")
        blocks = re.findall(r"```sh\n(.*?)```", text, re.S)
        self.assertTrue(blocks, page)
        env = dict(os.environ, PATH=f"{GLIM.parent}:{os.environ['PATH']}", LANG="C.UTF-8")
        for name, path in MODELS.items():
            if f"${name}" in text and not path.exists():
                message = f"'{path}' is missing (scripts/fetch)"
                if os.environ.get("CI") or os.environ.get("GLIM_REQUIRE_MODELS"):
                    self.fail(message)
                self.skipTest(message)
            env[name] = str(path)
        with tempfile.TemporaryDirectory() as where:
            here = pathlib.Path(where) / "examples/predictors"
            shutil.copytree(ROOT / "examples/predictors", here)
            (pathlib.Path(where) / "include").symlink_to(ROOT / "include")
            for block in blocks:
                block = block.replace("8008", free_port())
                with self.subTest(block=block):
                    r = subprocess.run(["bash", "-e", "-c", block], cwd=here, env=env,
                                       capture_output=True, timeout=300)
                    self.assertEqual(r.returncode, 0, r.stderr.decode())


for path in sorted((ROOT / "docs/tutorials").glob("*.md")):
    def check(self, page=path):
        self.check_page(page)
    setattr(Tutorials, "test_" + path.stem.replace("-", "_"), check)


if __name__ == "__main__":
    unittest.main()
