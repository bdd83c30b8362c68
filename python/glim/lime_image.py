# SPDX-License-Identifier: Apache-2.0
"""lime.lime_image's interface (lime 0.2.0.1) over glim's LIME for pictures."""
from __future__ import annotations

import base64
from typing import Any, Callable, Optional, Sequence

import numpy as np

from . import _methods
from ._library import Context, UsageError, check, ffi, lib
from .lime_base import Explanation, refuse, seed_of, selection, wanted_labels
from .predictor import BlackBox, answers


class ImageExplanation(Explanation):
    """An explanation of a picture. segments (H, W): the superpixel of each pixel, from 0."""

    image: np.ndarray
    segments: np.ndarray

    def get_image_and_mask(self, label: int, positive_only: bool = True, negative_only: bool = False,
                           hide_rest: bool = False, num_features: int = 5,
                           min_weight: float = 0.0) -> tuple:
        """The picture (H, W, 3) and a mask (H, W): 1 where a superpixel speaks for the label, and with
        neither *_only -1 where one speaks against. hide_rest: all else is black."""
        if positive_only and negative_only:
            raise UsageError("positive_only and negative_only cannot both be true")
        pairs = self.local_exp[self._label(label)]
        mask = np.zeros(self.segments.shape, dtype=int)
        out = np.zeros_like(self.image) if hide_rest else self.image.copy()
        if positive_only or negative_only:
            sign = 1 if positive_only else -1
            chosen = [f for f, w in pairs if sign * w > 0 and abs(w) >= min_weight][:num_features]
            for f in chosen:
                out[self.segments == f] = self.image[self.segments == f]
                mask[self.segments == f] = 1
            return out, mask
        for f, w in pairs[:num_features]:
            if abs(w) < min_weight:
                continue
            out[self.segments == f] = self.image[self.segments == f]
            channel = 0 if w < 0 else 1
            out[self.segments == f, channel] = self.image.max()
            mask[self.segments == f] = -1 if w < 0 else 1
        return out, mask


def _decoded(context: Any, text: Any) -> np.ndarray:
    raw, out, error = base64.b64decode(text), ffi.new("glim_image **"), ffi.new("glim_error *")
    check(lib.glim_image_decode(out, context.handle, raw, len(raw), b"picture", error), error)
    try:
        image = out[0]
        flat = np.frombuffer(ffi.buffer(image.rgb, image.width * image.height * 3), dtype=np.uint8)
        return flat.reshape(image.height, image.width, 3).copy()
    finally:
        lib.glim_image_free(out[0])


