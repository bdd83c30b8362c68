#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Record what lime and shap make of given coalitions (tests/golden/coalitions.json).

Needs lime 0.2.0.1 and shap 0.51 (pip install lime shap); run by hand.
"""
import json
import pathlib

import numpy as np
import shap
from lime.lime_base import LimeBase

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests/golden/coalitions.json"


def lime_case(rng, n, d, noise):
    z = np.ones((n, d))
    for i in range(1, n):
        z[i, rng.permutation(d)[:rng.integers(1, d + 1)]] = 0
    true = rng.normal(size=d) * (rng.random(d) > 0.3)
    y = z @ true + 0.3 * z[:, 0] * z[:, 1] + noise * rng.normal(size=n)
    distance = 100 * (1 - np.sqrt(z.sum(axis=1) / d))
    width = 25
    base = LimeBase(lambda x: np.sqrt(np.exp(-(x ** 2) / width ** 2)))
    fits = []
    for how, most in (("forward_selection", 4), ("highest_weights", 5), ("lasso_path", 4),
                      ("lasso_path", 7), ("none", d)):
        intercept, pairs, score, predicted = base.explain_instance_with_data(
            z, np.stack([1 - y, y], axis=1), distance, 1, most, feature_selection=how)
        fits.append({"selection": how, "most": most, "intercept": intercept, "r2": score,
                     "predicted": float(predicted[0]),
                     "coefficients": sorted([int(i), float(c)] for i, c in pairs)})
    return {"z": ["".join(str(int(b)) for b in row) for row in z], "y": y.tolist(), "fits": fits}


def game(rng, d):
    """A function of coalitions with interactions, as the terms that it sums."""
    return [[sorted(rng.permutation(d)[:rng.integers(1, 4)].tolist()), float(rng.normal())]
            for _ in range(3 * d)]


def value(terms, z):
    return sum(c for at, c in terms if all(z[i] for i in at))


def shap_case(rng, d):
    terms = game(rng, d)
    f = lambda rows: np.array([value(terms, row) for row in rows])
    explainer = shap.KernelExplainer(f, np.zeros((1, d)))
    phi = explainer.shap_values(np.ones((1, d)), nsamples=2 ** d, l1_reg=False, silent=True)[0]
    return {"terms": terms, "values": np.asarray(phi).ravel().tolist()}


def main():
    rng = np.random.default_rng(5)
    found = {"lime": [lime_case(rng, 60, 9, 0.1), lime_case(rng, 200, 12, 0.5)],
             "shap": [shap_case(rng, d) for d in (3, 6, 9)]}
    OUT.write_text(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
