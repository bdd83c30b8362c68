/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A query's gradient is divided by Lambda in the eigenbasis and turned back, once, so that
 * training samples need not be turned at all. Their gradients are made a tile at a time, of
 * several samples, and each tile is multiplied with those of all queries while it is in the
 * cache: queries are read once for twelve samples. To keep queries in the eigenbasis would
 * save the way back and cost two products for every training sample.
 */
#include "influence/queries.h"
#include "influence/low-rank.h"

#include "tensor/linear.h"

#include <math.h>
#include <string.h>

enum { M = GLIM_TILE_M, N = GLIM_TILE_N, TILE = M * N, ROWS = 4 * M, LONG = 256 };

static size_t across(size_t C) {
    return (C + N - 1) / N;
}

static size_t tiles_of(size_t F, size_t C) {
    return (F + M - 1) / M * across(C);
}

static bool is_low(size_t rank, size_t F, size_t C) {
    return rank && rank < F && rank < C;
}

static size_t floats_of(size_t rank, size_t F, size_t C, size_t count) {
    return is_low(rank, F, C) ? count * rank * (F + C) : tiles_of(F, C) * TILE * count;
}

uint64_t glim__queries_plan(const glim_factor_options *o, size_t rank, size_t count) {
    uint64_t sum = 0;
    for (size_t i = 0; i < o->n_weights; i++)
        if (o->chosen[i])
            sum += sizeof(float) * (uint64_t)floats_of(rank, o->weights[i].rows,
                                                       glim__weight_reads(&o->weights[i]), count);
    return sum;
}

/* ---- making ---- */

struct making {
    glim_queries *q;
    size_t first;
    float *g, *a; /* turned rows */
    size_t room_g, room_a;
    float *one, *two; /* (F, C) each */
    size_t room_one, room_two;
};

static glim_status room(glim_context *ctx, float **p, size_t *have, size_t need, glim_error *err) {
    if (need <= *have)
        return GLIM_OK;
    glim__free(ctx, *p);
    *have = 0;
    *p = glim__calloc(ctx, need, sizeof **p);
    if (!*p)
        return glim__oom(ctx, err, "gradients of queries", need * sizeof **p);
    *have = need;
    return GLIM_OK;
}

/* s->one = the gradient in the eigenbasis over Lambda. False when it is not finite. */
static bool divide(struct making *s, const glim_factor *f, const glim_gathered *all, size_t k) {
    const glim_kernels *kernels = glim__kernels(s->q->ctx);
    double damping = glim__factor_damping(f, s->q->how.damping);
    size_t C = f->C, from = all->start[k], to = all->start[k + 1];
    bool finite = true;
    memset(s->one, 0, f->F * C * sizeof *s->one);
    for (size_t t = from; t < to; t += LONG)
        glim__product(kernels, (int)f->F, (int)C, to - t < LONG ? to - t : LONG,
                      s->g + t * all->ldg, 1, (ptrdiff_t)all->ldg, s->a + t * all->lda,
                      (ptrdiff_t)all->lda, s->one, (ptrdiff_t)C, true);
    for (size_t e = 0; e < f->F * C; e++) {
        float x = s->one[e];
        finite = finite && isfinite(x);
        s->one[e] = x != 0 ? (float)((double)x / ((double)f->lambda[e] + damping)) : 0;
    }
    return finite;
}

/* s->one (C, F) = (Q_S^T one Q_A)^T */
static glim_status turn_back(struct making *s, const glim_factor *f, glim_error *err) {
    glim_context *ctx = s->q->ctx;
    glim_matrix in = glim__plain_matrix(f->in, f->C, f->C);
    glim_matrix out = glim__plain_matrix(f->out, f->F, f->F);
    memset(s->two, 0, f->F * f->C * sizeof *s->two);
    glim_status status =
        glim__linear_backward(ctx, s->two, f->C, s->one, f->C, (int64_t)f->F, &in, err);
    if (status)
        return status;
    glim__transpose(s->one, f->F, s->two, f->C, (int)f->F, (int)f->C);
    memset(s->two, 0, f->F * f->C * sizeof *s->two);
    status = glim__linear_backward(ctx, s->two, f->F, s->one, f->F, (int64_t)f->C, &out, err);
    float *swap = s->one;
    s->one = s->two;
    s->two = swap;
    return status;
}

