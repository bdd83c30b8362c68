#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Man pages (mdoc) and shell completions from `glim --dump-commands`.

usage: make-man.py GLIM OUT-DIR
"""
import json
import pathlib
import re
import subprocess
import sys
import textwrap


def roff(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text[:1] in ".'" else text


def text_lines(text):
    """Escaped text, every sentence on lines of its own and none too long."""
    for sentence in re.split(r"(?<=[.;:]) (?=[A-Z])", text):
        for line in textwrap.wrap(sentence, 72, break_on_hyphens=False):
            yield roff(line)


def sentence(text):
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def flag_lines(flags):
    for f in flags:
        letter = f"Fl {f['letter']} , " if "letter" in f else ""
        value = f" Ar {roff(f['value'])}" if f["value"] else ""
        yield f".It {letter}Fl \\-{roff(f['name'])}{value}"
        yield from text_lines(sentence(f["help"]))
        if "default" in f:
            yield f"The default is {roff(f['default'])}."


def method_lines(methods):
    yield from (".Sh METHODS", "Parameters of a method are flags when it is named by", ".Fl \\-method .")
    for m in methods:
        yield from (f".Ss {roff(m['name'])}", *text_lines(sentence(m["summary"])),
                    *text_lines(sentence(m["cite"])), *text_lines(sentence(m["caption"])))
        if m["params"]:
            yield from (".Bl -tag -width Ds", *flag_lines(m["params"]), ".El")


def page(command, methods, date):
    lines = [f".Dd {date}", f".Dt GLIM\\-{command['name'].upper()} 1", ".Os", ".Sh NAME",
             f".Nm glim\\-{command['name']}", f".Nd {roff(command['summary'])}", ".Sh SYNOPSIS",
             f".Nm glim {command['name']}", f"{roff(command['synopsis'])}", ".Sh OPTIONS",
             ".Bl -tag -width Ds", *flag_lines(command["flags"]), ".El"]
    if command["name"] == "explain":
        lines += method_lines(methods)
    lines += [".Sh EXIT STATUS",
              *text_lines("0 done, 1 failed, 2 wrong usage, 3 bad input or model file, 4 does not "
                          "fit the memory budget, 130 interrupted (a valid partial document is "
                          "written).")]
    if command["examples"]:
        lines += [".Sh EXAMPLES"]
        for e in command["examples"]:
            lines += [f".Dl {roff(e)}"]
    lines += [".Sh SEE ALSO", ".Xr glim 1"]
    return "\n".join(lines) + "\n"


def overview(all_, date):
    lines = [f".Dd {date}", ".Dt GLIM 1", ".Os", ".Sh NAME", ".Nm glim",
             ".Nd shows why a language model said what it said", ".Sh SYNOPSIS", ".Nm",
             ".Ar command", ".Op options", ".Op Ar text", ".Sh COMMANDS", ".Bl -tag -width Ds"]
    for c in all_["commands"]:
        lines += [f".It Cm {c['name']}", *text_lines(sentence(c["summary"]))]
    lines += [".El", ".Sh METHODS", ".Bl -tag -width Ds"]
    for m in all_["methods"]:
        lines += [f".It Cm {roff(m['name'])}", *text_lines(sentence(m["summary"]))]
    names = sorted(c["name"] for c in all_["commands"])
    lines += [".El", ".Sh SEE ALSO",
              *(f".Xr glim\\-{n} 1{' ,' if n != names[-1] else ''}" for n in names)]
    return "\n".join(lines) + "\n"


def bash(all_):
    out = ["# bash completion for glim", "_glim() {",
           '    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words=',
           "    case $prev in"]
    methods = " ".join(m["name"] for m in all_["methods"])
    names = " ".join(c["name"] for c in all_["commands"])
    out += [f'    --method) words="{methods}" ;;']
    tables = [c["flags"] for c in all_["commands"]] + [m["params"] for m in all_["methods"]]
    choices = {f["name"]: f["choices"].replace("|", " ") for t in tables for f in t if "choices" in f}
    out += [f'    --{name}) words="{value}" ;;' for name, value in sorted(choices.items())]
    out += ["    *) if [ $COMP_CWORD -eq 1 ]; then",
            f'        words="{names} help"',
            "    else case ${COMP_WORDS[1]} in"]
    for c in all_["commands"]:
        flags = " ".join("--" + f["name"] for f in c["flags"])
        out += [f'        {c["name"]}) words="{flags}" ;;']
    out += [f'        help) words="{names}" ;;', "        esac",
            '        case " ${COMP_WORDS[*]} " in']
    out += [f'        *" --method {m["name"]} "*) words+=" {params}" ;;' for m in all_["methods"]
            if (params := " ".join("--" + f["name"] for f in m["params"]))]
    out += ["        esac", "    fi ;;", "    esac",
            '    COMPREPLY=($(compgen -W "$words" -- "$cur"))', "}",
            "complete -o default -F _glim glim"]
    return "\n".join(out) + "\n"


def zsh_flag(flag, methods):
    """--name[help]:what:how, the help without what zsh would read."""
    text = flag["help"].translate(str.maketrans("", "", "'[]:"))
    value = flag["value"]
    if not value:
        return f"'--{flag['name']}[{text}]'"
    how = f"({methods})" if flag["name"] == "method" else "_files" if "FILE" in value else " "
    how = f"({flag['choices'].replace('|', ' ')})" if "choices" in flag else how
    optional = ":" if value.startswith("[") else ""
    what = flag["name"]
    return f"'--{flag['name']}[{text}]{optional}:{what}:{how}'"


def zsh(all_):
    methods = " ".join(m["name"] for m in all_["methods"])
    out = ["#compdef glim", "local -a commands", "commands=("]
    out += [f"  '{c['name']}:" + c["summary"].replace(":", "\\:").replace("'", "'\\''") + "'" for c in all_["commands"]]
    out += [")", "if (( CURRENT == 2 )); then _describe command commands; return; fi",
            "case $words[2] in"]
    for c in all_["commands"]:
        flags = " ".join(zsh_flag(f, methods) for f in c["flags"])
        out += [f"{c['name']}) _arguments {flags} '*:file:_files' ;;"]
    return "\n".join(out + ["esac"]) + "\n"


def fish_flag(flag, methods):
    text = flag["help"].replace("\\", "").replace("'", "\\'")
    words = [f"-l {flag['name']}", f"-d '{text}'"]
    if "letter" in flag:
        words.append(f"-s {flag['letter']}")
    if not flag["value"]:
        return " ".join(words)
    if flag["name"] == "method" or "choices" in flag:
        words.append(f"-x -a '{methods if flag['name'] == 'method' else flag['choices'].replace('|', ' ')}'")
    elif "FILE" in flag["value"]:
        words.append("-r -F")
    elif not flag["value"].startswith("["):
        words.append("-x")
    return " ".join(words)


def fish(all_):
    methods = " ".join(m["name"] for m in all_["methods"])
    none = "-n '__fish_use_subcommand'"
    out = ["# fish completion for glim"]
    for c in all_["commands"]:
        summary = c["summary"].replace("'", "\\'")
        out.append(f"complete -c glim {none} -f -a {c['name']} -d '{summary}'")
        out += [f"complete -c glim -n '__fish_seen_subcommand_from {c['name']}' {fish_flag(f, methods)}" for f in c["flags"]]
    return "\n".join(out) + "\n"


def main():
    glim, where = sys.argv[1], pathlib.Path(sys.argv[2])
    all_ = json.loads(subprocess.run([glim, "--dump-commands"], capture_output=True, check=True).stdout)
    # Of the release, not of the build: the same sources give the same bytes.
    date = "November 24, 2026"
    where.mkdir(parents=True, exist_ok=True)
    (where / "glim.1").write_text(overview(all_, date))
    for c in all_["commands"]:
        (where / f"glim-{c['name']}.1").write_text(page(c, all_["methods"], date))
    (where / "glim.bash").write_text(bash(all_))
    (where / "_glim").write_text(zsh(all_))
    (where / "glim.fish").write_text(fish(all_))


if __name__ == "__main__":
    main()
