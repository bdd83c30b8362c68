# SPDX-License-Identifier: Apache-2.0
"""docs/results.md and its pictures from docs/results.json, and nothing else."""

FEW = 30  # inputs below which no order of methods is claimed
PASSING = 0.5  # a correlation with the map of shuffled weights above this fails

QUALITIES = ("accuracy", "consistency", "simplicity", "comprehensiveness")

TITLES = {
    "generation": ("Generation: SmolLM2-135M-Instruct, Q4_1",
                   "English beginnings of sentences; the target is the likeliest next token."),
    "dialogue": ("Dialogue: SmolLM2-135M-Instruct, Q4_1",
                 "Questions through the model's own chat template, whose words are never scored; the target is the "
                 "first token of the answer."),
    "gemma": ("Generation: Gemma 3 270M, Q4_K_M",
              "Beginnings of sentences, a third of them Chinese; the target is the likeliest next token."),
    "sentiment": ("Sentiment: all-MiniLM-L6-v2 with a fitted head",
                  "First sentences of reviews; the head was fitted by `glim fit` on 800 reviews; the target is the "
                  "likelier class."),
    "image": ("Pictures: EfficientNet-Lite0",
              "A cat, a cup of coffee and a flower, in squares of 75 pixels; the target is the likeliest class. "
              "Accuracy by six metrics only, and no weights were shuffled."),
    "table": ("A table: 178 wines, a fitted logistic model",
              "Every sixth row; the target is the log-probability of the likeliest cultivar."),
}
WAYS = {"attention": "hidden from attention", "delete": "deleted", "blur": "blurred",
        "resample": "other rows' cells"}
OWN = {"generation": "deleted", "dialogue": "deleted", "gemma": "deleted", "sentiment": "`[MASK]`",
       "image": "mean colour", "table": "the mean"}


def number(x, places=2):
    if x is None:
        return "–"
    text = f"{x:.{places}f}"
    return ("−" + text[1:]) if text[0] == "-" and float(text) else text.lstrip("-")


def ranged(triple):
    value, low, high = triple
    if value is None:
        return "–"
    return number(value) + (f" ({number(low)} to {number(high)})" if low is not None else "")


def names(methods):
    return ", ".join(f"`{m}`" for m in methods)


def table(head, align, rows):
    return ["| " + " | ".join(head) + " |", "|" + "|".join(align) + "|",
            *("| " + " | ".join(r) + " |" for r in rows), ""]


def row_name(m):
    return "*random scores*" if m["method"] == "random" else f"`{m['method']}`"


# ---- what follows, in words ----

def of(task, method):
    return next((m for m in task["methods"] if m["method"] == method), None)


def pair(task, which, method):
    return next((p for p in task[which] if p["method"] == method), None)


def claimed(task, which, sign):
    """Methods whose difference from the first can be claimed: +1 = the first is better."""
    return [p["method"] for p in task[which]
            if p["claimed"] and sign * p["difference"][0] > 0]


def ties(task):
    return [p["method"] for p in task["against_leader"] if not p["claimed"]]


def deaf(task):
    """Whose map shuffled weights do not change."""
    return [m["method"] for m in task["methods"]
            if m["shuffled"] is not None and m["shuffled"] > PASSING]


def against(task, method):
    """Occlusion beside another, as a cell."""
    p = pair(task, "against_default", method)
    if not p:
        return "–"
    value, low, high = p["difference"]
    sign = "" if value < 0 else "+"
    return (f"{sign}{number(value)} ({number(low)} to {number(high)})"
            + (", too few inputs" if p["n"] < FEW else "" if p["claimed"] else ", not sure"))


