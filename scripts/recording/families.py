# SPDX-License-Identifier: Apache-2.0
"""Decoder families beside llama, qwen2 and gemma3: how each is built, written and hooked.

A family says which modules of a layer play which part (`parts`) and which GGUF
tensors they become (`tensors`). Rows of a matrix are quantised one by one, so a
packed twin is made by rounding the reference's own matrices first; reading the
file back proves that it holds the same values.
"""
import math
from types import SimpleNamespace as Parts

import gguf
import numpy as np
import torch
import transformers as tf
from gguf.quants import dequantize, quantize

from recording import sites

TYPES = gguf.GGMLQuantizationType


def cat(*modules, end="weight"):
    values = [getattr(m, end) for m in modules]
    return None if values[0] is None else torch.cat(values)


# ---- the parts of a layer ----

def llama_parts(layer):
    a, m = layer.self_attn, layer.mlp
    p = Parts(norm1=layer.input_layernorm, norm2=layer.post_attention_layernorm,
              q=a.q_proj, k=a.k_proj, v=a.v_proj, o=a.o_proj)
    p.q_norm, p.k_norm = getattr(a, "q_norm", None), getattr(a, "k_norm", None)
    if hasattr(m, "experts"):
        p.moe = m
    else:
        p.gate, p.up, p.down = getattr(m, "gate_proj", None), getattr(m, "up_proj", None), m.down_proj
        p.gate_up = getattr(m, "gate_up_proj", None)
    return p


def gemma2_parts(layer):
    p = llama_parts(layer)
    p.norm1_post, p.norm2 = layer.post_attention_layernorm, layer.pre_feedforward_layernorm
    p.norm2_post = layer.post_feedforward_layernorm
    return p


def glm4_parts(layer):
    p = llama_parts(layer)
    p.norm1_post, p.norm2_post = layer.post_self_attn_layernorm, layer.post_mlp_layernorm
    return p


def phi3_parts(layer):
    a, m = layer.self_attn, layer.mlp
    return Parts(norm1=layer.input_layernorm, norm2=layer.post_attention_layernorm, qkv=a.qkv_proj,
                 o=a.o_proj, gate_up=m.gate_up_proj, down=m.down_proj)


def gpt2_parts(layer):
    return Parts(norm1=layer.ln_1, norm2=layer.ln_2, qkv=layer.attn.c_attn, o=layer.attn.c_proj,
                 fc=layer.mlp.c_fc, down=layer.mlp.c_proj)


def gptneox_parts(layer):
    a, m = layer.attention, layer.mlp
    return Parts(norm1=layer.input_layernorm, norm2=layer.post_attention_layernorm,
                 qkv_by_head=a.query_key_value, o=a.dense, fc=m.dense_h_to_4h,
                 down=m.dense_4h_to_h, parallel=layer.use_parallel_residual)


# ---- their tensors ----

def both(name, module, turn=lambda x: x):
    yield name + ".weight", turn(module.weight)
    if getattr(module, "bias", None) is not None:
        yield name + ".bias", module.bias


def by_parts(w, heads):
    """Rows [head][q, k, v][D] -> [q, k, v][head][D]."""
    return w.reshape(heads, 3, -1, *w.shape[1:]).transpose(0, 1).reshape(w.shape)


def layer_tensors(p, family, config):
    plus = 1 if family.get("plus_one") else 0
    turn = (lambda w: w.t()) if family.get("conv1d") else (lambda w: w)

    def norm(name, module):
        yield name + ".weight", module.weight + plus
        if getattr(module, "bias", None) is not None:
            yield name + ".bias", module.bias
    yield from norm("attn_norm", p.norm1)
    yield from norm(family.get("norm2", "ffn_norm"), p.norm2)
    if hasattr(p, "norm1_post"):
        yield from norm("post_attention_norm", p.norm1_post)
        yield from norm("post_ffw_norm", p.norm2_post)
    for name in ("q_norm", "k_norm"):
        if getattr(p, name, None) is not None:
            yield from norm("attn_" + name, getattr(p, name))
    if hasattr(p, "qkv"):
        yield from both("attn_qkv", p.qkv, turn)
    elif hasattr(p, "qkv_by_head"):
        heads = config.num_attention_heads
        yield "attn_qkv.weight", by_parts(p.qkv_by_head.weight, heads)
        yield "attn_qkv.bias", by_parts(p.qkv_by_head.bias, heads)
    elif family.get("fuse"):
        yield "attn_qkv.weight", cat(p.q, p.k, p.v)
        if p.q.bias is not None:
            yield "attn_qkv.bias", cat(p.q, p.k, p.v, end="bias")
    else:
        for name in "qkv":
            yield from both("attn_" + name, getattr(p, name))
    yield from both("attn_output", p.o, turn)
    if hasattr(p, "moe"):
        yield from expert_tensors(p.moe)
        return
    if hasattr(p, "fc"):
        yield from both("ffn_up", p.fc, turn)
    elif getattr(p, "gate_up", None) is not None:
        yield from both("ffn_up", p.gate_up)
    else:
        yield from both("ffn_gate", p.gate)
        yield from both("ffn_up", p.up)
    yield from both("ffn_down", p.down, turn)


