# SPDX-License-Identifier: Apache-2.0
"""glim: why a language model said what it said, on your own machine.

    import glim
    model = glim.Model("SmolLM2-135M-Instruct.Q4_1.gguf")
    print(model.explain("The capital of France is", target=" Paris"))

`glim.lime_tabular`, `glim.lime_text` and `glim.lime_image` have lime's interface; `glim.TSNE`,
`glim.PCA` and `glim.LinearProbe` scikit-learn's; `glim.TextPredictor` explains any function of texts.
"""
import importlib

from ._library import (BudgetError, Cancelled, Error, FormatError, InternalError, IOFailure, LimitError,
                       NumericError, OutOfMemory, Progress, Unsupported, UsageError, __version__)
from ._methods import methods
from .document import Document
from .jobs import advise, compare, evaluate, fit, flags, influence, map
from .model import Model, Token

# What few programs need is imported when it is asked for.
_LATER = {"TSNE": "estimators", "PCA": "estimators", "LinearProbe": "estimators", "TextPredictor": "predictor",
          "lime_tabular": None, "lime_text": None, "lime_image": None, "estimators": None}

__all__ = ["BudgetError", "Cancelled", "Document", "Error", "FormatError", "IOFailure", "InternalError",
           "LimitError", "Model", "NumericError", "OutOfMemory", "Progress", "Token", "Unsupported",
           "UsageError", "__version__", "advise", "compare", "evaluate", "fit", "flags", "influence", "map",
           "methods", *_LATER]


def __getattr__(name):
    if name not in _LATER:
        raise AttributeError(f"module 'glim' has no attribute '{name}'")
    module = importlib.import_module(f".{_LATER[name] or name}", __name__)
    return getattr(module, name) if _LATER[name] else module


def __dir__():
    return sorted(__all__)
