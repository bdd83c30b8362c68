#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Probes beside transformers and scikit-learn: all layers of many sentences, and a layer's fits.

    bench/probe.py [THREADS [SENTENCES]]

Needs transformers, PyTorch and scikit-learn, build/release/bench/bench_probe, and what
scripts/fetch has of smollm2 and reviews. transformers runs in float32 with output_hidden_states,
sentences sorted by length, 32 at a time, and keeps the last token of each layer. scikit-learn's
LogisticRegressionCV gets the same rows, folds and strengths, standardised; one of the five outer
folds is measured and counted five times. Seconds are those of processors; the two passes take turns,
three times, and of each the least counts, since a busy machine slows whoever is running.
"""
import csv
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import warnings

THREADS = sys.argv[1] if len(sys.argv) > 1 else "1"
SENTENCES = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
ROUNDS = 3
os.environ.update(OMP_NUM_THREADS=THREADS, OPENBLAS_NUM_THREADS=THREADS, MKL_NUM_THREADS=THREADS,
                  TOKENIZERS_PARALLELISM="false")

import numpy as np  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = pathlib.Path(os.environ.get("GLIM_CACHE") or pathlib.Path(
    os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "glim")
MODEL = CACHE / "SmolLM2-135M-Instruct.Q4_1.gguf"


def sentences(n):
    """The first sentence of each of n reviews, as far as 200 characters."""
    with open(CACHE / "reviews/train.csv", encoding="utf-8", newline="") as f:
        for row in list(csv.DictReader(f))[:n]:
            text = re.sub(r"<[^>]*>|\s+", " ", row["review"]).strip()
            yield re.split(r"(?<=[.!?]) ", text)[0][:200], row["mood"]


def clocked(fn):
    wall, used = time.perf_counter(), time.process_time()
    out = fn()
    return time.perf_counter() - wall, time.process_time() - used, out


def hidden_states(texts):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    torch.set_num_threads(int(THREADS))
    tok = AutoTokenizer.from_pretrained(MODEL.parent, gguf_file=MODEL.name)
    model = AutoModelForCausalLM.from_pretrained(MODEL.parent, gguf_file=MODEL.name, dtype=torch.float32).eval()
    ids = sorted((tok(t)["input_ids"] for t in texts), key=len)

    def run():
        kept = []
        for at in range(0, len(ids), 32):
            batch = ids[at:at + 32]
            most = max(map(len, batch))
            x = torch.tensor([i + [0] * (most - len(i)) for i in batch])
            mask = torch.tensor([[1] * len(i) + [0] * (most - len(i)) for i in batch])
            last = torch.tensor([len(i) - 1 for i in batch])
            with torch.no_grad():
                # The head is not asked: glim asks it for nothing either.
                out = model.model(input_ids=x, attention_mask=mask, output_hidden_states=True, use_cache=False)
            kept.append(torch.stack([h[torch.arange(len(batch)), last] for h in out.hidden_states]))
        return torch.cat(kept, 1).shape
    run()
    return run


def outer_fold(folder):
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.preprocessing import StandardScaler
    x = np.load(folder / "x.npy").astype(np.float64)
    y, fold = np.load(folder / "y.npy").astype(int)
    x = StandardScaler().fit(x[fold != 0]).transform(x)

    def run():
        model = LogisticRegressionCV(Cs=[10.0 ** k for k in range(-4, 5)], cv=5, scoring="neg_log_loss",
                                     l1_ratios=(0,), use_legacy_attributes=False, max_iter=1000)
        model.fit(x[fold != 0], y[fold != 0])
        return model.score(x[fold == 0], y[fold == 0])
    return clocked(run)


def main():
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        rows = list(sentences(SENTENCES))
        with open(folder / "texts.csv", "w", encoding="utf-8", newline="") as f:
            csv.writer(f).writerows([("text", "label"), *rows])
        def own(where, *more):
            out = subprocess.run([ROOT / "build/release/bench/bench_probe", THREADS, where, *more], check=True,
                                 capture_output=True, text=True).stdout
            return float(re.search(r"(\S+) s of processors", out).group(1))

        print(f"**Probes, {THREADS} thread{'s' * (THREADS != '1')}**\n")
        print("| what | glim | peer | | ratio |\n|---|--:|---|--:|--:|")
        run = hidden_states([t for t, _ in rows])
        passes = [(own("-", MODEL, folder / "texts.csv"), clocked(run)) for _ in range(ROUNDS)]
        mine, other = min(p[0] for p in passes), min(p[1][1] for p in passes)
        shape = passes[0][1][2]
        print(f"| all {shape[0]} layers of {shape[1]} sentences | {mine:.2f} s | transformers | {other:.2f} s "
              f"| **{other / mine:.2f}** |", flush=True)
        mine = own(folder)
        _, used, score = outer_fold(folder)
        print(f"| a layer's fits, 10,000 × 576 | {mine:.2f} s | scikit-learn | {5 * used:.2f} s | **{5 * used / mine:.1f}** |")
        print(f"scikit-learn scores {score:.5f} on the first fold", file=sys.stderr)


if __name__ == "__main__":
    main()
