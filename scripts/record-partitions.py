#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Record what shap's Partition explainer makes of games over a tree that halves its
features (tests/golden/partitions.json).

Needs shap 0.51 (pip install shap); run by hand.
"""
import json
import pathlib

import numpy as np
import shap

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests/golden/partitions.json"


def halves(d):
    """The tree as a linkage: the first half of n features has n // 2."""
    rows = []

    def node(first, end):
        if end - first == 1:
            return first
        middle = first + (end - first) // 2
        left, right = node(first, middle), node(middle, end)
        rows.append([left, right, 1.0, end - first])
        return d + len(rows) - 1
    node(0, d)
    return np.array(rows, dtype=float)


def game(rng, d):
    return [[sorted(rng.permutation(d)[:rng.integers(1, 4)].tolist()), float(rng.normal())]
            for _ in range(3 * d)]


def value(terms, z):
    return sum(c for at, c in terms if all(z[i] for i in at))


def case(rng, d, context):
    terms = game(rng, d)
    masker = shap.maskers.Partition(np.zeros((1, d)), clustering=halves(d))
    explainer = shap.explainers.Partition(
        lambda rows: np.array([value(terms, row) for row in rows]), masker)
    found = explainer(np.ones((1, d)), max_evals=4 ** d, fixed_context=context, silent=True)
    return {"terms": terms, "context": "none" if context is None else str(context),
            "values": np.asarray(found.values[0], dtype=float).ravel().tolist()}


def main():
    rng = np.random.default_rng(11)
    found = [case(rng, d, context) for d in (4, 7, 11) for context in (None, 0, 1)]
    OUT.write_text(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
