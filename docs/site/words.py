# SPDX-License-Identifier: Apache-2.0
"""The Chinese words of reports, of the page and of the documents, the last ones first."""
import json
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]


def chinese():
    found = {}
    for name in ("web/words/zh-CN.json", "web/words/page-zh-CN.json", "docs/zh/words.json"):
        found.update(json.loads((ROOT / name).read_text(encoding="utf-8")))
    return found
