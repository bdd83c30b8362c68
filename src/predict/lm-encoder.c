/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What encoders can be asked about, as target rows:
 *
 *   classify  one row at the first token: a class, or one against another
 *   label     a row at every token whose label is not the first ("O", as a rule)
 *   span      a row for the start and one for the end of the best answer; their
 *             logits add up to the answer's score
 *   embed     one row: the cosine with another text's embedding, which stays fixed
 *   fill      one row at the masked word: a token, or one against another
 *
 * The input is run once before the rows are known, because labels and spans are
 * what the model itself says.
 */
#include "model/model.h"
#include "predict/lm.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_ANSWER = 30, MOST_LABELS = 64 };

static glim_status open_input(glim_lm *lm, glim_error *err) {
    glim_context *ctx = lm->base.ctx;
    size_t T = lm->base.T = lm->tokens->count;
    glim_status status = glim__lm_take_ids(lm, err);
    if (status)
        return status;
    lm->types = glim__calloc(ctx, T + 1, sizeof *lm->types);
    lm->every = glim__calloc(ctx, T + 2, sizeof *lm->every);
    if (!lm->types || !lm->every)
        return glim__oom(ctx, err, "the tokens", T * 5);
    for (size_t t = 0; t <= T + 1; t++)
        lm->every[t] = (uint32_t)t;
    if (lm->model->types.data)
        glim__token_types(lm->model->tokenizer, lm->tokens, lm->types);
    return GLIM_OK;
}

glim_status glim__lm_run_whole(glim_lm *lm, glim_error *err) {
    bool one = lm->task == GLIM_TASK_FILL; /* of a vocabulary: only the row that is read */
    glim_sequence q = {.ids = lm->ids,
                       .types = lm->types,
                       .count = lm->base.T,
                       .wanted = one ? lm->every + lm->rows[0].at : lm->every,
                       .n_wanted = one ? 1 : lm->base.T};
    glim_status status = glim_session_new(&lm->cache, lm->model, 0, err);
    if (!status)
        status = glim_session_forward(lm->cache, &(glim_batch){.sequences = &q, .count = 1}, err);
    lm->forward += lm->base.T;
    return status;
}

/* ---- classes ---- */

/* A class by its name, or its number. */
static glim_status find_class(const glim_lm *lm, const char *name, int32_t *id, glim_error *err) {
    const char *const *labels = glim_model_facts(lm->model)->labels;
    char list[240] = "", *end;
    size_t at = 0;
    for (size_t i = 0; i < lm->outputs && labels; i++) {
        int n = snprintf(list + at, sizeof list - at, "%s%s", i ? ", " : "", labels[i]);
        at += n > 0 && (size_t)n < sizeof list - at ? (size_t)n : 0;
        if (!strcmp(labels[i], name)) {
            *id = (int32_t)i;
            return GLIM_OK;
        }
    }
    long number = strtol(name, &end, 10);
    if (*name && !*end && number >= 0 && (size_t)number < lm->outputs) {
        *id = (int32_t)number;
        return GLIM_OK;
    }
    return glim_fail(err, GLIM_EUSAGE, "there is no class '%.60s' (the classes: %s%s0 to %zu)",
                     name, list, labels ? ", or " : "", lm->outputs - 1);
}

/* The class of a whole text, read at its first token, or its last. */
static glim_status class_row(glim_lm *lm, const glim_target_options *o, glim_error *err) {
    lm->kind = o->against ? "contrast" : "class";
    size_t at = lm->model->pool == GLIM_POOL_LAST ? lm->base.T - 1 : 0;
    glim_status status = glim__lm_add_rows(lm, at, 1, err);
    if (!status && o->target)
        status = find_class(lm, o->target, &lm->rows[0].id, err);
    if (!status && o->against)
        status = find_class(lm, o->against, &lm->rows[0].against, err);
    return status;
}

/* ---- labels of tokens ---- */

static int32_t best_of(const float *x, size_t n) {
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        best = x[i] > x[best] ? i : best;
    return (int32_t)best;
}

