# SPDX-License-Identifier: Apache-2.0
"""Makes a source tree for Sphinx of docs/: English as it stands, Chinese with docs/zh/ laid over it.

Links are made to fit: a page of docs/zh/ means its neighbours of either language, and a file outside
docs/ is copied to files/, where a reader can take it.
"""
import os
import pathlib
import re
import shutil
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
LINK = re.compile(r"(!?\[(?:[^\]\[]|\[[^\]]*\])*\])\(([^()\s]+)\)")
FENCE = re.compile(r"(^```.*?^```\s*$)", re.S | re.M)
NOTE = ":::{note}\n:class: untranslated\n本页还没有中文版，以下为英文。\n:::\n\n"


def names():
    """Pages of the English tree, by their path in the site."""
    return sorted(p.relative_to(DOCS) for p in DOCS.rglob("*.md")
                  if not {"zh", "site", "schema", "notebooks"} & set(p.relative_to(DOCS).parts))


class Tree:
    """The source tree of one language."""

    def __init__(self, where, chinese):
        self.where, self.chinese = where, chinese
        shutil.rmtree(where, ignore_errors=True)
        shutil.copytree(DOCS / "images", where / "images")

    def write(self, name, text):
        path = self.where / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def page(self, name, source=None):
        """docs/NAME, or its Chinese page, or the English one with a word about that."""
        source = source or (DOCS / "zh" / name if self.chinese and (DOCS / "zh" / name).exists() else DOCS / name)
        text = self.linked(source.read_text(encoding="utf-8"), source, name)
        if self.chinese and source.is_relative_to(DOCS / "zh") is False:
            title, _, rest = text.partition("\n")
            text = f"{title}\n\n{NOTE}{rest.lstrip()}"
        self.write(name, text)

    def linked(self, text, source, name):
        """Text with the links of `source` as they must be at `name`. Code stays."""
        return "".join(part if part.startswith("```") else LINK.sub(lambda m: self.link(m, source, name), part)
                       for part in FENCE.split(text))

    def link(self, match, source, name):
        label, target = match.groups()
        path, _, anchor = target.partition("#")
        if not path or urllib.parse.urlsplit(target).scheme:
            return match.group()
        meant = (source.parent / urllib.parse.unquote(path)).resolve()
        if meant.is_relative_to(DOCS / "zh") and not meant.exists():  # the English page stands there
            meant = DOCS / meant.relative_to(DOCS / "zh")
        if meant.is_relative_to(DOCS / "reference"):  # made by build.py
            return f"{label}({os.path.relpath(meant.relative_to(DOCS), pathlib.PurePath(name).parent)})"
        if not meant.exists():
            raise SystemExit(f"{source.relative_to(ROOT)}: the link to '{path}' leads nowhere")
        here = pathlib.PurePath(name).parent
        there = self.place(meant)
        if there is None:  # a folder has no page
            return label if label.startswith("!") else label[1:-1]
        relative = os.path.relpath(there, here)
        anchor = anchor if there.suffix in (".md", ".ipynb") else ""
        return f"{label}({relative}{'#' + anchor if anchor else ''})"

    def place(self, meant):
        if meant.is_relative_to(DOCS / "zh") and meant.suffix == ".md":
            return meant.relative_to(DOCS / "zh")
        if meant.is_relative_to(DOCS) and meant.suffix in (".md", ".png", ".ipynb") or meant.is_relative_to(DOCS / "images"):
            return meant.relative_to(DOCS)
        if meant.is_dir():
            return None
        copy = pathlib.Path("files") / meant.relative_to(ROOT)
        copy = copy.with_name(copy.name + ".txt") if copy.suffix == ".md" else copy
        (self.where / copy).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(meant, self.where / copy)
        return copy
