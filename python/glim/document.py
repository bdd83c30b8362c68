# SPDX-License-Identifier: Apache-2.0
"""Results. A document holds all that a run found and needs no model: it can be pickled, saved,
read again by `glim view`, and drawn as text, as a page, as a table, or by matplotlib."""
import html
import json
import os
import pathlib

import numpy as np

from ._library import Context, FormatError, Options, UsageError, ffi, lib

_NAN = float("nan")
_DEPTH = 900  # pixels of a notebook's frame until the page says its own height


def _number(x):
    return _NAN if x is None else float(x)


class Document:
    """What an explanation, an attention map, a lens, a patching, ... found.

    The members of its JSON (docs/schema/) are read with document["target"]; arrays and the most
    asked-for members are attributes.
    """

    def __init__(self, text):
        self._text = text
        self._data = None

    @classmethod
    def load(cls, path):
        """Reads a saved document (.json)."""
        return cls(pathlib.Path(path).read_text(encoding="utf-8"))._checked()

    @classmethod
    def _take(cls, context, handle):
        """The document behind a C pointer, which is freed."""
        try:
            return cls(_render(context, handle, "json").decode())
        finally:
            lib.glim_document_free(handle)

    def _checked(self):
        if "schema" not in self.data:
            raise FormatError("this is no document of glim: it has no 'schema'")
        return self

    @property
    def data(self):
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
    def kind(self):
        """"attribution", "attribution-matrix", "attention", "lens", "patch", ..."""
        return self.data["kind"]

    @property
    def units(self):
        """Texts of the units, in the order of the input."""
        return [unit["text"] for unit in self.data["input"]["units"]]

    @property
    def rows(self):
        """Texts of the rows of a matrix, or None."""
        rows = self.data.get("rows")
        return [row["text"] for row in rows] if rows else None

    def _array(self, values):
        if not values:
            return None
        if isinstance(values[0], list):
            return np.array([[_number(x) for x in row] for row in values])
        return np.array([_number(x) for x in values])

    @property
    def scores(self):
        """(units,), or of a matrix (rows, units); NaN where there is none."""
        return self._array(self.data.get("scores"))

    @property
    def error(self):
        """Standard errors in the shape of the scores, or None."""
        return self._array(self.data.get("error"))

    @property
    def target(self):
        """What is explained: text, value, baseline_value, prob, ..."""
        return self.data["target"]

    @property
    def verdict(self):
        """"ok", "careful" or "do not trust"; document["checks"] has the reasons."""
        checks = self.data.get("checks") or {}
        return checks.get("verdict")

    def as_list(self, top=None):
        """(unit, score) of every scored unit, largest first by size."""
        scores = self.scores
        if scores is None or scores.ndim != 1:
            raise UsageError("only one row of scores makes a list (this is a "
                             f"document of the kind '{self.kind}')")
        pairs = [(u["text"], float(s)) for u, s in zip(self.data["input"]["units"], scores)
                 if not u["fixed"] and s == s]
        return sorted(pairs, key=lambda pair: -abs(pair[1]))[:top]

    def to_dataframe(self):
        """A pandas DataFrame: a row a unit, or of a matrix a row a row."""
        import pandas
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

    def plot(self, ax=None, top=20):
        """Bars of the strongest units, or a heat map of a matrix, on matplotlib axes."""
        from matplotlib import pyplot
        ax = ax or pyplot.gca()
        scores = self.scores
        if scores.ndim == 2:
            limit = np.nanmax(np.abs(scores))
            signed = np.nanmin(scores) < 0
            ax.imshow(scores, aspect="auto", cmap="RdBu_r" if signed else "viridis",
                      vmin=-limit if signed else 0, vmax=limit)
            ax.set_xticks(range(len(self.units)), self.units, rotation=90)
            ax.set_yticks(range(len(self.rows)), self.rows)
        else:
            pairs = self.as_list(top)[::-1]
            colors = ["#d45f1d" if score > 0 else "#3687e7" for _, score in pairs]
            ax.barh(range(len(pairs)), [score for _, score in pairs], color=colors)
            ax.set_yticks(range(len(pairs)), [name for name, _ in pairs])
            ax.axvline(0, color="#777777", linewidth=0.8)
        ax.set_title(f"{self.data['method']['name']}: {(self.target or {}).get('text') or ''}")
        return ax

    # ---- how it is shown ----

    def to_json(self):
        """The document as it is saved."""
        return self._text

    def _drawn(self, view, **options):
        context = Context(threads=1)
        raw = self._text.encode()
        out = ffi.new("glim_document **")
        context.call(lib.glim_document_parse, out, context.handle, raw, len(raw), b"document")
        try:
            return _render(context, out[0], view, **options)
        finally:
            lib.glim_document_free(out[0])

    def to_text(self, width=80, color=False):
        """As the terminal shows it."""
        color = lib.GLIM_COLOR_TRUE if color else lib.GLIM_COLOR_NONE
        return self._drawn("terminal", width=width, color=color).decode()

    def to_html(self, lang=None):
        """A whole page that needs no network."""
        return self._drawn("html", lang=lang).decode()

    def to_csv(self):
        return self._drawn("csv").decode()

    def save(self, path, **options):
        """Saves by the end of the name: .json, .html, .csv, .txt."""
        path = pathlib.Path(path)
        forms = {".json": self.to_json, ".html": self.to_html, ".csv": self.to_csv, ".txt": self.to_text}
        form = forms.get(path.suffix.lower())
        if not form:
            raise UsageError(f"'{path.name}' may end in {', '.join(forms)}")
        beside = path.with_name(path.name + ".part")  # whole, or not at all
        try:
            beside.write_text(form(**options), encoding="utf-8")
            os.replace(beside, path)
        finally:
            beside.unlink(missing_ok=True)

    def __repr__(self):
        try:
            return self.to_text()
        except Exception:  # a document of a newer glim still has a name
            return f"<glim document of the kind '{self.data.get('kind')}'>"

    def _repr_html_(self):
        page = html.escape(self.to_html(), quote=True)
        return (f'<iframe sandbox="allow-scripts allow-downloads" srcdoc="{page}" '
                f'style="width:100%;height:{_DEPTH}px;border:0" title="glim"></iframe>')

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
