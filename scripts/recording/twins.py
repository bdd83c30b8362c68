# SPDX-License-Identifier: Apache-2.0
"""Tiny random models: built from a configuration, written as GGUF, read back.

The reference is always loaded from the file that was written, dequantised and
with the conversion undone. So what is recorded belongs to the file's bytes, and
rounding by quantisation drops out.
"""
import math

import gguf
import numpy as np
import torch
from gguf.quants import dequantize, quantize
from transformers import (Gemma3ForCausalLM, Gemma3TextConfig, LlamaConfig, LlamaForCausalLM,
                          MistralConfig, MistralForCausalLM, Qwen2Config, Qwen2ForCausalLM)

TYPES = gguf.GGMLQuantizationType
CLASSES = {"llama": (LlamaConfig, LlamaForCausalLM), "qwen2": (Qwen2Config, Qwen2ForCausalLM),
           "gemma3": (Gemma3TextConfig, Gemma3ForCausalLM),
           "mistral": (MistralConfig, MistralForCausalLM)}

LAYER = {"attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj",
         "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
         "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
         "ffn_down": "mlp.down_proj"}
PRE_NORM = {"ffn_norm": "post_attention_layernorm"}
POST_NORM = {"attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm",
             "post_attention_norm": "post_attention_layernorm",
             "ffn_norm": "pre_feedforward_layernorm",
             "post_ffw_norm": "post_feedforward_layernorm"}


def names_of(arch, layers):
    """GGUF name without its ending -> name in the state dict, likewise."""
    names = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
    of_layer = LAYER | (POST_NORM if arch == "gemma3" else PRE_NORM)
    for i in range(layers):
        for short, long in of_layer.items():
            names[f"blk.{i}.{short}"] = f"model.layers.{i}.{long}"
    return names


