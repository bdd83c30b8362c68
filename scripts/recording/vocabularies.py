# SPDX-License-Identifier: Apache-2.0
"""Tiny working vocabularies: byte-level BPE and SentencePiece with scores.

Ids 0 to 7 are special, the rest is text. Both take any text: bytes that no
piece covers have tokens of their own.
"""
import json

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

NORMAL, UNKNOWN, CONTROL, UNUSED, BYTE = 1, 2, 3, 5, 6

CORPUS = [
    "The river was high and the bridge was closed, so we walked the long way home.",
    "Was the film good? The story was thin, but the music and the light were lovely.",
    "In 2024 there were 365 or 366 days; who counts them all? Not the cat, not the dog.",
    "She reads the letter, then reads it again, and the answer is not in the letter.",
    "今天的天气很好，我们去公园散步。这本书很好看，我很喜欢。",
]

CHATML = ("{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + "
          "message['content'] + '<|im_end|>\n' }}{% endfor %}"
          "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")


class ByteLevel:
    """GPT-2's scheme: merges by rank over bytes written as letters."""

    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>",
                "<|user|>", "<|special_5|>", "<|special_6|>", "<|special_7|>"]

    def __init__(self, pre, size=300):
        self.pre = pre
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = self._splitter()
        trainer = trainers.BpeTrainer(
            vocab_size=size, special_tokens=self.specials, show_progress=False, min_frequency=1,
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
        tokenizer.train_from_iterator(CORPUS, trainer)
        self.tokenizer = tokenizer
        by_text = tokenizer.get_vocab()
        self.tokens = sorted(by_text, key=by_text.get)
        self.merges = [" ".join(m) for m in json.loads(tokenizer.to_str())["model"]["merges"]]

    def _splitter(self):
        if self.pre == "qwen2":
            split = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|"
                     r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
            return pre_tokenizers.Sequence([
                pre_tokenizers.Split(Regex(split), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
        level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
        if self.pre == "smollm":
            return pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), level])
        assert self.pre == "gpt-2"
        return level

    def encode(self, text):
        return self.tokenizer.encode(text).ids

    def publish(self, path, model):
        """The directory that transformers writes."""
        model.save_pretrained(path)
        for extra in ("generation_config.json",):
            (path / extra).unlink(missing_ok=True)
        self.tokenizer.decoder = decoders.ByteLevel()
        self.tokenizer.save(str(path / "tokenizer.json"))
        (path / "tokenizer_config.json").write_text(json.dumps({
            "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": self.specials[1],
            "eos_token": self.specials[2], "pad_token": self.specials[3],
            "chat_template": CHATML}, indent=1) + "\n")
        for file in path.iterdir():
            file.chmod(0o644)

    def write(self, w):
        w.add_tokenizer_model("gpt2")
        w.add_tokenizer_pre(self.pre)
        w.add_token_list(self.tokens)
        w.add_token_types([CONTROL] * 8 + [NORMAL] * (len(self.tokens) - 8))
        w.add_token_merges(self.merges)
        w.add_bos_token_id(1)
        w.add_eos_token_id(2)
        w.add_pad_token_id(3)
        w.add_add_bos_token(False)
        w.add_chat_template(CHATML)


class Scored:
    """SentencePiece's BPE: the pair whose union has the best score merges first."""

    specials = ["<pad>", "<eos>", "<bos>", "<unk>",
                "<start_of_turn>", "<end_of_turn>", "<unused0>", "<mask>"]
    pieces = ["th", "the", "▁the", "er", "▁a", "in", "▁w", "▁wa", "▁was", "an", "and", "▁and",
              "re", "▁s", "on", "ea", "ll", "ou", "▁T", "▁Th", "▁The", "天气", "今天"]

    def __init__(self):
        letters = sorted(set("".join(CORPUS)) - {" "} | {"▁"} |
                         set(map(chr, range(0x21, 0x7f))))
        self.tokens = self.specials + [f"<0x{b:02X}>" for b in range(256)] + self.pieces + letters
        n = len(self.pieces)
        self.scores = [0.0] * 264 + [-float(i + 1) for i in range(n + len(letters))]
        self.types = ([CONTROL, CONTROL, CONTROL, UNKNOWN, CONTROL, CONTROL, UNUSED, CONTROL] +
                      [BYTE] * 256 + [NORMAL] * (n + len(letters)))
        self.ids = {t: i for i, t in enumerate(self.tokens)}

    def encode(self, text):
        parts = list(text.replace(" ", "▁"))
        while True:
            best = None
            for i in range(len(parts) - 1):
                at = self.ids.get(parts[i] + parts[i + 1])
                if at is not None and (best is None or self.scores[at] > best[0]):
                    best = (self.scores[at], i)
            if best is None:
                break
            i = best[1]
            parts[i:i + 2] = [parts[i] + parts[i + 1]]
        out = [2]
        for part in parts:
            known = self.ids.get(part)
            out += [known] if known is not None else [8 + b for b in part.encode()]
        return out

    def write(self, w):
        w.add_tokenizer_model("llama")
        w.add_tokenizer_pre("default")
        w.add_token_list(self.tokens)
        w.add_token_scores(self.scores)
        w.add_token_types(self.types)
        w.add_bos_token_id(2)
        w.add_eos_token_id(1)
        w.add_unk_token_id(3)
        w.add_pad_token_id(0)
        w.add_add_bos_token(True)
        w.add_add_eos_token(False)
        w.add_add_space_prefix(False)


def text_of_length(vocabulary, text, n):
    """The longest beginning of text that is n tokens long, and its ids."""
    for end in range(len(text), 0, -1):
        ids = vocabulary.encode(text[:end])
        if len(ids) == n:
            return text[:end], ids
    raise SystemExit(f"no beginning of {text!r} has {n} tokens")

