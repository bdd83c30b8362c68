#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A scikit-learn pipeline as a black box.

    glim explain --predictor "process:python3 sklearn_sentiment.py" "a dull film with great music"
"""
import json
import sys

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from reviews import sentences


def main():
    texts, labels = zip(*sentences())
    model = make_pipeline(TfidfVectorizer(), LogisticRegression(C=10)).fit(texts, labels)
    classes = list(map(str, model.classes_))
    for line in sys.stdin:
        batch = json.loads(line)
        rows = model.predict_proba(batch["inputs"]).tolist()
        print(json.dumps({"outputs": rows, "classes": classes, "scale": "prob"}), flush=True)


if __name__ == "__main__":
    main()
