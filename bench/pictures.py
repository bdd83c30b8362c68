#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Time EfficientNet-Lite0 in glim and in PyTorch and print the ratios as a table.

    bench/pictures.py [--threads N]

PyTorch runs the network of scripts/record-images.py with the same weights, in the faster of its
two layouts, without recording gradients in the forward rows. Needs the model
(scripts/fetch efficientnet-lite0) and, for PyTorch, the environment of bench/peers.py; without
it glim's own times are printed.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
ROWS = [("forward, one picture", "forward_1"), ("forward, each of four", "forward_4"),
        ("forward and backward, one picture", "gradient_1"),
        ("forward and backward, each of four", "gradient_4")]


def model_dir():
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return pathlib.Path(os.environ.get("GLIM_CACHE")
                        or f"{base}/glim").expanduser() / "efficientnet-lite0"


def best_of(fn, runs=30):
    fn()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        fn()
        times.append(time.perf_counter() - start)
    return min(times)


def torch_times(threads):
    """In the child: seconds a picture of every row."""
    import importlib.util
    import torch
    from safetensors.torch import load_file
    spec = importlib.util.spec_from_file_location("images", ROOT / "scripts/record-images.py")
    images = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(images)
    torch.set_num_threads(threads)
    tensors = load_file(model_dir() / "model.safetensors")
    for name, t in tensors.items():
        if name.endswith("conv.weight"):  # glim's order to PyTorch's
            tensors[name] = (t.permute(3, 2, 0, 1) if t.dim() == 4
                             else t.permute(2, 0, 1)[:, None]).contiguous()
    model = images.Lite(tensors, json.loads((model_dir() / "config.json").read_text()))
    out = {}
    for layout in (torch.contiguous_format, torch.channels_last):
        for count in (1, 4):
            x = torch.rand(count, 3, 224, 224).contiguous(memory_format=layout)

            def forward(x=x):
                with torch.inference_mode():
                    model(x)

            def gradient(x=x):
                y = x.detach().requires_grad_()
                model(y)[:, 0].sum().backward()
            for name, fn in (("forward", forward), ("gradient", gradient)):
                seconds = best_of(fn) / count
                key = f"{name}_{count}"
                out[key] = min(out.get(key, seconds), seconds)
    print(json.dumps(out))


def peers(threads):
    python = ROOT / "bench/.venv/bin/python"
    if not python.exists():
        print("PyTorch is not installed (bench/peers.py says how): glim alone.\n")
        return {}
    run = subprocess.run([python, __file__, "--threads", str(threads), "--torch"], check=True,
                         capture_output=True,
                         env=os.environ | {"OMP_NUM_THREADS": str(threads)})
    return json.loads(run.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description="Time a model of pictures.")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--torch", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if not (model_dir() / "model.safetensors").exists():
        sys.exit("pictures: the model is missing (scripts/fetch efficientnet-lite0)")
    if given.torch:
        torch_times(given.threads)
        return
    others = peers(given.threads)
    own = json.loads(subprocess.run([ROOT / "build/release/bench/bench_pictures", model_dir(),
                                     str(given.threads)], check=True, capture_output=True).stdout)
    print("**EfficientNet-Lite0**\n\n| work | glim | peer | needs | ratio |\n|---|--:|---|--:|--:|")
    for what, key in ROWS:
        other = f"{others[key] * 1e3:.1f} ms" if others else ""
        ratio = f"**{others[key] / own[key]:.2f}**" if others else ""
        print(f"| {what} | {own[key] * 1e3:.1f} ms | PyTorch | {other} | {ratio} |")


if __name__ == "__main__":
    main()
