#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Record what shap's KernelExplainer makes of fitted models whose absent columns have the
cells of a table's rows (tests/golden/backgrounds.json). All coalitions are asked.

Needs shap 0.51 (pip install shap); run by hand.
"""
import json
import pathlib

import numpy as np
import shap

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests/golden/backgrounds.json"
COLOURS = ["blue", "green", "red"]
NUMBERS = ["age", "height", "weight", "income"]
ROWS, ROW = 24, 5


def model(rng, classes):
    """A file of glim fit: four numbers and a colour."""
    outputs = max(1, len(classes) if len(classes) > 2 else 1)
    columns = [{"name": n, "values": None} for n in NUMBERS[:2]]
    columns += [{"name": "colour", "values": COLOURS}]
    columns += [{"name": n, "values": None} for n in NUMBERS[2:]]
    width = len(NUMBERS) + len(COLOURS)
    return {"schema": "glim.linear/1", "version": "0.1.0",
            "kind": "logistic" if classes else "linear", "target": "y",
            "classes": classes,
            "input": {"kind": "table", "columns": columns},
            "fit": {"strength": 1.0, "l1_ratio": 0.0, "rows": ROWS, "held_out": 0,
                    "accuracy": None, "low": None, "high": None},
            "mean": rng.normal(size=width).tolist(),
            "scale": rng.uniform(0.5, 2, size=width).tolist(),
            "bias": rng.normal(size=outputs).tolist(),
            "weights": rng.normal(size=(outputs, width)).tolist()}


def features(rows):
    """(n, 5), the third column a colour's number, to (n, 7)."""
    return np.concatenate([rows[:, :2], np.eye(3)[rows[:, 2].astype(int)], rows[:, 3:]], axis=1)


def answer(m, k, output):
    w, b = np.array(m["weights"]), np.array(m["bias"])

    def f(rows):
        z = (features(rows) - m["mean"]) / m["scale"] @ w.T + b
        if m["kind"] == "linear":
            return z[:, 0]
        if z.shape[1] == 1:
            z = np.concatenate([-z / 2, z / 2], axis=1)
        p = np.exp(z - z.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        return p[:, k] if output == "prob" else np.log(p[:, k])
    return f


def main():
    rng = np.random.default_rng(2)
    rows = np.round(rng.normal(size=(ROWS, 5)), 3)
    rows[:, 2] = rng.integers(0, 3, size=ROWS)
    csv = ["age,height,colour,weight,income"]
    csv += [f"{r[0]},{r[1]},{COLOURS[int(r[2])]},{r[3]},{r[4]}" for r in rows]
    cases = []
    for classes, k, output in ([], 0, "score"), (["no", "yes"], 1, "prob"), \
            (["a", "b", "c"], 2, "logprob"):
        m = model(rng, classes)
        explainer = shap.KernelExplainer(answer(m, k, output), rows)
        phi = explainer.shap_values(rows[ROW - 1:ROW], nsamples=10 ** 4, l1_reg=False, silent=True)
        cases.append({"model": m, "class": classes[k] if classes else None, "output": output,
                      "base": float(explainer.expected_value),
                      "values": np.asarray(phi).ravel().tolist()})
    OUT.write_text(json.dumps({"csv": "\n".join(csv) + "\n", "row": ROW, "cases": cases}) + "\n")


if __name__ == "__main__":
    main()
