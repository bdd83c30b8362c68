/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The specification: plain loops, never optimised, with libm. Other sets are
 * tested against it. It also runs on processors that have neither AVX2 nor
 * AVX-512; `blas` is the same set with products through OpenBLAS.
 */
#include "tensor/dequantise.h"
#include "tensor/kernels.h"

#include <math.h>

static void tile(int m, int n, size_t k, const float *a, ptrdiff_t a_row, ptrdiff_t a_col,
                 const float *b, ptrdiff_t b_row, float *c, ptrdiff_t c_row, bool add) {
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            float sum = 0;
            for (size_t p = 0; p < k; p++)
                sum = fmaf(a[i * a_row + (ptrdiff_t)p * a_col], b[(ptrdiff_t)p * b_row + j], sum);
            c[i * c_row + j] = add ? c[i * c_row + j] + sum : sum;
        }
}

static void tile_f64(int m, int n, size_t k, const double *a, ptrdiff_t a_row, ptrdiff_t a_col,
                     const double *b, ptrdiff_t b_row, double *c, ptrdiff_t c_row, bool add) {
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            double sum = 0;
            for (size_t p = 0; p < k; p++)
                sum += a[i * a_row + (ptrdiff_t)p * a_col] * b[(ptrdiff_t)p * b_row + j];
            c[i * c_row + j] = add ? c[i * c_row + j] + sum : sum;
        }
}

enum { PIECE = 256 };

static void dot_any(glim_type type, const void *row, const float *x, size_t ldx, int count,
                    size_t n, float *out) {
    const glim_type_info *info = glim__type_info(type);
    float w[PIECE];
    double sum[4] = {0};
    for (size_t at = 0; at < n; at += PIECE) {
        size_t len = n - at < PIECE ? n - at : PIECE;
        glim__dequantise_ref[type]((const char *)row + at / info->block_len * info->block_bytes, w,
                                   len);
        for (int v = 0; v < count; v++)
            for (size_t i = 0; i < len; i++)
                sum[v] += (double)w[i] * x[(size_t)v * ldx + at + i];
    }
    for (int v = 0; v < count; v++)
        out[v] = (float)sum[v];
}

#define DOT(name, type)                                                                            \
    static void dot_##name(const void *row, const float *x, size_t ldx, int count, size_t n,       \
                           float *out) {                                                           \
        dot_any(type, row, x, ldx, count, n, out);                                                 \
    }

DOT(f32, GLIM_TYPE_F32)
DOT(f16, GLIM_TYPE_F16)
DOT(bf16, GLIM_TYPE_BF16)
DOT(q4_0, GLIM_TYPE_Q4_0)
DOT(q4_1, GLIM_TYPE_Q4_1)
DOT(q5_0, GLIM_TYPE_Q5_0)
DOT(q5_1, GLIM_TYPE_Q5_1)
DOT(q8_0, GLIM_TYPE_Q8_0)
DOT(q2_k, GLIM_TYPE_Q2_K)
DOT(q3_k, GLIM_TYPE_Q3_K)
DOT(q4_k, GLIM_TYPE_Q4_K)
DOT(q5_k, GLIM_TYPE_Q5_K)
DOT(q6_k, GLIM_TYPE_Q6_K)
DOT(iq4_nl, GLIM_TYPE_IQ4_NL)
DOT(iq4_xs, GLIM_TYPE_IQ4_XS)

static double sum_squares(const float *x, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * x[i];
    return sum;
}

static float dot_row(const float *x, const float *y, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * y[i];
    return (float)sum;
}

static void axpy(float *y, float a, const float *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        y[i] += a * x[i];
}

static void add(float *y, const float *a, const float *b, size_t n) {
    for (size_t i = 0; i < n; i++)
        y[i] = a[i] + b[i];
}

static void scale_mul(float *y, float a, const float *x, const float *w, size_t n) {
    for (size_t i = 0; i < n; i++)
        y[i] = a * x[i] * w[i];
}

static void scale(float *y, float a, size_t n) {
    for (size_t i = 0; i < n; i++)
        y[i] *= a;
}

static void softmax_backward(float *dp, const float *p, float delta, float a, size_t n) {
    for (size_t i = 0; i < n; i++)
        dp[i] = p[i] * (dp[i] - delta) * a;
}

static float max_row(const float *x, size_t n) {
    float best = -INFINITY;
    for (size_t i = 0; i < n; i++)
        best = x[i] > best ? x[i] : best;
    return best;
}

static float exp_sum(float *y, const float *x, float shift, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += y[i] = expf(x[i] - shift);
    return (float)sum;
}

static float sigmoid(float x) {
    float e = expf(-fabsf(x));
    return x < 0 ? e / (1 + e) : 1 / (1 + e);
}

