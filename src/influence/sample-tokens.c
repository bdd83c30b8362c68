/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Examples. A decoder's row t is asked for token t + 1, so nothing behind the last label
 * is run: neither that label itself nor a chat's invitation to go on. Of a chat the
 * assistant's own words are labels; the marks around them are the template's. What an
 * encoder-decoder writes ends with the end token, as in training.
 */
#include "influence/sample-tokens.h"
#include "model/model.h"
#include "predict/labels.h"
#include "predict/lm.h"

#include <stdio.h>
#include <string.h>

static glim_status oom(const glim_model *m, size_t n, glim_error *err) {
    return glim__oom(m->ctx, err, "a sample", n * sizeof(int32_t));
}

/* ---- classes ---- */

/* Rows whose outputs a classifier reads. */
static glim_status want_class(const glim_model *m, glim_arena *arena, glim_example *out,
                              glim_error *err) {
    bool all = m->pool == GLIM_POOL_MEAN;
    size_t n = all ? out->count : 1;
    uint32_t *wanted = glim__arena_alloc(arena, n * sizeof *wanted);
    if (!wanted)
        return oom(m, n, err);
    for (size_t i = 0; i < n; i++)
        wanted[i] = (uint32_t)(m->pool == GLIM_POOL_LAST ? out->count - 1 : i);
    out->wanted = wanted;
    out->n_wanted = n;
    return GLIM_OK;
}

struct taken {
    int32_t *ids;
    uint8_t *types;
    size_t n;
};

/* The tokens without the end of what is too long. */
static glim_status take_tokens(const glim_model *m, const glim_tokens *tokens, size_t most,
                               glim_arena *arena, struct taken *out, glim_error *err) {
    size_t T = tokens->count;
    uint32_t *kept = glim__arena_alloc(arena, T * sizeof *kept);
    out->types = glim__arena_alloc(arena, T + 1);
    out->ids = glim__arena_alloc(arena, T * sizeof *out->ids);
    if (!kept || !out->types || !out->ids)
        return oom(m, T, err);
    glim__token_types(m->tokenizer, tokens, out->types);
    out->n = glim__tokens_shorten(tokens, most, kept);
    for (size_t i = 0; i < out->n; i++) {
        out->ids[i] = tokens->at[kept[i]].id;
        out->types[i] = out->types[kept[i]];
    }
    return GLIM_OK;
}

static glim_status make_class(const glim_model *m, const glim_tokens *tokens, int32_t class_id,
                              glim_arena *arena, glim_example *out, glim_error *err) {
    struct taken text;
    int32_t *label = glim__arena_alloc(arena, sizeof *label);
    glim_status status = label ? take_tokens(m, tokens, (size_t)m->hyper.context, arena, &text, err)
                               : oom(m, 1, err);
    if (status)
        return status;
    *label = class_id;
    *out = (glim_example){.ids = text.ids,
                          .types = m->hyper.both_ways ? text.types : NULL,
                          .count = text.n,
                          .labels = label,
                          .n_labels = 1,
                          .cut = tokens->count > text.n};
    return want_class(m, arena, out, err);
}

/* ---- what follows ---- */

/* Whether a token is something that should have been said. */
static bool is_label(const glim_tokens *tokens, size_t i, glim_form form) {
    const glim_token *t = &tokens->at[i];
    if (form == GLIM_FORM_TEXT)
        return true;
    if (form == GLIM_FORM_CHAT)
        return t->kind == GLIM_TOKEN_TEXT && t->turn >= 0 &&
               !strcmp(tokens->turns[t->turn].role, "assistant");
    return t->kind == GLIM_TOKEN_GENERATED;
}

static glim_status make_next(const glim_model *m, const glim_tokens *tokens, glim_form form,
                             glim_arena *arena, glim_example *out, glim_error *err) {
    size_t most = (size_t)m->hyper.context, n = 0, T = tokens->count, end = 0;
    int32_t *ids = glim__arena_alloc(arena, T * sizeof *ids);
    int32_t *labels = glim__arena_alloc(arena, T * sizeof *labels);
    uint32_t *wanted = glim__arena_alloc(arena, T * sizeof *wanted);
    if (!ids || !labels || !wanted)
        return oom(m, T, err);
    for (size_t i = 0; i < T; i++)
        ids[i] = tokens->at[i].id;
    for (size_t i = 1; i < T; i++) {
        if (!is_label(tokens, i, form))
            continue;
        out->cut = i > most;
        if (out->cut)
            break;
        wanted[n] = (uint32_t)(i - 1);
        labels[n++] = ids[i];
        end = i;
    }
    size_t whole = T < most ? T : most;
    *out = (glim_example){.ids = ids,
                          .count = n ? end : whole,
                          .wanted = wanted,
                          .n_wanted = n,
                          .labels = labels,
                          .n_labels = n,
                          .cut = out->cut};
    return GLIM_OK;
}

