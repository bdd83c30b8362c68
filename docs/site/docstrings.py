# SPDX-License-Identifier: Apache-2.0
"""Docstrings are plain sentences with `names`; what reStructuredText would read in them is escaped."""
import re


def escaped(text):
    return re.sub(r"[*|\\]|(?<=\w)_(?=\W|$)", lambda m: "\\" + m.group(), text)


def as_rest(app, what, name, obj, options, lines):
    for i, line in enumerate(lines):
        parts = re.split(r"(`[^`]*`)", line)
        lines[i] = "".join(p if p.startswith("`") else escaped(p) for p in parts)
        lines[i] = re.sub(r"(`[^`]+`)(?=\w)", r"\1\\ ", lines[i])
    code = False
    for i, line in enumerate(lines):  # an indented run behind a blank line is code
        starts = line.startswith("    ") and (i == 0 or not lines[i - 1].strip())
        if starts and not code:
            lines[i] = "::\n\n" + line
        code = line.startswith("    ") or (code and not line.strip())
    lines[:] = "\n".join(lines).split("\n")
