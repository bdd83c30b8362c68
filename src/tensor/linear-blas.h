/* SPDX-License-Identifier: Apache-2.0 */
/* linear-blas.h: the products through OpenBLAS, for processors without AVX2 and
   as a measured comparison. */
#ifndef GLIM_TENSOR_LINEAR_BLAS_H
#define GLIM_TENSOR_LINEAR_BLAS_H

#include "tensor/kernels.h"

glim_status glim__linear_blas(glim_context *ctx, float *y, size_t ldy, const float *x, size_t ldx,
                              int64_t T, const glim_matrix *w, const float *bias, glim_error *err);
glim_status glim__linear_backward_blas(glim_context *ctx, float *dx, size_t lddx, const float *dy,
                                       size_t lddy, int64_t T, const glim_matrix *w,
                                       glim_error *err);
/* glim__linear_scratch for these products. */
uint64_t glim__linear_blas_scratch(const glim_context *ctx, const glim_matrix *w);

#endif
