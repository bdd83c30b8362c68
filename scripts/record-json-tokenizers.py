#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains tiny tokenizers of every kind on mixed text and records what the reference makes of many lines.

usage: record-json-tokenizers.py OUT-DIR   (needs tokenizers, sentencepiece; OUT-DIR is tests/golden/text/json)

OUT/lines.json is the list of lines. OUT/NAME/ is a model directory with the tokenizer's files and expected.json: "ids" of each
line, "spans" (start and end byte of each token by turns; null where the reference has no such thing), "loose" where its spans are
not exact, and the same for "pairs" of neighbouring lines with special tokens and their types.
"""
import base64
import json
import os
import random
import sys
import tempfile

import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers as N, pre_tokenizers as P, processors, trainers

LINES = [
    "The capital of France is Paris.", "Hello, world!", " leading and trailing ", "a", " ", "  ", "\n", "\t", "",
    "can't won't I'll you've she'd it's we're I'm CAN'T 'S 'ſ", "1234567890 12 345 6.78e-9 ½ ² Ⅷ ① 一二三 ٣٤",
    "def f(x):\n    return x ** 2  # square\n\n\nclass A:\n\tpass\n", "int main(void) { return a[i]->b && !c; }",
    "中国的首都是北京。", "我喜欢吃苹果，你呢？", "他说：“你好！”然后走了……", "混合 English 和中文 text 123 次", "𠮷野家 㐂 龘靐",
    "日本語のテキスト、カタカナとひらがな", "ﾊﾝｶｸ ガギグ が", "한국어 문장입니다 각", "ภาษาไทยไม่มีช่องว่าง น้ำ", "العربية من اليمين إلى اليسار ٪",
    "עברית שלום", "Ελληνικά ΣΟΦΟΣ ς", "Русский текст, Ёлка й", "naïve café résumé Ångström", "e\u0301 a\u0300 o\u0308\u0323 n\u0303 q\u0307\u0323",
    "\u1112\u1161\u11ab\u1100\u1173\u11af", "Å \u212b \u00c5 \u0041\u030a", "😀😃 👩‍👩‍👧‍👦 🏳️‍🌈 🇫🇷 👍🏽", "zero\u200bwidth \ufeff bom\u00ad",
    "nbsp\u00a0here \u2003em \u3000ideographic", "line\r\nbreak\rmac\u0085nel\u2028ls\u2029ps", "mongolian\u180evowel", "tabs\t\tand   spaces    here",
    "trailing spaces   \n   leading", "\n\n\n\n", " \n \n ", "a\u0000b", "x" * 130, "ab" * 60 + " c", " " * 12 + "x", "é" * 101,
    "http://example.org/a?b=c&d=%20#e", "user@example.com", "C:\\path\\to\\file.txt", "$100.00 €50 £3 ¥7", "[MASK] <mask> [SEP] text",
    "the [MASK] sat  [MASK].", "a <mask>b <mask> c", "<s>hello</s> [UNK] <unk>", "new-token NEW-TOKEN newtoken <x> a<x>b", "<|im_end|> <bos> [INST]",
    "«quotes» „low“ ‘single’ “double”", "— – - ‐ …", "!!!???...,,,;;;:::", "a_b_c snake_case camelCase kebab-case", "3.14159265358979",
    "{\"key\": [1, 2.5, null, true], \"中文\": \"值\"}", "<html><body>&nbsp;</body></html>", "∑∫√∞≠≤≥±×÷ ½", "ﬁ ﬂ ligatures Ａ full width １２３ ㎏ ㈱",
    "\U0001d518\U0001d52b\U0001d526\U0001d520", "İstanbul ıssız ẞ ß ǅ", "▁under ▁▁ line", "<0x41> <0xE4>", "Ġ byte Ċ letters", "\u0301 alone",
    "हिन्दी क्षत्रिय", "தமிழ் மொழி", "\u202eright\u202c \u2066x\u2069", "a\u20dd b\ufe0f", ">>fra<< the sat", ">>zho_Hans<<中文 text", "\u2e52\u2e53 \u0a76 \u166d ⸮", "ͅ Ω ῼ ᾳ", "a\u0345\u0301\u0300b",
]
POOLS = ["abcXYZ", "0123", "  \n\t", "'\"", ".,!?", "中文字国", "éüñ", "\u0301\u0300\u0323", "😀👍🏽\u200d", "-_/", "\r\n", "\u3000\u00a0", "the and ing", "กขค่า", "ﬁＡ１"]


def lines():
    rng = random.Random(11)
    more = ["".join(rng.choice(rng.choice(POOLS)) for _ in range(rng.randint(1, 24))) for _ in range(70)]
    return LINES + more


CORPUS = [line for line in LINES if len(line) < 100] * 2 + ["the quick brown fox and the lazy dog is reading and running"] * 5
QWEN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
LLAMA3 = QWEN.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
ALPHABET = P.ByteLevel.alphabet()


def train(model, trainer, normalizer=None, pre=None, post=None, added=()):
    t = Tokenizer(model)
    if normalizer:
        t.normalizer = normalizer
    if pre:
        t.pre_tokenizer = pre
    t.train_from_iterator(CORPUS, trainer)
    for token in added:
        (t.add_special_tokens if token.special else t.add_tokens)([token])
    if post:
        t.post_processor = post(t)
    return t


def bytes_bpe(size=420, specials=("<|endoftext|>",), **kw):
    return trainers.BpeTrainer(vocab_size=size, initial_alphabet=ALPHABET, special_tokens=list(specials), show_progress=False, **kw)


def patch(t, change):
    """The tokenizer with its JSON changed: what the Python interface cannot set."""
    j = json.loads(t.to_str())
    change(j)
    return Tokenizer.from_str(json.dumps(j)), j


def llama(t_pre, normalizer, **kw):
    specials = ["<unk>", "<s>", "</s>"] + ["<0x%02X>" % i for i in range(256)]
    t = train(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True),
              trainers.BpeTrainer(vocab_size=560, special_tokens=specials, show_progress=False, max_token_length=12), normalizer, t_pre, **kw)

    def fix(j):  # bytes are no added tokens
        j["added_tokens"] = [a for a in j["added_tokens"] if not a["content"].startswith("<0x")]
    return patch(t, fix)[0]


def unigram(normalizer, pre, size=640, byte_fallback=False, **kw):
    specials = ["<s>", "<pad>", "</s>", "<unk>"]
    t = train(models.Unigram(), trainers.UnigramTrainer(vocab_size=size, special_tokens=specials, unk_token="<unk>", show_progress=False), normalizer, pre, **kw)

    def fix(j):
        j["model"]["byte_fallback"] = byte_fallback
        if byte_fallback:
            j["model"]["vocab"] += [["<0x%02X>" % i, -30.0] for i in range(256)]
    return patch(t, fix)[0]


def template(single, pair, *names):
    return lambda t: processors.TemplateProcessing(single=single, pair=pair, special_tokens=[(n, t.token_to_id(n)) for n in names])


def wordpiece(normalizer, pre, size=400, prefix="##", **kw):
    return train(models.WordPiece(unk_token="[UNK]", continuing_subword_prefix=prefix),
                 trainers.WordPieceTrainer(vocab_size=size, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], show_progress=False,
                                           continuing_subword_prefix=prefix), normalizer, pre, **kw)


def special(text, **kw):
    return AddedToken(text, special=True, **{"normalized": False, **kw})


def fields(data):
    """(number, value) of a protobuf message."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
    while at < len(data):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
            continue
        n = {1: 8, 2: None, 5: 4}[key & 7]
        n = varint() if n is None else n
        yield key >> 3, data[at:at + n]
        at += n


