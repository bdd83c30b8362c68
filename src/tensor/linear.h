/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linear.h: products of float activations with packed weights, and the plain
 * float products that attention needs. Weights are unpacked a few rows at a
 * time into a worker's scratch, never as a whole.
 *
 * Bits: an element of a result depends on its own row of X (or dY) and on W
 * alone, not on how many rows the call has, nor on threads or tiles. The
 * decode path (`glim__linear_decode`) sums in another order, for speed with
 * few rows; whoever needs equal bits with prefill does not use it.
 */
#ifndef GLIM_TENSOR_LINEAR_H
#define GLIM_TENSOR_LINEAR_H

#include "tensor/kernels.h"

/* Y (T, rows) = X (T, cols) * W^T + bias; bias (rows) or NULL; ldx, ldy in
   floats. Errors: ENOMEM/EBUDGET (scratch). */
glim_status glim__linear(glim_context *ctx, float *y, size_t ldy, const float *x, size_t ldx,
                         int64_t T, const glim_matrix *w, const float *bias, glim_error *err);
/* The same with dot kernels on packed rows, for T small (decoding). */
glim_status glim__linear_decode(glim_context *ctx, float *y, size_t ldy, const float *x, size_t ldx,
                                int64_t T, const glim_matrix *w, const float *bias,
                                glim_error *err);
/* dX (T, cols) += dY (T, rows) * W. */
glim_status glim__linear_backward(glim_context *ctx, float *dx, size_t lddx, const float *dy,
                                  size_t lddy, int64_t T, const glim_matrix *w, glim_error *err);
/* Bytes of scratch that one worker needs for the products with this matrix at
   T rows (shared buffers included): for plans. */
uint64_t glim__linear_scratch(const glim_context *ctx, const glim_matrix *w, int64_t T);

/* Row r of the matrix as cols floats (an embedding row). */
void glim__matrix_read_row(const glim_context *ctx, const glim_matrix *w, int64_t r, float *out);

/* Rows [r0, r0 + m) and columns [c0, c0 + cols) as floats, out (m, ld); c0 and cols
   whole blocks, or the rest of the row. */
void glim__matrix_panel(const glim_kernels *kernels, const glim_matrix *w, int64_t r0, int m,
                        size_t c0, size_t cols, float *out, size_t ld);

/* C (m, n) = [C +] A * B on the calling worker, any sizes, strides as in the
   tile kernel (b_row >= n rounded up to 16, or the buffer padded). */
void glim__product(const glim_kernels *kernels, int m, int n, size_t k, const float *a,
                   ptrdiff_t a_row, ptrdiff_t a_col, const float *b, ptrdiff_t b_row, float *c,
                   ptrdiff_t c_row, bool add);
/* out (cols, ld) = in (rows, cols)^T: out[c*ld + r] = in[r*ldi + c]. */
void glim__transpose(float *out, size_t ld, const float *in, size_t ldi, int rows, int cols);

#endif
