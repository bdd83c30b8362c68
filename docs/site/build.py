# SPDX-License-Identifier: Apache-2.0
"""Builds the site: build/site/en and build/site/zh-CN, warnings being errors. scripts/make-site calls it.

usage: build.py GLIM      (a Python with docs/requirements.txt; GLIM_LIBRARY and PYTHONPATH for the package)
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import c_reference  # noqa: E402
import flags  # noqa: E402
import links  # noqa: E402
import notebooks  # noqa: E402
import python_reference  # noqa: E402
import stage  # noqa: E402
import words  # noqa: E402

ROOT = stage.ROOT
SITE, WORK = ROOT / "build/site", ROOT / "build/site-src"
FRONT = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><title>glim</title>
<style>body{font:1.2rem system-ui;margin:20vh auto;text-align:center}a{margin:1em;color:LinkText}</style>
<h1>glim</h1><p><a href="en/index.html">English</a> <a lang="zh-CN" href="zh-CN/index.html">中文</a></p></html>
"""


def tree(glim, commands, name, books):
    chinese = name == "zh-CN"
    said = words.chinese() if chinese else {}
    made = stage.Tree(WORK / name, chinese)
    for page in stage.names():
        if str(page) != "methods.md":
            made.page(page)
    methods = WORK / f"methods-{name}.md"
    subprocess.run([sys.executable, ROOT / "scripts/make-methods.py", glim, methods, *(["zh-CN"] if chinese else [])], check=True)
    made.write("methods.md", methods.read_text(encoding="utf-8"))
    for command in commands:
        path = made.where / "how-to" / f"{command['name']}.md"
        if not path.exists():
            raise SystemExit(f"docs/how-to/{command['name']}.md is missing: a page for each command")
        path.write_text(path.read_text(encoding="utf-8") + flags.section(command, said), encoding="utf-8")
    c_reference.write(made, ROOT / "include/glim", said.get("c.title", "The C interface"),
                      said.get("c.text", "Everything that the headers declare, with their comments. `#include <glim/glim.h>` has it all; "
                               "link with `pkg-config --cflags --libs glim`."))
    python_reference.write(made, said.get("python.title", "The Python package"),
                           said.get("python.text", "`pip install .` in the tree installs it; it needs NumPy and cffi and nothing else."))
    (made.where / "notebooks").mkdir(exist_ok=True)
    for book in books:
        shutil.copy(WORK / "notebooks" / book.name, made.where / "notebooks")
    shutil.copy(ROOT / "docs/site/conf.py", made.where / "conf.py")
    return made


def sphinx(name):
    env = dict(os.environ, GLIM_SITE=str(ROOT / "docs/site"), GLIM_SITE_LANGUAGE=name.replace("-", "_"))
    return subprocess.Popen([sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html",
                             "-d", WORK / f"doctrees-{name}", WORK / name, SITE / name], env=env)


def main():
    glim = sys.argv[1]
    commands = json.loads(subprocess.run([glim, "--dump-commands"], capture_output=True, check=True).stdout)["commands"]
    shutil.rmtree(SITE, ignore_errors=True)
    SITE.mkdir(parents=True)
    WORK.mkdir(parents=True, exist_ok=True)
    (SITE / "index.html").write_text(FRONT, encoding="utf-8")
    books = notebooks.run_all(WORK / "notebooks")
    for name in ("en", "zh-CN"):
        tree(glim, commands, name, books)
    running = [sphinx(name) for name in ("en", "zh-CN")]
    if any([p.wait() for p in running]):
        return 1
    wrong, n = links.check(SITE.resolve())
    print("\n".join(wrong + [f"build/site: {n} links, {len(wrong)} wrong"]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
