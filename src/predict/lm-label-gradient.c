/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gradients of a label's score at given embeddings. Each input runs once for every
 * branch, its rows followed by the branch's tokens, in one ragged batch; the slope of
 * a log-probability at a place is one-hot minus softmax, and places that labels share
 * get the sum.
 */
#include "predict/lm-labels.h"

#include <math.h>
#include <string.h>

enum { BATCH_ROWS = 256 }; /* beyond, keeping values costs more than it saves */

/* Inputs of a batch, each once for every branch. Places are the rows that are read:
   of every input the end of the prompt, then what each branch owns. */
struct walk {
    glim_lm *lm;
    size_t n, sequences, rows, places; /* inputs; of one input */
    glim_sequence *q;
    uint32_t *wanted;
    float *x, *d, *dense; /* (n rows, C) twice; (n places, V) */
    float *sum;           /* (T, C) */
    glim_seed *seeds;
};

static bool walk_ok(const struct walk *w, bool back) {
    return w->q && w->wanted && w->x && (!back || (w->d && w->dense && w->sum && w->seeds));
}

/* The label whose branch sequence `i` of an input runs; NULL when there is none. */
static const glim_label *branch_of(const glim_lm_labels *l, size_t i) {
    for (size_t k = 0; k < l->names.count; k++)
        if (l->at[k].branch && !i--)
            return &l->at[k];
    return NULL;
}

static void size_walk(struct walk *w, const glim_lm *lm) {
    size_t branches, more = glim__label_branch_rows(lm->labels, &branches);
    w->sequences = branches ? branches : 1;
    w->rows = w->sequences * lm->base.T + more;
    w->places = 1;
    for (size_t k = 0; k < lm->labels->names.count; k++) {
        const glim_label *b = &lm->labels->at[k];
        w->places += b->branch ? b->count - 1 - b->owned : 0;
    }
}

static size_t walk_inputs(const glim_lm *lm, const struct walk *w, bool keep) {
    size_t n = w->rows < BATCH_ROWS ? BATCH_ROWS / w->rows : 1, T = lm->base.T;
    uint64_t left = glim__budget_left(lm->base.ctx);
    while (n > 1 && glim_session_plan(lm->model, n * w->rows, n * w->sequences,
                                      T + lm->labels->longest, n * w->places, keep, NULL) +
                            4 * n * (w->rows * lm->base.C * 2 + w->places * lm->outputs) >
                        left / 2)
        n /= 2;
    return n;
}

static glim_status open_walk(struct walk *w, bool back, glim_error *err) {
    const glim_lm *lm = w->lm;
    glim_context *ctx = lm->base.ctx;
    size_t C = lm->base.C;
    w->q = glim__calloc(ctx, w->n * w->sequences, sizeof *w->q);
    w->wanted = glim__calloc(ctx, w->places + w->sequences, sizeof *w->wanted);
    w->x = glim__calloc(ctx, w->n * w->rows * C, sizeof *w->x);
    if (back) {
        w->d = glim__calloc(ctx, w->n * w->rows * C, sizeof *w->d);
        w->dense = glim__calloc(ctx, w->n * w->places * lm->outputs, sizeof *w->dense);
        w->sum = glim__calloc(ctx, lm->base.T * C, sizeof *w->sum);
        w->seeds = glim__calloc(ctx, w->n * w->places, sizeof *w->seeds);
    }
    return walk_ok(w, back) ? GLIM_OK : glim__oom(ctx, err, "gradients", w->n * w->rows * C * 4);
}

static void close_walk(struct walk *w) {
    glim_context *ctx = w->lm->base.ctx;
    glim__free(ctx, w->q);
    glim__free(ctx, w->wanted);
    glim__free(ctx, w->x);
    glim__free(ctx, w->d);
    glim__free(ctx, w->dense);
    glim__free(ctx, w->sum);
    glim__free(ctx, w->seeds);
}

/* Sequences of n inputs: the input's rows, then its branch's tokens. */
static glim_status fill_walk(struct walk *w, const float *xs, size_t n, glim_error *err) {
    const glim_lm *lm = w->lm;
    size_t T = lm->base.T, C = lm->base.C, row = 0;
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < n; i++) {
        size_t wanted = 0;
        for (size_t s = 0; s < w->sequences; s++) {
            const glim_label *b = branch_of(lm->labels, s);
            size_t more = b ? b->count - 1 : 0, first = wanted;
            memcpy(w->x + row * C, xs + i * T * C, T * C * sizeof *xs);
            for (size_t k = 0; k < more && !status; k++)
                status = glim_model_embedding(lm->model, b->ids[k], w->x + (row + T + k) * C, err);
            if (!s)
                w->wanted[wanted++] = (uint32_t)T - 1;
            for (size_t k = b ? b->owned : 0; k < more; k++)
                w->wanted[wanted++] = (uint32_t)(T + k);
            w->q[i * w->sequences + s] = (glim_sequence){.embeddings = w->x + row * C,
                                                         .count = T + more,
                                                         .wanted = w->wanted + first,
                                                         .n_wanted = wanted - first};
            row += T + more;
        }
    }
    return status;
}

/* d(target)/d(logits) of a place. */
static void fill_seed(const glim_lm *lm, const glim_label *b, size_t i, const float *logits,
                      float *dense) {
    const glim_lm_labels *l = lm->labels;
    size_t V = lm->outputs;
    double lse = glim__log_sum_exp(logits, V), all = 0;
    for (size_t k = 0; k < l->names.count; k++)
        if (glim__label_passes(&l->at[k], b, i))
            all += l->slope[k] * l->at[k].share;
    for (size_t v = 0; v < V; v++)
        dense[v] = (float)(-all * exp(logits[v] - lse));
    for (size_t k = 0; k < l->names.count; k++)
        if (glim__label_passes(&l->at[k], b, i))
            dense[l->at[k].ids[b ? i + 1 : 0]] += (float)(l->slope[k] * l->at[k].share);
}

