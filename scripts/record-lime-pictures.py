#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Record what lime_image explains, for tests/explain/test_picture_methods.c.

    scripts/record-lime-pictures.py     writes tests/golden/images/methods/lime.safetensors

The picture is recorded in superpixels.safetensors; the "classifier" is a smooth function of
two of its corners, so that it is no sum over superpixels. Needs lime 0.2.0.1 and
scikit-image.
"""
import pathlib

import numpy as np
from lime.lime_image import LimeImageExplainer
from safetensors.numpy import load_file, save_file
from sklearn.metrics import pairwise_distances

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests/golden/images"


def classify(images):
    x = images.astype(np.float64) / 255
    a, b = x[:, :30, :40].mean((1, 2, 3)), x[:, 30:, 50:].mean((1, 2, 3))
    p = 1 / (1 + np.exp(-(8 * (a - 0.4) - 6 * a * b)))
    return np.stack([1 - p, p], 1)


def main():
    recorded = load_file(OUT / "methods/superpixels.safetensors")
    image, tensors = recorded["chelsea"], {}
    for cut in ("slic.30", "quickshift"):
        segments = recorded[f"chelsea.{cut}"]
        explainer = LimeImageExplainer(random_state=11)
        kept = {}

        def spy(image, fudged, segments, fn, n, own=explainer.data_labels, **options):
            kept["fudged"] = fudged
            kept["z"], kept["y"] = own(image, fudged, segments, fn, n, **options)
            return kept["z"], kept["y"]
        explainer.data_labels = spy
        e = explainer.explain_instance(image, classify, labels=(1,), top_labels=None,
                                       num_samples=300, random_seed=3,
                                       segmentation_fn=lambda _, s=segments: s)
        coef = np.zeros(kept["z"].shape[1])
        for unit, weight in e.local_exp[1]:
            coef[unit] = weight
        distance = pairwise_distances(kept["z"], kept["z"][:1], metric="cosine").ravel()
        tensors |= {f"{cut}.z": kept["z"].astype(np.uint8), f"{cut}.y": kept["y"][:, 1].copy(),
                    f"{cut}.weight": explainer.base.kernel_fn(distance),
                    f"{cut}.fudged": kept["fudged"], f"{cut}.coef": coef,
                    f"{cut}.rest": np.array([e.intercept[1], e.score, e.local_pred[0]])}
        print(cut, coef.shape, tensors[f"{cut}.rest"])
    save_file(tensors, OUT / "methods/lime.safetensors", {"made_with": "lime 0.2.0.1"})


if __name__ == "__main__":
    main()
