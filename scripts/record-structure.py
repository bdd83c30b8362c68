#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records tests/golden/structure: what TransformerLens (2.x, HookedTransformer, weights as they are) says of
tiny GPT-2 and Llama models, and plain hooks on transformers of a tiny GLM-4: lenses, direct logit attribution,
activation patching.

  pip install torch transformers safetensors "transformer-lens<3"
  scripts/record-structure.py
"""
import pathlib

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODELS = ROOT / "tests/golden/models/published"
OUT = ROOT / "tests/golden/structure"
T = 9


def some_ids(vocabulary):
    g = torch.Generator().manual_seed(7)
    clean = torch.randint(8, vocabulary - 8, (T,), generator=g)
    corrupt = clean.clone()
    corrupt[2], corrupt[4] = clean[5], clean[1]
    return clean, corrupt


def answers_of(clean, corrupt):
    """What the clean input says, and the token beside it whose lead changes most."""
    a = clean[0, -1].argmax()
    change = (clean[0, -1] - clean[0, -1, a]) - (corrupt[0, -1] - corrupt[0, -1, a])
    return torch.stack([a, change.abs().argmax()])


def difference(logits, answers):
    return (logits[0, -1, answers[0]] - logits[0, -1, answers[1]]).item()


# ---- TransformerLens ----

def hooked(name, hf):
    from transformer_lens import HookedTransformer, HookedTransformerConfig
    from transformer_lens.pretrained import weight_conversions as convert
    c = hf.config
    if name == "gpt2":
        cfg = HookedTransformerConfig(
            n_layers=c.n_layer, d_model=c.n_embd, n_ctx=c.n_positions, d_head=c.n_embd // c.n_head, n_heads=c.n_head,
            d_mlp=c.n_inner or 4 * c.n_embd, d_vocab=c.vocab_size, act_fn="gelu_new", eps=c.layer_norm_epsilon,
            normalization_type="LN", original_architecture="GPT2LMHeadModel", default_prepend_bos=False)
        state = convert.convert_gpt2_weights(hf, cfg)
    else:
        cfg = HookedTransformerConfig(
            n_layers=c.num_hidden_layers, d_model=c.hidden_size, n_ctx=c.max_position_embeddings,
            d_head=c.head_dim, n_heads=c.num_attention_heads, n_key_value_heads=c.num_key_value_heads,
            d_mlp=c.intermediate_size, d_vocab=c.vocab_size, act_fn="silu", eps=c.rms_norm_eps,
            normalization_type="RMS", gated_mlp=True, final_rms=True, positional_embedding_type="rotary",
            rotary_dim=c.head_dim, rotary_adjacent_pairs=False,
            original_architecture="LlamaForCausalLM", default_prepend_bos=False)
        state = convert.convert_llama_weights(hf, cfg)
    model = HookedTransformer(cfg)
    model.load_and_process_state_dict(state, fold_ln=False, center_writing_weights=False, center_unembed=False,
                                      fold_value_biases=False)
    return model.eval()


def record_lens(name):
    from transformer_lens import patching
    hf = AutoModelForCausalLM.from_pretrained(MODELS / name, attn_implementation="eager").eval()
    model = hooked(name, hf)
    clean, corrupt = some_ids(model.cfg.d_vocab)
    with torch.no_grad():
        worst = (model(clean[None]) - hf(clean[None]).logits).abs().max().item()
        assert worst < 1e-4, worst
        logits, cache = model.run_with_cache(clean[None])
        answers = answers_of(logits, model(corrupt[None]))
        out = {"clean": clean, "corrupt": corrupt, "answers": answers,
               "values": torch.tensor([difference(logits, answers), difference(model(corrupt[None]), answers)])}
        metric = lambda x: torch.tensor(difference(x, answers))
        for what, fn in (("resid_pre", patching.get_act_patch_resid_pre), ("attn_out", patching.get_act_patch_attn_out),
                         ("mlp_out", patching.get_act_patch_mlp_out)):
            out["patch." + what] = fn(model, corrupt[None], cache, metric)
        out["patch.z"] = patching.get_act_patch_attn_head_out_all_pos(model, corrupt[None], cache, metric)
        # direct parts of the difference, at the last position
        direction = model.W_U[:, answers[0]] - model.W_U[:, answers[1]]

        def parts(stack):  # (parts, C): the last norm with its divisor held constant
            scaled = cache.apply_ln_to_stack(stack[:, None, :], layer=-1, pos_slice=-1)[:, 0]
            return (scaled * (model.ln_final.w if hasattr(model.ln_final, "w") else 1)) @ direction
        layers = range(model.cfg.n_layers)
        at = lambda site, l: cache[site, l][0, -1]
        out["direct.attn"] = parts(torch.stack([at("attn_out", l) for l in layers]))
        out["direct.mlp"] = parts(torch.stack([at("mlp_out", l) for l in layers]))
        heads = torch.stack([torch.einsum("hd,hdc->hc", cache["z", l][0, -1], model.blocks[l].attn.W_O) for l in layers])
        out["direct.head"] = parts(heads.flatten(0, 1)).view(model.cfg.n_layers, -1)
        out["direct.embed"] = parts(cache["resid_pre", 0][0, -1:]).reshape(1)
        # the logit lens, of all positions
        stream = torch.stack([cache["resid_pre", 0][0]] + [cache["resid_post", l][0] for l in layers])
        out["lens"] = model.unembed(model.ln_final(stream)).log_softmax(-1)
    save(name, out)


# ---- plain hooks ----

def record_glm():
    hf = AutoModelForCausalLM.from_pretrained(MODELS / "glm4", attn_implementation="eager").eval()
    clean, corrupt = some_ids(hf.config.vocab_size)
    layers = hf.model.layers
    sites = {"resid_pre": list(layers), "attn_out": [b.post_self_attn_layernorm for b in layers],
             "mlp_out": [b.post_mlp_layernorm for b in layers]}

    def run(ids, what=None, layer=None, value=None, position=None, keep=None):
        handles = []
        for site, modules in sites.items():
            for l, module in enumerate(modules):
                if site == "resid_pre":
                    def before(_, args, kwargs, l=l):
                        x = (args[0] if args else kwargs["hidden_states"]).clone()
                        if keep is not None:
                            keep["resid_pre", l] = x.clone()
                        if (what, layer) == ("resid_pre", l):
                            x[0, position] = value[0, position]
                        if args:
                            return (x,) + tuple(args[1:]), kwargs
                        return args, dict(kwargs, hidden_states=x)
                    handles.append(module.register_forward_pre_hook(before, with_kwargs=True))
                else:
                    def after(_, args, output, l=l, site=site):
                        if keep is not None:
                            keep[site, l] = output.clone()
                        if (what, layer) == (site, l):
                            output = output.clone()
                            output[0, position] = value[0, position]
                        return output
                    handles.append(module.register_forward_hook(after))
        with torch.no_grad():
            logits = hf(ids[None]).logits
        for h in handles:
            h.remove()
        return logits
    cache = {}
    logits = run(clean, keep=cache)
    answers = answers_of(logits, run(corrupt))
    out = {"clean": clean, "corrupt": corrupt, "answers": answers,
           "values": torch.tensor([difference(logits, answers), difference(run(corrupt), answers)])}
    for what in sites:
        out["patch." + what] = torch.tensor([[difference(run(corrupt, what, l, cache[what, l], t), answers)
                                              for t in range(T)] for l in range(len(layers))])
    with torch.no_grad():
        last = torch.cat([cache["resid_pre", l] for l in range(len(layers))] + [cache_last(hf, clean)])
        out["lens"] = hf.lm_head(hf.model.norm(last)).log_softmax(-1)
        final = last[-1, -1]
        scale = (final.pow(2).mean() + hf.model.norm.variance_epsilon).rsqrt() * hf.model.norm.weight
        direction = (hf.lm_head.weight[answers[0]] - hf.lm_head.weight[answers[1]]) * scale
        out["direct.attn"] = torch.stack([cache["attn_out", l][0, -1] @ direction for l in range(len(layers))])
        out["direct.mlp"] = torch.stack([cache["mlp_out", l][0, -1] @ direction for l in range(len(layers))])
        out["direct.embed"] = (cache["resid_pre", 0][0, -1] @ direction).reshape(1)
    save("glm4", out)


def cache_last(hf, ids):
    kept = []
    handle = hf.model.norm.register_forward_pre_hook(lambda m, args: kept.append(args[0].clone()))
    with torch.no_grad():
        hf(ids[None])
    handle.remove()
    return kept[0]


def save(name, tensors):
    OUT.mkdir(parents=True, exist_ok=True)
    tensors = {k: v.detach().clone().contiguous().to(torch.int64 if v.dtype == torch.int64 else torch.float32)
               for k, v in tensors.items()}
    save_file(tensors, OUT / f"{name}.safetensors")
    print(name, {k: tuple(v.shape) for k, v in tensors.items()})


if __name__ == "__main__":
    record_lens("gpt2")
    record_lens("llama")
    record_glm()
