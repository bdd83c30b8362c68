#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Record labels as answers, and masked words, on tiny published models.

    scripts/record-tasks.py

Writes tests/golden/models/tasks/*.safetensors: what transformers and Captum compute
on the directories of tests/golden/models/published. What a user's text is not (the
prompt, the mask) keeps its embedding in every baseline. Tensors:

  ids (T), text (2)       the input; first and last token of the text and one more
  scores (K), mean (K)    labels: sums and means of log-probabilities behind the input
  target (2)              mask: the likeliest token and the next; row (1): the mask
  value (1)               what is explained: the log-probability of label 1 among all
                          labels; the logit of target[0] at the mask
  grad (T, C)             its gradient at the embeddings
  captum.ixg (T), captum.ig (T), captum.l2 (T)
                          input times gradient, integrated gradients (Gauss-Legendre, 32,
                          from zero), norms of the gradient
  masked (T), deleted (T) what the value loses when a token becomes the mask; when it is
                          taken out
"""
import json
import pathlib
import sys

import captum
import torch
import transformers
from captum.attr import InputXGradient, IntegratedGradients, Saliency
from safetensors.torch import save_file

ROOT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "models"
STEPS = 32
FORM, TEXT = "so {text} is it", "the small cat"
LABELS = ["a", "the light", "the river", "the light and day", "正"]
MASKED = "the light <|special_5|> and the river"


def open_model(kind, name):
    path = ROOT / "published" / name
    model = kind.from_pretrained(path, dtype=torch.float32, attn_implementation="eager").eval()
    for p in model.parameters():
        p.requires_grad_(False)
    return model, transformers.AutoTokenizer.from_pretrained(path)


def embed(model, ids):
    return model.get_input_embeddings()(torch.tensor([ids])).detach()


def explain(f, x, scored):
    """f (N, T, C) -> (N); rows that are not scored stay in the baseline."""
    keep = torch.ones(x.shape[1], dtype=torch.bool)
    keep[scored] = False
    baseline = x * keep[None, :, None]
    out = {"value": f(x)}
    out["grad"] = Saliency(f).attribute(x.clone().requires_grad_(), abs=False)[0]
    out["captum.l2"] = out["grad"].norm(dim=-1)
    out["captum.ixg"] = InputXGradient(f).attribute(x.clone().requires_grad_())[0].sum(-1)
    scores = IntegratedGradients(f).attribute(x, baselines=baseline, n_steps=STEPS,
                                              method="gausslegendre")
    out["captum.ig"] = scores[0].double().sum(-1).float()
    return out


def losses(value, ids, scored, mask):
    """Drops of value(ids) when one scored token becomes the mask, and without it."""
    whole, masked, deleted = value(ids), [], []
    for t in range(len(ids)):
        gone = t in scored
        masked.append(whole - value(ids[:t] + [mask] + ids[t + 1:]) if gone else whole * 0)
        deleted.append(whole - value(ids[:t] + ids[t + 1:]) if gone else whole * 0)
    return {"masked": torch.stack(masked), "deleted": torch.stack(deleted)}


def store(name, tensors, metadata):
    out = ROOT / "tasks" / f"{name}.safetensors"
    out.parent.mkdir(exist_ok=True)
    versions = {p.__name__: p.__version__ for p in (torch, transformers, captum)}
    metadata["json"] = json.dumps({"versions": versions})
    save_file({k: (v if v.is_floating_point() else v.long()).detach().contiguous().clone()
               for k, v in tensors.items()}, out, metadata)
    out.chmod(0o644)
    print(f"{name}: value {float(tensors['value'].flatten()[0]):.5f}, {out.stat().st_size} bytes")


def record_labels(name, neutral_text):
    model, tokenizer = open_model(transformers.AutoModelForCausalLM, name)
    encode = lambda s: tokenizer(s, add_special_tokens=False)["input_ids"]  # noqa: E731
    before, behind = FORM.split("{text}")
    prompt = before + TEXT + behind
    whole = tokenizer(prompt, return_offsets_mapping=True, add_special_tokens=False)
    ids, at = whole["input_ids"], range(len(before), len(before) + len(TEXT))
    scored = [t for t, (a, b) in enumerate(whole["offset_mapping"])
              if b > at.start and a < at.stop]
    labels = []
    for label in LABELS:
        joined = encode(prompt + (" " if label[0] < "\x80" else "") + label)
        assert joined[:len(ids)] == ids
        labels.append(joined[len(ids):])

    def scores(x):
        """(N, T, C) -> (N, K) sums."""
        out = []
        for label in labels:
            tail = embed(model, label).expand(x.shape[0], -1, -1)
            logits = model(inputs_embeds=torch.cat([x, tail], 1), use_cache=False).logits
            logprobs = logits[:, x.shape[1] - 1:-1].log_softmax(-1)
            out.append(logprobs.gather(2, torch.tensor(label).expand(x.shape[0], -1)[..., None])
                       .sum((1, 2)))
        return torch.stack(out, 1)

    def f(x):
        return scores(x).log_softmax(1)[:, 1]
    x = embed(model, ids)
    sums = scores(x)[0]
    tensors = {"ids": torch.tensor(ids), "text": torch.tensor([scored[0], scored[-1] + 1]),
               "scores": sums, "mean": sums / torch.tensor([len(x) for x in labels])}
    tensors |= explain(f, x, scored)
    neutral = encode(neutral_text)
    assert len(neutral) == 1
    tensors |= losses(lambda i: f(embed(model, i))[0], ids, scored, neutral[0])
    store(f"labels-{name}", tensors, {"form": FORM, "text": TEXT, "labels": ", ".join(LABELS),
                                      "model": name, "neutral": str(neutral[0])})


def record_mask(name):
    model, tokenizer = open_model(transformers.AutoModelForMaskedLM, name)
    ids = tokenizer(MASKED, add_special_tokens=False)["input_ids"]
    mask = tokenizer.convert_tokens_to_ids("<|special_5|>")
    row = ids.index(mask)
    scored = [t for t in range(len(ids)) if t != row]

    def logits(x, row=row):
        return model(inputs_embeds=x).logits[:, row]
    x = embed(model, ids)
    target, foil = (int(i) for i in logits(x)[0].topk(2).indices)

    def value(some):
        return logits(embed(model, some), len(some) - len(ids) + row
                      if len(some) < len(ids) and some[:row + 1] != ids[:row + 1] else row)[0, target]
    tensors = {"ids": torch.tensor(ids), "row": torch.tensor([row]),
               "target": torch.tensor([target, foil])}
    tensors |= explain(lambda x: logits(x)[:, target], x, scored)
    tensors |= losses(value, ids, scored, mask)
    store(f"mask-{name}", tensors, {"text": MASKED, "model": name})


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for name in ("llama", "qwen2"):
        record_labels(name, "_")
    for name in ("bert-fill", "distilbert-fill", "roberta-fill"):
        record_mask(name)


if __name__ == "__main__":
    sys.exit(main())
