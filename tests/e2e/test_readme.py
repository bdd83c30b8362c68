#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs every `sh` block of the README, line by line, and the C example."""
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
GLIM = pathlib.Path(os.environ.get("GLIM", str(ROOT / "build/release/src/cli/glim")))
MODEL = str(ROOT / "tests/golden/models/llama.gguf")


class Examples(unittest.TestCase):
    def test_the_readme_runs(self):
        text = (ROOT / "README.md").read_text(encoding="utf-8")
        lines = [line for block in re.findall(r"```sh\n(.*?)```", text, re.S)
                 for line in block.splitlines() if line.strip()]
        self.assertGreater(len(lines), 8)
        env = dict(os.environ, MODEL=MODEL, PATH=f"{GLIM.parent}:{os.environ['PATH']}")
        with tempfile.TemporaryDirectory() as where:
            for line in lines:
                r = subprocess.run(["bash", "-c", line], cwd=where, env=env, capture_output=True,
                                   timeout=120)
                self.assertEqual(r.returncode, 0, line + "\n" + r.stderr.decode())

    def test_the_c_example_runs(self):
        example = GLIM.parents[2] / "examples/example-explain"
        r = subprocess.run([example, MODEL, "Hello world"], capture_output=True, timeout=60)
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertIn(b"follows", r.stdout)
        self.assertEqual(subprocess.run([example, MODEL + "x", "Hello"],
                                        capture_output=True).returncode, 3)

    def test_the_example_of_hooks_runs(self):
        example = GLIM.parents[2] / "examples/example-inside"
        r = subprocess.run([example, MODEL, "Hello small world", "1", "0", "5"], capture_output=True, text=True, timeout=60)
        self.assertEqual(r.returncode, 0, r.stderr)
        first, second = [re.findall(r"[-+]?\d+\.\d+", line.split(":", 1)[1]) for line in r.stdout.splitlines()]
        self.assertEqual(len(first), 3, r.stdout)  # logit, activation, slope
        self.assertTrue(all(a != b for a, b in zip(first, second)), r.stdout)
        for wrong, status in (("9", "0", "5"), 2), (("1", "99", "5"), 2), (("1", "0", "99999"), 2):
            r = subprocess.run([example, MODEL, "Hello", *wrong], capture_output=True, timeout=60)
            self.assertEqual(r.returncode, status, r.stderr)

    def test_the_examples_of_a_lens_and_a_patch_run(self):
        def run(name, *args):
            return subprocess.run([GLIM.parents[2] / f"examples/example-{name}", MODEL, *args], capture_output=True, text=True,
                                  encoding="utf-8", errors="replace", timeout=60)
        r = run("lens", "Hello small world")
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertIn("rank of the answer 1, 0.00 nats", r.stdout.splitlines()[0])
        self.assertIn("embed", r.stdout.splitlines()[-1])
        text, other = "Hello small world, hello", "Hello shall wXrld, hello"
        r = run("patch", text, other)
        self.assertEqual(r.returncode, 0, r.stderr)
        effects = [float(line.split(":")[1]) for line in r.stdout.splitlines()[1:]]
        self.assertEqual(effects[0], 0)  # both texts end with the same token
        self.assertGreater(abs(effects[-1]), 0.5)
        self.assertEqual(run("patch", text).returncode, 2)


if __name__ == "__main__":
    unittest.main()
