#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Record how scikit-image cuts two small pictures, for tests/predict/test_superpixels.c.

    scripts/record-superpixels.py PICTURES    writes tests/golden/images/methods/superpixels.safetensors

PICTURES is what `scripts/fetch pictures` prints. Needs scikit-image 0.26, Pillow and safetensors.
"""
import pathlib
import sys

import numpy as np
import skimage
from PIL import Image
from safetensors.numpy import save_file
from skimage.segmentation import quickshift, slic

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests/golden/images"


def main():
    where, tensors = pathlib.Path(sys.argv[1]), {}
    for name, size in (("chelsea", (96, 64)), ("coffee", (80, 80))):
        picture = Image.open(where / f"{name}.png").convert("RGB")
        image = np.asarray(picture.resize(size, Image.Resampling.BILINEAR)).copy()
        tensors[name] = image
        for n in (30, 100):
            tensors[f"{name}.slic.{n}"] = slic(image, n_segments=n, start_label=0).astype(np.int32)
        tensors[f"{name}.quickshift"] = quickshift(
            image, kernel_size=4, max_dist=200, ratio=0.2).astype(np.int32)
        print(name, {k: int(v.max()) + 1 for k, v in tensors.items() if "." in k})
    save_file(tensors, OUT / "methods/superpixels.safetensors",
              {"made_with": f"scikit-image {skimage.__version__}"})


if __name__ == "__main__":
    main()
