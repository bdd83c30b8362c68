# SPDX-License-Identifier: Apache-2.0
"""From kept answers to the numbers of the page: means with intervals, and differences of pairs.

All is the arithmetic of glim evaluate (means over inputs, a bootstrap of 95 %); what is added
are differences on the same inputs, since two intervals that overlap do not say that two
methods are alike, and Holm's correction for asking of many methods at once.
"""
import math
import random

from . import collect

RESAMPLES = 2000
LEAST = 3  # inputs: fewer say nothing at all
CURVES = collect.CURVES.split(",")
RAW = ("aopc-comprehensiveness", "aopc-sufficiency", "deletion-auc", "insertion-auc",
       "faithfulness-correlation", "gini")
MARKS = ("accuracy", "simplicity", "comprehensiveness")


def mean(values):
    return math.fsum(values) / len(values) if values else None


def short(x):
    return None if x is None else round(x, 4)


def resampled(values, seed):
    """Means of draws with replacement, sorted; Python promises the bits of random()."""
    rng, n = random.Random(seed), len(values)
    return sorted(math.fsum(values[int(rng.random() * n)] for _ in range(n)) / n
                  for _ in range(RESAMPLES))


def interval(values):
    """[mean, low, high]; of fewer than two values the mean alone."""
    values = [v for v in values if v is not None]
    if len(values) < 2:
        return [short(mean(values)), None, None]
    drawn = resampled(values, 1)
    return [short(mean(values)), short(drawn[int(0.025 * RESAMPLES)]),
            short(drawn[int(0.975 * RESAMPLES) - 1])]


def difference(a, b):
    """Of pairs: mean, interval and two-sided p of a - b."""
    both = [x - y for x, y in zip(a, b)]
    drawn = resampled(both, 2)
    below = sum(d <= 0 for d in drawn), sum(d >= 0 for d in drawn)
    p = min(1.0, 2 * (min(below) + 1) / (RESAMPLES + 1))
    return {"n": len(both), "p": p, "difference": interval(both)}


def holm(pairs):
    """Whether each difference can be claimed when all are looked at (5 % for all together)."""
    worst = 0.0
    for k, pair in enumerate(sorted(pairs, key=lambda q: q["p"])):
        worst = max(worst, min(1.0, pair["p"] * (len(pairs) - k)))
        pair["claimed"] = worst < 0.05
        pair["p"] = short(worst)


# ---- one method on one input ----

def measures(e):
    return {m["metric"]: m for m in e["measures"]}


def skill_of_curves(e):
    of = measures(e)
    return mean([of[c]["skill"] for c in CURVES if c in of and of[c]["skill"] is not None])


def read_input(own, second):
    of = measures(own)
    out = {m: own["marks"][m] for m in MARKS}
    out.update({r: of[r]["value"] if r in of else None for r in RAW})
    out["own"], out["second"] = skill_of_curves(own), skill_of_curves(second)
    both = [x for x in (out["own"], out["second"]) if x is not None]
    out["order"] = mean(both) if len(both) == 2 else None
    out["failed"] = own["capped"]
    return out


# ---- a task ----

class Reader(collect.Asker):
    """Answers that are there; asks nothing."""

    def __init__(self, glim, where):
        super().__init__(glim, where)
        self.missing = False

    def ask(self, *args):
        if not self.file([*map(str, args)]).exists():
            self.missing = True
            return {"error": "not asked"}
        return super().ask(*args)


def read_task(reader, task):
    """{method: {input: numbers}} of the inputs that every method has (the heavy ones: some)."""
    out = {m: {} for m in ["random", *task.methods]}
    for i in range(len(task.inputs)):
        row = {}
        for method in out:
            reader.missing = False
            got = collect.one(reader, task, i, method)
            if reader.missing:
                return out
            if got and all("says" in g for g in got):
                row[method] = read_input(*(g["says"] for g in got))
        for method, numbers in row.items():
            out[method][i] = numbers
    return out


def cost(reader, task, method, inputs):
    """Passes by plan, and processor time beside occlusion's on the same inputs."""
    if method == "random":
        return None, None
    plan = reader.ask("explain", "--dry-run", *collect.flags_of(task, method, 0))["says"]
    one = reader.ask("explain", "--dry-run", *collect.flags_of(task, "gradient", 0))["says"]
    passes = (plan["forward_tokens"] + plan["backward_tokens"]) / one["backward_tokens"]
    took = [reader.ask("explain", *collect.flags_of(task, m, i))["user"]
            for m in (method, "occlusion") for i in inputs]
    half = len(inputs)
    return math.ceil(passes), short(sum(took[:half]) / max(sum(took[half:]), 1e-9))


def again_of(reader, task, method):
    """Consistency and what shuffled weights change, on the inputs for which it was run again."""
    marks, shuffled = [], []
    for i in range(task.repeated(method) if method != "random" else 0):
        said = reader.ask("evaluate", *collect.flags_of(task, method, i), "--metrics",
                          collect.AGAIN, "--draws", 2).get("says")
        if said:
            marks.append(said["marks"]["consistency"])
            of = measures(said).get("model-randomisation")
            shuffled.append(of and of["value"])
    shuffled = [s for s in shuffled if s is not None]
    return interval(marks), len(marks), short(mean(shuffled))


def method_numbers(reader, task, method, got):
    rows = list(got.values())
    passes, ratio = cost(reader, task, method, list(got))
    steady, times, shuffled = again_of(reader, task, method)
    out = {"method": method, "n": len(rows), "passes": passes, "cost": ratio, "again": times,
           "consistency": steady, "shuffled": shuffled, "failed": sum(r["failed"] for r in rows)}
    for key in (*MARKS, "own", "second", "order"):
        out[key] = interval([r[key] for r in rows])
    for key in RAW:
        out[key] = short(mean([r[key] for r in rows if r[key] is not None]))
    return out


def pairs(numbers, first, others):
    """Each of others against first, on the inputs that both have; of few, nothing."""
    out = []
    for m in others:
        both = [i for i in numbers[m] if i in numbers[first] and None not in (
            numbers[m][i]["order"], numbers[first][i]["order"])]
        if len(both) >= LEAST:
            d = difference([numbers[first][i]["order"] for i in both],
                           [numbers[m][i]["order"] for i in both])
            out.append({"first": first, "method": m, **d})
    holm(out)
    for p in out:
        p["p"] = short(p["p"])
    return out


def task_numbers(reader, task):
    """None: there are hardly any inputs."""
    got = read_task(reader, task)
    full = max(map(len, got.values()))
    if full < LEAST:
        return None
    methods = [method_numbers(reader, task, m, got[m]) for m in got if got[m]]
    methods.sort(key=lambda m: (m["n"] < full, -m["order"][0], m["method"]))
    names = [m["method"] for m in methods if m["method"] != "random"]
    leader = next(m for m in methods if m["n"] == full and m["method"] != "random")["method"]
    docs = [reader.ask("explain", *collect.flags_of(task, "occlusion", i))["says"]
            for i in got["occlusion"]]
    parts = [sum(not u["fixed"] for u in d["input"]["units"]) for d in docs]
    return {"task": task.name, "inputs": full, "second": task.second, "leader": leader,
            "parts": [min(parts), short(mean(parts)), max(parts)], "methods": methods,
            "against_leader": pairs(got, leader, [m for m in names if m != leader]),
            "against_default": pairs(got, "occlusion", [m for m in names if m != "occlusion"]),
            "against_gradient": pairs(got, "gradient", [m for m in names if m != "gradient"]),
            "against_random": pairs(got, "random", names)}
