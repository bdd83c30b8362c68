#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes docs/methods.md from what the methods say of themselves, those of sample influence too.

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
SAMPLES = {
    "head": ("Training samples of a fitted model", "A linear or logistic model of a table's columns or of a text model's representations "
             "(`glim fit`, or fitted on the spot). The numbers are exact."),
    "model": ("Training samples of a whole model", "Gradients of the model's own weights, packed as they are; samples stream from their file. "
              "*L* is a sample's loss, *q* a query, *n* the number of samples; `--check N` takes real steps of training."),
    "data": ("The samples themselves", "Which want a look, and which are like a query. No gradient is needed."),
}
HEAD = """# The methods

`glim explain --list` shows the same in the terminal, and with `-m MODEL` marks what can run on it. This page is written by
`scripts/make-methods.py` from the methods' own descriptors.

Costs are in passes over the input; *d* is the number of parts that are scored; a gradient costs two or three passes.

Which training samples made a model say something is another question: the methods of `glim influence` are [below](#training-samples-of-a-fitted-model).
"""
SAMPLES_HEAD = """`glim influence --method NAME` asks them; `glim influence --list` shows the same in the terminal, `--list --json` as JSON
(`glim.influence-methods/1`). An influence above 0 says that the sample raised what the query says.
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


def sample_table(methods):
    lines = ["| method | when | needs | costs |", "|---|---|---|---|"]
    return lines + [f"| [`{m['name']}`](#{m['name']}) | {cell(m['use'])} | {', '.join(m['needs'])} | {cell(m['costs'])} |"
                    for m in methods]


def sample_section(m):
    """Formula, when to take it, when not, what it costs, source."""
    lines = [f"### {m['name']}", "", f"{m['summary'][0].upper()}{m['summary'][1:]}.", "",
             "```", *m["formula"].split(";  "), "```", "",
             f"- Take it {when(m['use'])}.", f"- Mind: {m['caption']}.", f"- Costs: {m['costs']}."]
    if m["checkpoints"]:
        lines += ["- Takes checkpoints of the training (`--checkpoint FILE:RATE`)."]
    if m["by"]:
        lines += ["- Says what tokens, layers or modules have of a score (`--by`)."]
    if m["params"]:
        lines += ["", "Flags:", "", *map(param, m["params"])]
    return lines + ["", f"Source: {m['cite']}.", ""]


def when(use):
    return use if use.split()[0] in ("for", "to", "when", "as", "before") else f"as {use}"


def samples(methods):
    lines = []
    for name, (title, text) in SAMPLES.items():
        mine = [m for m in methods if m["family"] == name]
        lines += [f"## {title}", "", *([] if lines else [SAMPLES_HEAD]), text, "", *sample_table(mine), ""]
        for m in mine:
            lines += sample_section(m)
    return lines


def page(methods, influence):
    lines = HEAD.split("\n")
    for name, (title, text) in FAMILIES.items():
        mine = [m for m in methods if m["family"] == name]
        if mine:
            lines += [f"## {title}", "", text, "", *table(mine), ""]
            for m in mine:
                lines += section(m)
    return "\n".join(lines + samples(influence)).rstrip() + "\n"


def main():
    explain, influence = (json.loads(subprocess.run([sys.argv[1], *words], capture_output=True, check=True).stdout)["methods"]
                          for words in (["--dump-commands"], ["influence", "--list", "--json"]))
    where = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else PAGE
    where.write_text(page(explain, influence), encoding="utf-8")


if __name__ == "__main__":
    main()
