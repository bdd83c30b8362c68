#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""glim maximize: values against what capture writes, plans that are enough, pictures as files,
interruption, and what is refused."""
import base64
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time
import unittest

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
GLIM = os.environ.get("GLIM", str(ROOT / "build/release/src/cli/glim"))
MODELS = ROOT / "tests/golden/models"
LLAMA, T5 = str(MODELS / "llama.gguf"), str(MODELS / "stacks/t5")
LITE = str(ROOT / "tests/golden/images/efficientnet-lite")
SITE = "blocks.1.mlp.hook_post"
TEXTS = ["the cat and the river", "a dog was found", "an old bridge", "light, and more light"]


def load_file(path):
    data = path.read_bytes()
    n = int.from_bytes(data[:8], "little")
    out = {}
    for name, t in json.loads(data[8:8 + n]).items():
        if name != "__metadata__":
            begin, end = t["data_offsets"]
            kind = {"F32": "<f4", "I64": "<i8"}[t["dtype"]]
            out[name] = np.frombuffer(data[8 + n + begin:8 + n + end], kind).reshape(t["shape"])
    return out


class Maximize(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        self.path = pathlib.Path(self.dir.name)
        self.corpus = self.path / "corpus.txt"
        self.corpus.write_text("\n".join(TEXTS + TEXTS[:1]))

    def run_glim(self, *args):
        return subprocess.run([GLIM, *map(str, args)], capture_output=True, timeout=120,
                              env=dict(os.environ, LANG="C.UTF-8"))

    def document(self, *args):
        r = self.run_glim("maximize", *args, "--json")
        self.assertEqual(r.returncode, 0, r.stderr.decode())
        return json.loads(r.stdout)

    def refused(self, says, *args):
        r = self.run_glim("maximize", *args)
        self.assertEqual(r.returncode, 2, r.stderr.decode())
        self.assertIn(says, r.stderr.decode())
        self.assertEqual(r.stdout, b"")

    def rows(self, text, site):
        out = self.path / "a.safetensors"
        r = self.run_glim("capture", "-m", LLAMA, "--site", site, "-o", out, text)
        self.assertEqual(r.returncode, 0, r.stderr.decode())
        return load_file(out)[site]

    def test_the_largest_value_is_what_capture_writes(self):
        d = self.document("-m", LLAMA, "--site", SITE, "--index", "3,7-9", "--data", self.corpus)
        best = max(self.rows(t, SITE)[:, [3, 7, 8, 9]].max() for t in TEXTS)
        self.assertEqual(d["kind"], "maximize")
        self.assertEqual(np.float32(d["target"]["value"]), best)
        self.assertEqual(d["method"]["params"]["index"], [3, 7, 8, 9])
        self.assertIn("5 texts in 4 passages; 1 were there twice", d["notes"][0])
        for panel in d.get("panels", []):  # where JSON has them
            if panel["name"] == "top":
                self.assertEqual(max(t["value"] for t in panel["texts"]), d["target"]["value"])
                self.assertLessEqual({"".join(t["pieces"]) for t in panel["texts"]}, set(TEXTS))

    def test_a_direction_and_a_head_are_read_off_their_sites(self):
        way = np.arange(32, dtype="<f4") - 9
        head = json.dumps({"w": {"dtype": "F32", "shape": [32], "data_offsets": [0, 128]}}).encode()
        head += b" " * (-len(head) % 8)
        file = self.path / "w.safetensors"
        file.write_bytes(len(head).to_bytes(8, "little") + head + way.tobytes())
        d = self.document("-m", LLAMA, "--site", "blocks.0.hook_resid_post", "--direction", file,
                          "--data", self.corpus)
        best = max((self.rows(t, "blocks.0.hook_resid_post") @ (way / np.linalg.norm(way))).max()
                   for t in TEXTS)
        self.assertAlmostEqual(d["target"]["value"], float(best), 4)
        d = self.document("-m", LLAMA, "--site", "blocks.1.attn.hook_z", "--head", 1, "--pool",
                          "last", "--data", self.corpus)
        best = max(np.linalg.norm(self.rows(t, "blocks.1.attn.hook_z")[-1, 1]) for t in TEXTS)
        self.assertAlmostEqual(d["target"]["value"], float(best), 4)

    def test_a_search_is_no_worse_than_the_corpus_it_begins_at(self):
        few = ["--length", 6, "--steps", 5, "--restarts", 1]
        read = self.document("-m", LLAMA, "--site", SITE, "--index", 5, "--data", self.corpus)
        found = self.document("-m", LLAMA, "--site", SITE, "--index", 5, "--data", self.corpus,
                              "--search", "both", *few)
        self.assertGreaterEqual(found["target"]["value"], read["target"]["value"])
        self.assertGreater(found["cost"]["backward_tokens"], 0)
        again = self.document("-m", LLAMA, "--site", SITE, "--index", 5, "--data", self.corpus,
                              "--search", "both", "--threads", 1, *few)
        self.assertEqual(found["target"]["value"], again["target"]["value"])

    def test_the_memory_of_a_plan_is_enough(self):
        for args in (["-m", LLAMA, "--site", SITE, "--index", "0-39", "--data", self.corpus],
                     ["-m", LLAMA, "--target", "a", "--data", self.corpus],
                     ["-m", LLAMA, "--site", SITE, "--index", 1, "--fluency", 1, "--steps", 3],
                     ["-m", LLAMA, "--site", SITE, "--index", "0-9", "--data", self.corpus,
                      "--search", "both", "--steps", 2],
                     ["-m", T5, "--site", "encoder.blocks.0.attn.hook_z", "--head", 1, "--steps", 3],
                     ["-m", LITE, "--target", 1, "--steps", 3]):
            with self.subTest(args=args):
                plan = self.document(*args, "--dry-run")
                self.assertEqual(plan["schema"], "glim.plan/1")
                self.assertGreater(plan["forward_tokens"], 0)
                budget = -(-plan["bytes"] // (1 << 20))
                d = self.document(*args, "--memory", f"{budget}M")
                self.assertLessEqual(d["cost"]["peak_bytes"], budget << 20)

    def test_a_picture_is_climbed_to_and_saved(self):
        file = self.path / "a.png"
        page = self.path / "a.html"
        d = self.document("-m", LITE, "--target", "dog", "--steps", 16, "--save-picture", file, "--html", page)
        self.assertIn(d["input"]["image"]["png"], page.read_text().split("<script")[0])
        self.assertEqual(base64.b64decode(d["input"]["image"]["png"]), file.read_bytes())
        self.assertGreater(d["target"]["value"], d["target"]["baseline_value"])

    def test_what_was_seen_before_an_interruption_is_written(self):
        long = self.path / "long.txt"
        with long.open("w") as f:
            for i in range(300000):
                f.write(f"the cat and {i} dogs\n")
        out = self.path / "a.json"
        p = subprocess.Popen([GLIM, "maximize", "-m", LLAMA, "--site", SITE, "--index", "1",
                              "--data", str(long), "--json", str(out)], stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE)
        time.sleep(1)
        p.send_signal(signal.SIGINT)
        said = p.communicate(timeout=60)[1].decode()
        self.assertEqual(p.returncode, 130, said)
        d = json.loads(out.read_text())
        self.assertTrue(d["partial"])
        self.assertIsNotNone(d["target"]["value"])

    def test_bad_questions_are_refused(self):
        for says, *args in (
                ("say what is to be activated", "-m", LLAMA),
                ("no site of this model fits 'blocks.1.mlp'", "-m", LLAMA, "--site", "blocks.1.mlp"),
                ("is no list", "-m", LLAMA, "--site", SITE, "--index", "1,,2"),
                ("is no list", "-m", LLAMA, "--site", SITE, "--index", "7-3"),
                ("is no list", "-m", LLAMA, "--site", SITE, "--index", "0-99999"),
                ("indices 0 to 39", "-m", LLAMA, "--site", SITE, "--index", "40"),
                ("--data is for models of texts", "-m", LITE, "--target", 1, "--data", self.corpus),
                ("--target CLASS", "-m", LITE),
                ("--save-picture is for models of pictures", "-m", LLAMA, "--target", "a",
                 "--save-picture", self.path / "a.png"),
                ("would overwrite the data", "-m", LLAMA, "--target", "a", "--data", self.corpus,
                 "--csv", self.corpus),
                ("text", "-m", LLAMA, "--target", "a",
                 "--data", self.table())):
            with self.subTest(says=says):
                self.refused(says, *args)

    def table(self):
        file = self.path / "a.csv"
        file.write_text("words\nhello\n")
        return file


if __name__ == "__main__":
    unittest.main()
