# SPDX-License-Identifier: Apache-2.0
"""Maps and probes with scikit-learn's conventions: fit, transform, predict, get_params. scikit-learn
itself is not needed. Parameters have openTSNE's and scikit-learn's names."""
from __future__ import annotations

import inspect
import warnings
from typing import Any, Optional

import numpy as np

from ._library import Context, UsageError, ffi, lib

_INITIALIZATIONS = {"pca": "GLIM_MAP_START_PCA", "random": "GLIM_MAP_START_RANDOM"}
_GRADIENTS = {"auto": "GLIM_MAP_GRADIENT_AUTO", "exact": "GLIM_MAP_GRADIENT_EXACT",
              "barnes_hut": "GLIM_MAP_GRADIENT_BARNES_HUT", "fft": "GLIM_MAP_GRADIENT_FFT"}


class _Estimator:
    """get_params and set_params as scikit-learn has them."""

    @classmethod
    def _names(cls) -> list:
        return [name for name in inspect.signature(cls.__init__).parameters if name != "self"]

    def get_params(self, deep: bool = True) -> dict:
        """Parameters by name."""
        return {name: getattr(self, name) for name in self._names()}

    def set_params(self, **params: Any) -> "_Estimator":
        """Sets parameters by name."""
        for name, value in params.items():
            if name not in self._names():
                raise ValueError(f"Invalid parameter {name!r} for estimator {self!r}. Valid parameters are: "
                                 f"{self._names()!r}.")
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        usual = {n: p.default for n, p in inspect.signature(type(self).__init__).parameters.items()}
        told = [f"{n}={v!r}" for n, v in self.get_params().items() if v is not usual[n] and v != usual[n]]
        return f"{type(self).__name__}({', '.join(told)})"

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags, TransformerTags
        if hasattr(self, "predict"):
            return Tags(estimator_type="classifier", target_tags=TargetTags(required=True),
                        classifier_tags=ClassifierTags(), input_tags=InputTags())
        return Tags(estimator_type=None, target_tags=TargetTags(required=False),
                    transformer_tags=TransformerTags(preserves_dtype=["float32"]))

    def _rows(self, X: Any, reset: bool, least: int = 2) -> np.ndarray:
        """X (n, d) as float32, finite, of as many columns as were fitted."""
        if hasattr(X, "toarray") and hasattr(X, "nnz"):
            raise TypeError("Sparse data was passed, but dense data is required. Use '.toarray()' to convert.")
        found = np.asarray(X)
        if found.dtype.kind == "c":
            raise ValueError("Complex data not supported")
        try:
            found = np.ascontiguousarray(found, dtype=np.float32)
        except (TypeError, ValueError) as error:
            raise (TypeError if isinstance(error, TypeError) else ValueError)(str(error)) from None
        if found.ndim != 2:
            raise ValueError(f"Expected 2D array, got {found.ndim}D array instead. Reshape your data with "
                             "array.reshape(-1, 1) or array.reshape(1, -1).")
        if found.shape[1] == 0:
            raise ValueError(f"0 feature(s) (shape={found.shape}) while a minimum of 1 is required.")
        if len(found) < (least if reset else 1):
            raise ValueError(f"Found array with {len(found)} sample(s) (shape={found.shape}) while a minimum of "
                             f"{least if reset else 1} is required.")
        if not np.isfinite(found).all():
            kind = "NaN" if np.isnan(found).any() else "infinity"
            raise ValueError(f"Input X contains {kind}. {type(self).__name__} does not accept missing values encoded "
                             "as NaN natively.")
        if reset:
            self.n_features_in_ = found.shape[1]
            if hasattr(X, "columns"):
                self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        elif found.shape[1] != self.n_features_in_:
            raise ValueError(f"X has {found.shape[1]} features, but {type(self).__name__} is expecting "
                             f"{self.n_features_in_} features as input")
        return found

    def _fitted(self, member: str) -> None:
        if not hasattr(self, member):
            try:
                from sklearn.exceptions import NotFittedError as Error
            except ImportError:
                Error = UsageError
            raise Error(f"This {type(self).__name__} instance is not fitted yet. Call 'fit' first.")


