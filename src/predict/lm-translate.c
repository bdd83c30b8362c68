/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An encoder-decoder and one text as a predictor: a row for each token that was written
 * about it, by the model or as given. The units are those of the text that is read; what
 * was written stays as it is, so that row r tells which words of the text made token r,
 * the tokens before it being given. Masked texts and points of a path go through as
 * batches of pairs.
 */
#include "predict/lm.h"
#include "model/model.h"

#include <math.h>
#include <string.h>

enum { BATCH_ROWS = 512, GRADIENT_ROWS = 256, MOST_WRITTEN = 128 };

/* ---- what was written ---- */

static glim_status append(glim_lm *lm, int32_t id, glim_error *err) {
    const glim_tokenizer *t = lm->model->writer ? lm->model->writer : lm->model->tokenizer;
    return glim__tokens_append_text(lm->tokens, t, &id, 1, err);
}

static glim_status take_same(glim_lm *lm, const glim_lm *same, glim_error *err) {
    glim_status status = GLIM_OK;
    for (size_t r = 0; r < same->base.n_rows && !status; r++)
        status = append(lm, same->rows[r].id, err);
    return status;
}

/* Why the first token is this and not that. */
static glim_status take_first(glim_lm *lm, const glim_target_options *o, int32_t *against,
                              glim_error *err) {
    int32_t id = -1;
    if (!o->target || o->continuation || o->generate)
        return glim_fail(
            err, GLIM_EUSAGE,
            "--against tells apart two tokens that may be written first: name --target too, and no "
            "--continuation or --generate");
    lm->kind = "contrast";
    glim_status status = glim_model_token(lm->model, o->target, &id, err);
    if (!status)
        status = glim_model_token(lm->model, o->against, against, err);
    return status ? status : append(lm, id, err);
}

static glim_status take_written(glim_lm *lm, const glim_target_options *o, glim_error *err) {
    const char *given = o->target ? o->target : o->continuation;
    if ((o->target && o->continuation) || (given && o->generate))
        return glim_fail(err, GLIM_EUSAGE, "give one of --target, --continuation and --generate");
    lm->kind = given ? "continuation" : "generated";
    glim_status status =
        given ? glim__append_target(lm->model, lm->tokens, given, err)
              : glim_translate(lm->model, lm->tokens, o->generate ? o->generate : MOST_WRITTEN,
                               NULL, NULL, NULL, err);
    if (!status && lm->tokens->count == lm->base.T)
        status = glim_fail(err, GLIM_EUSAGE,
                           given ? "the text that is to be explained is empty"
                                 : "the model writes nothing: there is nothing to explain "
                                   "(--continuation TEXT says what it might write)");
    if (!status && lm->tokens->count - lm->base.T > (size_t)lm->model->hyper.context)
        status = glim_fail(err, GLIM_ELIMIT, "the text to explain has %zu tokens, the context %d",
                           lm->tokens->count - lm->base.T, lm->model->hyper.context);
    return status;
}

/* Decoder row r reads what stands before token r and tells token r. */
glim_status glim__lm_translate_rows(glim_lm *lm, const glim_target_options *o, glim_error *err) {
    size_t all = lm->tokens->count, S = lm->base.T = o->like ? o->like->T : all;
    lm->tokens->count = S; /* units are those of the text that is read */
    glim_status status = glim__lm_choose_units(lm, o, err);
    if (!status)
        status = glim__lm_take_ids(lm, err);
    lm->tokens->count = all;
    lm->kind = o->like ? ((const glim_lm *)o->like)->kind : NULL;
    int32_t against = -1;
    if (!status && o->same)
        status = take_same(lm, (const glim_lm *)o->same, err);
    else if (!status && !o->like)
        status = o->against ? take_first(lm, o, &against, err) : take_written(lm, o, err);
    size_t R = status ? 0 : lm->tokens->count - S;
    if (!status)
        status = glim__lm_add_rows(lm, 0, R, err);
    lm->written = status ? NULL : glim__calloc(lm->base.ctx, R, sizeof *lm->written);
    lm->every = lm->written ? glim__calloc(lm->base.ctx, R, sizeof *lm->every) : NULL;
    if (!status && !lm->every)
        status = glim__oom(lm->base.ctx, err, "the target", R * 8);
    for (size_t r = 0; r < R && !status; r++) {
        lm->rows[r].token = S + r;
        lm->rows[r].id = lm->tokens->at[S + r].id;
        lm->rows[r].against = against;
        lm->written[r] = r ? lm->rows[r - 1].id : lm->model->start;
        lm->every[r] = (uint32_t)r;
    }
    return status;
}

