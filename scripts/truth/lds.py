# SPDX-License-Identifier: Apache-2.0
"""What tuning on halves of the samples made of queries, and what methods had foretold: the linear
datamodelling score (Park et al. 2023), of the last block of MiniLM tuned many times (tune.py)."""
import json
import os
import pathlib
import subprocess

from results import numbers

from . import ask, tuning

WORDS = 30
METHODS = {
    "ekfac": [],
    "trak": [],
    "datainf": [],
    "tracin": [],
    "gradient-product": [],
    "gradient-cosine": [],
    "similarity": None,  # has no weights
}
DEAR = {"datainf"}  # of one model only


def ranks(values):
    order = sorted(range(len(values)), key=values.__getitem__)
    out, at = [0.0] * len(values), 0
    while at < len(order):
        end = at
        while end < len(order) and values[order[end]] == values[order[at]]:
            end += 1
        for k in order[at:end]:
            out[k] = (at + end - 1) / 2
        at = end
    return out


def pearson(a, b):
    ma, mb = numbers.mean(a), numbers.mean(b)
    up = sum((x - ma) * (y - mb) for x, y in zip(a, b))
    below = sum((x - ma) ** 2 for x in a) * sum((y - mb) ** 2 for y in b)
    return up / below ** 0.5 if below > 0 else 0.0


def spearman(a, b):
    return pearson(ranks(a), ranks(b))


def files(a):
    train = ask.short_reviews(a.reviews, "train.csv", WORDS, tuning.SAMPLES)
    asked = ask.short_reviews(a.reviews, "test.csv", WORDS, tuning.QUERIES)
    a.make("tune.csv", lambda part: ask.write_csv(part, ["text", "label"], train))
    a.make("tune-queries.csv", lambda part: ask.write_csv(part, ["text", "label"], asked))


def tune(a, peer):
    """Runs tune.py, which goes on where it was stopped."""
    script = pathlib.Path(__file__).with_name("tune.py")
    quiet = dict(os.environ, TRANSFORMERS_VERBOSITY="error", HF_HUB_DISABLE_PROGRESS_BARS="1")
    subprocess.run([peer, script, a.models["$MINILM"], "tune.csv", "tune-queries.csv", "tuned"],
                   cwd=a.where, env=quiet, check=True)
    return json.loads((a.where / "tuned/outcomes.json").read_text())


def influences(a, method, flags, seed):
    """[query][sample] of the model that all samples tuned."""
    command = ["-m", f"tuned/full-{seed}-3", "--train", "tune.csv", "--query", "tune-queries.csv",
               "--method", method]
    if flags is not None:
        command += ["--weights", "blocks.5.*", *flags]
    if method == "tracin":
        for third in (1, 2):
            command += ["--checkpoint", f"tuned/full-{seed}-{third}:1"]
    name = "similarity" if method == "similarity" else "influence"
    c = a.columns(f"tuned-{seed}-{method}.csv", *command)
    return [c[f"{name}:{q + 1}"] for q in range(tuning.QUERIES)]


def score(told, halves, said):
    """Of each query the rank correlation of sums over halves with what these halves made."""
    return [spearman([sum(row[i] for i in keep) for keep in halves], [f[q] for f in said])
            for q, row in enumerate(told)]


def measure(a, peer):
    files(a)
    out = tune(a, peer)
    halves, each = [], []
    for half in range(tuning.HALVES):
        runs = [out[f"half-{half}-{seed}"] for seed in range(tuning.SEEDS)]
        halves.append(runs[0]["keep"])
        each.append([r["logprob"] for r in runs])
    said = [[numbers.mean(values) for values in zip(*runs)] for runs in each]
    between = [spearman([r[0][q] for r in each], [r[1][q] for r in each])
               for q in range(tuning.QUERIES)]
    rows = []
    for method, flags in METHODS.items():
        models = 1 if method in DEAR else tuning.FULL
        told = [influences(a, method, flags, seed) for seed in range(models)]
        many = [[numbers.mean(v) for v in zip(*same)] for same in zip(*told)]
        rows.append({"method": method, "one": numbers.interval(score(told[0], halves, said)),
                     "many": numbers.interval(score(many, halves, said) if models > 1 else [])})
    rows.sort(key=lambda r: -r["one"][0])
    return {"samples": tuning.SAMPLES, "queries": tuning.QUERIES, "halves": tuning.HALVES,
            "seeds": tuning.SEEDS, "models": tuning.FULL, "between": numbers.interval(between),
            "right": numbers.mean([sum(v > -0.6931 for v in out[f"full-{s}"]["logprob"])
                                   / tuning.QUERIES for s in range(tuning.FULL)]),
            "methods": rows}
