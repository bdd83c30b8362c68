#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a C file with the page of glim serve; empty texts where it was not built.

usage: embed-page.py OUT.c [PAGE.html APP.js APP.css]
"""
import hashlib
import pathlib
import sys


def c_array(name, data):
    lines = [", ".join(str(b - 256 if b > 127 else b) for b in data[i:i + 24])
             for i in range(0, len(data), 24)]
    return "const char %s[%d] = {\n%s};\n" % (name, len(data), ",\n".join(lines))


def main():
    out, *paths = sys.argv[1:]
    files = {pathlib.Path(p).suffix: pathlib.Path(p).read_bytes() for p in paths}
    texts = [files.get(end, b"") for end in (".html", ".js", ".css")]
    with open(out, "w", encoding="utf-8") as f:
        f.write('/* made by scripts/embed-page.py */\n#include "serve/front-page.h"\n')
        for name, text in zip(("html", "script", "style"), texts):
            f.write(c_array("serve_page_" + name, text + b"\0"))
        digest = hashlib.sha256(b"\0".join(texts)).hexdigest()
        f.write(c_array("serve_page_hash", digest.encode() + b"\0"))


if __name__ == "__main__":
    main()
