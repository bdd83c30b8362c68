# SPDX-License-Identifier: Apache-2.0
"""Long work over data: probe, influence, map, fit, ... Each runs the command of its name.

Data are paths, or what Python holds (`_data.file_of`): lists of texts, (text, label) pairs,
dictionaries, DataFrames, arrays. Keywords are the command's flags with underscores; help(name)
of `flags` lists them. A `Document` comes back.
"""
from __future__ import annotations

from typing import Any, Optional

from . import _command
from ._library import UsageError
from ._opened import Opened
from .document import Document

__all__ = ["advise", "compare", "evaluate", "fit", "flags", "influence", "map"]


def flags(command: str) -> str:
    """The keywords of a command as a text: name, values, default, meaning."""
    table, _ = _command.table()
    if command not in table:
        raise UsageError(f"'{command}' is no command (there are {', '.join(table)})")
    lines = []
    for name, flag in table[command].items():
        default = f" [{flag['default']}]" if flag.get("default") else ""
        lines.append(f"{name.replace('-', '_')}={flag['value'] or 'True'}  {flag['help']}{default}")
    return "\n".join(lines)


def document(command: str, source: Any = None, **given: Any) -> Document:
    """Runs any command that writes a document. Raises as the library does."""
    return Document(_command.run(command, source, **given))


def fit(data: Any, label: str = "label", out: Optional[str] = None, **given: Any) -> Document:
    """A linear or logistic model of a table or of texts, written to `out` (for predictor="fit:FILE").
    Shapes: data has a row a sample. `document["held_out"]` says how good it is."""
    if out is None:
        raise UsageError("fit: 'out' names the file to write")
    return document("fit", data=data, label=label, out=out, **given)


def influence(source: Any = None, *, train: Any, **given: Any) -> Document:
    """Which training samples made the model say this: of a table's model that is fitted here, of
    predictor="fit:FILE", or with model= of a language model."""
    return document("influence", source, train=train, **given)


def map(points: Any = None, **given: Any) -> Document:  # noqa: A001 (the command's name)
    """Many points in two dimensions by t-SNE or PCA. points: an array (n, d), an .npy file, a table;
    or data= texts of a model=. `document.xy` is (n, 2)."""
    if points is not None:
        given["points"] = points
    return document("map", **given)


def evaluate(source: Any = None, **given: Any) -> Document:
    """How good an explanation is (the four qualities), of a predictor= or a model=.
    explanation= is a `Document`, or a file."""
    return document("evaluate", source, **given)


def compare(source: Any = None, **given: Any) -> Document:
    """Whether methods agree on an input, or models (other=[...]) on many."""
    return document("compare", source, **given)


def advise(source: Any = None, **given: Any) -> Document:
    """Which method fits the model (or access=), the task, the quality wanted and the budget."""
    return document("advise", source, **given)


class Jobs(Opened):
    """What a `Model` does by commands."""

    def _job(self, command: str, source: Any = None, **given: Any) -> Document:
        context = self._context
        usual = {"threads": context.threads, "memory": context.memory, "progress": context.progress}
        return document(command, source, model=self._path(), **{**usual, **given})

    def probe(self, data: Any, label: str = "label", **given: Any) -> Document:
        """What can be read off each layer, with controls (`glim probe`). data: rows of text and label."""
        return self._job("probe", data=data, label=label, **given)

    def maximize(self, site: Optional[str] = None, index: Any = None, **given: Any) -> Document:
        """Which inputs most activate a neuron, head, direction or logit (`glim maximize`)."""
        return self._job("maximize", site=site, index=index, **given)

    def influence(self, source: Any = None, *, train: Any, **given: Any) -> Document:
        """Which training samples made the model say this (`glim influence`)."""
        return self._job("influence", source, train=train, **given)

    def map(self, data: Any, **given: Any) -> Document:
        """Representations of many texts in two dimensions (`glim map`)."""
        return self._job("map", data=data, **given)

    def evaluate(self, source: Any = None, **given: Any) -> Document:
        """How good an explanation is: accuracy, consistency, simplicity, comprehensiveness
        (`glim evaluate`). explanation= judges a `Document` of this input."""
        return self._job("evaluate", source, **given)

    def compare(self, source: Any = None, **given: Any) -> Document:
        """Whether methods agree, or other models (other=[...]) (`glim compare`)."""
        return self._job("compare", source, **given)

    def advise(self, source: Any = None, **given: Any) -> Document:
        """Which method fits this model, the question and the budget (`glim advise`)."""
        return self._job("advise", source, **given)

    def fit(self, data: Any, label: str = "label", out: Optional[str] = None, **given: Any) -> Document:
        """A classifier on top of a layer of this model, written to `out` (`glim fit`)."""
        if out is None:
            raise UsageError("fit: 'out' names the file to write")
        return self._job("fit", data=data, label=label, out=out, **given)

    def steer(self, positive: Any, negative: Any, out: str, **given: Any) -> str:
        """A direction from texts that have something to texts that have it not, written to `out`
        (.gguf or .safetensors); gives the path (`glim steer`)."""
        context = self._context
        usual = {"threads": context.threads, "memory": context.memory, "progress": context.progress}
        _command.run("steer", model=self._path(), positive=positive, negative=negative, out=out, json_output=False,
                     **{**usual, **given})
        return out
