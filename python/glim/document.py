# SPDX-License-Identifier: Apache-2.0
"""Results. A document holds all that a run found and needs no model: it can be pickled, saved,
read again by `glim view`, and drawn as text, as a page, as a table, or by matplotlib."""
import base64
import csv
import html
import io
import json
import os
import pathlib
import tempfile
from typing import Any, List, Optional, Tuple

import numpy as np

from ._library import Context, Error, FormatError, Options, UsageError, ffi, lib

_NAN = float("nan")
_OURS = "glim.explanation/"  # what the library itself draws; the command draws the rest
_DEPTH = 900  # pixels of a notebook's frame until the page says its own height


def _number(x):
    return _NAN if x is None else float(x)


_TABLES = {"map": "xy", "evaluation": "measures", "comparison": "runs", "advice": "methods", "fit": "grid"}

_FIGURES_ONLY = {"evaluation", "comparison", "advice", "fit"}
_STYLE = ("body{font:14px system-ui,sans-serif;margin:1em;color-scheme:light dark}svg{max-width:100%;height:auto;"
          "background:#fff}dl{display:grid;grid-template-columns:max-content auto;gap:.2em 1em}dd{margin:0}"
          "table{border-collapse:collapse}td,th{text-align:left;padding:.2em .8em .2em 0;border-bottom:1px solid #8884}")


def _cell(value):
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def notebook_frame(page, height, title):
    """A page in a notebook: a frame that can reach neither the notebook nor a network."""
    return (f'<iframe sandbox="allow-scripts allow-downloads" srcdoc="{html.escape(page)}" '
            f'style="width:100%;height:{height};border:0" title="{title}"></iframe>')


def bars(ax, pairs):
    """Bars of (name, score), the first at the bottom, in the colours of reports."""
    colors = ["#d45f1d" if score > 0 else "#3687e7" for _, score in pairs]
    ax.barh(range(len(pairs)), [score for _, score in pairs], color=colors)
    ax.set_yticks(range(len(pairs)), [name for name, _ in pairs])


def _heat(ax, values):
    limit, signed = np.nanmax(np.abs(values)), np.nanmin(values) < 0
    ax.imshow(values, aspect="auto", cmap="RdBu_r" if signed else "viridis", vmin=-limit if signed else 0, vmax=limit)


