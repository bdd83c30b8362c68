#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Record what statsmodels says of samples of small made-up data, for tests/influence/.

    scripts/record-influence.py        writes tests/golden/influence/*.json

Needs statsmodels 0.15 and NumPy (a virtual environment of its own will do).
"""
import json
import pathlib

import numpy as np
import statsmodels
import statsmodels.api as sm

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests/golden/influence"


def make(seed, rows, features):
    """Columns of different sizes that depend on each other, and one row far off."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, features))
    x[:, 1] += 0.9 * x[:, 0]
    x *= np.array([1, 10, 0.1, 3, 100, 1])[:features]
    x += np.array([0, 50, 1, -3, 10000, 0])[:features]
    x = np.round(x, 4)
    x[7] += 4 * x.std(0)
    return x, (x - x.mean(0)) / x.std(0), rng


def write(name, x, y, **more):
    case = {"made_with": f"statsmodels {statsmodels.__version__}", "x": x.tolist(), "y": y.tolist()}
    more = {k: np.asarray(v).tolist() for k, v in more.items()}
    (OUT / f"{name}.json").write_text(json.dumps(case | more) + "\n")


def numbers(name, seed, rows, features):
    x, z, rng = make(seed, rows, features)
    y = np.round(z @ rng.normal(size=features) + rng.normal(size=rows) + 7, 4)
    y[3] += 6
    i = sm.OLS(y, sm.add_constant(x)).fit().get_influence()
    write(name, x, y, leverage=i.hat_matrix_diag, residual=i.resid,
          studentised_internal=i.resid_studentized_internal,
          studentised_external=i.resid_studentized_external, cooks_distance=i.cooks_distance[0],
          dffits=i.dffits[0], covratio=i.cov_ratio, press_residual=i.resid_press, dfbetas=i.dfbetas)


def two(name, seed, rows, features):
    x, z, rng = make(seed, rows, features)
    y = (z @ rng.normal(size=features) + rng.logistic(size=rows) > 0).astype(float)
    fit = sm.GLM(y, sm.add_constant(x), family=sm.families.Binomial()).fit(tol=1e-15, maxiter=100)
    i = fit.get_influence()
    ones, w = sm.add_constant(x), fit.mu * (1 - fit.mu)  # fit.bse is of the step before
    deviation = np.sqrt(np.diag(np.linalg.inv(ones.T @ (w[:, None] * ones))))
    write(name, x, y, leverage=i.hat_matrix_diag, pearson_residual=fit.resid_pearson,
          deviance_residual=fit.resid_deviance, studentised_internal=i.resid_studentized,
          cooks_distance=i.cooks_distance[0], dfbetas=i.d_params / deviation)


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    numbers("numbers", 1, 60, 5)
    two("two-classes", 3, 120, 4)


if __name__ == "__main__":
    main()
