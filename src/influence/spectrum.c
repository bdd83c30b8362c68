/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows are turned into the eigenbasis before they are multiplied, T (F^2 + C^2) terms for a
 * sample of T rows. To form G first and turn that would be F C (F + C): more unless a sample
 * is longer than the matrix is wide. G is made a tile at a time and never stored.
 */
#include "influence/spectrum.h"

#include "tensor/linear.h"

#include <string.h>

enum { M = GLIM_TILE_M, N = GLIM_TILE_N, ROWS = 4 * M };

struct squares {
    const glim_kernels *kernels;
    const glim_gathered *all;
    const float *g, *a;
    double *sum;            /* (F, C), or NULL */
    const float *lambda;    /* with `parts` */
    double damping, *parts; /* (items, count) */
};

glim_matrix glim__plain_matrix(const float *data, size_t rows, size_t cols) {
    return (glim_matrix){.data = data,
                         .type = GLIM_TYPE_F32,
                         .rows = (int64_t)rows,
                         .cols = (int64_t)cols,
                         .row_bytes = cols * sizeof *data};
}

glim_status glim__factor_turn(glim_context *ctx, const glim_factor *f, const glim_gathered *all,
                              float *turned_g, float *turned_a, glim_error *err) {
    glim_matrix out = glim__plain_matrix(f->out, f->F, f->F);
    glim_matrix in = glim__plain_matrix(f->in, f->C, f->C);
    int64_t T = (int64_t)all->start[all->count];
    glim_status status =
        glim__linear(ctx, turned_g, all->ldg, all->g, all->ldg, T, &out, NULL, err);
    return status ? status
                  : glim__linear(ctx, turned_a, all->lda, all->a, all->lda, T, &in, NULL, err);
}

/* The tile of G at (i, j) of one sample; long ones in chains that end at fixed places. */
static void tile_of(const struct squares *s, size_t k, size_t i, size_t j, float *tile) {
    const glim_gathered *all = s->all;
    size_t from = all->start[k], to = all->start[k + 1];
    int m = (int)(all->F - i < M ? all->F - i : M), n = (int)(all->C - j < N ? all->C - j : N);
    if (from == to)
        memset(tile, 0, M * N * sizeof *tile);
    for (size_t t = from; t < to; t += 256)
        s->kernels->tile(m, n, to - t < 256 ? to - t : 256, s->g + t * all->ldg + i, 1,
                         (ptrdiff_t)all->ldg, s->a + t * all->lda + j, (ptrdiff_t)all->lda, tile, N,
                         t > from);
}

static void add_squares(const struct squares *s, const float *tile, size_t i, size_t j) {
    size_t C = s->all->C, n = C - j < N ? C - j : N;
    for (size_t r = i; r < i + M && r < s->all->F; r++, tile += N)
        for (size_t k = 0; k < n; k++)
            s->sum[r * C + j + k] += (double)tile[k] * (double)tile[k];
}

static double weighted(const struct squares *s, const float *tile, size_t i, size_t j) {
    size_t C = s->all->C, n = C - j < N ? C - j : N;
    double sum = 0;
    for (size_t r = i; r < i + M && r < s->all->F; r++, tile += N)
        for (size_t k = 0; k < n; k++)
            if (tile[k] != 0) /* 0 / 0 without damping: no gradient, no influence */
                sum += (double)tile[k] * (double)tile[k] /
                       ((double)s->lambda[r * C + j + k] + s->damping);
    return sum;
}

static void squares_item(void *data, size_t item, int worker) {
    struct squares *s = data;
    float tile[M * N] = {0};
    size_t end = (item + 1) * ROWS < s->all->F ? (item + 1) * ROWS : s->all->F;
    for (size_t i = item * ROWS; i < end; i += M)
        for (size_t j = 0; j < s->all->C; j += N)
            for (size_t k = 0; k < s->all->count; k++) {
                tile_of(s, k, i, j, tile);
                if (s->sum)
                    add_squares(s, tile, i, j);
                else
                    s->parts[item * GLIM_GATHER_MOST + k] += weighted(s, tile, i, j);
            }
}

static glim_status room(glim_context *ctx, float **p, size_t *have, size_t need, glim_error *err) {
    if (need <= *have)
        return GLIM_OK;
    glim__free(ctx, *p);
    *have = 0;
    *p = glim__calloc(ctx, need, sizeof **p);
    if (!*p)
        return glim__oom(ctx, err, "rows of gradients", need * sizeof **p);
    *have = need;
    return GLIM_OK;
}

static glim_status turn(glim_spectrum *s, const glim_factor *f, const glim_gathered *all,
                        glim_error *err) {
    size_t rows = all->start[all->count];
    glim_status status = room(s->ctx, &s->g, &s->room_g, rows * all->ldg + 16, err);
    if (!status)
        status = room(s->ctx, &s->a, &s->room_a, rows * all->lda + 16, err);
    return status ? status : glim__factor_turn(s->ctx, f, all, s->g, s->a, err);
}

glim_status glim__spectrum_add(glim_spectrum *s, const glim_factor *f, const glim_gathered *all,
                               double *sum, glim_error *err) {
    glim_status status = turn(s, f, all, err);
    struct squares q = {
        .kernels = glim__kernels(s->ctx), .all = all, .g = s->g, .a = s->a, .sum = sum};
    if (!status)
        glim__parallel(s->ctx, (all->F + ROWS - 1) / ROWS, squares_item, &q);
    return status;
}

glim_status glim__spectrum_self(glim_spectrum *s, const glim_factor *f, const glim_gathered *all,
                                double damping, double *out, glim_error *err) {
    size_t items = (all->F + ROWS - 1) / ROWS;
    glim_status status = turn(s, f, all, err);
    double *parts = glim__calloc(s->ctx, items * GLIM_GATHER_MOST, sizeof *parts);
    if (!status && !parts)
        status = glim__oom(s->ctx, err, "self-influence", items * sizeof *parts);
    struct squares q = {.kernels = glim__kernels(s->ctx),
                        .all = all,
                        .g = s->g,
                        .a = s->a,
                        .lambda = f->lambda,
                        .damping = damping,
                        .parts = parts};
    if (!status)
        glim__parallel(s->ctx, items, squares_item, &q);
    for (size_t k = 0; k < all->count && !status; k++) {
        out[k] = 0;
        for (size_t i = 0; i < items; i++)
            out[k] += parts[i * GLIM_GATHER_MOST + k];
    }
    glim__free(s->ctx, parts);
    return status;
}

void glim__spectrum_release(glim_spectrum *s) {
    glim__free(s->ctx, s->g);
    glim__free(s->ctx, s->a);
    *s = (glim_spectrum){.ctx = s->ctx};
}
