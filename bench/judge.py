#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Judging explanations beside PyTorch and Captum: the same masks, values compared.

    bench/judge.py [--only curves|reviews] [--part N] [--texts N] [--runs N]

curves: occlusion of 100 tokens of SmolLM2 and its curves and AOPC, beside two random orders, and
the reversed and the leave-one-out one. The peer is transformers on the dequantised weights.
reviews: three methods on all-MiniLM-L6-v2 with a head fitted on the packaged reviews, judged by
six metrics. The peers are Captum for the methods, PyTorch for the masks of each method.
Batches of the peer are of one length or sorted by it, the best of some sizes, and no mask is
asked twice in a judgement. --part N: the peer answers every N-th mask, and its time is
multiplied. Processor time (user), one thread on both sides. Needs bench/requirements.txt,
build/release/bench/bench_judge, and what scripts/fetch has fetched.
"""
import argparse
import csv
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile

PARSER = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
PARSER.add_argument("--only", choices=("curves", "reviews"))
PARSER.add_argument("--part", type=int, default=1)
PARSER.add_argument("--texts", type=int, default=200, help="reviews that are judged")
PARSER.add_argument("--runs", type=int, default=2, help="of both sides, in turn; the best counts")
GIVEN = PARSER.parse_args()
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")

import torch  # noqa: E402
import transformers  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent
GLIM, BENCH = str(ROOT / "build/release/src/cli/glim"), str(ROOT / "build/release/bench/bench_judge")
CURVES = "aopc-comprehensiveness,aopc-sufficiency,deletion-auc,insertion-auc"
TEXT = ("The old bridge had been closed since the flood, and the people of the valley went the long "
        "way round by the mill. In the evening the miller's daughter counted the carts that passed, "
        "wrote the number in a blue book, and read it to her father. When the engineers came at last "
        "to measure the river, they found that nobody else had kept any record at all. So they bought "
        "the blue book for the price of a horse, and built the new bridge where the carts had gone. "
        "The old bridge had been closed since the flood")


def cache_dir():
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return pathlib.Path(os.environ.get("GLIM_CACHE") or f"{base}/glim").expanduser()


def clock():
    return resource.getrusage(resource.RUSAGE_SELF).ru_utime


def spent(fn):
    start = clock()
    fn()
    return clock() - start


def glim(folder, model, fit, texts, methods, metrics, units, tokens):
    lines, out = folder / "texts", folder / "out.json"
    lines.write_text("\n".join(texts) + "\n", encoding="utf-8")
    subprocess.run([BENCH, str(model), str(fit), str(lines), methods, metrics, units, str(tokens),
                    "2", str(out)], check=True)
    return json.loads(out.read_text())


def masked(text, mask, neutral):
    """The token ids of a masked input; without a neutral token what is absent is deleted."""
    ids = list(text["ids"])
    for (first, count, fixed), kept in zip(text["units"], mask):
        if not fixed and kept == "0":
            ids[first:first + count] = [neutral] * count
    return [i for i in ids if i is not None]


def answer(model, inputs, size):
    """model(ids, lengths) over all inputs, longest first, `size` in a batch."""
    order = sorted(range(len(inputs)), key=lambda i: -len(inputs[i]))
    out = [0.0] * len(inputs)
    with torch.inference_mode():
        for k in range(0, len(order), size):
            at = order[k:k + size]
            lengths = torch.tensor([len(inputs[i]) for i in at])
            ids = torch.zeros(len(at), int(lengths.max()), dtype=torch.long)
            for row, i in enumerate(at):
                ids[row, :len(inputs[i])] = torch.tensor(inputs[i])
            for i, x in zip(at, model(ids, lengths).tolist()):
                out[i] = x
    return out


def ask(model, text, masks, neutral, size):
    """Seconds for the masks, of which every N-th is asked, and how far the values are from glim's."""
    some = sorted(masks, key=lambda m: m.count("1"))[::GIVEN.part]
    inputs = [masked(text, m, neutral) for m in some]
    start = clock()
    values = answer(model, inputs, size)
    seconds = (clock() - start) * len(masks) / len(some)
    return seconds, max(abs(v - masks[m]) for v, m in zip(values, some))