def charsmap(rule):
    normalizer = dict(fields(spm("unigram", normalization_rule_name=rule, vocab_size=300)))[3]
    return dict(fields(normalizer))[2]


def spm(kind, **kw):
    with tempfile.TemporaryDirectory() as d:
        source = os.path.join(d, "in.txt")
        with open(source, "w", encoding="utf-8") as f:
            f.write("\n".join(line.replace("\n", " ").replace("\r", " ").replace("\0", " ").replace("\u2028", " ") for line in CORPUS))
        options = {"model_type": kind, "vocab_size": 400, "hard_vocab_limit": False, "character_coverage": 0.98, "minloglevel": 2,
                   "num_threads": 1, **kw}
        sentencepiece.SentencePieceTrainer.train(input=source, model_prefix=os.path.join(d, "m"), **options)
        with open(os.path.join(d, "m.model"), "rb") as f:
            return f.read()


def json_cases():
    byte_level = P.ByteLevel(add_prefix_space=False)
    bert = template("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", "[CLS]", "[SEP]")
    yield "bytes", train(models.BPE(), bytes_bpe(), None, byte_level, added=[AddedToken("new-token", normalized=False), AddedToken("  ", normalized=False)]), {}
    yield "bytes-prefix-roberta", train(models.BPE(), bytes_bpe(specials=("<s>", "<pad>", "</s>", "<unk>")), None, P.ByteLevel(add_prefix_space=True),
                                        lambda t: processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=False),
                                        [special("<mask>", lstrip=True)]), {}
    yield "bytes-llama3", train(models.BPE(ignore_merges=True), bytes_bpe(), None,
                                P.Sequence([P.Split(Regex(LLAMA3), "isolated"), P.ByteLevel(add_prefix_space=False, use_regex=False)]),
                                lambda t: processors.Sequence([processors.ByteLevel(trim_offsets=False), template("<|endoftext|> $A", "<|endoftext|> $A <|endoftext|> $B", "<|endoftext|>")(t)])), {}
    yield "bytes-qwen-nfc", train(models.BPE(), bytes_bpe(), N.NFC(),
                                  P.Sequence([P.Split(Regex(QWEN), "isolated"), P.ByteLevel(add_prefix_space=False, use_regex=False)]),
                                  added=[special("<|im_end|>", rstrip=True), AddedToken("<x>", normalized=True, single_word=True)]), {"loose": True}
    yield "bytes-digits", train(models.BPE(), bytes_bpe(), None, P.Sequence([P.Digits(individual_digits=True), byte_level])), {}
    yield "bytes-falcon", train(models.BPE(), bytes_bpe(), None, P.Sequence([P.Punctuation("contiguous"), byte_level, P.Digits(individual_digits=False),
                                                                            P.Split(Regex("[0-9][0-9][0-9]"), "isolated")])), {}
    for behaviour in ("removed", "merged_with_previous", "merged_with_next", "contiguous"):
        yield "bytes-" + behaviour.replace("_", "-"), train(models.BPE(), bytes_bpe(300), None,
                                                            P.Sequence([P.Split(Regex(r"[ie]|\s"), behaviour), byte_level])), {}
    yield "bytes-invert", train(models.BPE(), bytes_bpe(300), None, P.Sequence([P.Split(Regex(r"\w+|[^\w\s]+"), "removed", invert=True), byte_level])), {}
    yield "bytes-nfd-lower", train(models.BPE(), bytes_bpe(), N.Sequence([N.NFD(), N.Lowercase(), N.StripAccents(), N.Replace(Regex(r"\s+"), " "), N.Replace("a", "oo"), N.Strip()]), byte_level,
                                   added=[AddedToken("NEW-TOKEN", normalized=True)]), {"loose": True}
    yield "bytes-nfkc", train(models.BPE(), bytes_bpe(), N.NFKC(), byte_level), {"loose": True}
    yield "bytes-nfkd", train(models.BPE(), bytes_bpe(), N.NFKD(), byte_level), {"loose": True}
    yield "llama-legacy", llama(None, N.Sequence([N.Prepend("▁"), N.Replace(" ", "▁")]), post=template("<s> $A", "<s> $A <s>:1 $B:1", "<s>")), {}
    yield "llama-first", llama(P.Metaspace(prepend_scheme="first", split=False), None), {}
    yield "gemma", llama(P.Split(" ", "merged_with_previous"), N.Replace(" ", "▁"), post=template("<s> $A", "<s> $A <s> $B", "<s>")), {}
    yield "bpe-words", train(models.BPE(unk_token="[UNK]", continuing_subword_prefix="@@", end_of_word_suffix="</w>"),
                             trainers.BpeTrainer(vocab_size=300, special_tokens=["[UNK]"], show_progress=False, continuing_subword_prefix="@@", end_of_word_suffix="</w>", limit_alphabet=60),
                             N.Lowercase(), P.Whitespace()), {"loose": True}
    yield "bpe-unk", train(models.BPE(unk_token="[UNK]"), trainers.BpeTrainer(vocab_size=200, special_tokens=["[UNK]"], show_progress=False, limit_alphabet=40), None, P.WhitespaceSplit()), {}
    yield "bpe-fused", train(models.BPE(unk_token="[UNK]", fuse_unk=True), trainers.BpeTrainer(vocab_size=200, special_tokens=["[UNK]"], show_progress=False, limit_alphabet=40), None, P.WhitespaceSplit()), {}
    yield "bpe-dropped", train(models.BPE(), trainers.BpeTrainer(vocab_size=200, show_progress=False, limit_alphabet=60), None, P.Whitespace()), {"spans": False}
    yield "bert-uncased", wordpiece(N.BertNormalizer(), P.BertPreTokenizer(), post=bert, added=[AddedToken("new-token", normalized=True)]), {"loose": True}
    yield "bert-cased", wordpiece(N.BertNormalizer(lowercase=False), P.BertPreTokenizer(), post=lambda t: processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))), {"loose": True}
    yield "bert-plain", wordpiece(N.BertNormalizer(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=True), P.BertPreTokenizer(), prefix=""), {"loose": True}
    yield "wordpiece-punctuation", wordpiece(None, P.Sequence([P.WhitespaceSplit(), P.Punctuation("merged_with_previous")])), {}
    yield "unigram-t5", unigram(N.Precompiled(charsmap("nmt_nfkc")), P.Metaspace(), post=template("$A </s>", "$A </s> $B </s>", "</s>"), added=[special("<mask>", lstrip=True)]), {"loose": True}
    yield "unigram-xlmr", unigram(N.Sequence([N.Precompiled(charsmap("nmt_nfkc_cf")), N.Replace(Regex(" {2,}"), " ")]), P.Sequence([P.WhitespaceSplit(), P.Metaspace()]),
                                  post=template("<s> $A </s>", "<s> $A </s> </s> $B </s>", "<s>", "</s>")), {"loose": True}
    yield "unigram-bytes", unigram(None, P.Metaspace(prepend_scheme="never", split=False), byte_fallback=True), {"loose": True}
    yield "unigram-first", unigram(None, P.Metaspace(prepend_scheme="first")), {"loose": True}


