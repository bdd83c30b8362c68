#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t-SNE beside openTSNE: digits as they are, and Fashion-MNIST behind 50 components.

    bench/map.py [THREADS [POINTS ...]]     1797, 20000 and 70000 unless told

Needs openTSNE 1.0.4, scikit-learn, build/release/bench/bench_map and, for more points than digits,
Debian's dataset-fashion-mnist. Both have their defaults, perplexity 30 and 750 iterations, neighbours
included. Seconds are those of processors, the least of the rounds, since a busy machine slows whoever
is running; the divergence is without exaggeration.
"""
import gzip
import pathlib
import resource
import subprocess
import sys
import tempfile

import numpy as np
from openTSNE import TSNE
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

ROOT = pathlib.Path(__file__).resolve().parent.parent
IMAGES = pathlib.Path("/usr/share/datasets/fashion-mnist")
THREADS = int(sys.argv[1]) if len(sys.argv) > 1 else 2
SIZES = [int(n) for n in sys.argv[2:]] or [1797, 20000, 70000]


def images():
    parts = [gzip.open(IMAGES / f"{name}-images-idx3-ubyte.gz").read() for name in ("train", "t10k")]
    x = np.concatenate([np.frombuffer(p, np.uint8, offset=16).reshape(-1, 784) for p in parts])
    return PCA(50, svd_solver="randomized", random_state=1).fit_transform(x.astype(np.float32) / 255)


def own(x):
    with tempfile.TemporaryDirectory() as where:
        path = pathlib.Path(where) / "x"
        np.ascontiguousarray(x, dtype="<f4").tofile(path)
        out = subprocess.run([ROOT / "build/release/bench/bench_map", path, *map(str, x.shape), str(THREADS)],
                             capture_output=True, text=True, check=True).stdout.split()
    return float(out[1]), float(out[2])


def peer(x):
    began = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    made = TSNE(n_jobs=THREADS, random_state=1).fit(np.asarray(x, dtype=float))
    return resource.getrusage(resource.RUSAGE_SELF).ru_utime - began, made.kl_divergence


def main():
    large = images() if max(SIZES) > 1797 else None
    for n in SIZES:
        x = load_digits().data if n <= 1797 else large[:n]
        runs = [(own(x), peer(x)) for _ in range(3 if n <= 1797 else 1)]
        (a, kl), (b, other) = (min(r[k] for r in runs) for k in (0, 1))
        print(f"{len(x)} x {x.shape[1]}: glim {a:.1f} s, KL {kl:.4f}; openTSNE {b:.1f} s, KL {other:.4f}; "
              f"{b / a:.1f} x", flush=True)


if __name__ == "__main__":
    main()
