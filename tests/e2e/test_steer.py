#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""glim steer and glim generate --steer: directions of texts as files, and what they do to a text."""
import json
import os
import pathlib
import struct
import subprocess
import tempfile
import unittest

import numpy as np
from jsonschema import Draft202012Validator

ROOT = pathlib.Path(__file__).resolve().parents[2]
GLIM = os.environ.get("GLIM", str(ROOT / "build/release/src/cli/glim"))
MODELS = ROOT / "tests/golden/models"
LLAMA, QWEN, T5 = (str(MODELS / name) for name in ("llama.gguf", "qwen2.gguf", "stacks/t5"))


def run(*args):
    return subprocess.run([GLIM, *map(str, args)], capture_output=True, timeout=120)


class Steering(unittest.TestCase):
    def setUp(self):
        where = tempfile.TemporaryDirectory()
        self.addCleanup(where.cleanup)
        self.path = pathlib.Path(where.name)
        (self.path / "calm.txt").write_text("I am calm\n\nAll is well\r\n", encoding="utf-8")
        (self.path / "angry.txt").write_text("I am angry\nAll is lost", encoding="utf-8")

    def ok(self, *args):
        r = run(*args)
        self.assertEqual(r.returncode, 0, r.stderr)
        return r.stdout

    def refused(self, *args, says, status=2):
        r = run(*args)
        self.assertEqual(r.returncode, status, r.stderr)
        self.assertIn(says, r.stderr.decode())
        self.assertEqual(r.stdout, b"")

    def make(self, name, *more):
        out = self.path / name
        said = self.ok("steer", "-m", LLAMA, "--positive", self.path / "calm.txt", "--negative",
                       self.path / "angry.txt", "-o", out, *more).decode()
        self.assertIn("of the stream's", said)
        return out

    def test_texts_become_directions_that_steer(self):
        control, both = self.make("calm.gguf"), self.make("calm.safetensors")
        data = control.read_bytes()
        self.assertEqual(struct.unpack("<4sIQQ", data[:24]), (b"GGUF", 3, 1, 3))
        self.assertIn(b"direction.1", data)
        self.assertNotIn(b"direction.0", data)
        generate = ("generate", "-m", LLAMA, "--tokens", 8, "The capital")
        plain = self.ok(*generate)
        self.assertEqual(self.ok(*generate, "--steer", f"{control}:0"), plain)
        steered = self.ok(*generate, "--steer", f"{control}:3")
        self.assertNotEqual(steered, plain)
        self.assertEqual(self.ok(*generate, "--steer", f"{both}:3@1"), steered)
        self.assertEqual(self.ok(*generate, "--steer", f"{both}:1@1", "--steer", f"{control}:2"), steered)
        self.assertEqual(self.ok(*generate, "--steer", f"{control}:3", "--steer", f"{control}:-3"), plain)
        self.ok("steer", "-m", LLAMA, "--from", f"{both}:3", "-o", self.path / "three.gguf")
        self.assertEqual(self.ok(*generate, "--steer", self.path / "three.gguf"), steered)

    def vectors(self, path):
        data = path.read_bytes()
        n = int.from_bytes(data[:8], "little")
        return {name: np.frombuffer(data[8 + n + t["data_offsets"][0]:8 + n + t["data_offsets"][1]], "<f4")
                for name, t in json.loads(data[8:8 + n]).items() if name != "__metadata__" and t["dtype"] == "F32"}

    def test_a_principal_component_is_that_of_numpy(self):
        sides = {"more": "one fine day\nall of it\nthe red cat\na dog\nold light\n",
                 "less": "one bad day\nnone of it\nthe red dog\na cat\nnew light\n"}
        for name, text in sides.items():
            (self.path / name).write_text(text)
        out = self.path / "axis.safetensors"
        self.ok("steer", "-m", LLAMA, "--positive", self.path / "more", "--negative", self.path / "less", "--pca",
                "-o", out)
        made = self.vectors(out)
        for layer in range(2):
            site = f"blocks.{layer}.hook_resid_post"
            ends = {}
            for name, text in sides.items():
                rows = []
                for line in text.splitlines():
                    self.ok("capture", "-m", LLAMA, line, "--site", site, "-o", self.path / "c.safetensors")
                    rows.append(self.vectors(self.path / "c.safetensors")[site].reshape(-1, made[site + ".weight"].size)[-1])
                ends[name] = np.array(rows, float)
            d = ends["more"] - ends["less"]
            v = np.linalg.svd(d)[2][0]
            v *= np.sign((d @ v).sum())
            np.testing.assert_allclose(made[site + ".weight"], v, atol=2e-5)
        (self.path / "less").write_text("one\n")
        self.refused("steer", "-m", LLAMA, "--positive", self.path / "more", "--negative", self.path / "less",
                     "--pca", "-o", out, says="no pairs")

    def test_a_steered_model_is_explained(self):
        control = self.make("calm.safetensors")
        steer = ("--steer", f"{control}:3@1")
        told = f"{control}:3@1"
        text = self.ok("generate", "-m", LLAMA, "--tokens", 4, "The capital", "--json", *steer)
        schema = json.loads((ROOT / "docs/schema/glim.generation-1.schema.json").read_text())
        Draft202012Validator(schema).validate(json.loads(text))
        self.assertEqual(json.loads(text)["steering"], told)
        self.assertNotIn("steering", json.loads(self.ok("generate", "-m", LLAMA, "--tokens", 4, "The capital", "--json")))
        said = json.loads(self.ok("predict", "-m", LLAMA, "The capital", "--json", *steer))
        schema = json.loads((ROOT / "docs/schema/glim.prediction-1.schema.json").read_text())
        Draft202012Validator(schema).validate(said)
        self.assertEqual(said["steering"], told)
        self.assertEqual(json.loads(text)["tokens"][0]["text"], said["outputs"][0]["text"])
        for command in (("explain", "--method", "gradient"), ("lens", "--direct"), ("patch", "--ablate", "zero")):
            plain, bent = (json.loads(self.ok(command[0], "-m", LLAMA, *command[1:], "--target", "a", "The capital",
                                              "--json", *more)) for more in ((), steer))
            self.assertIn(f"the model is steered: {told}", bent["notes"])
            self.assertNotEqual(plain["target"]["value"], bent["target"]["value"])
        self.refused("explain", "--predictor", "process:cat", "--steer", control, "x", says="--steer is for models")

    def test_what_does_not_fit_is_told(self):
        control = self.make("calm.gguf")
        note = run("generate", "-m", QWEN, "--tokens", 1, "--steer", control, "a").stderr.decode()
        self.assertIn("made for the architecture 'llama'", note)
        generate = ("generate", "-m", LLAMA, "--tokens", 1, "a", "--steer")
        self.refused(*generate, f"{control}:1@5-9", says="the model has 0 to 1")
        self.refused(*generate, f"{control}:1@0", says="no direction for these blocks")
        self.refused(*generate, f"{control}:much", says="FILE:STRENGTH@LAYERS")
        self.refused(*generate, self.path / "none.gguf", says="cannot open", status=3)
        self.refused(*generate, LLAMA, says="no control vector", status=3)
        self.refused(*generate, f"{control}#calm", says="no classes")
        texts = ("--positive", self.path / "calm.txt", "--negative", self.path / "angry.txt")
        self.refused("steer", "-m", LLAMA, *texts, says="--out")
        self.refused("steer", "-m", LLAMA, *texts[:2], "-o", "x.gguf", says="--negative")
        self.refused("steer", "-m", LLAMA, *texts, "--from", control, "-o", "x.gguf", says="or --from")
        self.refused("steer", "-m", T5, *texts, "-o", "x.gguf", says="does not continue texts")
        (self.path / "empty.txt").write_text("\n")
        self.refused("steer", "-m", LLAMA, *texts[:3], self.path / "empty.txt", "-o", "x.gguf", says="no lines")
        self.refused("steer", "-m", LLAMA, *texts, "-o", self.path / "calm.txt", says="calm.txt")


if __name__ == "__main__":
    unittest.main()