def byte_spans(line, offsets):
    at = [0]
    for c in line:
        at.append(at[-1] + len(c.encode("utf-8")))
    return [at[x] for pair in offsets for x in pair]


def expect(t, texts, options):
    out = {"loose": options.get("loose", False), "ids": [], "spans": [], "pairs": []}
    for line in texts:
        e = t.encode(line, add_special_tokens=False)
        out["ids"].append(e.ids)
        out["spans"].append(byte_spans(line, e.offsets) if options.get("spans", True) else None)
    for i in range(0, 40, 2):
        e = t.encode(texts[i], texts[i + 1])
        out["pairs"].append([e.ids, e.type_ids, t.encode(texts[i]).ids])
    return out


def write(path, value):
    with open(path, "w", encoding="utf-8") as f:
        json.dump(value, f, ensure_ascii=True, separators=(",", ":"))
        f.write("\n")


def older_files(where, texts):
    """Directories without tokenizer.json."""
    def folder(name):
        os.makedirs(os.path.join(where, name), exist_ok=True)
        return os.path.join(where, name)

    d = folder("files-bert")
    t = wordpiece(N.BertNormalizer(), P.BertPreTokenizer(), post=template("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", "[CLS]", "[SEP]"))
    names = sorted(t.get_vocab().items(), key=lambda x: x[1])
    with open(d + "/vocab.txt", "w", encoding="utf-8", newline="\n") as f:
        f.writelines(name + "\n" for name, _ in names)
    write(d + "/tokenizer_config.json", {"do_lower_case": True, "tokenizer_class": "BertTokenizer"})
    write(d + "/expected.json", {"model_type": "bert", **expect(t, texts, {"loose": True})})
    for name, family, normalizer, pre in (
            ("files-gpt2", "gpt2", None, P.ByteLevel(add_prefix_space=False)),
            ("files-qwen2", "qwen2", N.NFC(), P.Sequence([P.Split(Regex(QWEN), "isolated"), P.ByteLevel(add_prefix_space=False, use_regex=False)]))):
        d = folder(name)
        t = train(models.BPE(), bytes_bpe(360), normalizer, pre)
        t.model.save(d)
        write(d + "/expected.json", {"model_type": family, **expect(t, texts, {"loose": family == "qwen2"})})
    d = folder("files-roberta")
    t = train(models.BPE(), bytes_bpe(360, specials=("<s>", "<pad>", "</s>", "<unk>", "<mask>")), None, P.ByteLevel(add_prefix_space=False),
              lambda t: processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=False, add_prefix_space=False))
    t.add_special_tokens([special("<mask>", lstrip=True)])
    t.model.save(d)
    write(d + "/expected.json", {"model_type": "roberta", **expect(t, texts, {})})


