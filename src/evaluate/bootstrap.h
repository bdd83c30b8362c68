/* SPDX-License-Identifier: Apache-2.0 */
/* bootstrap.h: how sure a mean over inputs is, and whether two methods differ. */
#ifndef GLIM_EVALUATE_BOOTSTRAP_H
#define GLIM_EVALUATE_BOOTSTRAP_H

#include "base/context.h"

#include <glim/evaluate.h>

enum { GLIM_RESAMPLES = 1000, GLIM_FEW_INPUTS = 30 }; /* below: no ranking should be claimed */

typedef struct glim_interval {
    double mean, low, high; /* of 95 %; low and high NaN with fewer than two numbers */
    double p;               /* two-sided, that the mean is 0 */
    size_t n;               /* numbers that are there */
} glim_interval;

/* Percentile interval of the mean of x (n); NaN are left out. Errors: ENOMEM. */
glim_status glim__bootstrap(glim_context *ctx, glim_interval *out, const double *x, size_t n,
                            uint64_t seed, glim_error *err);
/* The same of a - b, input by input; inputs that either lacks are left out. */
glim_status glim__bootstrap_paired(glim_context *ctx, glim_interval *out, const double *a,
                                   const double *b, size_t n, uint64_t seed, glim_error *err);
/* Holm's correction in place: p (n) of n comparisons; NaN stay, and count as none. */
void glim__holm(double *p, size_t n);

#endif
