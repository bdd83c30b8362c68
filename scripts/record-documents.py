#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the hard cases that views must survive to tests/golden/documents/.

usage: record-documents.py

The documents are made up; their texts are the cases: characters of many tokens,
scripts from right to left, controls, markup, nothing at all. `large` is built
when it is wanted, because it would weigh five megabytes.
"""
import json
import pathlib
import random

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "tests/golden/documents"
GENERATED = "generated"


def units_of(pieces, first_generated=None, turns=None):
    out, at = [], 0
    for i, piece in enumerate(pieces):
        fixed = isinstance(piece, tuple)
        text = piece[0] if fixed else piece
        size = 0 if fixed else len(text.encode("utf-8"))
        written = first_generated is not None and i >= first_generated
        out.append({"text": text, "start": at, "end": at + size, "fixed": fixed, "generated": written,
                    "first_token": i, "tokens": 1 + size // 8, "turn": turns[i] if turns else None})
        at += size
    return out


def document(pieces, scores, *, unit="word", method="occlusion", signed=True, additive=False, error=None,
             rows=None, target=" Paris", kind="next-token", verdict="ok", reason="", turns=None, turn_list=(),
             first_generated=None, fixed_total=None, output="logprob", against=None, value=-0.258,
             baseline=-16.5, prob=0.7725, params=None, notes=(), partial=False, name="made-up.gguf"):
    units = units_of(pieces, first_generated, turns)
    d = {"schema": "glim.explanation/1", "kind": "attribution-matrix" if rows else "attribution", "glim": "0.1.0",
         "model": {"file": name, "name": "made up", "architecture": "llama", "quantisation": "Q4_1",
                   "digest": "0" * 64},
         "input": {"text": "".join(u["text"] for u in units if not u["fixed"]), "unit": unit, "units": units,
                   "turns": list(turn_list)},
         "target": {"kind": kind, "output": output, "text": target, "id": None if rows else 7042,
                    "against": against, "against_id": None if against is None else 7, "value": value,
                    "baseline_value": baseline, "prob": prob},
         "method": {"name": method, "summary": "a made-up method", "cite": "nobody", "additive": additive,
                    "params": params if params is not None else {"absent": "delete", "window": 1, "stride": 1},
                    "caption": "Made-up numbers: nothing must be read from them.", "signed": signed}}
    if rows:
        d["rows"] = rows
    d.update({"scores": scores, "error": error, "fixed_total": fixed_total,
              "checks": {"verdict": verdict, "reason": reason,
                         "values": {"sum_share": {"value": 1.74, "meaning": "sum of scores over the effect"}}},
              "cost": {"forward_tokens": 12, "backward_tokens": 0, "seconds": 0.0634, "peak_bytes": 109927104,
                       "threads": 2, "kernels": "ref"},
              "seed": 0, "notes": list(notes), "partial": partial})
    return d


def with_levels(d, cuts):
    """Levels of a document: for each kind of unit the first of each group's own units."""
    units, many = d["input"]["units"], "rows" in d
    d["levels"] = []
    for unit, starts in cuts:
        groups, ends = [], [*starts[1:], len(units)]
        for a, b in zip(starts, ends):
            mine = [u for u in units[a:b] if not u["fixed"]]
            groups.append({"text": "".join(u["text"] for u in mine), "start": mine[0]["start"], "end": mine[-1]["end"],
                           "first": a, "count": b - a, "turn": mine[0]["turn"], "generated": mine[0]["generated"]})

        def folded(row):
            sums = []
            for a, b in zip(starts, ends):
                there = [x for x in row[a:b] if x is not None]
                sums.append(sum(there) if there else None)
            return sums
        scores = [folded(r) for r in d["scores"]] if many else folded(d["scores"])
        d["levels"].append({"unit": unit, "rule": "sum", "units": groups, "scores": scores, "error": None})
    return d


def row(text, start, end, prob):
    return {"text": text, "id": 5, "start": start, "end": end, "value": -1.5, "baseline_value": -9.25,
            "prob": prob, "residual": None}


