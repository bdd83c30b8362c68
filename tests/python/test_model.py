#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The Python package against the command line and NumPy, on tiny models."""
import json
import os
import pathlib
import pickle
import subprocess
import tempfile
import threading
import unittest

import glim
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
GLIM = os.environ.get("GLIM", str(ROOT / "build/release/src/cli/glim"))
LLAMA = str(ROOT / "tests/golden/models/llama.gguf")
TEXT = "Hello small world, hello again"


def command(*args):
    return json.loads(subprocess.run([GLIM, *args, "--json"], check=True, capture_output=True).stdout)


class Asking(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.model = glim.Model(LLAMA)

    def test_predictions_are_those_of_the_command(self):
        told = command("predict", "-m", LLAMA, TEXT, "--top", "4")["outputs"]
        for mine, theirs in zip(self.model.predict(TEXT, 4), told):
            self.assertEqual(mine.id, theirs["id"])
            self.assertAlmostEqual(mine.prob, theirs["prob"], 5)

    def test_explanations_are_those_of_the_command(self):
        told = command("explain", "-m", LLAMA, TEXT, "--method", "integrated-gradients", "--steps", "8")
        mine = self.model.explain(TEXT, "integrated-gradients", steps=8)
        theirs = [s if s is not None else np.nan for s in told["scores"]]
        np.testing.assert_array_equal(mine.scores, theirs)
        self.assertEqual(mine["method"]["params"], told["method"]["params"])
        self.assertEqual(mine.units, [u["text"] for u in told["input"]["units"]])

    def test_sites_and_logits_of_one_pass(self):
        logits, cache = self.model.run_with_cache(TEXT, ["blocks.*.hook_resid_post", "*.hook_pattern"])
        np.testing.assert_array_equal(logits, self.model.logits(TEXT))
        pattern = cache["blocks.0.attn.hook_pattern"]
        np.testing.assert_allclose(pattern.sum(-1), 1, atol=1e-5)
        look = self.model(TEXT)
        every = self.model.attentions(TEXT)
        np.testing.assert_allclose(look[0], every.mean((0, 1)), atol=1e-6)
        self.assertEqual(len(look.tokens), len(look[0]))

    def test_hooks_change_what_follows(self):
        same = self.model.run_with_hooks(TEXT, [("blocks.0.hook_resid_post", lambda v, name: v)])
        np.testing.assert_array_equal(same, self.model.logits(TEXT))

        def in_place(value, name):
            value[:] = 0
        for hook in (in_place, lambda v, name: v * 0):
            none = self.model.run_with_hooks(TEXT, [("blocks.1.hook_resid_post", hook)])
            np.testing.assert_allclose(none, np.broadcast_to(none[:1], none.shape), atol=1e-6)
        with self.assertRaisesRegex(glim.UsageError, "a hook gave"):
            self.model.run_with_hooks(TEXT, [("blocks.0.hook_resid_post", lambda v, name: v[:1])])

    def test_a_gradient_is_a_slope(self):
        ids = [t.id for t in self.model.tokenize(TEXT)]
        step, at = 1e-2, (len(ids) - 1, 3)
        slope = self.model.gradient(TEXT, target=5, sites="blocks.1.hook_resid_post")["blocks.1.hook_resid_post"]

        def moved(by):
            def hook(value, name):
                value[at] += by
            return self.model.run_with_hooks(TEXT, [("blocks.1.hook_resid_post", hook)])[-1, 5]
        numeric = (float(moved(step)) - float(moved(-step))) / (2 * step)
        self.assertAlmostEqual(slope[at], numeric, delta=2e-3 * max(1, abs(numeric)))
        a, b = (self.model.gradient(TEXT, target=t) for t in (5, 6))
        np.testing.assert_allclose(self.model.gradient(TEXT, 5, against=6), a - b, atol=1e-5)

    def test_generation_streams_and_stops(self):
        seen = []
        whole = self.model.generate(TEXT, 6, each=lambda text, p: seen.append(p))
        self.assertLessEqual(len(seen), 6)
        few = []
        part = self.model.generate(TEXT, 6, each=lambda text, p: few.append(p) or len(few) < 2)
        self.assertEqual(len(few), 2)
        self.assertTrue(whole.startswith(part))

    def test_documents_outlive_the_model(self):
        model = glim.Model(LLAMA)
        doc = model.explain(TEXT, "occlusion")
        model.close()
        self.assertIn("occlusion", doc.to_text())
        self.assertTrue(doc.to_html().startswith("<!doctype html>"))
        self.assertTrue(doc._repr_html_().startswith("<iframe sandbox="))
        self.assertEqual(pickle.loads(pickle.dumps(doc)), doc)
        with tempfile.TemporaryDirectory() as folder:
            for end in ("json", "html", "csv", "txt"):
                doc.save(f"{folder}/x.{end}")
            self.assertEqual(glim.Document.load(f"{folder}/x.json"), doc)
            with self.assertRaisesRegex(glim.UsageError, "may end in"):
                doc.save(f"{folder}/x.doc")
            self.assertEqual(len(os.listdir(folder)), 4)
        with self.assertRaisesRegex(glim.UsageError, "closed"):
            model.predict(TEXT)

    def test_wrong_arguments_say_what_would_do(self):
        for call, words in [
                (lambda m: m.explain(TEXT, "nonesuch"), "occlusion"),
                (lambda m: m.explain(TEXT, "occlusion", windows=2), "window"),
                (lambda m: m.explain(TEXT, "integrated-gradients", steps="many"), "steps"),
                (lambda m: m.explain(TEXT, units="letter"), "sentence"),
                (lambda m: m.capture(TEXT, "blocks.0.hook_resid_pots"), "near: blocks.0.hook_resid_post"),
                (lambda m: m.gradient(TEXT, target=10**6), "there are"),
                (lambda m: m.tokenize(3), "a chat"),
                (lambda m: glim.Model(LLAMA, memory="lots"), "2G")]:
            with self.subTest(words=words), self.assertRaisesRegex(glim.UsageError, words):
                call(self.model)
        with self.assertRaises(OSError):
            glim.Model("/nonexistent.gguf")
        with self.assertRaises(MemoryError):
            glim.Model(LLAMA, memory="20k")

    def test_exceptions_in_callbacks_come_out(self):
        def fail(value, name):
            raise KeyError("mine")
        with self.assertRaisesRegex(KeyError, "mine"):
            self.model.run_with_hooks(TEXT, [("blocks.0.hook_resid_pre", fail)])
        self.assertTrue(self.model.predict(TEXT, 1))

        def interrupt(progress):
            raise KeyboardInterrupt
        model = glim.Model(LLAMA, progress=interrupt)
        with self.assertRaises(KeyboardInterrupt):
            model.explain(TEXT, "kernel-shap", n_samples=50000)
        model._context.progress = None
        self.assertTrue(model.predict(TEXT, 1))

    def test_threads_take_turns_and_forks_are_refused(self):
        want, got = self.model.explain(TEXT, "gradient").scores, []

        def ask():
            got.append(self.model.explain(TEXT, "gradient").scores)
        workers = [threading.Thread(target=ask) for _ in range(4)]
        for w in workers:
            w.start()
        for w in workers:
            w.join()
        self.assertEqual(len(got), 4)
        for scores in got:
            np.testing.assert_array_equal(scores, want)
        read, write = os.pipe()
        child = os.fork()
        if not child:
            try:
                self.model.predict(TEXT)
            except glim.UsageError as error:
                os.write(write, str(error).encode())
            os._exit(0)
        os.waitpid(child, 0)
        os.close(write)
        self.assertIn(b"forked", os.read(read, 1000))
        os.close(read)

    def test_methods_say_what_they_take(self):
        known = glim.methods()
        self.assertIn("lime", known)
        names = {row["name"]: row for row in known["lime"].parameters}
        self.assertEqual(names["kernel_width"]["type"], float)
        self.assertIn("num_features", names)
        self.assertIn("arXiv", known["integrated-gradients"].cite)


if __name__ == "__main__":
    unittest.main()