/* ---- running ---- */

/* n pairs: texts that are read, and what was written about each. */
static glim_status run_pairs(glim_lm *lm, glim_session *s, const glim_sequence *texts, size_t n,
                             bool keep, glim_error *err) {
    size_t R = lm->base.n_rows;
    glim_sequence *q = glim__calloc(lm->base.ctx, n, sizeof *q);
    if (!q)
        return glim__oom(lm->base.ctx, err, "a batch", n * sizeof *q);
    for (size_t i = 0; i < n; i++)
        q[i] = (glim_sequence){.ids = lm->written, .count = R, .wanted = lm->every, .n_wanted = R};
    glim_batch b = {.sequences = q,
                    .count = n,
                    .rules = lm->base.rules,
                    .keep = keep,
                    .sources = texts,
                    .n_sources = n};
    glim_status status = glim_session_forward(s, &b, err);
    for (size_t i = 0; i < n; i++)
        lm->forward += texts[i].count + R;
    glim__free(lm->base.ctx, q);
    return status;
}

static void read_values(const glim_lm *lm, const glim_session *s, size_t i, double *out) {
    for (size_t r = 0; r < lm->base.n_rows; r++)
        out[r] = glim__lm_target(lm, &lm->rows[r], glim_session_logits(s, i, r), NULL);
}

/* Pairs with up to S rows of text that the budget allows at once; at least one. */
static size_t pairs_at_once(const glim_lm *lm, size_t rows, bool keep) {
    size_t S = lm->base.T, R = lm->base.n_rows, n = rows / (S + R), longest = S > R ? S : R;
    uint64_t left = glim__budget_left(lm->base.ctx);
    n = n ? n : 1;
    while (n > 1 && glim_session_plan(lm->model, n * R, n, longest, n * R, keep, NULL) +
                            4 * n * (S * lm->base.C + (keep ? lm->outputs : 0)) >
                        left / 2)
        n /= 2;
    return n;
}

glim_status glim__lm_read_text(glim_lm *lm, glim_error *err) {
    glim_sequence text = {.ids = lm->ids, .count = lm->base.T};
    glim_status status = glim_session_new(&lm->cache, lm->model, 0, err);
    return status ? status : run_pairs(lm, lm->cache, &text, 1, false, err);
}

/* ---- masked texts ---- */

struct masked {
    glim_lm *lm;
    glim_absent absent;
    int32_t *ids;      /* (most, T) */
    float *embeddings; /* (most, T, C), MEAN only */
    uint8_t *hidden;   /* (most, T), ATTENTION only */
    const float *mean;
    glim_sequence *texts; /* [most] */
    size_t most, n;
    size_t *index; /* [most] of the mask */
    double *out;
};

static glim_status add_text(struct masked *b, size_t index, const uint8_t *keep, glim_error *err) {
    glim_lm *lm = b->lm;
    size_t T = lm->base.T, C = lm->base.C, n = 0;
    int32_t *ids = b->ids + b->n * T;
    float *x = b->embeddings ? b->embeddings + b->n * T * C : NULL;
    uint8_t *hidden = b->hidden ? b->hidden + b->n * T : NULL;
    glim_status status = GLIM_OK;
    bool any = false;
    for (size_t t = 0; t < T && !status; t++) {
        bool gone = glim__lm_removed(lm, keep, t);
        any = any || !gone;
        if (gone && b->absent == GLIM_ABSENT_DELETE)
            continue;
        if (hidden)
            hidden[n] = gone;
        if (x && gone)
            memcpy(x + n * C, b->mean, C * sizeof *x);
        else if (x)
            status = glim_model_embedding(lm->model, lm->ids[t], x + n * C, err);
        ids[n++] = gone && b->absent == GLIM_ABSENT_MASK ? lm->neutral : lm->ids[t];
    }
    if (!n) /* nothing is left to read: the neutral token stands in */
        ids[n++] = lm->neutral;
    if (hidden && !any) /* or nothing is seen: then the last token is */
        hidden[n - 1] = 0;
    b->texts[b->n] = (glim_sequence){.ids = ids, .count = n, .embeddings = x, .hidden = hidden};
    b->index[b->n++] = index;
    return status;
}

static glim_status flush(struct masked *b, glim_error *err) {
    glim_lm *lm = b->lm;
    if (!b->n)
        return GLIM_OK;
    uint64_t before = lm->forward;
    glim_status status = run_pairs(lm, lm->cache, b->texts, b->n, false, err);
    for (size_t i = 0; i < b->n && !status; i++)
        read_values(lm, lm->cache, i, b->out + b->index[i] * lm->base.n_rows);
    glim__progress_add(lm->base.ctx, lm->forward - before);
    b->n = 0;
    return status;
}