def matrix(pieces, given, texts, score):
    """Rows are the pieces behind `given`; texts: how a row's token is cut from them."""
    at = len("".join(pieces[:given]).encode("utf-8"))
    whole = "".join(pieces).encode("utf-8")
    rows = []
    for size in texts:
        rows.append(row(whole[at:at + size].decode("utf-8", "replace"), at, at + size, 0.5))
        at += size
    units = units_of(pieces, given)
    scores = [[None if u["start"] >= r["start"] else score(i, j) for j, u in enumerate(units)]
              for i, r in enumerate(rows)]
    return document(pieces, scores, rows=rows, first_generated=given, kind=GENERATED, prob=None,
                    target="".join(pieces[given:]), value=-12.5, baseline=-80.25)


def large(n_units=4096, n_rows=64):
    """Four thousand units and, with rows, a quarter of a million numbers."""
    chance = random.Random(1)
    words = ["the", " model", " said", " that", " 天空", " blue", ",", " because", " light", "\n"]
    pieces = [words[i % len(words)] for i in range(n_units)]
    if not n_rows:
        return document(pieces, [chance.gauss(0, 1) for _ in pieces])
    written = [f" w{i}" for i in range(n_rows)]
    return matrix(pieces + written, n_units, [len(w) for w in written], lambda i, j: chance.gauss(0, 1))