static void pack(const struct making *s, const glim_factor *f, float *packed, size_t query) {
    size_t Q = s->q->count, wide = across(f->C);
    for (size_t j = 0; j < f->C; j++) {
        const float *column = s->one + j * f->F;
        for (size_t i = 0; i < f->F; i++) {
            size_t at = (i / M * wide + j / N) * TILE + i % M * N + j % N;
            packed[at * Q + query] = column[i];
        }
    }
}

/* What is kept of query `sample` with factor i. */
static glim_status keep(const struct making *s, size_t i, size_t sample, glim_error *err) {
    glim_queries *q = s->q;
    const glim_factor *f = &q->factors->each[i];
    size_t at = sample - s->first, rank = q->how.rank;
    double lost = 0, size = 0;
    if (!q->left[i]) {
        pack(s, f, q->packed[i], at);
        return GLIM_OK;
    }
    glim_low_rank how = {.rows = f->C,
                         .cols = f->F,
                         .rank = rank,
                         .seed = q->how.seed + f->weight,
                         .stream = sample};
    glim_status status = glim__low_rank(q->ctx, &how, s->one, q->left[i] + at * rank * f->C,
                                        q->right[i] + at * rank * f->F, &lost, &size, err);
    q->lost[at] += lost;
    q->size[at] += size;
    return status;
}

static size_t factor_at(const glim_factors *f, size_t weight) {
    return (size_t)(glim__factors_of(f, weight) - f->each);
}

static glim_status take_query(void *data, const glim_gathered *all, glim_error *err) {
    struct making *s = data;
    glim_context *ctx = s->q->ctx;
    size_t i = factor_at(s->q->factors, all->weight), rows = all->start[all->count];
    const glim_factor *f = &s->q->factors->each[i];
    size_t size = f->F * f->C + 16;
    glim_status status = room(ctx, &s->g, &s->room_g, rows * all->ldg + 16, err);
    if (!status)
        status = room(ctx, &s->a, &s->room_a, rows * all->lda + 16, err);
    if (!status)
        status = room(ctx, &s->one, &s->room_one, size, err);
    if (!status)
        status = room(ctx, &s->two, &s->room_two, s->room_one, err);
    if (!status)
        status = glim__factor_turn(ctx, f, all, s->g, s->a, err);
    for (size_t k = 0; k < all->count && !status; k++) {
        if (!divide(s, f, all, k))
            return glim_fail(err, GLIM_ENUMERIC, "the gradient of query %zu is not finite",
                             all->sample[k] + 1);
        status = turn_back(s, f, err);
        if (!status)
            status = keep(s, i, all->sample[k], err);
    }
    return status;
}

static glim_status flush(void *data, size_t first, size_t count, const double *loss,
                         glim_error *err) {
    return glim__gather_flush(data, err);
}

static glim_status fill(glim_queries *q, size_t first, glim_error *err) {
    const glim_factor_options *o = q->how.factors;
    const glim_walk *walk = q->how.walk;
    struct making s = {.q = q, .first = first};
    glim_gather gather = {.ctx = q->ctx, .weights = o->weights, .take = take_query, .data = &s};
    glim_pass_visitor visitor = {.weight = glim__gather_add, .batch = flush, .data = &gather};
    glim_status status = walk->go(walk->data, first, q->count, false, o->chosen, &visitor, err);
    if (!status)
        status = glim__gather_flush(&gather, err);
    glim__gather_release(&gather);
    glim__free(q->ctx, s.g);
    glim__free(q->ctx, s.a);
    glim__free(q->ctx, s.one);
    glim__free(q->ctx, s.two);
    return status;
}

static glim_status make_room(glim_queries *q, size_t i, glim_error *err) {
    size_t F = q->factors->each[i].F, C = q->factors->each[i].C;
    size_t n = floats_of(q->how.rank, F, C, q->count);
    bool low = is_low(q->how.rank, F, C);
    if (low) {
        q->left[i] = glim__calloc(q->ctx, q->count * q->how.rank * C + 16, sizeof(float));
        q->right[i] = glim__calloc(q->ctx, q->count * q->how.rank * F + 16, sizeof(float));
    } else {
        q->packed[i] = glim__calloc(q->ctx, n + 16, sizeof(float));
    }
    return (low ? q->left[i] && q->right[i] : q->packed[i] != NULL)
               ? GLIM_OK
               : glim__oom(q->ctx, err, "gradients of queries", n * sizeof(float));
}