static glim_status make_masked(struct masked *b, float *mean, glim_error *err) {
    glim_context *ctx = b->lm->base.ctx;
    size_t T = b->lm->base.T, C = b->lm->base.C, n = b->most;
    b->ids = glim__calloc(ctx, n * T + 1, sizeof *b->ids);
    b->texts = glim__calloc(ctx, n, sizeof *b->texts);
    b->index = glim__calloc(ctx, n, sizeof *b->index);
    bool ok = b->ids && b->texts && b->index;
    if (b->absent == GLIM_ABSENT_MEAN)
        ok = ok && mean && (b->embeddings = glim__calloc(ctx, n * T * C, sizeof(float)));
    if (b->absent == GLIM_ABSENT_ATTENTION)
        ok = ok && (b->hidden = glim__calloc(ctx, n, T));
    b->mean = mean;
    if (!ok)
        return glim__oom(ctx, err, "masked texts", n * T * 4);
    return mean ? glim_model_embedding(b->lm->model, -1, mean, err) : GLIM_OK;
}

static bool takes_all(const glim_lm *lm, const uint8_t *keep) {
    for (size_t u = 0; u < lm->units.count; u++)
        if (!lm->units.at[u].fixed && !keep[u])
            return false;
    return true;
}

glim_status glim__lm_translate_values(glim_predictor *p, const uint8_t *keep, size_t n,
                                      glim_absent absent, double *out, glim_error *err) {
    glim_lm *lm = (glim_lm *)p;
    struct masked b = {
        .lm = lm, .absent = absent, .out = out, .most = pairs_at_once(lm, BATCH_ROWS, false)};
    float *mean = absent == GLIM_ABSENT_MEAN ? glim__calloc(p->ctx, p->C, sizeof *mean) : NULL;
    glim_status status = make_masked(&b, mean, err);
    for (size_t i = 0; i < n && !status; i++) {
        const uint8_t *mine = keep + i * lm->units.count;
        memcpy(out + i * p->n_rows, lm->value, p->n_rows * sizeof *out);
        if (takes_all(lm, mine))
            continue;
        status = add_text(&b, i, mine, err);
        if (!status && b.n == b.most)
            status = flush(&b, err);
    }
    if (!status)
        status = flush(&b, err);
    for (size_t i = 0; i < n * p->n_rows && status; i++)
        out[i] = NAN;
    glim__free(p->ctx, mean);
    glim__free(p->ctx, b.ids);
    glim__free(p->ctx, b.texts);
    glim__free(p->ctx, b.index);
    glim__free(p->ctx, b.embeddings);
    glim__free(p->ctx, b.hidden);
    return status;
}

void glim__lm_plan_translate_values(const glim_predictor *p, const uint8_t *keep, size_t n,
                                    glim_absent absent, glim_plan *out) {
    const glim_lm *lm = (const glim_lm *)p;
    size_t R = p->n_rows, longest = p->T > R ? p->T : R;
    size_t most = pairs_at_once(lm, BATCH_ROWS, false);
    for (size_t i = 0; i < n; i++) {
        const uint8_t *mine = keep + i * lm->units.count;
        size_t left = 0;
        for (size_t t = 0; t < p->T; t++)
            left += absent != GLIM_ABSENT_DELETE || !glim__lm_removed(lm, mine, t);
        out->forward_tokens += takes_all(lm, mine) ? 0 : (left ? left : 1) + R;
    }
    uint64_t bytes = glim_session_plan(lm->model, R, 1, longest, R, false, NULL);
    uint64_t all = glim_session_plan(lm->model, most * R, most, longest, most * R, false, NULL);
    out->bytes = bytes > out->bytes ? bytes : out->bytes;
    out->bytes_wanted = all > out->bytes_wanted ? all : out->bytes_wanted;
}

/* ---- gradients ---- */

struct walk {
    glim_lm *lm;
    size_t first, n; /* inputs of the batch */
    float *d, *dense;
    glim_seed *seeds;
    int32_t *ids;
    float *weights;
    glim_gradient_sink *sink;
    void *data;
};