def summary(tasks):
    rows = []
    for t in tasks:
        best, gradient = of(t, t["leader"]), of(t, "gradient")
        rows.append([f"[{t['task']}](#{anchor(t)})", str(t["inputs"]),
                     f"`{t['leader']}` {number(best['order'][0])}",
                     number(of(t, "random")["order"][0]),
                     number(of(t, "occlusion")["order"][0]),
                     number(gradient and gradient["order"][0]),
                     against(t, "gradient"), against(t, "shapley")])
    return table(["task", "inputs", "best order", "random", "occlusion", "gradient",
                  "occlusion over gradient", "occlusion over shapley"],
                 ["---", "--:", "---", "--:", "--:", "--:", "---", "---"], rows)


def conclusions(tasks):
    """What the defaults should be, as far as 30 inputs or more say."""
    sure = [t for t in tasks if t["inputs"] >= FEW]
    lines = []
    for t in sure:
        better, worse = claimed(t, "against_default", -1), claimed(t, "against_default", +1)
        lines.append(f"- **{t['task']}**: " + (
            f"{names(better)} order parts better than occlusion, the default, for sure."
            if better else "no method orders parts better than occlusion, the default, for sure.")
            + (f" Worse for sure: {names(worse)}." if worse else ""))
    few = [t["task"] for t in tasks if t["inputs"] < FEW]
    if few:
        lines.append(f"- Fewer than {FEW} inputs, so hints only, and no reason to change a default: "
                     f"{', '.join(few)}.")
    missing = [t for t in TITLES if t not in [u["task"] for u in tasks]]
    if missing:
        lines.append(f"- Not measured here: {', '.join(missing)}. `make results` does, in about an hour of one "
                     "core; of language models [default-method.md](default-method.md) has the curves of seven methods.")
    return lines


def deaf_line(t):
    """Of few inputs, a hint: five parts may be ordered alike by chance."""
    if not deaf(t):
        return []
    n = max(m["again"] for m in t["methods"])
    if n < 3:
        return [f"- With shuffled weights the order stays much the same (on {n} input{'s' if n > 1 else ''}: a hint) of "
                f"{names(deaf(t))}."]
    return [f"- **Fail the sanity check** (the order stays when the weights are shuffled): {names(deaf(t))}."]


def told(t):
    """What one task's table says, line by line."""
    tied = ties(t)
    lines = [f"- {t['inputs']} inputs of {t['parts'][0]} to {t['parts'][2]} parts, {number(t['parts'][1], 1)} on average."
             + ("" if t["inputs"] >= FEW else " **Too few to claim any order**: what follows are hints.")]
    lines.append(f"- Best order: `{t['leader']}` ({number(of(t, t['leader'])['order'][0])}). "
                 + (f"No difference can be claimed to {names(tied)}." if tied
                    else "It is better than every other."))
    cheap = [m for m in t["methods"] if m["method"] in [t["leader"], *tied] and m["passes"]]
    least = min(cheap, key=lambda m: (m["passes"], m["method"]))
    lines.append(f"- Of these the cheapest is `{least['method']}` "
                 f"({least['passes']} pass{'es' if least['passes'] != 1 else ''}).")
    better, worse = claimed(t, "against_random", -1), claimed(t, "against_random", +1)
    chance = [p["method"] for p in t["against_random"] if p["method"] not in better + worse]
    if chance:
        lines.append(f"- Not better than random scores, as far as can be told: {names(chance)}.")
    if worse:
        lines.append(f"- **Worse than random scores**: {names(worse)}.")
    game = [m["method"] for m in t["methods"] if m["method"] != "random"
            and m["own"][0] - m["second"][0] > 0.1]
    if game:
        lines.append(f"- Lose more than 0.1 when parts are taken out another way: {names(game)}.")
    return lines + deaf_line(t)


# ---- tables ----

def anchor(t):
    title = TITLES[t["task"]][0].lower()
    return "".join(c for c in title.replace(" ", "-") if c.isalnum() or c in "-_")


def profile(t):
    rows = [[row_name(m), *(ranged(m[q]) for q in QUALITIES)] for m in t["methods"]]
    return table(["method", *QUALITIES], ["---"] + ["--:"] * 4, rows)


