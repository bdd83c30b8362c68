#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes docs/results.md: how good each method's explanations are, task by task.

usage: make-results.py GLIM [--jobs N]   asks what is not kept in build/results, then writes
       make-results.py GLIM --kept       asks nothing: of each task the inputs that are kept
       make-results.py --render          writes the page again from docs/results.json
       make-results.py --check           fails when the page is not what that gives

All numbers stand in docs/results.json; page and pictures are made of it alone. Answers are kept
in build/results, so that a run which was stopped goes on; `rm -r build/results` forgets them.
"""
import argparse
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from results import collect, numbers, page  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
KEPT = ROOT / "build/results"


def say(text):
    print(f"make-results: {text}", file=sys.stderr, flush=True)


def measure(glim, jobs, kept):
    """All numbers of the page."""
    reader = numbers.Reader(glim, KEPT)
    asker = reader if kept else collect.Asker(glim, KEPT)
    tasks = collect.all_tasks(asker)
    for task in tasks:
        collect.find_methods(asker, task)
    if not kept:
        collect.collect(asker, tasks, jobs, say)
    measured = [numbers.task_numbers(reader, t) for t in tasks]
    return {"schema": "glim.results/1", "tasks": [t for t in measured if t]}


def written():
    """{path: text} of the page and its pictures, from the numbers."""
    results = json.loads((DOCS / "results.json").read_text(encoding="utf-8"))
    head = (ROOT / "bench/results/head.md").read_text(encoding="utf-8")
    files = {DOCS / "results.md": page.render(results, head)}
    for task in results["tasks"]:
        files[DOCS / f"images/results-{task['task']}.svg"] = page.picture(task)
    return files


def check():
    """0 when every file is as it would be written."""
    stale = [path for path, text in written().items()
             if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        say(f"{path.relative_to(ROOT)} is not what docs/results.json gives: run "
            "scripts/make-results.py --render")
    return 1 if stale else 0


def main():
    args = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    args.add_argument("glim", nargs="?")
    args.add_argument("--jobs", type=int, default=2)
    args.add_argument("--kept", action="store_true")
    args.add_argument("--render", action="store_true")
    args.add_argument("--check", action="store_true")
    given = args.parse_args()
    if given.check:
        return check()
    if not given.render:
        if not given.glim:
            args.error("GLIM is missing")
        results = measure(pathlib.Path(given.glim).resolve(), given.jobs, given.kept)
        (DOCS / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    for path, text in written().items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        say("interrupted; what is kept is not asked again")
        sys.exit(130)
