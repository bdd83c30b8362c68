/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scores of labels with units absent. A masked input goes into the session's cache
 * behind what it shares with the input as it is; the branches then continue the
 * cache. Masks come with the latest change first, so that the shared beginning is
 * never computed again. (Masked inputs in one batch, as lm-values.c has them, would
 * run each of them once for every branch.)
 */
#include "predict/lm-labels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 256, BRANCH_ROWS = 64 };

/* ---- the input in the cache ---- */

/* One piece of an input, behind the cache; `last` wants the logits of its last row. */
struct piece {
    const int32_t *ids;
    const float *embeddings;
    const uint8_t *hidden; /* from position 0 on */
    size_t count;
    bool last;
};

static glim_status append(glim_lm *lm, struct piece all, glim_error *err) {
    glim_status status = GLIM_OK;
    for (size_t at = 0; at < all.count && !status; at += PIECE) {
        size_t n = all.count - at < PIECE ? all.count - at : PIECE;
        uint32_t wanted = (uint32_t)n - 1;
        glim_sequence q = {.ids = all.ids ? all.ids + at : NULL,
                           .embeddings = all.embeddings ? all.embeddings + at * lm->base.C : NULL,
                           .hidden = all.hidden,
                           .count = n,
                           .prefix = glim_session_length(lm->cache),
                           .wanted = &wanted,
                           .n_wanted = all.last && at + n == all.count};
        status = glim_session_forward(
            lm->cache, &(glim_batch){.sequences = &q, .count = 1, .append = true}, err);
        lm->forward += n;
        glim__progress_add(lm->base.ctx, n);
    }
    return status;
}

/* The cache holds the first n positions of the input as it is, and no others. */
static glim_status restore(glim_lm *lm, size_t n, glim_error *err) {
    glim_lm_labels *l = lm->labels;
    size_t have = l->whole < n ? l->whole : n;
    glim_session_truncate(lm->cache, have);
    l->whole = have;
    glim_status status = append(lm, (struct piece){.ids = lm->ids + have, .count = n - have}, err);
    l->whole = glim_session_length(lm->cache);
    return status;
}

/* Branches first .. end of the used labels, as one batch behind the cache. */
static glim_status run_branches(glim_lm *lm, const size_t *which, size_t n, const uint8_t *hidden,
                                glim_error *err) {
    glim_lm_labels *l = lm->labels;
    glim_context *ctx = lm->base.ctx;
    size_t rows = 0;
    glim_sequence *q = glim__calloc(ctx, n, sizeof *q);
    uint32_t *wanted = glim__calloc(ctx, l->longest, sizeof *wanted);
    glim_status status = q && wanted ? GLIM_OK : glim__oom(ctx, err, "the labels", n * sizeof *q);
    for (size_t i = 0; i < l->longest && !status; i++)
        wanted[i] = (uint32_t)i;
    for (size_t i = 0; i < n && !status; i++) {
        const glim_label *b = &l->at[which[i]];
        q[i] = (glim_sequence){.ids = b->ids,
                               .count = b->count - 1,
                               .prefix = glim_session_length(lm->cache),
                               .hidden = hidden,
                               .wanted = wanted + b->owned,
                               .n_wanted = b->count - 1 - b->owned};
        rows += q[i].count;
    }
    if (!status)
        status = glim_session_forward(lm->cache, &(glim_batch){.sequences = q, .count = n}, err);
    for (size_t i = 0; i < n && !status; i++)
        for (size_t k = 0; k < q[i].n_wanted; k++) {
            const glim_label *b = &l->at[which[i]];
            glim__label_read(lm, b, b->owned + k, glim_session_logits(lm->cache, i, k));
        }
    lm->forward += rows;
    glim__progress_add(ctx, rows);
    glim__free(ctx, q);
    glim__free(ctx, wanted);
    return status;
}

/* Scores of the used labels behind the cached input, whose last logits are at hand. */
static glim_status score(glim_lm *lm, const uint8_t *hidden, glim_error *err) {
    glim_lm_labels *l = lm->labels;
    size_t which[BRANCH_ROWS], n = 0, rows = 0;
    glim_status status = GLIM_OK;
    glim__label_clear(l);
    glim__label_read(lm, NULL, 0, glim_session_logits(lm->cache, 0, 0));
    for (size_t k = 0; k < l->names.count && !status; k++) {
        if (!l->at[k].branch)
            continue;
        size_t more = l->at[k].count - 1;
        if (n && (n == BRANCH_ROWS || rows + more > BRANCH_ROWS)) {
            status = run_branches(lm, which, n, hidden, err);
            n = rows = 0;
        }
        which[n++] = k;
        rows += more;
    }
    return status || !n ? status : run_branches(lm, which, n, hidden, err);
}

