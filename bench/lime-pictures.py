#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""LIME for a picture of 224 x 224 pixels in glim and in lime_image, outside the predictor.

    bench/lime-pictures.py [--peer PYTHON]

Both cut it, make 1,000 masks and pictures of bytes, and fit; the predictor of both looks at 49
pixels. Numbers are processor seconds of a user on one thread, best of three. PYTHON has
lime 0.2.0.1 (default: bench/.venv); without it glim's own times are printed. Needs the
pictures (scripts/fetch pictures).
"""
import argparse
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
CUTS = ("quickshift", "slic")


def picture_dir():
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return pathlib.Path(os.environ.get("GLIM_CACHE") or f"{base}/glim").expanduser() / "pictures"


def user():
    return resource.getrusage(resource.RUSAGE_SELF).ru_utime


def peer(path):
    """In the child: makes the picture, then units and seconds of every way of cutting."""
    import numpy as np
    from lime.lime_image import LimeImageExplainer
    from PIL import Image
    from skimage.segmentation import quickshift, slic
    cat = Image.open(picture_dir() / "chelsea.png").convert("RGB")
    cat.crop((75, 0, 375, 300)).resize((224, 224), Image.Resampling.BILINEAR).save(path)
    image = np.asarray(Image.open(path))
    cuts = {"quickshift": lambda x: quickshift(x, kernel_size=4, max_dist=200, ratio=0.2),
            "slic": lambda x: slic(x, start_label=0)}

    def look(images):
        x = images[:, ::32, ::32, 0].sum((1, 2)) / 255
        return np.stack([x, -x], 1)
    out = {}
    for name, cut in cuts.items():
        best = [1e9, 1e9]
        for _ in range(3):
            start = user()
            units = int(cut(image).max()) + 1
            best[0] = min(best[0], user() - start)
            start = user()
            LimeImageExplainer(random_state=1).explain_instance(
                image, look, top_labels=1, num_samples=1000, segmentation_fn=cut, random_seed=1)
            best[1] = min(best[1], user() - start)
        out[name] = {"units": units, "cut": best[0], "all": best[1]}
    print(json.dumps(out))


def main():
    parser = argparse.ArgumentParser(description="Time LIME for pictures.")
    parser.add_argument("--peer", type=pathlib.Path, default=ROOT / "bench/.venv/bin/python")
    parser.add_argument("--make", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.make:
        peer(given.make)
        return
    one = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TQDM_DISABLE": "1"}
    with tempfile.TemporaryDirectory() as folder:
        path, others = picture_dir() / "chelsea.png", {}
        if given.peer.exists():
            path = pathlib.Path(folder) / "cat.png"
            run = subprocess.run([given.peer, __file__, "--make", path], check=True, env=one,
                                 capture_output=True)
            others = json.loads(run.stdout.splitlines()[-1])
        print("**LIME for a picture, 1,000 samples, outside the predictor**\n")
        print("| superpixels | work | glim | lime_image | ratio |\n|---|---|--:|--:|--:|")
        for name in CUTS:
            own = json.loads(subprocess.run([ROOT / "build/release/bench/bench_lime_picture", path,
                                             name], check=True, capture_output=True).stdout)
            for key, what in (("cut", "the cut alone"), ("all", "all of it")):
                other = others.get(name, {}).get(key)
                print(f"| {own['units']} by {name} | {what} | {own[key]:.3f} s | "
                      + (f"{other:.3f} s | **{other / own[key]:.1f}** |" if other else "| |"))


if __name__ == "__main__":
    sys.exit(main())