def permute(w, heads):
    """Rows of q or k: gguf[2i + s] = original[s D/2 + i] inside each head."""
    rows = w.shape[0]
    return w.reshape(heads, 2, rows // heads // 2, -1).swapaxes(1, 2).reshape(w.shape)


def unpermute(w, heads):
    rows = w.shape[0]
    return w.reshape(heads, rows // heads // 2, 2, -1).swapaxes(1, 2).reshape(w.shape)


def convert(arch, config, name, w, back):
    if arch == "llama" and name.endswith((".attn_q", ".attn_k")):
        heads = (config.num_attention_heads if name.endswith("q")
                 else config.num_key_value_heads)
        return (unpermute if back else permute)(w, heads)
    if arch == "gemma3" and name.endswith("norm"):
        return w - np.float32(1) if back else w + np.float32(1)
    return w


def build(family, seed, spread, **options):
    """spread: of the embedding; small, or a tied head only repeats the last token."""
    config_class, model_class = CLASSES[family]
    config = config_class(attn_implementation="eager", **options)
    config.dtype = torch.float32
    model = model_class(config).eval()
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.dim() == 1:
                p.normal_(0, 0.2)
                if name.endswith("norm.weight") and family != "gemma3":
                    p.add_(1)
            elif "embed_tokens" in name:
                p.normal_(0, spread)
            else:
                p.normal_(0, 0.15 * math.sqrt(32 / p.shape[1]))
    return model


# ---- random blocks of the types that the package cannot quantise to ----

# type: (offset of d, offset of dmin or None, dmin / d that centres the values)
BLOCKS = {TYPES.Q2_K: (80, 82, 1.5), TYPES.Q3_K: (108, None, 0), TYPES.Q4_K: (0, 2, 7.5),
          TYPES.Q5_K: (0, 2, 15.5), TYPES.Q6_K: (208, None, 0), TYPES.IQ4_NL: (0, None, 0),
          TYPES.IQ4_XS: (0, None, 0)}


def put_half(blocks, at, value):
    blocks[:, at:at + 2] = np.asarray(value, np.float16).reshape(-1, 1).view(np.uint8)


def random_blocks(shape, kind, scale, seed):
    """Packed rows whose values have roughly the given standard deviation."""
    length, size = gguf.GGML_QUANT_SIZES[kind]
    rng = np.random.default_rng(seed)
    n = shape[0] * shape[1] // length
    blocks = rng.integers(0, 256, (n, size), dtype=np.uint8)
    d_at, min_at, ratio = BLOCKS[kind]

    def scaled(d):
        put_half(blocks, d_at, d)
        if min_at is not None:
            put_half(blocks, min_at, np.asarray(d) * ratio)
        return blocks.reshape(shape[0], -1)

    spread = float(dequantize(scaled(np.full(n, 0.25)), kind).std()) / 0.25
    return scaled(scale / spread * rng.uniform(0.7, 1.3, n)).copy()


# ---- files ----

def write_windows(w, arch, config):
    """Gemma's every sixth block sees all, which files do not say."""
    if not getattr(config, "sliding_window", None):
        return
    w.add_sliding_window(config.sliding_window)
    slides = [kind == "sliding_attention" for kind in getattr(config, "layer_types", None) or []]
    if slides and (arch != "gemma3" or slides != [(i + 1) % 6 > 0 for i in range(len(slides))]):
        w.add_sliding_window_pattern(slides)


def write_rope(w, rope):
    kind = rope.get("rope_type")
    w.add_rope_freq_base(rope["rope_theta"])
    if kind == "linear":
        w.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        w.add_rope_scaling_factor(rope["factor"])
    if kind == "yarn":
        w.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        w.add_rope_scaling_factor(rope["factor"])
        w.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
        if rope.get("attention_factor"):
            w.add_rope_scaling_yarn_attn_factor(rope["attention_factor"])
        if rope.get("mscale_all_dim"):
            w.add_rope_scaling_yarn_log_mul(rope["mscale_all_dim"])
        if rope.get("beta_fast"):
            w.add_rope_scaling_yarn_beta_fast(rope["beta_fast"])
            w.add_rope_scaling_yarn_beta_slow(rope["beta_slow"])


def write_keys(w, arch, config, vocabulary, title, rope):
    w.add_name(title)
    w.add_context_length(config.max_position_embeddings)
    w.add_embedding_length(config.hidden_size)
    w.add_block_count(config.num_hidden_layers)
    w.add_feed_forward_length(config.intermediate_size)
    w.add_head_count(config.num_attention_heads)
    w.add_head_count_kv(config.num_key_value_heads)
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    if width * config.num_attention_heads != config.hidden_size:
        w.add_key_length(width)
        w.add_value_length(width)
        w.add_rope_dimension_count(width)
    w.add_layer_norm_rms_eps(config.rms_norm_eps)
    w.add_vocab_size(config.vocab_size)
    write_windows(w, arch, config)
    if arch == "gemma3":
        if config.final_logit_softcapping:
            w.add_final_logit_softcapping(config.final_logit_softcapping)
        rope = config.rope_parameters["full_attention"]
    write_rope(w, rope)
    vocabulary.write(w)


def write_file(path, arch, model, vocabulary, title, kinds, rope, seed):
    """kinds: GGUF name without layer -> type; "" is the default of matrices."""
    config = model.config
    w = gguf.GGUFWriter(str(path), arch)
    write_keys(w, arch, config, vocabulary, title, rope)
    if rope.get("rope_type") == "llama3":
        plain = 1 / rope["rope_theta"] ** (np.arange(0, config.head_dim, 2) / config.head_dim)
        inverse = model.model.rotary_emb.inv_freq.numpy()
        w.add_tensor("rope_freqs.weight", (plain / inverse).astype(np.float32))
    state = model.state_dict()
    count = 0
    for name, long in names_of(arch, config.num_hidden_layers).items():
        if name == "output" and config.tie_word_embeddings:
            continue
        for end in ("weight", "bias"):
            if f"{long}.{end}" not in state:
                continue
            values = state[f"{long}.{end}"].numpy()
            values = np.ascontiguousarray(convert(arch, config, name, values, back=False))
            kind = kinds.get(name.split(".")[-1], kinds.get("", TYPES.F32))
            count += 1
            if values.ndim == 1 or kind == TYPES.F32:
                w.add_tensor(f"{name}.{end}", values.astype(np.float32))
            elif kind in BLOCKS:
                packed = random_blocks(values.shape, kind, float(values.std()),
                                       1000 * seed + count)
                w.add_tensor(f"{name}.{end}", packed, raw_dtype=kind)
            else:
                w.add_tensor(f"{name}.{end}", quantize(values, kind), raw_dtype=kind)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def load_file(path, arch, model):
    """Puts the file's dequantised values into the model."""
    config = model.config
    names = names_of(arch, config.num_hidden_layers)
    state = {}
    for t in gguf.GGUFReader(str(path)).tensors:
        if t.name == "rope_freqs.weight":
            continue
        short, end = t.name.rsplit(".", 1)
        values = dequantize(t.data, t.tensor_type).astype(np.float32)
        values = np.ascontiguousarray(convert(arch, config, short, values, back=True))
        state[f"{names[short]}.{end}"] = torch.from_numpy(values.copy())
    if config.tie_word_embeddings:
        state["lm_head.weight"] = state["model.embed_tokens.weight"]
    model.load_state_dict(state, strict=True)