/* With a named label every token that has it, else all that have one but the first. */
static glim_status label_rows(glim_lm *lm, const glim_target_options *o, glim_error *err) {
    size_t at[MOST_LABELS], n = 0;
    int32_t ids[MOST_LABELS], only = -1;
    glim_status status = o->target ? find_class(lm, o->target, &only, err) : GLIM_OK;
    if (o->against)
        return glim_fail(err, GLIM_EUSAGE,
                         "labels of tokens are explained one by one, not against another");
    if (!status)
        status = glim__lm_run_whole(lm, err);
    for (size_t t = 0; t < lm->base.T && !status && n < MOST_LABELS; t++) {
        int32_t id = best_of(glim_session_logits(lm->cache, 0, t), lm->outputs);
        if (lm->tokens->at[t].kind != GLIM_TOKEN_TEXT || (only >= 0 ? id != only : id == 0))
            continue;
        at[n] = t;
        ids[n++] = id;
    }
    if (!status && !n)
        return glim_fail(err, GLIM_EUSAGE, "no token of this text has %s",
                         only >= 0 ? "that label" : "a label but the first");
    lm->kind = "labels";
    if (!status)
        status = glim__lm_add_rows(lm, 0, n, err);
    for (size_t r = 0; r < n && !status; r++) {
        lm->rows[r].at = lm->rows[r].token = at[r];
        lm->rows[r].id = ids[r];
    }
    return status;
}

/* ---- spans ---- */

/* Whether an answer may begin or end there: in the second text, if there are two. */
static bool may_answer(const glim_lm *lm, size_t t) {
    const glim_token *token = &lm->tokens->at[t];
    return token->kind == GLIM_TOKEN_TEXT && (lm->tokens->n_turns < 2 || token->turn == 1);
}

static glim_status best_span(glim_lm *lm, size_t *from, size_t *to, glim_error *err) {
    float best = -INFINITY;
    *from = SIZE_MAX;
    for (size_t i = 0; i < lm->base.T; i++)
        for (size_t j = i; j < lm->base.T && j < i + LONGEST_ANSWER; j++) {
            if (!may_answer(lm, i) || !may_answer(lm, j))
                continue;
            float score =
                glim_session_logits(lm->cache, 0, i)[0] + glim_session_logits(lm->cache, 0, j)[1];
            if (*from == SIZE_MAX || score > best) {
                best = score;
                *from = i;
                *to = j;
            }
        }
    return *from < SIZE_MAX ? GLIM_OK
                            : glim_fail(err, GLIM_EUSAGE, "there is no text to find an answer in");
}

static glim_status span_rows(glim_lm *lm, const glim_target_options *o, glim_error *err) {
    size_t at[2] = {0, 0};
    if (o->target || o->against)
        return glim_fail(err, GLIM_EUSAGE,
                         "the model's own answer is explained, so no other target has a name here");
    if (o->output && strcmp(o->output, "logit"))
        return glim_fail(err, GLIM_EUSAGE,
                         "start and end of a span are logits (leave out --output)");
    lm->output = GLIM_OUTPUT_LOGIT;
    lm->kind = "span";
    glim_status status = glim__lm_run_whole(lm, err);
    if (!status)
        status = best_span(lm, &at[0], &at[1], err);
    if (!status)
        status = glim__lm_add_rows(lm, 0, 2, err);
    for (int r = 0; r < 2 && !status; r++) {
        lm->rows[r].at = lm->rows[r].token = at[r];
        lm->rows[r].id = r;
    }
    return status;
}

/* ---- masked words ---- */

