#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Record sentence embeddings of the real MiniLM (scripts/fetch minilm).

Writes tests/golden/models/real/minilm.safetensors: N.ids, and embeddings (N, 384), the
mean of the last rows at length one, in float32; the sentences are text.N of the
metadata. Needs the packages of bench/requirements.txt; the test only reads.
"""
import json
import pathlib
import sys

import torch
import transformers
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from recording.real import cache_dir  # noqa: E402

SENTENCES = [
    "A cat sleeps on the warm stone.", "A kitten naps in the sun.",
    "The market closed lower after a day of heavy trading.", "hello", "Hello!", "HELLO?",
    "The engineers measured the river twice, wrote the numbers in a blue book, and went home "
    "before the rain began; nobody asked them what they had found until the spring.",
    "naïve café, Zürich, coöperate", "e = mc^2 & 3.14159 < 22/7", "今天天气很好。",
    "unbelievable antidisestablishmentarianism", "  spaces   and\ttabs ", "What is the capital of "
    "France?", "Paris is the capital of France.", "a", "I didn't say that she'd've come.",
]


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    path = cache_dir() / "all-MiniLM-L6-v2"
    tokenizer = transformers.AutoTokenizer.from_pretrained(path)
    model = transformers.AutoModel.from_pretrained(path, dtype=torch.float32,
                                                   attn_implementation="eager").eval()
    tensors, rows = {}, []
    for i, text in enumerate(SENTENCES):
        batch = tokenizer(text, return_tensors="pt")
        with torch.no_grad():
            last = model(**batch).last_hidden_state[0]
        rows.append(torch.nn.functional.normalize(last.mean(0), dim=0))
        tensors[f"{i}.ids"] = batch["input_ids"][0].to(torch.int64)
    tensors["embeddings"] = torch.stack(rows)
    versions = {p.__name__: p.__version__ for p in (torch, transformers)}
    metadata = {f"text.{i}": text for i, text in enumerate(SENTENCES)}
    metadata |= {"model": path.name, "json": json.dumps({"versions": versions})}
    out = HERE.parent / "tests" / "golden" / "models" / "real" / "minilm.safetensors"
    save_file(tensors, out, metadata)
    out.chmod(0o644)
    print(f"{len(SENTENCES)} sentences, {out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