def details(t):
    rows = []
    for m in t["methods"]:
        rows.append([row_name(m), str(m["n"]), number(m["own"][0]), number(m["second"][0]),
                     number(m["aopc-comprehensiveness"]), number(m["aopc-sufficiency"]),
                     number(m["deletion-auc"]), number(m["insertion-auc"]),
                     number(m["faithfulness-correlation"]), number(m["gini"]),
                     number(m["shuffled"]), str(m["failed"]) if m["failed"] else "",
                     "–" if m["passes"] is None else str(m["passes"]), number(m["cost"], 1)])
    return table(["method", "inputs", f"order: {OWN[t['task']]}", f"order: {WAYS[t['second']]}",
                  "AOPC ↑", "sufficiency ↓", "deletion ↓", "insertion ↑", "correlation ↑", "Gini",
                  "shuffled", "failed", "passes", "× occlusion"],
                 ["---"] + ["--:"] * 13, rows)


def section(t):
    title, what = TITLES[t["task"]]
    return [f"## {title}", "", what, "", *told(t), "",
            f"![The four marks of each method](images/results-{t['task']}.svg)", "",
            *profile(t), *details(t)]


def render(results, head):
    lines = [head.rstrip(), ""]
    summed = summary(results["tasks"])
    where = lines[0].index("SUMMARY")
    lines = [lines[0][:where].rstrip(), "", *conclusions(results["tasks"]), "", *summed, lines[0][where + len("SUMMARY"):].strip(), ""]
    for t in results["tasks"]:
        lines += section(t)
    return "\n".join(lines).rstrip() + "\n"


# ---- pictures ----

LEFT, BAR, GAP, LINE, TOP = 170, 120, 24, 18, 44
INK = {"accuracy": "#3367a8", "consistency": "#3d8361", "simplicity": "#a87533",
       "comprehensiveness": "#7a4f9e"}


def bar(x, y, triple, colour):
    value, low, high = triple
    if value is None:
        return [f'<text x="{x}" y="{y + 10}" class="none">–</text>']
    out = [f'<rect x="{x}" y="{y}" width="{value * BAR:.1f}" height="11" fill="{colour}"/>']
    if low is not None and high > low:
        a, b = x + low * BAR, x + high * BAR
        out.append(f'<path d="M{a:.1f} {y + 5.5}H{b:.1f}M{a:.1f} {y + 2.5}v6M{b:.1f} {y + 2.5}v6" '
                   'class="whisker"/>')
    return out


def picture(t):
    """Four columns of bars, a line a method; whiskers are intervals."""
    width, height = LEFT + 4 * (BAR + GAP), TOP + LINE * len(t["methods"]) + 10
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
           f'width="{width}" height="{height}" role="img">',
           f"<title>{TITLES[t['task']][0]}: four marks of each method</title>",
           "<style>text{font:12px sans-serif;fill:#222}.head{font-weight:bold}.none{fill:#888}"
           ".whisker{stroke:#111;fill:none}.axis{stroke:#ccc}</style>",
           f'<rect width="{width}" height="{height}" fill="#fff"/>']
    for k, q in enumerate(QUALITIES):
        x = LEFT + k * (BAR + GAP)
        out.append(f'<text x="{x}" y="20" class="head">{q}</text>')
        out += [f'<path d="M{x + BAR * s} {TOP - 8}V{height - 6}" class="axis"/>' for s in (0, 0.5, 1)]
        out += [f'<text x="{x + BAR * s}" y="34" text-anchor="middle" class="none">{s}</text>'
                for s in (0, 1)]
    for i, m in enumerate(t["methods"]):
        y = TOP + LINE * i
        name = "random scores" if m["method"] == "random" else m["method"]
        out.append(f'<text x="{LEFT - 10}" y="{y + 10}" text-anchor="end">{name}</text>')
        for k, q in enumerate(QUALITIES):
            out += bar(LEFT + k * (BAR + GAP), y, m[q], INK[q])
    return "\n".join([*out, "</svg>"]) + "\n"