def expert_tensors(moe):
    gate_up = moe.experts.gate_up_proj
    half = gate_up.shape[1] // 2
    yield "ffn_gate_inp.weight", moe.gate.weight
    yield "ffn_gate_exps.weight", gate_up[:, :half]
    yield "ffn_up_exps.weight", gate_up[:, half:]
    yield "ffn_down_exps.weight", moe.experts.down_proj
    if hasattr(moe.gate, "e_score_correction_bias"):
        yield "exp_probs_b.bias", moe.gate.e_score_correction_bias
    if hasattr(moe, "shared_experts"):
        for name in ("gate", "up", "down"):
            yield f"ffn_{name}_shexp.weight", getattr(moe.shared_experts, name + "_proj").weight


# ---- families ----

SMALL = dict(hidden_size=32, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, head_dim=8, max_position_embeddings=64, rms_norm_eps=1e-5)
WIDE = SMALL | dict(hidden_size=64, intermediate_size=64, num_hidden_layers=1, head_dim=16)
EXPERTS = dict(moe_intermediate_size=32, num_experts_per_tok=2, norm_topk_prob=True)
GPT2 = dict(n_embd=32, n_layer=2, n_head=4, n_positions=64, n_inner=40)
NEOX = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=40,
            max_position_embeddings=64, tie_word_embeddings=False)


def rope(base=10000.0, **more):
    return {"rope_parameters": {"rope_type": "default", "rope_theta": base} | more}


def long_rope(original):
    """Divisors of four frequencies, near and far."""
    return rope(rope_type="longrope", short_factor=[1.0, 1.1, 1.3, 1.7],
                long_factor=[1.0, 2.5, 6.0, 20.0],
                original_max_position_embeddings=original) | {
                    "original_max_position_embeddings": original}


LLAMA = dict(parts=llama_parts)
GLM = LLAMA | dict(arch="chatglm", fuse=True, classes=(tf.GlmConfig, tf.GlmForCausalLM))
GLM4 = GLM | dict(arch="glm4", parts=glm4_parts, classes=(tf.Glm4Config, tf.Glm4ForCausalLM))
QWEN3 = LLAMA | dict(arch="qwen3", classes=(tf.Qwen3Config, tf.Qwen3ForCausalLM))
QWEN3MOE = LLAMA | dict(arch="qwen3moe", classes=(tf.Qwen3MoeConfig, tf.Qwen3MoeForCausalLM))
GLM4MOE = LLAMA | dict(arch="glm4moe", norm2="post_attention_norm",
                       classes=(tf.Glm4MoeConfig, tf.Glm4MoeForCausalLM))
GEMMA2 = dict(arch="gemma2", parts=gemma2_parts, plus_one=True,
              classes=(tf.Gemma2Config, tf.Gemma2ForCausalLM))
GEMMA3 = GEMMA2 | dict(arch="gemma3", classes=(tf.Gemma3TextConfig, tf.Gemma3ForCausalLM))
PHI3 = dict(arch="phi3", parts=phi3_parts, classes=(tf.Phi3Config, tf.Phi3ForCausalLM))
GPT = dict(arch="gpt2", parts=gpt2_parts, conv1d=True, layer_norm=True,
           classes=(tf.GPT2Config, tf.GPT2LMHeadModel))
GPTNEOX = dict(arch="gptneox", parts=gptneox_parts, layer_norm=True,
               classes=(tf.GPTNeoXConfig, tf.GPTNeoXForCausalLM))

