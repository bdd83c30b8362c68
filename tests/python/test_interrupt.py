#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C while C runs, wherever it strikes; and processes that fork while a model is open."""
import gc
import os
import pathlib
import signal
import sys
import threading
import time
import unittest

import glim
import numpy as np

LLAMA = str(pathlib.Path(__file__).resolve().parents[2] / "tests/golden/models/llama.gguf")
LONG = " ".join(["a"] * 14)


class Interrupts(unittest.TestCase):
    def interrupted(self, call):
        """Ctrl-C while `call` runs again and again. Python itself drops one that strikes in a destructor: one
        of three has to come out."""
        for _ in range(3):
            timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
            start = time.monotonic()
            timer.start()
            try:
                while time.monotonic() < start + 1:
                    call()
            except KeyboardInterrupt:
                self.assertLess(time.monotonic() - start, 0.9)
                return
            finally:
                timer.join()
        self.fail("Ctrl-C did not stop it")

    def test_a_long_call_stops(self):
        model = glim.Model(LLAMA, threads=1)
        self.interrupted(lambda: model.explain(LONG, "kernel-shap", n_samples=40000))
        self.assertTrue(model.predict(LONG, 1))

    def test_no_site_gets_lost(self):
        # Ctrl-C falls between a hook's start and its `try` more often than not: hundreds of short ones.
        model = glim.Model(LLAMA, threads=1)
        count, seen = len(model.sites), set()
        self.interrupted(lambda: seen.add(len(model.capture(LONG))))
        self.assertEqual(seen, {count})

    def test_functions_of_texts(self):
        asked = glim.TextPredictor(lambda texts: np.full((len(texts), 2), 0.5), ["a", "b"])
        for _ in range(3):
            self.interrupted(lambda: asked.explain(LONG * 3, "kernel-shap", n_samples=400000))
        self.assertEqual(asked.explain("one two", "occlusion").scores.shape, (2,))

    def test_functions_of_rows(self):
        from glim import lime_tabular
        rows = np.random.RandomState(0).randn(200, 4)
        explainer = lime_tabular.LimeTabularExplainer(rows, random_state=0)
        self.interrupted(lambda: explainer.explain_instance(
            rows[0], lambda x: np.full((len(x), 2), 0.5), num_samples=200))


@unittest.skipUnless(hasattr(os, "fork"), "no fork here")
class Forks(unittest.TestCase):
    def child(self, work):
        """The exit status of a forked process that does `work`; one that hangs is killed."""
        pid = os.fork()
        if not pid:
            try:
                work()
                os._exit(0)
            except SystemExit:
                # What is left for the end of the interpreter, but not of the tests' own.
                import weakref
                weakref.finalize._exitfunc()
                os._exit(0)
            except BaseException:
                os._exit(1)
        for _ in range(300):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                return status
            time.sleep(0.02)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return "hangs"

    def test_a_child_ends(self):
        held = [glim.Model(LLAMA, threads=2)]
        held[0].explain(LONG, "occlusion")

        def drop():
            held.clear()
            gc.collect()
        self.assertEqual(self.child(drop), 0)
        self.assertEqual(self.child(sys.exit), 0)
        self.assertEqual(self.child(lambda: held[0].close()), 0)
        self.assertTrue(held[0].predict(LONG, 1))


if __name__ == "__main__":
    unittest.main()