static float act_value(float x, glim_act act, float *slope) {
    const float c = 0.7978845608028654f, k = 0.044715f;
    float s, t;
    switch (act) {
    case GLIM_ACT_SILU:
        s = sigmoid(x);
        *slope = s * (1 + x * (1 - s));
        return x * s;
    case GLIM_ACT_GELU_TANH:
        t = tanhf(c * (x + k * x * x * x));
        *slope = 0.5f * (1 + t) + 0.5f * x * (1 - t * t) * c * (1 + 3 * k * x * x);
        return 0.5f * x * (1 + t);
    case GLIM_ACT_GELU_ERF:
        s = 0.5f * (1 + erff(x * 0.70710678f));
        *slope = s + x * 0.3989422804f * expf(-0.5f * x * x);
        return x * s;
    case GLIM_ACT_RELU:
        break;
    }
    *slope = x > 0;
    return x > 0 ? x : 0;
}

static void gate(float *y, const float *g, const float *up, size_t n, glim_act act) {
    float slope;
    for (size_t i = 0; i < n; i++)
        y[i] = act_value(g[i], act, &slope) * up[i];
}

static void gate_backward(float *d_gate, float *d_up, const float *dy, const float *g,
                          const float *up, size_t n, glim_act act) {
    for (size_t i = 0; i < n; i++) {
        float slope, a = act_value(g[i], act, &slope);
        d_up[i] += dy[i] * a;
        d_gate[i] += dy[i] * up[i] * slope;
    }
}

static void soft_cap(float *y, const float *x, float c, size_t n) {
    for (size_t i = 0; i < n; i++)
        y[i] = c * tanhf(x[i] / c);
}

static void taps(float *y, const float *const *x, const float *const *w, int count, size_t n) {
    for (size_t i = 0; i < n; i++) {
        float sum = 0;
        for (int t = 0; t < count; t++)
            sum = fmaf(x[t][i], w[t][i], sum);
        y[i] = sum;
    }
}

static void affine(float *y, const float *by, const float *shift, float low, float high, size_t n) {
    for (size_t i = 0; i < n; i++) {
        float v = fmaf(y[i], by[i], shift[i]);
        y[i] = v < low ? low : v > high ? high : v;
    }
}

static void repel(const float *x, const float *y, size_t n, float at_x, float at_y, float sums[3]) {
    double sum[3] = {0};
    for (size_t i = 0; i < n; i++) {
        float dx = at_x - x[i], dy = at_y - y[i], w = 1 / (1 + dx * dx + dy * dy);
        sum[0] += w;
        sum[1] += w * w * dx;
        sum[2] += w * w * dy;
    }
    for (int k = 0; k < 3; k++)
        sums[k] = (float)sum[k];
}

static void attract(const float *x, const float *y, const uint32_t *to, const float *p, size_t n,
                    float at_x, float at_y, float sums[2]) {
    double sum[2] = {0};
    for (size_t i = 0; i < n; i++) {
        float dx = at_x - x[to[i]], dy = at_y - y[to[i]], pw = p[i] / (1 + dx * dx + dy * dy);
        sum[0] += pw * dx;
        sum[1] += pw * dy;
    }
    sums[0] = (float)sum[0];
    sums[1] = (float)sum[1];
}

#define REF_KERNELS                                                                                \
    .dequantise = glim__dequantise_ref,                                                            \
    .dot = {[GLIM_TYPE_F32] = dot_f32,      [GLIM_TYPE_F16] = dot_f16,                             \
            [GLIM_TYPE_BF16] = dot_bf16,    [GLIM_TYPE_Q4_0] = dot_q4_0,                           \
            [GLIM_TYPE_Q4_1] = dot_q4_1,    [GLIM_TYPE_Q5_0] = dot_q5_0,                           \
            [GLIM_TYPE_Q5_1] = dot_q5_1,    [GLIM_TYPE_Q8_0] = dot_q8_0,                           \
            [GLIM_TYPE_Q2_K] = dot_q2_k,    [GLIM_TYPE_Q3_K] = dot_q3_k,                           \
            [GLIM_TYPE_Q4_K] = dot_q4_k,    [GLIM_TYPE_Q5_K] = dot_q5_k,                           \
            [GLIM_TYPE_Q6_K] = dot_q6_k,    [GLIM_TYPE_IQ4_NL] = dot_iq4_nl,                       \
            [GLIM_TYPE_IQ4_XS] = dot_iq4_xs},                                                      \
    .tile = tile, .tile_f64 = tile_f64, .sum_squares = sum_squares, .dot_f32 = dot_row,            \
    .axpy = axpy, .add = add, .scale_mul = scale_mul, .scale = scale,                              \
    .softmax_backward = softmax_backward, .max = max_row, .exp_sum = exp_sum, .gate = gate,        \
    .gate_backward = gate_backward, .soft_cap = soft_cap, .taps = taps, .affine = affine,          \
    .repel = repel, .attract = attract

const glim_kernels glim__kernels_ref = {.name = "ref", REF_KERNELS};
#ifdef GLIM_WITH_OPENBLAS
const glim_kernels glim__kernels_blas = {.name = "blas", .blas = true, REF_KERNELS};
#endif