class LimeImageExplainer:
    """Explains predictions on pictures. Superpixels are glim's own (slic or quickshift, as in
    scikit-image). random_state None is 0, so that the same call gives the same answer."""

    def __init__(self, kernel_width: float = 0.25, kernel: Any = None, verbose: bool = False,
                 feature_selection: str = "auto", random_state: Any = None) -> None:
        refuse(kernel=(kernel, None, "kernel_width sets the width of the usual one"))
        self.kernel_width, self.verbose, self.random_state = kernel_width, verbose, random_state
        self._selection = selection(feature_selection)

    def explain_instance(self, image: Any, classifier_fn: Callable[[np.ndarray], Any], labels: Sequence[int] = (1,),
                         hide_color: Optional[float] = None, top_labels: Optional[int] = 5,
                         num_features: int = 100000, num_samples: int = 1000, batch_size: int = 10,
                         segmentation_fn: Any = None, distance_metric: str = "cosine", model_regressor: Any = None,
                         random_seed: Optional[int] = None, superpixels: str = "quickshift",
                         segments: int = 100, patch: int = 0) -> ImageExplanation:
        """Explains one picture (H, W, 3) of bytes, or of numbers from 0 to 1. classifier_fn((n, H, W, 3)) gives
        probabilities (n, classes) of batch_size pictures at most, whose numbers are as the picture has them, in
        steps of 1/255. hide_color: None is each superpixel's own mean, 0 black. superpixels: "quickshift", "slic"
        (about `segments` of them), or "grid" (squares of `patch` pixels)."""
        refuse(distance_metric=(distance_metric, "cosine", "distances are cosines"),
               model_regressor=(model_regressor, None, "the local model is a ridge"),
               segmentation_fn=(segmentation_fn, None, "superpixels='slic' or 'quickshift'"))
        if hide_color not in (None, 0):
            raise UsageError("hide_color is None (each superpixel's mean) or 0 (black)")
        given = np.asarray(image)
        if given.ndim == 2:
            given = np.repeat(given[:, :, None], 3, axis=2)
        if given.ndim != 3 or given.shape[2] != 3:
            raise UsageError(f"a picture has the shape (height, width, 3), not {given.shape}")
        whole = given.dtype == np.uint8
        if not whole and not (np.isfinite(given).all() and given.min() >= 0 and given.max() <= 1):
            raise UsageError("a picture holds bytes (uint8), or numbers from 0 to 1")
        pixels = np.ascontiguousarray(given if whole else np.rint(given * 255).astype(np.uint8))
        if int(batch_size) < 1:
            raise UsageError("batch_size is how many pictures classifier_fn gets at once, one or more")

        def scale(x: np.ndarray) -> np.ndarray:  # bytes as the picture has its numbers
            return x if whole else x.astype(given.dtype) / given.dtype.type(255)
        said = answers(classifier_fn, scale(pixels[None]), 1, None, "classifier_fn")[0]
        top, wanted = wanted_labels(said, labels, top_labels)
        names = [str(k) for k in range(len(said))]
        context, size = Context(), int(batch_size)

        def answer(files: list) -> np.ndarray:
            pictures = np.stack([_decoded(context, file) for file in files])
            return np.concatenate([answers(classifier_fn, scale(part), len(part), len(names), "classifier_fn")
                                   for part in (pictures[at:at + size] for at in range(0, len(pictures), size))])
        box = BlackBox(context, answer, names, "prob")
        documents, cut = self._run(box, pixels, wanted, seed_of(
            self.random_state if random_seed is None else random_seed), superpixels, segments, patch,
            "own" if hide_color is None else "black", num_samples, num_features)
        out = ImageExplanation("classification", names, [f"superpixel {i}" for i in range(int(cut.max()) + 1)],
                               documents)
        out.image, out.segments = given, cut
        out.predict_proba, out.top_labels = said, top
        if self.verbose:
            out.tell(said[wanted[-1]])
        return out

    def _run(self, box, pixels, wanted, seed, superpixels, segments, patch, absent, num_samples, num_features):
        context = box.context
        height, width, _ = pixels.shape
        held = ffi.from_buffer("uint8_t[]", pixels)
        picture = ffi.new("glim_image *", {"ctx": context.handle, "width": width, "height": height, "rgb": held})
        kind = ffi.new("char[]", superpixels.encode())
        cut = ffi.new("glim_image_options *", {"superpixels": kind, "patch": patch,
                                                "segments": segments if superpixels == "slic" else 0})
        documents = {}
        for k in wanted:
            how = ffi.new("glim_class_options *", {"class_name": box.names[k], "auto_units": True})
            predictor = context.make("glim_predictor", lib.glim_predictor_black_box_image, lib.glim_predictor_free,
                                     box.handle, picture, cut, how)
            documents[k] = _methods.explain(context, predictor, "lime", seed, {
                "num_samples": int(num_samples), "kernel_width": 100 * self.kernel_width, "absent": absent,
                "num_features": min(int(num_features), 1000), "feature_selection": self._selection})
        return documents, _segments(context, documents[wanted[0]], height, width)


def _segments(context: Any, document: Any, height: int, width: int) -> np.ndarray:
    """(H, W) the superpixel of each pixel, out of the document: red + 256 green + 65536 blue, or squares."""
    labels = document["input"]["image"].get("labels")
    if labels is not None:
        return (_decoded(context, labels).astype(np.int64) @ np.array([1, 256, 65536])).reshape(height, width)
    out = np.zeros((height, width), dtype=np.int64)
    for i, unit in enumerate(document["input"]["units"]):
        out[unit["y"]:unit["y"] + unit["height"], unit["x"]:unit["x"] + unit["width"]] = i
    return out
