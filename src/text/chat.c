/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chat templates. Models carry Jinja source; glim does not run it but recognises
 * the family by what the source contains and writes the text itself, so that it
 * knows which bytes are the template's and which are a message's. An unknown
 * template is an error that names the choice. Each family is one function that
 * writes the turns; the table at the bottom says how to recognise it.
 */
#include "text/chat.h"
#include "base/utf8.h"

#include <string.h>

struct glim_chat_template {
    const char *name;
    const char *contains[3], *lacks; /* how it is recognised; first row that fits wins */
    bool (*also)(const char *source, size_t n);
    glim_status (*write)(glim_chat_text *out, const glim_chat_input *in, glim_error *err);
};

/* ---- writing ---- */

static void put(glim_chat_text *o, const char *s, size_t n, long turn) {
    for (size_t i = 0; i < n; i++) {
        glim__buffer_putc(&o->text, s[i]);
        int32_t mark = (int32_t)turn;
        glim__buffer_append(&o->turn_of, &mark, sizeof mark);
    }
}

static void literal(glim_chat_text *o, const char *s) {
    put(o, s, strlen(s), -1);
}

/* What Python's strip takes away, which templates call. */
static bool space(uint32_t c) {
    return c == ' ' || (c >= '\t' && c <= '\r') || (c >= 0x1c && c <= 0x1f) || c == 0x85 ||
           c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
           c == 0x202f || c == 0x205f || c == 0x3000;
}

enum trim { TRIM_NONE = 0, TRIM_FRONT = 1, TRIM_BACK = 2, TRIM = 3 };

/* A message's own text, trimmed where the template trims. */
static void content(glim_chat_text *o, const glim_chat_input *in, size_t i, enum trim trim) {
    const char *s = in->messages[i].content;
    size_t n = in->messages[i].content_len, cut = 0, keep = 0;
    uint32_t cp;
    for (size_t at = 0; at < n;) {
        int len = glim__utf8_decode(s + at, n - at, &cp);
        bool blank = len && space(cp);
        at += len ? (size_t)len : 1;
        if (blank && !keep)
            cut = at;
        else if (!blank)
            keep = at; /* the end of the last visible character */
    }
    cut = trim & TRIM_FRONT ? cut : 0;
    n = trim & TRIM_BACK ? (keep > cut ? keep : cut) : n;
    o->skipped[i] = cut;
    put(o, s + cut, n - cut, (long)i);
}

static bool source_has(const glim_chat_input *in, const char *words) {
    const char *s = in->info->chat_template;
    return s && memmem(s, in->info->chat_template_len, words, strlen(words));
}

static bool role_is(const glim_chat_input *in, size_t i, const char *role) {
    return !strcmp(in->messages[i].role, role);
}

/* system only first, then user and assistant by turns, starting with user. */
static glim_status check_turns(const glim_chat_input *in, const char *name, glim_error *err) {
    size_t first = role_is(in, 0, "system");
    for (size_t i = first; i < in->n; i++) {
        const char *want = (i - first) % 2 ? "assistant" : "user";
        if (!role_is(in, i, want))
            return glim_fail(err, GLIM_EUSAGE,
                             "message %zu has the role '%s'; the template '%s' "
                             "wants '%s' there",
                             i, in->messages[i].role, name, want);
    }
    return GLIM_OK;
}

/* The system text that a ChatML template puts in when there is none: the
   literal behind the system header in its source, where a line end is written
   as such or as \n. */
