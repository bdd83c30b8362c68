# SPDX-License-Identifier: Apache-2.0
"""glim: why a language model said what it said, on your own machine.

    import glim
    model = glim.Model("SmolLM2-135M-Instruct.Q4_1.gguf")
    print(model.explain("The capital of France is", target=" Paris"))
"""
from ._library import (BudgetError, Cancelled, Error, FormatError, InternalError, IOFailure, LimitError,
                       NumericError, OutOfMemory, Progress, Unsupported, UsageError, __version__)
from .document import Document
from ._methods import methods
from .jobs import advise, compare, evaluate, fit, flags, influence, map
from .model import Model, Token

__all__ = ["advise", "compare", "evaluate", "fit", "flags", "influence", "map",
           "BudgetError", "Cancelled", "Document", "Error", "FormatError", "IOFailure", "InternalError",
           "LimitError", "Model", "NumericError", "OutOfMemory", "Progress", "Token", "Unsupported",
           "UsageError", "__version__", "methods"]