def best_size(model, inputs, sizes):
    """The batch size that needs the least on some of the inputs."""
    some = sorted(inputs, key=len)[::max(1, len(inputs) // 64)][-32:]
    answer(model, some[:4], 4)
    return min(sizes, key=lambda n: spent(lambda: answer(model, some, n)))


def show(what, mine, peer, other, more):
    print(f"| {what} | {mine:.2f} s | {peer} | {other:.2f} s | **{other / mine:.2f}** | {more} |", flush=True)


# ---- curves ----

def curves(folder):
    path = cache_dir() / "SmolLM2-135M-Instruct.Q4_1.gguf"
    found = mine = glim(folder, path, "-", [TEXT], "occlusion", CURVES, "token", 100)
    text = found["texts"][0]
    masks = {m: v for m, v in text["masks"]["occlusion"].items() if "1" in m}  # not the empty text
    model = transformers.AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, dtype=torch.float32).eval()
    with torch.inference_mode():
        target = int(model(torch.tensor([text["ids"]])).logits[0, -1].argmax())

    def logprob(ids, lengths):
        hidden = model.model(ids, use_cache=False).last_hidden_state
        rows = hidden[torch.arange(len(ids)), lengths - 1]
        return model.lm_head(rows).log_softmax(-1)[:, target]
    size = best_size(logprob, [masked(text, m, None) for m in masks], (8, 32))
    seconds = 1e9
    for run in range(GIVEN.runs):
        if run:
            found = glim(folder, path, "-", [TEXT], "occlusion", CURVES, "token", 100)
            mine = {k: min(mine[k], found[k]) for k in ("explain", "evaluate")}
        needed, off = ask(logprob, text, masks, None, size)
        assert off < 0.05, off
        seconds = min(seconds, needed)
    ones = [m for m in masks if sum(k == "0" for k in m) == 1]
    loo = seconds * sum(len(m) - 1 for m in ones) / sum(m.count("1") for m in masks)
    rows = sum(m.count("1") for m in masks)
    show("occlusion, its curves and AOPC, 100 tokens", mine["explain"] + mine["evaluate"], f"PyTorch, {size} a batch", seconds,
         f"{len(masks)} masks of {rows} tokens; glim runs {found['forward']}")
    show("the curves and AOPC alone", mine["evaluate"], f"PyTorch, {size} a batch", seconds - loo,
         "leave-one-out is known on both sides")


# ---- reviews ----

class Classifier(torch.nn.Module):
    """MiniLM, the mean over tokens, and a head of glim fit: the probability of class k."""

    def __init__(self, path, fit):
        super().__init__()
        m = json.loads(fit.read_text())
        w, b, mean, scale = (torch.tensor(m[k], dtype=torch.float32)
                             for k in ("weights", "bias", "mean", "scale"))
        if len(w) == 1:
            w, b = torch.cat([0 * w, w]), torch.cat([0 * b, b])
        self.w, self.b = w / scale, b - (w / scale) @ mean
        self.bert = transformers.AutoModel.from_pretrained(path, dtype=torch.float32).eval()
        self.k = None

    def forward(self, ids, lengths=None):
        x = self.bert(ids, attention_mask=torch.ones_like(ids)).last_hidden_state.mean(1)
        p = (x @ self.w.T + self.b).softmax(-1)
        return p if self.k is None else p[:, self.k]


def captum_methods(model, text, size):
    """Occlusion, integrated gradients and the gradient; what glim's methods do, by Captum."""
    from captum import attr
    ids = torch.tensor([text["ids"]])
    features = torch.zeros_like(ids)
    for u, (first, count, _) in enumerate(text["units"]):
        features[0, first:first + count] = u
    words = model.bert.embeddings.word_embeddings
    attr.FeatureAblation(model).attribute(ids, baselines=103, feature_mask=features,
                                          perturbations_per_eval=size)
    attr.LayerIntegratedGradients(model, words).attribute(
        ids, baselines=torch.full_like(ids, 103), n_steps=32, internal_batch_size=32)
    attr.LayerGradientXActivation(model, words).attribute(ids)


def reviews(folder):
    path, data, fit = cache_dir() / "all-MiniLM-L6-v2", folder / "few.csv", folder / "mood.fit"
    with open(cache_dir() / "reviews/train.csv", newline="", encoding="utf-8") as f:
        rows = [r for r in csv.DictReader(f) if len(r["review"].split()) < 50]
    with open(data, "w", newline="", encoding="utf-8") as f:
        out = csv.DictWriter(f, ["review", "mood"])
        out.writeheader()
        out.writerows(rows[:300])
    subprocess.run([GLIM, "fit", "-q", "-m", path, "--data", data, "--text", "review", "--label", "mood",
                    "--held-out", "0", "--strength", "1", "-o", fit], check=True)
    with open(cache_dir() / "reviews/test.csv", newline="", encoding="utf-8") as f:
        texts = [" ".join(r["review"].split()) for r in csv.DictReader(f)]
    texts = [t for t in texts if 20 <= len(t.split()) <= 30][:GIVEN.texts]
    model = Classifier(path, fit)
    mine, other, size = {"explain": 1e9, "evaluate": 1e9}, [1e9, 1e9], None
    for _ in range(GIVEN.runs):
        found = glim(folder, path, fit, texts, "occlusion,integrated-gradients,gradient",
                     CURVES + ",infidelity,sensitivity-n", "word", 0)
        mine = {k: min(mine[k], found[k]) for k in mine}
        first = found["texts"][0]
        model.k = 0
        size = size or best_size(
            model, [masked(first, m, 103) for m in first["masks"]["occlusion"]], (16, 64))
        other = list(map(min, other, reviews_by_peers(model, found["texts"], size)))
    masks = [set(m) for t in found["texts"] for m in t["masks"].values()]
    apart = [set().union(*t["masks"].values()) for t in found["texts"]]
    peer = f"Captum and PyTorch, {size} a batch"
    show(f"{len(texts)} reviews, three methods judged by six metrics, MiniLM", sum(mine.values()), peer,
         sum(other), f"{sum(map(len, masks))} masks, none twice for a method; "
         f"{sum(map(len, apart))} when methods share them")
    show("of which the methods", mine["explain"], "Captum", other[0], "")
    show("of which the judging", mine["evaluate"], "PyTorch", other[1], "")


def reviews_by_peers(model, texts, size):
    """Seconds of the methods and of the judging."""
    explain = evaluate = 0.0
    for text in texts:
        model.k = None
        with torch.inference_mode():
            model.k = int(model(torch.tensor([text["ids"]]))[0].argmax())
        explain += spent(lambda text=text: captum_methods(model, text, size))
        for masks in text["masks"].values():
            seconds, off = ask(model, text, masks, 103, size)
            assert off < 1e-2, off
            evaluate += seconds
    return explain, evaluate


def main():
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    print("**Judging explanations, one thread, processor time**\n\n"
          "| work | glim | peer | needs | ratio | |\n|---|--:|---|--:|--:|---|", flush=True)
    with tempfile.TemporaryDirectory() as name:
        for run in (curves, reviews):
            if GIVEN.only in (None, run.__name__):
                run(pathlib.Path(name))
    return 0


if __name__ == "__main__":
    sys.exit(main())
