/* SPDX-License-Identifier: Apache-2.0 */
/*
 * covariance.h: sums of x x^T over rows that stream by, in double, and of those of pieces of
 * the rows. A sum needs only its upper triangle, so that of all pieces lies in the lower one:
 * of row r what is right of the diagonal, at the beginning of row n - 1 - r.
 */
#ifndef GLIM_INFLUENCE_COVARIANCE_H
#define GLIM_INFLUENCE_COVARIANCE_H

#include "influence/shares.h"

typedef struct glim_covariance {
    size_t n;
    double *sum;      /* (n, n), the upper triangle */
    double *diagonal; /* (2, n) of this piece, and of all that ended */
    float *rows;      /* those not in the sum yet */
    size_t n_rows;    /* how many of them */
    uint64_t seen;    /* rows of this piece */
    uint64_t total;   /* of all that ended */
} glim_covariance;

typedef struct glim_bytes {
    void *data;
    size_t n;
} glim_bytes;
enum { GLIM_COVARIANCE_PARTS = 3 };

/* Errors: ENOMEM, EBUDGET. */
glim_status glim__covariance_init(glim_covariance *c, glim_context *ctx, size_t n, glim_error *err);
void glim__covariance_release(glim_covariance *c, glim_context *ctx);
uint64_t glim__covariance_plan(size_t n);
/* Adds x (rows, ld), of which n columns count. Its bits depend on the order of rows, not on
   how many come at a time. */
void glim__covariance_add(glim_covariance *c, glim_context *ctx, const float *x, size_t ld,
                          size_t rows);
/* The rows of a piece have all come. */
void glim__covariance_flush(glim_covariance *c, glim_context *ctx);
/* The sums of pieces first .. first + count - 1 are added up at process `owner` (shares.h), and
   the next piece begins. */
glim_status glim__covariance_piece(glim_covariance *c, glim_context *ctx, size_t first,
                                   size_t count, int owner, glim_error *err);
/* The sums of all pieces that ended, in place, between two pieces: whoever writes them down and
   puts them back in one of the same n goes on with the same bits. */
void glim__covariance_parts(glim_covariance *c, glim_bytes out[GLIM_COVARIANCE_PARTS]);
/* The mean of x x^T over the rows of all pieces, in `sum`; the end. Without rows it is 0. */
void glim__covariance_mean(glim_covariance *c);

#endif
