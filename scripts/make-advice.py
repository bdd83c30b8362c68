#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes docs/advice.md from what `glim advise` says.

usage: make-advice.py GLIM [FILE]
"""
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
SCHEMA = json.loads((ROOT / "docs/schema/glim.advice-1.schema.json").read_text())["properties"]
QUALITIES = SCHEMA["quality"]["enum"]
SIZES = (8, 20, 150, 500)
WORDS = {
    "parts": "Which parts of the input mattered?", "contrast": "Why this and not that?",
    "looks": "Where does the model look?", "alignment": "Which source word made which target word?",
    "examples": "Which examples should one look at?", "training": "Which training samples made it so?",
    "inside": "What do layers and neurons know?"}
HEAD = """# Which method?

`glim advise` answers that for a model, a task, a question, the quality that matters most and a budget:

```
glim advise                                            # asks, on a terminal
glim advise --access black-box --task classify --quality simplicity --budget 300
glim advise -m model.gguf --budget 30s "The capital of France is"
```

With a model and a text the costs are those of plans (`glim explain --dry-run`), and a budget of seconds is turned into passes by
timing one. Without, they come from formulas: a gradient counts as three passes, and the number of parts is `--units N` or a usual one
(20; of chats and pages 60, of pictures 49, of tables 10). `--json` gives the same as `glim.advice/1`.

The answer comes from a table of rules, `src/evaluate/advice-rules.c`. A rule says for which models, tasks, questions and numbers of parts a
method is meant, what it costs, and its place for each of four qualities: *accuracy* (measured, [results.md](results.md), [default-method.md](default-method.md), or
exact), *consistency* (the same answer each time), *simplicity* (few or large parts) and *comprehensiveness* (shares that add up). A budget takes
methods away, or gives them fewer samples, and never changes the order: with a smaller one the first is never dearer. Places that were not measured
are judgements; read a document's checks and verdict before you believe it.

Which training samples made a model say something (`--want training --train FILE`) is asked of `glim influence`; there a pass is one over the samples,
and one there and back counts as three.

This page is written by `scripts/make-advice.py`: what comes first to last without a budget, by number of parts.
"""


def ask(glim, **question):
    flags = [x for k, v in question.items() for x in (f"--{k}", str(v))]
    out = subprocess.run([glim, "advise", "--json", *flags], capture_output=True, check=True)
    return json.loads(out.stdout)


def names(a):
    return ", ".join(f"`{h['method']}`" for h in a["methods"])


def rows(glim, access, task, want):
    """A line for each run of sizes with the same answers."""
    if want in ("looks", "alignment", "examples", "training"):  # whatever the number of parts
        cells = [names(ask(glim, access=access, task=task, want=want, quality=q)) for q in QUALITIES]
        return [[list(SIZES), cells]]
    out = []
    for units in SIZES:
        cells = [names(ask(glim, access=access, task=task, want=want, quality=q, units=units)) for q in QUALITIES]
        if out and out[-1][1] == cells:
            out[-1][0].append(units)
        else:
            out.append([[units], cells])
    return out


def size(units):
    if len(units) == len(SIZES):
        return "any"
    return ", ".join(map(str, units))


def section(glim, want, told):
    lines, refused, groups = [f"## {WORDS[want]}", ""], {}, {}
    for access in SCHEMA["access"]["enum"]:
        for task in SCHEMA["task"]["enum"]:
            a = ask(glim, access=access, task=task, want=want)
            if a["reason"]:
                refused.setdefault(a["reason"], []).append(access)
            else:
                key = json.dumps(rows(glim, access, task, want))
                groups.setdefault((access, key), []).append(task)
    if groups:
        lines += ["| model | task | parts | " + " | ".join(QUALITIES) + " |", "|---|---|--:|" + "---|" * 4]
    for (access, key), tasks in groups.items():
        for units, cells in json.loads(key):
            lines.append(f"| {access} | {', '.join(tasks)} | {size(units)} | " + " | ".join(cells) + " |")
    if groups:
        lines.append("")
    for reason, accesses in refused.items():
        if reason not in told:
            lines.append(f"- {', '.join(dict.fromkeys(accesses))}: {reason}.")
        told.add(reason)
    return lines + [""]


def main():
    glim = sys.argv[1]
    page = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else ROOT / "docs/advice.md"
    lines, told = [HEAD], set()
    for want in SCHEMA["want"]["enum"]:
        lines += section(glim, want, told)
    page.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
