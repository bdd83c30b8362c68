# SPDX-License-Identifier: Apache-2.0
"""Are planted label errors found? Every method's number of a sample by itself, the most
suspicious first, over several plantings."""
import json
import math

from results import numbers

from . import ask

SHARE = 0.05
WORDS = 40  # of a review at most: a model is slow on long ones
NEAREST = 10
FEW = 6  # plantings: of fewer no difference is claimed
SIMILARITY = "similarity (10 nearest)"
PROMPT = "Review: {}\nSentiment:"
ANSWERS = {"great": " positive", "other": " negative"}


# ---- how well errors are found ----

def found(scores, wrong):
    """Area under the curve of errors found by samples looked at, and precision among the first
    len(wrong); equal scores are in no order, so what is expected counts."""
    n, k = len(scores), len(wrong)
    order = sorted(range(n), key=lambda i: -scores[i])
    above, precision, pairs, at = 0, 0.0, 0.0, 0
    while at < n:
        end = at
        while end < n and scores[order[end]] == scores[order[at]]:
            end += 1
        hits = sum(order[i] in wrong for i in range(at, end))
        seen = max(0, min(end, k) - at)
        precision += hits * seen / (end - at)
        # right samples behind these errors, half of those beside them
        right = (end - at) - hits
        pairs += hits * ((n - k) - above - right / 2)
        above += right
        at = end
    ranked = pairs / k / (n - k)
    share = k / n
    return (1 - share) * ranked + share / 2, precision / k


def disagreement(near, labels):
    """Of each sample how many of the most alike others have another label."""
    out = []
    for i, row in enumerate(near):
        others = sorted((j for j in range(len(row)) if j != i), key=lambda j: -row[j])[:NEAREST]
        out.append(sum(labels[j] != labels[i] for j in others))
    return out


def summary(setup, runs):
    """runs: {score: [(area, precision) a planting]}. Each is set beside the loss and, where it was
    asked, beside similarity, on the same plantings."""
    scores, pairs = [], []
    for name, each in runs.items():
        one = {"score": name, "plantings": len(each),
               "area": numbers.interval([a for a, _ in each]),
               "precision": numbers.interval([p for _, p in each])}
        for beside in ("loss", SIMILARITY):
            if name != beside and beside in runs and (name, beside) != ("loss", SIMILARITY):
                pair = numbers.difference([a for a, _ in each],
                                          [a for a, _ in runs[beside][:len(each)]])
                one.setdefault("beside", {})[beside] = pair
                pairs.append(pair)
        scores.append(one)
    numbers.holm(pairs)
    for pair in pairs:
        pair["claimed"] = pair["claimed"] and pair["n"] >= FEW
    scores.sort(key=lambda s: -s["area"][0])
    return dict(setup, scores=scores)


def add(runs, name, scores, wrong):
    runs.setdefault(name, []).append(found([-math.inf if s != s else s for s in scores], wrong))


# ---- setups ----

def table(a, plantings):
    """A clean problem: cells of tumours, a logistic model over 30 columns."""
    rows = [line.split(",") for line in
            (a.tables / "breast_cancer.csv").read_text().splitlines()[1:] if line.strip()]
    head = [f"c{i}" for i in range(len(rows[0]) - 1)]
    labels, runs = [r[-1] for r in rows], {}
    for seed in range(plantings):
        wrong, given = ask.plant(labels, SHARE, seed)
        file = a.make(f"cancer-{seed}.csv", lambda part: ask.write_csv(
            part, [*head, "label"], [[*r[:-1], y] for r, y in zip(rows, given)])).name
        fit = a.fit(f"cancer-{seed}.fit", "--data", file, "--held-out", "0").name
        base = ["--predictor", f"fit:{fit}", "--train", file]
        d = a.columns(f"cancer-{seed}-diagnostics.csv", *base)
        f = a.columns(f"cancer-{seed}-functions.csv", *base, "--method", "influence-functions")
        add(runs, "cooks-distance", d["cooks-distance"], wrong)
        add(runs, "loss", d["loss"], wrong)
        add(runs, "leverage", d["leverage"], wrong)
        add(runs, "self-influence (head)", f["self-influence"], wrong)
    return summary({"setup": "table", "n": len(rows), "planted": len(wrong)}, runs)


