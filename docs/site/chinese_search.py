# SPDX-License-Identifier: Apache-2.0
"""Search in Chinese without a dictionary: pairs of characters, the same on the page and in the query.

Sphinx cuts only the pages, and by a dictionary, so that a word of the query is found when it happens to be
cut alike. Pairs need no dictionary and find every run of two characters or more.
"""
import re

from sphinx.search import SearchLanguage

HAN = "\u3400-\u4dbf\u4e00-\u9fff"
RUN = re.compile(f"[{HAN}]+|[^\\W{HAN}]+")
SPLIT = r"""
function splitQuery(query) {
  const found = [];
  for (const [run] of query.matchAll(/[HAN]+|[\p{L}\p{N}_]+/gu)) {
    if (!/[HAN]/.test(run)) { found.push(...run.split(/[HAN]+/).filter(Boolean)); continue; }
    for (const part of run.match(/[HAN]+|[^HAN]+/g)) {
      if (!/[HAN]/.test(part) || part.length < 2) { found.push(part); continue; }
      for (let i = 0; i + 1 < part.length; i++) found.push(part.slice(i, i + 2));
    }
  }
  return found;
}
""".replace("HAN", HAN)


class ChineseSearch(SearchLanguage):
    lang, language_name = "zh", "Chinese"
    stopwords = frozenset()
    js_splitter_code = SPLIT

    def split(self, input):
        found = []
        for run in RUN.findall(input):
            pairs = re.match(f"[{HAN}]", run) and len(run) > 1
            found += [run[i:i + 2] for i in range(len(run) - 1)] if pairs else [run]
        return found

    def word_filter(self, word):
        return bool(word)

    def stem(self, word):
        return word.lower()


def add(app):
    app.add_search_language(ChineseSearch)
