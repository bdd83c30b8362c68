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


def deepseek3(line_ends, tail):
    return (r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"""
            r"| ?[\p{P}\p{S}]+" + line_ends + "|" + tail)


def kimi(upper, lower):
    begin, word = r"[^\r\n\p{L}\p{N}]?", r"[%s--\p{Han}]"
    return (begin + word % UPPER + upper + word % LOWER + lower + SHORT + "?")


LAST = r"\s+(?!\S)|\s+"
CJK, MIXED = "[一-龥\u3040-\u309f\u30a0-\u30ff]+", "[一-龥ࠀ-一가-\ud7ff]+"
STOPS = r" ?[^(\s|.,!?…。，、।۔،)]+"
WORD = r"[^\r\n\p{L}\p{N}]?\p{L}+"
CASED = (
    "A-Za-z\u00B5\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u01BA\u01BC-\u01BF\u01C4-\u0293"
    "\u0295-\u02AF\u0370-\u0373\u0376\u0377\u037B-\u037D\u037F\u0386\u0388-\u038A\u038C"
    "\u038E-\u03A1\u03A3-\u03F5\u03F7-\u0481\u048A-\u052F\u0531-\u0556\u10A0-\u10C5"
    "\u13A0-\u13F5\u13F8-\u13FD\u1C90-\u1CBA\u1CBD-\u1CBF\u1D00-\u1D2B\u1D6B-\u1D77"
    "\u1D79-\u1D9A\u1E00-\u1F15\u1F18-\u1F1D\u1F20-\u1F45\u1F48-\u1F4D\u1F50-\u1F57\u1F59"
    "\u1F5B\u1F5D\u1F5F-\u1F7D\u1F80-\u1FB4\u1FB6-\u1FBC\u1FBE\u1FC2-\u1FC4\u1FC6-\u1FCC"
    "\u1FD0-\u1FD3\u1FD6-\u1FDB\u1FE0-\u1FEC\u1FF2-\u1FF4\u1FF6-\u1FFC\u2102\u2107"
    "\u210A-\u2113\u2115\u2119-\u211D\u2124\u2126\u2128\u212A-\u212D\u212F-\u2134\u2139"
    "\u213C-\u213F\u2145-\u2149\u214E\u2183\u2184\u2C00-\u2C7B\u2C7E-\u2CE4\u2CEB-\u2CEE"
    "\u2CF2\u2CF3\uA640-\uA66D\uA680-\uA69B\uA722-\uA76F\uA771-\uA787\uA78B-\uA78E"
    "\uAB70-\uABBF\uFB00-\uFB06\uFB13-\uFB17\uFF21-\uFF3A\uFF41-\uFF5A"
    "\U00010400-\U0001044F\U000104B0-\U000104D3\U000104D8-\U000104FB\U00010C80-\U00010CB2"
    "\U00010CC0-\U00010CF2\U000118A0-\U000118DF\U0001E900-\U0001E943")
GROUPS = [
    (["gpt-2", "phi-2", "roberta-bpe", "mpt", "olmo", "jais", "modern-bert", "exaone4", "jina-es",
      "jina-de", "jina-v1-en", "jina-v2-es", "jina-v2-de", "jina-v2-code", "gigachat", "a.x-4.0",
      "mellum", "trillion", "granite-docling"], [GPT2]),
    (["llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2",
      "jina-v5-nano", "dbrx", "smaug-bpe", "chatglm-bpe", "glm4", "glm5"], [llama3(r"\p{N}{1,3}")]),
    (["minicpm5"], [r"\p{N}{1,3}", llama3(r"\p{N}+")]),
    (["qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "megrez", "stablelm2", "hunyuan", "grok-2",
      "solar-open"], [llama3(r"\p{N}")]),
    (["laguna"], [r"[^\n]+|[\n]+", llama3(r"\p{N}")]),
    (["ufakzeka"], [WORD + r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + TAIL]),
    (["seed-coder"], [SHORT + "|" + WORD + r"|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|" + TAIL]),
    (["bailingmoe", "bailingmoe2", "llada-moe"],
     [r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|"
      + LAST]),
    (["exaone-moe"],
     [SHORT + r"|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?"
      r"|\s*[\r\n]|" + LAST]),
    (["jais-2"],
     [SHORT + "|" + WORD + r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
      + "|".join(r"\s{%s}(?!\S)" % n for n in ("512", "256", "128", "64", "32", "16", "8", "4", "1,2"))
      + r"|\s{1}"]),
    (["qwen35"], [SHORT + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|"
                  + TAIL]),
    (["smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "mellum2"],
     [r"\p{N}", GPT2]),
    (["gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"], [gpt4o(SHORT + "?", r"\p{N}{1,3}")]),
    (["tekken"], [gpt4o("", r"\p{N}")]),
    (["youtu"], ["[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|" + CJK, gpt4o(SHORT + "?", r"\p{N}")]),
    (["kimi-k2"], [r"(?V1)[\p{Han}]+|" + kimi("*", "+") + "|" + kimi("+", "*") +
                   r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + TAIL]),
    (["deepseek-llm"], [r"[\r\n]", r"\s?[" + CASED + "]+", r"\s?[!-/:-~！-／：-～‘-‟　-。]+", r"\s+$",
                        MIXED, r"\p{N}+"]),
    (["deepseek-coder"], [r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", MIXED, r"\p{N}"]),
    (["deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"],
     [r"\p{N}{1,3}", CJK, deepseek3(r"[\r\n]*", TAIL)]),
    (["spark2_5"], [r"\p{N}{1,3}", CJK, deepseek3("", r"[\r\n]|" + LAST), r"\p{N}"]),
    (["bloom", "poro-chat", "gpt3-finnish"], [STOPS]),
    (["viking"], [STOPS, r"\p{N}"]),
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
    # letters, marks, digits and signs of Unicode 15 and 16
    "a\U00031350\u1c89z \u1c8a\U000105c0", "\U00011f50 \U0001ccf0 x\U00010efd", "\U0001fae9!\U0001e5d0",
    "1234567 in 12345,6789 \u0967\u0968\u0969\u096a5", "\u0967\u0968 \u3000 \u2028a", "漢字カナABCdef漢XyZ'S",
    "      x       \n  y         ", "ㄅㄆ ㄱㄴ：；、〈〉 ︵",
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
