/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chat templates. Models carry Jinja source; glim does not run it but recognises
 * the family by what the source contains and writes the text itself, so that it
 * knows which bytes are the template's and which are a message's. An unknown
 * template is an error that names the choice. Each family is one function that
 * writes the turns; the table at the bottom says how to recognise it.
 */
#include "text/chat.h"

#include <string.h>

struct glim_chat_template {
    const char *name;
    const char *contains[3], *lacks; /* how it is recognised; first row that fits wins */
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

static bool space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* A message's own text, trimmed when the template trims. */
static void content(glim_chat_text *o, const glim_chat_input *in, size_t i, bool trim) {
    const char *s = in->messages[i].content;
    size_t n = in->messages[i].content_len, cut = 0;
    while (trim && n > cut && space(s[cut]))
        cut++;
    while (trim && n > cut && space(s[n - 1]))
        n--;
    o->skipped[i] = cut;
    put(o, s + cut, n - cut, (long)i);
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
   literal behind the system header in its source. */
static void default_system(glim_chat_text *o, const glim_chat_input *in) {
    static const char head[] = "<|im_start|>system\\n", tail[] = "<|im_end|>";
    const char *s = in->info->chat_template, *end = s ? s + in->info->chat_template_len : NULL;
    while (s && (s = memmem(s, (size_t)(end - s), head, sizeof head - 1))) {
        s += sizeof head - 1;
        const char *stop = memmem(s, (size_t)(end - s), tail, sizeof tail - 1);
        size_t n = stop ? (size_t)(stop - s) : 0;
        if (!n || memchr(s, '\'', n) || memchr(s, '{', n) || memchr(s, '"', n))
            continue;
        literal(o, "<|im_start|>system\n");
        put(o, s, n, -1);
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
        content(o, in, i, false);
        literal(o, "<|im_end|>\n");
    }
    literal(o, "<|im_start|>assistant\n");
    return GLIM_OK;
}

static glim_status write_llama3(glim_chat_text *o, const glim_chat_input *in, glim_error *err) {
    literal(o, "<|begin_of_text|>");
    for (size_t i = 0; i < in->n; i++) {
        literal(o, "<|start_header_id|>");
        literal(o, in->messages[i].role);
        literal(o, "<|end_header_id|>\n\n");
        content(o, in, i, true);
        literal(o, "<|eot_id|>");
    }
    literal(o, "<|start_header_id|>assistant<|end_header_id|>\n\n");
    return GLIM_OK;
}

static glim_status write_gemma(glim_chat_text *o, const glim_chat_input *in, glim_error *err) {
    glim_status status = check_turns(in, "gemma", err);
    if (status)
        return status;
    literal(o, "<bos>");
    for (size_t i = role_is(in, 0, "system"); i < in->n; i++) {
        literal(o, "<start_of_turn>");
        literal(o, role_is(in, i, "assistant") ? "model" : "user");
        literal(o, "\n");
        if (i == 1 && role_is(in, 0, "system")) {
            content(o, in, 0, false);
            literal(o, "\n\n");
        }
        content(o, in, i, true);
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
                content(o, in, 0, false);
                literal(o, "\n<</SYS>>\n\n");
            }
            content(o, in, i, true);
            literal(o, " [/INST]");
        } else {
            literal(o, " ");
            content(o, in, i, true);
            literal(o, " </s>");
        }
    }
    return status;
}

/* Mistral v1 to v3 and tekken differ in spaces around [INST]; the template's
   own source tells which. */
static glim_status write_mistral(glim_chat_text *o, const glim_chat_input *in, glim_error *err) {
    const char *src = in->info->chat_template ? in->info->chat_template : "";
    size_t n = in->info->chat_template_len, first = role_is(in, 0, "system");
    bool old = memmem(src, n, "' [INST] '", 10) || memmem(src, n, "[INST] ' +", 10);
    const char *open = memmem(src, n, "' [INST] '", 10) ? " [INST] " : "[INST] ";
    glim_status status = check_turns(in, "mistral", err);
    if (!old && memmem(src, n, "\"[INST]\"", 8))
        open = "[INST]";
    literal(o, "<s>");
    for (size_t i = first; i < in->n && !status; i++) {
        if (role_is(in, i, "user")) {
            literal(o, open);
            if (i == 1 && first) {
                content(o, in, 0, false);
                literal(o, "\n\n");
            }
            content(o, in, i, false);
            literal(o, strcmp(open, "[INST]") ? " [/INST]" : "[/INST]");
        } else {
            literal(o, strcmp(open, "[INST]") ? " " : "");
            content(o, in, i, false);
            literal(o, "</s>");
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
        content(o, in, i, false);
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
    return write_marked(o, in, "[gMASK]<sop>", "", "<|assistant|>");
}

static glim_status write_chatglm3(glim_chat_text *o, const glim_chat_input *in, glim_error *err) {
    literal(o, "[gMASK]sop");
    for (size_t i = 0; i < in->n; i++) {
        literal(o, "<|");
        literal(o, in->messages[i].role);
        literal(o, "|>\n ");
        content(o, in, i, false);
    }
    literal(o, "<|assistant|>");
    return GLIM_OK;
}

static const glim_chat_template templates[] = {
    {"chatml", {"<|im_start|>"}, "<|im_sep|>", write_chatml},
    {"llama2", {"[INST]", "<<SYS>>"}, NULL, write_llama2},
    {"mistral", {"[INST]"}, NULL, write_mistral},
    {"phi3", {"<|assistant|>", "<|end|>"}, NULL, write_phi3},
    {"glm4", {"[gMASK]<sop>"}, NULL, write_glm4},
    {"chatglm3", {"[gMASK]sop"}, NULL, write_chatglm3},
    {"zephyr", {"<|user|>", "<|assistant|>"}, NULL, write_zephyr},
    {"gemma", {"<start_of_turn>"}, NULL, write_gemma},
    {"llama3", {"<|start_header_id|>"}, NULL, write_llama3},
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
    return !t->lacks || !memmem(s, n, t->lacks, strlen(t->lacks));
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
