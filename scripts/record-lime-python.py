#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What lime 0.2.0.1 says on the inputs of tests/python/test_lime.py, over 20 seeds: mean and
standard deviation of each weight, intercept and score.

usage: record-lime-python.py > tests/golden/lime-python.json   (needs numpy, scikit-image, lime)
"""
import json
import pathlib
import sys

import numpy as np
from lime import lime_image, lime_tabular, lime_text

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests/python"))
import lime_cases as cases  # noqa: E402

SEEDS = 20


def told(make, label):
    runs = [make(seed) for seed in range(SEEDS)]
    weights = [dict(run.local_exp[label]) for run in runs]
    features = sorted({int(f) for w in weights for f in w})
    table = np.array([[w.get(f, 0.0) for f in features] for w in weights])
    numbers = np.array([[run.intercept[label], run.score, float(np.ravel(run.local_pred)[0])] for run in runs])
    return {"features": features, "mean": table.mean(0).tolist(), "sd": table.std(0, ddof=1).tolist(),
            "numbers": numbers.mean(0).tolist(), "numbers_sd": numbers.std(0, ddof=1).tolist()}


def plain(x):
    if isinstance(x, dict):
        return {str(k): plain(v) for k, v in x.items()}
    if isinstance(x, (list, tuple)):
        return [plain(v) for v in x]
    return x.item() if isinstance(x, np.generic) else x


def main():
    out = {}
    for name, arguments in cases.TABLES.items():
        out[name] = told(lambda seed: cases.table(lime_tabular, seed, **arguments), 1)
    for name, arguments in cases.TEXTS.items():
        out[name] = told(lambda seed: cases.text(lime_text, seed, **arguments), 1)
    out["picture"] = told(lambda seed: cases.picture(lime_image, seed, segmentation_fn=lambda _: cases.squares()), 0)
    print(json.dumps(plain(out), indent=1))


main()
