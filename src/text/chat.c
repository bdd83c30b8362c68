/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chat templates. A model's own template is run as it is (jinja.h), so that the
 * prompt is what the model was trained on, and every byte is known to be the
 * template's or a message's. The first plan was to recognise families of templates
 * by what their source contains: half of the templates that looked known wrote
 * something else. The families that users may name are templates too.
 *
 * What a template can ask of its surroundings: `messages`, `add_generation_prompt`
 * (true), the texts of the special tokens, `tools` and `documents` (none). No
 * clock: a template that writes today's date falls back on its own fixed one, or
 * is refused, since an explanation must be repeatable.
 */
#include "text/chat.h"

#include <string.h>

struct glim_chat_template {
    const char *name;
    const char *source; /* NULL: the model's own */
};

static const glim_chat_template own = {"own", NULL};

#define EACH "{% for m in messages %}"
#define MARKS                                                                                      \
    "{% set bos = bos_token | default('<s>') %}{% set eos = eos_token | default('</s>') %}"
#define SYSTEM                                                                                     \
    "{% if messages[0].role == 'system' %}{% set system = messages[0].content %}"                  \
    "{% set rest = messages[1:] %}{% else %}{% set rest = messages %}{% endif %}"                  \
    "{% for m in rest %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"                     \
    "{{ raise_exception('user and assistant must take turns, the user first') }}{% endif %}"

static const glim_chat_template families[] = {
    {"chatml", EACH "{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}"
                    "{% endfor %}{{ '<|im_start|>assistant\\n' }}"},
    {"llama2", MARKS SYSTEM
     "{% set text = m.content %}{% if loop.first and system is defined %}"
     "{% set text = '<<SYS>>\\n' + system + '\\n<</SYS>>\\n\\n' + m.content %}{% endif %}"
     "{% if m.role == 'user' %}{{ bos + '[INST] ' + text.strip() + ' [/INST]' }}"
     "{% else %}{{ ' ' + text.strip() + ' ' + eos }}{% endif %}{% endfor %}"},
    {"mistral", MARKS
     "{{ bos }}" SYSTEM "{% if m.role == 'user' %}{{ '[INST] ' }}"
     "{% if loop.first and system is defined %}{{ system + '\\n\\n' }}{% endif %}"
     "{{ m.content + ' [/INST]' }}{% else %}{{ ' ' + m.content + eos }}{% endif %}{% endfor %}"},
    {"phi3", EACH "{{ '<|' + m.role + '|>\\n' + m.content + '<|end|>\\n' }}{% endfor %}"
                  "{{ '<|assistant|>\\n' }}"},
    {"glm4", "[gMASK]<sop>" EACH "{{ '<|' + m.role + '|>\\n' + m.content }}{% endfor %}"
             "{{ '<|assistant|>' }}"},
    {"chatglm3", "[gMASK]sop" EACH "{{ '<|' + m.role + '|>\\n ' + m.content }}{% endfor %}"
                 "{{ '<|assistant|>' }}"},
    {"zephyr", MARKS EACH "{{ '<|' + m.role + '|>\\n' + m.content + eos + '\\n' }}{% endfor %}"
                          "{{ '<|assistant|>\\n' }}"},
    {"gemma",
     "{{ bos_token | default('<bos>') }}" SYSTEM
     "{{ '<start_of_turn>' + ('model' if m.role == 'assistant' else 'user') + '\\n' }}"
     "{% if loop.first and system is defined %}{{ system + '\\n\\n' }}{% endif %}"
     "{{ m.content.strip() + '<end_of_turn>\\n' }}{% endfor %}{{ '<start_of_turn>model\\n' }}"},
    {"llama3",
     "{{ bos_token | default('<|begin_of_text|>') }}" EACH
     "{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\\n\\n' + m.content.strip() + "
     "'<|eot_id|>' }}{% endfor %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}"},
};
enum { FAMILIES = sizeof families / sizeof *families };

#define CHOICE                                                                                     \
    "(choose with --template: chatml, llama2, mistral, phi3, glm4, chatglm3, zephyr, gemma, "      \
    "llama3)"

const char *glim__chat_template_name(const glim_chat_template *t) {
    return t->name;
}

/* An error of the template's language says what else there is. */
static glim_status advise(glim_status status, const glim_error *why, glim_error *err) {
    if (status == GLIM_EUNSUPPORTED || status == GLIM_ELIMIT)
        return glim_fail(err, status, "%.300s %s", why->message, CHOICE);
    return status ? glim_fail(err, status, "%s", why->message) : GLIM_OK;
}

static glim_status parse(const glim_jinja_node **out, glim_arena *arena,
                         const glim_chat_template *t, const glim_tokenizer_info *info,
                         glim_error *err) {
    glim_error why = {0};
    const char *source = t->source ? t->source : info->chat_template;
    size_t n = t->source ? strlen(t->source) : info->chat_template_len;
    return advise(glim__jinja_parse(out, arena, source, n, &why), &why, err);
}

glim_status glim__chat_template_find(const glim_chat_template **out, glim_context *ctx,
                                     const char *name, const glim_tokenizer_info *info,
                                     glim_error *err) {
    const glim_jinja_node *root;
    glim_arena arena;
    *out = NULL;
    for (int i = 0; i < FAMILIES && name && !*out; i++)
        if (!strcmp(name, families[i].name))
            *out = &families[i];
    if (*out)
        return GLIM_OK;
    if (name)
        return glim_fail(err, GLIM_EUSAGE, "there is no chat template '%.40s' " CHOICE, name);
    if (!info->chat_template)
        return glim_fail(err, GLIM_EUNSUPPORTED, "the model has no chat template " CHOICE);
    glim__arena_init(&arena, ctx, 1 << 16);
    glim_status status = parse(&root, &arena, &own, info, err);
    glim__arena_release(&arena);
    if (!status)
        *out = &own;
    return status;
}

