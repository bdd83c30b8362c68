# SPDX-License-Identifier: Apache-2.0
"""Python functions as predictors: of texts, of pictures, of rows of numbers.

What a function raises comes out of the call that asked it. NaN in an answer is a NumericError.
"""
from __future__ import annotations

import weakref
from typing import Any, Callable, Optional, Sequence

import numpy as np

from . import _methods
from ._callback import callback
from ._library import Context, UsageError, fail, ffi, lib, unit_number
from .document import Document

_SCALES = {"raw": "GLIM_SCALE_RAW", "logit": "GLIM_SCALE_LOGIT", "logprob": "GLIM_SCALE_LOGPROB",
           "prob": "GLIM_SCALE_PROB"}


def answers(function: Callable, inputs: Any, count: int, classes: Optional[int], name: str) -> np.ndarray:
    """What a function says of `count` inputs: (count, K) float64. A vector is one number each."""
    found = np.asarray(function(inputs), dtype=np.float64)
    if found.ndim == 1 and len(found) == count and classes in (None, 1):
        found = found[:, None]
    if found.ndim != 2 or len(found) != count or classes not in (None, found.shape[1]):
        wanted = f"({count}, {classes or 'classes'})"
        raise UsageError(f"{name} gave the shape {found.shape}; {wanted} is needed, a row for each input")
    return found


@callback("glim_status (*)(void *, glim_input_kind, const glim_input *, size_t, double *, glim_error *)",
          lambda data: ffi.from_handle(data)().context, lib.GLIM_ECANCELLED)
def _ask(data, kind, inputs, n, values, error):
    self = ffi.from_handle(data)()
    try:
        out = np.frombuffer(ffi.buffer(values, 8 * n * self.n_classes), dtype=np.float64).reshape(n, self.n_classes)
        out[...] = self.answer([ffi.buffer(inputs[i].text, inputs[i].len) for i in range(n)])
        return lib.GLIM_OK
    except BaseException as raised:
        return fail(self.context, error, raised, "the predictor")


class BlackBox:
    """A function of Python as a black box of C: answer(list of buffers) gives numbers (inputs, classes)."""

    def __init__(self, context: Context, answer: Callable[[list], Any], classes: Sequence[str], scale: str) -> None:
        self.context, self.answer, self.n_classes = context, answer, len(classes)
        self.names = [ffi.new("char[]", name.encode()) for name in classes]
        self._data = ffi.new_handle(weakref.ref(self))
        self.handle = context.make("glim_black_box", lib.glim_black_box_new, lib.glim_black_box_close, context.handle,
                                   _ask, self._data, ffi.new("char *[]", self.names), len(classes),
                                   getattr(lib, _SCALES[scale]))


class TextPredictor:
    """function(list of texts) gives (texts, classes) numbers. classes: their names (None: asked once
    with `sample`, and called 0, 1, ...). scale: what the numbers are, "prob", "logit", "logprob", "raw"."""

    def __init__(self, function: Callable[[list], Any], classes: Optional[Sequence[str]] = None, scale: str = "prob",
                 sample: str = "a", threads: int = 0, memory: Any = None, progress: Optional[Callable] = None) -> None:
        if scale not in _SCALES:
            raise UsageError(f"'{scale}' is no scale (there are {', '.join(_SCALES)})")
        self.context = Context(threads, memory, progress)
        if classes is None:
            classes = [str(k) for k in range(answers(function, [sample], 1, None, "the predictor").shape[1])]
        self.classes = [str(name) for name in classes]
        n = len(self.classes)
        self._box = BlackBox(self.context, lambda texts: answers(function, [bytes(text).decode() for text in texts],
                                                                 len(texts), n, "the predictor"), self.classes, scale)

    def explain(self, text: str, method: Optional[str] = None, target: Optional[str] = None,
                against: Optional[str] = None, output: Optional[str] = None, units: Optional[str] = None,
                mask_token: Optional[str] = None, seed: int = 0, **parameters: Any) -> Document:
        """Which parts of a text made the function say a class (None: the likeliest)."""
        held = [ffi.new("char[]", value.encode()) if value is not None else ffi.NULL
                for value in (target, against, output, mask_token)]
        how = ffi.new("glim_class_options *", {
            "class_name": held[0], "against": held[1], "output": held[2], "mask_token": held[3],
            "auto_units": units is None, "units": unit_number(units) if units else 0})
        raw = text.encode()
        predictor = self.context.make("glim_predictor", lib.glim_predictor_black_box, lib.glim_predictor_free,
                                      self._box.handle, raw, len(raw), how)
        return _methods.explain(self.context, predictor, method, seed, parameters)


