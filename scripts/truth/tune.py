#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tunes the last block of MiniLM and a head of classes, on all samples and on halves of them.

usage: tune.py MINILM TRAIN.csv QUERIES.csv OUT     (torch and transformers; see lds.py)

OUT/full-S-K is the model of seed S after a third K of its training, as a directory that glim
opens. OUT/outcomes.json says what each tuning made of each query: the log-probability of its
label. What is there is not made again. The blocks below stay as they are, so their values are
made once.
"""
import csv
import json
import pathlib
import random
import shutil
import sys

import torch
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

from tuning import FULL, HALVES, SEEDS

EPOCHS, BATCH, RATE = 4, 8, 3e-4
LABELS = ["great", "other"]


def read(path):
    with open(path, newline="", encoding="utf-8") as f:
        rows = list(csv.DictReader(f))
    return [r["text"] for r in rows], torch.tensor([LABELS.index(r["label"]) for r in rows])


def fresh(source):
    """The same model for every tuning: the order of samples is all that a seed changes."""
    torch.manual_seed(0)
    config = BertConfig.from_pretrained(
        source, num_labels=2, id2label=dict(enumerate(LABELS)), hidden_dropout_prob=0,
        attention_probs_dropout_prob=0, attn_implementation="eager",
        label2id={y: i for i, y in enumerate(LABELS)})
    return BertForSequenceClassification.from_pretrained(source, config=config)


class Below:
    """What the last block reads of every text, made once."""

    def __init__(self, model, tokenizer, texts):
        self.rows = []
        with torch.no_grad():
            for text in texts:
                ids = tokenizer(text, return_tensors="pt", truncation=True, max_length=128)
                out = model.bert(**ids, output_hidden_states=True)
                self.rows.append(out.hidden_states[-2][0])

    def batch(self, at):
        longest = max(len(self.rows[i]) for i in at)
        x = torch.zeros(len(at), longest, self.rows[0].shape[1])
        mask = torch.full((len(at), 1, 1, longest), torch.finfo(torch.float32).min)
        for k, i in enumerate(at):
            x[k, :len(self.rows[i])] = self.rows[i]
            mask[k, :, :, :len(self.rows[i])] = 0
        return x, mask


def logits(model, x, mask):
    y = model.bert.encoder.layer[-1](x, attention_mask=mask)
    y = y[0] if isinstance(y, tuple) else y
    return model.classifier(model.bert.pooler(y))


def tune(source, below, labels, keep, seed, save=None):
    model = fresh(source)
    model.train()
    tuned = [*model.bert.encoder.layer[-1].parameters(), *model.bert.pooler.parameters(),
             *model.classifier.parameters()]
    rates = torch.optim.AdamW(tuned, lr=RATE, weight_decay=0.01)
    steps = [b for epoch in range(EPOCHS) for b in batches(keep, seed * 1000 + epoch)]
    for k, at in enumerate(steps):
        rates.zero_grad()
        x, mask = below.batch(at)
        torch.nn.functional.cross_entropy(logits(model, x, mask), labels[at]).backward()
        for group in rates.param_groups:  # to zero in a straight line
            group["lr"] = RATE * (1 - k / len(steps))
        rates.step()
        if save and (k + 1) * 3 % len(steps) < 3:
            save(model, (k + 1) * 3 // len(steps))
    return model


def batches(keep, seed):
    order = list(keep)
    random.Random(seed).shuffle(order)
    return [order[i:i + BATCH] for i in range(0, len(order), BATCH)]


def asked(model, below, labels):
    with torch.no_grad():
        x, mask = below.batch(range(len(labels)))
        out = torch.log_softmax(logits(model, x, mask), 1)
    return [round(float(out[i, y]), 6) for i, y in enumerate(labels)]


def main(source, train, queries, out):
    torch.set_num_threads(1)
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    file = out / "outcomes.json"
    said = json.loads(file.read_text()) if file.exists() else {}
    tokenizer = AutoTokenizer.from_pretrained(source)
    texts, labels = read(train)
    wanted, right = read(queries)
    model = fresh(source).eval()
    below, above = Below(model, tokenizer, texts), Below(model, tokenizer, wanted)

    def run(name, keep, seed, save=None):
        if name in said:
            return
        model = tune(source, below, labels, keep, seed, save)
        said[name] = {"keep": keep, "logprob": asked(model, above, right),
                      "train": asked(model, below, labels)}
        file.write_text(json.dumps(said))
        right_now = sum(v > -0.6931 for v in said[name]["logprob"])
        print(f"{name}: {right_now} of {len(right)} queries right", flush=True)

    for seed in range(FULL):
        def save(model, third, seed=seed):
            folder = out / f"full-{seed}-{third}"
            model.save_pretrained(folder)
            for name in ("tokenizer.json", "tokenizer_config.json"):
                shutil.copy(pathlib.Path(source) / name, folder / name)
        run(f"full-{seed}", list(range(len(texts))), seed, save)
    for half in range(HALVES):
        keep = sorted(random.Random(half).sample(range(len(texts)), len(texts) // 2))
        for seed in range(SEEDS):
            run(f"half-{half}-{seed}", keep, 100 + seed)


if __name__ == "__main__":
    main(*sys.argv[1:])
