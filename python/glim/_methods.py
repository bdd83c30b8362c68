# SPDX-License-Identifier: Apache-2.0
"""The methods of `Model.explain`, out of the library's own descriptors."""
import functools

from ._library import UsageError, ffi, fill, lib, parameters, text
from .document import Document


class Method:
    """A way to explain: name, summary, family, cost, cite, caption and parameters."""

    def __init__(self, handle):
        self._handle = handle
        self.name, self.summary, self.family = text(handle.name), text(handle.summary), text(handle.family)
        self.cost, self.cite, self.caption = text(handle.costs), text(handle.cite), text(handle.caption)
        self.additive, self.signed = bool(handle.additive), bool(handle.is_signed)
        self.parameters = parameters(handle.params)

    def options(self, values):
        """The C struct of keywords over the defaults, and what it borrows."""
        try:
            return fill(self._handle.params, self._handle.opts_size, values)
        except UsageError as error:
            raise UsageError(f"{self.name}: {error}") from None

    def __repr__(self):
        lines = [f"{self.name}: {self.summary}"]
        for row in self.parameters:
            choices = f", one of {' '.join(row['choices'])}" if row["choices"] else ""
            lines.append(f"  {row['name']}={row['default']!r}  {row['help']}{choices}")
        return "\n".join(lines)


@functools.lru_cache(maxsize=None)
def _all():
    found, at = {}, lib.glim_methods()
    while at[0] != ffi.NULL:
        method = Method(at[0])
        found[method.name] = method
        at = at + 1
    return found


def methods():
    """All methods by name."""
    return dict(_all())


def find(name):
    """One by name. Raises UsageError with the names that there are."""
    known = _all()
    if name not in known:
        raise UsageError(f"'{name}' is no method (there are {', '.join(sorted(known))})")
    return known[name]


def explain(context, predictor, method, seed, parameters):
    """A document by a method (None: what evidence recommends) of a predictor of C."""
    chosen = Method(lib.glim_method_default(predictor, ffi.NULL)) if method is None else find(method)
    memory, kept = chosen.options(parameters)
    return Document._made(context, lib.glim_explain, predictor, chosen._handle, memory, seed)
