# SPDX-License-Identifier: Apache-2.0
"""Documents as text, pages, tables and figures: the library draws explanations, the command the rest."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._library import Context, Options, UsageError, ffi, lib

if TYPE_CHECKING:
    from .document import Document

OURS = "glim.explanation/"  # what the library itself draws
TABLES = {"map": "xy", "evaluation": "measures", "comparison": "runs", "advice": "methods", "fit": "grid"}
_FIGURES_ONLY = {"evaluation", "comparison", "advice", "fit"}
_STYLE = ("body{font:14px system-ui,sans-serif;margin:1em;color-scheme:light dark}svg{max-width:100%;height:auto;"
          "background:#fff}dl{display:grid;grid-template-columns:max-content auto;gap:.2em 1em}dd{margin:0}"
          "table{border-collapse:collapse}td,th{text-align:left;padding:.2em .8em .2em 0;border-bottom:1px solid #8884}")


def notebook_frame(page: str, height: str, title: str) -> str:
    """A page in a notebook: a frame that can reach neither the notebook nor a network."""
    import html
    return (f'<iframe sandbox="allow-scripts allow-downloads" srcdoc="{html.escape(page)}" '
            f'style="width:100%;height:{height};border:0" title="{title}"></iframe>')


def render(context: Context, handle: Any, view: str, **options: Any) -> bytes:
    """A document of C as bytes of a view."""
    found = lib.glim_view_find(view.encode())
    how = Options("glim_view_options", **options)
    out, n = ffi.new("char **"), ffi.new("size_t *")
    context.call(lib.glim_view_render, found, handle, how.struct, out, n)
    try:
        return bytes(ffi.buffer(out[0], n[0]))
    finally:
        lib.glim_view_free(context.handle, out[0])


def drawn(document: Document, view: str, **options: Any) -> bytes:
    """A document as bytes of a view."""
    if not document["schema"].startswith(OURS):
        return _by_command(document, view, **options)
    context = Context(threads=1)
    raw = document.to_json().encode()
    out = ffi.new("glim_document **")
    context.call(lib.glim_document_parse, out, context.handle, raw, len(raw), b"document")
    try:
        return render(context, out[0], view, **options)
    finally:
        lib.glim_document_free(out[0])


def _by_command(document: Document, view: str, width: Any = None, lang: Any = None, **_: Any) -> bytes:
    import pathlib
    import tempfile

    from . import _command
    if document.kind in _FIGURES_ONLY and view in ("terminal", "html", "csv"):
        return _listed(document, view).encode()
    if document.kind in ("advice", "fit"):
        raise UsageError(f"a document of the kind '{document.kind}' has no figure (.txt, .html and .csv show it)")
    with tempfile.TemporaryDirectory(prefix="glim-") as folder:
        file, out = pathlib.Path(folder, "document.json"), pathlib.Path(folder, f"drawn.{view}")
        file.write_text(document.to_json(), encoding="utf-8")
        if view == "terminal":
            words = {"width": width}
            return _command.run("view", file=str(file), json_output=False, progress=False, **words).encode()
        _command.run("view", file=str(file), json_output=False, progress=False, lang=lang, **{view: str(out)})
        return out.read_bytes()


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _listed(document: Document, view: str) -> str:
    """Facts and table of a kind that has figures only, or none."""
    import html
    facts = {key: value for key, value in document.data.items()
             if isinstance(value, (str, int, float)) and key not in ("schema", "glim")}
    table = [{key: value for key, value in row.items() if isinstance(value, (str, int, float, bool))}
             for row in document.data.get(TABLES[document.kind]) or []]
    names = list(dict.fromkeys(key for row in table for key in row if key not in ("cite", "summary")))
    cells = [[_cell(row.get(name)) for name in names] for row in table]
    if view == "csv":
        import csv
        import io
        out = io.StringIO(newline="")
        csv.writer(out).writerows([names, *([row.get(name) for name in names] for row in table)])
        return out.getvalue()
    if view == "terminal":
        widths = [max(len(c) for c in column) for column in zip(names, *cells)]
        lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths)).rstrip() for row in [names, *cells]]
        return "\n".join([f"{key}: {value}" for key, value in facts.items()] + [""] + lines) + "\n"
    rows = ["".join(f"<{tag}>{html.escape(c)}</{tag}>" for c in row)
            for tag, row in [("th", names), *(("td", row) for row in cells)]]
    figure = document.to_svg() if document.kind in ("evaluation", "comparison") else ""
    told = "".join(f"<dt>{html.escape(key)}</dt><dd>{html.escape(str(value))}</dd>" for key, value in facts.items())
    return (f"<!doctype html><html><head><meta charset='utf-8'><title>glim: {document.kind}</title><style>{_STYLE}"
            f"</style></head><body>{figure}<dl>{told}</dl><table>"
            + "".join(f"<tr>{row}</tr>" for row in rows) + "</table></body></html>")