static void default_system(glim_chat_text *o, const glim_chat_input *in) {
    static const char head[] = "<|im_start|>system", tail[] = "<|im_end|>";
    const char *s = in->info->chat_template, *end = s ? s + in->info->chat_template_len : NULL;
    while (s && (s = memmem(s, (size_t)(end - s), head, sizeof head - 1))) {
        s += sizeof head - 1;
        size_t line_end = s < end && *s == '\n' ? 1 : end - s > 1 && !memcmp(s, "\\n", 2) ? 2 : 0;
        s += line_end;
        const char *stop = memmem(s, (size_t)(end - s), tail, sizeof tail - 1);
        size_t n = stop && line_end ? (size_t)(stop - s) : 0;
        if (!n || memchr(s, '\'', n) || memchr(s, '{', n) || memchr(s, '"', n))
            continue;
        literal(o, "<|im_start|>system\n");
        for (size_t i = 0; i < n; i++) {
            bool escape = i + 1 < n && s[i] == '\\' && s[i + 1] == 'n';
            put(o, escape ? "\n" : s + i, 1, -1);
            i += escape;
        }
        literal(o, "<|im_end|>\n");
        return;
    }
}

static glim_status write_chatml(glim_chat_text *o, const glim_chat_input *in, glim_error *err) {
    if (!role_is(in, 0, "system"))
        default_system(o, in);
    for (size_t i = 0; i < in->n; i++) {
        literal(o, "<|im_start|>");
        literal(o, in->messages[i].role);
        literal(o, "\n");
        content(o, in, i, TRIM_NONE);
        literal(o, "<|im_end|>\n");
    }
    literal(o, "<|im_start|>assistant\n");
    return GLIM_OK;
}

/* From 3.1 on, dates open the system turn, which is always there. The template's
   own fixed date is written, never today's: an explanation can be repeated. */
static glim_status write_llama3(glim_chat_text *o, const glim_chat_input *in, glim_error *err) {
    const char *dates = source_has(in, "Cutting Knowledge Date: December 2023")
                            ? "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n"
                            : NULL;
    literal(o, "<|begin_of_text|>");
    if (dates && !role_is(in, 0, "system")) {
        literal(o, "<|start_header_id|>system<|end_header_id|>\n\n");
        literal(o, dates);
        literal(o, "<|eot_id|>");
    }
    for (size_t i = 0; i < in->n; i++) {
        literal(o, "<|start_header_id|>");
        literal(o, in->messages[i].role);
        literal(o, "<|end_header_id|>\n\n");
        if (dates && !i && role_is(in, 0, "system"))
            literal(o, dates);
        content(o, in, i, TRIM);
        literal(o, "<|eot_id|>");
    }
    literal(o, "<|start_header_id|>assistant<|end_header_id|>\n\n");
    return GLIM_OK;
}

static glim_status write_gemma(glim_chat_text *o, const glim_chat_input *in, glim_error *err) {
    glim_status status = check_turns(in, "gemma", err);
    if (!status && role_is(in, 0, "system") && source_has(in, "System role not supported"))
        status = glim_fail(err, GLIM_EUSAGE, "the model's template takes no system message");
    if (status)
        return status;
    literal(o, "<bos>");
    for (size_t i = role_is(in, 0, "system"); i < in->n; i++) {
        literal(o, "<start_of_turn>");
        literal(o, role_is(in, i, "assistant") ? "model" : "user");
        literal(o, "\n");
        if (i == 1 && role_is(in, 0, "system")) {
            content(o, in, 0, TRIM_NONE);
            literal(o, "\n\n");
        }
        content(o, in, i, TRIM);
        literal(o, "<end_of_turn>\n");
    }
    literal(o, "<start_of_turn>model\n");
    return GLIM_OK;
}

static glim_status write_llama2(glim_chat_text *o, const glim_chat_input *in, glim_error *err) {
    glim_status status = check_turns(in, "llama2", err);
    size_t first = role_is(in, 0, "system");
    for (size_t i = first; i < in->n && !status; i++) {
        if (role_is(in, i, "user")) {
            literal(o, "<s>[INST] ");
            if (i == 1 && first) {
                literal(o, "<<SYS>>\n");
                content(o, in, 0, TRIM_NONE);
                literal(o, "\n<</SYS>>\n\n");
            }
            content(o, in, i, i == 1 && first ? TRIM_BACK : TRIM);
            literal(o, " [/INST]");
        } else {
            literal(o, " ");
            content(o, in, i, TRIM);
            literal(o, " </s>");
        }
    }
    return status;
}

