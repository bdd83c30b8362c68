#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs every `sh` block of docs/tutorials, a block in a shell, on a copy of the examples."""
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


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return str(s.getsockname()[1])


class Tutorials(unittest.TestCase):
    def test_every_block_runs(self):
        pages = sorted((ROOT / "docs/tutorials").glob("*.md"))
        self.assertTrue(pages)
        for page in pages:
            blocks = re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.S)
            self.assertTrue(blocks, page)
            with tempfile.TemporaryDirectory() as where:
                here = pathlib.Path(where) / "examples/predictors"
                shutil.copytree(ROOT / "examples/predictors", here)
                (pathlib.Path(where) / "include").symlink_to(ROOT / "include")
                env = dict(os.environ, PATH=f"{GLIM.parent}:{os.environ['PATH']}", LANG="C.UTF-8",
                           TOY=str(ROOT / "tests/golden/models/stacks/marian"))
                for block in blocks:
                    block = block.replace("8008", free_port())
                    with self.subTest(page=page.name, block=block):
                        r = subprocess.run(["bash", "-e", "-c", block], cwd=here, env=env,
                                           capture_output=True, timeout=120)
                        self.assertEqual(r.returncode, 0, r.stderr.decode())


if __name__ == "__main__":
    unittest.main()
