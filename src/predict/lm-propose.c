/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Other tokens that the model itself would put in a token's place, and the target when
 * some are put there. A decoder says what follows what stands before a place; of the first
 * token, what begins a text. A masked language model sees both sides of the place, which is
 * masked. Control tokens and the token itself are left out.
 *
 * Changed inputs share with the input what lies before their first changed token, as masked
 * ones do.
 */
#include "predict/lm.h"
#include "text/tokenizer.h"

#include "model/model.h"

#include <math.h>
#include <string.h>

enum { PIECE = 32, BATCH_ROWS = 512 };

/* ---- proposals ---- */

/* The `most` likeliest other tokens than `own`, and their shares, cumulated. */
static void best_others(const glim_lm *lm, const float *logits, int32_t own, size_t most,
                        int32_t *ids, float *shares) {
    size_t n = 0;
    for (size_t v = 0; v < lm->outputs; v++) {
        if ((int32_t)v == own || (n == most && !(logits[v] > logits[ids[n - 1]])) ||
            glim__token_is_control(lm->model->tokenizer, (int32_t)v))
            continue;
        size_t at = n < most ? n++ : n - 1;
        for (; at > 0 && logits[v] > logits[ids[at - 1]]; at--)
            ids[at] = ids[at - 1];
        ids[at] = (int32_t)v;
    }
    double sum = 0, so_far = 0;
    for (size_t k = 0; k < n; k++)
        sum += exp((double)logits[ids[k]] - logits[ids[0]]);
    for (size_t k = 0; k < most; k++) {
        so_far += k < n ? exp((double)logits[ids[k]] - logits[ids[0]]) / sum : 0;
        shares[k] = k + 1 < n ? (float)so_far : 1;
        ids[k] = k < n ? ids[k] : n ? ids[n - 1] : own;
    }
}

static bool is_free(const glim_lm *lm, size_t token) {
    for (size_t u = 0; u < lm->units.count; u++) {
        const glim_unit *unit = &lm->units.at[u];
        if (token >= unit->first && token < unit->first + unit->count)
            return !unit->fixed;
    }
    return false;
}

/* Rows first .. first + n of the input, whose keys lie in the cache, say what follows. */
static glim_status follow(glim_lm *lm, size_t first, size_t n, size_t most, int32_t *ids,
                          float *shares, glim_error *err) {
    uint32_t wanted[PIECE];
    for (size_t k = 0; k < n; k++)
        wanted[k] = (uint32_t)k;
    glim_sequence q = {
        .ids = lm->ids + first, .count = n, .prefix = first, .wanted = wanted, .n_wanted = n};
    glim_status status =
        glim_session_forward(lm->cache, &(glim_batch){.sequences = &q, .count = 1}, err);
    lm->forward += n;
    glim__progress_add(lm->base.ctx, n);
    for (size_t k = 0; k < n && !status; k++) {
        size_t t = first + k + 1;
        if (is_free(lm, t))
            best_others(lm, glim_session_logits(lm->cache, 0, k), lm->ids[t], most, ids + t * most,
                        shares + t * most);
    }
    return status;
}

static glim_status begin(glim_lm *lm, size_t most, int32_t *ids, float *shares, glim_error *err) {
    const glim_model_info *info = glim_model_facts(lm->model);
    int32_t start = info->bos >= 0 ? info->bos : info->eos >= 0 ? info->eos : lm->neutral;
    uint32_t first = 0;
    glim_sequence q = {.ids = &start, .count = 1, .wanted = &first, .n_wanted = 1};
    glim_status status =
        glim_session_forward(lm->cache, &(glim_batch){.sequences = &q, .count = 1}, err);
    lm->forward++;
    if (!status && is_free(lm, 0))
        best_others(lm, glim_session_logits(lm->cache, 0, 0), lm->ids[0], most, ids, shares);
    return status;
}

/* An encoder's place, masked. */
static glim_status fill_in(glim_lm *lm, size_t t, size_t most, int32_t *ids, float *shares,
                           glim_error *err) {
    int32_t own = lm->ids[t];
    uint32_t wanted = (uint32_t)t;
    glim_sequence q = {
        .ids = lm->ids, .count = lm->base.T, .types = lm->types, .wanted = &wanted, .n_wanted = 1};
    lm->ids[t] = glim__tokenizer_info(lm->model->tokenizer)->mask;
    glim_status status =
        glim_session_forward(lm->cache, &(glim_batch){.sequences = &q, .count = 1}, err);
    lm->ids[t] = own;
    lm->forward += lm->base.T;
    glim__progress_add(lm->base.ctx, lm->base.T);
    if (!status)
        best_others(lm, glim_session_logits(lm->cache, 0, 0), own, most, ids + t * most,
                    shares + t * most);
    return status;
}

glim_status glim__lm_propose(glim_predictor *p, size_t most, int32_t *own, int32_t *ids,
                             float *shares, glim_error *err) {
    glim_lm *lm = (glim_lm *)p;
    glim_status status = GLIM_OK;
    memcpy(own, lm->ids, p->T * sizeof *own);
    for (size_t i = 0; i < p->T * most; i++) {
        ids[i] = lm->ids[i / most];
        shares[i] = 1;
    }
    for (size_t t = 0; t < p->T && lm->whole && !status; t++)
        if (is_free(lm, t))
            status = fill_in(lm, t, most, ids, shares, err);
    if (!lm->whole)
        status = begin(lm, most, ids, shares, err);
    for (size_t t = 0; t + 1 < p->T && !lm->whole && !status; t += PIECE)
        status = follow(lm, t, p->T - 1 - t < PIECE ? p->T - 1 - t : PIECE, most, ids, shares, err);
    return status;
}

