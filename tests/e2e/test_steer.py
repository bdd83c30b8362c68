#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""glim steer and glim generate --steer: directions of texts as files, and what they do to a text."""
import os
import pathlib
import struct
import subprocess
import tempfile
import unittest

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
