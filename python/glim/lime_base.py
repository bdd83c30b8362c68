# SPDX-License-Identifier: Apache-2.0
"""Explanations as lime 0.2.0.1 gives them (lime/explanation.py), over documents of glim."""
from __future__ import annotations

import html
from typing import Any, Optional, Sequence

import numpy as np

from ._library import UsageError
from ._plots import bars
from ._views import notebook_frame
from .document import Document


class Explanation:
    """What a local linear model says. Members have lime's names; `document` has glim's own, with how
    far to trust it: document.verdict, document["checks"].

    local_exp: {label: [(feature, weight), ...]}, largest first; intercept: {label: float};
    score: R^2 of the local model and local_pred: (1,) what it predicts, both of the last label.
    """

    def __init__(self, mode: str, class_names: Optional[list], names: list, documents: dict,
                 merge: bool = False, features: Optional[np.ndarray] = None) -> None:
        self.mode, self.class_names, self.random_state = mode, class_names, None
        self.documents = documents
        self.local_exp: dict = {}
        self.intercept: dict = {}
        self.top_labels: Optional[list] = None
        self.predict_proba: Any = None
        self.predicted_value: Optional[float] = None
        self.min_value = self.max_value = None
        self.score = 0.0
        self.local_pred: Any = None
        self._names, self._merge, self._features = names, merge, features
        for label, document in documents.items():
            self._take(label, document)

    def _take(self, label: int, document: Document) -> None:
        weights = [(i, float(w)) for i, w in enumerate(document.scores) if w == w and w != 0]
        if self._merge:  # a word is one feature, told at the first place where it stands
            first: dict = {}
            for i, w in weights:
                first.setdefault(self._names[i], (i, w))
            weights = list(first.values())
        self.local_exp[label] = sorted(weights, key=lambda pair: -abs(pair[1]))
        self.intercept[label] = document.target["baseline_value"]
        self.score = document["checks"]["values"].get("local_r2", {}).get("value", float("nan"))
        of = np.ones(len(self._names)) if self._features is None else self._features  # of the input itself
        total = (self.intercept[label] or 0.0) + sum(w * of[i] for i, w in weights)
        self.local_pred = np.array([total])

    @property
    def document(self) -> Document:
        """Of the likeliest of the labels that were explained, or of the first that was asked for."""
        return self.documents[self.top_labels[0]] if self.top_labels else next(iter(self.documents.values()))

    def available_labels(self) -> list:
        """Labels that were explained."""
        if self.mode == "regression":
            raise NotImplementedError("Not supported for regression explanations.")
        return self.top_labels or list(self.local_exp)

    def _label(self, label: int) -> int:
        label = 1 if self.mode == "regression" else label
        if label not in self.local_exp:
            raise KeyError(f"label {label} was not explained (there are {sorted(self.local_exp)})")
        return label

    def as_list(self, label: int = 1, **_: Any) -> list:
        """[(feature as words, weight), ...], largest first by size."""
        return [(self._names[i], weight) for i, weight in self.local_exp[self._label(label)]]

    def as_map(self) -> dict:
        """{label: [(feature's number, weight), ...]}."""
        return self.local_exp

    def as_pyplot_figure(self, label: int = 1, figsize: tuple = (4, 4), **_: Any) -> Any:
        """Bars, for positive and negative weights, as a matplotlib figure."""
        from matplotlib import pyplot
        figure = pyplot.figure(figsize=figsize)
        bars(pyplot.gca(), self.as_list(label)[::-1])
        named = self.class_names[label] if self.class_names and self.mode == "classification" else ""
        pyplot.title(f"Local explanation for class {named}" if named else "Local explanation")
        return figure

    def tell(self, right: float) -> None:
        """What verbose=True prints."""
        print(f"Intercept {list(self.intercept.values())[-1]}\nPrediction_local {self.local_pred}\nRight: {right}")

    def _shown(self, labels: Any) -> list:
        if labels is None:
            return list(self.documents.values())
        unknown = [label for label in labels if label not in self.documents]
        if unknown:
            raise KeyError(f"label {unknown[0]} was not explained (there are {sorted(self.documents)})")
        return [self.documents[label] for label in labels]

    def as_html(self, labels: Any = None, predict_proba: bool = True, show_predicted_value: bool = True,
                **_: Any) -> str:
        """One page that needs no network: what was predicted, and a report of each label."""
        shown = self._shown(labels)
        if len(shown) == 1 and not predict_proba:
            return shown[0].to_html()
        frames = "".join(notebook_frame(d.to_html(), "56em", "explanation") for d in shown)
        told = self._probabilities() if predict_proba else ""
        if show_predicted_value and self.predicted_value is not None:
            told += f"<p>predicted value {self.predicted_value:.4g}</p>"
        return ("<!doctype html><html><head><meta charset='utf-8'><title>explanation</title><style>"
                "body{font:14px system-ui,sans-serif;margin:1em;color-scheme:light dark}"
                "td{padding:.1em .6em .1em 0}i{display:inline-block;height:.8em;background:#3687e7}</style></head>"
                f"<body>{told}{frames}</body></html>")

    def _probabilities(self) -> str:
        if self.predict_proba is None:
            return ""
        names = self.class_names or [str(i) for i in range(len(self.predict_proba))]
        order = sorted(range(len(names)), key=lambda k: -self.predict_proba[k])[:10]
        rows = "".join(f"<tr><td>{html.escape(str(names[k]))}</td><td>{self.predict_proba[k]:.3f}</td><td><i style='width:"
                       f"{12 * self.predict_proba[k]:.2f}em'></i></td></tr>" for k in order)
        return f"<table aria-label='prediction probabilities'>{rows}</table>"

    def save_to_file(self, file_path: Any, labels: Any = None, predict_proba: bool = True,
                     show_predicted_value: bool = True, **more: Any) -> None:
        """as_html in a file."""
        page = self.as_html(labels, predict_proba, show_predicted_value, **more)
        with open(file_path, "w", encoding="utf-8") as out:
            out.write(page)

    def show_in_notebook(self, labels: Any = None, predict_proba: bool = True, show_predicted_value: bool = True,
                         **more: Any) -> None:
        """Shows it in the notebook's output."""
        try:
            from IPython.display import HTML, display
        except ImportError:
            raise ImportError("show_in_notebook needs IPython (save_to_file writes the same page)") from None
        page = self.as_html(labels, predict_proba, show_predicted_value, **more)
        display(HTML(notebook_frame(page, "60em", "explanation")))

    def _repr_html_(self) -> str:
        return notebook_frame(self.as_html(), "60em", "explanation")