glim_status glim__label_first(glim_lm *lm, glim_error *err) {
    glim_status status = glim_session_new(&lm->cache, lm->model, lm->base.T, err);
    if (!status)
        status = append(lm, (struct piece){.ids = lm->ids, .count = lm->base.T, .last = true}, err);
    if (!status)
        status = score(lm, NULL, err);
    lm->labels->whole = status ? 0 : lm->base.T;
    return status;
}

/* ---- masked inputs ---- */

struct masked {
    int32_t *ids;      /* [T + 1] */
    float *embeddings; /* (T + 1, C), MEAN only */
    uint8_t *hidden;   /* [T + longest], ATTENTION only */
    float *mean;       /* (C) */
};

static bool is_removed(const glim_unit *u, const uint8_t *keep, size_t i) {
    return !u->fixed && !keep[i];
}

/* First token that the mask removes, or T. */
static size_t first_removed(const glim_lm *lm, const uint8_t *keep) {
    for (size_t u = 0; u < lm->units.count; u++)
        if (is_removed(&lm->units.at[u], keep, u))
            return lm->units.at[u].first;
    return lm->base.T;
}

/* Tokens left from position `from` on. */
static size_t tokens_left(const glim_lm *lm, const uint8_t *keep, size_t from) {
    size_t n = 0;
    for (size_t u = 0; u < lm->units.count; u++) {
        const glim_unit *unit = &lm->units.at[u];
        for (size_t t = unit->first; t < unit->first + unit->count; t++)
            n += t >= from && t < lm->base.T && !is_removed(unit, keep, u);
    }
    return n;
}

/* Where the masked input leaves the cached one: at its first absent token, or a token
   earlier when nothing is left behind that. */
static size_t shared(const glim_lm *lm, const uint8_t *keep, glim_absent absent, size_t *rows) {
    size_t c = first_removed(lm, keep);
    *rows = absent == GLIM_ABSENT_DELETE ? tokens_left(lm, keep, c) : lm->base.T - c;
    if (*rows || c == lm->base.T)
        return c;
    *rows = 1; /* the token before, or the neutral one where there is none */
    return c ? c - 1 : 0;
}

static glim_status make_masked(glim_lm *lm, struct masked *m, glim_absent absent, glim_error *err) {
    glim_context *ctx = lm->base.ctx;
    size_t T = lm->base.T, C = lm->base.C, rows = T + lm->labels->longest + 1;
    bool mean = absent == GLIM_ABSENT_MEAN;
    m->ids = glim__calloc(ctx, T + 1, sizeof *m->ids);
    m->embeddings = mean ? glim__calloc(ctx, (T + 1) * C, sizeof(float)) : NULL;
    m->mean = mean ? glim__calloc(ctx, C, sizeof(float)) : NULL;
    m->hidden = absent == GLIM_ABSENT_ATTENTION ? glim__calloc(ctx, rows, 1) : NULL;
    if (!m->ids || (mean && (!m->embeddings || !m->mean)) ||
        (absent == GLIM_ABSENT_ATTENTION && !m->hidden))
        return glim__oom(ctx, err, "masked inputs", rows);
    return mean ? glim_model_embedding(lm->model, -1, m->mean, err) : GLIM_OK;
}

static void free_masked(const glim_lm *lm, struct masked *m) {
    glim__free(lm->base.ctx, m->ids);
    glim__free(lm->base.ctx, m->embeddings);
    glim__free(lm->base.ctx, m->mean);
    glim__free(lm->base.ctx, m->hidden);
}

