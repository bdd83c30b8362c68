#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a C file with the report's style and script and their policy hashes.

usage: embed.py OUT.c MISSING STYLE.css [SCRIPT.js]

MISSING says why there is no script; empty with one.
"""
import base64
import hashlib
import sys


def policy_hash(text):
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return "sha256-" + base64.b64encode(digest).decode("ascii")


def c_array(name, text):
    data = text.encode("utf-8") + b"\0"
    lines = [", ".join(str(b - 256 if b > 127 else b) for b in data[i:i + 24]) for i in range(0, len(data), 24)]
    return "const char %s[%d] = {\n%s};\n" % (name, len(data), ",\n".join(lines))


def main():
    out, missing, style_path = sys.argv[1:4]
    style = open(style_path, encoding="utf-8").read()
    script = open(sys.argv[4], encoding="utf-8").read() if len(sys.argv) > 4 else ""
    with open(out, "w", encoding="utf-8") as f:
        f.write('/* made by scripts/embed.py */\n#include "view/html.h"\n')
        f.write(c_array("glim__html_style", style))
        f.write(c_array("glim__html_style_hash", policy_hash(style)))
        f.write(c_array("glim__html_missing", missing))
        f.write(c_array("glim__html_script", script))
        f.write(c_array("glim__html_script_hash", policy_hash(script) if script else ""))


if __name__ == "__main__":
    main()
