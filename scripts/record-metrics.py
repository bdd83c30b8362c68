#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Record what others say of the same explanations (tests/golden/metrics.json).

Targets are tables over which of ten features are there; removals are glim's own draws, made
again here by Philox. captum gives infidelity and max-sensitivity, ferret AOPC, F1, IOU and its
AUPRC by trapezoids, Quantus Gini's index (its 1e-7 counts little) and entropy, scikit-learn
average precision, areas and R^2, scipy correlations. Needs captum, scipy, scikit-learn,
quantus 0.6 and ferret-xai 0.4 (pip install --no-deps the latter two: what they import and
these numbers do not need is stood in for); run by hand.
"""
import importlib.machinery
import json
import pathlib
import sys
from unittest.mock import MagicMock



class StandIn:
    """What is not installed is a mock: last on the path, while ferret and Quantus load."""
    roots = ("cv2", "datasets", "pytreebank", "skimage", "lime", "shap", "seaborn", "joblib",
             "matplotlib", "pandas", "IPython", "thermostat", "tensorflow", "keras", "zennit", "torchvision", "cachetools")

    def find_spec(self, name, path=None, target=None):
        known = name.split(".")[0] in self.roots
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if known else None

    def create_module(self, spec):
        module = MagicMock()
        module.__path__ = []
        return module

    def exec_module(self, module):
        pass


sys.meta_path.append(StandIn())

import numpy as np
import torch
from captum.metrics import infidelity, sensitivity_max
from scipy import stats
from sklearn.metrics import auc, average_precision_score, r2_score

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests/golden/metrics.json"
D, SEED, ANY_SIZE, SIZE, DRAWS = 10, 7, 4, 5, 200


def philox(seed, sample, position):
    """Philox 4x32-10 of Random123; the first 64 bits."""
    c = [sample & 0xFFFFFFFF, sample >> 32, position & 0xFFFFFFFF, position >> 32]
    k = [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k[0], p1 & 0xFFFFFFFF, (p0 >> 32) ^ c[3] ^ k[1], p0 & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c[1] << 32 | c[0]


def uniform(sample, position):
    return (philox(SEED, sample, position) >> 11) * 2.0**-53


def subsets(stream, n, size):
    """What glim takes out: 1 = gone."""
    out = np.zeros((n, D))
    for i in range(n):
        at = stream << 40 | i
        left = size or 1 + (philox(SEED, at, D) * D >> 64)
        for k in range(D):
            if uniform(at, k) * (D - k) < left:
                out[i, k] = 1
                left -= 1
    return out


class Table:
    def __init__(self, rng):
        self.rng = rng
        bits = (np.arange(2**D)[:, None] >> np.arange(D)) & 1
        w = rng.normal(size=D)
        raw = bits @ w + 1.5 * bits[:, 0] * bits[:, 1] - (bits[:, 2] | bits[:, 3])
        self.v = np.round(1 / (1 + np.exp(-raw)), 6)
        self.w = w

    def at(self, keep):
        return self.v[(np.asarray(keep) @ (1 << np.arange(D))).astype(int)]


def captum_infidelity(t, phi, gone, normalize):
    served = [0]

    def perturb(x):
        part = gone[served[0]:served[0] + len(x)]
        served[0] += len(x)
        return torch.tensor(part), x - torch.tensor(part)
    value = infidelity(lambda x: torch.tensor(t.at(x.numpy())), perturb,
                       torch.ones(1, D, dtype=torch.float64), torch.tensor(phi)[None],
                       n_perturb_samples=len(gone), normalize=normalize)
    assert served[0] == len(gone)
    return float(value)


def ferret(t, phi, marked):
    from ferret.evaluators.faithfulness_measures import (AOPC_Comprehensiveness_Evaluation,
                                                         AOPC_Sufficiency_Evaluation)
    from ferret.evaluators.plausibility_measures import (AUPRC_PlausibilityEvaluation,
                                                         TokenIOU_PlausibilityEvaluation,
                                                         Tokenf1_PlausibilityEvaluation)
    from ferret.explainers.explanation import Explanation, ExplanationWithRationale

    class Tokenizer:
        cls_token = "[none]"

        def decode(self, ids):
            return " ".join(str(int(i)) for i in ids)

    class Helper:
        tokenizer = Tokenizer()

        def _tokenize(self, text):
            ids = [int(i) for i in text.split()]
            return {"attention_mask": torch.ones(1, len(ids), dtype=torch.long), "input_ids": torch.tensor([ids])}

        def _forward(self, texts, output_hidden_states=False):
            texts = [texts] if isinstance(texts, str) else texts
            keep = np.zeros((len(texts), D))
            for i, text in enumerate(texts):
                keep[i, [int(k) for k in text.split()]] = 1
            p = torch.tensor(t.at(keep))
            return None, torch.stack([torch.log(1 - p), torch.log(p)], dim=1)

    text = " ".join(str(i) for i in range(D))
    tokens = text.split()
    how = {"remove_first_last": False, "only_pos": True}
    phi = phi - phi.min() + 1  # orders count alone; without only_pos it trips over new numpy
    e = Explanation(text, tokens, phi, "x", 1)
    r = ExplanationWithRationale(text, tokens, phi, "x", 1, marked)
    out = {}
    for name, cls, what, more in (
            ("aopc-comprehensiveness", AOPC_Comprehensiveness_Evaluation, e, {}),
            ("aopc-sufficiency", AOPC_Sufficiency_Evaluation, e, {}),
            ("token-f1", Tokenf1_PlausibilityEvaluation, r, {"top_k_rationale": 5}),
            ("token-iou", TokenIOU_PlausibilityEvaluation, r, {"top_k_rationale": 5}),
            ("auprc-trapezoid", AUPRC_PlausibilityEvaluation, r, {})):
        judge = cls.__new__(cls)
        judge.helper = Helper()
        out[name] = float(judge.compute_evaluation(what, target=1, **how, **more).score)
    return out


def quantus_simplicity(phi):
    import quantus
    x = np.ones((1, D))
    return {"gini": float(quantus.Sparseness(disable_warnings=True).evaluate_batch(
                x_batch=x, a_batch=np.abs(phi)[None])[0]),
            "entropy": float(quantus.Complexity(disable_warnings=True).evaluate_batch(
                x_batch=x, a_batch=np.abs(phi)[None])[0])}


def curve(t, order, inserts):
    keep = np.zeros(D) if inserts else np.ones(D)
    ys = [t.at(keep)]
    for i in order:
        keep[i] = inserts
        ys.append(t.at(keep))
    none, whole = t.at(np.zeros(D)), t.at(np.ones(D))
    return float((auc(np.arange(D + 1) / D, ys) - none) / abs(whole - none))


def correlation(t, phi, n, draws):
    gone = subsets(SIZE + n, draws, n)
    return float(stats.pearsonr(gone @ phi, t.at(np.ones(D)) - t.at(1 - gone))[0])


def case(rng):
    t = Table(rng)
    phi = np.round(0.2 * t.w + 0.05 * rng.normal(size=D), 6)
    marked = [int(x) for x in rng.random(D) < 0.4]
    gone = subsets(ANY_SIZE, DRAWS, 0)
    whole, v = t.at(np.ones(D)), t.at(1 - gone)
    off = 100 * (1 - np.sqrt((D - gone.sum(axis=1)) / D))
    weight = np.exp(-off**2 / (2 * 25**2))
    said = -(gone @ phi)
    fitted = said + np.average(v - said, weights=weight)
    loo = whole - t.at(1 - np.eye(D))
    order = np.argsort(-phi, kind="stable")
    peers = ferret(t, phi, marked)
    trapezoid = peers.pop("auprc-trapezoid")
    return {
        "v": t.v.tolist(), "phi": phi.tolist(), "marked": marked, "loo": loo.tolist(),
        "auprc_trapezoid": trapezoid,
        "tenths": {k: peers[k] for k in ("aopc-comprehensiveness", "aopc-sufficiency")},
        "five": {k: peers[k] for k in ("token-f1", "token-iou")},
        "normalised": {"infidelity": captum_infidelity(t, phi, gone, True)},
        "by_kendall": {"monotonicity": stats.kendalltau(np.abs(phi), np.abs(loo))[0]},
        "plain": {
            "infidelity": captum_infidelity(t, phi, gone, False),
            "faithfulness-correlation": correlation(t, phi, D // 5, 200),
            "sensitivity-n": float(np.mean([correlation(t, phi, n, 50) for n in (1, 2, 4, 8)])),
            "local-r2": float(r2_score(v, fitted, sample_weight=weight)),
            "monotonicity": stats.spearmanr(np.abs(phi), np.abs(loo))[0],
            "deletion-auc": curve(t, order, False), "insertion-auc": curve(t, order, True),
            "auprc": float(average_precision_score(marked, phi)), **quantus_simplicity(phi)}}


def pairs(rng):
    out = []
    for n in (4, 9, 15):
        for ties in (False, True):
            a, b = rng.normal(size=n), rng.normal(size=n)
            if ties:
                a, b = np.round(a), np.round(b)
            b = b + a
            out.append({"a": a.tolist(), "b": b.tolist(), "tau": stats.kendalltau(a, b)[0],
                        "spearman": stats.spearmanr(a, b)[0]})
    return out


def moved():
    """Input times gradient of f = sum_c x_0c x_1c, as tests/explain/analytic.h has it."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(5, 3)).astype(np.float32)
    radius, served = 0.02 * x.astype(np.float64).std(), [0]

    def perturb(inputs):
        out = np.array(np.broadcast_to(x, (len(inputs), 5, 3)))
        for i in range(len(inputs)):
            at = 2 << 40 | served[0]
            served[0] += 1
            u = np.array([uniform(at, k) for k in range(15)]).reshape(5, 3)
            out[i] += (radius * (2 * u - 1)).astype(np.float32)
        return torch.tensor(out)

    def explain(inputs):  # a tuple, since captum would take rows of a tensor for inputs
        inputs = inputs[0] if isinstance(inputs, tuple) else inputs
        out = torch.zeros(len(inputs), 5)
        out[:, 0] = out[:, 1] = (inputs[:, 0] * inputs[:, 1]).sum(-1)
        return (out,)
    value = sensitivity_max(explain, torch.tensor(x)[None], perturb_func=perturb,
                            n_perturb_samples=10)
    assert served[0] == 10
    return {"x": x.reshape(-1).tolist(), "value": float(value)}


def main():
    rng = np.random.default_rng(20261130)
    OUT.write_text(json.dumps({"seed": SEED, "cases": [case(rng) for _ in range(3)],
                               "pairs": pairs(rng), "moved": moved()}) + "\n")


main()