static glim_status append_answer(const glim_model *m, glim_tokens *tokens, const char *text,
                                 const char *answer, bool word, glim_error *err) {
    glim_buffer spaced;
    while (tokens->count && tokens->at[tokens->count - 1].kind == GLIM_TOKEN_SPECIAL &&
           tokens->at[tokens->count - 1].id == m->info.eos && tokens->count > 1)
        tokens->count--; /* a tokenizer's own end would stand between the two */
    if (!word || !glim__labels_gap(text, strlen(text), answer))
        return glim__append_continuation(m, tokens, answer, err);
    glim__buffer_init(&spaced, m->ctx);
    glim__buffer_printf(&spaced, " %s", answer);
    glim_status status = spaced.failed ? oom(m, strlen(answer), err)
                                       : glim__append_continuation(m, tokens, spaced.data, err);
    glim__buffer_release(&spaced);
    return status;
}

/* The beginning of a reply is read as the chat is: only what follows should have been said. */
static glim_status append_reply(const glim_model *m, glim_tokens *tokens,
                                const glim_example_words *words, glim_error *err) {
    glim_status status = *words->prefix ? glim__tokens_prefix(tokens, m->tokenizer, words->prefix,
                                                              strlen(words->prefix), err)
                                        : GLIM_OK;
    return status ? status : glim__append_continuation(m, tokens, words->label, err);
}

/* ---- what is written about a text ---- */

static glim_status make_pair(const glim_model *m, glim_tokens *tokens, const char *target,
                             glim_arena *arena, glim_example *out, glim_error *err) {
    size_t S = tokens->count, most = (size_t)m->hyper.context;
    struct taken source;
    glim_status status =
        take_tokens(m, tokens, (size_t)m->encoder->hyper.context, arena, &source, err);
    if (!status)
        status = glim__append_target(m, tokens, target, err);
    if (status)
        return status;
    size_t R = tokens->count - S, end = m->info.eos >= 0, n = R + end < most ? R + end : most;
    int32_t *ids = glim__arena_alloc(arena, (n + 1) * sizeof *ids);
    uint32_t *rows = glim__arena_alloc(arena, (n + 1) * sizeof *rows);
    if (!ids || !rows)
        return oom(m, n, err);
    ids[0] = m->start;
    for (size_t i = 0; i < n; i++) {
        ids[i + 1] = i < R ? tokens->at[S + i].id : m->info.eos;
        rows[i] = (uint32_t)i;
    }
    *out = (glim_example){.ids = ids,
                          .count = n,
                          .source = source.ids,
                          .n_source = source.n,
                          .wanted = rows,
                          .n_wanted = n,
                          .labels = ids + 1,
                          .n_labels = n,
                          .cut = S > source.n || R + end > n};
    return GLIM_OK;
}

glim_status glim__example_make(const glim_model *m, const glim_example_words *words,
                               glim_arena *arena, glim_example *out, glim_error *err) {
    glim_form form = words->form;
    bool chat = form == GLIM_FORM_CHAT || form == GLIM_FORM_REPLY;
    const char *text = words->text;
    glim_tokens *tokens = NULL;
    *out = (glim_example){0};
    glim_status status = chat ? glim_model_tokenize_chat(m, &tokens, text, strlen(text), "messages",
                                                         words->template, err)
                              : glim_model_tokenize(m, &tokens, text, strlen(text), err);
    if (!status && form == GLIM_FORM_REPLY)
        status = append_reply(m, tokens, words, err);
    if (!status && (form == GLIM_FORM_ANSWER || form == GLIM_FORM_WORD))
        status = append_answer(m, tokens, text, words->label, form == GLIM_FORM_WORD, err);
    if (!status && form == GLIM_FORM_CLASS)
        status = make_class(m, tokens, words->class_id, arena, out, err);
    else if (!status && form == GLIM_FORM_PAIR)
        status = make_pair(m, tokens, words->label, arena, out, err);
    else if (!status)
        status = make_next(m, tokens, form, arena, out, err);
    glim_tokens_free(tokens);
    return status;
}