glim_status glim__queries_make(glim_queries *q, const glim_factors *factors,
                               const glim_query_options *how, size_t first, size_t count,
                               glim_error *err) {
    *q = (glim_queries){.ctx = factors->ctx, .factors = factors, .how = *how, .count = count};
    q->packed = glim__calloc(q->ctx, 3 * factors->n, sizeof *q->packed);
    q->lost = glim__calloc(q->ctx, 2 * count, sizeof *q->lost);
    glim_status status = GLIM_OK;
    if (!q->packed || !q->lost) {
        status = glim__oom(q->ctx, err, "queries", factors->n * 3 * sizeof *q->packed);
    } else {
        q->left = q->packed + factors->n;
        q->right = q->left + factors->n;
        q->size = q->lost + count;
    }
    for (size_t i = 0; i < factors->n && !status; i++)
        status = make_room(q, i, err);
    if (!status)
        status = fill(q, first, err);
    if (status)
        glim__queries_release(q);
    return status;
}

void glim__queries_release(glim_queries *q) {
    for (size_t i = 0; q->packed && i < 3 * q->factors->n; i++)
        glim__free(q->ctx, q->packed[i]);
    if (q->ctx) {
        glim__free(q->ctx, q->packed);
        glim__free(q->ctx, q->lost);
    }
    *q = (glim_queries){0};
}

/* ---- scores ---- */

struct scoring {
    const glim_queries *q;
    const glim_gathered *all;
    const float *packed;
    double *parts; /* (items, count, Q) */
};

/* The tile of each sample's gradient at (i, j), (count, TILE). */
static void tiles_at(const struct scoring *s, size_t i, size_t j, float *tiles) {
    const glim_gathered *all = s->all;
    int m = (int)(all->F - i < M ? all->F - i : M), n = (int)(all->C - j < N ? all->C - j : N);
    if (m < M || n < N)
        memset(tiles, 0, all->count * TILE * sizeof *tiles);
    for (size_t k = 0; k < all->count; k++) {
        size_t from = all->start[k], to = all->start[k + 1];
        if (from == to)
            memset(tiles + k * TILE, 0, TILE * sizeof *tiles);
        for (size_t t = from; t < to; t += LONG)
            glim__kernels(s->q->ctx)->tile(m, n, to - t < LONG ? to - t : LONG,
                                           all->g + t * all->ldg + i, 1, (ptrdiff_t)all->ldg,
                                           all->a + t * all->lda + j, (ptrdiff_t)all->lda,
                                           tiles + k * TILE, N, t > from);
    }
}

static void score_item(void *data, size_t item, int worker) {
    struct scoring *s = data;
    const glim_gathered *all = s->all;
    size_t Q = s->q->count, end = (item + 1) * ROWS < all->F ? (item + 1) * ROWS : all->F;
    float *tiles = glim__scratch(s->q->ctx, worker), *scores = tiles + M * TILE;
    double *out = s->parts + item * all->count * Q;
    for (size_t i = item * ROWS; i < end; i += M)
        for (size_t j = 0; j < all->C; j += N) {
            const float *u = s->packed + (i / M * across(all->C) + j / N) * TILE * Q;
            tiles_at(s, i, j, tiles);
            glim__product(glim__kernels(s->q->ctx), (int)all->count, (int)Q, TILE, tiles, TILE, 1,
                          u, (ptrdiff_t)Q, scores, (ptrdiff_t)Q, false);
            for (size_t e = 0; e < all->count * Q; e++)
                out[e] += (double)scores[e];
        }
}

/* Rows meet the vectors of all queries in two products. */
static glim_status score_low(const glim_queries *q, size_t i, const glim_gathered *all, double *out,
                             glim_error *err) {
    size_t n = q->count * q->how.rank, rows = all->start[all->count], rank = q->how.rank;
    glim_matrix left = glim__plain_matrix(q->left[i], n, all->C);
    glim_matrix right = glim__plain_matrix(q->right[i], n, all->F);
    float *x = glim__spare_take(q->ctx, (2 * rows * n + 16) * sizeof *x), *y = x + rows * n;
    if (!x)
        return glim__oom(q->ctx, err, "scores", 2 * rows * n * sizeof *x);
    glim_status status =
        glim__linear(q->ctx, x, n, all->a, all->lda, (int64_t)rows, &left, NULL, err);
    if (!status)
        status = glim__linear(q->ctx, y, n, all->g, all->ldg, (int64_t)rows, &right, NULL, err);
    for (size_t k = 0; k < all->count && !status; k++)
        for (size_t c = 0; c < q->count; c++) {
            double sum = 0;
            for (size_t t = all->start[k]; t < all->start[k + 1]; t++)
                for (size_t e = t * n + c * rank; e < t * n + (c + 1) * rank; e++)
                    sum += (double)x[e] * (double)y[e];
            out[k * q->count + c] = sum;
        }
    glim__spare_give(q->ctx, x);
    return status;
}

