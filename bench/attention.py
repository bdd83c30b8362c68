#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Attention rollout beside NumPy over transformers' patterns, on the same weights.

    bench/.venv/bin/python bench/attention.py [--tokens N...] [--json FILE]

Both sides are processes of their own on one thread, from the shell to the scores of the
last position, and what counts is their user time (other work on the machine does not
show in it); `processor` adds what the kernel spends on their memory. The peer asks for eager attention with `output_attentions`, takes the mean
over heads and multiplies layers as the paper does; `row` is the same with one row only,
which few write but NumPy can as well. Loading is measured apart and taken off both.
"""
import argparse
import json
import os
import pathlib
import resource
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
GLIM = ROOT / "build/release/src/cli/glim"
sys.path.insert(0, str(ROOT / "bench"))
from peers import TEXT, path_of  # noqa: E402


def text_of(tokens):
    """Whole words of TEXT that are at most so many tokens, and their ids."""
    words = (TEXT * (tokens // 60 + 1)).split(" ")
    low, high = 1, len(words)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if len(ids_of(" ".join(words[:middle]))) <= tokens else \
            (low, middle - 1)
    return " ".join(words[:low])


def ids_of(text):
    out = subprocess.run([GLIM, "tokenize", "-m", path_of("smollm2"), "--json", text],
                         capture_output=True, check=True).stdout
    return [t["id"] for t in json.loads(out)]


def peer(text, way):
    import numpy as np
    import torch
    import transformers
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    path = path_of("smollm2")
    model = transformers.AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, dtype=torch.float32, attn_implementation="eager").eval()
    ids = torch.tensor([ids_of(text)])
    start = resource.getrusage(resource.RUSAGE_SELF)
    began = time.perf_counter()
    with torch.no_grad():
        patterns = model(input_ids=ids, use_cache=False, output_attentions=True,
                         logits_to_keep=1).attentions
    half = time.perf_counter()
    eye = np.eye(ids.shape[1], dtype=np.float32)
    layers = [0.5 * a[0].mean(0).numpy() + 0.5 * eye for a in patterns]
    if way == "row":
        scores = eye[-1]
        for layer in reversed(layers):
            scores = scores @ layer
    else:
        whole = eye
        for layer in layers:
            whole = layer @ whole
        scores = whole[-1]
    end = resource.getrusage(resource.RUSAGE_SELF)
    user = end.ru_utime - start.ru_utime
    return {"user": user, "processor": user + end.ru_stime - start.ru_stime,
            "forward": half - began, "seconds": time.perf_counter() - began,
            "peak": end.ru_maxrss >> 10,
            "first": [float(x) for x in scores[:4]]}


def user_of(*command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    out = subprocess.run([str(c) for c in command], capture_output=True, check=True,
                         env=dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1",
                                  MKL_NUM_THREADS="1")).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    user = after.ru_utime - before.ru_utime
    return user, user + after.ru_stime - before.ru_stime, out


def glim(text, runs):
    """User seconds of the whole command, less those of reading one word."""
    command = [GLIM, "explain", "-m", path_of("smollm2"), "--method", "attention-rollout",
               "--sink", "show", "--units", "token", "--threads", "1", "--json"]
    loads = [user_of(*command, "The old") for _ in range(runs)]
    found = [user_of(*command, text) for _ in range(runs)]
    document = json.loads(found[0][2])
    took = [min(f[i] for f in found) - min(one[i] for one in loads) for i in (0, 1)]
    return {"user": took[0], "processor": took[1], "peak": document["cost"]["peak_bytes"] >> 20,
            "first": document["scores"][:4]}


def main():
    parser = argparse.ArgumentParser(description="Measure attention rollout beside NumPy.")
    parser.add_argument("--tokens", type=int, nargs="*", default=[256, 1024])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--peer", choices=["whole", "row"], help=argparse.SUPPRESS)
    parser.add_argument("--text", help=argparse.SUPPRESS)
    a = parser.parse_args()
    if a.peer:
        print(json.dumps(peer(a.text, a.peer)))
        return 0
    found = []
    print("| tokens | glim | NumPy, whole matrices | NumPy, one row | ratios |\n|--:|--:|--:|--:|--:|")
    for n in a.tokens:
        text = text_of(n)
        mine = glim(text, a.runs)
        theirs = {way: min((json.loads(user_of(sys.executable, __file__, "--peer", way, "--text",
                                               text)[2]) for _ in range(a.runs)),
                           key=lambda r: r["user"]) for way in ("whole", "row")}
        found.append({"tokens": n, "glim": mine, **theirs})
        print(f"| {n} | {mine['user']:.2f} s | {theirs['whole']['user']:.2f} s | "
              f"{theirs['row']['user']:.2f} s | **{theirs['whole']['user'] / mine['user']:.1f}**, "
              f"{theirs['row']['user'] / mine['user']:.1f} |", flush=True)
    if a.json:
        pathlib.Path(a.json).write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
