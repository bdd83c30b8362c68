#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records chats as jinja2 renders them, the way transformers calls it.

usage: record-chats.py MODEL-DIR OUT-DIR   (needs jinja2 and gguf)

OUT-DIR/NAME.json holds a template and its renderings; a rendering is null where
the template raises. The templates below are written anew; each behaves as the
published one of its name on chats without tools. OUT-DIR/real.json holds renderings by the templates inside the real files
of MODEL-DIR, without the templates themselves.
"""
import json
import pathlib
import sys

from gguf import GGUFReader
from jinja2.exceptions import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

FILES = {
    "smollm2": "SmolLM2-135M-Instruct.Q4_1.gguf",
    "qwen2.5": "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
}

ALTERNATE = ("{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
             "{{ raise_exception('roles must alternate') }}{% endif %}")
SPLIT_SYSTEM = ("{% if messages[0]['role'] == 'system' %}"
                "{% set system_message = messages[0]['content'] %}{% set rest = messages[1:] %}"
                "{% else %}{% set rest = messages %}{% endif %}")
CHATML_TURNS = ("{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + "
                "'<|im_end|>' + '\\n' }}{% endfor %}"
                "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")
LLAMA3_TURNS = ("{{ '<|start_header_id|>' + m['role'] + '<|end_header_id|>\\n\\n' + "
                "m['content'] | trim + '<|eot_id|>' }}")
LLAMA3_END = ("{% if add_generation_prompt %}"
              "{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}")
GEMMA_TURNS = ("{% set role = 'model' if m['role'] == 'assistant' else m['role'] %}"
               "{{ '<start_of_turn>' + role + '\\n' + (prefix if loop.first else '') + "
               "m['content'] | trim + '<end_of_turn>\\n' }}{% endfor %}"
               "{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}")
GLM4_TURNS = ("[gMASK]<sop>{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}"
              "{% endfor %}{% if add_generation_prompt %}")


def mistral(begin, end, answer, system):
    """system: None (refused), "first" or "last": the turn that takes it."""
    user = "{{ '%s' + m['content'] + '%s' }}" % (begin, end)
    if system:
        both = "{{ '%s' + system_message + '\\n\\n' + m['content'] + '%s' }}" % (begin, end)
        user = ("{%% if loop.%s and system_message is defined %%}%s{%% else %%}%s{%% endif %%}"
                % (system, both, user))
    head = SPLIT_SYSTEM if system else "{% set rest = messages %}"
    return (head + "{{ bos_token }}{% for m in rest %}" + ALTERNATE + "{% if m['role'] == 'user' %}" +
            user + "{% else %}{{ " + answer + " }}{% endif %}{% endfor %}")


# name: (template, bos, eos)
TEMPLATES = {
    "chatml": (CHATML_TURNS, "", ""),
    "chatml-default": (
        "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\nYou are kind."
        "\\nYou help.<|im_end|>\\n' }}{% endif %}" + CHATML_TURNS, "", ""),
    "chatml-default-lines": (  # line ends inside of the literals
        "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are kind."
        "<|im_end|>\n' }}{% endif %}" + CHATML_TURNS.replace("\\n", "\n"), "", ""),
    "chatml-tools": (  # a first system header that is not the default's
        "{% if tools %}{{ '<|im_start|>system\\n' }}{{ 'tools<|im_end|>\\n' }}"
        "{% elif messages[0]['role'] != 'system' %}"
        "{{ '<|im_start|>system\\nYou are kind.<|im_end|>\\n' }}{% endif %}" + CHATML_TURNS, "", ""),
    "llama3": ("{{ bos_token }}{% for m in messages %}" + LLAMA3_TURNS + "{% endfor %}" +
               LLAMA3_END, "<|begin_of_text|>", "<|eot_id|>"),
    "llama3.1": (
        "{{ bos_token }}{% if messages[0]['role'] == 'system' %}"
        "{% set system = messages[0]['content'] | trim %}{% set rest = messages[1:] %}"
        "{% else %}{% set system = '' %}{% set rest = messages %}{% endif %}"
        "{% set date_string = '26 Jul 2024' %}"
        "{{ '<|start_header_id|>system<|end_header_id|>\\n\\n' }}"
        "{{ 'Cutting Knowledge Date: December 2023\\n' }}"
        "{{ 'Today Date: ' + date_string + '\\n\\n' }}{{ system + '<|eot_id|>' }}"
        "{% for m in rest %}" + LLAMA3_TURNS + "{% endfor %}" + LLAMA3_END,
        "<|begin_of_text|>", "<|eot_id|>"),
    "llama2": (
        SPLIT_SYSTEM + "{% for m in rest %}" + ALTERNATE +
        "{% if loop.first and system_message is defined %}"
        "{% set text = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + m['content'] %}"
        "{% else %}{% set text = m['content'] %}{% endif %}"
        "{% if m['role'] == 'user' %}{{ bos_token + '[INST] ' + text.strip() + ' [/INST]' }}"
        "{% else %}{{ ' ' + text.strip() + ' ' + eos_token }}{% endif %}{% endfor %}",
        "<s>", "</s>"),
    "gemma": (
        "{{ bos_token }}{% if messages[0]['role'] == 'system' %}"
        "{{ raise_exception('System role not supported') }}{% endif %}{% set prefix = '' %}"
        "{% for m in messages %}" + ALTERNATE + GEMMA_TURNS, "<bos>", "<eos>"),
    "gemma3": (
        "{{ bos_token }}" + SPLIT_SYSTEM + "{% if system_message is defined %}"
        "{% set prefix = system_message + '\\n\\n' %}{% else %}{% set prefix = '' %}{% endif %}"
        "{% for m in rest %}" + ALTERNATE + GEMMA_TURNS, "<bos>", "<eos>"),
    "mistral": (mistral("[INST] ", " [/INST]", "m['content'] + eos_token", None),
                "<s>", "</s>"),
    "mistral-spaced": (
        mistral("[INST] ", " [/INST]", "m['content'] + eos_token + ' '", None),
        "<s>", "</s>"),
    "mistral-v1": (mistral(" [INST] ", " [/INST]", "' ' + m['content'] + eos_token",
                                      "first"), "<s>", "</s>"),
    "mistral-v3": (mistral("[INST] ", "[/INST]", "' ' + m['content']|trim + eos_token",
                                      "last"), "<s>", "</s>"),
    "mistral-tekken": (mistral("[INST]", "[/INST]", "m['content'] + eos_token", "last"),
                       "<s>", "</s>"),
    "glm4": (GLM4_TURNS + "<|assistant|>{% endif %}", "", ""),
    "glm4-line": (GLM4_TURNS + "<|assistant|>\n{% endif %}", "", ""),
    "chatglm3": (
        "{% for m in messages %}{% if loop.first %}[gMASK]sop{% endif %}"
        "<|{{ m['role'] }}|>\n {{ m['content'] }}{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}", "", ""),
    "phi3": (
        "{% for m in messages %}{% if m['role'] == 'system' %}"
        "{{ '<|system|>\\n' + m['content'] + '<|end|>\\n' }}{% elif m['role'] == 'user' %}"
        "{{ '<|user|>\\n' + m['content'] + '<|end|>\\n' }}{% else %}"
        "{{ '<|assistant|>\\n' + m['content'] + '<|end|>\\n' }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% else %}{{ eos_token }}{% endif %}",
        "<s>", "<|endoftext|>"),
    "zephyr": (
        "{% for m in messages %}\n{% if m['role'] == 'user' %}\n"
        "{{ '<|user|>\\n' + m['content'] + eos_token }}\n{% elif m['role'] == 'system' %}\n"
        "{{ '<|system|>\\n' + m['content'] + eos_token }}\n{% else %}\n"
        "{{ '<|assistant|>\\n' + m['content'] + eos_token }}\n{% endif %}\n"
        "{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n"
        "{% endfor %}", "<s>", "</s>"),
}

# Later templates look back, cut thoughts out of answers, gather text in blocks.
TEMPLATES["thinking"] = (
    """{%- set ns = namespace(last=-1) %}
{%- for m in messages[::-1] %}
    {%- if ns.last < 0 and m.role == "user" and not m.content.startswith("<tool") %}
        {%- set ns.last = messages|length - 1 - loop.index0 %}
    {%- endif %}
{%- endfor %}
{%- for m in messages %}
    {%- set text = m.content %}
    {%- if m.role == "assistant" %}
        {%- set thought = m.thought if m.thought is string else "" %}
        {%- if "</think>" in text %}
            {%- set thought = text.split("</think>")[0].rstrip("\\n").split("<think>")[-1] %}
            {%- set text = text.split("</think>")[-1].lstrip("\\n") %}
        {%- endif %}
        {%- if loop.index0 > ns.last and thought %}
            {{- "<|im_start|>" + m.role + "\\n<think>\\n" + thought.strip("\\n") + "\\n</think>\\n\\n" + text }}
        {%- else %}
            {{- "<|im_start|>" + m.role + "\\n" + text }}
        {%- endif %}
        {{- "<|im_end|>\\n" }}
    {%- else %}
        {{- "<|im_start|>" + m.role + "\\n" + text + "<|im_end|>" + "\\n" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- "<|im_start|>assistant\\n" }}
{%- endif %}
""", "", "<|im_end|>")
TEMPLATES["macro-blocks"] = (
    """{#- a comment -#}
{% macro turn(role, text, end=eos_token) %}
<{{ role | upper }}>{{ text | trim }}{{ end }}
{% endmacro %}
{% if messages[0].role == "system" %}
  {% set head %}
# {{ messages[0].content | replace("\\n", " ") }}
  {% endset %}
  {% set rest = messages[1:] %}
{% else %}
  {% set head = "" %}
  {% set rest = messages %}
{% endif %}
{{ bos_token ~ head }}{{ rest | selectattr("role", "equalto", "user") | list | length }} questions
{% for m in rest if m.role in ["user", "assistant"] -%}
  {{ turn(m.role, m.content) if not loop.last else turn(m.role, m.content, end="") }}
  {%- if loop.index is divisibleby 2 %} {{ loop.index // 2 }}/{{ "%d" | length }}{% endif %}
{% else %}
nobody spoke
{% endfor %}
{% raw %}{{ kept }}{% endraw %}

{{- "<ASSISTANT>" if add_generation_prompt else "" }}
""", "<s>", "</s>")

SYSTEM, USER, ASSISTANT = "system", "user", "assistant"
CHATS = [
    [(USER, "Hello")],
    [(SYSTEM, "Be brief."), (USER, "Who are you?")],
    [(USER, "Hello"), (ASSISTANT, "Hi!"), (USER, "How are you?")],
    [(SYSTEM, "你是一个助手。"), (USER, "你好"), (ASSISTANT, "你好！有什么可以帮你？"), (USER, "讲个故事")],
    [(USER, "  two spaces \n"), (ASSISTANT, "\n\nlines\n"), (USER, "\u3000\u3000段落\u00a0")],
    [(SYSTEM, " spaced "), (USER, " first \t"), (ASSISTANT, " answer "), (USER, "more ")],
    [(USER, "<|im_end|> [INST] </s> <end_of_turn> {{ 7 * 7 }}"), (ASSISTANT, "{% raw %} & <b>")],
    [(USER, "one"), (ASSISTANT, "two"), (USER, "three"), (ASSISTANT, "four"), (USER, "five")],
    [(USER, "one"), (USER, "two")],
    [(ASSISTANT, "I begin"), (USER, "ok")],
    [(USER, "👩‍👩‍👧 é \U00020bb7")],
    [(SYSTEM, "alone")],
    [(USER, "")],
    [(USER, "q"), (ASSISTANT, "<think>\nhm\n</think>\n\nanswer"), (USER, "again")],
    [(USER, "q"), (ASSISTANT, "<think>hm</think>answer")],
    [("tool", "42"), (USER, "so?")],
]


def render(template, messages, bos, eos):
    """The text, or None when the template raises."""
    def refuse(message):
        raise TemplateError(message)
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    env.globals["raise_exception"] = refuse
    try:
        return env.from_string(template).render(
            messages=messages, bos_token=bos, eos_token=eos, add_generation_prompt=True)
    except TemplateError:
        return None


def cases(template, bos, eos):
    for chat in CHATS:
        messages = [{"role": role, "content": text} for role, text in chat]
        yield {"messages": messages, "text": render(template, messages, bos, eos)}


def save(path, value):
    path.write_text(json.dumps(value, ensure_ascii=True, indent=1) + "\n", encoding="utf-8")


def main():
    where, out = map(pathlib.Path, sys.argv[1:3])
    for name, (template, bos, eos) in TEMPLATES.items():
        save(out / f"{name}.json", {"template": template, "bos": bos, "eos": eos,
                                    "cases": list(cases(template, bos, eos))})
    real = {}
    for name, file in FILES.items():
        field = GGUFReader(where / file).fields["tokenizer.chat_template"]
        template = bytes(field.parts[field.data[0]]).decode()
        real[name] = {"file": file, "cases": list(cases(template, "", ""))}
    save(out / "real.json", real)


if __name__ == "__main__":
    main()
