#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""lime's interface against recordings of lime 0.2.0.1 (20 seeds each): a weight of glim lies where
another seed of lime could have put it. And what bad input and broken predictors do."""
import json
import pathlib
import unittest

import lime_cases as cases
import numpy as np

import glim
from glim import lime_image, lime_tabular, lime_text

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOLD = json.loads((ROOT / "tests/golden/lime-python.json").read_text())


class AgainstLime(unittest.TestCase):
    def close(self, exp, name, label, at=lambda feature: feature):
        told, weights = TOLD[name], dict(exp.local_exp[label])
        for feature, mean, sd in zip(told["features"], told["mean"], told["sd"]):
            if abs(mean) < 4 * sd:  # lime itself does not know it, and may have left it out
                continue
            self.assertLess(abs(weights[at(feature)] - mean), 5 * sd + 0.02 * abs(mean) + 1e-4, (name, feature))
        found = [exp.intercept[label], exp.score, float(exp.local_pred[0])]
        for value, mean, sd in zip(found, told["numbers"], told["numbers_sd"]):
            self.assertLess(abs(value - mean), 5 * sd + 0.02 * abs(mean) + 1e-4, name)

    def test_rows(self):
        for name, arguments in cases.TABLES.items():
            self.close(cases.table(lime_tabular, 0, **arguments), name, 1)

    def test_texts(self):
        words = cases.TEXT.split()
        own = list(dict.fromkeys(words))
        for name, arguments in cases.TEXTS.items():
            exp = cases.text(lime_text, 0, **arguments)
            # lime numbers different words, or places
            seen = own if arguments["bow"] else words
            units = exp.document.units
            place = [i for i, unit in enumerate(units) if unit.strip()]
            self.close(exp, name, 1, lambda f, seen=seen, place=place, bow=arguments["bow"]:
                       place[words.index(seen[f])] if bow else place[f])

    def test_pictures(self):
        exp = cases.picture(lime_image, 0, superpixels="grid", patch=8)
        np.testing.assert_array_equal(exp.segments, cases.squares())
        self.close(exp, "picture", 0)
        shown, mask = exp.get_image_and_mask(0, num_features=2, hide_rest=True)
        self.assertEqual(set(np.unique(exp.segments[mask == 1])), {5, 6})
        self.assertTrue((shown[mask == 0] == 0).all())

    def test_pictures_come_in_batches_as_numbers_of_their_own(self):
        sizes = []

        def said(x):
            sizes.append(len(x))
            self.assertEqual(x.dtype, np.float32)
            self.assertLessEqual(x.max(), 1)
            return cases.pictures_said(x * 255)
        exp = lime_image.LimeImageExplainer(random_state=0).explain_instance(
            (cases.picture_of() / 255).astype(np.float32), said, labels=(0,), top_labels=None, hide_color=0,
            num_samples=500, batch_size=7, superpixels="grid", patch=8)
        self.assertEqual(max(sizes), 7)
        self.close(exp, "picture", 0)

    def test_features_have_limes_words(self):
        rules = [rule for rule, _ in cases.table(lime_tabular, 0).as_list(1)]
        self.assertIn("kind=red" if cases.ROWS[5, 2] == 0 else "kind=green" if cases.ROWS[5, 2] == 1 else "kind=blue",
                      rules)
        document = cases.table(lime_tabular, 0).document
        self.assertEqual(document["method"]["params"]["categorical"], "kind")
        self.assertNotRegex(document.to_json(), r"\bc[0-3]\b")
        cuts = np.percentile(cases.ROWS[:, 0], [25, 50, 75])
        forms = [f"first <= {cuts[0]:.2f}", f"{cuts[0]:.2f} < first <= {cuts[1]:.2f}",
                 f"{cuts[1]:.2f} < first <= {cuts[2]:.2f}", f"first > {cuts[2]:.2f}"]
        self.assertIn(forms[np.searchsorted(cuts, cases.ROWS[5, 0])], rules)


class Behaviour(unittest.TestCase):
    def explainer(self, **arguments):
        return lime_tabular.LimeTabularExplainer(cases.ROWS, **arguments)

    def test_the_same_call_gives_the_same_bits(self):
        a, b = (cases.table(lime_tabular, 3).as_list(1) for _ in range(2))
        self.assertEqual(a, b)
        self.assertNotEqual(a, cases.table(lime_tabular, 4).as_list(1))

    def test_several_labels_ask_once(self):
        asked = []

        def said(x):
            asked.append(len(x))
            p = np.exp(x[:, :3])
            return p / p.sum(1, keepdims=True)
        exp = self.explainer().explain_instance(cases.ROWS[0], said, top_labels=3, num_samples=500)
        self.assertEqual(sum(asked), 501)
        self.assertEqual(sorted(exp.local_exp), [0, 1, 2])
        self.assertEqual(exp.document.target["id"], exp.top_labels[0])
        self.assertEqual(exp.top_labels, list(np.argsort(said(cases.ROWS[:1])[0])[::-1]))

    def test_regression(self):
        exp = self.explainer(mode="regression", discretize_continuous=False).explain_instance(
            cases.ROWS[0], lambda x: 3 * x[:, 0] - x[:, 3], num_samples=2000)
        weights = dict(exp.local_exp[1])
        self.assertAlmostEqual(weights[0], 3 * cases.ROWS[:, 0].std(), 1)
        self.assertAlmostEqual(weights[3], -cases.ROWS[:, 3].std(), 1)
        self.assertEqual(dict(exp.local_exp[0])[0], -weights[0])

    def test_entropy_cuts_where_labels_change(self):
        labels = (cases.ROWS[:, 0] > 0.3).astype(int)
        exp = self.explainer(discretizer="entropy", training_labels=labels, feature_names=list("abcd")).explain_instance(
            cases.ROWS[0], lambda x: np.c_[x[:, 0] <= 0.3, x[:, 0] > 0.3].astype(float), num_samples=500)
        self.assertRegex(exp.as_list(1)[0][0], r"a (<=|>) 0\.3|0\.\d+ < a")

    def test_what_predictors_do_wrong(self):
        explain = self.explainer().explain_instance
        row = cases.ROWS[0]

        def raises(x):
            if len(x) > 1:
                raise KeyError("mine")
            return np.array([[0.5, 0.5]])
        with self.assertRaisesRegex(KeyError, "mine"):
            explain(row, raises)
        with self.assertRaisesRegex(glim.NumericError, "NaN"):
            explain(row, lambda x: np.full((len(x), 2), 0.5 if len(x) == 1 else np.nan))
        with self.assertRaisesRegex(glim.UsageError, "shape"):
            explain(row, lambda x: np.ones((1, 2)) / 2)
        with self.assertRaisesRegex(glim.FormatError, "sum to"):
            explain(row, lambda x: np.full((len(x), 2), 0.9))
        with self.assertRaisesRegex(glim.UsageError, "regression"):
            explain(row, lambda x: x[:, :1])
        self.assertEqual(len(explain(row, cases.rows_said, num_samples=300).as_list(1)), 4)  # and it goes on

    def test_what_arguments_cannot_mean(self):
        for bad in ({"kernel": lambda d, w: d}, {"mode": "ranking"}, {"discretizer": "thirds"},
                    {"feature_selection": "best"}, {"categorical_features": [9]}, {"feature_names": ["a"]},
                    {"discretizer": "entropy"}):
            with self.assertRaises(glim.UsageError, msg=str(bad)):
                self.explainer(**bad)
        explain = self.explainer().explain_instance
        for bad in ({"labels": (5,)}, {"distance_metric": "cosine"}, {"model_regressor": object()}):
            with self.assertRaises(glim.UsageError, msg=str(bad)):
                explain(cases.ROWS[0], cases.rows_said, **bad)
        with self.assertRaises(glim.UsageError):
            explain(cases.ROWS[0, :2], cases.rows_said)


if __name__ == "__main__":
    unittest.main()