/* A mark with the spaces around it, as the template's source writes it. */
struct mark {
    const char *s;
    size_t n;
};

static struct mark find_mark(const glim_chat_input *in, const char *word, const char *fallback) {
    const char *src = in->info->chat_template ? in->info->chat_template : "";
    const char *end = src + in->info->chat_template_len;
    const char *at = memmem(src, (size_t)(end - src), word, strlen(word));
    if (!at)
        return (struct mark){fallback, strlen(fallback)};
    const char *to = at + strlen(word);
    while (at > src && at[-1] == ' ')
        at--;
    while (to < end && *to == ' ')
        to++;
    return (struct mark){at, (size_t)(to - at)};
}

/* The generations differ in the spaces around [INST], in what surrounds an
   answer, and in the turn that takes the system text; the template's own source
   tells which. */
static glim_status write_mistral(glim_chat_text *o, const glim_chat_input *in, glim_error *err) {
    struct mark open = find_mark(in, "[INST]", "[INST] ");
    struct mark close = find_mark(in, "[/INST]", " [/INST]");
    bool known = source_has(in, "[INST]"), trim = source_has(in, "|trim + eos");
    bool spaced = !known || source_has(in, "' ' + m") || source_has(in, "\" \" + m");
    size_t first = role_is(in, 0, "system");
    size_t takes_system = source_has(in, "loop.last and system_message") ? in->n - 1 : 1;
    glim_status status = check_turns(in, "mistral", err);
    if (!status && known && first && !source_has(in, "system_message"))
        status = glim_fail(err, GLIM_EUSAGE, "the model's template takes no system message");
    literal(o, "<s>");
    for (size_t i = first; i < in->n && !status; i++) {
        if (role_is(in, i, "user")) {
            put(o, open.s, open.n, -1);
            if (i == takes_system && first) {
                content(o, in, 0, TRIM_NONE);
                literal(o, "\n\n");
            }
            content(o, in, i, TRIM_NONE);
            put(o, close.s, close.n, -1);
        } else {
            literal(o, spaced ? " " : "");
            content(o, in, i, trim ? TRIM : TRIM_NONE);
            literal(o, source_has(in, "eos_token + ' '") ? "</s> " : "</s>");
        }
    }
    return status;
}

static glim_status write_marked(glim_chat_text *o, const glim_chat_input *in, const char *start,
                                const char *end, const char *last) {
    literal(o, start);
    for (size_t i = 0; i < in->n; i++) {
        literal(o, "<|");
        literal(o, in->messages[i].role);
        literal(o, "|>\n");
        content(o, in, i, TRIM_NONE);
        literal(o, end);
    }
    literal(o, last);
    return GLIM_OK;
}

static glim_status write_phi3(glim_chat_text *o, const glim_chat_input *in, glim_error *err) {
    return write_marked(o, in, "", "<|end|>\n", "<|assistant|>\n");
}

static glim_status write_zephyr(glim_chat_text *o, const glim_chat_input *in, glim_error *err) {
    return write_marked(o, in, "", "</s>\n", "<|assistant|>\n");
}

static glim_status write_glm4(glim_chat_text *o, const glim_chat_input *in, glim_error *err) {
    bool line_end = source_has(in, "<|assistant|>\n{% endif");
    return write_marked(o, in, "[gMASK]<sop>", "", line_end ? "<|assistant|>\n" : "<|assistant|>");
}

static glim_status write_chatglm3(glim_chat_text *o, const glim_chat_input *in, glim_error *err) {
    literal(o, "[gMASK]sop");
    for (size_t i = 0; i < in->n; i++) {
        literal(o, "<|");
        literal(o, in->messages[i].role);
        literal(o, "|>\n ");
        content(o, in, i, TRIM_NONE);
    }
    literal(o, "<|assistant|>");
    return GLIM_OK;
}

/* Others share zephyr's marks but do not end a user's turn with the end token. */
static bool user_ends(const char *source, size_t n) {
    const char *at = memmem(source, n, "<|user|>", 8);
    size_t left = at ? n - (size_t)(at - source) : 0;
    const char *stop = left ? memmem(at, left, "}}", 2) : NULL;
    return stop && memmem(at, (size_t)(stop - at), "eos_token", 9);
}

