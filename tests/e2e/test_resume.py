#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""glim probe, maximize and patch that are killed, and go on with --store: the same bits, less work; and
what an interruption leaves."""
import contextlib
import json
import os
import pathlib
import random
import signal
import sqlite3
import subprocess
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
GLIM = os.environ.get("GLIM", str(ROOT / "build/release/src/cli/glim"))
LLAMA = str(ROOT / "tests/golden/models/llama.gguf")
BERT = str(ROOT / "tests/golden/models/published/bert-embed")
WORDS = "the cat and river a dog was found an old bridge light more with under house green slow".split()


def env():
    return dict(os.environ, LANG="C.UTF-8")


class Resume(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        self.path = pathlib.Path(self.dir.name)
        self.store = self.path / "kept.sqlite"
        self.rng = random.Random(4)

    def texts(self, n, name="corpus.txt", words=18):
        path = self.path / name
        path.write_text("\n".join(" ".join(self.rng.choices(WORDS, k=words)) for _ in range(n)))
        return path

    def labelled(self, n):
        path = self.path / "rows.csv"
        rows = (f"{('alpha', 'omega')[i % 2]} {' '.join(self.rng.choices(WORDS, k=9))},{'yn'[i % 2]},{i % 7}"
                for i in range(n))
        path.write_text("text,label,size\n" + "\n".join(rows))
        return path

    def run_glim(self, *args):
        r = subprocess.run([GLIM, *map(str, args), "--json"], capture_output=True, timeout=120, env=env())
        self.assertEqual(r.returncode, 0, r.stderr.decode())
        return json.loads(r.stdout)

    def blobs(self):
        """Pieces of work, and the bytes of all: one that is put again counts as well."""
        try:
            with contextlib.closing(sqlite3.connect(f"file:{self.store}?mode=ro", uri=True, timeout=5)) as db:
                return db.execute("SELECT count(*) FROM kept").fetchone()[0]
        except sqlite3.Error:
            return 0

    def stopped(self, least, sign, *args):
        """Runs until so much is kept, and no further; a machine that is busy elsewhere has some tries."""
        for _ in range(8):
            go = subprocess.Popen([GLIM, *map(str, args), "--store", str(self.store), "--json"],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env())
            while go.poll() is None and not (self.store.exists() and self.blobs() >= least):
                time.sleep(0.001)
            go.send_signal(sign)
            out, err = go.communicate(timeout=60)
            if go.returncode:
                self.assertIn(go.returncode, (-signal.SIGKILL, 130), err.decode())
                return out
            self.store.unlink()
        self.fail("it ended before it could be stopped")

    def goes_on(self, least, *args):
        whole = self.run_glim(*args)
        self.stopped(least, signal.SIGKILL, *args)
        first = self.blobs()
        self.assertGreaterEqual(first, least)
        again, third = (self.run_glim(*args, "--store", self.store) for _ in range(2))
        costs = [d.pop("cost")["forward_tokens"] for d in (whole, again, third)]
        self.assertEqual(again, whole)
        self.assertEqual(third, whole)
        self.assertLess(costs[1], costs[0], args)
        self.assertLess(costs[2], costs[1], args)

    def test_probes(self):
        data = self.labelled(400)
        args = ("probe", "-m", LLAMA, "--data", data, "--permutations", 2, "--random-model")
        self.goes_on(3, *args)
        before = self.blobs()
        self.run_glim(*args, "--seed", 3, "--store", self.store)
        self.assertGreater(self.blobs(), before)

    def test_probes_of_what_was_found(self):
        data = self.labelled(300)
        saved = [self.path / f"{i}.safetensors" for i in range(2)]
        args = ("probe", "-m", BERT, "--data", data, "--label", "size", "--regression", "--half", "--permutations", 4)
        whole = self.run_glim(*args, "--save", saved[0])
        self.stopped(4, signal.SIGKILL, *args, "--save", saved[1])
        again = self.run_glim(*args, "--save", saved[1], "--store", self.store)
        for d in (whole, again):
            d.pop("cost")
        self.assertEqual(again, whole)
        self.assertEqual(saved[0].read_bytes(), saved[1].read_bytes())

    def test_texts_of_a_corpus_and_searches(self):
        args = ("maximize", "-m", LLAMA, "--site", "blocks.1.mlp.hook_post", "--index", "1-3", "--data",
                self.texts(1500), "--top", 4, "--search", "tokens", "--restarts", 3, "--steps", 6, "--fluency", "0,1")
        self.goes_on(1, *args)
        self.store.unlink()
        self.goes_on(6, *args)

    def test_patches(self):
        text = " ".join(WORDS[:12])
        self.goes_on(20, "patch", "-m", LLAMA, "--target", "a", "--against", "b", "--site",
                     "resid_pre,resid_mid,attn_out,mlp_out,z,q,k,v", "--corrupt", text.replace("cat", "bee"), text)

    def test_tracing_and_ablation(self):
        text = " ".join(WORDS[:10])
        self.goes_on(40, "patch", "-m", LLAMA, "--subject", "river", "--target", "e", "--draws", 4, text)
        self.store.unlink()
        self.goes_on(1, "patch", "-m", LLAMA, "--ablate", "mean", "--data", self.texts(1500), text)
        self.store.unlink()
        self.goes_on(4, "patch", "-m", LLAMA, "--ablate", "resample", "--data", self.texts(30, "few.txt", 8), text)

    def test_means_are_of_all_lines(self):
        text = " ".join(WORDS[:10])
        docs = [self.run_glim("patch", "-m", LLAMA, "--ablate", "mean", "--data", self.texts(n, words=9), text)
                for n in (65, 200)]
        self.assertIn("means of 65 texts", " ".join(docs[0]["notes"]))
        self.assertNotEqual(docs[0]["panels"], docs[1]["panels"])

    def test_an_interruption_leaves_a_part(self):
        text = " ".join(WORDS[:12])
        for least, args in ((10, ("--subject", "river", "--target", "e", "--draws", 2)),
                            (1, ("--ablate", "mean", "--data", self.texts(20000))),
                            (30, ("--ablate", "resample", "--data", self.texts(60, "few.txt", 8)))):
            d = json.loads(self.stopped(least, signal.SIGINT, "patch", "-m", LLAMA, *args, text))
            self.assertTrue(d["partial"])
            self.assertTrue(d["panels"])
            self.store.unlink()

    def test_a_store_that_fails_ends_the_run(self):
        self.store.write_bytes(b"no database" * 1000)
        for args in (("probe", "--data", self.labelled(40)), ("maximize", "--target", "a"),
                     ("patch", "--ablate", "zero", "the cat")):
            r = subprocess.run([GLIM, args[0], "-m", LLAMA, *map(str, args[1:]), "--store", str(self.store)],
                               capture_output=True, timeout=60, env=env())
            self.assertEqual(r.returncode, 3, args)
            self.assertIn(b"no sound store", r.stderr)


if __name__ == "__main__":
    unittest.main()
