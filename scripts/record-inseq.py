#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Record what inseq says of tiny decoders (tests/golden/inseq.json).

Needs inseq 0.7.1 beside the packages of bench/requirements.txt (pip install inseq);
run by hand. A prompt of ids and three greedy tokens; a row of the scores for each of
them: norms of the gradient, sums of input times gradient, both of the logit.
"""
import importlib.util
import json
import pathlib
import sys

import inseq
import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE.parent / "tests/golden/inseq.json"
sys.path.insert(0, str(HERE))
spec = importlib.util.spec_from_file_location("record_models", HERE / "record-models.py")
record_models = importlib.util.module_from_spec(spec)
spec.loader.exec_module(record_models)
from recording import sites, twins  # noqa: E402

NEW = 3


def word(i):
    return f"<{i}>"  # none is the beginning of another, which special tokens would cut


def words(n):
    """A tokenizer whose text is a list of ids: inseq wants texts."""
    inner = Tokenizer(models.WordLevel({word(i): i for i in range(n)}, unk_token=word(0)))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=inner, unk_token=word(0), pad_token=word(0),
                                   bos_token=word(1), eos_token=word(2))


def model_of(name):
    """The recorded model again: its seed is in the recording, its weights in the file."""
    from safetensors import safe_open
    c = record_models.all_cases()[name]
    with safe_open(record_models.OUT / f"{name}.safetensors", "pt") as f:
        facts = json.loads(f.metadata()["json"])
        ids = f.get_tensor("ids").tolist()
    options = c["options"] | dict(vocab_size=facts["config"]["vocab_size"], bos_token_id=1,
                                  eos_token_id=2, pad_token_id=None)
    if c["arch"] == "qwen2":
        options.pop("head_dim", None)
    model = twins.build(c.get("family", c["arch"]), facts["seed"], 0.15,
                        rope_parameters=c["rope"], **options)
    twins.load_file(record_models.OUT / f"{name}.gguf", c["arch"], model)
    return model.eval(), ids


def record(name):
    model, ids = model_of(name)
    produced = sites.greedy(model, ids, NEW)
    tokenizer = words(model.config.vocab_size)
    text = " ".join(map(word, ids))
    full = text + " " + " ".join(map(word, produced))
    out = {"model": f"{name}.gguf", "ids": ids, "produced": produced, "scores": {}}
    for method in ("saliency", "input_x_gradient"):
        attributor = inseq.load_model(model, method, tokenizer=tokenizer)
        result = attributor.attribute(text, full, attributed_fn="logit", show_progress=False,
                                      skip_special_tokens=False)
        said = [t.token for t in result.sequence_attributions[0].target]
        assert said == [word(i) for i in ids + produced], said
        scores = result.sequence_attributions[0].target_attributions.double().numpy()
        lines = []
        for r in range(NEW):
            seen = scores[:len(ids) + r, r]
            lines.append((np.linalg.norm(seen, axis=-1) if method == "saliency"
                          else seen.sum(-1)).tolist())
        out["scores"][method] = lines
    return out


def main():
    torch.manual_seed(0)
    torch.set_num_threads(1)
    cases = [record(name) for name in sys.argv[1:] or ("llama", "qwen2", "gemma3")]
    OUT.write_text(json.dumps({"inseq": "0.7.1", "torch": torch.__version__, "cases": cases}))


if __name__ == "__main__":
    main()
