#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A tiny translator of the toy pair whose cross-attention was taught to align: two decoder
layers, of which the one before the last looks at the source of the word that it reads
(guided alignment, Garg et al. 2019). tests/golden/aligned; known right answers for alignment.

    scripts/record-aligned.py
"""
import pathlib
import random
import sys

import torch

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from recording import stacks, toy  # noqa: E402

OUT = HERE.parent / "tests/golden/aligned"
CASE = dict(kind="marian", options=stacks.CASES["marian"]["options"] | dict(
    encoder_layers=1, decoder_layers=2))
STEPS, SEED, GUIDE = 900, 1, 1.0


def guide(pieces, english, german):
    """(target pieces, source pieces with the end): shares of the aligned word's pieces."""
    read = toy.words_of(pieces.source.encode(english, out_type=str))
    wrote = toy.words_of(pieces.target.encode(german, out_type=str))
    of = toy.links(english, german)
    rows = [[float(w == of[j]) for w in read] + [0.0] for j in wrote]
    return torch.tensor([[x / sum(row) for x in row] for row in rows])


def looked(attentions, some, guides):
    """Minus the logarithm of what the first layer gives to the guide, where a piece is read."""
    mean, total, n = attentions[0].mean(1), 0, 0
    for k, (_, _, at) in enumerate(some):
        g = guides[at]
        rows = mean[k, 1:1 + g.shape[0], :g.shape[1]]
        total, n = total - (g * torch.log(rows + 1e-9)).sum(), n + g.shape[0]
    return total / n


def main():
    torch.manual_seed(0)
    torch.set_num_threads(1)
    OUT.mkdir(parents=True, exist_ok=True)
    pieces = stacks.MarianPieces(OUT)
    model = stacks.build(CASE, SEED, pieces.size)
    for name, p in model.named_parameters():
        if p.dim() > 1 and "embed_positions" not in name:
            p.data.mul_(0.5)
    pairs = list(toy.pairs())
    guides = [guide(pieces, a, b) for a, b in pairs]
    encoded = [(pieces.read(a), pieces.write(b), k) for k, (a, b) in enumerate(pairs)]
    config, order = model.config, random.Random(SEED)
    optimiser = torch.optim.Adam(model.parameters(), lr=4e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 6e-3, total_steps=STEPS)
    model.train()
    for step in range(STEPS):
        some = order.sample(encoded, 32)
        source, mask, reads, labels = toy.batch_of([s[:2] for s in some], config.pad_token_id,
                                                   config.decoder_start_token_id,
                                                   config.eos_token_id)
        out = model(input_ids=source, attention_mask=mask, decoder_input_ids=reads,
                    use_cache=False, output_attentions=True)
        told = torch.nn.functional.cross_entropy(out.logits.flatten(0, 1), labels.flatten())
        aligned = looked(out.cross_attentions, some, guides)
        optimiser.zero_grad()
        (told + GUIDE * aligned).backward()
        optimiser.step()
        schedule.step()
        if step % 100 == 0 or step + 1 == STEPS:
            print(f"  step {step}: {told.item():.4f} and {aligned.item():.4f}", flush=True)
    model.eval()
    model.save_pretrained(OUT)
    for file in OUT.iterdir():
        file.chmod(0o644)


if __name__ == "__main__":
    main()
