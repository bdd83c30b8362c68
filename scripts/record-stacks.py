#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Record tiny encoder-decoders, tests/golden/models/stacks.

    scripts/record-stacks.py [NAME...]

A directory as it is published and a recording beside it: ids of both sides, every
site, gradients, and what the package's generate() writes. Of t5 there is a GGUF twin.
"""
import importlib.util
import pathlib
import sys

import torch

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from recording import stacks  # noqa: E402

spec = importlib.util.spec_from_file_location("record_models", HERE / "record-models.py")
models = importlib.util.module_from_spec(spec)
spec.loader.exec_module(models)
OUT = models.OUT / "stacks"
TOKENS = 14


def choose(case, pieces, ids):
    """The first seed whose texts are varied, end at different lengths, and differ by way."""
    for seed in range(1, 400):
        model = stacks.build(case, seed, pieces.size)
        ways = {k: stacks.written(model, ids, TOKENS, **o) for k, o in stacks.WAYS.items()}
        plain = ways["greedy"]
        if (len(set(plain)) > 4 and len({tuple(w) for w in ways.values()}) > 3
                and len({len(w) for w in ways.values()}) > 1):
            return seed, model, ways
    sys.exit("record-stacks: no seed writes varied texts")


def teach(case, pieces, ids):
    model = stacks.taught(case, pieces, 1)
    return 1, model, {k: stacks.written(model, ids, TOKENS, **o) for k, o in stacks.WAYS.items()}


def record(name, case):
    path = OUT / name
    path.mkdir(parents=True, exist_ok=True)
    pieces = (stacks.MarianPieces if case["kind"] == "marian" else stacks.T5Pieces)(path)
    source, target = case.get("source", stacks.SOURCE), case.get("target", stacks.TARGET)
    ids, given = pieces.read(source), pieces.write(target)
    seed, model, ways = (teach if "steps" in case else choose)(case, pieces, ids)
    start = model.config.decoder_start_token_id
    tensors = stacks.record(case, model, ids, [start] + given[:6])
    tensors["given"] = torch.tensor(given)
    for way, out in ways.items():
        tensors["written." + way] = torch.tensor(out)
    if name == "t5":
        tensors["buckets"] = stacks.buckets()
        stacks.write_gguf(OUT / "t5.gguf", model, pieces)
    model.save_pretrained(path)
    for file in path.iterdir():
        file.chmod(0o644)
    about = models.facts(name, {"arch": case["kind"]}, source, seed, model)
    about["target"] = target
    models.store(OUT / f"{name}.safetensors", tensors, about)
    print(f"{name}: seed {seed}, {len(tensors)} tensors")
    for way, out in ways.items():
        print(f"  {way}: {out}")


def main():
    torch.manual_seed(0)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for name in sys.argv[1:] or stacks.CASES:
        if name not in stacks.CASES:
            sys.exit(f"record-stacks: there is no case {name}")
        record(name, stacks.CASES[name])


if __name__ == "__main__":
    main()
