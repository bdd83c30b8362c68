#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records token ids of a mixed corpus by transformers, for the three real files.

usage: record-tokenizers.py MODEL-DIR OUT.json   (needs transformers and gguf)
"""
import json
import random
import sys

from tokenizers import normalizers, pre_tokenizers
from transformers import AutoTokenizer

FILES = {
    "smollm2": "SmolLM2-135M-Instruct.Q4_1.gguf",
    "gemma3": "gemma-3-270m-Q4_K_M.gguf",
    "qwen2.5": "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
}

LINES = [
    "The capital of France is", "Hello, world!", " leading and trailing ", "a", " ", "  ", "\n", "\t",
    "can't won't I'll you've she'd it's we're I'm CAN'T 'S 'ſ", "1234567890 12 345 6.78e-9 ½ ² Ⅷ ① 一二三",
    "def f(x):\n    return x ** 2  # square\n\n\nclass A:\n\tpass\n", "int main(void) { return a[i]->b && !c; }",
    "中国的首都是北京。", "我喜欢吃苹果，你呢？", "他说：“你好！”然后走了……", "混合 English 和中文 text 123 次",
    "𠮷野家 㐂 龘靐", "日本語のテキスト、カタカナとひらがな", "한국어 문장입니다", "ภาษาไทยไม่มีช่องว่าง",
    "العربية من اليمين إلى اليسار", "עברית", "Ελληνικά", "Русский текст, ёлка", "naïve café résumé",
    "e\u0301 a\u0300 o\u0308 n\u0303", "\u1112\u1161\u11ab\u1100\u1173\u11af", "Å \u212b \u00c5 \u0041\u030a",
    "😀😃 👩‍👩‍👧‍👦 🏳️‍🌈 🇫🇷 👍🏽", "zero\u200bwidth \ufeff bom", "nbsp\u00a0here \u2003em \u3000ideographic",
    "line\r\nbreak\rmac\u0085nel\u2028ls\u2029ps", "mongolian\u180evowel", "tabs\t\tand   spaces    here",
    "trailing spaces   \n   leading", "\n\n\n\n", " \n \n ", "a\u0000b", "x" * 100, "ab" * 50, " " * 12 + "x",
    "http://example.org/a?b=c&d=%20#e", "user@example.com", "C:\\path\\to\\file.txt", "$100.00 €50 £3 ¥7",
    "<|im_end|> <bos> </s> [INST] <start_of_turn>", "«quotes» „low“ ‘single’ “double”", "— – - ‐ …",
    "!!!???...,,,;;;:::", "a_b_c snake_case camelCase PascalCase kebab-case", "3.14159265358979",
    "{\"key\": [1, 2.5, null, true], \"中文\": \"值\"}", "<html><body>&nbsp;</body></html>", "∑∫√∞≠≤≥±×÷",
    "ﬁ ﬂ ligatures Ａ full width １２３", "\U0001d518\U0001d52b\U0001d526\U0001d520", "İstanbul ıssız ẞ ß",
]


def random_lines(count):
    """Strings of characters that pre-tokenizers treat differently."""
    pools = ["abcXYZ", "0123", "  \n\t", "'\"", ".,!?", "中文字", "éü", "\u0301\u0300", "😀", "-_/", "\r\n", "\u3000\u00a0"]
    rng = random.Random(7)
    for _ in range(count):
        yield "".join(rng.choice(rng.choice(pools)) for _ in range(rng.randint(1, 24)))


def restore(name, t):
    """Puts back what loading from GGUF drops of the published tokenizers."""
    inner = t._tokenizer
    if name == "smollm2":  # splits single digits first
        inner.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    if name == "qwen2.5":  # transformers' Qwen2Tokenizer normalises
        inner.normalizer = normalizers.NFC()
    return t


def main():
    where, out = sys.argv[1:3]
    lines = LINES + list(random_lines(140))
    result = {"lines": lines}
    for name, file in FILES.items():
        t = restore(name, AutoTokenizer.from_pretrained(where, gguf_file=file))
        result[name] = [t(line, add_special_tokens=False, split_special_tokens=True)["input_ids"]
                        for line in lines]
    with open(out, "w", encoding="utf-8") as f:
        json.dump(result, f, ensure_ascii=True, separators=(",", ":"))
        f.write("\n")


if __name__ == "__main__":
    main()
