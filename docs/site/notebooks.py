# SPDX-License-Identifier: Apache-2.0
"""Runs the notebooks of docs/notebooks/ and puts them, with what they printed, where both languages take them."""
import pathlib

import nbformat
from nbclient import NotebookClient

ROOT = pathlib.Path(__file__).resolve().parents[2]


def run(path, where):
    """Executes one; an error in a cell is an exception that shows the cell."""
    book = nbformat.read(path, as_version=4)
    client = NotebookClient(book, timeout=60, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}})
    client.execute()
    for cell in book.cells:
        cell.metadata.pop("execution", None)
    where.mkdir(parents=True, exist_ok=True)
    nbformat.write(book, where / path.name)


def run_all(where):
    found = sorted((ROOT / "docs/notebooks").glob("*.ipynb"))
    for path in found:
        run(path, where)
    return found
