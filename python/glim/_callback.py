# SPDX-License-Identifier: Apache-2.0
"""Python functions that C calls.

Ctrl-C may strike as such a function begins, before its own `try`. cffi would print that and answer
success; here the call that is under way ends with the exception, as with all others.
"""
from ._abi import ffi


def callback(signature, context, failed=None):
    """A decorator. context(data): whose `raised` is told, for the function's argument `data`; failed: what C gets then."""
    def lost(kind, error, traceback):
        context(traceback.tb_frame.f_locals["data"]).raised(error)
    return ffi.callback(signature, error=failed, onerror=lost)
