# SPDX-License-Identifier: Apache-2.0
"""docs/results-influence.md from docs/results-influence.json and bench/results/influence.md."""
import math
import re

from results.page import number, ranged, table

from . import detect

SETUPS = {
    "minilm": ("MiniLM with a fitted head", "{n} reviews, {planted} wrong labels; the penalty is chosen by "
               "`glim fit`. Through the whole model and its head: gradients of all feed-forward parts (`tracin`), "
               "of those of the last block (`ekfac`)."),
    "answers": ("SmolLM2-135M, not tuned", "The first {n} of these reviews, {planted} wrong labels; the label is what should follow "
                "`Sentiment:`. The model has not seen these labels, so it cannot have learnt the wrong "
                "ones."),
    "table": ("A clean table: cells of breast tumours", "{n} rows of 30 columns, {planted} wrong "
              "labels, a fitted logistic model. Little else is wrong with these labels."),
}
ORDER = ("minilm", "answers", "table")


INFLUENCES = ("cooks-distance", "self-influence")


def beside(s, what):
    pair = s.get("beside", {}).get(what)
    if not pair:
        return ""
    value = pair["difference"][0]
    return ("+" if value > 0 else "") + number(value, 3) + ("" if pair["claimed"] else ", not sure")


def detection(results):
    lines = []
    for setup in in_order(results):
        title, what = SETUPS[setup["setup"]]
        lines += [f"**{title}.** {what.format(**setup)}", ""]
        others = [o for o in ("loss", detect.SIMILARITY) if any(s["score"] == o for s in setup["scores"])]
        lines += table(["a sample's", "plantings", "area", "precision",
                        *(f"beside {o.split(' ')[0]}" for o in others)],
                       ["---", "--:", "---", "---", *["---"] * len(others)],
                       [[s["score"], str(s["plantings"]), ranged(s["area"]), ranged(s["precision"]),
                         *(beside(s, o) for o in others)] for s in setup["scores"]])
    return "\n".join(lines)


def in_order(results):
    return sorted(results["detection"], key=lambda d: ORDER.index(d["setup"]))


def words(names):
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else names[0]


def judged(setup, what):
    """Influences by what can be claimed of them beside another score."""
    by = {"for sure better": [], "for sure worse": [], "neither for sure": []}
    for s in setup["scores"]:
        pair = s.get("beside", {}).get(what)
        if pair and s["score"].startswith(INFLUENCES):
            kind = "for sure " + ("better" if pair["difference"][0] > 0 else "worse")
            by[kind if pair["claimed"] else "neither for sure"].append(s["score"])
    return "; ".join(f"{kind}: {words(names)}" for kind, names in by.items() if names)


def verdicts(results):
    """Whether influences beat the plain loss, and similarity: one line for each setup."""
    lines = []
    for setup in in_order(results):
        area = {s["score"]: number(s["area"][0]) for s in setup["scores"]}
        line = f"- {SETUPS[setup['setup']][0]}. Beside the loss (area {area['loss']}), {judged(setup, 'loss')}."
        if detect.SIMILARITY in area:
            line += f" Beside similarity ({area[detect.SIMILARITY]}), {judged(setup, detect.SIMILARITY)}."
        lines.append(line)
    won = any("better: " in judged(d, "loss") for d in results["detection"])
    head = ("Some influences of a sample on itself find wrong labels better than the plain loss does:"
            if won else
            "No influence of a sample on itself, and no Cook's distance, finds wrong labels better than the plain loss "
            "does, which is one pass forward:")
    return "\n".join([head, "", *lines])


def small(x):
    return f"{x:.0e}".replace("e-0", "e-")


TASKS = {"wine": "178 wines, three cultivars", "cancer": "569 tumours, two classes",
         "reviews": "500 reviews, head on MiniLM"}


def heads(results):
    return "\n".join(table(
        ["task", "refits", "left out: Pearson", "Spearman", "halves: influence", "gradient cosine",
         "cosine of features"], ["---", "--:", "--:", "--:", "--:", "--:", "--:"],
        [[TASKS[h["task"]], f"{h['refits']} + {h['halves']}", *(number(h[k], 3) for k in (
            "pearson", "spearman", "lds", "lds_gradient_cosine", "lds_cosine"))]
         for h in results["heads"]]))