static glim_status walk_row(struct walk *w, size_t row, glim_error *err) {
    glim_lm *lm = w->lm;
    size_t V = lm->outputs, one = lm->base.T * lm->base.C;
    for (size_t i = 0; i < w->n; i++) {
        w->seeds[i] = (glim_seed){.sequence = i, .wanted = row};
        glim__lm_seed(lm, &lm->rows[row], glim_session_logits(lm->work, i, row), w->dense + i * V,
                      w->ids + 2 * i, w->weights + 2 * i, &w->seeds[i]);
    }
    glim_status status = glim_session_backward(lm->work, w->seeds, w->n, w->d, err);
    lm->backward += w->n * (lm->base.T + lm->base.n_rows);
    glim__progress_add(lm->base.ctx, w->n * (lm->base.T + lm->base.n_rows));
    for (size_t i = 0; i < w->n && !status; i++)
        status = w->sink(w->data, w->first + i, row, w->d + i * one, err);
    return status;
}

static glim_status run_points(struct walk *w, const float *xs, long row, double *values,
                              glim_error *err) {
    glim_lm *lm = w->lm;
    size_t R = lm->base.n_rows, one = lm->base.T * lm->base.C;
    glim_sequence *texts = glim__calloc(lm->base.ctx, w->n, sizeof *texts);
    if (!texts)
        return glim__oom(lm->base.ctx, err, "a batch", w->n * sizeof *texts);
    for (size_t i = 0; i < w->n; i++)
        texts[i] = (glim_sequence){.count = lm->base.T, .embeddings = xs + (w->first + i) * one};
    glim_status status = run_pairs(lm, lm->work, texts, w->n, w->sink != NULL, err);
    glim__progress_add(lm->base.ctx, w->n * (lm->base.T + R));
    for (size_t i = 0; i < w->n && !status; i++)
        read_values(lm, lm->work, i, values + (w->first + i) * R);
    for (size_t r = 0; r < R && !status && w->sink; r++)
        if (row < 0 || r == (size_t)row)
            status = walk_row(w, r, err);
    glim__free(lm->base.ctx, texts);
    return status;
}

static glim_status make_walk(struct walk *w, size_t most, glim_error *err) {
    glim_lm *lm = w->lm;
    glim_context *ctx = lm->base.ctx;
    w->d = glim__calloc(ctx, most * lm->base.T * lm->base.C, sizeof(float));
    w->dense = glim__calloc(ctx, most * lm->outputs, sizeof(float));
    w->seeds = glim__calloc(ctx, most, sizeof *w->seeds);
    w->ids = glim__calloc(ctx, 2 * most, sizeof *w->ids);
    w->weights = glim__calloc(ctx, 2 * most, sizeof *w->weights);
    return w->d && w->dense && w->seeds && w->ids && w->weights
               ? GLIM_OK
               : glim__oom(ctx, err, "gradients", most * lm->base.T * lm->base.C * 4);
}

glim_status glim__lm_translate_gradient(glim_predictor *p, const float *xs, size_t n, long row,
                                        double *values, glim_gradient_sink *sink, void *data,
                                        glim_error *err) {
    glim_lm *lm = (glim_lm *)p;
    struct walk w = {.lm = lm, .sink = sink, .data = data};
    size_t most = pairs_at_once(lm, GRADIENT_ROWS, sink != NULL);
    most = most < n ? most : n;
    glim_status status = lm->work ? GLIM_OK : glim_session_new(&lm->work, lm->model, 0, err);
    if (!status && sink)
        status = make_walk(&w, most, err);
    for (; w.first < n && !status; w.first += w.n) {
        w.n = n - w.first < most ? n - w.first : most;
        status = run_points(&w, xs, row, values, err);
    }
    glim__free(p->ctx, w.d);
    glim__free(p->ctx, w.dense);
    glim__free(p->ctx, w.seeds);
    glim__free(p->ctx, w.ids);
    glim__free(p->ctx, w.weights);
    return status;
}

void glim__lm_plan_translate_gradient(const glim_predictor *p, size_t n, glim_plan *out) {
    const glim_lm *lm = (const glim_lm *)p;
    uint64_t each, L = (uint64_t)glim_model_facts(lm->model)->layers;
    size_t R = p->n_rows, longest = p->T > R ? p->T : R;
    size_t most = pairs_at_once(lm, GRADIENT_ROWS, true);
    uint64_t own = 4 * (uint64_t)(p->T * p->C + lm->outputs);
    uint64_t bytes = glim_session_plan(lm->model, R, 1, longest, R, true, &each) + own;
    uint64_t all = glim_session_plan(lm->model, most * R, most, longest, most * R, true, &each) +
                   most * own + L * each;
    out->forward_tokens += n * (p->T + R);
    out->backward_tokens += n * (p->T + R) * R;
    out->bytes = bytes > out->bytes ? bytes : out->bytes;
    out->bytes_wanted = all > out->bytes_wanted ? all : out->bytes_wanted;
}
