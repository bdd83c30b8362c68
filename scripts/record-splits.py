#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records how pre-tokenizers split text, by the published expressions and the
`regex` package: another engine than glim's, and white space written as \\s.

usage: record-splits.py OUT.json
"""
import json
import sys

import regex

SHORT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
TAIL = r"\s*[\r\n]+|\s+(?!\S)|\s+"
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"


def llama3(digits):
    return SHORT + r"|[^\r\n\p{L}\p{N}]?\p{L}+|" + digits + r"| ?[^\s\p{L}\p{N}]+[\r\n]*|" + TAIL


def gpt4o(end, digits):
    begin = r"[^\r\n\p{L}\p{N}]?"
    return (f"{begin}{UPPER}*{LOWER}+{end}|{begin}{UPPER}+{LOWER}*{end}|{digits}"
            r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|" + TAIL)


GROUPS = [
    (["gpt-2", "phi-2", "roberta-bpe", "mpt", "olmo", "jais", "modern-bert", "exaone4"], [GPT2]),
    (["llama-bpe", "llama3", "llama-v3", "falcon3", "pixtral", "lfm2", "dbrx", "smaug-bpe",
      "chatglm-bpe", "glm4", "glm5"], [llama3(r"\p{N}{1,3}")]),
    (["qwen2", "deepseek-r1-qwen", "kormo", "megrez", "stablelm2", "hunyuan", "grok-2"],
     [llama3(r"\p{N}")]),
    (["qwen35"], [SHORT + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|"
                  + TAIL]),
    (["smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"],
     [r"\p{N}", GPT2]),
    (["gpt-4o", "llama4", "kanana2"], [gpt4o(SHORT + "?", r"\p{N}{1,3}")]),
    (["tekken"], [gpt4o("", r"\p{N}")]),
    (["deepseek-coder"], [r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-\ud7ff]+",
                          r"\p{N}"]),
    (["deepseek-v3", "hunyuan-dense", "joyai-llm"],
     [r"\p{N}{1,3}", "[一-龥\u3040-\u309f\u30a0-\u30ff]+",
      r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"""
      r"| ?[\p{P}\p{S}]+[\r\n]*|" + TAIL]),
    (["falcon"], [r"[\p{P}\$\+<=>\^~\|`]+", GPT2, "[0-9][0-9][0-9]"]),
    (["default", ""], [r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"]),
]

TEXTS = [
    "Hello world", " Hello  world ", "can't won't I'll you've CAN'T WE'LL it's 'tis rock'n'roll",
    "1234567 12 3.14 1,000,000 ½ ⅷ ٣٤٥ 一二三", "x1y22z333 A4 4B",
    "a\nb\n\nc\r\nd \n e\n ", "\n\n\n", "   ", "\t\tx = 1;\n\t\ty", "end   \nnext",
    "今天的天气很好，我们去公园。", "混合English和中文123个字", "カタカナとひらがな漢字", "한국어 문장입니다",
    "naïve café e\u0301a\u0300 Straße ÉCOLE", "camelCase PascalCase HTTPServer snake_case",
    "...!!! ?! (a) [b] {c} <d> $5 +6 =7 ^8 ~9 `k` @x #y %z &w", "\"quoted\" 'single' “doppelt” «x»",
    "https://example.org/a/b?c=d", "a/b//\n/c", "😀😃 👍🏽 x😀y", "\u00a0nbsp\u3000wide\u2003em",
    "line\u2028sep\u0085nel", "हिन्दी में लिखा", "ไทยไม่เว้นวรรค", "ǅ ʰ ª",
    "-1 --x a-b a--b", "100% 5€ 7°C", "ſ 'S 'ſ",
]


def split(expressions, text):
    """Each expression splits the pieces of the one before; gaps are pieces."""
    pieces = [text]
    for expression in expressions:
        done = []
        for piece in pieces:
            at = 0
            for m in regex.finditer(expression, piece):
                if m.end() > m.start():
                    done += [piece[at:m.start()], m.group()]
                    at = m.end()
            done.append(piece[at:])
        pieces = [piece for piece in done if piece]
    return pieces


def main():
    groups = [{"names": names, "splits": [split(expressions, text) for text in TEXTS]}
              for names, expressions in GROUPS]
    with open(sys.argv[1], "w", encoding="utf-8") as f:
        json.dump({"texts": TEXTS, "groups": groups}, f, ensure_ascii=True, indent=0)
        f.write("\n")


if __name__ == "__main__":
    main()
