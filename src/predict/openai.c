/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of the OpenAI API that glim reads: one token is asked for, with the
 * log-probabilities of the likeliest ones, or with those of an echoed prompt. What
 * servers send differs in small ways; anything unexpected is "not supported by this
 * server", and the backend then tries its next way.
 */
#include "predict/openai.h"
#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- requests ---- */

void glim__openai_request(glim_buffer *out, const glim_completion *c) {
    glim__buffer_putc(out, '{');
    if (c->model) {
        glim__buffer_puts(out, "\"model\":");
        glim__batch_string(out, c->model, strlen(c->model));
        glim__buffer_putc(out, ',');
    }
    glim__buffer_puts(out,
                      c->chat ? "\"messages\":[{\"role\":\"user\",\"content\":" : "\"prompt\":");
    glim__batch_string(out, c->prompt, c->prompt_len);
    glim__buffer_puts(out, c->chat ? "}]," : ",");
    glim__buffer_puts(out, "\"max_tokens\":1,\"temperature\":0,");
    if (c->chat)
        glim__buffer_printf(out, "\"logprobs\":true,\"top_logprobs\":%d}", c->top);
    else
        glim__buffer_printf(out, "\"logprobs\":%d%s}", c->top, c->echo ? ",\"echo\":true" : "");
}

/* ---- answers ---- */

static glim_status parse(const glim_black_box *box, const char *text, size_t len, json_t **all,
                         json_t **logprobs, glim_error *err) {
    glim_error why;
    glim_status status = glim__json_parse(all, text, len, "answer", &why);
    if (status == GLIM_ENOMEM)
        return glim_fail(err, status, "%s", why.message);
    if (status)
        return glim__box_fail(box, err, GLIM_EFORMAT, text, len, "its answer is no JSON");
    *logprobs = json_object_get(json_array_get(json_object_get(*all, "choices"), 0), "logprobs");
    return GLIM_OK;
}

static void add(glim_top *top, const char *text, double logprob) {
    size_t i = 0, at;
    for (i = 0; i < top->n && strcmp(top->at[i].text, text); i++) {
    }
    if (i < top->n) { /* the same text by another token */
        double a = top->at[i].logprob;
        logprob = fmax(a, logprob) + log1p(exp(-fabs(a - logprob)));
    } else if (top->n == GLIM_MOST_TOP) {
        return;
    } else {
        top->n++;
    }
    for (at = i; at && top->at[at - 1].logprob < logprob; at--)
        top->at[at] = top->at[at - 1];
    top->at[at].logprob = logprob;
    snprintf(top->at[at].text, sizeof top->at[at].text, "%s", text);
}

/* Texts that do not fit name no label and are left out. */
static bool add_json(glim_top *top, const char *text, const json_t *number) {
    double x = json_number_value(number);
    if (!text || !json_is_number(number) || !isfinite(x) || x > 1e-3)
        return false;
    top->least = x < top->least ? x : top->least;
    if (strlen(text) < sizeof top->at[0].text && *text)
        add(top, text, x);
    return true;
}

glim_status glim__openai_top(const glim_black_box *box, const char *text, size_t len, bool chat,
                             glim_top *out, glim_error *err) {
    json_t *all = NULL, *logprobs = NULL, *list;
    bool ok = true;
    *out = (glim_top){0};
    glim_status status = parse(box, text, len, &all, &logprobs, err);
    if (chat) {
        list = json_object_get(json_array_get(json_object_get(logprobs, "content"), 0),
                               "top_logprobs");
        for (size_t i = 0; i < json_array_size(list) && ok; i++) {
            const json_t *o = json_array_get(list, i);
            ok = add_json(out, json_string_value(json_object_get(o, "token")),
                          json_object_get(o, "logprob"));
        }
    } else {
        list = json_array_get(json_object_get(logprobs, "top_logprobs"), 0);
        for (void *i = json_object_iter(list); i && ok; i = json_object_iter_next(list, i))
            ok = add_json(out, json_object_iter_key(i), json_object_iter_value(i));
    }
    if (!status && (!ok || !out->n))
        status = glim__box_fail(box, err, GLIM_EUNSUPPORTED, text, len,
                                "its answer has no log-probabilities of the first token");
    json_decref(all);
    return status;
}

glim_status glim__openai_echo(const glim_black_box *box, const char *text, size_t len, size_t from,
                              size_t to, double *sum, size_t *tokens, glim_error *err) {
    json_t *all = NULL, *logprobs = NULL;
    glim_status status = parse(box, text, len, &all, &logprobs, err);
    const json_t *offsets = json_object_get(logprobs, "text_offset");
    const json_t *numbers = json_object_get(logprobs, "token_logprobs");
    bool ok = json_array_size(offsets) <= json_array_size(numbers);
    *sum = 0;
    *tokens = 0;
    for (size_t i = 0; i < json_array_size(offsets) && ok; i++) {
        const json_t *offset = json_array_get(offsets, i), *number = json_array_get(numbers, i);
        json_int_t at = json_integer_value(offset);
        if (!json_is_integer(offset) || at < 0)
            ok = false;
        else if ((size_t)at >= from && (size_t)at < to) {
            ok = json_is_number(number) && isfinite(json_number_value(number)) &&
                 json_number_value(number) < 1e-3;
            *sum += json_number_value(number);
            ++*tokens;
        }
    }
    if (!status && (!ok || !*tokens))
        status = glim__box_fail(box, err, GLIM_EUNSUPPORTED, text, len,
                                "its answer has no log-probabilities of the prompt's tokens");
    json_decref(all);
    return status;
}

/* ---- labels ---- */

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool begins(const char *token, const char *label) {
    token += strspn(token, " \t\n");
    size_t n = strlen(token), i = 0;
    while (i < n && label[i] && lower(token[i]) == lower(label[i]))
        i++;
    return n && i == n;
}

double glim__openai_label(const glim_top *top, const char *const *all, size_t n, size_t k) {
    double sum = 0;
    for (size_t i = 0; i < top->n; i++) {
        bool mine = begins(top->at[i].text, all[k]);
        for (size_t j = 0; j < n && mine; j++)
            mine = j == k || !begins(top->at[i].text, all[j]);
        sum += mine ? exp(top->at[i].logprob) : 0;
    }
    return sum > 0 ? log(sum) : NAN;
}