def cook(results):
    return "\n".join(table(["row", "`cooks-distance`", "by refits"], ["--:", "--:", "--:"],
                           [[str(r), f"{a:.10f}", f"{b:.10f}"] for r, a, b in results["linear"]["top"]]))


def network(results):
    n = results["network"]
    lines = [
        f"The last block of MiniLM and a head of two classes are tuned on {n['samples']} reviews, and again on "
        f"{n['halves']} halves of them, each {n['seeds']} times with another order of samples",
        f"(`scripts/truth/tune.py`, PyTorch). Influences are on the log-probability of the label of {n['queries']} "
        f"other reviews, {100 * n['right']:.0f} % of which are answered right, by gradients",
        "of that block. The score is that of halves above, the mean over queries with its interval. *One model*: of "
        f"one tuning on all samples. *{n['models']} models*: influences are the mean of {n['models']} such.", "",
        *table(["method", "one model", f"{n['models']} models"], ["---", "---", "---"],
               [[f"`{m['method']}`", ranged(m["one"]), ranged(m["many"])] for m in n["methods"]]),
        f"Two tunings on the same half agree with each other by {ranged(n['between'])}: so much can be foretold, and "
        "no method does. `datainf` was asked of one model only, as it",
        "is slow for many queries; `similarity` sees no labels.", ""]
    return "\n".join(lines)


def network_words(results):
    n = results["network"]
    best, second = n["methods"][:2]
    apart = best["one"][1] > second["one"][2]
    use = f"`--method {best['method']}`" + ("" if apart else f" or `{second['method']}`")
    return use, (f"some: {number(best['one'][0])} on halves, where the same half tuned twice has "
                 f"{number(n['between'][0])}")


def curvature(results):
    rows = []
    for block in results["curvature"]:
        for k, m in enumerate(block["methods"]):
            rows.append([block["place"] if not k else "", f"{block['share']:g}" if not k else "",
                         f"`{m['method']}`", number(m["pearson"], 3), number(m["spearman"], 3),
                         f"{m['slope']:.2f}" if m["method"] in ("ekfac", "datainf") else "–"])
    return "\n".join(table(["of", "damping", "method", "Pearson", "Spearman", "size"],
                           ["---", "--:", "---", "--:", "--:", "--:"], rows))


def cut(text, most=150):
    text = " ".join(re.sub(r"<[^>]*>", " ", text).split()).replace("|", "\\|")
    return text if len(text) <= most else text[:most].rsplit(" ", 1)[0] + " …"


def example(results):
    e = results["example"]
    rows = [[str(s["row"]), ("+" if s["value"] > 0 else "") + number(s["value"], 4), s["label"], s["predicted"],
             cut(s["text"])] for s in (*e["helpful"], *e["harmful"])]
    return "\n".join(table(["row", "influence", "label", "the head says", "text"],
                           ["--:", "--:", "---", "---", "---"], rows))


def render(results, template):
    use, trust = network_words(results)
    least = math.floor(100 * min(h["spearman"] for h in results["heads"])) / 100
    e = results["example"]
    values = {
        "head_least": number(least), "few": str(detect.FEW),
        "network_use": use, "network_trust": trust, "verdicts": verdicts(results),
        "detection": detection(results), "heads": heads(results), "cook": cook(results),
        "network": network(results), "curvature": curvature(results), "example": example(results),
        "wine_rows": str(results["linear"]["rows"]), "cook_worst": small(results["linear"]["cook"]),
        "press_worst": small(results["linear"]["press"]),
        "prompt_line": '{"prompt": "Review: I love it\\nSentiment:", "completion": " positive"}',
        "predicted": e["predicted"], "logprob": number(e["logprob"]), "example_text": e["text"],
        "words": str(detect.WORDS)}
    return re.sub(r"\{\{(\w+)\}\}", lambda m: values[m[1]], template)
