/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows are kept until there are 256, cut into blocks of 96 columns, which are whole tiles at
 * both sides of a product. Then x x^T is made tile by tile in float, one chain of 256 terms,
 * and added in double: the upper triangle alone, half of what a general product would do.
 */
#include "influence/covariance.h"

#include "tensor/kernels.h"

#include <string.h>

enum { ROWS = 256, BLOCK = 96, M = GLIM_TILE_M, N = GLIM_TILE_N };

static size_t blocks_of(size_t n) {
    return (n + BLOCK - 1) / BLOCK;
}

static size_t floats_of(size_t n) {
    return blocks_of(n) * ROWS * BLOCK + 16;
}

glim_status glim__covariance_init(glim_covariance *c, glim_context *ctx, size_t n,
                                  glim_error *err) {
    *c = (glim_covariance){.n = n};
    c->sum = glim__calloc(ctx, n * n, sizeof *c->sum);
    c->rows = glim__calloc(ctx, floats_of(n), sizeof *c->rows);
    if (c->sum && c->rows)
        return GLIM_OK;
    glim__covariance_release(c, ctx);
    return glim__oom(ctx, err, "covariances", glim__covariance_plan(n));
}

void glim__covariance_release(glim_covariance *c, glim_context *ctx) {
    glim__free(ctx, c->sum);
    glim__free(ctx, c->rows);
    *c = (glim_covariance){0};
}

uint64_t glim__covariance_plan(size_t n) {
    return (uint64_t)n * n * sizeof(double) + floats_of(n) * sizeof(float);
}

struct flush {
    glim_covariance *c;
    const glim_kernels *kernels;
};

static void add_tile(glim_covariance *c, const float *tile, size_t i, size_t j) {
    for (size_t r = i; r < i + M && r < c->n; r++, tile += N) {
        double *sum = c->sum + r * c->n;
        for (size_t k = j; k < j + N && k < c->n; k++)
            sum[k] += (double)tile[k - j];
    }
}

/* Rows of the sum: those of one block of columns. */
static void flush_item(void *data, size_t item, int worker) {
    struct flush *s = data;
    glim_covariance *c = s->c;
    const float *a = c->rows + item * ROWS * BLOCK;
    float tile[M * N];
    for (size_t other = item; other < blocks_of(c->n); other++) {
        const float *b = c->rows + other * ROWS * BLOCK;
        for (size_t j = 0; j < BLOCK && other * BLOCK + j < c->n; j += N)
            for (size_t i = 0; i < BLOCK && item * BLOCK + i < c->n; i += M) {
                if (item == other && i >= j + N)
                    break; /* below the diagonal */
                s->kernels->tile(M, N, c->n_rows, a + i, 1, BLOCK, b + j, BLOCK, tile, N, false);
                add_tile(c, tile, item * BLOCK + i, other * BLOCK + j);
            }
    }
}

static void flush(glim_covariance *c, glim_context *ctx) {
    struct flush s = {c, glim__kernels(ctx)};
    if (c->n_rows)
        glim__parallel(ctx, blocks_of(c->n), flush_item, &s);
    c->seen += c->n_rows;
    c->n_rows = 0;
}

void glim__covariance_add(glim_covariance *c, glim_context *ctx, const float *x, size_t ld,
                          size_t rows) {
    for (size_t t = 0; t < rows; t++, x += ld) {
        for (size_t b = 0; b < blocks_of(c->n); b++) {
            size_t width = c->n - b * BLOCK < BLOCK ? c->n - b * BLOCK : BLOCK;
            memcpy(c->rows + (b * ROWS + c->n_rows) * BLOCK, x + b * BLOCK, width * sizeof *x);
        }
        if (++c->n_rows == ROWS)
            flush(c, ctx);
    }
}

void glim__covariance_parts(glim_covariance *c, glim_bytes out[GLIM_COVARIANCE_PARTS]) {
    out[0] = (glim_bytes){c->sum, c->n * c->n * sizeof *c->sum};
    out[1] = (glim_bytes){c->rows, floats_of(c->n) * sizeof *c->rows};
    out[2] = (glim_bytes){&c->n_rows, sizeof c->n_rows};
    out[3] = (glim_bytes){&c->seen, sizeof c->seen};
}

void glim__covariance_mean(glim_covariance *c, glim_context *ctx) {
    flush(c, ctx);
    double by = c->seen ? 1 / (double)c->seen : 0;
    for (size_t i = 0; i < c->n * c->n; i++)
        c->sum[i] *= by;
}
