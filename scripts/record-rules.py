#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Record walks back by rules on tiny published models and pictures.

    scripts/record-rules.py

Writes tests/golden/models/rules/*.safetensors from the directories of
tests/golden/models/published: AttnLRP and CP-LRP written down with PyTorch, op by op and
not as factors at attention's inputs. Tensors:

  ids (T), target (1)       the likeliest token (class) behind them
  logit (1)                 what is explained
  attnlrp, cp-lrp (T, C)    relevance: the embeddings times what arrives there

and tests/golden/images/rules/*.safetensors: Captum's guided back-propagation and
deconvolution on models of pictures whose ReLU6 is ReLU, then a minimum with 6:

  pixels (H, W, 3), target (1), guided, deconvnet (H, W, 3)
"""
import json
import pathlib

import captum
import torch
import transformers
from captum.attr import Deconvolution, GuidedBackprop
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import eager_mask

ROOT = pathlib.Path(__file__).resolve().parents[1] / "tests/golden"
MODELS = {"llama": "CausalLM", "llama-biases": "CausalLM", "qwen3": "CausalLM",
          "gemma2": "CausalLM", "gemma3-text": "CausalLM", "gpt2": "CausalLM",
          "bert-classes": "SequenceClassification"}
IDS = [5, 17, 3, 42, 8, 17, 29, 11, 2]
VERSIONS = {"torch": torch.__version__, "transformers": transformers.__version__,
            "captum": captum.__version__}
RULES = {"pattern": "product"}  # of the walk in progress


def halved(x):
    """x, whose slope is a half."""
    return x / 2 + x.detach() / 2


def share(x, y):
    """y = act(x) with the slope y / x."""
    return x * torch.where(x == 0, torch.full_like(x, 0.5), y / x).detach()


def attend(module, query, key, value, mask, scaling=None, softcap=None, **_):
    groups = query.shape[1] // key.shape[1]
    key, value = (x.repeat_interleave(groups, 1) for x in (key, value))
    scores = halved(query) @ halved(key).transpose(2, 3)
    scores = scores * (query.shape[-1] ** -0.5 if scaling is None else scaling)
    if softcap is not None:
        scores = share(scores, softcap * torch.tanh(scores / softcap))
    if mask is not None:
        scores = scores + mask
    pattern = scores.softmax(-1)
    if RULES["pattern"] == "constant":
        out = pattern.detach() @ value
    else:
        out = halved(pattern) @ halved(value)
    return out.transpose(1, 2).contiguous(), pattern


AttentionInterface.register("rules", attend)
AttentionMaskInterface.register("rules", eager_mask)


class Act(nn.Module):
    def __init__(self, act):
        super().__init__()
        self.act = act

    def forward(self, x):
        return share(x, self.act(x))


def rms(module, x):
    eps = getattr(module, "variance_epsilon", getattr(module, "eps", None))
    y = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps).detach()
    return y * (1 + module.weight if "Gemma" in type(module).__name__ else module.weight)


def layer_norm(module, x):
    y = x - x.mean(-1, keepdim=True)
    y = y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + module.eps).detach()
    return y * module.weight + module.bias


def gated(module, x):
    return module.down_proj(halved(module.act_fn(module.gate_proj(x)) * module.up_proj(x)))


def put_rules(model):
    for module in model.modules():
        for name in ("act_fn", "act", "intermediate_act_fn", "activation"):
            if callable(getattr(module, name, None)) and not isinstance(module, Act):
                setattr(module, name, Act(getattr(module, name)))
        kind = type(module).__name__
        if kind.endswith("RMSNorm"):
            module.forward = lambda x, m=module: rms(m, x)
        elif kind == "LayerNorm":
            module.forward = lambda x, m=module: layer_norm(m, x)
        elif hasattr(module, "gate_proj"):
            module.forward = lambda x, m=module: gated(m, x)


def logits_of(model, x):
    cap = getattr(model.config, "final_logit_softcapping", None)
    if not cap:
        out = model(inputs_embeds=x).logits
        return out[0, -1] if out.dim() == 3 else out[0]
    y = model.lm_head(model.model(inputs_embeds=x).last_hidden_state)[0, -1]
    return share(y, cap * torch.tanh(y / cap))


def record(name, kind):
    cls = getattr(transformers, "AutoModelFor" + kind)
    path = ROOT / "models/published" / name
    plain = cls.from_pretrained(path, dtype=torch.float32, attn_implementation="eager").eval()
    model = cls.from_pretrained(path, dtype=torch.float32).eval()
    model.set_attn_implementation("rules")
    for p in model.parameters():
        p.requires_grad_(False)
    x = model.get_input_embeddings()(torch.tensor([IDS])).detach()
    with torch.no_grad():
        want = logits_of(plain, x)
    put_rules(model)
    target = int(want.argmax())
    out = {"ids": torch.tensor(IDS), "target": torch.tensor([target]),
           "logit": want[target].reshape(1)}
    for rule, pattern in (("attnlrp", "product"), ("cp-lrp", "constant")):
        RULES["pattern"] = pattern
        leaf = x.clone().requires_grad_()
        y = logits_of(model, leaf)
        assert torch.allclose(y, want, atol=1e-5), (name, (y - want).abs().max())
        y[target].backward()
        out[rule] = leaf.grad[0] * x[0]
        print(name, rule, float(out[rule].sum() / want[target]))
    store(ROOT / "models/rules" / f"{name}.safetensors", out, name)


# ---- pictures ----

class Bounded(nn.Module):
    """ReLU6 as ReLU, which Captum knows, and a minimum."""

    reached = 0

    def __init__(self):
        super().__init__()
        self.relu = nn.ReLU()

    def forward(self, x):
        y = self.relu(x)
        Bounded.reached += int((y > 6).sum())
        return y.clamp(max=6)


def bound(model):
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.ReLU6):
                setattr(module, name, Bounded())


class Logits(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, pixels):
        return self.model(pixel_values=pixels).logits


def record_picture(name):
    path = ROOT / "images" / name
    model = transformers.MobileNetV2ForImageClassification.from_pretrained(
        path, dtype=torch.float32).eval()
    recorded = load_file(ROOT / "images" / f"{name}.safetensors")
    pixels = recorded["hook_pixels"] * 3  # some sums reach the bound
    x = pixels.permute(2, 0, 1)[None].contiguous()
    with torch.no_grad():
        plain = Logits(model)(x)
    bound(model)
    y = Logits(model)(x)
    assert torch.allclose(y, plain, atol=1e-5) and Bounded.reached > 20, Bounded.reached
    target = int(y[0].argmax())
    out = {"pixels": pixels, "target": torch.tensor([target])}
    for rule, method in (("guided", GuidedBackprop), ("deconvnet", Deconvolution)):
        scores = method(Logits(model)).attribute(x.clone().requires_grad_(), target=target)
        out[rule] = scores[0].permute(1, 2, 0)
    store(ROOT / "images/rules" / f"{name}.safetensors", out, name)


def store(path, tensors, model):
    path.parent.mkdir(exist_ok=True)
    plain = {k: t.detach().contiguous().clone() for k, t in tensors.items()}
    save_file(plain, path, {"model": model, "versions": json.dumps(VERSIONS, sort_keys=True)})
    path.chmod(0o644)


if __name__ == "__main__":
    for model_name, head in MODELS.items():
        record(model_name, head)
    for picture_model in ("mobilenet-v2", "mobilenet-v2-expands"):
        record_picture(picture_model)
