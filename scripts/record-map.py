#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records what others make of 300 digits, for tests/reduce: openTSNE's map, its divergence and its
place for a point left out, scikit-learn's trustworthiness of it, NumPy's components.

    record-map.py tests/golden/map    (openTSNE 1.0.4, scikit-learn, safetensors)
"""
import pathlib
import sys

import numpy as np
from openTSNE import TSNE, affinity, initialization
from safetensors.numpy import save_file
from scipy.spatial import procrustes
from scipy.stats import spearmanr
from scipy.spatial.distance import pdist
from sklearn.datasets import load_digits
from sklearn.manifold import trustworthiness
from sklearn.metrics import silhouette_score
from sklearn.neighbors import NearestNeighbors


def near(x, k):
    return NearestNeighbors(n_neighbors=k + 1).fit(x).kneighbors(x)[1][:, 1:]


def main():
    x, y = load_digits(return_X_y=True)
    x, y = x[:300].astype(np.float32), y[:300]
    exact = x.astype(np.float64)
    p = affinity.PerplexityBasedNN(exact, perplexity=30, method="exact", n_jobs=2)
    start = initialization.pca(exact, random_state=1)
    run = TSNE(negative_gradient_method="bh", theta=0.1, random_state=1, n_jobs=2)
    made = run.fit(affinities=p, initialization=start)
    xy = np.asarray(made, dtype=np.float32)
    centred = exact - exact.mean(0)
    _, s, v = np.linalg.svd(centred, full_matrices=False)
    sign = np.sign(v[np.arange(len(v)), np.abs(v).argmax(1)])
    a, b = near(exact, 10), near(xy, 10)
    recall = np.mean([len(set(i) & set(j)) / 10 for i, j in zip(a, b)])
    other = xy[:, ::-1] * [1.5, 0.5] + 3
    numbers = [made.kl_divergence, recall, trustworthiness(exact, xy, n_neighbors=10),
               trustworthiness(xy, exact, n_neighbors=10), silhouette_score(exact, y),
               silhouette_score(xy, y), procrustes(xy, other)[2],
               spearmanr(pdist(exact), pdist(xy))[0]]
    save_file({"x": x, "label": y.astype(np.int64), "xy": xy,
               "start": np.asarray(start, dtype=np.float32),
               "components": np.ascontiguousarray((v * sign[:, None])[:5], dtype=np.float32),
               "explained": (s ** 2 / (s ** 2).sum())[:5].astype(np.float32),
               "numbers": np.array(numbers, dtype=np.float32)},
              pathlib.Path(sys.argv[1]) / "digits-300.safetensors")


if __name__ == "__main__":
    main()
