#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Activation patching of all layers and positions of a prompt of 32 tokens through SmolLM2, and attribution patching of
all sites, beside TransformerLens 2.x (weights in float32). One thread, user time; of TransformerLens' patches every
60th is run, since each takes as long as the others.

    pip install torch transformers "transformer-lens<3" gguf
    OMP_NUM_THREADS=1 bench/patching.py GLIM SmolLM2.gguf
"""
import json
import pathlib
import resource
import subprocess
import sys

import torch
from transformers import AutoModelForCausalLM

CLEAN = ("When Mary and John went to the store this morning to buy some milk and a loaf of fresh bread for dinner, John gave "
         "the change and a bottle of milk to")
EVERY = 60


def user(who=resource.RUSAGE_SELF):
    return resource.getrusage(who).ru_utime


def ask(glim, model, *args):
    before = user(resource.RUSAGE_CHILDREN)
    out = subprocess.run([glim, "patch", "-m", model, "--threads", "1", "--target", " Mary", "--against", " John", "--corrupt",
                          CLEAN.replace("dinner, John", "dinner, Mary"), CLEAN, "--json", *args], capture_output=True, text=True,
                         check=True).stdout
    return user(resource.RUSAGE_CHILDREN) - before, json.loads(out)


def peer(path):
    from transformer_lens import HookedTransformer, HookedTransformerConfig
    from transformer_lens.pretrained import weight_conversions as convert
    path = pathlib.Path(path)
    hf = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32).eval()
    c = hf.config
    cfg = HookedTransformerConfig(
        n_layers=c.num_hidden_layers, d_model=c.hidden_size, n_ctx=512, d_head=c.hidden_size // c.num_attention_heads,
        n_heads=c.num_attention_heads, n_key_value_heads=c.num_key_value_heads, d_mlp=c.intermediate_size,
        d_vocab=c.vocab_size, act_fn="silu", eps=c.rms_norm_eps, normalization_type="RMS", gated_mlp=True, final_rms=True,
        positional_embedding_type="rotary", rotary_dim=c.hidden_size // c.num_attention_heads,
        rotary_adjacent_pairs=False, rotary_base=c.rope_parameters["rope_theta"],
        original_architecture="LlamaForCausalLM", default_prepend_bos=False)
    model = HookedTransformer(cfg)
    model.load_and_process_state_dict(convert.convert_llama_weights(hf, cfg), fold_ln=False,
                                      center_writing_weights=False, center_unembed=False, fold_value_biases=False)
    return model.eval()


def main(glim, model):
    torch.set_num_threads(1)
    tokens = json.loads(subprocess.run([glim, "tokenize", "-m", model, CLEAN, "--json"], capture_output=True, text=True,
                                       check=True).stdout)
    ids = torch.tensor([t["id"] for t in (tokens if isinstance(tokens, list) else tokens["tokens"])])
    T = len(ids)
    other = json.loads(subprocess.run([glim, "tokenize", "-m", model, CLEAN.replace("dinner, John", "dinner, Mary"), "--json"],
                                      capture_output=True, text=True, check=True).stdout)
    corrupt = torch.tensor([t["id"] for t in (other if isinstance(other, list) else other["tokens"])])
    start, _ = ask(glim, model, "--dry-run")
    exact, doc = ask(glim, model, "--site", "resid_pre")
    guess, _ = ask(glim, model, "--estimate", "--check", "1")
    grid = next(p for p in doc["panels"] if p["name"] == "resid_pre")["values"][::-1]
    values = doc["checks"]["values"]
    hooked = peer(model)
    with torch.no_grad():
        logits, cache = hooked.run_with_cache(ids[None])
        a, b = doc["target"]["id"], doc["target"]["against_id"]
        L, worst, times = hooked.cfg.n_layers, 0, []
        for i in range(EVERY // 2, L * T, EVERY):
            layer, t = divmod(i, T)

            def put(x, hook, layer=layer, t=t):
                x[:, t] = cache["resid_pre", layer][:, t]
                return x
            before = user()
            z = hooked.run_with_hooks(corrupt[None], fwd_hooks=[(f"blocks.{layer}.hook_resid_pre", put)])[0, -1]
            times.append(user() - before)
            clean, bad = values["clean"]["value"], values["corrupted"]["value"]
            worst = max(worst, abs((z[a] - z[b]).item() - (bad + grid[layer][t] * (clean - bad))))
    each = sum(times) / len(times)
    before = user()
    z = hooked(corrupt[None])
    (z[0, -1, a] - z[0, -1, b]).backward()
    pair = user() - before
    print(f"{T} tokens, {L} layers: {L * T} patches; largest difference of {len(times)} targets: {worst:.2g}")
    print(f"activation patching: glim {exact - start:.2f} s, TransformerLens {each * L * T:.1f} s ({len(times)} run): "
          f"{each * L * T / (exact - start):.1f}x")
    print(f"attribution patching of resid_pre, attn_out, mlp_out and z: {guess - start:.2f} s; PyTorch's forward and backward "
          f"once: {pair:.2f} s")


if __name__ == "__main__":
    main(*sys.argv[1:])
