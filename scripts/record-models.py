#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Record tiny random models and what the reference packages compute on them.

    scripts/record-models.py [NAME...]     tiny models, all or by name
    scripts/record-models.py --real        real files that scripts/fetch has fetched

Writes tests/golden/models/NAME.gguf with NAME.safetensors beside it, and
tests/golden/models/real/*.safetensors. tests/golden/models/README.md says what
the tensors mean. Needs the packages of bench/requirements.txt; the tests only
read what is recorded.
"""
import argparse
import json
import pathlib
import sys

import captum
import gguf
import torch
import transformers
from safetensors.torch import save_file

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from recording import attribution, real, sites, twins, vocabularies  # noqa: E402

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "models"
TYPES = twins.TYPES
TEXT = "the light and the river and the bridge"

SMALL = dict(hidden_size=32, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, head_dim=8, max_position_embeddings=64, rms_norm_eps=1e-5,
             tie_word_embeddings=True)
PACKED = SMALL | dict(hidden_size=64, intermediate_size=64, num_hidden_layers=1, head_dim=16)
BLOCKS = SMALL | dict(hidden_size=256, intermediate_size=256, num_hidden_layers=1, head_dim=64,
                      num_key_value_heads=1)
PUBLISHED = ("llama", "llama-untied", "llama-llama3", "llama-linear", "llama-yarn", "llama-biases",
             "qwen2")  # also as directories
PLAIN = {"rope_type": "default", "rope_theta": 10000.0}
GEMMA_ROPE = {"full_attention": {"rope_type": "default", "rope_theta": 1e6},
              "sliding_attention": {"rope_type": "default", "rope_theta": 1e4}}


def case(arch, pre, options, rope=None, kinds=None, **more):
    return dict(arch=arch, pre=pre, options=options, rope=rope or PLAIN, kinds=kinds or {},
                full=not kinds, **more)


def all_cases():
    cases = {
        "llama": case("llama", "smollm", SMALL, one=True, captum=True),
        "llama-untied": case("llama", "gpt-2", SMALL | dict(
            num_key_value_heads=4, tie_word_embeddings=False)),
        "llama-llama3": case("llama", "smollm", SMALL | dict(head_dim=16), {
            "rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0,
            "high_freq_factor": 4.0, "original_max_position_embeddings": 32}),
        "llama-linear": case("llama", "smollm", SMALL | dict(
            head_dim=12, tie_word_embeddings=False), {
                "rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0}),
        "llama-yarn": case("llama", "smollm", SMALL | dict(head_dim=16), {
            "rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0,
            "original_max_position_embeddings": 16}),
        "qwen2": case("qwen2", "qwen2", SMALL | dict(
            num_key_value_heads=1, tie_word_embeddings=False, rms_norm_eps=1e-6),
            {"rope_type": "default", "rope_theta": 1e6}, one=True, captum=True),
        "gemma3": case("gemma3", None, SMALL | dict(
            num_hidden_layers=7, num_key_value_heads=1, head_dim=12, sliding_window=4,
            query_pre_attn_scalar=12, rms_norm_eps=1e-6), GEMMA_ROPE, one=True, captum=True,
            text="was the sand in the sand"),
        "llama-biases": case("llama", "smollm", SMALL | dict(attention_bias=True, mlp_bias=True)),
        "llama-wide": case("llama", "smollm", SMALL | dict(
            hidden_size=16, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2,
            num_key_value_heads=1, head_dim=194)),
        "llama-yarn-given": case("llama", "smollm", SMALL | dict(
            head_dim=16, num_hidden_layers=1), {
                "rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "beta_fast": 16.0,
                "beta_slow": 2.0, "attention_factor": 1.4,
                "original_max_position_embeddings": 16}),
        "mistral": case("llama", "smollm", SMALL | dict(sliding_window=3, head_dim=12),
                        family="mistral"),
        "qwen2-window": case("qwen2", "qwen2", SMALL | dict(
            num_hidden_layers=3, use_sliding_window=True, sliding_window=3, max_window_layers=1),
            {"rope_type": "default", "rope_theta": 1e6}),
        "gemma3-pattern": case("gemma3", None, SMALL | dict(
            num_hidden_layers=3, head_dim=12, sliding_window=3, query_pre_attn_scalar=12,
            rms_norm_eps=1e-6, final_logit_softcapping=3.0,
            layer_types=["full_attention", "sliding_attention", "full_attention"]),
            GEMMA_ROPE | {"full_attention": {"rope_type": "linear", "rope_theta": 1e6,
                                             "factor": 8.0}},
            text="was the sand in the sand"),
        "llama-kquants": case("llama", "smollm", BLOCKS, kinds={
            "token_embd": TYPES.Q6_K, "attn_q": TYPES.Q4_K, "attn_k": TYPES.Q2_K,
            "attn_v": TYPES.Q5_K, "attn_output": TYPES.Q3_K, "ffn_gate": TYPES.IQ4_XS,
            "ffn_up": TYPES.IQ4_NL, "ffn_down": TYPES.Q4_K}),
    }
    for kind in (TYPES.Q4_0, TYPES.Q4_1, TYPES.Q5_0, TYPES.Q5_1, TYPES.Q8_0, TYPES.F16,
                 TYPES.BF16):
        cases[f"llama-{kind.name.lower()}"] = case("llama", "smollm", PACKED, kinds={"": kind})
    return cases


def facts(name, c, text, seed, model):
    config = {k: v for k, v in model.config.to_diff_dict().items() if k != "transformers_version"}
    versions = {p.__name__: p.__version__ for p in (torch, transformers, captum)}
    versions["gguf"] = getattr(gguf, "__version__", "0.19.0")
    return {"model": f"{name}.gguf", "text": text,
            "json": json.dumps({"architecture": c["arch"], "seed": seed, "config": config,
                                "versions": versions}, default=str, sort_keys=True)}


def store(path, tensors, metadata):
    plain = {}
    for name, t in tensors.items():
        t = t.detach()
        t = t.to(torch.int64) if not t.is_floating_point() else t.to(torch.float32)
        plain[name] = t.contiguous().clone()
    save_file(plain, path, metadata)
    path.chmod(0o644)


def record_sites(model, ids, names):
    recorder = sites.Recorder(model)
    logits = recorder.run(ids)
    sites.check_against_package(model, ids, logits)
    last = logits[-1]
    target = int(last.argmax())
    foil = int(last.topk(2).indices[1])
    wanted = ["hook_embed"] + [n for n in recorder.nodes
                               if n.startswith("blocks.") and n.split(".", 2)[2] in names]
    out = {"ids": torch.tensor(ids), "target": torch.tensor([target, foil])}
    out |= recorder.sites
    for name, g in recorder.gradients(last[target], wanted).items():
        out["grad." + name] = g
    logprob = last.log_softmax(-1)[target]
    for prefix, value in (("grad.logprob.", logprob), ("grad.contrast.", last[target] - last[foil])):
        out[prefix + "hook_embed"] = recorder.gradients(value, ["hook_embed"])["hook_embed"]
    return out, target


def make(name, c, seed):
    """Writes the file; returns the model with its values, and its vocabulary."""
    vocabulary = (vocabularies.ByteLevel(c["pre"]) if c["pre"] else vocabularies.Scored())
    options = c["options"] | dict(vocab_size=len(vocabulary.tokens), bos_token_id=1,
                                  eos_token_id=2, pad_token_id=None)
    if c["arch"] == "qwen2":
        options = {k: v for k, v in options.items() if k != "head_dim"}
    model = twins.build(c.get("family", c["arch"]), seed, 0.15 if c["full"] else 0.03, rope_parameters=c["rope"],
                        **options)
    path = OUT / f"{name}.gguf"
    twins.write_file(path, c["arch"], model, vocabulary, name, c["kinds"], c["rope"],
                     seed)
    twins.load_file(path, c["arch"], model)
    return model, vocabulary


def record(name, c):
    for seed in range(1, 100):
        model, vocabulary = make(name, c, seed)
        text, ids = vocabularies.text_of_length(vocabulary, c.get("text", TEXT), 11)
        generated = sites.greedy(model, ids, 16)
        if min(generated) >= 8 and len(set(generated)) > 5:
            break
    else:
        sys.exit(f"record-models: no seed of {name} writes a varied text")
    if name in PUBLISHED:
        vocabulary.publish(OUT / "published" / name, model)
    names = sites.MORE_GRADIENTS if c["full"] else sites.GRADIENTS
    tensors, target = record_sites(model, ids, names)
    assert len(set(ids)) < len(ids), "one id should occur twice"
    if not c["full"]:
        tensors = {k: v for k, v in tensors.items() if not k.endswith("hook_result")}
    tensors["generate"] = torch.tensor(generated)
    if c.get("captum"):
        tensors |= attribution.record(model, ids, target, vocabulary.encode(" ")[-1])
    store(OUT / f"{name}.safetensors", tensors, facts(name, c, text, seed, model))
    if c.get("one"):
        one, _ = record_sites(model, ids[-1:], sites.GRADIENTS)
        store(OUT / f"{name}.one.safetensors", one, facts(name, c, "", seed, model))
    size = (OUT / f"{name}.gguf").stat().st_size
    print(f"{name}: seed {seed}, {size} bytes, {text!r} {ids} -> {generated}")


def main():
    parser = argparse.ArgumentParser(description="Record tiny and real models.")
    parser.add_argument("names", nargs="*", help="tiny models; none means all")
    parser.add_argument("--real", action="store_true", help="record the real files instead")
    given = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(2 if given.real else 1)
    torch.use_deterministic_algorithms(True)
    OUT.mkdir(parents=True, exist_ok=True)
    if given.real:
        real.record_all(OUT / "real", store, given.names)
        return
    cases = all_cases()
    for name in given.names or cases:
        if name not in cases:
            sys.exit(f"record-models: there is no case {name}; known are {', '.join(cases)}")
        record(name, cases[name])


if __name__ == "__main__":
    main()
