#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes docs/methods.md from what the methods say of themselves, those of sample influence too.

usage: make-methods.py GLIM [FILE [zh-CN]]      (in Chinese: words of docs/zh/words.json and of reports)
"""
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "docs/site"))
import words  # noqa: E402

PAGE = ROOT / "docs/methods.md"
WORDS = {}


def word(key, english):
    """In the page's language; what has no word there stays English."""
    return WORDS.get(key, english)


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


def told(m, what):
    return word(f"{m['name']}.{what}", m[what])


def costs(m):
    return word("costs." + m["costs"], m["costs"])


def needs(m):
    return ", ".join(word("needs." + n, n) for n in m["needs"])


def head_row(*names):
    names = [word("head." + n, n) for n in names]
    return [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]


def table(methods):
    lines = head_row("method", "what it says", "needs", "costs")
    return lines + [f"| [`{m['name']}`](#{m['name']}) | {cell(told(m, 'summary'))} | {needs(m)} | {cell(costs(m))} |"
                    for m in methods]


def param(p):
    value = f" {p['value']}" if p["value"] else ""
    default = f" ({p['default']})" if p.get("default") else ""
    return f"- `--{p['name']}{value}`: {word('help.' + p['name'], p['help'])}{default}"


def sentence(text):
    return text[0].upper() + text[1:].rstrip(".。") + word("stop", ".")


def source(m):
    return [f"{word('source', 'Source')}: {m['cite']}.", ""]


def section(m):
    """What it says, formula, when to take it and when not, what it costs, flags, source."""
    lines = [f"### {m['name']}", "", sentence(told(m, "summary")), "", "```text", *m["formula"].split(";  "), "```", "",
             f"- {word('take', 'Take it')} {told(m, 'use')}{word('stop', '.')}",
             f"- {word('not', 'Not')} {told(m, 'avoid')}{word('stop', '.')}",
             f"- {word('mind', 'Mind')}: {told(m, 'caption')}",
             f"- {word('head.costs', 'costs').capitalize()}: {costs(m)}; {word('head.needs', 'needs')}: {needs(m)}.", ""]
    if m["params"]:
        lines += [word("flags", "Flags:"), "", *map(param, m["params"]), ""]
    return lines + source(m)


def sample_table(methods):
    lines = head_row("method", "when", "needs", "costs")
    return lines + [f"| [`{m['name']}`](#{m['name']}) | {cell(told(m, 'use'))} | {needs(m)} | {cell(costs(m))} |"
                    for m in methods]


def sample_section(m):
    """Formula, when to take it, when not, what it costs, source."""
    lines = [f"### {m['name']}", "", sentence(told(m, "summary")), "",
             "```text", *m["formula"].split(";  "), "```", "",
             f"- {word('take', 'Take it')} {when(told(m, 'use'))}{word('stop', '.')}",
             f"- {word('mind', 'Mind')}: {told(m, 'caption')}{word('stop', '.')}",
             f"- {word('head.costs', 'costs').capitalize()}: {costs(m)}{word('stop', '.')}"]
    if m["checkpoints"]:
        lines += [word("checkpoints", "- Takes checkpoints of the training (`--checkpoint FILE:RATE`).")]
    if m["by"]:
        lines += [word("by", "- Says what tokens, layers or modules have of a score (`--by`).")]
    if m["params"]:
        lines += ["", word("flags", "Flags:"), "", *map(param, m["params"])]
    return lines + ["", *source(m)]


def when(use):
    return use if WORDS or use.split()[0] in ("for", "to", "when", "as", "before") else f"as {use}"


def samples(methods):
    lines = []
    for name, (title, text) in SAMPLES.items():
        mine = [m for m in methods if m["family"] == name]
        title, text = word(f"title.{name}", title), word(f"text.{name}", text)
        lines += [f"## {title}", "", *([] if lines else [word("samples", SAMPLES_HEAD)]), text, "", *sample_table(mine), ""]
        for m in mine:
            lines += sample_section(m)
    return lines


def page(methods, influence):
    lines = word("methods", HEAD).split("\n")
    for name, (title, text) in FAMILIES.items():
        title, text = word(f"title.{name}", title), word(f"text.{name}", text)
        mine = [m for m in methods if m["family"] == name]
        if mine:
            lines += [f"## {title}", "", text, "", *table(mine), ""]
            for m in mine:
                lines += section(m)
    return "\n".join(lines + samples(influence)).rstrip() + "\n"


def main():
    explain, influence = (json.loads(subprocess.run([sys.argv[1], *asked], capture_output=True, check=True).stdout)["methods"]
                          for asked in (["--dump-commands"], ["influence", "--list", "--json"]))
    if "zh-CN" in sys.argv[3:]:
        WORDS.update(words.chinese())
    where = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else PAGE
    where.write_text(page(explain, influence), encoding="utf-8")


if __name__ == "__main__":
    main()
