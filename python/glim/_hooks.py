# SPDX-License-Identifier: Apache-2.0
"""What looks at sites, or changes them, while a model runs: functions of Python that C calls."""
from __future__ import annotations

from typing import Any, Callable, Dict, Optional

import numpy as np

from ._callback import callback
from ._library import Context, UsageError, fail, ffi, lib, text


@callback("glim_status (*)(void *, const glim_site *, glim_error *)",
          lambda data: ffi.from_handle(data).context, lib.GLIM_ECANCELLED)
def visit(data: Any, site: Any, error: Any) -> Any:
    visitor = ffi.from_handle(data)
    try:
        visitor(site)
        return lib.GLIM_OK
    except BaseException as raised:  # the call that is under way raises it
        return fail(visitor.context, error, raised, "a hook")


@callback("bool (*)(void *, int32_t, double)", lambda data: ffi.from_handle(data)[0], False)
def said(data: Any, token: int, probability: float) -> bool:
    """A token of a text that is being written."""
    context, each = ffi.from_handle(data)
    try:
        return each(token, probability) is not False
    except BaseException as raised:
        context.raised(raised)
        return False


def _view(site: Any) -> np.ndarray:
    dims = tuple(site.dims[i] for i in range(site.n_dims))
    count = int(np.prod(dims, dtype=np.int64))
    return np.frombuffer(ffi.buffer(site.data, 4 * count), dtype=np.float32).reshape(dims)


class Reader:
    """Keeps the values of sites by name."""

    def __init__(self, context: Context, found: Dict[str, np.ndarray]) -> None:
        self.context, self.found = context, found

    def __call__(self, site: Any) -> None:
        self.found[text(site.name) or ""] = _view(site).copy()


class Changer:
    """Puts what a function gives where a site's values were."""

    def __init__(self, context: Context, function: Callable[[np.ndarray, str], Any]) -> None:
        self.context, self.function = context, function

    def __call__(self, site: Any) -> None:
        here, name = _view(site), text(site.name) or ""
        mine = here.copy()  # what a hook keeps stays valid
        given = self.function(mine, name)
        given = mine if given is None else np.asarray(given, dtype=np.float32)
        if given.shape != here.shape:
            raise UsageError(f"{name}: a hook gave {given.shape} for {here.shape}")
        here[...] = given


class Mean:
    """The mean of patterns as they come by, a layer at a time."""

    def __init__(self, context: Context) -> None:
        self.context, self.sum, self.n = context, None, 0  # type: Context, Optional[np.ndarray], int

    def __call__(self, site: Any) -> None:
        pattern = _view(site)
        here = pattern.sum(axis=0, dtype=np.float64)
        self.sum = here if self.sum is None else self.sum + here
        self.n += pattern.shape[0]

    def mean(self) -> np.ndarray:
        if self.sum is None:
            raise UsageError("this model has no attention to look at")
        return (self.sum / self.n).astype(np.float32)
