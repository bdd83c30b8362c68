# SPDX-License-Identifier: Apache-2.0
"""Short runs of real files: what transformers computes on the dequantised weights."""
import json
import os
import pathlib

import gguf
import numpy as np
import torch
import transformers
from gguf.quants import dequantize
from llama_cpp import Llama
from transformers import AutoModelForCausalLM

from recording import sites, twins

PROMPTS = {"smollm2": ["The capital of France is", "Two and two make"],
           "gemma3": ["The capital of France is", "中国的首都是"],
           "qwen2.5": ["The capital of France is", "中国的首都是"]}
TOP, STEPS = 64, 12


def cache_dir():
    """As scripts/fetch has it."""
    given = os.environ.get("GLIM_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return pathlib.Path(given or f"{base}/glim").expanduser()


def load(path):
    return AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, dtype=torch.float32, attn_implementation="eager").eval()


def tokens_of(path):
    """Text to ids by llama.cpp, from the file's own vocabulary."""
    vocabulary = Llama(str(path), vocab_only=True, verbose=False)
    return lambda text: vocabulary.tokenize(text.encode(), add_bos=True, special=False)


def check_weights(path, model):
    """The package's values must be those of the file, bit for bit but for w + 1 - 1."""
    state, reader = model.state_dict(), gguf.GGUFReader(str(path))
    arch = bytes(reader.fields["general.architecture"].parts[-1]).decode()
    names = twins.names_of(arch, model.config.num_hidden_layers)
    worst = 0.0
    for t in reader.tensors:
        if t.name == "rope_freqs.weight":
            continue
        short, end = t.name.rsplit(".", 1)
        want = dequantize(t.data, t.tensor_type).astype(np.float32)
        want = twins.convert(arch, model.config, short, want, back=True)
        have = state[f"{names[short]}.{end}"].numpy()
        worst = max(worst, float(np.abs(have - want).max()))
    assert worst < 1e-6, worst
    return len(reader.tensors)


def record_prompt(model, ids):
    recorder = sites.Recorder(model)
    logits = recorder.run(ids)
    sites.check_against_package(model, ids, logits)
    top = logits[-1].topk(TOP)
    out = {"ids": torch.tensor(ids), "top.ids": top.indices, "top.logits": top.values}
    for name, value in recorder.sites.items():
        if name.endswith("hook_resid_post"):
            out[name] = value[-1]
    out |= {"grad." + n: g for n, g in recorder.gradients(top.values[0], ["hook_embed"]).items()}
    out["generate"] = torch.tensor(sites.greedy(model, ids, STEPS))
    return out


def record(name, file, out_dir, store):
    path = cache_dir() / file
    if not path.exists():
        print(f"{name}: not fetched (scripts/fetch {name})")
        return
    model, encode = load(path), tokens_of(path)
    count = check_weights(path, model)
    tensors = {}
    metadata = {"model": file, "json": json.dumps({
        "config": model.config.to_diff_dict(),
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__}},
        default=str, sort_keys=True)}
    for n, text in enumerate(PROMPTS[name]):
        metadata[f"text.{n}"] = text
        found = record_prompt(model, encode(text))
        tensors |= {f"{n}.{k}": v for k, v in found.items()}
        p = float(found["top.logits"].detach()[0])
        print(f"{name}: {text!r} {found['ids'].tolist()} -> {found['generate'].tolist()}, "
              f"largest logit {p:.4f}")
    store(out_dir / f"{name}.safetensors", tensors, metadata)
    print(f"{name}: {count} tensors equal the file's")


def record_all(out_dir, store, names):
    out_dir.mkdir(parents=True, exist_ok=True)
    models = json.loads((pathlib.Path(__file__).parent.parent / "models.json").read_text())
    for name in names or PROMPTS:
        record(name, models[name]["file"], out_dir, store)