/* Writes the masked input from position `from` on; returns its rows. */
static size_t write_masked(const glim_lm *lm, struct masked *m, const uint8_t *keep,
                           glim_absent absent, size_t from, glim_status *status, glim_error *err) {
    size_t n = 0, T = lm->base.T, C = lm->base.C;
    if (m->hidden)
        memset(m->hidden, 0, T);
    for (size_t u = 0; u < lm->units.count; u++) {
        const glim_unit *unit = &lm->units.at[u];
        bool gone = is_removed(unit, keep, u);
        for (size_t t = unit->first; t < unit->first + unit->count && t < T; t++) {
            if (m->hidden)
                m->hidden[t] = gone;
            if (t < from || (gone && absent == GLIM_ABSENT_DELETE))
                continue;
            m->ids[n] = gone && absent == GLIM_ABSENT_MASK ? lm->neutral : lm->ids[t];
            if (m->embeddings && gone)
                memcpy(m->embeddings + n * C, m->mean, C * sizeof(float));
            else if (m->embeddings && !*status)
                *status = glim_model_embedding(lm->model, lm->ids[t], m->embeddings + n * C, err);
            n++;
        }
    }
    if (!n)
        m->ids[n++] = lm->neutral;
    return n;
}

static glim_status run_masked(glim_lm *lm, struct masked *m, const uint8_t *keep,
                              glim_absent absent, double *out, glim_error *err) {
    size_t rows, at = shared(lm, keep, absent, &rows);
    if (at == lm->base.T) {
        *out = lm->value[0];
        return GLIM_OK;
    }
    glim_status status = restore(lm, at, err);
    if (!status)
        rows = write_masked(lm, m, keep, absent, at, &status, err);
    if (!status)
        status = append(lm,
                        (struct piece){.ids = m->embeddings ? NULL : m->ids,
                                       .embeddings = m->embeddings,
                                       .hidden = m->hidden,
                                       .count = rows,
                                       .last = true},
                        err);
    if (!status)
        status = score(lm, m->hidden, err);
    *out = status ? NAN : glim__label_target(lm);
    return status;
}

struct order {
    size_t mask, at;
};

static int latest_first(const void *a, const void *b) {
    const struct order *x = a, *y = b;
    if (x->at != y->at)
        return x->at < y->at ? 1 : -1;
    return x->mask < y->mask ? -1 : x->mask > y->mask;
}

glim_status glim__lm_label_values(glim_predictor *p, const uint8_t *keep, size_t n,
                                  glim_absent absent, double *out, glim_error *err) {
    glim_lm *lm = (glim_lm *)p;
    size_t U = lm->units.count, rows;
    struct masked m = {0};
    struct order *order = glim__calloc(p->ctx, n, sizeof *order);
    glim_status status = order ? make_masked(lm, &m, absent, err)
                               : glim__oom(p->ctx, err, "masked inputs", n * sizeof *order);
    for (size_t i = 0; i < n; i++) {
        out[i] = NAN;
        if (order)
            order[i] = (struct order){i, shared(lm, keep + i * U, absent, &rows)};
    }
    if (order)
        qsort(order, n, sizeof *order, latest_first);
    for (size_t i = 0; i < n && !status; i++)
        status = run_masked(lm, &m, keep + order[i].mask * U, absent, &out[order[i].mask], err);
    free_masked(lm, &m);
    glim__free(p->ctx, order);
    return status;
}

void glim__lm_label_plan_values(const glim_predictor *p, const uint8_t *keep, size_t n,
                                glim_absent absent, glim_plan *out) {
    const glim_lm *lm = (const glim_lm *)p;
    size_t branches, more = glim__label_branch_rows(lm->labels, &branches), rows;
    for (size_t i = 0; i < n; i++)
        if (shared(lm, keep + i * lm->units.count, absent, &rows) < p->T)
            out->forward_tokens += rows + more;
    size_t piece = p->T < PIECE ? p->T : PIECE, side = more < BRANCH_ROWS ? more : BRANCH_ROWS;
    size_t longest = lm->labels->longest, S = p->T + longest;
    side = side > longest ? side : longest;
    uint64_t bytes = glim_session_plan(lm->model, piece, 1, p->T, 1, false, NULL);
    uint64_t of_labels =
        side ? glim_session_plan(lm->model, side, branches, S, side, false, NULL) : 0;
    /* beside the model's own: a masked input, the masks in their order, a batch */
    uint64_t own = 8 * ((uint64_t)S + 2) + n * sizeof(struct order) +
                   BRANCH_ROWS * sizeof(glim_sequence) + 4 * longest + 512;
    own += absent == GLIM_ABSENT_MEAN ? 4 * ((uint64_t)p->T + 2) * p->C : 0;
    bytes = (of_labels > bytes ? of_labels : bytes) + own;
    out->bytes = bytes > out->bytes ? bytes : out->bytes;
    out->bytes_wanted = bytes > out->bytes_wanted ? bytes : out->bytes_wanted;
}
