# SPDX-License-Identifier: Apache-2.0
"""What the command says of itself, as the end of its how-to page: examples and all flags."""


def cell(text):
    return text.replace("|", "\\|").replace("<", "\\<").replace("*", "\\*")


def table(flags, words):
    head = [words.get("head.flag", "flag"), words.get("head.does", "what it does"), words.get("head.default", "default")]
    lines, group = [], None
    for flag in flags:
        if flag.get("group", group) != group or not lines:
            group = flag.get("group", group)
            lines += ["", f"### {words.get('group.' + str(group), group or words.get('flags-title', 'Flags'))}", "",
                      f"| {' | '.join(head)} |", "|---|---|---|"]
        name = f"`--{flag['name']}{' ' + flag['value'] if flag['value'] else ''}`"
        name = f"`-{flag['letter']}`, {name}" if flag.get("letter") else name
        default = f"`{flag['default']}`" if flag.get("default") not in (None, "") else ""
        lines.append(f"| {cell(name)} | {cell(words.get('help.' + flag['name'], flag['help']))} | {cell(default)} |")
    return lines


def section(command, words):
    """The generated end of the page of a command."""
    lines = ["", f"## {words.get('flags-title', 'All flags')}", ""]
    lines += [words.get("flags-note", "The same as `glim help " + command["name"] + "`.").replace("NAME", command["name"]), "",
              "```text", f"glim {command['name']} {command['synopsis']}".strip(), "```"]
    lines += table(command["flags"], words)
    return "\n".join(lines) + "\n"
