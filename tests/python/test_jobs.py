#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Work over data: what Python holds gives what the command gives for the same file; every kind of
document is shown, saved, and read again; stopping and failing."""
import json
import os
import pathlib
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import numpy as np

import glim

ROOT = pathlib.Path(__file__).resolve().parents[2]
GLIM = os.environ.get("GLIM", str(ROOT / "build/release/src/cli/glim"))
os.environ.setdefault("GLIM_COMMAND", GLIM)
LLAMA = str(ROOT / "tests/golden/models/llama.gguf")
ROWS = [(f"good nice {i}", "up") if i % 2 else (f"bad poor {i}", "down") for i in range(30)]
TEXT = "Hello small world"


class Jobs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.model = glim.Model(LLAMA)
        cls.folder = tempfile.TemporaryDirectory()
        cls.fit_file = os.path.join(cls.folder.name, "mood.fit")
        x = np.random.RandomState(0).randn(40, 5)
        cls.documents = {
            "map": glim.map(x, method="pca"), "evaluation": cls.model.evaluate(TEXT),
            "comparison": cls.model.compare(TEXT, methods=["occlusion", "lime"]), "advice": cls.model.advise(),
            "probe": cls.model.probe(ROWS, permutations=2), "lens": cls.model.lens(TEXT),
            "fit": cls.model.fit(ROWS, out=cls.fit_file), "attribution": cls.model.explain(TEXT),
            "influence": cls.model.influence("Hello", train=["Hello world", "small one"] * 3, method="similarity"),
            "maximize": cls.model.maximize(target=" a", length=3, steps=2, restarts=1)}

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_data_are_those_of_a_file(self):
        path = os.path.join(self.folder.name, "rows.csv")
        pathlib.Path(path).write_text("text,label\n" + "".join(f"{t},{l}\n" for t, l in ROWS))
        told = json.loads(subprocess.run([GLIM, "probe", "-m", LLAMA, "--data", path, "--permutations", "2", "--json"],
                                         check=True, capture_output=True).stdout)
        columns = {"text": [t for t, _ in ROWS], "label": [label for _, label in ROWS]}
        for data in (ROWS, path, columns, [dict(zip(("text", "label"), row)) for row in ROWS]):
            mine = self.model.probe(data, permutations=2).data
            self.assertEqual([p.get("values") for p in mine["panels"]], [p.get("values") for p in told["panels"]])
        import pandas
        frame = self.model.probe(pandas.DataFrame(columns), permutations=2).data
        self.assertEqual(frame["checks"], told["checks"])

    def test_files_that_are_gone_are_told_by_their_names(self):
        for name, document in self.documents.items():
            self.assertNotIn(os.path.join(tempfile.gettempdir(), "glim-"), document.to_json(), name)
        with self.assertRaisesRegex(glim.Error, "^(?!.*glim-).*data.jsonl"):
            self.model.probe([("one", "a"), ("two", "")] * 10, text="none")

    def test_every_kind_is_shown_and_saved(self):
        for kind, document in self.documents.items():
            self.assertEqual(document.kind, kind)
            self.assertIn("<iframe sandbox=", document._repr_html_())
            self.assertGreater(len(repr(document).splitlines()), 2)
            again = pickle.loads(pickle.dumps(document))
            self.assertEqual(again, document)
            self.assertGreater(len(document.to_dataframe()), 0, kind)
            forms = [".json", ".html", ".csv", ".txt"]
            forms += [] if kind in ("advice", "fit") else [".svg", ".png", ".pdf"]
            for form in forms:
                path = pathlib.Path(self.folder.name, kind + form)
                document.save(path)
                self.assertGreater(path.stat().st_size, 20, path)
            self.assertEqual(glim.Document.load(path.with_suffix(".json")), document)
            self.assertEqual(pathlib.Path(self.folder.name, kind + ".html").read_text()[:2].lower(), "<!")
        self.assertEqual(self.documents["map"].xy.shape, (40, 2))
        self.assertEqual(self.documents["map"].to_dataframe().shape[0], 40)
        with self.assertRaises(glim.UsageError):
            self.documents["fit"].save(os.path.join(self.folder.name, "x.svg"))

    def test_plots(self):
        import matplotlib
        matplotlib.use("Agg")
        from matplotlib import pyplot
        for kind, document in self.documents.items():
            figure, axes = pyplot.subplots()
            if kind == "advice":
                with self.assertRaisesRegex(glim.UsageError, "axes"):
                    document.plot(axes)
            else:
                self.assertIs(document.plot(axes), axes)
                self.assertTrue(axes.patches or axes.collections or axes.images, kind)
            pyplot.close(figure)
        axes = pyplot.figure().gca()
        self.documents["evaluation"].plot(axes)
        shown = dict(zip([t.get_text() for t in axes.get_yticklabels()], [p.get_width() for p in axes.patches]))
        told = {name: mark for name, mark in self.documents["evaluation"]["marks"].items() if mark is not None}
        self.assertEqual(shown, told)
        axes = pyplot.figure().gca()
        self.documents["comparison"].plot(axes)
        np.testing.assert_array_equal(axes.images[0].get_array(), self.documents["comparison"]["agreement"]["kendall"])
        axes = pyplot.figure().gca()
        self.documents["influence"].plot(axes, top=4)
        column, = self.documents["influence"]["columns"]
        values = sorted(sample["value"] for sample in column["high"][:2] + column["low"][:2])
        self.assertEqual([patch.get_width() for patch in axes.patches], values)
        pyplot.close("all")

    def test_an_explanation_is_judged(self):
        judged = self.model.evaluate(TEXT, explanation=self.model.explain(TEXT, "occlusion"))
        self.assertEqual(judged["explanation"]["method"], "occlusion")

    def test_what_is_wrong_is_said(self):
        with self.assertRaisesRegex(glim.UsageError, "permutations"):
            self.model.probe(ROWS, permutation=2)
        with self.assertRaises(OSError):
            self.model.probe("not/there.csv")
        with self.assertRaises(glim.UsageError):
            self.model.probe([])
        with self.assertRaisesRegex(glim.UsageError, "column"):
            self.model.probe(ROWS, label="mood")
        with self.assertRaises(glim.UsageError):
            glim.map(np.zeros(3))
        with self.assertRaises(glim.UsageError):
            glim.fit(ROWS)
        with self.assertRaises(glim.BudgetError):
            glim.Model(LLAMA, memory="64M").map(ROWS * 20000, memory="1M")

    def test_flags_come_from_the_command(self):
        self.assertIn("perplexity=X", glim.flags("map"))
        with self.assertRaises(glim.UsageError):
            glim.flags("nothing")

    def test_progress_and_what_it_raises(self):
        seen = []

        def stop(report):
            seen.append(report.stage)
            raise ZeroDivisionError("mine")
        with self.assertRaisesRegex(ZeroDivisionError, "mine"):
            glim.Model(LLAMA, progress=stop).maximize(target=" a", steps=10000, restarts=50)
        self.assertTrue(seen[0])

    def test_ctrl_c_stops_a_job(self):
        timer = threading.Timer(0.7, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        start = time.monotonic()
        try:
            with self.assertRaises(KeyboardInterrupt):
                self.model.maximize(target=" a", steps=10000, restarts=50, length=30)
        finally:
            timer.cancel()
        self.assertLess(time.monotonic() - start, 10)

    def test_importing_costs_little(self):
        code = ("import sys, glim; late = [m for m in ('pandas', 'matplotlib', 'IPython', 'sklearn', 'subprocess_',"
                " 'glim.estimators', 'glim.lime_tabular') if m in sys.modules]; assert not late, late;"
                "glim.lime_tabular.LimeTabularExplainer; glim.TSNE")
        subprocess.run([sys.executable, "-c", code], check=True)


class Functions(unittest.TestCase):
    def test_a_function_of_texts(self):
        def said(texts):
            p = np.array([0.9 if "good" in t else 0.2 for t in texts])
            return np.c_[1 - p, p]
        document = glim.TextPredictor(said, ["bad", "good"]).explain("a good film", "occlusion", target="good")
        scores = {unit.strip(): score for unit, score in document.as_list()}
        self.assertAlmostEqual(scores["good"], 0.7, 6)
        self.assertEqual(document.target["text"], "good")

        def raises(texts):
            raise LookupError("mine")
        with self.assertRaisesRegex(LookupError, "mine"):
            glim.TextPredictor(raises, ["a", "b"]).explain("one two")
        with self.assertRaises(glim.NumericError):
            glim.TextPredictor(lambda t: np.full((len(t), 2), np.nan), ["a", "b"]).explain("one two")
        with self.assertRaisesRegex(glim.UsageError, "shape"):
            glim.TextPredictor(lambda t: [[1.0]], ["a", "b"]).explain("one two")


if __name__ == "__main__":
    unittest.main()
