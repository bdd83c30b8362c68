#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""TSNE, PCA and LinearProbe against NumPy, scikit-learn and the command, and scikit-learn's own checks."""
import pathlib
import pickle
import tempfile
import unittest
import warnings

import numpy as np
from sklearn.datasets import load_digits, load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import check_estimator

import glim

# t-SNE places what it was fitted on by its gradient and new rows by their neighbours: the two are not
# the same number, in openTSNE neither.
EXPECTED = {"TSNE": {"check_transformer_general", "check_transformer_data_not_an_array"}}


class Estimators(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.digits = load_digits().data[:400].astype(np.float32)

    def test_conventions(self):
        for estimator in (glim.PCA(), glim.TSNE(n_iter=100), glim.LinearProbe()):
            name = type(estimator).__name__
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                failed = {r["check_name"]: r["exception"] for r in check_estimator(estimator, on_fail=None)
                          if r["status"] == "failed"}
            self.assertEqual(set(failed), EXPECTED.get(name, set()), (name, failed))

    def test_components_are_those_of_numpy(self):
        x = self.digits
        pca = glim.PCA(5)
        scores = pca.fit_transform(x)
        u, s, vt = np.linalg.svd(x - x.mean(0, dtype=np.float64), full_matrices=False)
        np.testing.assert_allclose(np.abs(scores), np.abs(u[:, :5] * s[:5]), atol=2e-4)
        np.testing.assert_allclose(pca.explained_variance_ratio_, (s ** 2 / (s ** 2).sum())[:5], rtol=1e-6)
        np.testing.assert_allclose(pca.transform(x[:7]), scores[:7], atol=2e-4)
        np.testing.assert_allclose(glim.PCA().fit(x[:, :8]).inverse_transform(glim.PCA().fit_transform(x[:, :8])),
                                   x[:, :8], atol=1e-3)

    def test_maps_are_those_of_the_command(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "x.npy")
            np.save(path, self.digits)
            told = glim.map(path, pca=0, n_iter=200).xy
        mine = [glim.TSNE(n_iter=200, n_jobs=jobs).fit(self.digits) for jobs in (1, 2)]
        np.testing.assert_array_equal(mine[0].embedding_, mine[1].embedding_)
        np.testing.assert_allclose(mine[0].embedding_, told, atol=1e-5)
        placed = mine[0].transform(self.digits[:20])
        spread = mine[0].embedding_.std()
        self.assertLess(np.abs(placed - mine[0].embedding_[:20]).max(), spread / 2)
        again = pickle.loads(pickle.dumps(mine[0]))
        np.testing.assert_array_equal(again.transform(self.digits[:20]), placed)

    def test_probes_are_those_of_scikit_learn(self):
        x, y = load_iris(return_X_y=True)
        x = x.astype(np.float32)
        for target in (y, (y == 1).astype(int)):
            probe = glim.LinearProbe(strength=2.0).fit(x, target)
            exact = x.astype(np.float64)
            z = (exact - exact.mean(0)) / exact.std(0)
            peer = LogisticRegression(C=1 / 2.0, tol=1e-9, max_iter=10000).fit(z, target)
            np.testing.assert_allclose(probe.predict_proba(x), peer.predict_proba(z), atol=1e-4)
        names = np.array(["setosa", "versicolor", "virginica"])[y]
        self.assertGreater(glim.LinearProbe(None).fit(x, names).score(x, names), 0.95)

    def test_bad_input(self):
        with self.assertRaises(glim.UsageError):
            glim.TSNE(initialization="spectral").fit(self.digits)
        with self.assertRaises(glim.UsageError):
            glim.TSNE(perplexity=-3).fit(self.digits)
        with self.assertRaises(ValueError):
            glim.PCA(1000).fit(self.digits)


if __name__ == "__main__":
    unittest.main()
