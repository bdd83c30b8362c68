#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Record what scikit-learn's probes say on made-up rows, for tests/structure/test_probe_fit.c.

    scripts/record-probes.py      writes tests/golden/probe/*.json

Needs scikit-learn 1.9. Rows are standardised by those that are fitted. The online code (Voita,
Titov 2020) sends groups in the order of glim's own shuffle, so its random numbers are made
here, too.
"""
import json
import math
import pathlib

import numpy as np
import sklearn
from sklearn.linear_model import LogisticRegression, Ridge

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests/golden/probe"
ENDS = [0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.0625, 0.125, 0.25, 0.5, 1]
SEED = 7


def philox(seed, sample, position):
    """The first 64 bits of Philox 4x32-10."""
    mask = 0xFFFFFFFF
    c = [sample & mask, sample >> 32, position & mask, position >> 32]
    k = [seed & mask, seed >> 32]
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [b >> 32 ^ c[1] ^ k[0], b & mask, a >> 32 ^ c[3] ^ k[1], a & mask]
        k = [(k[0] + 0x9E3779B9) & mask, (k[1] + 0xBB67AE85) & mask]
    return c[1] << 32 | c[0]


def shuffled(n, stream):
    order = list(range(n))
    for i in range(n, 1, -1):
        k = philox(SEED, stream, i) * i >> 64
        order[i - 1], order[k] = order[k], order[i - 1]
    return order


def make(seed, rows, width, classes):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, width)) * [1, 5, 0.2, 1, 3, 1] + [0, 20, 1, 0, -4, 0]
    x = np.round(x, 3).astype(np.float32)
    z = (x - x.mean(0)) / x.std(0)
    if classes:
        return x, (1.5 * z @ rng.normal(size=(width, classes)) + rng.gumbel(size=(rows, classes))).argmax(1)
    return x, np.round(z @ rng.normal(size=width) + rng.normal(size=rows) + 3, 4)


def fitted(x, y, classes, strength):
    """A function from rows to log-probabilities of all classes (-inf: not seen) or numbers."""
    mean, scale = x.mean(0, dtype=float), x.std(0, dtype=float)
    scale[scale == 0] = 1
    turn = lambda rows: (rows - mean) / scale  # noqa: E731
    if not classes:
        model = Ridge(alpha=strength, solver="cholesky").fit(turn(x), y)
        return lambda rows: model.predict(turn(rows))
    seen = np.unique(y)
    if len(seen) == 1:
        return lambda rows: np.where(np.arange(classes) == seen[0], 0.0, -np.inf)[None].repeat(len(rows), 0)
    # Of more than two classes glim's weights are a row a class, also while two were seen.
    c = 1 / strength if classes == 2 or len(seen) > 2 else 2 / strength
    model = LogisticRegression(C=c, tol=1e-12, max_iter=100000, solver="newton-cholesky").fit(turn(x), y)

    def say(rows):
        out = np.full((len(rows), classes), -np.inf)
        z = model.decision_function(turn(rows))  # whose probabilities may be 0 in double
        z = np.stack([0 * z, z], 1) if z.ndim == 1 else z
        z = z - z.max(1, keepdims=True)
        out[:, seen] = z - np.log(np.exp(z).sum(1, keepdims=True))
        return out
    return say


def code(x, y, group, classes, strength):
    order = shuffled(group.max() + 1, 0x636F6465)
    rows = np.concatenate([np.flatnonzero(group == g) for g in order])
    n, sent, bits, pieces = len(y), 0, 0.0, []
    for end in ENDS:
        to = min(n, math.ceil(end * n - 1e-9))
        while to < n and group[rows[to - 1]] == group[rows[to]]:
            to += 1
        if to <= sent:
            continue
        own, new = rows[:sent], rows[sent:to]
        p = np.exp(fitted(x[own], y[own], classes, strength)(x[new])) if sent else np.zeros((to, classes))
        bits -= np.log2((sent * p[np.arange(len(new)), y[new]] + 1 / classes) / (sent + 1)).sum()
        pieces.append(to)
        sent = to
    return bits, pieces


def main():
    OUT.mkdir(exist_ok=True)
    for name, classes, strength in (("two", 2, 1.0), ("three", 3, 0.3), ("numbers", 0, 2.0)):
        x, y = make(len(name), 240, 6, classes)
        group = np.arange(240) // 2
        train, test = np.arange(160), np.arange(160, 240)
        said = fitted(x[train], y[train], classes, strength)(x[test])
        case = {"made_with": f"scikit-learn {sklearn.__version__}", "classes": classes, "strength": strength,
                "seed": SEED, "train": 160, "x": [[round(float(v), 3) for v in r] for r in x], "y": y.tolist(),
                "said": np.asarray(said).reshape(len(test), -1).tolist()}
        if classes:
            case["bits"], case["pieces"] = code(x, y, group, classes, strength)
        (OUT / f"{name}.json").write_text(json.dumps(case) + "\n")


if __name__ == "__main__":
    main()