CASES = {
    "qwen3": QWEN3 | dict(options=SMALL | dict(head_dim=12, tie_word_embeddings=True) | rope(1e6),
                          full=True, one=True),
    "gemma2": GEMMA2 | dict(options=SMALL | dict(
        num_hidden_layers=3, head_dim=12, sliding_window=4, query_pre_attn_scalar=12,
        attn_logit_softcapping=3.0, final_logit_softcapping=5.0) | rope(), full=True, one=True),
    "gemma3-text": GEMMA3 | dict(options=SMALL | dict(
        num_hidden_layers=3, head_dim=12, sliding_window=4, query_pre_attn_scalar=9,
        layer_types=["sliding_attention", "sliding_attention", "full_attention"],
        rope_parameters={"full_attention": {"rope_type": "linear", "factor": 4.0,
                                            "rope_theta": 1e6},
                         "sliding_attention": {"rope_type": "default", "rope_theta": 1e4}}),
        published=True),
    "phi3": PHI3 | dict(options=SMALL | dict(sliding_window=5, tie_word_embeddings=False) | rope(),
                        full=True),
    "phi3-partial": PHI3 | dict(options=SMALL | dict(tie_word_embeddings=False, head_dim=16,
                                                     hidden_size=64, sliding_window=None)
                                | rope(partial_rotary_factor=0.75)),
    "phi3-short": PHI3 | dict(published=True, options=SMALL | dict(tie_word_embeddings=False, sliding_window=None)
                              | long_rope(32)),
    "phi3-long": PHI3 | dict(published=True, options=SMALL | dict(tie_word_embeddings=False, sliding_window=None)
                             | long_rope(8)),
    "gpt2": GPT | dict(options=GPT2, full=True, one=True),
    "gptneox": GPTNEOX | dict(options=NEOX | rope(partial_rotary_factor=0.25), full=True, one=True),
    "gptneox-sequential": GPTNEOX | dict(options=NEOX | dict(use_parallel_residual=False)
                                         | rope(partial_rotary_factor=0.5)),
    "chatglm": GLM | dict(options=SMALL | dict(attention_bias=True,
                                               tie_word_embeddings=False)
                          | rope(partial_rotary_factor=0.5), full=True, one=True),
    "glm4": GLM4 | dict(options=SMALL | dict(attention_bias=True, tie_word_embeddings=False)
                        | rope(partial_rotary_factor=0.5), full=True, one=True),
    "glm4moe": GLM4MOE | dict(options=SMALL | EXPERTS | dict(
        num_hidden_layers=3, num_local_experts=6, n_routed_experts=6, n_shared_experts=1, n_group=1,
        topk_group=1, routed_scaling_factor=1.5, first_k_dense_replace=1, use_qk_norm=True,
        attention_bias=True, tie_word_embeddings=False) | rope(partial_rotary_factor=0.5),
        full=True, one=True),
    "qwen3moe": QWEN3MOE | dict(options=SMALL | EXPERTS | dict(num_experts=5,
                                                               tie_word_embeddings=False)
                                | rope(1e6), full=True),
    "glm4-q4_1": GLM4 | dict(options=WIDE | dict(attention_bias=False, tie_word_embeddings=False)
                             | rope(partial_rotary_factor=0.5), kind=TYPES.Q4_1),
    "glm4moe-q8_0": GLM4MOE | dict(options=WIDE | EXPERTS | dict(
        num_local_experts=4, n_routed_experts=4, n_shared_experts=2, n_group=1, topk_group=1,
        routed_scaling_factor=1.0, first_k_dense_replace=0, use_qk_norm=False, attention_bias=True,
        tie_word_embeddings=False) | rope(partial_rotary_factor=0.5), kind=TYPES.Q8_0),
    "gptneox-f16": GPTNEOX | dict(options=NEOX | rope(partial_rotary_factor=0.25), kind=TYPES.F16),
    "gpt2-q5_0": GPT | dict(options=GPT2 | dict(n_embd=64, n_inner=64, n_layer=1),
                            kind=TYPES.Q5_0),
}


def base_of(model):
    return getattr(model, model.base_model_prefix)


def layers_of(model):
    base = base_of(model)
    return base.h if hasattr(base, "h") else base.layers


def head_of(model):
    return getattr(model, "embed_out", None) or model.lm_head


def embedding_of(model):
    return model.get_input_embeddings()