void glim__label_seed(const glim_lm *lm, const float *logits, float *dense) {
    glim__label_clear(lm->labels);
    glim__label_read(lm, NULL, 0, logits);
    glim__label_target(lm);
    fill_seed(lm, NULL, 0, logits, dense);
}

/* Calls for every place of input i: the end of the prompt, then the branches'. */
static void each_place(struct walk *w, size_t i, bool seeds) {
    const glim_lm *lm = w->lm;
    size_t place = i * w->places;
    for (size_t s = 0; s < w->sequences; s++) {
        const glim_label *b = branch_of(lm->labels, s);
        const glim_sequence *q = &w->q[i * w->sequences + s];
        for (size_t k = 0; k < q->n_wanted; k++, place++) {
            bool root = !s && !k;
            size_t at = root || !b ? 0 : b->owned + k - !s;
            const float *logits = glim_session_logits(lm->work, i * w->sequences + s, k);
            if (!seeds) {
                glim__label_read(lm, root ? NULL : b, at, logits);
                continue;
            }
            float *dense = w->dense + place * lm->outputs;
            fill_seed(lm, root ? NULL : b, at, logits, dense);
            w->seeds[place] =
                (glim_seed){.sequence = i * w->sequences + s, .wanted = k, .dense = dense};
        }
    }
}

static glim_status give(struct walk *w, size_t i, size_t sample, glim_gradient_sink *sink,
                        void *data, glim_error *err) {
    const glim_lm *lm = w->lm;
    size_t n = lm->base.T * lm->base.C, row = i * w->rows;
    memset(w->sum, 0, n * sizeof *w->sum);
    for (size_t s = 0; s < w->sequences; s++) {
        for (size_t k = 0; k < n; k++)
            w->sum[k] += w->d[row * lm->base.C + k];
        row += w->q[i * w->sequences + s].count;
    }
    return sink(data, sample, 0, w->sum, err);
}

static glim_status run_walk(struct walk *w, const float *xs, size_t first, size_t n, double *values,
                            glim_gradient_sink *sink, void *data, glim_error *err) {
    glim_lm *lm = w->lm;
    size_t TC = lm->base.T * lm->base.C;
    glim_status status = fill_walk(w, xs + first * TC, n, err);
    glim_batch b = {.sequences = w->q,
                    .count = n * w->sequences,
                    .rules = lm->base.rules,
                    .keep = sink != NULL};
    if (!status)
        status = glim_session_forward(lm->work, &b, err);
    lm->forward += n * w->rows;
    glim__progress_add(lm->base.ctx, n * w->rows);
    for (size_t i = 0; i < n && !status; i++) {
        glim__label_clear(lm->labels);
        each_place(w, i, false);
        values[first + i] = glim__label_target(lm);
        if (sink)
            each_place(w, i, true);
    }
    if (status || !sink)
        return status;
    status = glim_session_backward(lm->work, w->seeds, n * w->places, w->d, err);
    lm->backward += n * w->rows;
    glim__progress_add(lm->base.ctx, n * w->rows);
    for (size_t i = 0; i < n && !status; i++)
        status = give(w, i, first + i, sink, data, err);
    return status;
}

glim_status glim__lm_label_gradient(glim_predictor *p, const float *xs, size_t n, long row,
                                    double *values, glim_gradient_sink *sink, void *data,
                                    glim_error *err) {
    glim_lm *lm = (glim_lm *)p;
    struct walk w = {.lm = lm};
    size_walk(&w, lm);
    w.n = walk_inputs(lm, &w, sink != NULL);
    w.n = w.n < n ? w.n : n;
    glim_status status = lm->work ? GLIM_OK : glim_session_new(&lm->work, lm->model, 0, err);
    if (!status)
        status = open_walk(&w, sink != NULL, err);
    for (size_t first = 0; first < n && !status; first += w.n) {
        size_t some = n - first < w.n ? n - first : w.n;
        status = run_walk(&w, xs, first, some, values, sink, data, err);
    }
    close_walk(&w);
    return status;
}

void glim__lm_label_plan_gradient(const glim_predictor *p, size_t n, glim_plan *out) {
    const glim_lm *lm = (const glim_lm *)p;
    struct walk w = {0};
    uint64_t each, L = (uint64_t)glim_model_facts(lm->model)->layers;
    size_t S = p->T + lm->labels->longest;
    size_walk(&w, lm);
    size_t batch = walk_inputs(lm, &w, true), rows = w.rows, seqs = w.sequences;
    uint64_t own = 4 * (2 * (uint64_t)rows * p->C + (uint64_t)w.places * lm->outputs) +
                   seqs * sizeof(glim_sequence) + w.places * sizeof(glim_seed) + 64;
    uint64_t once = 4 * (uint64_t)p->T * p->C + 4 * (w.places + seqs) + 512;
    uint64_t bytes =
        glim_session_plan(lm->model, rows, seqs, S, w.places, true, &each) + own + once;
    batch = n < batch ? n : batch;
    uint64_t most =
        glim_session_plan(lm->model, batch * rows, batch * seqs, S, batch * w.places, true, &each) +
        batch * own + once;
    out->forward_tokens += n * rows;
    out->backward_tokens += n * rows;
    out->bytes = bytes > out->bytes ? bytes : out->bytes;
    out->bytes_wanted = most + L * each > out->bytes_wanted ? most + L * each : out->bytes_wanted;
}
