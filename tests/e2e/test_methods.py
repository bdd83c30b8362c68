#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The menu of methods: glim explain --list, its JSON, and docs/methods.md, which must be what
scripts/make-methods.py writes from the descriptors."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

from jsonschema import Draft202012Validator

ROOT = pathlib.Path(__file__).resolve().parents[2]
GLIM = os.environ.get("GLIM", str(ROOT / "build/release/src/cli/glim"))
MODELS = ROOT / "tests/golden/models"


def menu(*args, columns=None):
    env = {k: v for k, v in os.environ.items() if k != "COLUMNS"}
    env.update({"LC_ALL": "C.UTF-8"}, **({"COLUMNS": str(columns)} if columns else {}))
    out = subprocess.run([GLIM, "explain", "--list", *map(str, args)], capture_output=True, env=env, timeout=60)
    assert out.returncode == 0, out.stderr.decode()
    return out.stdout.decode()


def methods(*args):
    return json.loads(menu("--json", *args))["methods"]


class Menu(unittest.TestCase):
    def test_it_fits_a_screen(self):
        text = menu()
        lines = text.split("\n")
        self.assertLessEqual(len(lines), 41)
        self.assertLessEqual(max(map(len, lines)), 100)
        for width in (60, 80, 100, 200):
            self.assertLessEqual(max(map(len, menu(columns=width).split("\n"))), min(width, 100))

    def test_every_method_has_a_line_with_what_it_costs(self):
        lines = menu().split("\n")
        for m in methods():
            line = next(x for x in lines if x.startswith(f"  {m['name']} "))
            self.assertTrue(line.endswith(m["costs"]), line)
            self.assertIn(m["summary"].split()[0], line)

    def test_its_choices_name_methods_that_there_are(self):
        foot = menu().split("Choosing:")[1].split("d: scored")[0]
        names = [m["name"] for m in methods()]
        for word in ("occlusion", "shapley", "kernel-shap", "gradient", "lime"):
            self.assertIn(word, names)
            self.assertIn(word, foot)

    def test_json_keeps_its_schema(self):
        schema = json.loads((ROOT / "docs/schema/glim.methods-1.schema.json").read_text())
        Draft202012Validator(schema).validate(json.loads(menu("--json")))
        self.assertTrue(all(m["possible"] is None for m in methods()))

    def test_a_named_model_marks_what_can_run(self):
        text = methods("-m", MODELS / "llama.gguf")
        self.assertTrue(all(m["possible"] for m in text if not {"a picture", "a table"} & set(m["needs"])))
        for m in methods("--predictor", "process:cat"):
            self.assertEqual(m["possible"], m["needs"] == ["predictions"], m)
        marked = menu("-m", MODELS / "llama.gguf")
        self.assertIn("✓ occlusion", marked)
        self.assertIn("✓ can run here", marked)
        self.assertIn("  gradient ", menu("--predictor", "process:cat"))
        self.assertIn("+ occlusion", menu("--ascii", "-m", MODELS / "llama.gguf"))

    def test_the_page_is_what_the_methods_say(self):
        with tempfile.TemporaryDirectory() as where:
            page = pathlib.Path(where) / "methods.md"
            subprocess.run([sys.executable, ROOT / "scripts/make-methods.py", GLIM, page], check=True)
            self.assertEqual((ROOT / "docs/methods.md").read_text(encoding="utf-8"),
                             page.read_text(encoding="utf-8"),
                             "run scripts/make-methods.py build/release/src/cli/glim")


if __name__ == "__main__":
    unittest.main()