def final_norm_of(model):
    base = base_of(model)
    for name in ("norm", "ln_f", "final_layer_norm"):
        if hasattr(base, name):
            return getattr(base, name)
    raise SystemExit("families: no final norm")


def build(family, seed, spread, **options):
    config_class, model_class = family["classes"]
    config = config_class(attn_implementation="eager", **family["options"], **options)
    config._experts_implementation = "eager"
    config.dtype = torch.float32
    model = model_class(config).eval()
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, p in [*model.named_parameters(), *model.named_buffers()]:
            if p.dim() == 1 and "inv_freq" not in name:
                p.normal_(0, 0.2)
                if "norm" in name or "ln_" in name:
                    p.add_(1 if name.endswith("weight") and not family.get("plus_one") else 0)
            elif p.dim() > 1:
                tied = p is embedding_of(model).weight
                width = p.shape[0] if family.get("conv1d") and ".h." in name else p.shape[-1]
                p.normal_(0, spread if tied else 0.15 * math.sqrt(32 / width))
        if family.get("kind"):
            round_matrices(model, family)
    return model


def packed(values, kind):
    return dequantize(quantize(values, kind), kind).astype(np.float32)


def round_matrices(model, family):
    for name, p in model.named_parameters():
        if p.dim() < 2 or "wpe" in name or name.endswith("gate.weight"):
            continue
        turn = family.get("conv1d") and ".h." in name
        values = (p.t() if turn else p).contiguous().numpy()
        rounded = torch.from_numpy(packed(values, family["kind"]).copy())
        p.copy_(rounded.t() if turn else rounded)


# ---- files ----

def all_tensors(model, family):
    scaling = getattr(model.config, "rope_parameters", None) or {}
    if scaling.get("rope_type") == "longrope":
        for which in ("short", "long"):
            yield f"rope_factors_{which}.weight", torch.tensor(scaling[which + "_factor"])
    yield "token_embd.weight", embedding_of(model).weight
    if family["arch"] == "gpt2":
        yield "position_embd.weight", base_of(model).wpe.weight
    for i, layer in enumerate(layers_of(model)):
        for name, value in layer_tensors(family["parts"](layer), family, model.config):
            yield f"blk.{i}.{name}", value
    norm = final_norm_of(model)
    yield "output_norm.weight", norm.weight + (1 if family.get("plus_one") else 0)
    if getattr(norm, "bias", None) is not None:
        yield "output_norm.bias", norm.bias
    if head_of(model).weight is not embedding_of(model).weight:
        yield "output.weight", head_of(model).weight


def write_keys(w, family, config):
    heads = config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // heads
    w.add_context_length(config.max_position_embeddings)
    w.add_embedding_length(config.hidden_size)
    w.add_block_count(config.num_hidden_layers)
    w.add_feed_forward_length(getattr(config, "intermediate_size", None) or config.n_inner)
    w.add_head_count(heads)
    w.add_head_count_kv(getattr(config, "num_key_value_heads", heads))
    if width * heads != config.hidden_size:
        w.add_key_length(width)
        w.add_value_length(width)
    if family.get("layer_norm"):
        w.add_layer_norm_eps(getattr(config, "layer_norm_eps", None) or config.layer_norm_epsilon)
    else:
        w.add_layer_norm_rms_eps(config.rms_norm_eps)
    rope = getattr(config, "rope_parameters", None)
    if family["arch"] == "gemma3":
        w.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        w.add_rope_scaling_factor(rope["full_attention"]["factor"])
        w.add_sliding_window_pattern([t == "sliding_attention" for t in config.layer_types])
        w.add_attention_scale(config.query_pre_attn_scalar ** -0.5)
        rope = rope["full_attention"]
    if rope:
        w.add_rope_freq_base(rope["rope_theta"])
        w.add_rope_dimension_count(int(width * rope.get("partial_rotary_factor", 1)))
    if rope and rope["rope_type"] == "longrope":
        original = rope["original_max_position_embeddings"]
        w.add_rope_scaling_orig_ctx_len(original)
        w.add_rope_scaling_attn_factors(math.sqrt(
            1 + math.log(config.max_position_embeddings / original) / math.log(original)))
    if family["arch"] in ("gemma2", "gemma3", "phi3") and config.sliding_window:
        w.add_sliding_window(config.sliding_window)
    if family["arch"] == "gemma2":
        w.add_attn_logit_softcapping(config.attn_logit_softcapping)
        w.add_final_logit_softcapping(config.final_logit_softcapping)
    if family["arch"] == "gptneox":
        w.add_parallel_residual(config.use_parallel_residual)
    if family["arch"] in ("glm4moe", "qwen3moe"):
        count = getattr(config, "num_local_experts", None) or config.num_experts
        w.add_expert_count(count)
        w.add_expert_used_count(config.num_experts_per_tok)
        w.add_expert_feed_forward_length(config.moe_intermediate_size)
    if family["arch"] == "glm4moe":
        w.add_expert_shared_count(config.n_shared_experts)
        w.add_leading_dense_block_count(config.first_k_dense_replace)
        w.add_expert_gating_func(gguf.ExpertGatingFuncType.SIGMOID)
        w.add_expert_weights_scale(config.routed_scaling_factor)
        w.add_expert_weights_norm(config.norm_topk_prob)


