# SPDX-License-Identifier: Apache-2.0
"""Pages of docs/ as what can be run: which blocks are commands, and what they are said to print.

    ```sh        commands; run, a block in a shell
    ```python    code; the blocks of a page are one program
    ```          behind commands: lines of what they print, in their order ("..." for what is left out)
    ```text      only shown: what takes minutes, or is nobody's output; its flags are checked
"""
import dataclasses
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
FENCE = re.compile(r"^(```+)(\w*)[^\n]*\n(.*?)^\1\s*$", re.S | re.M)
NUMBER = re.compile(r"(?<![\w.])[+−-]?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?")
BAR = re.compile(r"[█▏▎▍▌▋▊▉░▒▓▕▐─━╸╺▁▂▃▄▅▆▇]+")
RECORDS = {"results.md", "results-influence.md", "benchmarks.md", "study-layers.md"}  # of long runs; scripts make them
MEASURED = re.compile(r"\s*(?:s|ms|µs|min|h|KiB|MiB|GiB|GB|MB|tokens/s|passes/s)\b")


@dataclasses.dataclass
class Block:
    kind: str  # "sh", "python", "output", "text"
    text: str


def blocks(path):
    """The blocks of a page. Without a language before any commands is "text"."""
    found, ran = [], False
    for _, language, body in FENCE.findall(path.read_text(encoding="utf-8")):
        if language in ("sh", "python"):
            ran = True
        kind = language or ("output" if ran else "text")
        found.append(Block(kind, body))
    return found


def commands(path):
    """What is run, without comments: two pages that say the same here need one run."""
    return [re.sub(r"\s+#.*$|^#.*\n", "", b.text, flags=re.M) for b in blocks(path) if b.kind in ("sh", "python")]


def outputs(path):
    return [b.text for b in blocks(path) if b.kind == "output"]


def english_of(path):
    """The English page beside a Chinese one."""
    return DOCS / path.relative_to(DOCS / "zh")


def pages():
    """All pages with something to run. A Chinese page whose commands and outputs are the English one's
    is run with it."""
    every = sorted(p for p in DOCS.rglob("*.md") if p.name not in RECORDS and commands(p))
    for path in every:
        if (DOCS / "zh") in path.parents and english_of(path).exists() and \
                commands(path) == commands(english_of(path)) and outputs(path) == outputs(english_of(path)):
            continue
        yield path


def _same_number(a, b):
    a, b = (x.replace(",", "").replace("−", "-") for x in (a, b))
    digits = len(b.split("e")[0].partition(".")[2])
    unit = 10.0 ** -digits * (10.0 ** int(b.split("e")[1]) if "e" in b else 1)
    return abs(float(a) - float(b)) <= max(0.02 * abs(float(b)), 1.5 * unit)


def same_line(told, printed):
    """Whether a line of a page is what was printed. Bars may be longer, numbers may differ in their last
    digit (processors add in different orders); seconds and sizes of memory are the machine's own."""
    told, printed = (BAR.sub("", x).split() for x in (told, printed))
    a, b = " ".join(told), " ".join(printed)
    if a == b:
        return True
    if NUMBER.sub("0", a) != NUMBER.sub("0", b):
        return False
    for x, y in zip(NUMBER.finditer(a), NUMBER.finditer(b)):
        if not MEASURED.match(a, x.end()) and not _same_number(y.group(), x.group()):
            return False
    return True


def missing_line(told, printed):
    """The first line of an output block that was not printed behind the ones before it, or None."""
    rest = iter(printed.splitlines())
    for line in told.splitlines():
        if line.strip() in ("", "..."):
            continue
        if not any(same_line(line, other) for other in rest):
            return line
    return None
