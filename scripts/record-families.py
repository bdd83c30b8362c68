#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Record tiny models of the families in recording/families.py and encoders.py.

    scripts/record-families.py [NAME...]

The same files and tensors as scripts/record-models.py writes.
"""
import importlib.util
import pathlib
import sys

import torch

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from recording import encoders, families, sites, vocabularies  # noqa: E402

spec = importlib.util.spec_from_file_location("record_models", HERE / "record-models.py")
models = importlib.util.module_from_spec(spec)
spec.loader.exec_module(models)


def record_sites(model, family, ids, names):
    recorder = families.Recorder(model, family)
    logits = recorder.run(ids)
    sites.check_against_package(model, ids, logits)
    last = logits[-1]
    target, foil = int(last.argmax()), int(last.topk(2).indices[1])
    wanted = ["hook_embed"] + [n for n in recorder.nodes
                               if n.startswith("blocks.") and n.split(".", 2)[2] in names]
    out = {"ids": torch.tensor(ids), "target": torch.tensor([target, foil])} | recorder.sites
    logprob = last.log_softmax(-1)[target]
    for prefix, value, sites_of in (("grad.", last[target], wanted),
                                    ("grad.logprob.", logprob, ["hook_embed"]),
                                    ("grad.contrast.", last[target] - last[foil], ["hook_embed"])):
        for name, g in recorder.gradients(value, sites_of).items():
            out[prefix + name] = g
    return out


def record(name, family):
    vocabulary = vocabularies.ByteLevel("gpt-2")
    text, ids = vocabularies.text_of_length(vocabulary, models.TEXT, 11)
    spread = 0.15 if family.get("full") else 0.03
    for seed in range(1, 200):
        model = families.build(family, seed, spread, vocab_size=len(vocabulary.tokens),
                               bos_token_id=1, eos_token_id=2, pad_token_id=None)
        generated = sites.greedy(model, ids, 16)
        if min(generated) >= 8 and len(set(generated)) > 4:
            break
    else:
        sys.exit(f"record-families: no seed of {name} writes a varied text")
    path = models.OUT / f"{name}.gguf"
    families.write_file(path, model, family, vocabulary, name)
    if family.get("full") or family.get("published"):
        vocabulary.publish(models.OUT / "published" / name, model)
    about = {"arch": family["arch"]}
    names = sites.MORE_GRADIENTS if family.get("full") else sites.GRADIENTS
    tensors = record_sites(model, family, ids, names)
    if not family.get("full"):
        tensors = {k: v for k, v in tensors.items() if not k.endswith("hook_result")}
    tensors["generate"] = torch.tensor(generated)
    models.store(models.OUT / f"{name}.safetensors", tensors,
                 models.facts(name, about, text, seed, model))
    if family.get("one"):
        one = record_sites(model, family, ids[-1:], sites.GRADIENTS)
        models.store(models.OUT / f"{name}.one.safetensors", one,
                     models.facts(name, about, "", seed, model))
    print(f"{name}: seed {seed}, {path.stat().st_size} bytes, {ids} -> {generated}")


def record_encoder(name, case):
    vocabulary = vocabularies.ByteLevel("gpt-2")
    text, ids = vocabularies.text_of_length(vocabulary, models.TEXT, 11)
    model = encoders.build(case, 1, len(vocabulary.tokens))
    encoders.publish(models.OUT / "published" / name, model, vocabulary)
    tensors = encoders.record(case, model, ids)
    about = models.facts(name, {"arch": "bert"}, text, 1, model)
    models.store(models.OUT / "published" / f"{name}.safetensors", tensors, about)
    print(f"{name}: {len(tensors)} tensors")


def main():
    torch.manual_seed(0)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    known = [*families.CASES, *encoders.CASES]
    for name in sys.argv[1:] or known:
        if name not in known:
            sys.exit(f"record-families: there is no case {name}; known are {', '.join(known)}")
        if name in encoders.CASES:
            record_encoder(name, encoders.CASES[name])
        else:
            record(name, families.CASES[name])


if __name__ == "__main__":
    main()