def head(a, n, plantings, through):
    """A head on a model's vectors; `through`: plantings with gradients through the model below."""
    reviews = ask.short_reviews(a.reviews, "train.csv", WORDS, n)
    labels, runs = [y for _, y in reviews], {}
    near = far = None
    for seed in range(plantings):
        wrong, given = ask.plant(labels, SHARE, seed)
        file = a.make(f"reviews-{n}-{seed}.csv", lambda part: ask.write_csv(
            part, ["text", "label"], [(t, y) for (t, _), y in zip(reviews, given)])).name
        name = f"minilm-{seed}"
        fit = a.fit(f"{name}.fit", "-m", "$MINILM", "--data", file, "--held-out", "0").name
        base = ["-m", "$MINILM", "--predictor", f"fit:{fit}", "--train", file]
        if near is None:  # no label shows in these
            s = a.columns(f"{name}-similarity.csv", *base, "--query", file,
                          "--method", "similarity")
            near = list(zip(*(s[f"similarity:{q + 1}"] for q in range(n))))
            far = a.columns(f"{name}-distance.csv", *base, "--method", "distance")["distance"]
        d = a.columns(f"{name}-diagnostics.csv", *base)
        f = a.columns(f"{name}-functions.csv", *base, "--method", "influence-functions")
        add(runs, "cooks-distance", d["cooks-distance"], wrong)
        add(runs, "loss", d["loss"], wrong)
        add(runs, "leverage", d["leverage"], wrong)
        add(runs, "self-influence (head)", f["self-influence"], wrong)
        add(runs, "distance", far, wrong)
        add(runs, SIMILARITY, disagreement(near, given), wrong)
        if seed < through:
            t = a.columns(f"{name}-tracin.csv", *base, "--method", "tracin")
            e = a.columns(f"{name}-ekfac.csv", *base, "--method", "ekfac",
                          "--weights", "blocks.5.mlp.*")
            add(runs, "self-influence (tracin)", t["self-influence"], wrong)
            add(runs, "self-influence (ekfac)", e["self-influence"], wrong)
    return summary({"setup": "minilm", "n": n, "planted": len(wrong)}, runs)


def answers(a, n, plantings):
    """A model that was not tuned on these reviews says the label as an answer. What it makes of a
    text with a label does not depend on the others, so both labels are asked once."""
    reviews = ask.short_reviews(a.reviews, "train.csv", WORDS, n)
    labels, runs = [y for _, y in reviews], {}

    def write(part):
        with open(part, "w", encoding="utf-8") as f:
            for text, _ in reviews:
                for answer in ANSWERS.values():
                    f.write(json.dumps({"prompt": PROMPT.format(text), "completion": answer}) + "\n")
    file = a.make(f"answers-{n}.jsonl", write).name
    base = ["-m", "$SMOLLM2", "--train", file]
    loss = a.columns("answers-loss.csv", *base, "--method", "loss")["loss"]
    own = a.columns("answers-tracin.csv", *base, "--method", "tracin")["self-influence"]
    for seed in range(plantings):
        wrong, given = ask.plant(labels, SHARE, seed)
        at = [2 * i + list(ANSWERS).index(y) for i, y in enumerate(given)]
        add(runs, "loss", [loss[k] for k in at], wrong)
        add(runs, "self-influence (tracin)", [own[k] for k in at], wrong)
    return summary({"setup": "answers", "n": n, "planted": len(wrong)}, runs)


def all_setups(a):
    return [table(a, 20),
            head(a, 500, 8, 6),
            answers(a, 200, 20)]
