#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes docs/gallery.md and its pictures from stored documents: a picture of each figure.

usage: make-gallery.py GLIM [FOLDER]      (docs when there is no FOLDER)
"""
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
HAND, MADE = "tests/golden/documents", "tests/golden/figures"
ASK = '"The capital of France is"'
# name, document, flags of the figure, what it is, what makes it
ENTRIES = [
    ("strip", f"{HAND}/plain.json", ["--figure", "strip", "--numbers"], "Which words say so",
     f"glim explain -m SmolLM2.gguf {ASK} --numbers"),
    ("chinese", f"{HAND}/chinese.json", ["--lang", "zh-CN"], "The same in Chinese", "glim explain -m model.gguf \"为什么天空是蓝色的？\" --lang zh-CN"),
    ("bars", f"{HAND}/errors.json", ["--figure", "bars"], "The strongest, with the intervals of sampled scores",
     f"glim explain -m SmolLM2.gguf {ASK} --method shapley"),
    ("waterfall", f"{HAND}/sentences.json", ["--figure", "waterfall"], "From the base value to the prediction",
     f"glim explain -m SmolLM2.gguf {ASK} --method shapley"),
    ("generation", f"{MADE}/chat.json", ["--figure", "matrix"], "What each word of the answer stands on",
     "glim explain -m SmolLM2.gguf --chat chat.json --generate 12"),
    ("dialogue", f"{HAND}/chat.json", ["--figure", "turn"], "Which turn of a dialogue",
     "glim explain -m SmolLM2.gguf --chat chat.json --units sentence --generate 3"),
    ("picture", f"{MADE}/picture.json", ["--figure", "picture", "--dpi", "60"], "Which parts of a picture",
     "glim explain -m efficientnet-lite0 cat.png --method lime --superpixels slic --segments 40"),
    ("row", f"{MADE}/row.json", ["--figure", "bars"], "Which columns of a row",
     "glim explain --predictor fit:kinds.fit --table kinds.csv --row 60 --method lime"),
    ("prediction", f"{MADE}/row.json", ["--figure", "values"], "What is predicted, and the row's own values",
     "glim explain --predictor fit:kinds.fit --table kinds.csv --row 60 --method lime"),
    ("attention", f"{MADE}/attention.json", ["--figure", "attention"], "Where a head looks",
     'glim attention -m SmolLM2.gguf "The cat sat on the mat because it was tired." --layer 11 --head 1'),
    ("heads", f"{MADE}/attention.json", ["--figure", "heads"], "What each head does",
     'glim attention -m SmolLM2.gguf "The cat sat on the mat because it was tired."'),
    ("alignment", f"{MADE}/alignment.json", [], "Which word translates which",
     'glim attention -m translator "the cat was not old" --align --gold "0-0 1p0 1-1 2-2 3-3 4-4"'),
    ("lens", f"{MADE}/lens.json", ["--figure", "1"], "What each layer would say",
     f"glim lens -m SmolLM2.gguf {ASK}"),
    ("patch", f"{MADE}/patch.json", ["--figure", "2"], "Where activations change the answer",
     f'glim patch -m SmolLM2.gguf {ASK} --corrupt "The capital of Italy is" --target " Paris" --against " Rome"'),
    ("probe", f"{MADE}/probe.json", ["--figure", "accuracy"], "What can be read from each layer",
     "glim probe -m SmolLM2.gguf --data reviews.csv --label mood"),
    ("maximize", f"{MADE}/maximize.json", ["--figure", "top"], "What drives a neuron",
     "glim maximize -m SmolLM2.gguf --site blocks.5.mlp.hook_post --index 123 --data corpus.txt --top 3"),
    ("influence", f"{MADE}/influence.json", ["--figure", "query-1"], "Which training samples made it so",
     "glim influence --train flowers.csv --label petal_width --table flowers.csv --row 3"),
    ("histogram", f"{MADE}/histogram.json", ["--figure", "histogram"], "How the influences of all samples lie",
     "glim influence --train flowers.csv --label petal_width --table flowers.csv --row 3"),
    ("stems", f"{MADE}/diagnostics.json", ["--figure", "stems"], "Cook's distance of every sample",
     "glim influence --train flowers.csv --label petal_width --method diagnostics"),
    ("plane", f"{MADE}/diagnostics.json", ["--figure", "plane"], "Leverage and residual",
     "glim influence --train flowers.csv --label petal_width --method diagnostics"),
    ("evaluation", f"{MADE}/evaluation.json", ["--figure", "accuracy"], "How good an explanation is",
     f"glim evaluate -m SmolLM2.gguf {ASK} --method occlusion"),
    ("curves", f"{MADE}/curves.json", ["--figure", "deletion-auc"], "The target while the most important units go",
     'glim evaluate -m SmolLM2.gguf "Hello small world, hello again" --method lime'),
    ("seeds", f"{MADE}/curves.json", ["--figure", "seed-ranks"], "Ranks that other seeds give",
     'glim evaluate -m SmolLM2.gguf "Hello small world, hello again" --method lime'),
    ("methods", f"{MADE}/methods.json", [], "Whether methods agree",
     f"glim compare -m SmolLM2.gguf {ASK} --methods occlusion,integrated-gradients,lime"),
    ("scatter", f"{MADE}/models.json", ["--figure", "scatter"], "One model's scores against another's",
     'glim compare -m small-f16.gguf --other small-q8_0.gguf --other small-q4_0.gguf "the cat sat on the mat"'),
    ("models", f"{MADE}/models.json", ["--figure", "difference"], "What a quantisation changes",
     'glim compare -m small-f16.gguf --other small-q8_0.gguf --other small-q4_0.gguf "the cat sat on the mat"'),
    ("map", f"{MADE}/map.json", ["--figure", "map"], "A map of many points",
     "glim map --data digits.csv"),
]
HEAD = """# The gallery

Every figure that glim draws without a browser, from stored documents: `--svg FILE`, `--png FILE` and `--pdf FILE` stand on every command that
has `--html`, and on `glim view DOCUMENT.json`; `--figure NAME` takes one of several, and `--alt` says the same in words. How sizes, papers and
languages are chosen: [figures](tutorials/figures.md). This page and its pictures are written by `scripts/make-gallery.py`.
"""


def glim(program, document, *flags):
    run = subprocess.run([program, "view", ROOT / document, *flags, "-q"], capture_output=True, check=True)
    return run.stdout.decode()


def main():
    program = pathlib.Path(sys.argv[1]).resolve()
    docs = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else ROOT / "docs"
    pictures = docs / "images/gallery"
    pictures.mkdir(parents=True, exist_ok=True)
    page = [HEAD]
    for name, document, flags, title, command in ENTRIES:
        told = glim(program, document, "--dpi", "90", *flags, "--png", pictures / f"{name}.png", "--alt")
        words = " ".join(told.split("\n")[1:]).strip()
        one = " ".join(flags[:2]) if flags[:1] == ["--figure"] else ""
        page += [f"## {title}", "", f"![{title}](images/gallery/{name}.png)", "", words, "",
                 f"`{command}{' ' + one if one else ''} --png {name}.png`", ""]
    (docs / "gallery.md").write_text("\n".join(page).rstrip() + "\n")


if __name__ == "__main__":
    main()
