#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Record methods of attention on tiny published models.

    scripts/record-attention.py

Writes tests/golden/models/attention/*.safetensors: what plain implementations make of
transformers' own patterns (eager attention). Sinks are shown as they are. Rows are those of
targets: the last token of a decoder (one row; `target` = its likeliest next token), the
first of a classifier, every written token of an encoder-decoder. Columns are the tokens of
the text (of an encoder-decoder: of the source). Float64 unless said otherwise. Tensors:

  ids (T), given (R)      the input; what an encoder-decoder is to have written
  target (1)              class or token whose logit is explained
  attention (R, T)        mean over heads and layers (across, where there are two stacks)
  rollout (R, T)          numpy: rows of the product of 0.5 A + 0.5 I, heads' mean; two stacks
                          are one block matrix
  rollout.max (R, T)      the same of the heads' maximum, rows normalised
  flow (R, T)             networkx.maximum_flow_value on the same matrices; rows 0 and last
  gradient (R, T)         Chefer's generic rules with torch.autograd, of the logit
  norm (R, T)             norms of a_h v_h W_O summed over heads, as shares, mean over layers
  sum (R, T)              the same vectors' shares of their sum
  zeroing (R, T)          cosine distances of a layer's output when the values of a token are
                          zeroed by a hook, as shares, mean over layers
"""
import json
import pathlib
import sys

import networkx
import numpy as np
import torch
import transformers
from safetensors import safe_open
from safetensors.torch import save_file

ROOT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "models"
TEXT = "the small cat is in the light of the river and so on"
DECODERS = ["llama", "gemma2", "qwen3", "gptneox", "gpt2", "glm4"]
CLASSIFIERS = ["bert-classes", "distilbert-classes"]
STACKS = ["marian", "t5"]


def open_model(kind, path):
    model = kind.from_pretrained(path, dtype=torch.float32, attn_implementation="eager").eval()
    for p in model.parameters():
        p.requires_grad_(False)
    return model


def matrix(x):
    return x.detach()[0].double().numpy()                             # (H, T, S)


# ---- rollout and flow ----

def joint(a, how):
    """One layer's matrix with the residual stream, from heads (H, T, T)."""
    m = a.mean(0) if how == "mean" else a.max(0)
    m = 0.5 * m + 0.5 * np.eye(len(m))
    return m / m.sum(1, keepdims=True)


def levels(encoder, decoder, cross, how="mean"):
    """Matrices from the top down over written tokens, then the text's (two stacks)."""
    if cross is None:
        return [joint(a, how) for a in reversed(decoder)]
    R, S = cross[0].shape[1:]
    out = []
    for a, c in zip(reversed(decoder), reversed(cross)):
        m = c.mean(0) if how == "mean" else c.max(0)
        m = m / m.sum(1, keepdims=True)
        both = np.zeros((R + S, R + S))
        both[:R, :R], both[:R, R:], both[R:, R:] = 0.5 * np.eye(R), 0.5 * m, np.eye(S)
        out.append(both)
        both = np.eye(R + S)
        both[:R, :R] = joint(a, how)
        out.append(both)
    for a in reversed(encoder):
        both = np.eye(R + S)
        both[R:, R:] = joint(a, how)
        out.append(both)
    return out


def rollout(matrices, rows, first):
    whole = np.eye(len(matrices[0]))
    for m in matrices:
        whole = whole @ m
    return whole[rows][:, first:]


def flow(matrices, row, first):
    g = networkx.DiGraph()
    for k, m in enumerate(matrices):
        for i, j in zip(*np.nonzero(m)):
            g.add_edge((k, int(i)), (k + 1, int(j)), capacity=float(m[i, j]))
    n, last = len(matrices[0]), len(matrices)
    return np.array([networkx.maximum_flow_value(g, (0, row), (last, j)) if (last, j) in g else 0.0
                     for j in range(first, n)])


# ---- Chefer's generic rules ----

def weighted(a, grad):
    return (a * grad).clamp(min=0)[0].mean(0).double()


def chefer(f, decoder, row):
    r = torch.eye(decoder[0].shape[-1], dtype=torch.float64)
    for a, g in zip(decoder, torch.autograd.grad(f, decoder, retain_graph=True)):
        r = r + weighted(a, g) @ r
    return (r - torch.eye(len(r)))[row]


def normalised(r):
    eye = torch.eye(len(r), dtype=r.dtype)
    rest = r - eye
    total = rest.sum(1, keepdim=True)
    return eye + torch.where(total > 0, rest / total.where(total > 0, torch.ones(())), 0 * rest)


def chefer_pair(f, encoder, decoder, cross, row):
    all_of = list(encoder) + list(decoder) + list(cross)
    grads = torch.autograd.grad(f, all_of, retain_graph=True)
    bars = [weighted(a, g) for a, g in zip(all_of, grads)]
    e, d = len(encoder), len(decoder)
    kk = torch.eye(encoder[0].shape[-1], dtype=torch.float64)
    qq = torch.eye(decoder[0].shape[-1], dtype=torch.float64)
    qk = torch.zeros(len(qq), len(kk), dtype=torch.float64)
    for a in bars[:e]:
        kk = kk + a @ kk
    for self_bar, cross_bar in zip(bars[e:e + d], bars[e + d:]):
        qk = qk + self_bar @ qk
        qq = qq + self_bar @ qq
        qk = qk + normalised(qq).T @ cross_bar @ normalised(kk)
    return qk[row]


# ---- what attention adds ----

def shares(parts):
    """(S, C) -> shares by length and of the sum."""
    total, size = parts.sum(0), np.linalg.norm(parts, axis=1)
    return size / size.sum(), parts @ total / (total @ total)


def parts_of(values, out, pattern, row):
    """values (S, G D), out (C, H D), pattern (H, T, S) -> (S, C), head by head."""
    H = pattern.shape[0]
    D = out.shape[1] // H
    G = values.shape[1] // D
    total = np.zeros((values.shape[0], out.shape[0]))
    for h in range(H):
        g = h // (H // G)
        v = values[:, g * D:(g + 1) * D] @ out[:, h * D:(h + 1) * D].T
        total += pattern[h, row][:, None] * v
    return total


def capture(run, modules):
    seen = {}
    handles = [m.register_forward_hook(
        lambda _m, _i, y, k=k: seen.__setitem__(k, y[0] if isinstance(y, tuple) else y))
        for k, m in enumerate(modules)]
    run()
    for h in handles:
        h.remove()
    return seen


def zeroing(run, layers, values, rows, n):
    """(R, S): the output of each layer at rows, the values of each token zeroed in turn."""
    plain = capture(run, layers)
    out = np.zeros((len(rows), n))
    for k, (layer, value) in enumerate(zip(layers, values)):
        distance = np.zeros((len(rows), n))
        for s in range(n):
            def blank(_m, _i, y, s=s):
                y = y.clone()
                y[:, s] = 0
                return y
            handle = value.register_forward_hook(blank)
            turned = capture(run, [layer])[0]
            handle.remove()
            a, b = plain[k][0, rows].double(), turned[0, rows].double()
            a, b = a / a.norm(dim=1, keepdim=True), b / b.norm(dim=1, keepdim=True)
            distance[:, s] = ((a - b) ** 2).sum(1).numpy() / 2
        total = distance.sum(1, keepdims=True)
        out += np.divide(distance, total, out=np.zeros_like(distance), where=total > 0)
    return out / len(layers)


# ---- recording ----

def store(name, tensors, metadata):
    out = ROOT / "attention" / f"{name}.safetensors"
    out.parent.mkdir(exist_ok=True)
    versions = {p.__name__: p.__version__ for p in (torch, transformers, networkx, np)}
    metadata["json"] = json.dumps({"versions": versions})
    save_file({k: torch.as_tensor(v).detach().contiguous().clone() for k, v in tensors.items()},
              out, metadata)
    out.chmod(0o644)
    print(f"{name}: {', '.join(tensors)}, {out.stat().st_size} bytes")


def common(encoder, decoder, cross, rows, first):
    tensors, sources = {}, decoder if cross is None else cross
    tensors["attention"] = np.mean([a.mean(0)[rows] for a in sources], 0)
    matrices = levels(encoder, decoder, cross)
    tensors["rollout"] = rollout(matrices, rows, first)
    tensors["rollout.max"] = rollout(levels(encoder, decoder, cross, "max"), rows, first)
    tensors["flow"] = np.stack([flow(matrices, r, first) for r in (rows[0], rows[-1])])
    return tensors


def values_and_outputs(model, name):
    """Modules: layers, value projections, output projections; None where they are fused."""
    if name in ("llama", "gemma2", "qwen3", "glm4"):
        layers = list(model.model.layers)
        return layers, [x.self_attn.v_proj for x in layers], [x.self_attn.o_proj for x in layers]
    if name == "bert-classes":
        layers = list(model.bert.encoder.layer)
        return layers, [x.attention.self.value for x in layers], \
            [x.attention.output.dense for x in layers]
    if name == "distilbert-classes":
        layers = list(model.distilbert.transformer.layer)
        return layers, [x.attention.v_lin for x in layers], [x.attention.out_lin for x in layers]
    return None, None, None


def record_one(name, kind, ids):
    path = ROOT / "published" / name
    model = open_model(kind, path)
    if ids is None:
        tokenizer = transformers.AutoTokenizer.from_pretrained(path)
        ids = tokenizer(TEXT)["input_ids"]
    x = model.get_input_embeddings()(torch.tensor([ids])).detach().requires_grad_()
    decoder = kind is transformers.AutoModelForCausalLM
    said = model(inputs_embeds=x, output_attentions=True, **({"use_cache": False} if decoder else {}))
    rows = [len(ids) - 1] if decoder else [0]
    logits = said.logits[0, -1] if decoder else said.logits[0]
    target = int(logits.argmax())
    patterns = [matrix(a) for a in said.attentions]
    tensors = {"ids": np.array(ids), "target": np.array([target])}
    tensors |= common(None, patterns, None, rows, 0)
    tensors["gradient"] = chefer(logits[target], list(said.attentions), rows[0])[None]
    layers, values, outputs = values_and_outputs(model, name)
    if layers:
        def run():
            with torch.no_grad():
                model(inputs_embeds=x)
        v = capture(run, values)
        if name not in ("gemma2", "glm4"):                   # a norm behind attention
            both = [shares(parts_of(v[k][0].double().numpy(), outputs[k].weight.double().numpy(),
                                    patterns[k], rows[0])) for k in range(len(layers))]
            tensors["norm"] = np.mean([b[0] for b in both], 0)[None]
            tensors["sum"] = np.mean([b[1] for b in both], 0)[None]
        tensors["zeroing"] = zeroing(run, layers, values, rows, len(ids))
    store(name, tensors, {"model": f"published/{name}", "text": TEXT})


def record_pair(name):
    model = open_model(transformers.AutoModelForSeq2SeqLM, ROOT / "stacks" / name)
    with safe_open(ROOT / "stacks" / f"{name}.safetensors", "pt") as f:
        ids, given, said = f.get_tensor("ids"), f.get_tensor("given"), f.metadata()
    start = model.config.decoder_start_token_id
    reads = torch.cat([torch.tensor([start]), given[:-1]])
    x, y = (model.get_input_embeddings()(i[None]).detach() for i in (ids, reads))
    if name == "marian":                            # whose decoder scales embeddings itself
        x = x * model.model.encoder.embed_scale
    x.requires_grad_()
    y.requires_grad_()

    def forward():
        return model(inputs_embeds=x, decoder_inputs_embeds=y, output_attentions=True,
                     use_cache=False)
    out = forward()
    with torch.no_grad():
        same = model(input_ids=ids[None], decoder_input_ids=reads[None]).logits
    assert (same - out.logits).abs().max() < 1e-4
    e, d, c = (list(t) for t in (out.encoder_attentions, out.decoder_attentions,
                                 out.cross_attentions))
    rows = list(range(len(given)))
    tensors = {"ids": ids, "given": given}
    tensors |= common(*([matrix(a) for a in t] for t in (e, d, c)), rows, len(given))
    tensors["gradient"] = torch.stack([chefer_pair(out.logits[0, r, given[r]], e, d, c, r)
                                       for r in rows])
    if name == "marian":
        layers = list(model.model.decoder.layers)
        values = [y.encoder_attn.v_proj for y in layers]
        outputs = [y.encoder_attn.out_proj for y in layers]
    else:
        layers = list(model.decoder.block)
        values = [y.layer[1].EncDecAttention.v for y in layers]
        outputs = [y.layer[1].EncDecAttention.o for y in layers]

    def run():
        with torch.no_grad():
            forward()
    v = capture(run, values)
    both = [[shares(parts_of(v[k][0].double().numpy(), outputs[k].weight.double().numpy(),
                             matrix(c[k]), r)) for r in rows] for k in range(len(layers))]
    tensors["norm"] = np.mean([[b[0] for b in layer] for layer in both], 0)
    tensors["sum"] = np.mean([[b[1] for b in layer] for layer in both], 0)
    tensors["zeroing"] = zeroing(run, layers, values, rows, len(ids))
    store(name, tensors, {"model": f"stacks/{name}", "text": said["text"],
                          "written": said["target"]})


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for name in DECODERS:
        record_one(name, transformers.AutoModelForCausalLM, None)
    for name in CLASSIFIERS:
        record_one(name, transformers.AutoModelForSequenceClassification, None)
    for name in STACKS:
        record_pair(name)


if __name__ == "__main__":
    sys.exit(main())
