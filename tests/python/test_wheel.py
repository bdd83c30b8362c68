#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`pip install .` in a clean environment: NumPy and cffi besides, the command beside the package."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
LOCK = ROOT / "tests/requirements.txt"
CHECK = """
import glim, numpy
model = glim.Model(MODEL)
document = model.explain("Hello small world")
assert document.verdict and glim.map(numpy.random.RandomState(0).randn(20, 3), method="pca").xy.shape == (20, 2)
assert "site-packages" in glim.__file__ and model(MODEL[:3])[0].ndim == 2
print(glim.__version__)
"""


class Wheel(unittest.TestCase):
    def test_it_is_built_and_works(self):
        # The tree as git has it, so that nothing but what is kept can be needed.
        with tempfile.TemporaryDirectory() as folder:
            tree, wheels, clean = (pathlib.Path(folder, name) for name in ("tree", "wheels", "clean"))
            tree.mkdir()
            files = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                                   check=True, capture_output=True).stdout.decode().split("\0")
            for name in filter(None, files):
                if not name.startswith(("tests/golden/", "docs/")) and (ROOT / name).is_file():
                    (tree / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(ROOT / name, tree / name)
            pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
            environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "GLIM_LIBRARY", "GLIM_COMMAND")}
            environment["PATH"] = f"{pathlib.Path(sys.executable).parent}:{environment['PATH']}"
            # Not optimised: it is the packaging that is tried, and compiling is most of its time.
            subprocess.run([*pip, "wheel", "--no-build-isolation", "--no-deps", "--config-settings=setup-args=-Doptimization=0",
                            "-w", str(wheels), str(tree)], check=True, env=environment)
            wheel, = wheels.glob("glim_lm-*.whl")
            self.assertRegex(wheel.name, r"-linux_")
            subprocess.run([sys.executable, "-m", "venv", str(clean)], check=True)
            python = str(clean / "bin/python")
            needed = pathlib.Path(folder, "needed.txt")
            needed.write_text("".join(line for line in LOCK.read_text().splitlines(True)
                                      if re.match(r"(numpy|cffi|pycparser)==", line)))
            install = [python, "-m", "pip", "-q", "--disable-pip-version-check", "install"]
            subprocess.run([*install, "--require-hashes", "-r", str(needed)], check=True, env=environment)
            subprocess.run([*install, "--no-deps", str(wheel)], check=True, env=environment)
            model = str(ROOT / "tests/golden/models/llama.gguf")
            environment["PATH"] = "/usr/bin:/bin"
            told = subprocess.run([python, "-c", CHECK.replace("MODEL", repr(model), 1).replace("MODEL", repr(model))],
                                  check=True, capture_output=True, cwd=folder, env=environment).stdout.decode()
            version = subprocess.run([str(clean / "bin/glim"), "--version"], check=True, capture_output=True,
                                     env=environment).stdout.decode()
            self.assertIn(told.strip(), version)


if __name__ == "__main__":
    unittest.main()
