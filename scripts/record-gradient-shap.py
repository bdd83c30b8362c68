#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Record Captum's GradientShap on tiny published models, at draws that are recorded too.

    scripts/record-gradient-shap.py

Writes tests/golden/models/gradient-shap/*.safetensors. Captum draws from NumPy's generator;
what it draws is put there. Tensors:

  ids (T), target (1)       the likeliest token (class) behind them, whose logit is explained
  backgrounds (K, T, C), alpha (N), from (N)
                            points are backgrounds[from] + alpha (x - backgrounds[from])
  value (1), base (1)       the logit; its mean over the backgrounds of the draws
  scores (T)                GradientShap, summed over C
"""
import json
import pathlib

import captum
import numpy as np
import torch
import transformers
from captum.attr import GradientShap
from safetensors.torch import save_file

ROOT = pathlib.Path(__file__).resolve().parents[1] / "tests/golden/models"
MODELS = {"llama": "CausalLM", "qwen3": "CausalLM", "bert-classes": "SequenceClassification"}
IDS = [5, 17, 3, 42, 8, 17, 29, 11, 2]
K, N = 3, 24
VERSIONS = {"torch": torch.__version__, "transformers": transformers.__version__,
            "captum": captum.__version__}


def record(name, kind):
    cls = getattr(transformers, "AutoModelFor" + kind)
    model = cls.from_pretrained(ROOT / "published" / name, dtype=torch.float32,
                                attn_implementation="eager").eval()
    for p in model.parameters():
        p.requires_grad_(False)
    x = model.get_input_embeddings()(torch.tensor([IDS])).detach()
    last = kind == "CausalLM"

    def logits(inputs):
        y = model(inputs_embeds=inputs).logits
        return y[:, -1] if last else y

    target = int(logits(x)[0].argmax())
    rng = np.random.default_rng(4)
    backgrounds = x + torch.tensor(rng.normal(0, float(x.std()), (K, *x.shape[1:])),
                                   dtype=torch.float32)
    alpha, pick = rng.uniform(0, 1, N), rng.integers(0, K, N)
    was = np.random.uniform, np.random.choice
    np.random.uniform = lambda low, high, n: alpha[:n]
    np.random.choice = lambda a, n: pick[:n]
    try:
        scores = GradientShap(logits).attribute(x, baselines=backgrounds, n_samples=N, stdevs=0.0,
                                                target=target)
    finally:
        np.random.uniform, np.random.choice = was
    out = {"ids": torch.tensor(IDS), "target": torch.tensor([target]),
           "backgrounds": backgrounds, "alpha": torch.tensor(alpha), "from": torch.tensor(pick),
           "value": logits(x)[0, target].reshape(1),
           "base": logits(backgrounds)[pick, target].mean().reshape(1),
           "scores": scores[0].sum(-1)}
    check = torch.zeros_like(x)
    for a, k in zip(alpha, pick):
        point = (backgrounds[k] + a * (x - backgrounds[k])).float().requires_grad_()
        logits(point)[0, target].backward()
        check += (x - backgrounds[k]) * point.grad / N
    assert torch.allclose(check[0].sum(-1), out["scores"], atol=1e-4), name
    path = ROOT / "gradient-shap" / f"{name}.safetensors"
    path.parent.mkdir(exist_ok=True)
    plain = {k: t.detach().contiguous().clone() for k, t in out.items()}
    save_file(plain, path, {"model": name, "versions": json.dumps(VERSIONS, sort_keys=True)})
    path.chmod(0o644)


if __name__ == "__main__":
    for model_name, head in MODELS.items():
        record(model_name, head)