static glim_status mask_row(glim_lm *lm, const glim_target_options *o, glim_error *err) {
    int32_t mask = glim__tokenizer_info(lm->model->tokenizer)->mask;
    size_t at = 0, n = 0;
    for (size_t t = 0; t < lm->base.T; t++)
        if (lm->ids[t] == mask && lm->tokens->at[t].kind == GLIM_TOKEN_TEMPLATE) {
            at = t;
            n++;
        }
    if (mask < 0)
        return glim_fail(err, GLIM_EUNSUPPORTED, "this tokenizer has no mask");
    glim_gguf_string name = glim__token_bytes(lm->model->tokenizer, mask);
    if (!n)
        return glim_fail(err, GLIM_EUSAGE, "the text has no masked word (write %.*s in its place)",
                         (int)name.len, name.data);
    if (n > 1)
        return glim_fail(err, GLIM_EUSAGE,
                         "the text has %zu masked words; one is explained (write words for the "
                         "others)",
                         n);
    lm->kind = o->against ? "contrast" : "masked-token";
    glim_status status = glim__lm_add_rows(lm, at, 1, err);
    if (!status && o->target)
        status = glim_model_token(lm->model, o->target, &lm->rows[0].id, err);
    if (!status && o->against)
        status = glim_model_token(lm->model, o->against, &lm->rows[0].against, err);
    return status;
}

/* ---- similarity ---- */

static glim_status embed_other(glim_lm *lm, const char *text, float *out, glim_error *err) {
    glim_lm alone = {.base = {.ctx = lm->base.ctx}, .model = lm->model, .outputs = lm->outputs};
    glim_status status = glim_model_tokenize(lm->model, &alone.tokens, text, strlen(text), err);
    if (!status)
        status = open_input(&alone, err);
    if (!status)
        status = glim__lm_run_whole(&alone, err);
    if (!status)
        memcpy(out, glim_session_logits(alone.cache, 0, 0), lm->outputs * sizeof *out);
    lm->forward += alone.forward;
    glim_session_free(alone.cache);
    glim_tokens_free(alone.tokens);
    glim__free(lm->base.ctx, alone.ids);
    glim__free(lm->base.ctx, alone.types);
    glim__free(lm->base.ctx, alone.every);
    return status;
}

static glim_status similar_row(glim_lm *lm, const glim_target_options *o, glim_error *err) {
    if (!o->against || o->target || o->output)
        return glim_fail(err, GLIM_EUSAGE,
                         "this model embeds texts: name the other text with --against TEXT, and "
                         "leave out --target and --output");
    lm->kind = "similarity";
    lm->output = GLIM_OUTPUT_LOGIT;
    float *direction = glim__calloc(lm->base.ctx, lm->outputs, sizeof *direction);
    if (!direction)
        return glim__oom(lm->base.ctx, err, "an embedding", lm->outputs * sizeof *direction);
    glim_status status = embed_other(lm, o->against, direction, err);
    lm->direction = direction;
    return status ? status : glim__lm_add_rows(lm, 0, 1, err);
}

glim_status glim__lm_encoder_rows(glim_lm *lm, const glim_target_options *o, glim_error *err) {
    if (o->continuation || o->generate)
        return glim_fail(err, GLIM_EUSAGE,
                         "an encoder produces no text (leave out --continuation and --generate)");
    glim_status status = open_input(lm, err);
    if (status)
        return status;
    const glim_predictor *like = o->like;
    if (o->same && (lm->task == GLIM_TASK_LABEL || lm->task == GLIM_TASK_SPAN)) {
        if (lm->base.T != o->same->T)
            return glim_fail(err, GLIM_EUSAGE,
                             "the target is told by its places, and the inputs have %zu and %zu "
                             "tokens (write them with as many: glim tokenize)",
                             o->same->T, lm->base.T);
        like = o->same;
    }
    if (like && lm->task != GLIM_TASK_EMBED) {
        if (lm->task == GLIM_TASK_SPAN)
            lm->output = GLIM_OUTPUT_LOGIT;
        return glim__lm_copy_rows(lm, like, err);
    }
    switch (lm->task) {
    case GLIM_TASK_CLASSIFY:
        return class_row(lm, o, err);
    case GLIM_TASK_LABEL:
        return label_rows(lm, o, err);
    case GLIM_TASK_SPAN:
        return span_rows(lm, o, err);
    case GLIM_TASK_EMBED:
        return similar_row(lm, o, err);
    case GLIM_TASK_FILL:
        return mask_row(lm, o, err);
    default:
        return glim_fail(err, GLIM_EUNSUPPORTED, "'%s' has no task that is explained",
                         glim_model_facts(lm->model)->path);
    }
}
