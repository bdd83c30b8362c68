#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes docs/methods.md from what the methods say of themselves.

usage: make-methods.py GLIM [FILE]
"""
import json
import pathlib
import subprocess
import sys

PAGE = pathlib.Path(__file__).resolve().parents[1] / "docs/methods.md"
FAMILIES = {
    "gradients": ("Gradients", "How the target reacts to small changes of the input. They need a model that glim runs, or a fitted one."),
    "attention": ("Attention", "Where the model looks. They need a transformer that glim runs."),
    "perturbation": ("Perturbation", "Parts are taken away, and the target is read again. They need predictions only, so black boxes do."),
    "surrogate": ("Surrogates", "A simple model is fitted to what is said around the input. They need predictions only."),
}
HEAD = """# The methods

`glim explain --list` shows the same in the terminal, and with `-m MODEL` marks what can run on it. This page is written by
`scripts/make-methods.py` from the methods' own descriptors.

Costs are in passes over the input; *d* is the number of parts that are scored; a gradient costs two or three passes.
"""


def cell(text):
    return text.replace("|", "\\|")


def table(methods):
    lines = ["| method | what it says | needs | costs |", "|---|---|---|---|"]
    lines += [f"| [`{m['name']}`](#{m['name']}) | {cell(m['summary'])} | {', '.join(m['needs'])} | {cell(m['costs'])} |"
              for m in methods]
    return lines


def param(p):
    value = f" {p['value']}" if p["value"] else ""
    default = f" ({p['default']})" if p.get("default") else ""
    return f"- `--{p['name']}{value}`: {p['help']}{default}"


def section(m):
    lines = [f"### {m['name']}", "", f"{m['summary'][0].upper()}{m['summary'][1:]}.", "", m["caption"], ""]
    if m["params"]:
        lines += [*map(param, m["params"]), ""]
    return lines + [f"Source: {m['cite']}.", ""]


def page(methods):
    lines = HEAD.split("\n")
    for name, (title, text) in FAMILIES.items():
        mine = [m for m in methods if m["family"] == name]
        if mine:
            lines += [f"## {title}", "", text, "", *table(mine), ""]
            for m in mine:
                lines += section(m)
    return "\n".join(lines).rstrip() + "\n"


def main():
    out = subprocess.run([sys.argv[1], "--dump-commands"], capture_output=True, check=True)
    where = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else PAGE
    where.write_text(page(json.loads(out.stdout)["methods"]), encoding="utf-8")


if __name__ == "__main__":
    main()
