# SPDX-License-Identifier: Apache-2.0
"""Docstrings are plain sentences with `names`; what reStructuredText would read in them is escaped."""
import re


def as_rest(app, what, name, obj, options, lines):
    for i, line in enumerate(lines):
        parts = re.split(r"(`[^`]*`)", line)
        lines[i] = "".join(p if p.startswith("`") else re.sub(r"([*|\\]|\b\w+_(?=\W|$))", lambda m: re.sub(r"([*|_\\])$", r"\\\1", m.group(1)), p)
                           for p in parts)
    code = False
    for i, line in enumerate(lines):  # an indented run behind a blank line is code
        starts = line.startswith("    ") and (i == 0 or not lines[i - 1].strip())
        if starts and not code:
            lines[i] = "::\n\n" + line
        code = line.startswith("    ") or (code and not line.strip())
    lines[:] = "\n".join(lines).split("\n")
