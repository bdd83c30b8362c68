/* SPDX-License-Identifier: Apache-2.0 */
/* lime.h: the weighted fit of LIME, apart from where its samples come from. */
#ifndef GLIM_EXPLAIN_LIME_H
#define GLIM_EXPLAIN_LIME_H

#include "base/context.h"

#include <stdbool.h>

/* How the features of the local model are chosen, at most `most` of d. */
typedef enum glim_lime_select {
    GLIM_SELECT_AUTO,    /* forward up to 6, else by highest weights */
    GLIM_SELECT_FORWARD, /* greedily by the R^2 of the unregularised fit */
    GLIM_SELECT_HIGHEST, /* the largest coefficients of a ridge (alpha 0.01) on all */
    GLIM_SELECT_LASSO,   /* the last step of the lasso path with as few */
    GLIM_SELECT_NONE     /* all */
} glim_lime_select;

/* Weighted moments of features z (n, d) in {0, 1} and one target y (n), about their
   weighted means. */
typedef struct glim_moments {
    size_t d;
    double weight, mean_y, var_y; /* sums: of weights; W-weighted mean; sum w (y - mean)^2 */
    double *mean;                 /* (d) */
    double *gram;                 /* (d, d) sum w (z_i - mean_i) (z_j - mean_j) */
    double *cross;                /* (d) sum w (z_i - mean_i) (y - mean_y) */
} glim_moments;

/* A local model: y = intercept + sum of coefficient_i z_i over the used features. */
typedef struct glim_local {
    size_t *used, n;     /* features in ascending order */
    double *coefficient; /* (n) of them */
    double intercept, r2;
} glim_local;

/* times (n): how often each sample counts, NULL = once. y has the stride `step`. */
void glim__moments(glim_moments *m, const uint8_t *z, const double *y, size_t step, const double *w,
                   const double *times, size_t n);
/* Room of `scratch` (doubles) that the two below need. */
size_t glim__local_scratch(size_t d);
void glim__local_choose(glim_local *out, const glim_moments *m, glim_lime_select how, size_t most,
                        double *scratch);
/* Ridge with strength alpha on the used features; false when it has no solution. The
   factor of the normal equations, (n, n), stays at scratch. */
bool glim__local_fit(glim_local *out, const glim_moments *m, double alpha, double *scratch);

#endif
