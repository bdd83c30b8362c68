# SPDX-License-Identifier: Apache-2.0
"""Pages of the C interface from the comments of include/glim/*.h.

A header is a comment about itself and then paragraphs: a comment and what it declares. Both are shown as
they stand; every declared name has a place of its own and is found by the search.
"""
import re

OPENING = re.compile(r"/\*\n \* (\w+\.h): (.*?)\*/", re.S)
DECLARED = re.compile(r"GLIM_API\s+[^;(]*?\b(glim_\w+)\s*[(;]")
TYPE = re.compile(r"^typedef (?:struct|enum|union) (glim_\w+)|^\} (glim_\w+);|^typedef .*\b(glim_\w+)\s*(?:;|\))", re.M)
MACRO = re.compile(r"^#define (GLIM_\w+)", re.M)


def plain(comment):
    """The text of a comment: indented runs are code, the rest is prose."""
    lines = [re.sub(r"^ ?\* ?|^   ", "", line) for line in comment.strip().splitlines()]
    out, code = [], False
    for line in lines:
        indented = line.startswith("  ") and line.strip()
        if indented and not code:
            out += ["", "```text"]
        if code and not indented:
            out += ["```", ""]
        code = bool(indented)
        out.append(line.rstrip() if code else escaped(line.rstrip()))
    return "\n".join(out + (["```"] if code else []))


def escaped(text):
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(p if p.startswith("`") else re.sub(r"([*_<>\[\]$#|])", r"\\\1", p) for p in parts)


def paragraphs(body):
    """Runs of lines between blank ones, with braces and comments kept whole."""
    found, now, depth, comment = [], [], 0, False
    for line in body.splitlines():
        if not line.strip() and not depth and not comment:
            if now:
                found.append("\n".join(now))
            now = []
            continue
        now.append(line)
        opened = re.sub(r'"[^"]*"|\'.\'', "", line)
        comment = comment or "/*" in opened
        comment = comment and "*/" not in opened.rsplit("/*", 1)[-1]
        bare = re.sub(r"/\*.*?\*/", "", opened)
        depth += bare.count("{") - bare.count("}") if not comment and "/*" not in bare else 0
    return found + (["\n".join(now)] if now else [])


def parts(paragraph):
    """(comment, declaration) pairs of a paragraph: a comment at the margin begins one."""
    pieces = re.split(r"^(?=/\*)", paragraph, flags=re.M)
    for piece in pieces:
        m = re.match(r"/\*(.*?)\*/\s*", piece, re.S)
        comment, code = (m.group(1), piece[m.end():]) if m else ("", piece)
        if comment.strip().startswith("SPDX"):
            continue
        yield comment.strip(), code.strip("\n")


def declared(code):
    names = [n for n in DECLARED.findall(code)]
    names += [n for groups in TYPE.findall(code) for n in groups if n]
    names += MACRO.findall(code)
    return list(dict.fromkeys(names))


def page(header):
    """The page of a header, and the names that it declares."""
    text = header.read_text(encoding="utf-8")
    opening = OPENING.search(text)
    start = opening.end() if opening else 0
    body = re.sub(r'^#(?:ifndef|ifdef|endif|include|if|else)[^\n]*\n|^extern "C" \{\n|^\}\n|^#define GLIM_\w+_H\n', "",
                  text[start:], flags=re.M)
    lines, seen = [f"# {header.name}", ""], []
    if opening:
        lines += [plain(opening.group(2)), ""]
    includes = re.findall(r"#include <glim/(\w+)\.h>", text)
    if includes:
        lines += ["Includes: " + ", ".join(f"[`{name}.h`]({name}.md)" for name in includes) + ".", ""]
    for paragraph in paragraphs(body):
        for comment, code in parts(paragraph):
            names = [n for n in declared(code) if n not in seen]
            seen += names
            if names:
                lines += [f"## {escaped(', '.join(names[:2]))}{' …' if len(names) > 2 else ''}", ""]
                free = [n for n in names if n.lower() not in {s.lower() for s in seen if s != n}]  # anchors know no case
                lines += [f"({name})=" for name in free] + [""]
            if comment:
                lines += [plain(comment), ""]
            if code:
                lines += ["```c", code.replace("GLIM_API ", ""), "```", ""]
    return "\n".join(lines), seen


def write(tree, include, title, text):
    """All pages into a source tree, as reference/c/."""
    headers = sorted(include.glob("*.h"))
    rows = []
    for header in headers:
        if header.name == "glim.h":
            continue
        made, names = page(header)
        tree.write(f"reference/c/{header.stem}.md", made)
        opening = OPENING.search(header.read_text(encoding="utf-8"))
        what = " ".join(re.sub(r"^ \* ?", "", opening.group(2), flags=re.M).split(".")[0].split()) if opening else ""
        rows.append(f"| [{header.name}]({header.stem}.md) | {escaped(what)} | {len(names)} |")
    toc = "\n".join(h.stem for h in headers if h.name != "glim.h")
    tree.write("reference/c/index.md", f"# {title}\n\n{text}\n\n|  |  |  |\n|---|---|---|\n" + "\n".join(rows)
               + f"\n\n```{{toctree}}\n:hidden:\n\n{toc}\n```\n")
