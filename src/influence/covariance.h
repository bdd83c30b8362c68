/* SPDX-License-Identifier: Apache-2.0 */
/* covariance.h: sums of x x^T over rows that stream by, in double. */
#ifndef GLIM_INFLUENCE_COVARIANCE_H
#define GLIM_INFLUENCE_COVARIANCE_H

#include "base/context.h"

typedef struct glim_covariance {
    size_t n;
    double *sum;   /* (n, n), the upper triangle */
    float *rows;   /* those not in the sum yet */
    size_t n_rows; /* how many of them */
    uint64_t seen; /* all rows */
} glim_covariance;

typedef struct glim_bytes {
    void *data;
    size_t n;
} glim_bytes;
enum { GLIM_COVARIANCE_PARTS = 4 };

/* Errors: ENOMEM, EBUDGET. */
glim_status glim__covariance_init(glim_covariance *c, glim_context *ctx, size_t n, glim_error *err);
void glim__covariance_release(glim_covariance *c, glim_context *ctx);
uint64_t glim__covariance_plan(size_t n);
/* Adds x (rows, ld), of which n columns count. Its bits depend on the order of rows, not on
   how many come at a time. */
void glim__covariance_add(glim_covariance *c, glim_context *ctx, const float *x, size_t ld,
                          size_t rows);
/* What has been added so far, in place: whoever writes it down and puts it back in one of the
   same n goes on with the same bits. */
void glim__covariance_parts(glim_covariance *c, glim_bytes out[GLIM_COVARIANCE_PARTS]);
/* The mean of x x^T over the rows so far, in `sum`; the end. Without rows it is 0. */
void glim__covariance_mean(glim_covariance *c, glim_context *ctx);

#endif
