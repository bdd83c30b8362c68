/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random projection with two power steps (Halko, Martinsson, Tropp 2011): eight vectors more
 * than are wanted find the range, and a small eigenproblem turns them so that the last eight
 * can go. A decomposition of the whole would cost min(R, C) / rank times as much.
 */
#include "influence/low-rank.h"

#include "base/rng.h"
#include "influence/factors.h"
#include "tensor/eigen.h"
#include "tensor/linear.h"

#include <math.h>
#include <string.h>

enum { MORE = 8, STEPS = 2 };

static size_t found_of(size_t rows, size_t cols, size_t rank) {
    size_t most = rows < cols ? rows : cols;
    return rank + MORE < most ? rank + MORE : most;
}

static double dot(const float *x, const float *y, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)y[i];
    return sum;
}

/* Rows become orthonormal; what is nothing beside what it was becomes 0. Twice is enough. */
static void orthonormal(float *x, size_t n, size_t width) {
    for (size_t i = 0; i < n; i++) {
        float *row = x + i * width;
        double was = sqrt(dot(row, row, width));
        for (int twice = 0; twice < 2; twice++)
            for (size_t k = 0; k < i; k++) {
                double by = dot(row, x + k * width, width);
                for (size_t c = 0; c < width; c++)
                    row[c] -= (float)(by * (double)x[k * width + c]);
            }
        double is = sqrt(dot(row, row, width));
        double by = is > 1e-6 * was ? 1 / is : 0;
        for (size_t c = 0; c < width; c++)
            row[c] *= (float)by;
    }
}

struct range {
    glim_context *ctx;
    glim_matrix m;
    size_t n;     /* vectors */
    float *p, *b; /* (n, R) orthonormal, (n, C) = p x */
    double *gram, *values, *turn;
};

static glim_status down(struct range *s, glim_error *err) {
    size_t C = (size_t)s->m.cols, R = (size_t)s->m.rows;
    memset(s->b, 0, s->n * C * sizeof *s->b);
    return glim__linear_backward(s->ctx, s->b, C, s->p, R, (int64_t)s->n, &s->m, err);
}

static glim_status find(struct range *s, const glim_low_rank *how, glim_error *err) {
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < s->n * how->cols; i++)
        s->b[i] = (float)glim__rng_normal(how->seed, how->stream, i);
    for (int step = 0; step <= STEPS && !status; step++) {
        status =
            glim__linear(s->ctx, s->p, how->rows, s->b, how->cols, (int64_t)s->n, &s->m, NULL, err);
        orthonormal(s->p, s->n, how->rows);
        if (!status)
            status = down(s, err);
        if (step < STEPS)
            orthonormal(s->b, s->n, how->cols);
    }
    for (size_t i = 0; i < s->n; i++)
        for (size_t k = i; k < s->n; k++)
            s->gram[i * s->n + k] = dot(s->b + i * how->cols, s->b + k * how->cols, how->cols);
    return status ? status : glim__eigen(s->ctx, s->gram, s->n, s->values, s->turn, err);
}

/* out = the k-th strongest mixture of rows. */
static void mix(const struct range *s, size_t k, const float *rows, size_t width, float *out) {
    const double *by = s->turn + (s->n - 1 - k) * s->n;
    for (size_t c = 0; c < width; c++) {
        double sum = 0;
        for (size_t i = 0; i < s->n; i++)
            sum += by[i] * (double)rows[i * width + c];
        out[c] = (float)sum;
    }
}

glim_status glim__low_rank(glim_context *ctx, const glim_low_rank *how, const float *x, float *left,
                           float *right, double *lost, double *size, glim_error *err) {
    size_t n = found_of(how->rows, how->cols, how->rank);
    struct range s = {.ctx = ctx, .m = glim__plain_matrix(x, how->rows, how->cols), .n = n};
    s.p = glim__calloc(ctx, n * (how->rows + how->cols) + 32, sizeof *s.p);
    s.gram = glim__calloc(ctx, 2 * n * n + n, sizeof *s.gram);
    glim_status status = s.p && s.gram
                             ? GLIM_OK
                             : glim__oom(ctx, err, "queries of low rank",
                                         glim__low_rank_plan(how->rows, how->cols, how->rank));
    if (!status) {
        s.b = s.p + n * how->rows + 16;
        s.turn = s.gram + n * n;
        s.values = s.turn + n * n;
        status = find(&s, how, err);
    }
    *size = *lost = status ? 0 : dot(x, x, how->rows * how->cols);
    for (size_t k = 0; k < how->rank && !status; k++) {
        mix(&s, k, s.p, how->rows, left + k * how->rows);
        mix(&s, k, s.b, how->cols, right + k * how->cols);
        *lost -= dot(right + k * how->cols, right + k * how->cols, how->cols);
    }
    *lost = *lost > 0 ? *lost : 0;
    glim__free(ctx, s.p);
    glim__free(ctx, s.gram);
    return status;
}

uint64_t glim__low_rank_plan(size_t rows, size_t cols, size_t rank) {
    uint64_t n = found_of(rows, cols, rank);
    return 4 * (n * (rows + cols) + 32) + 8 * (2 * n * n + n) + glim__eigen_plan(n);
}
