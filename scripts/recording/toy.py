# SPDX-License-Identifier: Apache-2.0
"""A toy language pair and a tiny translator of it, trained in a minute.

English and German sentences of one small grammar: genders decide articles, and a past
participle goes to the end, so that words do not stand in the same order.
"""
import itertools
import random

import torch

NOUNS = {"cat": "die Katze", "dog": "der Hund", "house": "das Haus", "bridge": "die Brücke",
         "river": "der Fluss", "letter": "der Brief", "child": "das Kind", "garden": "der Garten"}
SUBJECTS = {"I": ("ich", "habe"), "you": ("du", "hast"), "we": ("wir", "haben")}
VERBS = {"seen": "gesehen", "found": "gefunden", "painted": "gemalt", "lost": "verloren"}
ADJECTIVES = {"old": "alt", "red": "rot", "small": "klein", "new": "neu", "beautiful": "schön"}
ACCUSATIVE = {"der": "den", "die": "die", "das": "das"}


def accusative(noun):
    article, word = noun.split()
    return f"{ACCUSATIVE[article]} {word}"


def pairs():
    for noun, adjective in itertools.product(NOUNS, ADJECTIVES):
        for verb, german in (("is", "ist"), ("was", "war")):
            yield (f"the {noun} {verb} {adjective}",
                   f"{NOUNS[noun]} {german} {ADJECTIVES[adjective]}")
            yield (f"the {noun} {verb} not {adjective}",
                   f"{NOUNS[noun]} {german} nicht {ADJECTIVES[adjective]}")
    for who, verb, noun in itertools.product(SUBJECTS, VERBS, NOUNS):
        ich, habe = SUBJECTS[who]
        yield f"{who} have {verb} the {noun}", f"{ich} {habe} {accusative(NOUNS[noun])} {VERBS[verb]}"
    for (a, x), (b, y) in itertools.permutations(NOUNS.items(), 2):
        yield f"the {a} and the {b}", f"{x} und {y}"


def batch_of(some, pad, start, end):
    width, height = (max(len(p[i]) for p in some) for i in (0, 1))
    source = torch.tensor([x + [pad] * (width - len(x)) for x, _ in some])
    labels = torch.tensor([y + [end] + [-100] * (height - len(y)) for _, y in some])
    reads = torch.tensor([[start] + y + [pad] * (height - len(y)) for _, y in some])
    return source, (source != pad).long(), reads, labels


def train(model, encoded, steps, seed):
    """Adam over random batches, the rate falling to nothing."""
    config, order = model.config, random.Random(seed)
    optimiser = torch.optim.Adam(model.parameters(), lr=4e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 6e-3, total_steps=steps)
    model.train()
    for step in range(steps):
        source, mask, reads, labels = batch_of(order.sample(encoded, 48), config.pad_token_id,
                                               config.decoder_start_token_id, config.eos_token_id)
        logits = model(input_ids=source, attention_mask=mask, decoder_input_ids=reads,
                       use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 100 == 0:
            print(f"  step {step}: loss {loss.item():.3f}", flush=True)
    model.eval()
    return model


# ---- which word is which ----

ARTICLES = {"der", "die", "das", "den"}
LEXICON = ({noun.split()[1]: cat for cat, noun in NOUNS.items()}
           | {verb: seen for seen, verb in VERBS.items()}
           | {red: adjective for adjective, red in ADJECTIVES.items()}
           | {who: i for i, (who, _) in SUBJECTS.items()}
           | {have: "have" for _, have in SUBJECTS.values()}
           | {"ist": "is", "war": "was", "nicht": "not", "und": "and"})


def links(english, german):
    """The source word of every target word; the n-th article is the n-th "the"."""
    words, the = english.split(), [i for i, w in enumerate(english.split()) if w == "the"]
    return [the.pop(0) if w in ARTICLES else words.index(LEXICON[w]) for w in german.split()]


def words_of(pieces):
    """The number of the word that each piece belongs to."""
    number, out = -1, []
    for piece in pieces:
        number += piece.startswith("▁")
        out.append(number)
    return out
