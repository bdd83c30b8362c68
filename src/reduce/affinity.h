/* SPDX-License-Identifier: Apache-2.0 */
/*
 * affinity.h: how much points belong together (t-SNE's P), sparse. Each point deals out one to
 * its neighbours by a Gaussian as wide as its perplexity asks; then both ways are averaged.
 */
#ifndef GLIM_REDUCE_AFFINITY_H
#define GLIM_REDUCE_AFFINITY_H

#include "reduce/neighbours.h"

typedef struct glim_affinity {
    glim_context *ctx;
    size_t n;
    uint64_t *from; /* (n + 1) row i is [from[i], from[i + 1]) */
    uint32_t *to;   /* ascending in a row */
    float *p;       /* their sum is 1 */
    double entropy; /* sum of p log p */
} glim_affinity;

/* p (k) of one point, from ascending distances: exp(entropy) is the perplexity, p sums to one. */
void glim__affinity_row(double *p, const float *distance, size_t k, double perplexity);
/* The symmetric one. Errors: ENOMEM, EBUDGET. */
glim_status glim__affinity(glim_affinity *out, const glim_neighbours *near, double perplexity,
                           glim_error *err);
void glim__affinity_release(glim_affinity *a); /* zeroed is fine */
uint64_t glim__affinity_plan(size_t n, size_t k);

#endif