SELECTIONS = {"auto": "auto", "forward_selection": "forward", "highest_weights": "highest-weights",
              "lasso_path": "lasso-path", "none": "none"}


def selection(name: str) -> str:
    """glim's name of a feature_selection."""
    if name not in SELECTIONS:
        raise UsageError(f"'{name}' is no feature_selection (there are {', '.join(SELECTIONS)})")
    return SELECTIONS[name]


def names_of(classes: Optional[list], said: np.ndarray, function: str) -> list:
    """The names of the classes that `function` said something of (K): those given, or 0, 1, ..."""
    names = classes or [str(k) for k in range(len(said))]
    if len(names) != len(said):
        raise UsageError(f"there are {len(names)} class_names, and {function} gives {len(said)} classes")
    return names


def wanted_labels(said: np.ndarray, labels: Sequence[int], top_labels: Optional[int]) -> tuple:
    """(top labels, likeliest first, or None; labels to explain) out of what was said of the input (K)."""
    if len(said) < 2:
        raise UsageError("the function gives one number for an input; a classifier gives a probability of each class "
                         "(rows: mode='regression' explains numbers)")
    top = [int(k) for k in np.argsort(said)[-top_labels:][::-1]] if top_labels else None
    wanted = list(reversed(top)) if top else [int(k) for k in labels]
    if not wanted or any(not 0 <= k < len(said) for k in wanted):
        raise UsageError(f"labels are from 0 to {len(said) - 1}, one or more")
    return top, wanted


def seed_of(random_state: Any) -> int:
    """A seed of lime's random_state: None, a number, or a NumPy generator (which is drawn from)."""
    if random_state is None:
        return 0
    if isinstance(random_state, (int, np.integer)):
        return int(random_state)
    draw = getattr(random_state, "randint", None) or getattr(random_state, "integers", None)
    if draw is None:
        raise UsageError("random_state is a number or a NumPy generator")
    return int(draw(0, 2 ** 31 - 1))


def refuse(**given: Any) -> None:
    """Arguments of lime that have no counterpart: each must be what lime has by default."""
    for name, (value, usual, instead) in given.items():
        if value is not usual and value != usual:
            raise UsageError(f"{name}: glim has no counterpart of this ({instead})")
