#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""LIME of glim and of lime 0.2.0.1, both with a predictor that costs next to nothing.

    bench/lime-peer.py

Needs lime beside NumPy, and build/release/bench/bench_lime. Processor seconds of one
thread, 5,000 samples: what LIME itself takes. lime's explainer of tables is made anew each
time, as glim learns the table anew.
"""
import os
import pathlib
import resource
import subprocess
import warnings

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import numpy as np  # noqa: E402
from lime.lime_tabular import LimeTabularExplainer  # noqa: E402
from lime.lime_text import LimeTextExplainer  # noqa: E402

BENCH = pathlib.Path(__file__).resolve().parent.parent / "build/release/bench/bench_lime"
RUNS = 10
TITLES = {"text": "text of 100 words", "bins": "row of {} columns, quartiles",
          "numbers": "row of {} columns, without bins"}


def mean(work):
    work()
    start = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    for _ in range(RUNS):
        work()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_utime - start) / RUNS


def peer_text(most):
    text = " ".join(f"word{i}" for i in range(100))

    def predict(texts):
        p = np.fromiter(map(len, texts), float) / 2000
        return np.stack([1 - p, p], axis=1)
    explainer = LimeTextExplainer(random_state=1)
    return mean(lambda: explainer.explain_instance(text, predict, num_features=most,
                                                   num_samples=5000))


def peer_row(columns, bins, most):
    rng = np.random.default_rng(1)
    x, w = rng.normal(size=(1000, columns)), rng.normal(size=columns)

    def predict(rows):
        p = 1 / (1 + np.exp(-rows @ w))
        return np.stack([1 - p, p], axis=1)
    return mean(lambda: LimeTabularExplainer(x, random_state=1, discretize_continuous=bins)
                .explain_instance(x[3], predict, num_features=most, num_samples=5000))


def main():
    warnings.simplefilter("ignore")
    out = subprocess.run([BENCH], check=True, capture_output=True, text=True)
    print("**LIME beside its predictor, 5,000 samples**\n")
    print("| what | features | glim | lime 0.2.0.1 | ratio |\n|---|--:|--:|--:|--:|")
    for line in out.stdout.splitlines():
        name, most, seconds = line.split()
        kind = name.rstrip("0123456789")
        columns = int(name[len(kind):] or 0)
        other = peer_text(int(most)) if kind == "text" else \
            peer_row(columns, kind == "bins", int(most))
        print(f"| {TITLES[kind].format(columns)} | {most} | {1e3 * float(seconds):.1f} ms | "
              f"{1e3 * other:.0f} ms | **{other / float(seconds):.1f}** |", flush=True)


if __name__ == "__main__":
    main()