/* ---- what a template may ask for ---- */

struct variables {
    glim_arena *arena;
    glim_jinja_dict *dict;
    bool failed;
};

static void let(struct variables *v, const char *name, glim_jinja_value value) {
    v->failed =
        v->failed || !glim__jinja_dict_set(v->arena, v->dict,
                                           glim__jinja_string(name, NULL, strlen(name)), value);
}

static glim_jinja_value message(struct variables *v, const glim_message *m, size_t source) {
    glim_jinja_dict *dict = glim__arena_calloc(v->arena, 1, sizeof *dict);
    uint32_t *from = glim__arena_calloc(v->arena, m->content_len + 1, sizeof *from);
    struct variables inside = {v->arena, dict, !dict || !from};
    for (size_t i = 0; from && i < m->content_len; i++)
        from[i] = (uint32_t)(source + i + 1);
    if (!inside.failed) {
        let(&inside, "role", glim__jinja_string(m->role, NULL, strlen(m->role)));
        let(&inside, "content", glim__jinja_string(m->content, from, m->content_len));
    }
    v->failed = v->failed || inside.failed;
    return (glim_jinja_value){.type = GLIM_JINJA_DICT, .dict = dict};
}

static void set_variables(struct variables *v, const glim_chat_input *in) {
    const glim_jinja_value none = {.type = GLIM_JINJA_NONE};
    const glim_jinja_value yes = {.type = GLIM_JINJA_BOOL, .i = 1};
    const struct {
        const char *name;
        glim_gguf_string text;
    } tokens[] = {{"bos_token", in->info->bos_text},
                  {"eos_token", in->info->eos_text},
                  {"unk_token", in->info->unk_text},
                  {"pad_token", in->info->pad_text}};
    glim_jinja_value list = {.type = GLIM_JINJA_LIST};
    size_t source = 0;
    list.list = glim__arena_calloc(v->arena, 1, sizeof *list.list);
    if (list.list)
        list.list->at = glim__arena_calloc(v->arena, in->n + 1, sizeof *list.list->at);
    v->failed = !list.list || !list.list->at;
    for (size_t i = 0; i < in->n && !v->failed; i++) {
        list.list->at[list.list->n++] = message(v, &in->messages[i], source);
        source += in->messages[i].content_len + 1;
    }
    let(v, "messages", list);
    let(v, "add_generation_prompt", yes);
    let(v, "tools", none);
    let(v, "documents", none);
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++)
        if (tokens[i].text.data)
            let(v, tokens[i].name,
                glim__jinja_string(tokens[i].text.data, NULL, tokens[i].text.len));
}

/* ---- writing ---- */

/* A role is written as a part of the template, so it must not be able to spell
   its marks. */
static bool plain(const char *role) {
    size_t n = strspn(role, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.");
    return n > 0 && n <= 64 && !role[n];
}

static glim_status check_roles(const glim_chat_template *t, const glim_chat_input *in,
                               glim_error *err) {
    for (size_t i = 0; i < in->n; i++) {
        const char *role = in->messages[i].role;
        bool known = !strcmp(role, "system") || !strcmp(role, "user") || !strcmp(role, "assistant");
        if (t->source ? !known : !plain(role))
            return glim_fail(err, GLIM_EUSAGE,
                             "message %zu has the role '%.40s' (known: system, user, assistant)", i,
                             role);
    }
    return GLIM_OK;
}

/* Keeps the first writing of every byte of the source. */
static glim_status drop_repeats(glim_jinja_text *text, glim_arena *arena, size_t source,
                                glim_error *err) {
    uint32_t *from = glim__arena_calloc(arena, text->n + 1, sizeof *from);
    uint8_t *seen = glim__arena_calloc(arena, source + 2, 1);
    if (!from || !seen)
        return glim__oom(arena->ctx, err, "the chat", text->n * sizeof *from);
    for (size_t i = 0; i < text->n && text->from; i++) {
        uint32_t at = text->from[i];
        from[i] = at && !seen[at] ? at : 0;
        seen[at] = 1;
    }
    text->from = from;
    return GLIM_OK;
}

glim_status glim__chat_write(glim_jinja_text *out, glim_arena *arena, const glim_chat_template *t,
                             const glim_chat_input *in, glim_error *err) {
    glim_jinja_dict dict = {0};
    struct variables v = {.arena = arena, .dict = &dict};
    const glim_jinja_node *root = NULL;
    glim_error why = {0};
    size_t source = 0;
    *out = (glim_jinja_text){0};
    if (!in->n)
        return glim_fail(err, GLIM_EUSAGE, "the chat has no message");
    glim_status status = check_roles(t, in, err);
    if (!status)
        status = parse(&root, arena, t, in->info, err);
    for (size_t i = 0; i < in->n; i++)
        source += in->messages[i].content_len + 1;
    if (!status && source > (size_t)1 << 28)
        status = glim_fail(err, GLIM_ELIMIT, "the chat has %zu bytes; at most 2^28", source);
    if (status)
        return status;
    set_variables(&v, in);
    if (v.failed)
        return glim__oom(arena->ctx, err, "the chat", source);
    status = advise(glim__jinja_render(out, arena, root, &dict, &why), &why, err);
    if (!status && !out->n)
        return glim_fail(err, GLIM_EUSAGE,
                         "the template '%s' writes nothing for these messages "
                         "(add a user message)",
                         t->name);
    return status ? status : drop_repeats(out, arena, source, err);
}
