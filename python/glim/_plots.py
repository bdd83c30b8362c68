# SPDX-License-Identifier: Apache-2.0
"""Documents on matplotlib axes: bars, heat maps, points, in the colours of reports."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, List, Sequence, Tuple

import numpy as np

from ._library import UsageError

if TYPE_CHECKING:
    from .document import Document

_UP, _DOWN, _PLAIN = "#d45f1d", "#3687e7", "#777777"
_NAMES_AT_MOST = 60  # on one side of a heat map
_MARKS = ("accuracy", "consistency", "simplicity", "comprehensiveness", "plausibility")


def bars(ax: Any, pairs: Sequence[Tuple[str, float]]) -> None:
    """Bars of (name, score), the first at the bottom."""
    colors = [_UP if score > 0 else _DOWN for _, score in pairs]
    ax.barh(range(len(pairs)), [score for _, score in pairs], color=colors)
    ax.set_yticks(range(len(pairs)), [name for name, _ in pairs])


def _heat(ax: Any, values: np.ndarray, rows: Sequence[Any], columns: Sequence[Any]) -> None:
    limit, signed = np.nanmax(np.abs(values)), np.nanmin(values) < 0
    ax.imshow(values, aspect="auto", cmap="RdBu_r" if signed else "viridis", vmin=-limit if signed else 0, vmax=limit)
    if len(columns) <= _NAMES_AT_MOST:
        ax.set_xticks(range(len(columns)), [str(name) for name in columns], rotation=90)
    if len(rows) <= _NAMES_AT_MOST:
        ax.set_yticks(range(len(rows)), [str(name) for name in rows])


def _map(document: Document, ax: Any, top: int) -> str:
    points, xy = document._points(), np.asarray(document.xy)
    labels = points.get("label") or [None] * len(xy)
    for label in sorted(set(labels), key=str):
        chosen = [i for i, one in enumerate(labels) if one == label]
        ax.scatter(xy[chosen, 0], xy[chosen, 1], s=8, label=label)
    if len(set(labels)) > 1:
        ax.legend()
    return ""


def _evaluation(document: Document, ax: Any, top: int) -> str:
    """How near each quality comes to the best that is known: 0 is as good as chance, 1 the best."""
    marks = [(name, document["marks"].get(name)) for name in _MARKS]
    bars(ax, [(name, float(mark)) for name, mark in reversed(marks) if mark is not None])
    ax.set_xlim(min(0.0, ax.get_xlim()[0]), 1)
    explained = document["explanation"] or {}
    return f"{explained.get('method') or 'explanation'}: {document.verdict or ''}"


def _comparison(document: Document, ax: Any, top: int) -> str:
    """Kendall's rank correlation of each pair."""
    by_model = document["of"] == "models"
    names = [run["model"]["file"] if by_model else run["method"] for run in document["runs"]]
    values = np.array(document["agreement"]["kendall"], dtype=float)
    _heat(ax, values, names, names)
    ax.images[-1].set_cmap("RdBu_r")
    ax.images[-1].set_clim(-1, 1)
    for i, j in np.ndindex(values.shape):
        if np.isfinite(values[i, j]):
            ax.text(j, i, f"{values[i, j]:.2f}", ha="center", va="center",
                    color="white" if abs(values[i, j]) > 0.6 else "black")
    return "agreement (Kendall)"


def _influence(document: Document, ax: Any, top: int) -> str:
    """Both ends of the first column: the largest above, the smallest below."""
    column = document["columns"][0]
    low = [sample for sample in column["low"] if sample["row"] not in {other["row"] for other in column["high"]}]
    high, low = column["high"][:top - min(len(low), top // 2)], low[:top // 2]
    pairs: List[Tuple[str, float]] = []
    for sample in low + high[::-1]:
        text = str(sample.get("text") or sample.get("label") or "")
        pairs.append((f"{sample['row']}: {text[:40]}{'…' if len(text) > 40 else ''}", float(sample["value"])))
    bars(ax, pairs)
    return f"{document['method']['name']}: {column['name']}"


def _fit(document: Document, ax: Any, top: int) -> str:
    """What cross-validation says of each strength of the penalty."""
    grid = document["grid"]
    if not grid:
        raise UsageError("this was fitted with one strength: there is nothing to draw (document['held_out'] says how "
                         "good it is)")
    ax.errorbar([row["strength"] for row in grid], [row["score"] for row in grid], [row["error"] for row in grid],
                color=_DOWN, marker="o", capsize=3)
    ax.axvline(document["strength"], color=_PLAIN, linewidth=0.8)
    ax.set_xscale("log")
    ax.set_xlabel("strength of the penalty")
    return "score by cross-validation"


def _scores(document: Document, ax: Any, top: int) -> str:
    scores = document.scores
    if scores is None:
        try:
            table = document.to_dataframe()
            _heat(ax, table.to_numpy(dtype=float), table.index, table.columns)
        except (UsageError, TypeError, ValueError):
            raise UsageError(f"a document of the kind '{document.kind}' has no numbers for axes here (save it as .svg, "
                             "or take to_dataframe())") from None
        return document.kind
    if scores.ndim == 2:
        _heat(ax, scores, document.rows or [], document.units)
    else:
        bars(ax, document.as_list(top)[::-1])
        ax.axvline(0, color=_PLAIN, linewidth=0.8)
    return f"{document['method']['name']}: {(document.target or {}).get('text') or ''}"


_KINDS = {"map": _map, "evaluation": _evaluation, "comparison": _comparison, "influence": _influence, "fit": _fit}


def plot(document: Document, ax: Any, top: int) -> Any:
    """The document on axes (None: the current ones)."""
    if document.kind == "advice":
        raise UsageError("advice has no axes (to_dataframe() has its table)")
    from matplotlib import pyplot
    ax = ax or pyplot.gca()
    title = _KINDS.get(document.kind, _scores)(document, ax, top)
    if title:
        ax.set_title(title)
    return ax