glim_status glim__queries_score(const glim_queries *q, size_t i, const glim_gathered *all,
                                double *out, glim_error *err) {
    size_t items = (all->F + ROWS - 1) / ROWS, each = all->count * q->count;
    if (q->left[i])
        return score_low(q, i, all, out, err);
    glim_status status =
        glim__scratch_reserve(q->ctx, (M * TILE + M * q->count + 16) * sizeof(float), err);
    double *parts = glim__spare_take(q->ctx, items * each * sizeof *parts);
    if (!status && !parts)
        status = glim__oom(q->ctx, err, "scores", items * each * sizeof *parts);
    if (!status) {
        struct scoring s = {.q = q, .all = all, .packed = q->packed[i], .parts = parts};
        memset(parts, 0, items * each * sizeof *parts);
        glim__parallel(q->ctx, items, score_item, &s);
        for (size_t k = 0; k < all->count; k++)
            for (size_t c = 0; c < q->count; c++) {
                double sum = 0;
                for (size_t p = 0; p < items; p++)
                    sum += parts[p * each + k * q->count + c];
                out[k * q->count + c] = sum;
            }
    }
    glim__spare_give(q->ctx, parts);
    return status;
}

/* U (F, C) of one query, as a plain matrix. */
static void unpack(const glim_queries *q, size_t i, size_t query, size_t F, size_t C, float *out) {
    size_t wide = across(C);
    for (size_t r = 0; r < F; r++)
        for (size_t c = 0; c < C; c++) {
            size_t at = (r / M * wide + c / N) * TILE + r % M * N + c % N;
            out[r * C + c] = q->packed[i][at * q->count + query];
        }
}

static double times(const float *x, const float *y, size_t n) {
    double sum = 0;
    for (size_t k = 0; k < n; k++)
        sum += (double)x[k] * (double)y[k];
    return sum;
}

/* g_t^T U a_t: rows meet the matrix in one product. */
static glim_status tokens_full(const glim_queries *q, size_t i, const glim_gathered *all, size_t k,
                               size_t query, double *out, glim_error *err) {
    size_t from = all->start[k], rows = all->start[k + 1] - from, F = all->F, C = all->C;
    float *form = glim__spare_take(q->ctx, (F * (C + rows) + 16) * sizeof *form), *y = form + F * C;
    if (!form)
        return glim__oom(q->ctx, err, "rows of a sample", F * (C + rows) * sizeof *form);
    unpack(q, i, query, F, C, form);
    glim_matrix matrix = glim__plain_matrix(form, F, C);
    glim_status status = glim__linear(q->ctx, y, F, all->a + from * all->lda, all->lda,
                                      (int64_t)rows, &matrix, NULL, err);
    for (size_t t = 0; t < rows && !status; t++)
        out[t] = times(y + t * F, all->g + (from + t) * all->ldg, F);
    glim__spare_give(q->ctx, form);
    return status;
}

glim_status glim__queries_tokens(const glim_queries *q, size_t i, const glim_gathered *all,
                                 size_t k, size_t query, double *out, glim_error *err) {
    size_t rank = q->how.rank;
    if (!q->left[i])
        return tokens_full(q, i, all, k, query, out, err);
    for (size_t t = all->start[k]; t < all->start[k + 1]; t++) {
        const float *g = all->g + t * all->ldg, *a = all->a + t * all->lda;
        double sum = 0;
        for (size_t e = query * rank; e < (query + 1) * rank; e++)
            sum += times(q->left[i] + e * all->C, a, all->C) *
                   times(q->right[i] + e * all->F, g, all->F);
        out[t - all->start[k]] = sum;
    }
    return glim__check_cancel(q->ctx, err);
}
