#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a C file with the report's words, style and script and their policy hashes.

usage: embed.py OUT.c MISSING EN.json ZH-CN.json STYLE.css [SCRIPT.js]

MISSING says why there is no script; empty with one.
"""
import base64
import hashlib
import json
import re
import sys


def policy_hash(text):
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return "sha256-" + base64.b64encode(digest).decode("ascii")


def c_array(name, text):
    data = text.encode("utf-8") + b"\0"
    lines = [", ".join(str(b - 256 if b > 127 else b) for b in data[i:i + 24]) for i in range(0, len(data), 24)]
    return "const char %s[%d] = {\n%s};\n" % (name, len(data), ",\n".join(lines))


def c_string(text):
    return '"' + "".join(chr(b) if 31 < b < 127 and b not in b'"\\?' else "\\%03o" % b
                         for b in text.encode("utf-8")) + '"'


def c_words(en_path, zh_path):
    en, zh = (json.load(open(path, encoding="utf-8")) for path in (en_path, zh_path))
    for key in sorted(set(en) | set(zh)):
        holes = [sorted(set(re.findall(r"\{\d\}", words.get(key, "{missing}")))) for words in (en, zh)]
        if key not in en or key not in zh or holes[0] != holes[1]:
            sys.exit(f"embed.py: '{key}' differs between {en_path} and {zh_path}")
    rows = ["    {%s, %s, %s},\n" % tuple(map(c_string, (key, en[key], zh[key]))) for key in en]
    return "const glim_html_word glim__html_words[] = {\n%s    {0, 0, 0}};\n" % "".join(rows)


def main():
    out, missing, en_path, zh_path, style_path = sys.argv[1:6]
    style = open(style_path, encoding="utf-8").read()
    script = open(sys.argv[6], encoding="utf-8").read() if len(sys.argv) > 6 else ""
    with open(out, "w", encoding="utf-8") as f:
        f.write('/* made by scripts/embed.py */\n#include "view/html.h"\n')
        f.write(c_words(en_path, zh_path))
        f.write(c_array("glim__html_style", style))
        f.write(c_array("glim__html_style_hash", policy_hash(style)))
        f.write(c_array("glim__html_missing", missing))
        f.write(c_array("glim__html_script", script))
        f.write(c_array("glim__html_script_hash", policy_hash(script) if script else ""))


if __name__ == "__main__":
    main()
