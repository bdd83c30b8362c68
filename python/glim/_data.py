# SPDX-License-Identifier: Apache-2.0
"""What Python holds, as the files that commands read: a path stays a path."""
import json
import math
import os
import pathlib

import numpy as np

from ._library import IOFailure, UsageError
from .document import Document


def file_of(value, folder, name, lines=False):
    """A path of `value`: itself, or a file made in `folder` (`lines`: a text a line).

    A path; a `Document`; a NumPy array (n, d), written as .npy; a pandas DataFrame; a list of texts (column
    "text"), of (text, label) pairs, or of dictionaries; a dictionary of columns.
    """
    if isinstance(value, (str, os.PathLike)):
        if not os.path.exists(value):
            raise IOFailure(f"{name}: there is no file '{os.fspath(value)}'")
        return os.fspath(value)
    if isinstance(value, Document):
        path = pathlib.Path(folder, f"{name}.json")
        path.write_text(value.to_json(), encoding="utf-8")
        return str(path)
    if isinstance(value, np.ndarray):
        if value.ndim != 2:
            raise UsageError(f"{name}: an array has rows and columns, not the shape {value.shape}")
        path = pathlib.Path(folder, f"{name}.npy")
        np.save(path, np.ascontiguousarray(value))
        return str(path)
    if lines:
        return _lines(value, folder, name)
    path = pathlib.Path(folder, f"{name}.jsonl")
    with open(path, "w", encoding="utf-8") as out:
        for row in _rows(value, name):
            out.write(json.dumps(row, ensure_ascii=False, default=_plain, allow_nan=False) + "\n")
    return str(path)


def _lines(value, folder, name):
    texts = list(value)
    if not texts or not all(isinstance(t, str) and "\n" not in t for t in texts):
        raise UsageError(f"{name}: texts without line breaks, one or more")
    path = pathlib.Path(folder, f"{name}.txt")
    path.write_text("".join(t + "\n" for t in texts), encoding="utf-8")
    return str(path)


def _rows(value, name):
    if hasattr(value, "to_dict") and hasattr(value, "columns"):  # a DataFrame
        return (_filled(row) for row in value.to_dict("records"))
    if isinstance(value, dict):
        columns = {key: list(column) for key, column in value.items()}
        lengths = {len(column) for column in columns.values()}
        if len(lengths) != 1:
            raise UsageError(f"{name}: columns differ in length ({sorted(lengths)})")
        return (_filled(dict(zip(columns, row))) for row in zip(*columns.values()))
    rows = list(value)
    if not rows:
        raise UsageError(f"{name}: there are no rows")
    if all(isinstance(row, str) for row in rows):
        return ({"text": row} for row in rows)
    if all(isinstance(row, dict) for row in rows):
        return (_filled(row) for row in rows)
    if all(isinstance(row, (list, tuple)) and len(row) == 2 and isinstance(row[0], str) for row in rows):
        return ({"text": row[0], "label": row[1]} for row in rows)
    raise UsageError(f"{name}: rows are texts, (text, label) pairs, or dictionaries")


def _filled(row):
    """NaN is an empty cell."""
    return {str(key): None if isinstance(cell, (float, np.floating)) and math.isnan(cell) else cell
            for key, cell in row.items()}


def _plain(cell):
    if isinstance(cell, np.generic):
        return cell.item()
    raise UsageError(f"a cell is a number, a text or empty, not {type(cell).__name__}")
