#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A random model of T5-small's shape: glim beside PyTorch, forward and backward.

    bench/.venv/bin/python bench/pairs.py [--threads N] [--source N] [--written N]

The model is written to build/bench/t5-small first (float32, 240 MB). Both sides
compute the last position's logits only, and walk back from one of them to the
source's embeddings; the best of several runs after a warm-up counts.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODEL = ROOT / "build" / "bench" / "t5-small"
PIECES = ROOT / "tests" / "golden" / "models" / "stacks" / "t5" / "spiece.model"
SHAPE = dict(vocab_size=32128, d_model=512, d_kv=64, d_ff=2048, num_layers=6, num_heads=8)


def write_model():
    import torch
    import transformers
    if (MODEL / "model.safetensors").exists():
        return
    MODEL.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(1)
    config = transformers.T5Config(**SHAPE, decoder_start_token_id=0)
    transformers.T5ForConditionalGeneration(config).save_pretrained(MODEL)
    shutil.copy(PIECES, MODEL / "spiece.model")


def measure_torch(threads, source, written):
    import torch
    import transformers
    sys.path.insert(0, str(ROOT / "bench"))
    from peers import best_of
    torch.set_num_threads(threads)
    transformers.logging.disable_progress_bar()
    model = transformers.T5ForConditionalGeneration.from_pretrained(MODEL).eval()
    for p in model.parameters():
        p.requires_grad_(False)
    ids = torch.randint(100, 20000, (1, source))
    reads = torch.randint(100, 20000, (1, written))

    def logits(x):
        memory = model.encoder(inputs_embeds=x).last_hidden_state
        out = model.decoder(input_ids=reads, encoder_hidden_states=memory, use_cache=False)
        return model.lm_head(out.last_hidden_state[:, -1] * model.model_dim ** -0.5)

    def forward():
        with torch.no_grad():
            logits(model.shared(ids))

    def gradient():
        x = model.shared(ids).detach().requires_grad_()
        logits(x)[0, 100].backward()
        assert x.grad is not None
    return {"forward": best_of(forward, 9)["seconds"], "gradient": best_of(gradient, 9)["seconds"]}


def child(command, threads):
    env = os.environ | {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    out = subprocess.run([str(c) for c in command], check=True, capture_output=True, env=env)
    return json.loads(out.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description="Measure an encoder-decoder beside PyTorch.")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--source", type=int, default=128)
    parser.add_argument("--written", type=int, default=64)
    parser.add_argument("--torch", action="store_true", help=argparse.SUPPRESS)
    a = parser.parse_args()
    if a.torch:
        print(json.dumps(measure_torch(a.threads, a.source, a.written)))
        return 0
    write_model()
    sizes = ["--source", a.source, "--written", a.written]
    glim = child([ROOT / "build/release/bench/bench_pairs", MODEL, a.threads, a.source, a.written],
                 a.threads)
    peer = child([sys.executable, __file__, "--torch", "--threads", a.threads, *sizes], a.threads)
    print(f"**T5-small's shape, {a.source} tokens read, {a.written} written**\n")
    print("| work | glim | peer | needs | ratio |\n|---|--:|---|--:|--:|")
    for name, what in (("forward", "forward"), ("gradient", "forward and backward")):
        print(f"| {what} | {glim[name] * 1e3:.1f} ms | PyTorch | {peer[name] * 1e3:.1f} ms | "
              f"**{peer[name] / glim[name]:.2f}** |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
