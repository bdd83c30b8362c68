#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Record products of autograd's gradients on tiny published models, and the checkpoints of a fine-tuning.

    scripts/record-influence-gradients.py

Writes tests/golden/influence/gradients-MODEL.safetensors: ids (N, T) and queries (Q, T), whose
next tokens are their labels, and of every matrix W of the blocks, in glim's names,

  dot.NAME (N, Q)    <dL_i/dW, dL_q/dW>        square.NAME (N)   ||dL_i/dW||^2
  cosine (N, Q)      over all of them          datainf (N, Q)    DataInf over all of them

in float64 from float32 weights. The same again as "biased-..." with the bias behind each matrix.
"""
import pathlib

import torch
import transformers
from safetensors.torch import save_file

ROOT = pathlib.Path(__file__).resolve().parents[1] / "tests/golden"
MODELS = ["llama-biases", "gpt2"]
N, T, Q, DAMPING = 6, 9, 2, 0.1
LLAMA = {"mlp.gate_proj": "mlp.W_gate", "mlp.up_proj": "mlp.W_in", "mlp.down_proj": "mlp.W_out",
         "self_attn.q_proj": "attn.W_Q", "self_attn.k_proj": "attn.W_K",
         "self_attn.v_proj": "attn.W_V", "self_attn.o_proj": "attn.W_O"}
GPT2 = {"mlp.c_fc": "mlp.W_in", "mlp.c_proj": "mlp.W_out"}


def matrices(model):
    """glim's name -> parameter, and whether it is stored as (C, F)."""
    for name, p in model.named_parameters():
        for table, start, turned in ((LLAMA, "model.layers.", False), (GPT2, "transformer.h.", True)):
            for theirs, ours in table.items():
                if name.startswith(start) and name.endswith(theirs + ".weight"):
                    yield f"blocks.{name.removeprefix(start).split('.')[0]}.{ours}", p, turned


def gradients(model, rows, biased):
    out, named = [], dict(model.named_parameters())
    biases = {n: named.get(next(k for k, q in named.items() if q is p).removesuffix("weight") + "bias")
              for n, p, _ in matrices(model)}
    for ids in rows:
        model.zero_grad()
        logits = model(input_ids=ids[None], use_cache=False).logits[0, :-1]
        torch.nn.functional.cross_entropy(logits, ids[1:], reduction="sum").backward()
        out.append({n: torch.cat([p.grad.flatten(), biases[n].grad] if biased and biases[n] is not None
                                 else [p.grad.flatten()]) for n, p, _ in matrices(model)})
    return {n: torch.stack([g[n] for g in out]) for n in out[0]}


def datainf(g, v):
    rho = DAMPING * (g * g).sum(1).mean() / g.shape[1]
    each = (g @ v.T) / (rho + (g * g).sum(1))[:, None]           # (i, q)
    return (v @ g.T - (each.T @ (g @ g.T)) / len(g)).T / rho / len(g)


def record(name):
    model = transformers.AutoModelForCausalLM.from_pretrained(
        ROOT / "models/published" / name, attn_implementation="eager").double().eval()
    torch.manual_seed(3)
    V = model.config.vocab_size
    ids, queries = torch.randint(8, V - 8, (N, T)), torch.randint(8, V - 8, (Q, T))
    queries[0, :5] = ids[2, :5]
    out = {"ids": ids.int(), "queries": queries.int()}
    for biased, start in ((False, ""), (True, "biased-")):
        g, v = gradients(model, ids, biased), gradients(model, queries, biased)
        for n in g:
            out[f"{start}dot.{n}"] = g[n] @ v[n].T
            out[f"{start}square.{n}"] = (g[n] ** 2).sum(1)
        every = torch.cat([g[n] for n in g], 1), torch.cat([v[n] for n in g], 1)
        out[start + "cosine"] = (torch.nn.functional.normalize(every[0]) @
                                 torch.nn.functional.normalize(every[1]).T)
        out[start + "datainf"] = sum(datainf(g[n], v[n]) for n in g)
    out = {k: t.float().contiguous() if t.is_floating_point() else t for k, t in out.items()}
    (ROOT / "influence").mkdir(exist_ok=True)
    save_file(out, ROOT / f"influence/gradients-{name}.safetensors",
              metadata={"torch": torch.__version__, "transformers": transformers.__version__})
    print(name, len(g), out["cosine"])


if __name__ == "__main__":
    for each in MODELS:
        record(each)
