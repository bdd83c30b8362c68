/* SPDX-License-Identifier: Apache-2.0 */
/*
 * regression.h: least squares with an intercept, also with a penalty and with weights, by
 * the triangle of the stacked rows. What a diagnosis needs of each sample comes from it:
 * with A = X'WX + penalty,
 *
 *   leverage h_i = w_i x_i' A^-1 x_i        step u_i = A^-1 x_i
 *
 * Columns: 0 is the intercept, j + 1 feature j. Columns that depend on others are left out
 * of the model: no result depends on which of them, but the coefficients, which are 0.
 */
#ifndef GLIM_INFLUENCE_REGRESSION_H
#define GLIM_INFLUENCE_REGRESSION_H

#include "base/qr.h"
#include "influence/features.h"

typedef struct glim_regression_options {
    const double *penalty; /* (width) of squared coefficients (half of it); NULL = none */
    /* Weight of a sample with features x; NULL = 1. */
    double (*weight)(void *data, const double *x);
    void *data;
} glim_regression_options;

typedef struct glim_regression {
    glim_context *ctx;
    const glim_features *f;
    glim_regression_options o;
    size_t n, p;     /* samples; columns */
    size_t rank;     /* columns that are kept */
    size_t *order;   /* (p) kept columns, then those left out */
    double *zero;    /* (p - 1) what is subtracted of each feature: the first sample */
    glim_qr qr;      /* its r: the triangle of kept columns, leading dimension p + 1 */
    double *length;  /* (p) of columns */
    double *beta;    /* (p) coefficients; of weighted rows without meaning */
    double *spread;  /* (p) roots of A^-1's diagonal; NaN of columns left out */
    double df;       /* sum of leverages: the number of free coefficients */
    double rss;      /* sum of squared residuals */
    double variance; /* rss / (n - df) */
    double *z;       /* (p, GLIM_FEATURES_BLOCK) */
} glim_regression;

/* Reads all samples once. Errors: those of reading, ENUMERIC, ENOMEM, EBUDGET, ECANCELLED. */
glim_status glim__regression_init(glim_regression *r, glim_context *ctx, const glim_features *f,
                                  const glim_regression_options *options, glim_error *err);
void glim__regression_release(glim_regression *r);
/* Leverages (count) of samples, and with `steps` (p, count) their steps, column by column. */
void glim__regression_leverage(glim_regression *r, size_t count, const double *x, double *h,
                               double *steps);
/* The prediction at x. */
double glim__regression_at(const glim_regression *r, const double *x);
/* What a column that was left out is made of, in words: "is constant", "= 2 a - b". */
void glim__regression_words(const glim_regression *r, size_t left_out, char *out, size_t size);
/* Bytes that init takes, a block of samples included. */
uint64_t glim__regression_bytes(size_t width);

#endif
