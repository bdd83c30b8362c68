# SPDX-License-Identifier: Apache-2.0
"""Long work over data sets runs the `glim` command of this package as a process of its own: its
memory goes back when it ends, Ctrl-C stops it, and its results are those of the command line.

Keywords are its flags: random_model=True is --random-model, metrics=["a", "b"] is --metrics a,b.
"""
import difflib
import functools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

from . import _data
from ._library import (BudgetError, Cancelled, Error, FormatError, Progress, UsageError)

_EXITS = {2: UsageError, 3: FormatError, 4: BudgetError, 130: Cancelled}
_FILES = {"data", "train", "table", "query", "labels", "place", "explanation"}
_LINES = {"positive", "negative", "paraphrases"}
_AGAIN = {("compare", "other"), ("influence", "checkpoint"), ("generate", "steer")}
_GRACE = 3  # seconds for a stopped command to write what it has


@functools.lru_cache(maxsize=None)
def path():
    """The command: GLIM_COMMAND, what was installed with this package, or the first of PATH."""
    given = os.environ.get("GLIM_COMMAND")
    found = given or _installed() or shutil.which("glim")
    if not found:
        raise UsageError("the command 'glim' is not here (install glim-lm, or name it in GLIM_COMMAND)")
    return found


def _installed():
    from importlib import metadata
    try:
        files = metadata.files("glim-lm") or []
    except metadata.PackageNotFoundError:
        return None
    for file in files:
        if file.name in ("glim", "glim.exe") and file.parent.name in ("bin", "Scripts"):
            return str(pathlib.Path(file.locate()).resolve())
    return None


@functools.lru_cache(maxsize=None)
def table():
    """Commands by name with their flags by name, as the command itself describes them."""
    described = json.loads(subprocess.run([path(), "--dump-commands"], check=True, capture_output=True).stdout)
    flags = {c["name"]: {f["name"]: f for f in c["flags"]} for c in described["commands"]}
    methods = {m["name"]: {p["name"]: p for p in m["params"]} for m in described["methods"]}
    return flags, methods


def _flag(command, name, method, metrics):
    flags, methods = table()
    known = dict(flags[command])
    known.update(methods.get(method, {}))
    if name in known or "." in name and metrics:
        return known.get(name, {"type": "string"})
    near = difflib.get_close_matches(name, known, 3, 0.5)
    raise UsageError(f"glim {command} has no '{name.replace('-', '_')}'" +
                     (f" (near: {', '.join(n.replace('-', '_') for n in near)})" if near else ""))


def words(command, folder, flags):
    """Keywords as words of the command line."""
    out = []
    for key, value in flags.items():
        name = key.replace("_", "-")
        if value is None or value is False:
            continue
        flag = _flag(command, name, flags.get("method"), command == "evaluate")
        if flag["type"] == "bool":
            out.append(f"--{name}")
        elif (command, name) in _AGAIN and isinstance(value, (list, tuple)):
            for one in value:
                out += [f"--{name}", os.fspath(one)]
        elif name in _FILES | _LINES and flag["value"].startswith("FILE"):
            out += [f"--{name}", _data.file_of(value, folder, name, name in _LINES)]
        elif isinstance(value, (list, tuple)):
            out += [f"--{name}", ",".join(str(one) for one in value)]
        else:
            out += [f"--{name}", os.fspath(value) if isinstance(value, os.PathLike) else str(value)]
    return out


def run(command, source=None, progress=None, json_output=True, points=None, file=None,
        **flags):
    """Runs a command and gives the text that it printed. source: the text, or a chat; points: of a
    map, an array, an .npy file or a table; file: a document to view."""
    with tempfile.TemporaryDirectory(prefix="glim-") as folder:
        if points is not None:
            made = _data.file_of(points, folder, "points")
            if made.endswith(".npy"):
                file = made
            else:
                flags["table"] = made
        given = [path(), command, *words(command, folder, flags), "--quiet", "--color", "never"]
        if json_output:
            given.append("--json")
        if file is not None:
            given.append(file)
        if isinstance(source, str):
            given += ["--", source]
        elif isinstance(source, (list, tuple)):
            chat = pathlib.Path(folder, "chat.json")
            chat.write_text(json.dumps(list(source), ensure_ascii=False), encoding="utf-8")
            given += ["--chat", str(chat)]
        elif source is not None:
            raise UsageError("an input is a text, or a chat (a list of {'role', 'content'})")
        return _finish(given, progress, folder)


def _finish(given, progress, folder):
    def said(text):  # files made of what Python holds are gone afterwards: their names do
        return text.decode(errors="replace").replace(folder + os.sep, "")

    read, write = os.pipe()
    environment = dict(os.environ, GLIM_PROGRESS_FD=str(write), LANG=os.environ.get("LANG", "C.UTF-8"))
    try:
        child = subprocess.Popen(given, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 pass_fds=[write], env=environment, start_new_session=True)
    except BaseException:
        os.close(read)
        raise
    finally:
        os.close(write)
    raised = []
    teller = threading.Thread(target=_tell, args=(read, progress, child, raised), daemon=True)
    teller.start()
    try:
        out, err = child.communicate()
    except BaseException:  # KeyboardInterrupt
        _stop(child)
        raise
    finally:
        teller.join()
    if raised:
        raise raised[0]
    if child.returncode:
        message = said(err).strip()
        message = message[len("glim: "):] if message.startswith("glim: ") else message
        raise _EXITS.get(child.returncode, Error)(message or f"glim ended with {child.returncode}")
    return said(out)


def _tell(fd, progress, child, raised):
    """Reports of progress as they come; one that raises stops the command."""
    with os.fdopen(fd, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if progress is None or raised:
                continue
            try:
                said = json.loads(line)
                if "stage" in said:
                    progress(Progress.of(said["stage"], said.get("fraction"), said.get("left_s")))
            except ValueError:
                continue
            except BaseException as error:
                raised.append(error)
                child.send_signal(signal.SIGINT)


def _stop(child):
    child.send_signal(signal.SIGINT)
    try:
        child.communicate(timeout=_GRACE)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()


def main():
    """The console script: the command itself takes over."""
    os.execv(path(), ["glim", *sys.argv[1:]])