/* ---- changed inputs ---- */

/* Inputs of a batch and what it needs; at least one. */
static size_t batch_inputs(const glim_lm *lm, size_t n) {
    size_t T = lm->base.T, R = lm->base.n_rows, m = T < BATCH_ROWS ? BATCH_ROWS / T : 1;
    uint64_t left = glim__budget_left(lm->base.ctx);
    m = m < n ? m : n;
    while (m > 1 && glim_session_plan(lm->model, m * T, m, T, m * R, false, NULL) > left / 2)
        m /= 2;
    return m;
}

static size_t first_changed(const glim_lm *lm, const int32_t *ids) {
    size_t t = 0;
    while (t < lm->base.T && ids[t] == lm->ids[t])
        t++;
    return t;
}

struct changed {
    glim_sequence *q;
    size_t *index, *skip; /* which input; rows before its first changed token */
    uint32_t *wanted;     /* (inputs, n_rows) */
    size_t n, rows;
};

/* Adds an input unless it is the input itself. */
static void add_input(const glim_lm *lm, struct changed *b, size_t index, const int32_t *ids) {
    size_t R = lm->base.n_rows, from = first_changed(lm, ids), skip = 0;
    uint32_t *wanted = b->wanted + b->n * R;
    if (from == lm->base.T)
        return;
    from = lm->whole ? 0 : from;
    while (skip < R && lm->rows[skip].at < from)
        skip++;
    if (skip == R)
        return;
    for (size_t r = skip; r < R; r++)
        wanted[r - skip] = (uint32_t)(lm->rows[r].at - from);
    b->q[b->n] = (glim_sequence){.ids = ids + from,
                                 .count = lm->base.T - from,
                                 .prefix = from,
                                 .types = lm->types,
                                 .wanted = wanted,
                                 .n_wanted = R - skip};
    b->index[b->n] = index;
    b->skip[b->n++] = skip;
    b->rows += lm->base.T - from;
}

static glim_status run_inputs(glim_lm *lm, struct changed *b, double *out, glim_error *err) {
    size_t R = lm->base.n_rows;
    if (!b->n)
        return GLIM_OK;
    glim_batch run = {.sequences = b->q, .count = b->n};
    glim_status status = glim_session_forward(lm->cache, &run, err);
    for (size_t i = 0; i < b->n && !status; i++)
        for (size_t r = b->skip[i]; r < R; r++)
            out[b->index[i] * R + r] = glim__lm_target(
                lm, &lm->rows[r], glim_session_logits(lm->cache, i, r - b->skip[i]), NULL);
    lm->forward += b->rows;
    glim__progress_add(lm->base.ctx, b->rows);
    b->n = b->rows = 0;
    return status;
}

glim_status glim__lm_values_of(glim_predictor *p, const int32_t *ids, size_t n, double *out,
                               glim_error *err) {
    glim_lm *lm = (glim_lm *)p;
    size_t most = batch_inputs(lm, n), R = p->n_rows;
    struct changed b = {0};
    b.q = glim__calloc(p->ctx, most, sizeof *b.q);
    b.index = glim__calloc(p->ctx, 2 * most, sizeof *b.index);
    b.wanted = glim__calloc(p->ctx, most * R, sizeof *b.wanted);
    b.skip = b.index ? b.index + most : NULL;
    glim_status status = b.q && b.index && b.wanted
                             ? GLIM_OK
                             : glim__oom(p->ctx, err, "changed inputs", most * sizeof *b.q);
    for (size_t i = 0; i < n && !status; i++) {
        memcpy(out + i * R, lm->value, R * sizeof *out);
        add_input(lm, &b, i, ids + i * p->T);
        if (b.n == most)
            status = run_inputs(lm, &b, out, err);
    }
    if (!status)
        status = run_inputs(lm, &b, out, err);
    for (size_t i = 0; i < n * R && status; i++)
        out[i] = NAN; /* which of them a failed batch held is not told */
    glim__free(p->ctx, b.q);
    glim__free(p->ctx, b.index);
    glim__free(p->ctx, b.wanted);
    return status;
}

void glim__lm_plan_propose(const glim_predictor *p, size_t n, size_t inputs, glim_plan *out) {
    const glim_lm *lm = (const glim_lm *)p;
    size_t T = p->T, R = p->n_rows, m = batch_inputs(lm, n ? n : 1);
    uint64_t each = sizeof(glim_sequence) + 16 + 4 * R, piece = T < PIECE ? T : PIECE;
    uint64_t propose = lm->whole ? glim_session_plan(lm->model, T, 1, T, 1, false, NULL)
                                 : glim_session_plan(lm->model, piece, 1, T, piece, false, NULL);
    uint64_t one = glim_session_plan(lm->model, T, 1, T, R, false, NULL) + each;
    uint64_t all = glim_session_plan(lm->model, m * T, m, T, m * R, false, NULL) + m * each;
    out->forward_tokens += (lm->whole ? T * T : T) + inputs * T;
    one = (one > propose ? one : propose) + 256;
    all = (all > propose ? all : propose) + 256;
    out->bytes = one > out->bytes ? one : out->bytes;
    out->bytes_wanted = all > out->bytes_wanted ? all : out->bytes_wanted;
}
