/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inverse-mean.h: DataInf (Kwon, Wu, Wu, Zou 2024, arXiv:2310.00902). The inverse of a mean
 * is taken to be the mean of inverses, of each weight for itself:
 *
 *   H^-1 v ~ (1/M) sum_i (v - g_i <g_i, v> / (rho + ||g_i||^2)) / rho
 *
 * over M samples; rho = damping x mean ||g_i||^2 / (numbers of the weight). It is exact for
 * M = 1, good for the few numbers of low-rank adapters, and coarse for whole matrices, where
 * it comes close to the plain product of gradients.
 *
 * Three passes: lengths, inverses, products. Kept of every query and chosen weight are three
 * matrices, the third a partial sum (shares.h); nothing of a training sample.
 */
#ifndef GLIM_INFLUENCE_INVERSE_MEAN_H
#define GLIM_INFLUENCE_INVERSE_MEAN_H

#include "influence/influence-methods.h"
#include "influence/products.h"

typedef struct glim_inverse_mean {
    const glim_gradients *train, *queries;
    double damping; /* > 0 */
    size_t most;    /* samples that the mean is of at most, in blocks spread evenly; 0 = all */
    const char *by; /* "token", "layer", "module": scores are taken apart; or NULL */
    double sign;    /* -1: f is the queries' loss */
} glim_inverse_mean;

glim_status glim__inverse_mean_run(const glim_inverse_mean *f, const glim_influence_out *out,
                                   glim_error *err);
/* Bytes at least beside the walks. */
glim_status glim__inverse_mean_plan(const glim_inverse_mean *f, uint64_t *bytes, glim_error *err);

#endif
