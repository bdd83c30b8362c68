# SPDX-License-Identifier: Apache-2.0
"""Inputs that lime and glim.lime_* are both asked about (test_lime.py, scripts/record-lime-python.py)."""
import re

import numpy as np

_RNG = np.random.RandomState(7)
ROWS = np.c_[_RNG.randn(300), _RNG.exponential(2, 300), _RNG.randint(0, 3, 300), _RNG.randn(300) * 5 + 1]
TABLES = {"quartile": {}, "decile": {"discretizer": "decile"}, "plain": {"discretize_continuous": False},
          "around": {"discretize_continuous": False, "sample_around_instance": True}}
TEXTS = {"bow": {"bow": True}, "places": {"bow": False}}
TEXT = "a good film with a bad end but good music"


def rows_said(x):
    z = 1.5 * x[:, 0] - 0.4 * x[:, 1] + 0.8 * (x[:, 2] == 1) + 0.1 * x[:, 3]
    p = 1 / (1 + np.exp(-z))
    return np.c_[1 - p, p]


def table(module, seed, **arguments):
    explainer = module.LimeTabularExplainer(
        ROWS, feature_names=["first", "second", "kind", "last"], class_names=["no", "yes"], categorical_features=[2],
        categorical_names={2: ["red", "green", "blue"]}, random_state=seed, **arguments)
    return explainer.explain_instance(ROWS[5], rows_said, num_features=4)


def texts_said(texts):
    p = np.array([1 / (1 + np.exp(-(2.0 * len(re.findall(r"\bgood\b", t)) - 1.5 * len(re.findall(r"\bbad\b", t)))))
                  for t in texts])
    return np.c_[1 - p, p]


def text(module, seed, **arguments):
    explainer = module.LimeTextExplainer(class_names=["bad", "good"], random_state=seed, **arguments)
    return explainer.explain_instance(TEXT, texts_said, num_features=10)


def squares():
    """A picture of 4 x 4 squares of 8 pixels."""
    at = np.arange(32) // 8
    return at[:, None] * 4 + at


def picture_of():
    return (np.random.RandomState(3).randint(60, 200, (32, 32, 3))).astype(np.uint8)


def pictures_said(pictures):
    m = pictures[:, 8:16, 8:24].mean((1, 2, 3)) / 255
    return np.c_[m, 1 - m]


def picture(module, seed, **arguments):
    explainer = module.LimeImageExplainer(random_state=seed)
    return explainer.explain_instance(picture_of(), pictures_said, labels=(0,), top_labels=None, hide_color=0,
                                      num_samples=500, **arguments)
