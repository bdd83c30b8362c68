#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Coalitions beside shap and lime.

    bench/coalitions.py [--threads N] [--cpu]

Kernel SHAP of a row: 12 columns, 2,048 coalitions, 100 background rows, three classes; once what is
spent outside the model (bench_coalitions), once all of it, where glim is a whole process; the peer
is shap.KernelExplainer over NumPy. LIME of a text of 100 words: all-MiniLM-L6-v2 with a fitted
head, 1,000 samples with words deleted, a whole process of glim; the peer is lime over PyTorch,
whose batches are as good as they get: by length, the best of some sizes. --cpu counts processor time, which a busy machine disturbs less. Needs
bench/requirements.txt and build/release/src/cli/glim.
"""
import argparse
import csv
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

PARSER = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
PARSER.add_argument("--threads", type=int, default=2)
PARSER.add_argument("--cpu", action="store_true", help="processor time instead of the clock's")
GIVEN = PARSER.parse_args()
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = str(GIVEN.threads)
os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")

import numpy as np  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent
GLIM = str(ROOT / "build/release/src/cli/glim")
BENCH = str(ROOT / "build/release/bench/bench_coalitions")
RUNS = 3
WORDS = ("the old bridge had been closed since the flood and the people of the valley went the long way "
         "round by the mill where a girl counted the carts that passed").split()


def cache_dir():
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return pathlib.Path(os.environ.get("GLIM_CACHE") or f"{base}/glim").expanduser()


def clock(children=False):
    if not GIVEN.cpu:
        return time.perf_counter()
    return resource.getrusage(resource.RUSAGE_CHILDREN if children else resource.RUSAGE_SELF).ru_utime


def best(fn, children=False, runs=RUNS):
    times = []
    for _ in range(runs):
        start = clock(children)
        fn()
        times.append(clock(children) - start)
    return min(times)


def glim(*args):
    run = subprocess.run([GLIM, *map(str, args), "--threads", str(GIVEN.threads)], check=True,
                         capture_output=True)
    return run.stdout


def write_csv(path, header, rows):
    with open(path, "w", newline="", encoding="utf-8") as f:
        csv.writer(f).writerows([header, *rows])


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def head_of(path):
    m = json.loads(path.read_text())
    w, b, mean, scale = (np.array(m[k]) for k in ("weights", "bias", "mean", "scale"))
    if len(w) == 1:
        w, b = np.concatenate([0 * w, w]), np.concatenate([0 * b, b])
    return lambda x: softmax((x - mean) / scale @ w.T + b)


def kernel_shap(folder):
    import shap
    rng = np.random.default_rng(3)
    x = rng.normal(size=(100, 12))
    y = np.argmax(x @ rng.normal(size=(12, 3)) + rng.normal(size=(100, 3)), axis=1)
    table, fit = folder / "rows.csv", folder / "rows.fit"
    write_csv(table, [f"c{i}" for i in range(12)] + ["y"],
              [[*map(repr, map(float, row)), f"k{k}"] for row, k in zip(x, y)])
    glim("fit", "--data", table, "--label", "y", "--held-out", 0, "-o", fit)
    f, inside = head_of(fit), [0.0]
    k = int(f(x[:1]).argmax())

    def model(rows):
        start = clock()
        out = f(rows)[:, k]
        inside[0] += clock() - start
        return out
    explainer = shap.KernelExplainer(model, x)

    def peer():
        inside[0] = 0.0
        start = clock()
        explainer.shap_values(x[:1], nsamples=2048, l1_reg=False, silent=True)
        times.append((clock() - start - inside[0], clock() - start))
    times = []
    for _ in range(RUNS + 1):
        peer()
    out = subprocess.run([BENCH, "cpu" if GIVEN.cpu else "wall"], check=True, capture_output=True)
    outside = json.loads(out.stdout)["kernel_shap"]
    whole = best(lambda: glim("explain", "--predictor", f"fit:{fit}", "--table", table, "--row", 1,
                              "--method", "kernel-shap", "--n-samples", 2000, "--absent", "resample",
                              "--output", "prob", "--json"), children=True)
    work = "Kernel SHAP of a row, 2,048 coalitions, 100 background rows"
    show(f"{work}: outside the model", outside, "shap", min(t[0] for t in times))
    show(f"{work}: a whole process", whole, "shap, the call", min(t[1] for t in times))


def torch_classifier(path, head):
    import torch
    import transformers
    torch.set_num_threads(GIVEN.threads)
    transformers.logging.set_verbosity_error()
    tokenizer = transformers.AutoTokenizer.from_pretrained(path)
    model = transformers.AutoModel.from_pretrained(path, dtype=torch.float32).eval()

    def classify(texts, size):
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        pooled = np.zeros((len(texts), model.config.hidden_size))
        with torch.inference_mode():
            for i in range(0, len(order), size):
                at = order[i:i + size]
                batch = tokenizer([texts[k] for k in at], padding=True, return_tensors="pt")
                rows = model(**batch).last_hidden_state
                mask = batch["attention_mask"].unsqueeze(-1).float()
                pooled[at] = ((rows * mask).sum(1) / mask.sum(1)).numpy()
        return head(pooled)
    return classify


def lime_text(folder):
    from lime.lime_text import LimeTextExplainer
    path, data, fit = cache_dir() / "all-MiniLM-L6-v2", folder / "texts.csv", folder / "texts.fit"
    text = " ".join(WORDS[(i * 7 + i // 5) % len(WORDS)] for i in range(100))
    write_csv(data, ["text", "y"],
              [[" ".join(WORDS[(i * 5 + k) % len(WORDS)] for k in range(6)), "ab"[i % 2]]
               for i in range(40)])
    glim("fit", "-m", path, "--data", data, "--text", "text", "--label", "y", "--held-out", 0,
         "--strength", 1, "-o", fit)
    classify = torch_classifier(path, head_of(fit))
    times = {}
    for size in (16, 64):
        explainer = LimeTextExplainer(bow=False, random_state=1)
        times[size] = best(lambda size=size, explainer=explainer: explainer.explain_instance(
            text, lambda texts: classify(texts, size), num_samples=1000, num_features=10) and None)
    mine = best(lambda: glim("explain", "--predictor", f"fit:{fit}", "-m", path, "--method", "lime",
                             "--num-samples", 1000, "--absent", "delete", "--units", "word", "--json",
                             text), children=True)
    show("LIME of 100 words, MiniLM, 1,000 samples", mine, "lime, PyTorch", min(times.values()))


def show(what, mine, peer, other):
    print(f"| {what} | {mine * 1e3:.1f} ms | {peer} | {other * 1e3:.1f} ms | **{other / mine:.2f}** |",
          flush=True)


def main():
    print("**Coalitions**\n\n| work | glim | peer | needs | ratio |\n|---|--:|---|--:|--:|")
    with tempfile.TemporaryDirectory() as name:
        kernel_shap(pathlib.Path(name))
        lime_text(pathlib.Path(name))
    return 0


if __name__ == "__main__":
    sys.exit(main())
