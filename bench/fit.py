#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Logistic fits of glim and of scikit-learn on the same data, to the same tolerance.

    bench/fit.py [THREADS]

Needs scikit-learn beside NumPy, and build/release/bench/bench_fit. Both standardise,
and stop when the largest slope of the mean loss is below the tolerance: 1e-4 is where
scikit-learn stops by itself, 1e-7 well behind. scikit-learn is asked in float64, as
it computes by itself, and at 1e-4 in float32, too. Times mean something on a machine
that does nothing else: the threads of its linear algebra spin.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import warnings

THREADS = sys.argv[1] if len(sys.argv) > 1 else "2"
os.environ.update(OMP_NUM_THREADS=THREADS, OPENBLAS_NUM_THREADS=THREADS)

import numpy as np  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

BENCH = pathlib.Path(__file__).resolve().parent.parent / "build/release/bench/bench_fit"
RUNS = 3


def peer(x, y, tolerance):
    best = None
    for _ in range(RUNS):
        start = time.perf_counter()
        model = LogisticRegression(C=1.0, tol=tolerance, max_iter=10000)
        make_pipeline(StandardScaler(), model).fit(x, y)
        took = time.perf_counter() - start
        best = took if best is None else min(best, took)
    return best, int(model.n_iter_[0])


def main():
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        out = subprocess.run([BENCH, THREADS, folder], check=True, capture_output=True, text=True)
        print("**Logistic fit, 10,000 rows of 576 columns**\n")
        print("| classes | tolerance | glim | iterations | scikit-learn | iterations | in | ratio |")
        print("|--:|--:|--:|--:|--:|--:|---|--:|")
        for line in out.stdout.splitlines():
            found = re.match(r"fit: +(\d+) classes, tolerance (\S+): (\S+) s, (\S+) s of .*, (\d+) iter",
                             line)
            classes, tolerance, seconds, _, steps = found.groups()
            x = np.load(f"{folder}/x{classes}.npy").astype(np.float64)
            y = np.load(f"{folder}/y{classes}.npy").astype(int)
            for kind in ("float64", "float32")[:2 if float(tolerance) > 1e-6 else 1]:
                other, n = peer(x.astype(kind), y, float(tolerance))
                print(f"| {classes} | {tolerance} | {seconds} s | {steps} | {other:.3f} s | {n} | "
                      f"{kind} | **{other / float(seconds):.2f}** |", flush=True)


if __name__ == "__main__":
    main()