def tiktoken_files(where, texts):
    """GLM-4's kind of list: the tokens of a byte-level BPE by rank."""
    d = os.path.join(where, "files-glm4")
    os.makedirs(d, exist_ok=True)
    t = train(models.BPE(ignore_merges=True), bytes_bpe(360, specials=()), None,
              P.Sequence([P.Split(Regex(LLAMA3), "isolated"), P.ByteLevel(add_prefix_space=False, use_regex=False)]))
    j = json.loads(t.to_str())
    back = {c: b for b, c in enumerate_alphabet()}
    ranked = sorted(j["model"]["vocab"].items(), key=lambda x: x[1])
    with open(d + "/tokenizer.model", "w", encoding="ascii") as f:
        for text, rank in ranked:
            f.write(base64.b64encode(bytes(back[c] for c in text)).decode() + " %d\n" % rank)
    write(d + "/expected.json", {"model_type": "chatglm", **expect(t, texts, {}), "pairs": [], "plain": True})


def enumerate_alphabet():
    plain = [b for b in range(256) if 0x21 <= b <= 0x7e or 0xa1 <= b <= 0xac or b >= 0xae]
    for b in plain:
        yield b, chr(b)
    for i, b in enumerate(b for b in range(256) if b not in plain):
        yield b, chr(0x100 + i)


