#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The package as files: all of them are installed, and importing it takes little."""
import pathlib
import re
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Package(unittest.TestCase):
    def test_every_file_is_installed(self):
        listed = set(re.findall(r"'glim/([\w.]+)'", (ROOT / "python/meson.build").read_text()))
        there = {path.name for path in (ROOT / "python/glim").iterdir() if path.suffix in (".py", ".typed")} - {"_abi.py"}
        self.assertEqual(listed, there)


if __name__ == "__main__":
    unittest.main()
