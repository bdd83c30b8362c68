#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Documents of panels in every form: made here by hand, drawn by glim view. JSON is read
back as it was written and fits its schema; the report opens in Chromium without a request
or a message, shows the document's numbers, and axe-core finds nothing."""
import copy
import csv
import io
import json
import math
import re
import unittest

from jsonschema import Draft202012Validator

from browser import AXE, DOCUMENTS, ROOT, Browser, glim

WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
SCHEMA = json.loads((ROOT / "docs/schema/glim.explanation-1.schema.json").read_text(encoding="utf-8"))
WORDS = {lang: json.loads((ROOT / f"web/words/{lang}.json").read_text(encoding="utf-8"))
         for lang in ("en", "zh-CN")}
TOKENS = ["The", " capital", " of", " France", "，", "法国的首都", " is", " </script>", "�", " "]


def numbers(rows, columns, of):
    return [[of(r, c) for c in range(columns)] for r in range(rows)]


def grid(name="probability", rows=6, columns=len(TOKENS), scale="share", **other):
    of = {"share": lambda r, c: abs(math.sin(r * 3 + c * 5 + 1)) ** 3,
          "rank": lambda r, c: 1 + (r * 37 + c * 11) ** 2 % 4000,
          "effect": lambda r, c: 1.4 * math.sin(r + c * 7 + 1) ** 3,
          "amount": lambda r, c: (r * c) % 7 / 2,
          "signed": lambda r, c: 3 * math.sin(r * 5 + c + 1)}[scale]
    return {"name": name, "title": f"Grid of {scale}", "caption": "A caption of the grid.", "unit": None,
            "kind": "grid", "scale": scale,
            "rows": {"name": "layer", "labels": [f"L{rows - r}" for r in range(rows)]},
            "columns": {"name": "position", "labels": [TOKENS[c % len(TOKENS)] for c in range(columns)]},
            "values": numbers(rows, columns, of), "low": None, "high": None, "texts": None, "marked": None, **other}


def words():
    g = grid("answer")
    g["texts"] = numbers(6, len(TOKENS), lambda r, c: TOKENS[(r * 3 + c) % len(TOKENS)])
    g["marked"] = numbers(6, len(TOKENS), lambda r, c: r == c % 3)
    g["values"][1][1] = None
    return g


def lines(name="accuracy", series=2, columns=13, scale="share", **other):
    value = numbers(series, columns, lambda s, c: (0.5 + 0.4 * math.sin(c / 5)) / (1 + s / 2) if c != 4 or s else None)
    if scale == "rank":
        value = [[x and round(1 / x ** 6) for x in row] for row in value]
    spread = [[None if x is None else x * 0.05 for x in row] for row in value]
    return {"name": name, "title": f"Lines of {scale}", "caption": None, "unit": None, "kind": "lines", "scale": scale,
            "rows": {"name": "series", "labels": ["accuracy", "control", *(f"series {s}" for s in range(2, series))][:series]},
            "columns": {"name": "layer", "labels": ["embed", *map(str, range(columns - 1))]}, "values": value,
            "low": [[x and x - e for x, e in zip(*p)] for p in zip(value, spread)],
            "high": [[x and x + e for x, e in zip(*p)] for p in zip(value, spread)], **other}


def table():
    return {"name": "examples", "title": "Examples misread", "caption": "Of the best layer.", "unit": None, "kind": "table",
            "scale": "share", "rows": {"name": "row", "labels": ["7", "12", "<b>13</b>"]},
            "columns": {"name": "", "labels": ["text", "label", "probability"]},
            "cells": [["It was a fine film, and 米茨 liked it", "positive", 0.1234], ["no", None, None],
                      ["\u001b[31mred </td>", "negative", 1.0]]}


def texts():
    def one(label, n, best):
        values = [0.0 if (i * 7) % 5 else 1.5 + i % 3 for i in range(n)]
        values[best] = 12.5
        return {"label": label, "value": 12.5, "best": best, "pieces": [TOKENS[i % 4] for i in range(n)], "values": values}
    return {"name": "top", "title": "Texts with the largest activations", "caption": "Not natural text below 3.", "unit": "activation",
            "kind": "texts", "scale": "amount",
            "texts": [one("reviews.csv, row 7", 12, 3), one("row 90", 200, 100),
                      {"label": None, "value": None, "best": None, "pieces": ["法国", "\n", " ", "ab"], "values": [-1.0, None, 0.5, 3.0]},
                      {"label": "empty", "value": 0.0, "best": None, "pieces": [], "values": []}]}


def document(kind, *panels):
    return {"schema": "glim.explanation/1", "kind": kind, "glim": "0.1.0",
            "model": {"file": "model.gguf", "name": None, "architecture": "llama", "quantisation": "F32", "digest": None},
            "input": {"text": "The capital of France", "unit": None, "units": [], "turns": []},
            "target": {"kind": None, "output": None, "text": " Paris", "id": None, "against": None, "against_id": None,
                       "value": None, "baseline_value": None, "prob": None},
            "method": {"name": "logit-lens", "summary": "the last layer's words read from every layer", "params": {},
                       "cite": None, "caption": None, "additive": False, "signed": False},
            "scores": None, "error": None, "levels": [], "panels": list(panels), "fixed_total": None,
            "checks": {"verdict": "ok", "reason": "", "values": {}},
            "cost": {"forward_tokens": 10, "backward_tokens": 0, "seconds": 0.5, "peak_bytes": 1 << 20, "threads": 2,
                     "kernels": "ref"}, "seed": 0, "notes": ["a note"], "partial": False}


def examples():
    return {"lens": document("lens", words(), grid("rank", scale="rank")),
            "patch": document("patch", grid("effect", scale="effect"), grid("wide", 12, 60, "effect"),
                              grid("signed", scale="signed", unit="logit",
                                   low=numbers(6, len(TOKENS), lambda r, c: 3 * math.sin(r * 5 + c + 1) - 1),
                                   high=numbers(6, len(TOKENS), lambda r, c: 3 * math.sin(r * 5 + c + 1) + 1))),
            "probe": document("probe", lines(), lines("rank", 3, 24, "rank"), lines("many", 14, 40), table()),
            "maximize": document("maximize", texts(), lines(series=1, columns=3), table()),
            "all": document("lens", words(), lines(), table(), texts())}


if __name__ == "__main__":
    unittest.main()