def write_file(path, model, family, vocabulary, title):
    w = gguf.GGUFWriter(str(path), family["arch"])
    w.add_name(title)
    w.add_vocab_size(model.config.vocab_size)
    write_keys(w, family, model.config)
    vocabulary.write(w)
    kind, held = family.get("kind"), {}
    for name, value in all_tensors(model, family):
        value = np.ascontiguousarray(value.detach().numpy().astype(np.float32))
        held[name] = value
        if kind is None or value.ndim == 1 or name.startswith("position") or "gate_inp" in name:
            w.add_tensor(name, value)
        else:
            w.add_tensor(name, quantize(value, kind), raw_dtype=kind)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    for t in gguf.GGUFReader(str(path)).tensors:
        have = dequantize(t.data, t.tensor_type).astype(np.float32)
        assert np.array_equal(have, held[t.name]), t.name


# ---- sites ----

class Recorder(sites.Recorder):
    def __init__(self, model, family):
        config = model.config
        self.model, self.family = model, family
        self.sites, self.nodes, self.visible = {}, {}, {}
        self.width = (getattr(config, "head_dim", None) or
                      config.hidden_size // config.num_attention_heads)
        self.heads_kv = getattr(config, "num_key_value_heads", config.num_attention_heads)
        self.heads_q = config.num_attention_heads
        self.cap = getattr(config, "attn_logit_softcapping", None)
        self.eps = (getattr(config, "rms_norm_eps", None) or
                    getattr(config, "layer_norm_eps", None) or config.layer_norm_epsilon)

    def keep_norm(self, name, x):
        if not self.family.get("layer_norm"):
            return super().keep_norm(name, x)
        x = x - x.mean(-1, keepdim=True)
        scale = (x.pow(2).mean(-1, keepdim=True) + self.eps).sqrt()
        self.sites[name + ".hook_scale"] = scale[0]
        self.sites[name + ".hook_normalized"] = (x / scale)[0]

    def attention(self, module, query, key, value, mask, scaling=None, **_):
        at = f"blocks.{module.layer_idx}.attn."
        groups, T = query.shape[1] // key.shape[1], query.shape[2]
        scaling = scaling or query.shape[-1] ** -0.5
        scores = torch.matmul(query, key.repeat_interleave(groups, 1).transpose(2, 3)) * scaling
        if self.cap:
            scores = torch.tanh(scores / self.cap) * self.cap
        visible = torch.ones(T, T, dtype=torch.bool).tril()
        if mask is not None:
            visible = mask[0, 0, :, :T] == 0
        scores = scores.masked_fill(~visible, float("-inf"))
        pattern = scores.softmax(-1)
        self.sites[at + "hook_attn_scores"] = scores[0]
        self.keep(at + "hook_pattern", pattern)
        self.visible[at + "hook_pattern"] = visible
        if self.family["arch"] != "gpt2":
            for which, x in (("q", query), ("k", key)):
                self.nodes[f"{at}hook_rot_{which}"] = x
                self.sites[f"{at}hook_rot_{which}"] = x[0].transpose(0, 1)
        z = torch.matmul(pattern, value.repeat_interleave(groups, 1))
        return z.transpose(1, 2).contiguous(), pattern

    def split(self, at, by_head):
        def hook(module, args, out):
            x = out[0]
            if by_head:
                x = x.reshape(x.shape[0], self.heads_q, 3, self.width).transpose(1, 2).flatten(1)
            D, at_row = self.width, 0
            for name, heads in (("q", self.heads_q), ("k", self.heads_kv), ("v", self.heads_kv)):
                self.sites[f"{at}hook_{name}"] = x[:, at_row:at_row + heads * D].reshape(
                    -1, heads, D)
                at_row += heads * D
        return hook

    def before_o(self, at):
        def hook(module, args):
            z = args[0]
            self.keep(at + "hook_z", z, (z.shape[1], -1, self.width))
            w = module.weight.t() if self.family.get("conv1d") else module.weight
            w = w.reshape(w.shape[0], self.heads_q, self.width)
            self.sites[at + "hook_result"] = torch.einsum(
                "thd,chd->thc", self.sites[at + "hook_z"], w)
        return hook

    def halves(self, at):
        def hook(module, args, out):
            a, b = out.chunk(2, dim=-1)
            self.sites[at + "hook_pre"], self.sites[at + "hook_pre_linear"] = a[0], b[0]
        return hook

    def hook_experts(self, at, p):
        def routed(module, args, out):
            logits, weights, indices = out
            self.sites[at + "mlp.hook_router_logits"] = logits
            dense = torch.zeros_like(logits).scatter(1, indices, weights)
            self.sites[at + "mlp.hook_expert_weights"] = dense
        yield p.moe.gate, "", routed
        yield p.moe, "", self.output(at + "hook_mlp_out")

    def hook_mlp(self, at, p, before):
        if hasattr(p, "moe"):
            yield from self.hook_experts(at, p)
            return
        if hasattr(p, "fc"):
            yield p.fc, "", self.output(at + "mlp.hook_pre")
        elif getattr(p, "gate_up", None) is not None:
            yield p.gate_up, "", self.halves(at + "mlp.")
        else:
            yield p.gate, "", self.output(at + "mlp.hook_pre")
            yield p.up, "", self.output(at + "mlp.hook_pre_linear")
        yield p.down, before, lambda m, a: self.keep(at + "mlp.hook_post", a[0])
        yield getattr(p, "norm2_post", p.down), "", self.output(at + "hook_mlp_out")

    def hook_layer(self, i, layer):
        at, p, before = f"blocks.{i}.", self.family["parts"](layer), "register_forward_pre_hook"
        yield layer, before, lambda m, a: self.keep(at + "hook_resid_pre", a[0])
        yield layer, "", lambda m, a, o: self.keep(
            at + "hook_resid_post", o[0] if isinstance(o, tuple) else o)
        yield p.norm1, before, self.norm_input(at + "ln1")
        yield p.norm2, before, self.norm_input(at + "ln2")
        if hasattr(p, "qkv"):
            yield p.qkv, "", self.split(at + "attn.", False)
        elif hasattr(p, "qkv_by_head"):
            yield p.qkv_by_head, "", self.split(at + "attn.", True)
        else:
            for name in "qkv":
                yield getattr(p, name), "", self.heads(f"{at}attn.hook_{name}")
        for name in "qk":
            if getattr(p, name + "_norm", None) is not None:
                yield (getattr(p, name + "_norm"), "",
                       lambda m, a, o, n=f"{at}attn.hook_{name}_normed":
                       self.sites.__setitem__(n, o[0] if o.shape[1] == self.T
                                              else o[0].transpose(0, 1)))
        yield p.o, before, self.before_o(at + "attn.")
        yield getattr(p, "norm1_post", p.o), "", self.output(at + "hook_attn_out")
        if hasattr(p, "norm1_post"):
            yield p.norm1_post, before, self.norm_input(at + "ln1_post")
            yield p.norm2_post, before, self.norm_input(at + "ln2_post")
        if not getattr(p, "parallel", False):
            yield p.norm2, before, lambda m, a: self.keep(at + "hook_resid_mid", a[0])
        yield from self.hook_mlp(at, p, before)

    def modules(self):
        yield embedding_of(self.model), "", self.output("hook_embed")
        if self.family["arch"] == "gpt2":
            yield base_of(self.model).wpe, "", lambda m, a, o: self.sites.__setitem__(
                "hook_pos_embed", o.reshape(-1, o.shape[-1]))
        for i, layer in enumerate(layers_of(self.model)):
            yield from self.hook_layer(i, layer)
        yield (final_norm_of(self.model), "register_forward_pre_hook",
               self.norm_input("ln_final"))

    def run(self, ids):
        self.T = len(ids)
        return super().run(ids)
