/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Embeddings of many texts. They run by length in ragged batches: neither padding nor
 * a long text among short ones costs anything, and a batch's matrices are large.
 * The session promises that neither batch nor order shows in a bit.
 */
#include "model/model.h"

#include <stdlib.h>
#include <string.h>

enum { ROWS = 1024 };

struct one {
    glim_tokens *tokens;
    size_t index;
};

static int by_length(const void *a, const void *b) {
    const struct one *x = a, *y = b;
    if (x->tokens->count != y->tokens->count)
        return x->tokens->count < y->tokens->count ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

struct run {
    const glim_model *m;
    glim_session *s;
    struct one *all;
    size_t n, most; /* rows in a batch at most, or one text's */
    glim_sequence *q;
    int32_t *ids;
    uint32_t *every; /* 0, 1, ... */
    uint8_t *types;
    float *out;
};

static glim_status cut(struct run *r, const char *const *texts, size_t *longest, glim_error *err) {
    size_t context = (size_t)r->m->hyper.context;
    *longest = 0;
    for (size_t i = 0; i < r->n; i++) {
        r->all[i].index = i;
        glim_status status =
            glim_model_tokenize(r->m, &r->all[i].tokens, texts[i], strlen(texts[i]), err);
        if (status)
            return glim_prefix(err, status, "text %zu", i);
        size_t count = r->all[i].tokens->count;
        if (count > context)
            return glim_fail(err, GLIM_ELIMIT,
                             "text %zu has %zu tokens, the model's context %zu (shorten it)", i,
                             count, context);
        *longest = count > *longest ? count : *longest;
    }
    qsort(r->all, r->n, sizeof *r->all, by_length);
    return GLIM_OK;
}

/* Rows of a batch that half of the budget allows. */
static size_t batch_rows(const glim_model *m, size_t longest) {
    size_t rows = ROWS > longest ? ROWS : longest;
    uint64_t left = glim__budget_left(m->ctx);
    while (rows > longest &&
           glim_session_plan(m, rows, rows, longest, rows, false, NULL) > left / 2)
        rows = rows / 2 > longest ? rows / 2 : longest;
    return rows;
}

/* Runs the texts [from, to). */
static glim_status run_batch(struct run *r, size_t from, size_t to, glim_error *err) {
    size_t row = 0, W = (size_t)r->m->outputs;
    for (size_t i = from; i < to; i++) {
        const glim_tokens *t = r->all[i].tokens;
        for (size_t k = 0; k < t->count; k++)
            r->ids[row + k] = t->at[k].id;
        glim__token_types(r->m->tokenizer, t, r->types + row);
        r->q[i - from] = (glim_sequence){.ids = r->ids + row,
                                         .types = r->m->types.data ? r->types + row : NULL,
                                         .count = t->count,
                                         .wanted = r->every,
                                         .n_wanted = t->count};
        row += t->count;
    }
    glim_status status =
        glim_session_forward(r->s, &(glim_batch){.sequences = r->q, .count = to - from}, err);
    for (size_t i = from; i < to && !status; i++)
        memcpy(r->out + r->all[i].index * W, glim_session_logits(r->s, i - from, 0),
               W * sizeof *r->out);
    glim__progress_add(r->m->ctx, row);
    return status;
}

static glim_status run_all(struct run *r, size_t longest, glim_error *err) {
    glim_context *ctx = r->m->ctx;
    glim_status status = GLIM_OK;
    r->most = batch_rows(r->m, longest);
    r->q = glim__calloc(ctx, r->most, sizeof *r->q);
    r->ids = glim__calloc(ctx, r->most, sizeof *r->ids);
    r->types = glim__calloc(ctx, r->most, 1);
    r->every = glim__calloc(ctx, longest, sizeof *r->every);
    if (!r->q || !r->ids || !r->types || !r->every)
        return glim__oom(ctx, err, "a batch of texts", r->most * sizeof *r->q);
    for (size_t i = 0; i < longest; i++)
        r->every[i] = (uint32_t)i;
    for (size_t from = 0, to; from < r->n && !status; from = to) {
        size_t rows = 0;
        for (to = from; to < r->n && rows + r->all[to].tokens->count <= r->most; to++)
            rows += r->all[to].tokens->count;
        status = glim__check_cancel(ctx, err);
        if (!status)
            status = run_batch(r, from, to, err);
    }
    return status;
}

glim_status glim_model_embed(const glim_model *m, const char *const *texts, size_t n, float *out,
                             glim_error *err) {
    struct run r = {.m = m, .n = n, .out = out};
    size_t longest;
    if (m->task != GLIM_TASK_EMBED)
        return glim_fail(err, GLIM_EUSAGE, "'%s' does not embed texts", glim_model_facts(m)->path);
    if (!n)
        return GLIM_OK;
    r.all = glim__calloc(m->ctx, n, sizeof *r.all);
    glim_status status = r.all ? cut(&r, texts, &longest, err)
                               : glim__oom(m->ctx, err, "the texts", n * sizeof *r.all);
    if (!status)
        status = glim_session_new(&r.s, m, 0, err);
    if (!status)
        status = run_all(&r, longest, err);
    glim_session_free(r.s);
    for (size_t i = 0; i < n && r.all; i++)
        glim_tokens_free(r.all[i].tokens);
    glim__free(m->ctx, r.all);
    glim__free(m->ctx, r.q);
    glim__free(m->ctx, r.ids);
    glim__free(m->ctx, r.types);
    glim__free(m->ctx, r.every);
    return status;
}
