# SPDX-License-Identifier: Apache-2.0
"""Captum's scores on the tiny models: the logit of one token at the last position."""
import torch
from captum.attr import FeatureAblation, InputXGradient, IntegratedGradients, Saliency

STEPS = 32


def embeddings_of(model, ids):
    return model.model.embed_tokens(torch.tensor([ids])).detach()


def mean_embedding(model):
    table = model.model.embed_tokens
    return table(torch.arange(table.num_embeddings)).double().mean(0).float().detach()


def deletion(model, ids, target):
    """Drop of the logit when a token is taken out and what follows moves up."""
    def logit(some):
        with torch.no_grad():
            return model(input_ids=torch.tensor([some]), use_cache=False).logits[0, -1, target]
    whole = logit(ids)
    return torch.stack([whole - logit(ids[:i] + ids[i + 1:]) for i in range(len(ids))])


def record(model, ids, target, baseline_id):
    x = embeddings_of(model, ids)
    T = x.shape[1]

    def f(inputs):
        return model(inputs_embeds=inputs, use_cache=False).logits[:, -1, target]

    out = {"captum.baseline": torch.tensor([baseline_id])}
    table = embeddings_of(model, [baseline_id])[0, 0]
    baselines = {"zero": torch.zeros_like(x), "token": table.expand_as(x).clone(),
                 "mean": mean_embedding(model).expand_as(x).clone()}
    for rule, method in (("", "gausslegendre"), (".middle", "riemann_middle")):
        for name in ("zero", "token"):
            scores, delta = IntegratedGradients(f).attribute(
                x, baselines=baselines[name], n_steps=STEPS, method=method,
                return_convergence_delta=True)
            out[f"captum.ig.{name}{rule}"] = scores[0].float()
            out[f"captum.ig.{name}{rule}.tokens"] = scores[0].double().sum(-1).float()
            out[f"captum.ig.{name}{rule}.delta"] = delta.float()
    gradient = Saliency(f).attribute(x.requires_grad_(), abs=False)[0]
    out["captum.saliency.l2"] = gradient.norm(dim=-1)
    out["captum.saliency.l1"] = gradient.abs().sum(-1)
    product = InputXGradient(f).attribute(x)[0]
    out["captum.input_x_gradient"] = product
    out["captum.input_x_gradient.tokens"] = product.sum(-1)
    x = x.detach()
    mask = torch.arange(T).reshape(1, T, 1).expand_as(x)
    with torch.no_grad():
        for name in ("zero", "token", "mean"):
            scores = FeatureAblation(f).attribute(x, baselines=baselines[name], feature_mask=mask)
            out[f"captum.ablation.{name}"] = scores[0, :, 0]
    out["deletion"] = deletion(model, ids, target)
    return out