def sentencepiece_files(where, texts):
    cases = {
        "spm-unigram": ("unigram", "spiece.model", "mt5", {}),
        "spm-unigram-user": ("unigram", "spiece.model", "mt5", {"user_defined_symbols": ["<x>", "new-token", "NEW"], "byte_fallback": True, "vocab_size": 600}),
        "spm-identity": ("unigram", "spiece.model", "albert", {"normalization_rule_name": "identity", "remove_extra_whitespaces": False}),
        "spm-casefold": ("unigram", "spiece.model", "mt5", {"normalization_rule_name": "nmt_nfkc_cf", "add_dummy_prefix": False}),
        "spm-bpe": ("bpe", "tokenizer.model", "llama", {"byte_fallback": True, "vocab_size": 620, "normalization_rule_name": "identity", "remove_extra_whitespaces": False}),
        "spm-bpe-user": ("bpe", "tokenizer.model", "gemma", {"byte_fallback": True, "vocab_size": 620, "normalization_rule_name": "identity", "add_dummy_prefix": False,
                                                           "remove_extra_whitespaces": False, "user_defined_symbols": ["<x>", "new-token", "\t", "▁▁"]}),
        "spm-bpe-nfkc": ("bpe", "tokenizer.model", "llama", {}),
    }
    for name, (kind, file, family, options) in cases.items():
        d = os.path.join(where, name)
        os.makedirs(d, exist_ok=True)
        model = spm(kind, **options)
        with open(os.path.join(d, file), "wb") as f:
            f.write(model)
        t = sentencepiece.SentencePieceProcessor(model_proto=model)
        out = {"model_type": family, "loose": True, "plain": True, "ids": [], "spans": [], "pairs": []}
        for line in texts:
            out["ids"].append(t.encode(line))
            out["spans"].append(None)
        write(d + "/expected.json", out)


def marian_files(where, texts):
    """Pieces of source.spm with the numbers of vocab.json, which lacks some of them."""
    d = os.path.join(where, "spm-marian")
    os.makedirs(d, exist_ok=True)
    model = spm("unigram")
    with open(d + "/source.spm", "wb") as f:
        f.write(model)
    t = sentencepiece.SentencePieceProcessor(model_proto=model)
    pieces = [t.id_to_piece(i) for i in range(3, t.get_piece_size())]
    random.Random(5).shuffle(pieces)
    names = ["</s>", "<unk>"] + pieces[:-20] + [">>fra<<", ">>zho_Hans<<", "<pad>"]
    table = {name: i for i, name in enumerate(names)}
    write(d + "/vocab.json", table)
    write(d + "/tokenizer_config.json", {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"})

    def encode(line):
        code = next((name for name in (">>fra<<", ">>zho_Hans<<") if line.startswith(name)), "")
        return ([table[code]] if code else []) + [table.get(x, 1) for x in t.encode(line[len(code):], out_type=str)]
    write(d + "/expected.json", {"model_type": "marian", "loose": True, "plain": True, "ids": [encode(x) for x in texts],
                                 "spans": [None] * len(texts), "pairs": []})


def main():
    where = sys.argv[1]
    texts = lines()
    os.makedirs(where, exist_ok=True)
    write(os.path.join(where, "lines.json"), texts)
    for name, t, options in json_cases():
        d = os.path.join(where, name)
        os.makedirs(d, exist_ok=True)
        t.save(d + "/tokenizer.json", pretty=False)
        write(d + "/expected.json", expect(Tokenizer.from_file(d + "/tokenizer.json"), texts, options))
    older_files(where, texts)
    tiktoken_files(where, texts)
    sentencepiece_files(where, texts)
    marian_files(where, texts)


if __name__ == "__main__":
    main()
