#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Rows of a table as a predictor: a rule about loans, in a few lines of standard library.

    glim explain --predictor "process:python3 examples/predictors/rows.py" --table loans.csv --row 1

A row is an object of columns and cells: numbers where the whole column is numbers, None in an
empty cell. Columns that are not read change nothing.
"""
import json
import math
import sys


def score(row):
    income, debt = row.get("income") or 0.0, row.get("debt") or 0.0
    return (income - 2 * debt) / 1000 + (1.5 if row.get("home") == "own" else 0)


def main():
    for line in sys.stdin:
        batch = json.loads(line)
        if batch["kind"] != "row":
            print(json.dumps({"error": "this program reads rows of a table (--table)"}), flush=True)
            continue
        chances = [1 / (1 + math.exp(-score(row))) for row in batch["inputs"]]
        print(json.dumps({"outputs": [[1 - p, p] for p in chances], "classes": ["refuse", "grant"],
                          "scale": "prob"}), flush=True)


if __name__ == "__main__":
    main()
