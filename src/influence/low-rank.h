/* SPDX-License-Identifier: Apache-2.0 */
/* low-rank.h: a matrix by few products of vectors: the best in the least squares, nearly. */
#ifndef GLIM_INFLUENCE_LOW_RANK_H
#define GLIM_INFLUENCE_LOW_RANK_H

#include "base/context.h"

/* x (R, C) is about sum_k left_k right_k^T, left (rank, R), right (rank, C); rank is less than
   both. Numbers are drawn by seed and stream. *lost: |x - that|^2, *size: |x|^2. Errors:
   ENUMERIC, ENOMEM, EBUDGET. */
typedef struct glim_low_rank {
    size_t rows, cols, rank;
    uint64_t seed, stream;
} glim_low_rank;
glim_status glim__low_rank(glim_context *ctx, const glim_low_rank *how, const float *x, float *left,
                           float *right, double *lost, double *size, glim_error *err);
/* Bytes that this takes besides its arguments. */
uint64_t glim__low_rank_plan(size_t rows, size_t cols, size_t rank);

#endif
