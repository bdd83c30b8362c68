/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values and gradients at given embeddings: n inputs of the same length as one
 * ragged batch, as many as memory allows; one walk back for each target row over
 * the same forward.
 */
#include "predict/lm.h"

#include <string.h>

enum { BATCH_ROWS = 256 }; /* beyond, keeping values costs more than it saves */

/* Inputs of a batch that the budget allows; at least one. */
static size_t batch_inputs(const glim_lm *lm, size_t T, size_t rows, bool keep) {
    size_t n = T < BATCH_ROWS ? BATCH_ROWS / T : 1;
    uint64_t left = glim__budget_left(lm->base.ctx);
    while (n > 1 && glim_session_plan(lm->model, n * T, n, T, n * rows, keep, NULL) +
                            4 * n * T * lm->base.C >
                        left / 2)
        n /= 2;
    return n;
}

struct pass {
    glim_lm *lm;
    const float *xs; /* (n, T_all, C) */
    size_t first, n, T;
    size_t row, rows; /* target rows row .. row + rows */
    double *values;
    glim_gradient_sink *sink;
    void *data;
    float *d, *padded, *dense;
};

static glim_status walk_row(struct pass *s, size_t row, glim_error *err) {
    glim_lm *lm = s->lm;
    size_t V = lm->outputs, C = lm->base.C, T = lm->base.T;
    glim_seed *seeds = glim__calloc(lm->base.ctx, s->n, sizeof *seeds);
    int32_t *ids = glim__calloc(lm->base.ctx, 2 * s->n, sizeof *ids);
    float *weights = glim__calloc(lm->base.ctx, 2 * s->n, sizeof *weights);
    glim_status status = seeds && ids && weights
                             ? GLIM_OK
                             : glim__oom(lm->base.ctx, err, "the seeds", s->n * sizeof *seeds);
    for (size_t i = 0; i < s->n && !status; i++) {
        seeds[i] = (glim_seed){.sequence = i, .wanted = row - s->row};
        glim__lm_seed(lm, &lm->rows[row], glim_session_logits(lm->work, i, row - s->row),
                      s->dense ? s->dense + i * V : NULL, ids + 2 * i, weights + 2 * i, &seeds[i]);
    }
    if (!status)
        status = glim_session_backward(lm->work, seeds, s->n, s->d, err);
    lm->backward += s->n * s->T;
    glim__progress_add(lm->base.ctx, s->n * s->T);
    for (size_t i = 0; i < s->n && !status; i++) {
        const float *g = s->d + i * s->T * C;
        if (s->T < T) { /* later tokens are not seen: their gradient is zero */
            memset(s->padded, 0, T * C * sizeof *g);
            memcpy(s->padded, g, s->T * C * sizeof *g);
            g = s->padded;
        }
        status = s->sink(s->data, s->first + i, row, g, err);
    }
    glim__free(lm->base.ctx, seeds);
    glim__free(lm->base.ctx, ids);
    glim__free(lm->base.ctx, weights);
    return status;
}

static glim_status run_pass(struct pass *s, glim_error *err) {
    glim_lm *lm = s->lm;
    glim_context *ctx = lm->base.ctx;
    size_t R = lm->base.n_rows, C = lm->base.C;
    glim_sequence *q = glim__calloc(ctx, s->n, sizeof *q);
    uint32_t *wanted = glim__calloc(ctx, s->rows, sizeof *wanted);
    glim_status status = q && wanted ? GLIM_OK : glim__oom(ctx, err, "a batch", s->n * sizeof *q);
    for (size_t r = 0; r < s->rows && !status; r++)
        wanted[r] = (uint32_t)lm->rows[s->row + r].at;
    for (size_t i = 0; i < s->n && !status; i++)
        q[i] = (glim_sequence){.count = s->T,
                               .types = lm->types,
                               .embeddings = s->xs + (s->first + i) * lm->base.T * C};
    for (size_t i = 0; i < s->n && !status; i++)
        glim__lm_wanted(lm, wanted, s->rows, s->T, &q[i]);
    glim_batch b = {
        .sequences = q, .count = s->n, .rules = lm->base.rules, .keep = s->sink != NULL};
    if (!status)
        status = glim_session_forward(lm->work, &b, err);
    lm->forward += s->n * s->T;
    glim__progress_add(lm->base.ctx, s->n * s->T);
    for (size_t i = 0; i < s->n && !status; i++)
        for (size_t r = 0; r < s->rows; r++)
            s->values[(s->first + i) * R + s->row + r] = glim__lm_target(
                lm, &lm->rows[s->row + r], glim_session_logits(lm->work, i, r), NULL);
    for (size_t r = 0; r < s->rows && !status && s->sink; r++)
        status = walk_row(s, s->row + r, err);
    glim__free(ctx, q);
    glim__free(ctx, wanted);
    return status;
}

glim_status glim__lm_gradient(glim_predictor *p, const float *xs, size_t n, long row,
                              double *values, glim_gradient_sink *sink, void *data,
                              glim_error *err) {
    glim_lm *lm = (glim_lm *)p;
    size_t V = lm->outputs;
    struct pass s = {.lm = lm,
                     .xs = xs,
                     .values = values,
                     .sink = sink,
                     .data = data,
                     .row = row < 0 ? 0 : (size_t)row,
                     .rows = row < 0 ? p->n_rows : 1};
    s.T = lm->whole ? p->T : lm->rows[s.row + s.rows - 1].at + 1;
    size_t most = batch_inputs(lm, s.T, s.rows, sink != NULL);
    most = most < n ? most : n;
    glim_status status = lm->work ? GLIM_OK : glim_session_new(&lm->work, lm->model, 0, err);
    if (!status && sink) {
        s.d = glim__calloc(p->ctx, most * s.T * p->C, sizeof(float));
        s.padded = glim__calloc(p->ctx, p->T * p->C, sizeof(float));
        s.dense = glim__lm_dense(lm) ? glim__calloc(p->ctx, most * V, sizeof(float)) : NULL;
        if (!s.d || !s.padded || (glim__lm_dense(lm) && !s.dense))
            status = glim__oom(p->ctx, err, "gradients", most * s.T * p->C * 4);
    }
    for (; s.first < n && !status; s.first += s.n) {
        s.n = n - s.first < most ? n - s.first : most;
        status = run_pass(&s, err);
    }
    glim__free(p->ctx, s.d);
    glim__free(p->ctx, s.padded);
    glim__free(p->ctx, s.dense);
    return status;
}

void glim__lm_plan_gradient(const glim_predictor *p, size_t n, glim_plan *out) {
    const glim_lm *lm = (const glim_lm *)p;
    uint64_t each, L = (uint64_t)glim_model_facts(lm->model)->layers;
    size_t batch = batch_inputs(lm, p->T, p->n_rows, true);
    /* of each input its gradient, and with dense seeds those; once a padded gradient */
    uint64_t own = 4 * (p->T * p->C + (glim__lm_dense(lm) ? lm->outputs : 0)) + 64;
    uint64_t bytes =
        glim_session_plan(lm->model, p->T, 1, p->T, p->n_rows, true, &each) + own + 4 * p->T * p->C;
    batch = n < batch ? n : batch;
    uint64_t most =
        glim_session_plan(lm->model, batch * p->T, batch, p->T, batch * p->n_rows, true, &each) +
        batch * own;
    out->forward_tokens += n * p->T;
    out->backward_tokens += n * p->T * p->n_rows;
    out->bytes = bytes > out->bytes ? bytes : out->bytes;
    out->bytes_wanted = most + L * each > out->bytes_wanted ? most + L * each : out->bytes_wanted;
}
