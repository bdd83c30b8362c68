/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Products through OpenBLAS: panels of W are unpacked and multiplied by sgemm,
 * one thread a call. Rows go in whole groups of ROWS, padded with zeros, so that
 * the library sees the same shape however many rows there are, and as columns of
 * the result, where its kernels have their vector lanes. Few at a time: Haswell's
 * kernels sum in an order that depends on the place among more rows than that.
 */
#include "tensor/linear-blas.h"
#include "tensor/linear.h"

#ifdef GLIM_WITH_OPENBLAS

#include <cblas.h>
#include <string.h>

enum { ROWS = 16, PANEL = 64, STRIP = 256 };

struct product {
    glim_context *ctx;
    const glim_kernels *kernels;
    const glim_matrix *w;
    const float *in, *bias;
    float *out;
    size_t ld_in, ld_out;
    int64_t T;
};

static const float *padded(const struct product *s, int64_t t, size_t width, float *buffer) {
    int64_t n = s->T - t;
    if (n >= ROWS)
        return NULL;
    memset(buffer, 0, ROWS * width * sizeof *buffer);
    for (int64_t i = 0; i < n; i++)
        memcpy(buffer + (size_t)i * width, s->in + (size_t)(t + i) * s->ld_in,
               width * sizeof *buffer);
    return buffer;
}

static void forward_item(void *data, size_t item, int worker) {
    struct product *s = data;
    size_t K = (size_t)s->w->cols;
    float *panel = glim__scratch(s->ctx, worker), *rest = panel + PANEL * K;
    float *tile = rest + ROWS * K;
    int64_t r0 = (int64_t)item * PANEL, n = s->w->rows - r0 < PANEL ? s->w->rows - r0 : PANEL;
    glim__matrix_panel(s->kernels, s->w, r0, (int)n, 0, K, panel, K);
    for (int64_t t = 0; t < s->T; t += ROWS) {
        const float *x = padded(s, t, K, rest);
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)n, ROWS, (int)K, 1, panel, (int)K,
                    x ? x : s->in + (size_t)t * s->ld_in, x ? (int)K : (int)s->ld_in, 0, tile,
                    ROWS);
        int64_t rows = s->T - t < ROWS ? s->T - t : ROWS;
        for (int64_t i = 0; i < rows; i++)
            for (int64_t r = 0; r < n; r++)
                s->out[(size_t)(t + i) * s->ld_out + (size_t)(r0 + r)] =
                    tile[r * ROWS + i] + (s->bias ? s->bias[r0 + r] : 0);
    }
}

static void backward_item(void *data, size_t item, int worker) {
    struct product *s = data;
    size_t R = (size_t)s->w->rows, c0 = item * STRIP, cols = (size_t)s->w->cols - c0;
    cols = cols < STRIP ? cols : STRIP;
    float *panel = glim__scratch(s->ctx, worker), *rest = panel + PANEL * STRIP;
    float *tile = rest + ROWS * R;
    for (int64_t t = 0; t < s->T; t += ROWS) {
        const float *dy = padded(s, t, R, rest);
        memset(tile, 0, ROWS * STRIP * sizeof *tile);
        for (size_t r0 = 0; r0 < R; r0 += PANEL) {
            size_t n = R - r0 < PANEL ? R - r0 : PANEL;
            glim__matrix_panel(s->kernels, s->w, (int64_t)r0, (int)n, c0, cols, panel, cols);
            cblas_sgemm(CblasRowMajor, CblasTrans, CblasTrans, (int)cols, ROWS, (int)n, 1, panel,
                        (int)cols, (dy ? dy : s->in + (size_t)t * s->ld_in) + r0,
                        dy ? (int)R : (int)s->ld_in, 1, tile, ROWS);
        }
        int64_t rows = s->T - t < ROWS ? s->T - t : ROWS;
        for (int64_t i = 0; i < rows; i++)
            for (size_t c = 0; c < cols; c++)
                s->out[(size_t)(t + i) * s->ld_out + c0 + c] += tile[c * ROWS + (size_t)i];
    }
}

static size_t forward_floats(const glim_matrix *w) {
    return (PANEL + ROWS) * (size_t)w->cols + ROWS * PANEL;
}

static size_t backward_floats(const glim_matrix *w) {
    return (PANEL + ROWS) * STRIP + ROWS * (size_t)w->rows;
}

uint64_t glim__linear_blas_scratch(const glim_context *ctx, const glim_matrix *w) {
    size_t f = forward_floats(w), b = backward_floats(w);
    return (uint64_t)glim_context_threads(ctx) * sizeof(float) * (f > b ? f : b);
}

glim_status glim__linear_blas(glim_context *ctx, float *y, size_t ldy, const float *x, size_t ldx,
                              int64_t T, const glim_matrix *w, const float *bias, glim_error *err) {
    struct product s = {ctx, glim__kernels(ctx), w, x, bias, y, ldx, ldy, T};
    glim_status status = glim__scratch_reserve(ctx, forward_floats(w) * sizeof(float), err);
    openblas_set_num_threads(1);
    if (!status && T > 0)
        glim__parallel(ctx, (size_t)((w->rows + PANEL - 1) / PANEL), forward_item, &s);
    return status;
}

glim_status glim__linear_backward_blas(glim_context *ctx, float *dx, size_t lddx, const float *dy,
                                       size_t lddy, int64_t T, const glim_matrix *w,
                                       glim_error *err) {
    struct product s = {ctx, glim__kernels(ctx), w, dy, NULL, dx, lddy, lddx, T};
    glim_status status = glim__scratch_reserve(ctx, backward_floats(w) * sizeof(float), err);
    openblas_set_num_threads(1);
    if (!status && T > 0)
        glim__parallel(ctx, (size_t)((w->cols + STRIP - 1) / STRIP), backward_item, &s);
    return status;
}

#else

glim_status glim__linear_blas(glim_context *ctx, float *y, size_t ldy, const float *x, size_t ldx,
                              int64_t T, const glim_matrix *w, const float *bias, glim_error *err) {
    return glim_fail(err, GLIM_EINTERNAL, "this build has no OpenBLAS");
}

glim_status glim__linear_backward_blas(glim_context *ctx, float *dx, size_t lddx, const float *dy,
                                       size_t lddy, int64_t T, const glim_matrix *w,
                                       glim_error *err) {
    return glim_fail(err, GLIM_EINTERNAL, "this build has no OpenBLAS");
}

uint64_t glim__linear_blas_scratch(const glim_context *ctx, const glim_matrix *w) {
    return 0;
}

#endif
