#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Man pages (mdoc) and shell completions from `glim --dump-commands`.

usage: make-man.py GLIM OUT-DIR
"""
import json
import pathlib
import subprocess
import sys


def roff(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text[:1] in ".'" else text


def flag_lines(flags):
    for f in flags:
        letter = f"Fl {f['letter']} , " if "letter" in f else ""
        value = f" Ar {roff(f['value'])}" if f["value"] else ""
        yield f".It {letter}Fl \\-{roff(f['name'])}{value}"
        yield roff(f["help"][:1].upper() + f["help"][1:]) + "."
        if "default" in f:
            yield f"The default is {roff(f['default'])} ."


def page(command, date):
    lines = [f".Dd {date}", f".Dt GLIM\\-{command['name'].upper()} 1", ".Os", ".Sh NAME",
             f".Nm glim\\-{command['name']}", f".Nd {roff(command['summary'])}", ".Sh SYNOPSIS",
             f".Nm glim {command['name']}", f"{roff(command['synopsis'])}", ".Sh OPTIONS",
             ".Bl -tag -width Ds", *flag_lines(command["flags"]), ".El", ".Sh EXIT STATUS",
             "0 done, 1 failed, 2 wrong usage, 3 bad input or model file, 4 does not fit the memory",
             "budget, 130 interrupted (a valid partial document is written)."]
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
        lines += [f".It Cm {c['name']}", roff(c["summary"][:1].upper() + c["summary"][1:]) + "."]
    lines += [".El", ".Sh METHODS", ".Bl -tag -width Ds"]
    for m in all_["methods"]:
        lines += [f".It Cm {roff(m['name'])}", roff(m["summary"][:1].upper() + m["summary"][1:]) + ".",
                  roff(m["cite"]) + "."]
    lines += [".El"]
    return "\n".join(lines) + "\n"


def bash(all_):
    out = ["# bash completion for glim", "_glim() {",
           '    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words=',
           "    case $prev in"]
    methods = " ".join(m["name"] for m in all_["methods"])
    out += [f'    --method) words="{methods}" ;;']
    choices = {f["name"]: f["choices"].replace("|", " ")
               for c in all_["commands"] for f in c["flags"] if "choices" in f}
    out += [f'    --{name}) words="{value}" ;;' for name, value in sorted(choices.items())]
    out += ["    *) if [ $COMP_CWORD -eq 1 ]; then",
            '        words="%s"' % " ".join(c["name"] for c in all_["commands"]),
            "    else case ${COMP_WORDS[1]} in"]
    for c in all_["commands"]:
        flags = " ".join("--" + f["name"] for f in c["flags"])
        out += [f'        {c["name"]}) words="{flags}" ;;']
    out += ["        esac; fi ;;", "    esac",
            '    COMPREPLY=($(compgen -W "$words" -- "$cur"))', "}",
            "complete -o default -F _glim glim"]
    return "\n".join(out) + "\n"


def zsh(all_):
    out = ["#compdef glim", "local -a commands", "commands=("]
    out += [f"  '{c['name']}:{c['summary']}'" for c in all_["commands"]]
    out += [")", "if (( CURRENT == 2 )); then _describe command commands; return; fi",
            "case $words[2] in"]
    for c in all_["commands"]:
        flags = " ".join(f"'--{f['name']}[{f['help'].translate(str.maketrans('', '', chr(39) + '[]:'))}]'"
                         for f in c["flags"])
        out += [f"{c['name']}) _arguments {flags} '*:file:_files' ;;"]
    return "\n".join(out + ["esac"]) + "\n"


def main():
    glim, where = sys.argv[1], pathlib.Path(sys.argv[2])
    all_ = json.loads(subprocess.run([glim, "--dump-commands"], capture_output=True, check=True).stdout)
    date = "November 24, 2026"
    where.mkdir(parents=True, exist_ok=True)
    (where / "glim.1").write_text(overview(all_, date))
    for c in all_["commands"]:
        (where / f"glim-{c['name']}.1").write_text(page(c, date))
    (where / "glim.bash").write_text(bash(all_))
    (where / "_glim").write_text(zsh(all_))


if __name__ == "__main__":
    main()
