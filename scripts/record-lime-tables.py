#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Record what lime makes of tables (tests/golden/lime-tables.json).

Bins and their statistics as lime's discretizers cut them, fits of lime's own samples, and
what its submodular pick takes. Needs lime 0.2.0.1 (pip install lime); run by hand.
"""
import json
import pathlib

import numpy as np
from lime.discretize import DecileDiscretizer, EntropyDiscretizer, QuartileDiscretizer
from lime.lime_tabular import LimeTabularExplainer
from lime.submodular_pick import SubmodularPick
from sklearn.datasets import load_iris

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests/golden/lime-tables.json"
WAYS = {"quartile": QuartileDiscretizer, "decile": DecileDiscretizer, "entropy": EntropyDiscretizer}


def crooked(rng, n):
    """Columns with ties, a long tail, few values, huge numbers, and hardly any spread."""
    x = np.stack([rng.integers(0, 5, n), np.exp(2 * rng.normal(size=n)),
                  np.where(rng.random(n) < 0.8, 0, rng.normal(size=n)),
                  1e9 + rng.normal(size=n), 5 + 1e-6 * rng.normal(size=n),
                  rng.integers(0, 2, n)], axis=1).astype(float)
    y = (x[:, 0] > 2).astype(int) + (x[:, 1] > 2) + (rng.random(n) < 0.1)
    return x, y


def table_case(x, y):
    names = [f"c{i}" for i in range(x.shape[1])]
    found = {"columns": x.T.tolist(), "labels": y.tolist(), "ways": {}}
    for way, make in WAYS.items():
        d = make(x, [], names, labels=y, random_state=np.random.RandomState(0))
        bins = d.discretize(x)
        found["ways"][way] = [
            {"names": d.names[i], "means": [float(v) for v in d.means[i]],
             "deviations": [float(v) for v in d.stds[i]], "least": [float(v) for v in d.mins[i]],
             "most": [float(v) for v in d.maxs[i]],
             "counts": [int((bins[:, i] == b).sum()) for b in range(len(d.means[i]))]}
            for i in range(x.shape[1])]
    return found


def fit_case(x, row, categorical, **how):
    """Lime's own samples, and the coefficients that it finds on them."""
    explainer = LimeTabularExplainer(x, categorical_features=categorical, mode="regression",
                                     random_state=3, **how)
    seen = {}
    inner = explainer.base.explain_instance_with_data

    def watch(data, labels, distances, *rest, **more):
        seen.update(data=data, y=labels[:, 0], weights=explainer.base.kernel_fn(distances))
        return inner(data, labels, distances, *rest, **more)

    explainer.base.explain_instance_with_data = watch
    f = lambda rows: np.tanh(rows[:, 0] - 3) + 0.5 * rows[:, 1] * (rows[:, 2] > 1) - rows[:, -1] ** 2
    found = []
    for most in (3, 7):
        explainer.random_state.seed(5)
        e = explainer.explain_instance(x[row], f, num_features=most, num_samples=200)
        found.append({"most": most, "intercept": float(e.intercept[1]), "r2": float(e.score),
                      "predicted": float(e.local_pred[0]),
                      "coefficients": sorted([int(i), float(c)] for i, c in e.local_exp[1])})
    return {"x": seen["data"].tolist(), "y": seen["y"].tolist(),
            "weights": seen["weights"].tolist(), "fits": found}


class Told:
    """An explainer that tells what it is told, for the pick alone."""
    mode = "regression"

    def __init__(self, row):
        self.row = row

    def explain_instance(self, row, predict, **how):
        return Told(row)

    def as_list(self, label):
        return [(i, float(v)) for i, v in enumerate(self.row) if v]


def pick_case(rng, n, d, k):
    w = np.round(rng.normal(size=(n, d)), 3) * (rng.random((n, d)) < 0.25)
    pick = SubmodularPick(Told(None), w, None, method="full", num_exps_desired=k)
    return {"w": w.tolist(), "picks": [int(v) for v in pick.V]}


def main():
    rng = np.random.default_rng(5)
    iris = load_iris()
    x, y = crooked(rng, 120)
    found = {"tables": [table_case(iris.data, iris.target), table_case(x, y)],
             "fits": [fit_case(iris.data, 70, []), fit_case(iris.data, 10, [], discretizer="decile"),
                      fit_case(iris.data, 20, [], discretize_continuous=False),
                      fit_case(iris.data, 20, [], discretize_continuous=False,
                               sample_around_instance=True)],
             "picks": [pick_case(rng, 30, 12, 5), pick_case(rng, 40, 60, 8),
                       pick_case(rng, 3, 9, 5)]}
    OUT.write_text(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
