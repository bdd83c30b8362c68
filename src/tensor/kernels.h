/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernels.h: the table of inner loops, one instance per instruction set. `ref`
 * is the specification in plain loops; avx2, avx512 and neon fill the same table
 * and are picked once, when a context is made. Dequantisation gives the same bits
 * in every set. The others may differ between sets within a few ulp, but
 * inside one set a result never depends on how work was tiled: every element
 * of `tile` is one chain of fused multiply-adds in ascending k, and the row
 * kernels treat tail elements with the arithmetic of full vectors.
 */
#ifndef GLIM_TENSOR_KERNELS_H
#define GLIM_TENSOR_KERNELS_H

#include "tensor/types.h"

enum {
    GLIM_TILE_M = 12, /* rows of a tile, at most */
    GLIM_TILE_N = 32  /* columns of a tile, at most */
};

typedef enum glim_act {
    GLIM_ACT_SILU,
    GLIM_ACT_GELU_TANH,
    GLIM_ACT_GELU_ERF,
    GLIM_ACT_RELU
} glim_act;

typedef struct glim_kernels {
    const char *name;
    bool blas; /* products go through OpenBLAS instead of `tile` */

    /* n elements (a multiple of the block length) from packed blocks. */
    void (*const *dequantise)(const void *blocks, float *out, size_t n); /* [GLIM_TYPE_COUNT] */
    /* <row, x> over n elements, for `count` vectors x (count <= 4) at
       x + i*ldx: the block is unpacked once. One result does not depend on
       count. */
    void (*dot[GLIM_TYPE_COUNT])(const void *row, const float *x, size_t ldx, int count, size_t n,
                                 float *out);

    /* C (m, n) = [C +] sum over k of A(i, k) * B(k, j), with A(i, k) at
       a[i*a_row + k*a_col], B(k, j) at b[k*b_row + j], C(i, j) at
       c[i*c_row + j]; any m and n, fastest at multiples of GLIM_TILE_M and
       GLIM_TILE_N. The sum starts at 0 and is added at the end. b may be read
       up to the next multiple of 16 columns beyond n (avx2, avx512, neon load
       whole vectors): buffers are padded. C is written only inside (m, n). */
    void (*tile)(int m, int n, size_t k, const float *a, ptrdiff_t a_row, ptrdiff_t a_col,
                 const float *b, ptrdiff_t b_row, float *c, ptrdiff_t c_row, bool add);

    /* The same in double; vectors of b are of 8 doubles at most. */
    void (*tile_f64)(int m, int n, size_t k, const double *a, ptrdiff_t a_row, ptrdiff_t a_col,
                     const double *b, ptrdiff_t b_row, double *c, ptrdiff_t c_row, bool add);

    /* Row kernels over n contiguous floats. */
    double (*sum_squares)(const float *x, size_t n);                 /* fixed lane layout */
    float (*dot_f32)(const float *x, const float *y, size_t n);      /* fixed lane layout */
    void (*axpy)(float *y, float a, const float *x, size_t n);       /* y += a x */
    void (*add)(float *y, const float *a, const float *b, size_t n); /* y = a + b; may alias */
    void (*scale_mul)(float *y, float a, const float *x, const float *w, size_t n); /* y = a x w */
    void (*scale)(float *y, float a, size_t n);                                     /* y = a y */
    /* dp = a p (dp - delta): dP to dS. Where p is 0, so is the result. */
    void (*softmax_backward)(float *dp, const float *p, float delta, float a, size_t n);
    float (*max)(const float *x, size_t n);
    /* y = exp(x - shift) for x = -inf exactly 0; returns the sum (fixed lane
       layout: trailing exact zeros do not change its bits). In place allowed. */
    float (*exp_sum)(float *y, const float *x, float shift, size_t n);
    /* y = act(gate) * up, and its backward: d_up += dy act(gate),
       d_gate += dy up act'(gate). */
    void (*gate)(float *y, const float *gate, const float *up, size_t n, glim_act act);
    void (*gate_backward)(float *d_gate, float *d_up, const float *dy, const float *gate,
                          const float *up, size_t n, glim_act act);
    /* y = c tanh(x / c). In place allowed. */
    void (*soft_cap)(float *y, const float *x, float c, size_t n);
    /* y = sum over t < taps of x[t] w[t], element by element, in ascending t. */
    void (*taps)(float *y, const float *const *x, const float *const *w, int taps, size_t n);
    /* y = scale y + shift, element by element, held between low and high; NaN stays. */
    void (*affine)(float *y, const float *scale, const float *shift, float low, float high,
                   size_t n);
    /* Of points of the plane, with w = 1 / (1 + d^2) of the one at (at_x, at_y): the sums of w,
       w^2 dx and w^2 dy over all n (itself is one of w's), and those of p w dx and p w dy over
       the n that `to` names; dx = at_x - x. Fixed lane layout. */
    void (*repel)(const float *x, const float *y, size_t n, float at_x, float at_y, float sums[3]);
    void (*attract)(const float *x, const float *y, const uint32_t *to, const float *p, size_t n,
                    float at_x, float at_y, float sums[2]);
} glim_kernels;

extern const glim_kernels glim__kernels_ref;

/* The set with this name, or with NULL the best one that this processor can
   run. NULL when the name is unknown or the processor lacks it. */
const glim_kernels *glim__kernels_find(const char *name);
/* The i-th best set that this build has and this processor can run, or NULL. */
const glim_kernels *glim__kernels_at(size_t i);

#endif