@callback("glim_status (*)(void *, const double *, size_t, double *, glim_error *)",
          lambda data: ffi.from_handle(data)().context, lib.GLIM_ECANCELLED)
def _ask_rows(data, rows, n, values, error):
    self = ffi.from_handle(data)()
    try:
        given = np.frombuffer(ffi.buffer(ffi.cast("double *", rows), 8 * n * self.width), dtype=np.float64)
        out = np.frombuffer(ffi.buffer(values, 8 * n * self.n_classes), dtype=np.float64)
        out.reshape(n, self.n_classes)[...] = self.answer(given.reshape(n, self.width))
        return lib.GLIM_OK
    except BaseException as raised:
        return fail(self.context, error, raised, "the predictor")


def _nothing(rows: np.ndarray) -> np.ndarray:
    raise UsageError("nobody is asked now")


class RowPredictor:
    """Rows of numbers and training rows around them. data (n, d): what columns hold; names (d);
    labels (n) or None. `function` is set before each explanation."""

    def __init__(self, data: Any, names: Sequence[str], labels: Any = None, threads: int = 0,
                 progress: Optional[Callable] = None) -> None:
        data = np.ascontiguousarray(data, dtype=np.float64)
        if data.ndim != 2:
            raise UsageError(f"training data have rows and columns, not the shape {data.shape}")
        if len(names) != data.shape[1]:
            raise UsageError(f"there are {len(names)} names for {data.shape[1]} columns")
        self.context = Context(threads, None, progress)
        self.width, self.n_classes = data.shape[1], 0
        self.function: Callable = _nothing
        held = [ffi.new("char[]", str(name).encode()) for name in names]
        if labels is not None:
            labels = np.ascontiguousarray(labels, dtype=np.float64)
            if labels.shape != (len(data),):
                raise UsageError(f"there are {labels.shape} labels for {len(data)} rows")
        self._array = self.context.make(
            "glim_array", lib.glim_array_new, lib.glim_array_free, self.context.handle,
            ffi.from_buffer("double[]", data), *data.shape, ffi.new("char *[]", held),
            ffi.NULL if labels is None else ffi.from_buffer("double[]", labels))
        self._handle = ffi.new_handle(weakref.ref(self))
        self._replay: list = []
        self._at = 0

    def answer(self, rows: np.ndarray) -> np.ndarray:
        """What the function says. Explanations of several classes draw the same rows: they are asked
        of the function once."""
        if self._at < len(self._replay):
            seen, said = self._replay[self._at]
            if seen.shape == rows.shape and np.array_equal(seen, rows, equal_nan=True):
                self._at += 1
                return said
        rows = rows.copy()  # what the function keeps stays valid
        said = answers(self.function, rows, len(rows), self.n_classes, "predict_fn")
        del self._replay[self._at:]
        self._replay.append((rows, said))
        self._at += 1
        return said

    def explain(self, row: Any, function: Callable, targets: Sequence[int], classes: Optional[Sequence[str]],
                prob: bool, method: str, seed: int, parameters: dict, said: Any = None) -> list:
        """A document for each target (a class's number) of one row (d). said (1, K): what the function
        said of the row, when it was asked already."""
        row = np.ascontiguousarray(row, dtype=np.float64)
        if row.shape != (self.width,):
            raise UsageError(f"a row has {self.width} numbers, not the shape {row.shape}")
        self.function, self._replay = function, [] if said is None else [(row[None, :], said)]
        held = [ffi.new("char[]", str(name).encode()) for name in classes or []]
        names = ffi.new("char *[]", held) if held else ffi.NULL
        self.n_classes = len(held) or 1
        found = []
        try:
            for target in targets:
                self._at = 0
                asked = ffi.new("glim_array_target *", {
                    "classes": names, "n_classes": self.n_classes, "prob": prob, "class_index": target,
                    "function": _ask_rows, "data": self._handle})
                predictor = self.context.make("glim_predictor", lib.glim_predictor_array, lib.glim_predictor_free,
                                              self._array, ffi.from_buffer("double[]", row), asked)
                found.append(_methods.explain(self.context, predictor, method, seed, parameters))
        finally:
            self.function, self._replay = _nothing, []
        return found