def cases():
    france = ["The", " capital", " of", " France", " is"]
    yield "plain", document(france, [3.4813, 6.8036, 2.2657, -6.0468, 9.7781])
    yield "one-unit", document(["Hello"], [1.2345])
    yield "halves", document(france, [2.125, -1.375, 12.25, 100.5, 0.0009765625])
    yield "one-unit-zero", document(["Hello"], [0.0])
    yield "no-units", document([], [])
    yield "all-zero", document(france, [0.0] * 5)
    yield "all-equal", document(france, [0.5] * 5)
    yield "missing", document(france, [3.4813, None, 2.2657, -6.0468, None], partial=True, verdict="careful",
                              reason="interrupted after 3 of 5 units")
    yield "outlier", document(france, [0.0123, -0.0456, 4213000.0, 0.0789, 0.0012])
    yield "sink", document(["The"] + france[1:], [99.0, 0.25, -0.3, 0.35, 0.1], verdict="careful",
                           reason="the first unit has 99 % of the sum")
    yield "small", document(france, [1.23e-7, -4.56e-8, 7.89e-9, 2.5e-7, 0.0], output="prob", value=0.4)
    yield "amounts", document(france, [0.12, 3.4, 1.7, 0.85, 2.5], method="gradient", signed=False,
                              params={"norm": "l1"})
    yield "errors", document(france, [0.12, 3.4, -0.15, 0.85, -2.5], error=[0.2, 0.25, 0.3, 0.1, 0.5],
                             method="smoothgrad", params={"samples": 32, "noise": 0.1})
    distrust = document([("<bos>",)] + france, [None, 1.25, 4.5, -2.25, 7.75, 0.5], additive=True,
                        fixed_total=-0.75, value=17.12, baseline=3.41, output="logit", prob=None,
                        method="integrated-gradients", verdict="do not trust",
                        reason="the completeness residual is 49 % of the effect; use occlusion",
                        params={"baseline": "zero", "steps": 64})
    distrust["checks"]["values"]["template_share"] = {"value": 0.0441, "meaning": "of the sizes, what fixed tokens have"}
    yield "distrust", distrust
    yield "contrast", document(france, [1.0, -2.0, 0.25, 4.0, -0.125], against=" London", kind="contrast",
                               output="logit", value=3.25, baseline=0.5, prob=None)
    yield "chinese", document(["为什么", "天空", "是", "蓝色", "的", "？"], [6.0, 2.41, -0.39, 0.25, 0.08, 8.12],
                              target="是")
    yield "emoji", document(["Family", " 👨‍👩‍👧‍👦", " flag", " 🏳️‍🌈", " thumb", " 👍🏽", " e\u0301te\u0301", "\u200d"],
                            [0.5, 3.0, -1.0, -2.5, 0.1, 1.5, 0.75, 0.3], target=" 👩🏾‍🚀")
    yield "right-to-left", document(["مرحبا", " بالعالم", " GGUF", " שלום", " עולם", " 123", "!"],
                                    [2.0, -1.0, 3.5, 0.5, -2.5, 1.25, 0.1], target=" سلام")
    yield "mixed-direction", document(["Say", " שלום", " and", " مرحبا", ", then", " (stop)"],
                                      [1.0, -2.0, 0.1, 3.0, 0.4, -0.6], target=" עולם")
    yield "controls", document(["a\x1b[31m", "\x00", "\x7f", "\t", "\n", " \n\n", "    ", "\u202eevil\u202c", "\u00a0",
                                "", " b  c ", "\u2028", "\ufeff"], [float(i - 6) for i in range(13)],
                               target="\r\n", name="odd\u202ename\n.gguf")
    yield "markup", document(["</script>", "<img src=x onerror=alert(1)>", " <!--", " &amp;", " \"quoted\"", " 'q'", "]]>",
                              "<style>*{display:none}</style>", " \\u003c", " \u2028\u2029"],
                             [float(i - 4) for i in range(10)], target="</script><img src=x onerror=alert(1)>",
                             verdict="careful", reason="<b onclick=alert(2)>careful</b>",
                             notes=["</main><script>alert(3)</script>"], name="<i>model</i>.gguf")
    yield "long-names", document(["x" * 200, " " + "字" * 100, " short"], [1.0, -2.0, 0.5], target="y" * 200,
                                 name="n" * 200 + ".gguf")
    turns = [None, None, None, 0, 0, None, None, None, 1, 1, None, None, None, 2, 2, 2]
    chat = [("<|im_start|>",), ("user",), ("\n",), "My dog ate a grape.", " I live in Ohio.", ("<|im_end|>",),
            ("<|im_start|>",), ("user",), "Should I", " call?", ("<|im_end|>",), ("<|im_start|>",), ("assistant",),
            "Yes", ",", " now"]
    units = units_of(chat, 13, turns)
    rows = [row(u["text"], u["start"], u["end"], 0.25) for u in units[13:]]
    scores = [[None if u["fixed"] or u["start"] >= r["start"] else round(1.5 * i - 0.25 * j + 2, 3)
               for j, u in enumerate(units)] for i, r in enumerate(rows)]
    yield "chat", with_levels(document(chat, scores, rows=rows, turns=turns, first_generated=13, kind=GENERATED, unit="sentence",
                           turn_list=[{"role": "user", "start": 0, "end": 35}, {"role": "user", "start": 35, "end": 49}],
                           target="Yes, now", prob=None, value=-4.5, baseline=-30.0), [("turn", [3, 8, 13])])
    story = ["The", " cat", " is", " Mitzi", ".", " It", " rained", ".", "米茨", "是", "猫", "。"]
    yield "sentences", with_levels(document(story, [0.5, 1.25, 0.25, 6.5, -0.5, 0.25, -1.0, 0.125, 3.5, 0.25, 0.75, -0.25],
                                            additive=True, value=12.0, baseline=0.375), [("sentence", [0, 5, 8])])
    yield "split-characters", matrix(["🦜", "🪿", "模型", "🫎", "模"], 3, [2, 1, 1, 2, 1],
                                     lambda i, j: 3.0 * i - 2.0 * j)
    broken = matrix(["One", " two", " three", " four", " five"], 2, [6, 5, 5], lambda i, j: i - j / 2)
    broken["scores"][2][1] = None
    broken["scores"][1][0] = 0.0
    broken["error"] = [[None if x is None else 0.4 for x in line] for line in broken["scores"]]
    broken["partial"] = True
    yield "matrix-missing", broken


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, value in cases():
        (FOLDER / f"{name}.json").write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        print(name)


if __name__ == "__main__":
    main()
