# SPDX-License-Identifier: Apache-2.0
"""lime.lime_tabular's interface (lime 0.2.0.1) over glim's LIME for rows of a table."""
from __future__ import annotations

import json
import re
from typing import Any, Callable, Optional, Sequence

import numpy as np

from ._library import UsageError
from .lime_base import Explanation, names_of, refuse, seed_of, selection, wanted_labels
from .predictor import RowPredictor, answers

_DISCRETIZERS = ("quartile", "decile", "entropy")


class LimeTabularExplainer:
    """Explains predictions on rows of numbers. Arguments mean what they mean in lime:

    training_data (n, d); mode "classification" or "regression"; training_labels (n), for
    discretizer "entropy"; feature_names (d); categorical_features: numbers of columns;
    categorical_names: {column: [name of value 0, of 1, ...]}; kernel_width: None is
    0.75 sqrt(d); random_state: a number or a NumPy generator (None: 0, so that the same call
    gives the same answer; lime draws anew).
    """

    def __init__(self, training_data: Any, mode: str = "classification", training_labels: Any = None,
                 feature_names: Optional[Sequence[str]] = None, categorical_features: Optional[Sequence[int]] = None,
                 categorical_names: Optional[dict] = None, kernel_width: Optional[float] = None, kernel: Any = None,
                 verbose: bool = False, class_names: Optional[Sequence[str]] = None, feature_selection: str = "auto",
                 discretize_continuous: bool = True, discretizer: str = "quartile",
                 sample_around_instance: bool = False, random_state: Any = None,
                 training_data_stats: Any = None) -> None:
        refuse(kernel=(kernel, None, "kernel_width sets the width of the usual one"),
               training_data_stats=(training_data_stats, None, "give the training data"))
        if mode not in ("classification", "regression"):
            raise UsageError(f"mode is 'classification' or 'regression', not '{mode}'")
        if discretizer not in _DISCRETIZERS:
            raise UsageError(f"'{discretizer}' is no discretizer (there are {', '.join(_DISCRETIZERS)})")
        if hasattr(training_data, "columns") and feature_names is None:
            feature_names = [str(c) for c in training_data.columns]
        data = np.asarray(training_data, dtype=np.float64)
        if data.ndim != 2:
            raise UsageError(f"training_data has rows and columns, not the shape {data.shape}")
        self.mode, self.verbose, self.random_state = mode, verbose, random_state
        self.class_names = None if class_names is None else [str(c) for c in class_names]
        self.feature_names = [str(i) for i in range(data.shape[1])] if feature_names is None else \
            [str(name) for name in feature_names]
        if len(self.feature_names) != data.shape[1]:
            raise UsageError(f"there are {len(self.feature_names)} feature_names for {data.shape[1]} columns")
        self.categorical_features = sorted(int(i) for i in categorical_features or [])
        self.categorical_names = categorical_names or {}
        if any(not 0 <= i < data.shape[1] for i in self.categorical_features):
            raise UsageError(f"categorical_features are columns from 0 to {data.shape[1] - 1}")
        self._mean, self._deviation = np.nanmean(data, axis=0), np.nanstd(data, axis=0)
        self.discretize_continuous, self.sample_around_instance = discretize_continuous, sample_around_instance
        entropy = discretize_continuous and discretizer == "entropy"
        if entropy and training_labels is None:
            raise UsageError("discretizer 'entropy' needs training_labels")
        # Columns go by number inside: any names will do.
        self._inner = [f"c{i}" for i in range(data.shape[1])]
        self._rows = RowPredictor(data, self._inner, training_labels if entropy else None)
        self._parameters = {
            "discretizer": discretizer if discretize_continuous else "none",
            "feature_selection": selection(feature_selection),
            "kernel_width": kernel_width or 0, "sample_around_instance": sample_around_instance,
            "categorical": ",".join(self._inner[i] for i in self.categorical_features) or None,
            "label_column": "(label)" if entropy else None}

    def explain_instance(self, data_row: Any, predict_fn: Callable[[np.ndarray], Any], labels: Sequence[int] = (1,),
                         top_labels: Optional[int] = None, num_features: int = 10, num_samples: int = 5000,
                         distance_metric: str = "euclidean", model_regressor: Any = None) -> Explanation:
        """Explains one row (d). predict_fn(rows (n, d)) gives probabilities (n, classes), or with mode
        "regression" numbers (n). Labels are numbers of classes."""
        refuse(distance_metric=(distance_metric, "euclidean", "distances are Euclidean"),
               model_regressor=(model_regressor, None, "the local model is a ridge"))
        row = np.asarray(data_row, dtype=np.float64)
        if row.shape != (len(self.feature_names),):
            raise UsageError(f"a row has {len(self.feature_names)} numbers, not the shape {row.shape}")
        regression = self.mode == "regression"
        said = answers(predict_fn, row[None, :], 1, 1 if regression else None, "predict_fn")[0]
        names = None if regression else names_of(self.class_names, said, "predict_fn")
        top, wanted = (None, [0]) if regression else wanted_labels(said, labels, top_labels)
        given = dict(self._parameters, num_samples=int(num_samples), num_features=int(num_features))
        found = self._rows.explain(row, predict_fn, wanted, names, not regression, "lime", seed_of(self.random_state),
                                   {key: value for key, value in given.items() if value is not None}, said[None, :])
        words = self._words(found[0], row)
        documents = {1 if regression else k: self._named(d) for k, d in zip(wanted, found)}
        out = Explanation(self.mode, names, words, documents, features=self._standard(row))
        if regression:
            out.local_exp[0] = [(i, -w) for i, w in out.local_exp[1]]
            out.intercept[0] = out.intercept[1]
            out.predicted_value = float(said[0])
        else:
            out.predict_proba, out.top_labels = said, top
        if self.verbose:
            out.tell(said[wanted[-1]])
        return out

    def _standard(self, row: np.ndarray) -> Optional[np.ndarray]:
        """The row's features: without bins numbers in standard deviations, else all are there."""
        if self.discretize_continuous:
            return None
        found = (row - self._mean) / np.where(self._deviation > 0, self._deviation, 1)
        found[self.categorical_features] = 1
        return found

    def _named(self, document: Any) -> Any:
        """The document with the features' own names."""
        data = document.data
        words = [self._rule(unit["text"].strip(), None) for unit in data["input"]["units"]]
        text = ""
        for unit, word in zip(data["input"]["units"], words):
            text += ("  " if text else "") + word
            unit["start"], unit["end"], unit["text"] = len(text.encode()) - len(word.encode()), len(text.encode()), word
        data["input"]["text"] = text
        data["notes"] = [re.sub(r"\bc(\d+)\b", lambda m: self._name(int(m.group(1)), m.group(0)), note)
                         for note in data.get("notes") or []]
        named = data["method"]["params"].get("categorical")
        if named:
            data["method"]["params"]["categorical"] = ",".join(self.feature_names[int(c[1:])] for c in named.split(","))
        return type(document)(json.dumps(data, ensure_ascii=False))

    def _name(self, i: int, otherwise: str) -> str:
        return self.feature_names[i] if i < len(self.feature_names) else otherwise

    def _words(self, document: Any, row: np.ndarray) -> list:
        if document.data["input"]["units"] and not self.discretize_continuous:
            return [self._category(i, row[i]) if i in self.categorical_features else self.feature_names[i]
                    for i in range(len(row))]
        return [self._rule(unit["text"].strip(), 2) for unit in document.data["input"]["units"]]

    def _category(self, i: int, value: float) -> str:
        known = self.categorical_names.get(i)
        shown = known[int(value)] if known is not None and 0 <= int(value) < len(known) else f"{value:g}"
        return f"{self.feature_names[i]}={shown}"

    def _rule(self, rule: str, digits: Optional[int]) -> str:
        """A rule of the document ("c3 in (0.3, 1.2]") as lime writes it ("0.30 < width <= 1.20")."""
        number = r"([-+0-9.eEinfa]+)"
        i = int(rule[1:].split(" ")[0])
        name = self.feature_names[i]

        def shown(text: str) -> str:
            return f"{float(text):.4g}" if digits is None else f"{float(text):.{digits}f}"
        for pattern, form in ((rf"c\d+ <= {number}$", "{n} <= {a}"), (rf"c\d+ > {number}$", "{n} > {a}"),
                              (rf"c\d+ in \({number}, {number}\]$", "{a} < {n} <= {b}")):
            found = re.match(pattern, rule)
            if found:
                cuts = [shown(text) for text in found.groups()]
                return form.format(n=name, a=cuts[0], b=cuts[-1])
        found = re.match(rf"c\d+ = {number}$", rule)
        return self._category(i, float(found.group(1))) if found else name + rule[rule.index(" "):]

