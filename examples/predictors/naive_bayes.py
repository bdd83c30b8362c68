#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A sentiment classifier as a black box, with nothing but Python.

    glim explain --predictor "process:python3 naive_bayes.py" "a dull film with great music"

glim writes a line of JSON for each batch of texts; the answer is one line as well.
"""
import collections
import json
import math
import re
import sys

from reviews import sentences


def words(text):
    return re.findall(r"\w+", text.lower())


class NaiveBayes:
    classes = ["negative", "positive"]

    def __init__(self, examples):
        self.counts = {c: collections.Counter() for c in self.classes}
        for text, label in examples:
            self.counts[label].update(words(text))
        self.vocabulary = set().union(*self.counts.values())

    def probabilities(self, text):
        logs = []
        for c in self.classes:
            total = sum(self.counts[c].values()) + len(self.vocabulary)
            logs.append(sum(math.log((self.counts[c][w] + 1) / total)
                            for w in words(text) if w in self.vocabulary))
        odds = [math.exp(x - max(logs)) for x in logs]
        return [x / sum(odds) for x in odds]


def answer(model, batch):
    if batch["kind"] != "text":
        return {"error": f"this predictor reads texts, not {batch['kind']}"}
    return {"outputs": [model.probabilities(text) for text in batch["inputs"]],
            "classes": model.classes, "scale": "prob"}


if __name__ == "__main__":
    model = NaiveBayes(sentences())
    for line in sys.stdin:
        print(json.dumps(answer(model, json.loads(line))), flush=True)
