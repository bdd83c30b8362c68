# SPDX-License-Identifier: Apache-2.0
"""Checks a built site: every link and anchor leads somewhere inside of it, and nothing is taken from a network.

usage: links.py SITE
"""
import html.parser
import pathlib
import sys
import urllib.parse

TAKEN = {("script", "src"), ("link", "href"), ("img", "src"), ("iframe", "src"), ("source", "src")}


class Page(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.ids, self.links = set(), []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("id", "name"):
                self.ids.add(value)
            if name in ("href", "src") and value:
                self.links.append((tag, name, value))


def check(site):
    """Messages about what is wrong, and how many links were looked at."""
    pages = {p.resolve(): Page(p.read_text(encoding="utf-8")) for p in site.rglob("*.html")}
    wrong, n = [], 0
    for path, page in pages.items():
        for tag, name, value in page.links:
            parts = urllib.parse.urlsplit(value)
            if parts.scheme or parts.netloc:
                if (tag, name) in TAKEN and parts.scheme != "data":
                    wrong.append(f"{path.relative_to(site)}: takes '{value}' from elsewhere")
                continue
            n += 1
            there = (path.parent / urllib.parse.unquote(parts.path)).resolve() if parts.path else path
            there = there / "index.html" if there.is_dir() else there
            if not there.exists():
                wrong.append(f"{path.relative_to(site)}: '{value}' leads nowhere")
            elif parts.fragment and there in pages and urllib.parse.unquote(parts.fragment) not in pages[there].ids:
                wrong.append(f"{path.relative_to(site)}: no anchor '{value}'")
    return wrong, n


def main():
    wrong, n = check(pathlib.Path(sys.argv[1]).resolve())
    print("\n".join(wrong + [f"{n} links, {len(wrong)} wrong"]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
