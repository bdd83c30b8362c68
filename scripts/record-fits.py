#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Record what scikit-learn fits on small made-up data, for tests/predict/test_fit.c.

    scripts/record-fits.py        writes tests/golden/fit/*.json

Needs scikit-learn 1.9 (a virtual environment of its own will do). Coefficients are of
the data as they are given, also where they were standardised for the fit.
"""
import json
import pathlib
import warnings

import numpy as np
import sklearn
from sklearn.linear_model import (ElasticNet, Lasso, LinearRegression, LogisticRegression,
                                  LogisticRegressionCV, Ridge)
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests/golden/fit"
GRID = [10.0 ** k for k in range(-4, 5)]


def make(seed, rows, features, classes):
    """Columns of different sizes that depend on each other, one of them constant."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, features))
    x[:, 1] += 0.8 * x[:, 0]
    x *= np.array([1, 10, 0.1, 3, 100, 1, 0.5, 2])[:features]
    x += np.array([0, 50, 1, -3, 1000, 0, 0, 5])[:features]
    x[:, 5] = 2.5
    x = np.round(x, 4)
    z = (x - x.mean(0)) / np.where(x.std(0) > 0, x.std(0), 1)
    if classes:
        scores = z @ rng.normal(size=(features, classes)) + rng.gumbel(size=(rows, classes))
        return x, scores.argmax(1)
    return x, np.round(z @ rng.normal(size=features) + rng.normal(size=rows) + 7, 4)


def write(name, x, y, options, coef, intercept, **more):
    case = {"made_with": f"scikit-learn {sklearn.__version__}", "x": x.tolist(), "y": y.tolist(),
            "classes": int(y.max()) + 1 if y.dtype.kind == "i" else 0, "options": options,
            "coef": np.atleast_2d(coef).tolist(), "intercept": np.atleast_1d(intercept).tolist()}
    (OUT / f"{name}.json").write_text(json.dumps(case | more, indent=None) + "\n")


def unscaled(pipeline):
    """Coefficients for the data as they are."""
    scaler, model = pipeline[0], pipeline[1]
    coef = np.atleast_2d(model.coef_) / scaler.scale_
    return coef, np.atleast_1d(model.intercept_) - coef @ scaler.mean_


def logistic(name, seed, classes, strength, l1_ratio=0.0, raw=False, weights=None, rows=120):
    x, y = make(seed, rows, 8, classes)
    exact = {"solver": "newton-cholesky", "tol": 1e-12} if not l1_ratio else {
        "solver": "saga", "tol": 1e-13, "l1_ratio": l1_ratio}
    given = {None: None, "balanced": "balanced", "1=3,0=0.5": {0: 0.5, 1: 3.0}}[weights]
    if given and classes > 2 and given != "balanced":
        given = given | {k: 1.0 for k in range(2, classes)}
    model = LogisticRegression(C=1 / strength, max_iter=1000000, class_weight=given, **exact)
    if raw:
        x[:, 4] /= 100  # saga, newton: nothing is scaled for them
        x = np.round(x, 4)
        model.fit(x, y)
        coef, intercept = model.coef_, model.intercept_
    else:
        coef, intercept = unscaled(make_pipeline(StandardScaler(), model).fit(x, y))
    write(name, x, y, {"strength": strength, "l1_ratio": l1_ratio, "raw_scale": raw,
                       "class_weights": weights}, coef, intercept)


def linear(name, seed, strength, l1_ratio=0.0, raw=False):
    x, y = make(seed, 80, 8, 0)
    n = len(y)
    if not strength:
        model = LinearRegression()
    elif not l1_ratio:
        model = Ridge(alpha=strength, solver="svd")
    elif l1_ratio == 1:
        model = Lasso(alpha=strength / n, tol=1e-14, max_iter=1000000)
    else:
        model = ElasticNet(alpha=strength / n, l1_ratio=l1_ratio, tol=1e-14, max_iter=1000000)
    if raw:
        model.fit(x, y)
        coef, intercept = model.coef_, model.intercept_
    else:
        coef, intercept = unscaled(make_pipeline(StandardScaler(), model).fit(x, y))
    write(name, x, y, {"strength": strength, "l1_ratio": l1_ratio, "raw_scale": raw,
                       "class_weights": None}, coef, intercept)


def chosen(name, seed, classes, raw):
    """The strength by cross-validation over given folds."""
    x, y = make(seed, 150, 8, classes)
    rng = np.random.default_rng(seed + 1)
    fold = rng.permutation(np.arange(len(y)) % 5)
    split = PredefinedSplit(fold)
    if classes and raw:
        x[:, 4] /= 100
        x = np.round(x, 4)
        model = LogisticRegressionCV(Cs=[1 / g for g in reversed(GRID)], cv=split, tol=1e-10,
                                     solver="newton-cholesky", max_iter=100000,
                                     scoring="accuracy", l1_ratios=(0,),
                                     use_legacy_attributes=False).fit(x, y)
        scores = np.asarray(model.scores_).reshape(5, -1).mean(0)[::-1]
        best, coef, intercept = 1 / float(model.C_), model.coef_, model.intercept_
    else:
        key = "logisticregression__C" if classes else "ridge__alpha"
        values = [1 / g for g in reversed(GRID)] if classes else list(reversed(GRID))
        model = LogisticRegression(solver="newton-cholesky", tol=1e-12,
                                   max_iter=100000) if classes else Ridge(solver="svd")
        search = GridSearchCV(make_pipeline(StandardScaler(), model), {key: values}, cv=split,
                              scoring="accuracy" if classes else "neg_mean_squared_error")
        search.fit(x, y)
        scores = search.cv_results_["mean_test_score"][::-1] * (1 if classes else -1)
        best = search.best_params_[key]
        best = 1 / best if classes else best
        coef, intercept = unscaled(search.best_estimator_)
    write(name, x, y, {"strength": -1, "l1_ratio": 0.0, "raw_scale": raw, "class_weights": None},
          coef, intercept, fold=fold.tolist(), chosen=best, scores=list(map(float, scores)))


def main():
    warnings.simplefilter("error")
    OUT.mkdir(parents=True, exist_ok=True)
    logistic("binary", 1, 2, 1.0)
    logistic("binary-weak", 2, 2, 0.01)
    logistic("binary-raw", 3, 2, 1.0, raw=True)
    logistic("binary-balanced", 4, 2, 0.5, weights="balanced")
    logistic("binary-weights", 5, 2, 0.5, weights="1=3,0=0.5")
    logistic("classes", 6, 4, 1.0)
    logistic("classes-raw", 7, 3, 2.0, raw=True)
    logistic("classes-balanced", 8, 4, 0.3, weights="balanced")
    logistic("binary-elastic", 9, 2, 5.0, l1_ratio=0.5)
    logistic("binary-lasso", 10, 2, 4.0, l1_ratio=1.0)
    logistic("classes-elastic", 11, 3, 6.0, l1_ratio=0.7)
    linear("least-squares-raw", 12, 0.0, raw=True)
    linear("ridge", 13, 3.0)
    linear("ridge-raw", 14, 3.0, raw=True)
    linear("elastic", 15, 16.0, l1_ratio=0.5)
    linear("lasso", 16, 12.0, l1_ratio=1.0)
    chosen("chosen-binary", 17, 2, False)
    chosen("chosen-classes-raw", 18, 3, True)
    chosen("chosen-ridge", 19, 0, False)


if __name__ == "__main__":
    main()
