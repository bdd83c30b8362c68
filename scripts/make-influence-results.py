#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes docs/results-influence.md: how far to trust what glim says of training samples.

usage: make-influence-results.py GLIM [--peer PYTHON]
                                    asks what is not kept, then writes the page
       make-influence-results.py --render
                                    writes it again from docs/results-influence.json
       make-influence-results.py --check
                                    fails when it is not what that gives

All numbers stand in docs/results-influence.json. What glim wrote is kept in build/results-influence,
so that a run which was stopped goes on; `rm -r build/results-influence` forgets it. PYTHON has torch
and transformers, for the network that is tuned many times; without it the numbers of that part
stay what they are. GLIM lies in a build folder with its tests.
"""
import argparse
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from truth import ask, curvature, detect, lds, page, refits  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[1]
NUMBERS, PAGE = ROOT / "docs/results-influence.json", ROOT / "docs/results-influence.md"
KEPT = ROOT / "build/results-influence"


def say(text):
    print(f"make-influence-results: {text}", file=sys.stderr, flush=True)


def read():
    return json.loads(NUMBERS.read_text(encoding="utf-8")) if NUMBERS.exists() else {}


def measure(glim, peer):
    a = ask.Asker(glim, KEPT, say)
    before = read()
    out = {"schema": "glim.results-influence/1", "detection": detect.all_setups(a),
           "linear": refits.linear(a), "heads": refits.heads(a), "example": refits.example(a),
           "curvature": curvature.measure(a, glim.parents[2] / "tests/influence-test_full_hessian")}
    if peer:
        out["network"] = lds.measure(a, peer)
    elif "network" in before:
        out["network"] = before["network"]
        say("no --peer PYTHON with torch: the numbers of the tuned network stay what they were")
    else:
        sys.exit("make-influence-results: --peer PYTHON with torch and transformers is needed")
    NUMBERS.write_text(json.dumps(out, indent=1) + "\n", encoding="utf-8")


def written():
    return page.render(read(), (ROOT / "bench/results/influence.md").read_text(encoding="utf-8"))


def main():
    args = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    args.add_argument("glim", nargs="?")
    args.add_argument("--peer")
    args.add_argument("--render", action="store_true")
    args.add_argument("--check", action="store_true")
    given = args.parse_args()
    if given.check:
        if PAGE.exists() and PAGE.read_text(encoding="utf-8") == written():
            return 0
        say("docs/results-influence.md is not what docs/results-influence.json gives: run "
            "scripts/make-influence-results.py --render")
        return 1
    if not given.render:
        if not given.glim:
            args.error("GLIM is missing")
        measure(pathlib.Path(given.glim).resolve(), given.peer)
    PAGE.write_text(written(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        say("interrupted; what is kept is not asked again")
        sys.exit(130)
