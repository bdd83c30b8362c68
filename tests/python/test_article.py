#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Two samples that introductions to explanation show, with only the import changed."""
import os
import pathlib
import tempfile
import unittest

import matplotlib
import numpy as np

matplotlib.use("Agg")
ROOT = pathlib.Path(__file__).resolve().parents[2]


class Samples(unittest.TestCase):
    def test_a_forest_by_lime(self):
        from sklearn.datasets import load_iris
        from sklearn.ensemble import RandomForestClassifier
        from sklearn.model_selection import train_test_split

        from glim import lime_tabular

        iris = load_iris()
        x_train, x_test, y_train, _ = train_test_split(iris.data, iris.target, test_size=0.2, random_state=42)
        model = RandomForestClassifier(n_estimators=50, random_state=42).fit(x_train, y_train)
        explainer = lime_tabular.LimeTabularExplainer(
            training_data=x_train, feature_names=iris.feature_names, class_names=iris.target_names,
            discretize_continuous=True)
        test_sample = x_test[0]
        exp = explainer.explain_instance(test_sample, model.predict_proba, num_features=10, top_labels=1)

        label = exp.available_labels()[0]
        self.assertEqual(label, model.predict([test_sample])[0])
        pairs = exp.as_list(label)
        self.assertEqual(len(pairs), 4)
        self.assertRegex(pairs[0][0], r"petal (length|width) \(cm\)")
        self.assertEqual([i for i, _ in exp.as_map()[label]], [
            next(i for i, name in enumerate(iris.feature_names) if name in rule) for rule, _ in pairs])
        np.testing.assert_array_equal(exp.predict_proba, model.predict_proba([test_sample])[0])
        self.assertTrue(0 < exp.score <= 1)
        total = exp.intercept[label] + sum(weight for _, weight in pairs)
        self.assertAlmostEqual(float(exp.local_pred[0]), total, 9)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "lime.html")
            exp.save_to_file(path)
            page = pathlib.Path(path).read_text(encoding="utf-8")
            self.assertEqual(page, exp.as_html())
        self.assertIn("petal width (cm)", page)
        self.assertNotIn("http://", page.replace("http://www.w3.org/", ""))

    def test_show_in_notebook(self):
        import sys
        import types

        import glim
        shown = []
        fake = types.ModuleType("IPython.display")
        fake.HTML, fake.display = str, shown.append
        explainer = glim.lime_tabular.LimeTabularExplainer(np.random.RandomState(0).randn(50, 3))
        exp = explainer.explain_instance(np.zeros(3), lambda x: np.c_[x[:, 0] > 0, x[:, 0] <= 0].astype(float),
                                         num_samples=200)
        before = {name: sys.modules.get(name) for name in ("IPython", "IPython.display")}
        sys.modules["IPython"] = sys.modules.get("IPython") or types.ModuleType("IPython")
        sys.modules["IPython.display"] = fake
        try:
            exp.show_in_notebook(show_table=True)
        finally:
            for name, module in before.items():
                sys.modules.pop(name) if module is None else sys.modules.__setitem__(name, module)
        self.assertIn("<iframe sandbox=", shown[0])

    def test_attention_by_seaborn(self):
        import seaborn as sns

        import glim
        model = glim.Model(ROOT / "tests/golden/models/llama.gguf")
        text = "Hello small world"
        attention_weights = model(text)[0]
        axes = sns.heatmap(attention_weights, cmap="viridis", xticklabels=[t.text for t in model.tokenize(text)])
        self.assertEqual(attention_weights.shape, (len(model.tokenize(text)),) * 2)
        np.testing.assert_allclose(axes.collections[0].get_array().reshape(attention_weights.shape),
                                   attention_weights)


if __name__ == "__main__":
    unittest.main()