/* Later templates of a name that are written otherwise are kept out by `lacks`. */
static const glim_chat_template templates[] = {
    {"chatml", {"<|im_start|>"}, "<|im_sep|>", NULL, write_chatml},
    {"llama2", {"[INST]", "<<SYS>>"}, NULL, NULL, write_llama2},
    {"mistral", {"[INST]"}, "[SYSTEM_PROMPT]", NULL, write_mistral},
    {"phi3", {"<|assistant|>", "<|end|>"}, "<|/tool|>", NULL, write_phi3},
    {"glm4", {"[gMASK]<sop>"}, "<think>", NULL, write_glm4},
    {"chatglm3", {"[gMASK]sop"}, NULL, NULL, write_chatglm3},
    {"zephyr", {"<|user|>", "<|assistant|>"}, NULL, user_ends, write_zephyr},
    {"gemma", {"<start_of_turn>"}, NULL, NULL, write_gemma},
    {"llama3", {"<|start_header_id|>"}, NULL, NULL, write_llama3},
};
enum { TEMPLATES = sizeof templates / sizeof *templates };

static const char *const names[TEMPLATES + 1] = {"chatml",   "llama2", "mistral", "phi3",   "glm4",
                                                 "chatglm3", "zephyr", "gemma",   "llama3", NULL};

const char *const *glim__chat_template_names(void) {
    return names;
}

const char *glim__chat_template_name(const glim_chat_template *t) {
    return t->name;
}

static bool fits(const glim_chat_template *t, const glim_tokenizer_info *info) {
    const char *s = info->chat_template;
    size_t n = info->chat_template_len;
    for (int i = 0; i < 3 && t->contains[i]; i++)
        if (!memmem(s, n, t->contains[i], strlen(t->contains[i])))
            return false;
    return (!t->lacks || !memmem(s, n, t->lacks, strlen(t->lacks))) && (!t->also || t->also(s, n));
}

glim_status glim__chat_template_find(const glim_chat_template **out, const char *name,
                                     const glim_tokenizer_info *info, glim_error *err) {
    *out = NULL;
    for (int i = 0; i < TEMPLATES && !*out; i++)
        if (name ? !strcmp(name, templates[i].name)
                 : info->chat_template && fits(&templates[i], info))
            *out = &templates[i];
    if (*out)
        return GLIM_OK;
    return glim_fail(err, name ? GLIM_EUSAGE : GLIM_EUNSUPPORTED,
                     "%s%.40s%s (choose with --template: chatml, llama2, mistral, phi3, glm4, "
                     "chatglm3, zephyr, gemma, llama3)",
                     name                  ? "there is no chat template '"
                     : info->chat_template ? "the model's chat template is not known"
                                           : "the model has no chat template",
                     name ? name : "", name ? "'" : "");
}

glim_status glim__chat_write(glim_chat_text *out, const glim_chat_template *t,
                             const glim_chat_input *in, glim_error *err) {
    static const char *const roles[] = {"system", "user", "assistant"};
    if (!in->n)
        return glim_fail(err, GLIM_EUSAGE, "the chat has no message");
    for (size_t i = 0; i < in->n; i++) {
        bool known = false;
        for (size_t k = 0; k < 3; k++)
            known = known || role_is(in, i, roles[k]);
        if (!known)
            return glim_fail(err, GLIM_EUSAGE,
                             "message %zu has the role '%.40s' (known: system, "
                             "user, assistant)",
                             i, in->messages[i].role);
    }
    glim_status status = t->write(out, in, err);
    if (!status && (out->text.failed || out->turn_of.failed))
        status = glim__oom(out->text.ctx, err, "the chat", out->text.len);
    if (!status && !out->text.len)
        status = glim_fail(err, GLIM_EUSAGE,
                           "the template '%s' writes nothing for these messages "
                           "(add a user message)",
                           t->name);
    return status;
}