class PCA(_Estimator):
    """Principal components. n_components: None is all. components_ (k, d) of length one, their
    largest loading positive; explained_variance_ratio_ (k); mean_ (d). Exact when the smaller side
    of X is at most 2,000, else randomised (Halko, Martinsson, Tropp 2011)."""

    def __init__(self, n_components: Optional[int] = None, random_state: int = 0, n_jobs: int = 0) -> None:
        self.n_components, self.random_state, self.n_jobs = n_components, random_state, n_jobs

    def fit(self, X: Any, y: Any = None) -> "PCA":
        """X (n, d)."""
        self._solve(X)
        return self

    def fit_transform(self, X: Any, y: Any = None) -> np.ndarray:
        """The scores (n, k), float32."""
        return self._solve(X)

    def _solve(self, X: Any) -> np.ndarray:
        x = self._rows(X, reset=True)
        n, width = x.shape
        k = min(n, width) if self.n_components is None else int(self.n_components)
        mean, components, share = np.empty(width), np.empty((k, width)), np.empty(k)
        scores = np.empty((n, k), dtype=np.float32)
        context = Context(self.n_jobs)
        context.call(lib.glim_pca, *(ffi.from_buffer("double[]", a) for a in (mean, components, share)),
                     ffi.from_buffer("float[]", scores), context.handle, ffi.from_buffer("float[]", x), n, width, k,
                     self.random_state or 0)
        self.mean_, self.components_, self.explained_variance_ratio_ = mean, components, share
        self.n_components_ = k
        return scores

    def transform(self, X: Any) -> np.ndarray:
        """The scores of other rows."""
        self._fitted("components_")
        x = self._rows(X, reset=False)
        return ((x - self.mean_) @ self.components_.T).astype(np.float32)

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Rows of scores, as far as the components tell."""
        self._fitted("components_")
        return np.asarray(X) @ self.components_ + self.mean_


class TSNE(_Estimator):
    """t-SNE in two dimensions (van der Maaten, Hinton 2008), with openTSNE's names and defaults.

    fit_transform(X) gives embedding_ (n, 2), float32; kl_divergence_ in nats; n_iter_. The same
    X and parameters give the same bits, whatever n_jobs is. learning_rate None: points /
    exaggeration of each phase. X is used as it is: reduce it with PCA(50) when it is wide.
    `transform` puts new rows into the map that stands; of the rows that were fitted it gives other
    places than `fit_transform` (they are found by their neighbours), which is why two of
    scikit-learn's checks, that both are equal, do not hold.
    """

    def __init__(self, perplexity: float = 30, early_exaggeration: float = 12, early_exaggeration_iter: int = 250,
                 exaggeration: float = 1, n_iter: int = 500, learning_rate: Optional[float] = None,
                 initialization: str = "pca", negative_gradient_method: str = "auto", theta: float = 0.5,
                 random_state: int = 0, n_jobs: int = 0) -> None:
        self.perplexity, self.early_exaggeration = perplexity, early_exaggeration
        self.early_exaggeration_iter, self.exaggeration, self.n_iter = early_exaggeration_iter, exaggeration, n_iter
        self.learning_rate, self.initialization = learning_rate, initialization
        self.negative_gradient_method, self.theta = negative_gradient_method, theta
        self.random_state, self.n_jobs = random_state, n_jobs

    def _options(self) -> Any:
        for value, known, name in ((self.initialization, _INITIALIZATIONS, "initialization"),
                                   (self.negative_gradient_method, _GRADIENTS, "negative_gradient_method")):
            if value not in known:
                raise UsageError(f"'{value}' is no {name} (there are {', '.join(known)})")
        none = 2 ** (8 * ffi.sizeof("size_t")) - 1
        return ffi.new("glim_map_options *", {
            "method": lib.GLIM_MAP_TSNE, "perplexity": self.perplexity, "early_exaggeration": self.early_exaggeration,
            "early_exaggeration_iter": self.early_exaggeration_iter or none, "exaggeration": self.exaggeration,
            "n_iter": self.n_iter or none, "learning_rate": self.learning_rate or 0, "theta": self.theta or -1,
            "start": getattr(lib, _INITIALIZATIONS[self.initialization]),
            "gradient": getattr(lib, _GRADIENTS[self.negative_gradient_method]), "seed": self.random_state or 0})

    def fit(self, X: Any, y: Any = None) -> "TSNE":
        """X (n, d)."""
        self.fit_transform(X)
        return self

    def fit_transform(self, X: Any, y: Any = None) -> np.ndarray:
        """The map (n, 2)."""
        x = self._rows(X, reset=True, least=5)
        context = Context(self.n_jobs)
        made = context.make("glim_embedding", lib.glim_embed, lib.glim_embedding_free, context.handle,
                            ffi.from_buffer("float[]", x), *x.shape, self._options(), partial=True)
        self._map, self._x, self._context = made, x, context
        flat = np.frombuffer(ffi.buffer(made.xy, 8 * len(x)), dtype=np.float32)
        self.embedding_ = flat.reshape(len(x), 2).copy()
        self.kl_divergence_, self.n_iter_ = float(made.kl), int(made.done)
        return self.embedding_

    def transform(self, X: Any) -> np.ndarray:
        """Places (m, 2) of other rows in the map, which stays as it is; new rows do not see each other."""
        self._fitted("embedding_")
        y = self._rows(X, reset=False)
        if self._map is None:  # pickled: the same bits are made again
            self.fit_transform(self._x)
        out = np.empty((len(y), 2), dtype=np.float32)
        self._context.call(lib.glim_embed_place, ffi.from_buffer("float[]", out), ffi.NULL, ffi.NULL, 0, self._map,
                           ffi.from_buffer("float[]", self._x), ffi.from_buffer("float[]", y), len(y))
        return out

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_map": None, "_context": None} if hasattr(self, "_map") else dict(self.__dict__)


class LinearProbe(_Estimator):
    """Logistic regression on representations, as glim probe and glim fit use it: L2 penalty of
    strength 1/C on standardised columns, softmax over more than two classes.

    strength: None is chosen by cross-validation from 1e-4, 1e-3, ..., 1e4; chosen in strength_.
    class_weight: None, "balanced", or {class: weight}, of which others are 1. coef_ (classes, or 1 of two; d) and intercept_ are of X as it is given.
    """

    def __init__(self, strength: Optional[float] = 1.0, standardise: bool = True, class_weight: Any = None,
                 folds: int = 5, max_iter: int = 1000, random_state: int = 0, n_jobs: int = 0) -> None:
        self.strength, self.standardise, self.class_weight = strength, standardise, class_weight
        self.folds, self.max_iter, self.random_state, self.n_jobs = folds, max_iter, random_state, n_jobs

    def fit(self, X: Any, y: Any) -> "LinearProbe":
        """X (n, d); y (n): two classes or more, of any kind."""
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        x, labels = self._rows(X, reset=True), np.asarray(y)
        if labels.ndim == 2 and labels.shape[1] == 1:
            _warn_column(type(self).__name__)
            labels = labels[:, 0]
        if labels.ndim != 1:
            raise ValueError(f"y should be a 1d array, got an array of shape {labels.shape} instead.")
        if len(labels) != len(x):
            raise ValueError(f"Found input variables with inconsistent numbers of samples: [{len(x)}, {len(labels)}]")
        if labels.dtype.kind == "f":
            if not np.isfinite(labels).all():
                raise ValueError("Input y contains NaN or infinity.")
            if (labels != np.round(labels)).any():
                raise ValueError("Unknown label type: continuous. Maybe you are trying to fit a classifier, which "
                                 "expects discrete classes on a regression target with continuous values.")
        classes, numbers = np.unique(labels, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(f"Classifier can't train when only one class is present: y holds {len(classes)} class")
        weights = self.class_weight
        if isinstance(weights, dict):
            weights = ",".join(f"{k}={weights.get(name, 1)}" for k, name in enumerate(classes.tolist()))
        self._solve(x, np.ascontiguousarray(numbers, dtype=np.int32), len(classes), weights)
        self.classes_ = classes
        return self

    def _solve(self, x: np.ndarray, numbers: np.ndarray, n_classes: int,
               class_weight: Optional[str]) -> None:
        names = [ffi.new("char[]", str(k).encode()) for k in range(n_classes)]
        weights = ffi.new("char[]", class_weight.encode()) if class_weight else ffi.NULL
        table, rows = ffi.new("char *[]", names), ffi.from_buffer("float[]", x)  # the struct only borrows
        labels = ffi.from_buffer("int32_t[]", numbers)
        data = ffi.new("glim_fit_data *", {"f32": rows, "n": len(x), "width": x.shape[1], "labels": labels,
                                           "classes": table, "n_classes": n_classes})
        options = ffi.new("glim_fit_options *", {
            "kind": lib.GLIM_FIT_LOGISTIC, "strength": -1 if self.strength is None else self.strength,
            "raw_scale": not self.standardise, "class_weights": weights, "folds": self.folds,
            "seed": self.random_state or 0, "max_iterations": self.max_iter})
        context, report = Context(self.n_jobs), ffi.new("glim_fit_report *")
        fitted = context.make("glim_linear", lib.glim_fit, lib.glim_linear_close, report, context.handle, data, options)
        outputs = lib.glim_linear_facts(fitted).outputs
        self.coef_, self.intercept_ = np.empty((outputs, x.shape[1])), np.empty(outputs)
        lib.glim_linear_weights(fitted, ffi.from_buffer("double[]", self.coef_),
                                ffi.from_buffer("double[]", self.intercept_))
        self.strength_, self.n_iter_ = report.strength, max(1, int(report.iterations))

    def decision_function(self, X: Any) -> np.ndarray:
        """Logits (n, classes), or of two classes the log odds of the second (n)."""
        self._fitted("coef_")
        z = self._rows(X, reset=False) @ self.coef_.T + self.intercept_
        return z[:, 0] if z.shape[1] == 1 else z

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities (n, classes)."""
        z = self.decision_function(X)
        z = np.stack([np.zeros_like(z), z], axis=1) if z.ndim == 1 else z
        z = np.exp(z - z.max(axis=1, keepdims=True))
        return z / z.sum(axis=1, keepdims=True)

    def predict(self, X: Any) -> np.ndarray:
        """The likeliest class of each row (n)."""
        z = self.decision_function(X)
        return self.classes_[(z > 0).astype(int) if z.ndim == 1 else z.argmax(axis=1)]

    def score(self, X: Any, y: Any) -> float:
        """The share of rows whose class is predicted."""
        return float((self.predict(X) == np.asarray(y)).mean())


def _warn_column(name: str) -> None:
    try:
        from sklearn.exceptions import DataConversionWarning as kind
    except ImportError:
        kind = UserWarning
    warnings.warn(f"A column-vector y was passed when a 1d array was expected: {name} takes y of the shape "
                  "(n_samples,), as y.ravel() gives it.", kind, stacklevel=3)
