# SPDX-License-Identifier: Apache-2.0
"""Results. A document holds all that a run found and needs no model: it can be pickled, saved,
read again by `glim view`, and drawn as text, as a page, as a table, or by matplotlib."""
from __future__ import annotations

import os
from typing import Any, Iterator, List, Optional, Tuple

import numpy as np

from ._library import Context, Error, FormatError, UsageError, ffi, lib
from ._views import OURS, TABLES, drawn, notebook_frame, render

_DEPTH = 900  # pixels of a notebook's frame until the page says its own height


def _number(x: Any) -> float:
    return float("nan") if x is None else float(x)


class Document:
    """What an explanation, an attention map, a lens, a patching, ... found.

    The members of its JSON (docs/schema/) are read with document["target"]; arrays and the most
    asked-for members are attributes.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._data: Optional[dict] = None

    @classmethod
    def load(cls, path: Any) -> Document:
        """Reads a saved document (.json)."""
        with open(path, encoding="utf-8") as saved:
            return cls(saved.read())._checked()

    @classmethod
    def _made(cls, context: Context, function: Any, *arguments: Any) -> Document:
        """What function(&document, *arguments, &error) makes, as far as it came when it was stopped."""
        out = ffi.new("glim_document **")
        context.call(function, out, *arguments, partial=True)
        try:
            return cls(render(context, out[0], "json").decode())
        finally:
            lib.glim_document_free(out[0])

    def _checked(self) -> Document:
        if "schema" not in self.data:
            raise FormatError("this is no document of glim: it has no 'schema'")
        return self

    @property
    def data(self) -> dict:
        """The document as a dictionary."""
        if self._data is None:
            import json
            try:
                found = json.loads(self._text)
            except ValueError as error:
                raise FormatError(f"this is no document of glim: {error}") from None
            if not isinstance(found, dict):
                raise FormatError("this is no document of glim: it is no object of JSON")
            self._data = found
        return self._data

    def __getitem__(self, key: str) -> Any:
        return self.data[key]

    def __contains__(self, key: str) -> bool:
        return key in self.data

    def __getstate__(self) -> Any:
        return self._text

    def __setstate__(self, text: str) -> None:
        self._text, self._data = text, None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Document) and self._text == other._text

    __hash__ = None  # type: ignore[assignment]

    # ---- what is in it ----

    @property
    def kind(self) -> str:
        """"attribution", "attribution-matrix", "attention", "lens", "patch", "map", "influence", ..."""
        schema = str(self.data["schema"])
        return str(self.data["kind"]) if schema.startswith(OURS) else schema.split("/")[0][len("glim."):]

    @property
    def units(self) -> List[str]:
        """Texts of the units, in the order of the input."""
        return [unit["text"] for unit in self.data["input"]["units"]]

    @property
    def rows(self) -> Optional[List[str]]:
        """Texts of the rows of a matrix, or None."""
        rows = self.data.get("rows")
        return [row["text"] for row in rows] if rows else None

    def _array(self, values: Any) -> Optional[np.ndarray]:
        if not values:
            return None
        if isinstance(values, dict):  # packed numbers
            import base64
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
            values = self._array(panel.get("values")) if name in (None, panel["name"]) else None
            if values is not None:
                return values
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
        if self.kind in TABLES:
            member = self.data.get(TABLES[self.kind])
            return pandas.DataFrame(self._points() if self.kind == "map" else member)
        if self.kind == "influence":
            return pandas.DataFrame(self._samples())
        if self.scores is None:
            return self._panel_frame(pandas)
        units = self.data["input"]["units"]
        if self.scores.ndim == 2:
            return pandas.DataFrame(self.scores, index=self.rows, columns=self.units)
        frame = pandas.DataFrame({"unit": self.units, "score": self.scores,
                                  "start": [u["start"] for u in units],
                                  "end": [u["end"] for u in units],
                                  "fixed": [u["fixed"] for u in units]})
        if self.error is not None:
            frame["error"] = self.error
        return frame

    def _points(self) -> dict:
        xy = np.asarray(self.xy)
        found: dict = {"x": xy[:, 0], "y": xy[:, 1]}
        for name, member in (("label", "labels"), ("text", "texts"), ("color", "colors")):
            column = self.data.get(member)
            if isinstance(column, list) and len(column) == len(xy):
                found[name] = [c.get("value") if isinstance(c, dict) else c for c in column]
        return found

    def _samples(self) -> Iterator[dict]:
        """Samples of both ends of every column of influences."""
        for column in self.data["columns"]:
            for end in ("high", "low"):
                for sample in column[end]:
                    yield {"column": column["name"], "end": end, **sample}

    def _panel_frame(self, pandas: Any) -> Any:
        values = self.panel()
        panel = next(p for p in self.data["panels"] if p.get("values") is not None)
        names = [panel[side]["labels"] if panel.get(side) else None for side in ("rows", "columns")]
        return pandas.DataFrame(values, index=names[0], columns=names[1])

    def plot(self, ax: Any = None, top: int = 20) -> Any:
        """On matplotlib axes: bars of the strongest units, a heat map of a matrix or of the first panel,
        the points of a map, the marks of an evaluation, the agreement of a comparison, the samples at
        both ends of influences, the scores of a fit."""
        from . import _plots
        return _plots.plot(self, ax, top)

    # ---- how it is shown ----

    def to_json(self) -> str:
        """The document as it is saved."""
        return self._text

    def to_text(self, width: int = 80, color: bool = False) -> str:
        """As the terminal shows it."""
        color = lib.GLIM_COLOR_TRUE if color else lib.GLIM_COLOR_NONE
        return drawn(self, "terminal", width=width, color=color).decode()

    def to_html(self, lang: Optional[str] = None) -> str:
        """A whole page that needs no network."""
        return drawn(self, "html", lang=lang).decode()

    def to_csv(self) -> str:
        """As a table, one of its first."""
        return drawn(self, "csv").decode()

    def to_svg(self) -> str:
        """All of its figures, one above the other."""
        return drawn(self, "svg").decode()

    def to_png(self) -> bytes:
        """The same as pixels (bytes of a file)."""
        return drawn(self, "png")

    def to_pdf(self) -> bytes:
        """The same on paper (bytes of a file)."""
        return drawn(self, "pdf")

    def save(self, path: Any, **options: Any) -> None:
        """Saves by the end of the name: .json, .html, .csv, .txt, .svg, .png, .pdf."""
        import pathlib
        path = pathlib.Path(path)
        forms: dict = {".json": self.to_json, ".html": self.to_html, ".csv": self.to_csv, ".txt": self.to_text,
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

    def __repr__(self) -> str:
        try:
            return self.to_text()
        except Error:  # a document of a newer glim still has a name
            return f"<glim document of the kind '{self.data.get('kind')}'>"

    def _repr_html_(self) -> str:
        return notebook_frame(self.to_html(), f"{_DEPTH}px", "glim")

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict:
        return {"text/plain": self.to_text(), "text/html": self._repr_html_()}

