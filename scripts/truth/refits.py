# SPDX-License-Identifier: Apache-2.0
"""Heads against models that are fitted again: diagnostics of a linear one beside refits that are
made here, and `glim influence --check`, which refits by itself."""
from . import ask, detect

COLUMNS = "colour,proline,hue"
WINE = ("alcohol,malic_acid,ash,alcalinity,magnesium,phenols,flavanoids,other_phenols,"
        "proanthocyanins,colour,hue,od280,proline,cultivar").split(",")


# ---- least squares, by elimination ----

def solve(a, b):
    n = len(b)
    rows = [[*row, y] for row, y in zip(a, b)]
    for k in range(n):
        best = max(range(k, n), key=lambda i: abs(rows[i][k]))
        rows[k], rows[best] = rows[best], rows[k]
        for i in range(k + 1, n):
            by = rows[i][k] / rows[k][k]
            rows[i] = [x - by * y for x, y in zip(rows[i], rows[k])]
    out = [0.0] * n
    for k in reversed(range(n)):
        out[k] = (rows[k][n] - sum(rows[k][j] * out[j] for j in range(k + 1, n))) / rows[k][k]
    return out


def fit(x, y):
    p = range(len(x[0]))
    return solve([[sum(r[i] * r[j] for r in x) for j in p] for i in p],
                 [sum(r[i] * v for r, v in zip(x, y)) for i in p])


def standardised(columns):
    out = []
    for c in columns:
        mean = sum(c) / len(c)
        deviation = (sum((v - mean) ** 2 for v in c) / len(c)) ** 0.5
        out.append([(v - mean) / deviation for v in c])
    return out


def refit_distances(x, y):
    """Cook's distance by what it means, and residuals of fits without the row."""
    n, p, w = len(x), len(x[0]), fit(x, y)
    said = [sum(a * b for a, b in zip(r, w)) for r in x]
    noise = sum((v - s) ** 2 for v, s in zip(y, said)) / (n - p)
    cook, press = [], []
    for i in range(n):
        v = fit(x[:i] + x[i + 1:], y[:i] + y[i + 1:])
        now = [sum(a * b for a, b in zip(r, v)) for r in x]
        cook.append(sum((s - t) ** 2 for s, t in zip(said, now)) / p / noise)
        press.append(y[i] - now[i])
    return cook, press


def worst(have, want):
    return max(abs(a - b) / max(abs(b), 1e-9) for a, b in zip(have, want))


def linear(a):
    wine = table_of(a, "wine_data.csv", "wine.csv", WINE)
    rows = [line.split(",") for line in wine.read_text().splitlines()[1:]]
    d = a.columns("wine-diagnostics.csv", "--train", "wine.csv", "--label", "alcohol",
                  "--columns", COLUMNS)
    at = [WINE.index(c) for c in COLUMNS.split(",")]
    x = [[*r, 1.0] for r in zip(*standardised([[float(r[k]) for r in rows] for k in at]))]
    y = [float(r[WINE.index("alcohol")]) for r in rows]
    cook, press = refit_distances(x, y)
    top = sorted(range(len(y)), key=lambda i: -cook[i])[:5]
    return {"rows": len(y), "cook": worst(d["cooks-distance"], cook),
            "press": worst(d["press-residual"], press),
            "top": [[i + 1, d["cooks-distance"][i], cook[i]] for i in top]}


# ---- glim's own refits ----

def table_of(a, source, name, head):
    text = (a.tables / source).read_text().splitlines()[1:]
    return a.make(name, lambda part: part.write_text(
        "\n".join([",".join(head), *(t for t in text if t.strip())]) + "\n"))


def every(a, source, name, step):
    lines = source.read_text().splitlines()
    return a.make(name, lambda part: part.write_text("\n".join([lines[0], *lines[1::step]]) + "\n"))


def checked(a, task, n, document):
    t = document["truth"]
    return {"task": task, "samples": n, "queries": t["queries"], "refits": len(t["left_out"]),
            "halves": t["halves"], "pearson": t["pearson"], "spearman": t["spearman"],
            "lds": t["lds"], "lds_gradient_cosine": t["lds_gradient_cosine"],
            "lds_cosine": t["lds_cosine"]}


def heads(a):
    out = []
    wine = table_of(a, "wine_data.csv", "wine.csv", WINE)
    cancer = table_of(a, "breast_cancer.csv", "cancer.csv", [*(f"c{i}" for i in range(30)), "label"])
    for task, file, label, step, refits in (("wine", wine, "cultivar", 9, 178),
                                            ("cancer", cancer, "label", 28, 100)):
        every(a, file, f"{task}-queries.csv", step)
        out.append(checked(a, task, len(file.read_text().splitlines()) - 1, a.document(
            f"{task}-check.json", "--train", file.name, "--label", label, "--strength", "1",
            "--query", f"{task}-queries.csv", "--check", str(refits))))
    reviews(a)
    out.append(checked(a, "reviews", 500, a.document(
        "reviews-check.json", "-m", "$MINILM", "--predictor", "fit:reviews.fit", "--train",
        "reviews.csv", "--query", "reviews-queries.csv", "--check", "60")))
    return out


def reviews(a):
    train = ask.short_reviews(a.reviews, "train.csv", detect.WORDS, 500)
    asked = ask.short_reviews(a.reviews, "test.csv", detect.WORDS, 20)
    a.make("reviews.csv", lambda part: ask.write_csv(part, ["text", "label"], train))
    a.make("reviews-queries.csv", lambda part: ask.write_csv(part, ["text", "label"], asked))
    a.fit("reviews.fit", "-m", "$MINILM", "--data", "reviews.csv", "--held-out", "0")


QUERY = "The roasted variety of hazelnuts are very good, however with shipping they get a bit pricy."


def example(a):
    """What is behind one answer: the samples of both ends, with their words."""
    reviews(a)
    d = a.document("example.json", "-m", "$MINILM", "--predictor", "fit:reviews.fit", "--train",
                   "reviews.csv", "--top", "4", QUERY)
    column = next(c for c in d["columns"] if c["name"] == "influence")

    def entries(end):
        return [{k: e[k] for k in ("row", "value", "label", "predicted", "text")} for e in end]
    return {"text": QUERY, "predicted": d["queries"][0]["predicted"],
            "logprob": d["queries"][0]["value"],
            "helpful": entries(column["high"]), "harmful": entries(column["low"])}
