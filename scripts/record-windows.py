#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Record what Captum's Occlusion and FeatureAblation make of games
(tests/golden/windows.json).

Needs captum 0.9 (pip install captum); run by hand.
"""
import json
import pathlib

import numpy as np
import torch
from captum.attr import FeatureAblation, Occlusion

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests/golden/windows.json"


def game(rng, d):
    return [[sorted(rng.permutation(d)[:rng.integers(1, 4)].tolist()), float(rng.normal())]
            for _ in range(3 * d)]


def case(rng, d, window, stride):
    terms = game(rng, d)

    def f(rows):
        return torch.stack([sum(c * row[at].prod() for at, c in terms) for row in rows])
    x = torch.ones(1, d, dtype=torch.float64)
    if window == 1 and stride == 1:
        found = FeatureAblation(f).attribute(x)
    else:
        found = Occlusion(f).attribute(x, (window,), strides=stride)
    return {"terms": terms, "window": window, "stride": stride, "values": found[0].tolist()}


def main():
    rng = np.random.default_rng(8)
    shapes = [(7, 1, 1), (9, 3, 1), (11, 4, 2), (12, 5, 3), (10, 2, 2)]
    OUT.write_text(json.dumps([case(rng, *shape) for shape in shapes]) + "\n")


if __name__ == "__main__":
    main()
