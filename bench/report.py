#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measure glim and its peers in one run and print the ratios as a table.

    bench/report.py [--threads N] [--model NAME...] [--peers FILE.json] [--json FILE]

The peers need the environment that bench/peers.py describes (bench/.venv); without it
glim's own times and their share of the multiply-add peak are printed. --peers
takes the peers' numbers from an earlier run on this machine.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "release"
FILES = {"smollm2": "SmolLM2-135M-Instruct.Q4_1.gguf", "gemma3": "gemma-3-270m-Q4_K_M.gguf",
         "minilm": "all-MiniLM-L6-v2"}
TITLES = {"smollm2": "SmolLM2-135M-Instruct Q4_1", "gemma3": "Gemma 3 270M Q4_K_M",
          "minilm": "all-MiniLM-L6-v2, float32"}
PROMPT = ("The history of a language is the history of the people who speak it, and the words "
          "that they borrow tell where they have been. Traders carried names of")

# what it is, glim's measurement, peer's name, its measurement, its tokens, which of its numbers
ROWS = [
    ("open the file", "open", "llama.cpp", "llama-open", 0, "seconds"),
    ("prefill, 128 tokens", "prefill_128", "llama.cpp", "llama-prefill", 128, "seconds"),
    ("prefill, 512 tokens", "prefill_512", "llama.cpp", "llama-prefill", 512, "seconds"),
    ("decode a token", "decode", "llama.cpp", "llama-decode", 64, "each"),
    ("forward, 128 tokens", "prefill_128", "PyTorch", "torch-forward", 128, "seconds"),
    ("forward, 512 tokens", "prefill_512", "PyTorch", "torch-forward", 512, "seconds"),
    ("forward and backward, 128 tokens", "grad_128", "PyTorch", "torch-gradient", 128, "seconds"),
    ("forward and backward, 512 tokens", "grad_512", "PyTorch", "torch-gradient", 512, "seconds"),
    ("peak memory of that", "memory", "PyTorch", "torch-gradient", 512, "bytes"),
    ("integrated gradients, 50 steps, 32 tokens", "ig_32", "Captum, as called by default",
     "captum-ig", 32, "50"),
    ("", "ig_32", "Captum, best batch size", "captum-ig", 32, "seconds"),
    ("integrated gradients, 50 steps, 128 tokens", "ig_128", "Captum, best batch size",
     "captum-ig", 128, "seconds"),
    ("occlusion, 32 tokens", "occlusion_32", "Captum, as called by default", "captum-ablation",
     32, "1"),
    ("", "occlusion_32", "Captum, best batch size", "captum-ablation", 32, "seconds"),
    ("Shapley values, 10 orders, 16 tokens", "shapley_16", "Captum, as called by default",
     "captum-shapley", 16, "1"),
    ("", "shapley_16", "Captum, best batch size", "captum-shapley", 16, "seconds"),
    ("whole process: a gradient of 32 tokens", "process", "PyTorch, transformers",
     "whole-process", 32, "seconds"),
    ("embed 1,000 sentences", "embed_1000", "PyTorch, by length, best batch size", "torch-embed",
     1000, "seconds"),
]
PASSES = {"prefill_128": 128, "prefill_512": 512, "grad_128": 256, "grad_512": 1024,
          "ig_32": 3200, "ig_128": 12800}  # rows, forward and backward each counted


def cache_dir():
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return pathlib.Path(os.environ.get("GLIM_CACHE") or f"{base}/glim").expanduser()


def best_process(command, runs=5):
    best = None
    for _ in range(runs):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        took = time.perf_counter() - start
        best = took if best is None else min(best, took)
    return best


def measure_glim(model, threads):
    path = str(cache_dir() / FILES[model])
    if model == "minilm":
        command = [BUILD / "bench" / "bench_embed", path, str(threads)]
        return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)

    def bench(*names):
        command = [BUILD / "bench" / "bench_glim", path, str(threads), *names]
        return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    found = bench("open", "prefill_128", "prefill_512", "grad_128", "grad_512")
    found["memory"] = bench("grad_512")["peak_bytes"]  # a process that does nothing else
    for name in ("decode", "occlusion_32", "shapley_16", "ig_32", "ig_128"):
        found[name] = bench(name)[name]
    found["process"] = best_process([BUILD / "src" / "cli" / "glim", "explain", "-m", path,
                                     "--threads", str(threads), "--method", "input-x-gradient",
                                     "--json", PROMPT])
    return found


def measure_peers(models, threads):
    python = ROOT / "bench" / ".venv" / "bin" / "python"
    if not python.exists():
        print("The peers are not installed (bench/peers.py says how): glim alone.\n")
        return []
    out = ROOT / "build" / "peers.json"
    subprocess.run([python, ROOT / "bench" / "peers.py", "--threads", str(threads), "--json", out,
                    "--only", *[f" {model}" for model in models]], check=False)
    return json.loads(out.read_text())["results"] if out.exists() else []


def measure_pairs(threads):
    """A random encoder-decoder; prints its own table."""
    python = ROOT / "bench" / ".venv" / "bin" / "python"
    if python.exists():
        subprocess.run([python, ROOT / "bench" / "pairs.py", "--threads", str(threads)],
                       check=False)


def peer_number(peers, model, way, tokens, which):
    for entry in peers:
        if (entry["name"], entry["model"], entry["tokens"]) != (way, model, tokens):
            continue
        if "error" in entry:
            return None
        if which == "bytes":
            return entry["peak_mib"] * 2**20
        if which == "each":
            return entry["seconds"] / tokens
        return entry[which] if which == "seconds" else entry["tried"].get(which)
    return None


def show(amount, unit):
    if unit == "bytes":
        return f"{amount / 2**20:.0f} MiB"
    return f"{amount * 1e3:.1f} ms" if amount < 1 else f"{amount:.2f} s"


def table(model, glim, peers):
    print(f"**{TITLES[model]}**\n")
    print("| work | glim | of the peak | peer | needs | ratio |\n|---|--:|--:|---|--:|--:|")
    for what, name, peer, way, tokens, which in ROWS:
        if name not in glim:
            continue
        other = peer_number(peers, model, way, tokens, which)
        if other is None and peers:
            continue
        share = ""
        if name in PASSES and what:
            flop = PASSES[name] * glim["gflop_row"]
            share = f"{100 * flop / glim[name] / glim['peak_gflops']:.0f} %"
        ratio = f"**{other / glim[name]:.2f}**" if other else ""
        print(f"| {what} | {show(glim[name], which)} | {share} | {peer} | "
              f"{show(other, which) if other else ''} | {ratio} |")
    if "peak_gflops" in glim:
        print(f"\nPeak of multiply-adds: {glim['peak_gflops']:.0f} GFLOP/s.")
    print(flush=True)


def main():
    parser = argparse.ArgumentParser(description="Measure glim beside its peers.")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--model", nargs="*", choices=FILES, default=list(FILES))
    parser.add_argument("--peers", metavar="FILE", help="numbers of an earlier bench/peers.py")
    parser.add_argument("--json", metavar="FILE", help="write glim's numbers here")
    given = parser.parse_args()
    if given.peers:
        peers = json.loads(pathlib.Path(given.peers).read_text())["results"]
    else:
        peers = measure_peers(given.model, given.threads)
    own = {}
    for model in given.model:
        own[model] = measure_glim(model, given.threads)
        table(model, own[model], peers)
    if not given.peers:
        measure_pairs(given.threads)
    if given.json:
        pathlib.Path(given.json).write_text(json.dumps(own, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
