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
    c->diagonal = glim__calloc(ctx, 2 * n, sizeof *c->diagonal);
    if (c->sum && c->rows && c->diagonal)
        return GLIM_OK;
    glim__covariance_release(c, ctx);
    return glim__oom(ctx, err, "covariances", glim__covariance_plan(n));
}

void glim__covariance_release(glim_covariance *c, glim_context *ctx) {
    glim__free(ctx, c->sum);
    glim__free(ctx, c->rows);
    glim__free(ctx, c->diagonal);
    *c = (glim_covariance){0};
}

uint64_t glim__covariance_plan(size_t n) {
    return ((uint64_t)n * n + 2 * n) * sizeof(double) + floats_of(n) * sizeof(float);
}

struct flush {
    glim_covariance *c;
    const glim_kernels *kernels;
};

static void add_tile(glim_covariance *c, const float *tile, size_t i, size_t j) {
    for (size_t r = i; r < i + M && r < c->n; r++, tile += N) {
        double *sum = c->sum + r * c->n;
        for (size_t k = j > r ? j : r; k < j + N && k < c->n; k++)
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

void glim__covariance_flush(glim_covariance *c, glim_context *ctx) {
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
            glim__covariance_flush(c, ctx);
    }
}

/* Of row r what is right of the diagonal, of this piece, and of all: n - 1 - r numbers. */
static double *of_piece(const glim_covariance *c, size_t r) {
    return c->sum + r * c->n + r + 1;
}

static double *of_all(const glim_covariance *c, size_t r) {
    return c->sum + (c->n - 1 - r) * c->n;
}

glim_status glim__covariance_piece(glim_covariance *c, glim_context *ctx, size_t first,
                                   size_t count, int owner, glim_error *err) {
    size_t n = c->n;
    for (size_t r = 0; r < n; r++)
        c->diagonal[r] = c->sum[r * n + r];
    const glim_partial few[] = {
        {GLIM_SUM_U64, 1, &c->seen, &c->total, owner},
        {GLIM_SUM_F64, n, c->diagonal, c->diagonal + n, owner},
    };
    glim_status status = glim__pieces_add(ctx, first, count, &few[0], err);
    if (!status)
        status = glim__pieces_add(ctx, first, count, &few[1], err);
    for (size_t r = 0; r < n && !status; r++) {
        const glim_partial row = {GLIM_SUM_F64, n - 1 - r, of_piece(c, r), of_all(c, r), owner};
        status = glim__pieces_add(ctx, first, count, &row, err);
        memset(c->sum + r * n + r, 0, (n - r) * sizeof *c->sum);
    }
    c->seen = 0;
    return status;
}

void glim__covariance_parts(glim_covariance *c, glim_bytes out[GLIM_COVARIANCE_PARTS]) {
    out[0] = (glim_bytes){c->sum, c->n * c->n * sizeof *c->sum};
    out[1] = (glim_bytes){c->diagonal, 2 * c->n * sizeof *c->diagonal};
    out[2] = (glim_bytes){&c->total, sizeof c->total};
}

void glim__covariance_mean(glim_covariance *c) {
    double by = c->total ? 1 / (double)c->total : 0;
    for (size_t r = 0; r < c->n; r++) {
        c->sum[r * c->n + r] = by * c->diagonal[c->n + r];
        for (size_t k = 0; k + 1 + r < c->n; k++)
            of_piece(c, r)[k] = by * of_all(c, r)[k];
    }
}