class Document:
    """What an explanation, an attention map, a lens, a patching, ... found.

    The members of its JSON (docs/schema/) are read with document["target"]; arrays and the most
    asked-for members are attributes.
    """

    def __init__(self, text):
        self._text = text
        self._data = None

    @classmethod
    def load(cls, path: Any) -> "Document":
        """Reads a saved document (.json)."""
        return cls(pathlib.Path(path).read_text(encoding="utf-8"))._checked()

    @classmethod
    def _made(cls, context, function, *arguments):
        """What function(&document, *arguments, &error) makes, as far as it came when it was stopped."""
        out = ffi.new("glim_document **")
        context.call(function, out, *arguments, partial=True)
        try:
            return cls(_render(context, out[0], "json").decode())
        finally:
            lib.glim_document_free(out[0])

    def _checked(self):
        if "schema" not in self.data:
            raise FormatError("this is no document of glim: it has no 'schema'")
        return self

    @property
    def data(self) -> dict:
        """The document as a dictionary."""
        if self._data is None:
            try:
                self._data = json.loads(self._text)
            except ValueError as error:
                raise FormatError(f"this is no document of glim: {error}") from None
        return self._data

    def __getitem__(self, key):
        return self.data[key]

    def __contains__(self, key):
        return key in self.data

    def __getstate__(self):
        return self._text

    def __setstate__(self, text):
        self.__init__(text)

    def __eq__(self, other):
        return isinstance(other, Document) and self._text == other._text

    __hash__ = None

    # ---- what is in it ----

    @property
    def kind(self) -> str:
        """"attribution", "attribution-matrix", "attention", "lens", "patch", "map", "influence", ..."""
        if self.data["schema"].startswith(_OURS):
            return self.data["kind"]
        return self.data["schema"].split("/")[0][len("glim."):]

    @property
    def units(self) -> List[str]:
        """Texts of the units, in the order of the input."""
        return [unit["text"] for unit in self.data["input"]["units"]]

    @property
    def rows(self) -> Optional[List[str]]:
        """Texts of the rows of a matrix, or None."""
        rows = self.data.get("rows")
        return [row["text"] for row in rows] if rows else None

    def _array(self, values):
        if not values:
            return None
        if isinstance(values, dict):  # packed numbers
            kinds = {"f2": "<f2", "f4": "<f4", "f8": "<f8", "u4": "<u4", "i4": "<i4"}
            packed = np.frombuffer(base64.b64decode(values["data"]), dtype=kinds[values["dtype"]])
            return packed.reshape(values["shape"])
        if isinstance(values[0], list):
            return np.array([[_number(x) for x in row] for row in values])
        return np.array([_number(x) for x in values])

    @property
    def scores(self) -> Optional[np.ndarray]:
        """(units,), or of a matrix (rows, units); NaN where there is none."""
        return self._array(self.data.get("scores"))

    @property
    def error(self) -> Optional[np.ndarray]:
        """Standard errors in the shape of the scores, or None."""
        return self._array(self.data.get("error"))

    @property
    def xy(self) -> Optional[np.ndarray]:
        """Of a map: (points, 2)."""
        return self._array(self.data.get("xy"))

    def panel(self, name: Optional[str] = None) -> np.ndarray:
        """The values of a panel (rows, columns), NaN where there is none; None: the first that has
        numbers. `panels` lists their names."""
        for panel in self.data.get("panels") or []:
            if panel.get("values") is not None and name in (None, panel["name"]):
                return self._array(panel["values"])
        raise UsageError(f"there is no panel '{name}' with numbers (there are {', '.join(self.panels) or 'none'})")

    @property
    def panels(self) -> List[str]:
        """Names of what is shown besides scores of units."""
        return [panel["name"] for panel in self.data.get("panels") or []]

    @property
    def target(self) -> Any:
        """What is explained: text, value, baseline_value, prob, ..."""
        return self.data.get("target")

    @property
    def verdict(self) -> Optional[str]:
        """"ok", "careful" or "do not trust"; document["checks"] has the reasons."""
        checks = self.data.get("checks") or {}
        return checks.get("verdict", self.data.get("verdict"))

    def as_list(self, top: Optional[int] = None) -> List[Tuple[str, float]]:
        """(unit, score) of every scored unit, largest first by size."""
        scores = self.scores
        if scores is None or scores.ndim != 1:
            raise UsageError("only one row of scores makes a list (this is a "
                             f"document of the kind '{self.kind}')")
        pairs = [(u["text"], float(s)) for u, s in zip(self.data["input"]["units"], scores)
                 if not u["fixed"] and s == s]
        return sorted(pairs, key=lambda pair: -abs(pair[1]))[:top]

    def to_dataframe(self) -> Any:
        """A pandas DataFrame: a row a unit; of a matrix a row a row; of a map a row a point; of an
        evaluation a row a metric; of panels the first that has numbers; of others their table."""
        import pandas
        if self.kind in _TABLES:
            member = self.data.get(_TABLES[self.kind])
            return pandas.DataFrame(self._points() if self.kind == "map" else member)
        if self.kind == "influence":
            return pandas.DataFrame(self._samples())
        if self.scores is None:
            return self._panel_frame(pandas)
        units = self.data["input"]["units"]
        if self.scores is not None and self.scores.ndim == 2:
            return pandas.DataFrame(self.scores, index=self.rows, columns=self.units)
        frame = pandas.DataFrame({"unit": self.units, "score": self.scores,
                                  "start": [u["start"] for u in units],
                                  "end": [u["end"] for u in units],
                                  "fixed": [u["fixed"] for u in units]})
        if self.error is not None:
            frame["error"] = self.error
        return frame

    def _points(self):
        found = {"x": self.xy[:, 0], "y": self.xy[:, 1]}
        for name, member in (("label", "labels"), ("text", "texts"), ("color", "colors")):
            column = self.data.get(member)
            if isinstance(column, list) and len(column) == len(self.xy):
                found[name] = [c.get("value") if isinstance(c, dict) else c for c in column]
        return found

    def _samples(self):
        """Samples of both ends of every column of influences."""
        for column in self.data["columns"]:
            for end in ("high", "low"):
                for sample in column[end]:
                    yield {"column": column["name"], "end": end, **sample}

    def _panel_frame(self, pandas):
        values = self.panel()
        panel = next(p for p in self.data["panels"] if p.get("values") is not None)
        names = [panel[side]["labels"] if panel.get(side) else None for side in ("rows", "columns")]
        return pandas.DataFrame(values, index=names[0], columns=names[1])

    def plot(self, ax: Any = None, top: int = 20) -> Any:
        """On matplotlib axes: bars of the strongest units, a heat map of a matrix or of the first panel,
        the points of a map."""
        from matplotlib import pyplot
        ax = ax or pyplot.gca()
        if self.kind == "map":
            points = self._points()
            labels = points.get("label") or [None] * len(self.xy)
            for label in sorted(set(labels), key=str):
                chosen = [i for i, one in enumerate(labels) if one == label]
                ax.scatter(self.xy[chosen, 0], self.xy[chosen, 1], s=8, label=label)
            if len(set(labels)) > 1:
                ax.legend()
            return ax
        if self.kind in _TABLES or self.kind == "influence":
            raise UsageError(f"a document of the kind '{self.kind}' has no axes (save it as .svg, or take "
                             "to_dataframe())")
        scores = self.scores
        if scores is None:
            table = self.to_dataframe()
            _heat(ax, table.to_numpy(dtype=float))
            for axis, names in ((ax.set_yticks, table.index), (ax.set_xticks, table.columns)):
                if len(names) <= 60:
                    axis(range(len(names)), [str(name) for name in names])
            ax.set_title(self.kind)
            return ax
        if scores.ndim == 2:
            _heat(ax, scores)
            ax.set_xticks(range(len(self.units)), self.units, rotation=90)
            ax.set_yticks(range(len(self.rows)), self.rows)
        else:
            bars(ax, self.as_list(top)[::-1])
            ax.axvline(0, color="#777777", linewidth=0.8)
        ax.set_title(f"{self.data['method']['name']}: {(self.target or {}).get('text') or ''}")
        return ax

    # ---- how it is shown ----

    def to_json(self) -> str:
        """The document as it is saved."""
        return self._text

    def _drawn(self, view, **options):
        if not self.data["schema"].startswith(_OURS):
            return self._drawn_by_command(view, **options)
        context = Context(threads=1)
        raw = self._text.encode()
        out = ffi.new("glim_document **")
        context.call(lib.glim_document_parse, out, context.handle, raw, len(raw), b"document")
        try:
            return _render(context, out[0], view, **options)
        finally:
            lib.glim_document_free(out[0])

    def _drawn_by_command(self, view, width=None, lang=None, **_):
        from . import _command
        if self.kind in _FIGURES_ONLY and view in ("terminal", "html", "csv"):
            return self._listed(view).encode()
        if self.kind in ("advice", "fit"):
            raise UsageError(f"a document of the kind '{self.kind}' has no figure (.txt, .html and .csv show it)")
        with tempfile.TemporaryDirectory(prefix="glim-") as folder:
            file, out = pathlib.Path(folder, "document.json"), pathlib.Path(folder, f"drawn.{view}")
            file.write_text(self._text, encoding="utf-8")
            if view == "terminal":
                words = {"width": width}
                return _command.run("view", file=str(file), json_output=False, **words).encode()
            _command.run("view", file=str(file), json_output=False, lang=lang, **{view: str(out)})
            return out.read_bytes()

    def _listed(self, view):
        """Facts and table of a kind that has figures only, or none."""
        facts = {key: value for key, value in self.data.items()
                 if isinstance(value, (str, int, float)) and key not in ("schema", "glim")}
        table = [{key: value for key, value in row.items() if isinstance(value, (str, int, float, bool))}
                 for row in self.data.get(_TABLES[self.kind]) or []]
        names = list(dict.fromkeys(key for row in table for key in row if key not in ("cite", "summary")))
        cells = [[_cell(row.get(name)) for name in names] for row in table]
        if view == "csv":
            out = io.StringIO(newline="")
            csv.writer(out).writerows([names, *([row.get(name) for name in names] for row in table)])
            return out.getvalue()
        if view == "terminal":
            widths = [max(len(c) for c in column) for column in zip(names, *cells)]
            lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths)).rstrip() for row in [names, *cells]]
            return "\n".join([f"{key}: {value}" for key, value in facts.items()] + [""] + lines) + "\n"
        rows = ["".join(f"<{tag}>{html.escape(c)}</{tag}>" for c in row)
                for tag, row in [("th", names), *(("td", row) for row in cells)]]
        figure = self.to_svg() if self.kind in ("evaluation", "comparison") else ""
        told = "".join(f"<dt>{html.escape(key)}</dt><dd>{html.escape(str(value))}</dd>" for key, value in facts.items())
        return (f"<!doctype html><html><head><meta charset='utf-8'><title>glim: {self.kind}</title><style>{_STYLE}"
                f"</style></head><body>{figure}<dl>{told}</dl><table>"
                + "".join(f"<tr>{row}</tr>" for row in rows) + "</table></body></html>")

    def to_text(self, width: int = 80, color: bool = False) -> str:
        """As the terminal shows it."""
        color = lib.GLIM_COLOR_TRUE if color else lib.GLIM_COLOR_NONE
        return self._drawn("terminal", width=width, color=color).decode()

    def to_html(self, lang: Optional[str] = None) -> str:
        """A whole page that needs no network."""
        return self._drawn("html", lang=lang).decode()

    def to_csv(self) -> str:
        """As a table, one of its first."""
        return self._drawn("csv").decode()

    def to_svg(self) -> str:
        """All of its figures, one above the other."""
        return self._drawn("svg").decode()

    def to_png(self) -> bytes:
        """The same as pixels (bytes of a file)."""
        return self._drawn("png")

    def to_pdf(self) -> bytes:
        """The same on paper (bytes of a file)."""
        return self._drawn("pdf")

    def save(self, path: Any, **options: Any) -> None:
        """Saves by the end of the name: .json, .html, .csv, .txt, .svg, .png, .pdf."""
        path = pathlib.Path(path)
        forms = {".json": self.to_json, ".html": self.to_html, ".csv": self.to_csv, ".txt": self.to_text,
                 ".svg": self.to_svg, ".png": self.to_png, ".pdf": self.to_pdf}
        form = forms.get(path.suffix.lower())
        if not form:
            raise UsageError(f"'{path.name}' may end in {', '.join(forms)}")
        beside = path.with_name(path.name + ".part")  # whole, or not at all
        try:
            made = form(**options)
            beside.write_bytes(made if isinstance(made, bytes) else made.encode())
            os.replace(beside, path)
        finally:
            beside.unlink(missing_ok=True)

    def __repr__(self):
        try:
            return self.to_text()
        except Error:  # a document of a newer glim still has a name
            return f"<glim document of the kind '{self.data.get('kind')}'>"

    def _repr_html_(self):
        return notebook_frame(self.to_html(), f"{_DEPTH}px", "glim")

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/plain": self.to_text(), "text/html": self._repr_html_()}


def _render(context, handle, view, **options):
    found = lib.glim_view_find(view.encode())
    how = Options("glim_view_options", **options)
    out, n = ffi.new("char **"), ffi.new("size_t *")
    context.call(lib.glim_view_render, found, handle, how.struct, out, n)
    try:
        return bytes(ffi.buffer(out[0], n[0]))
    finally:
        lib.glim_view_free(context.handle, out[0])
