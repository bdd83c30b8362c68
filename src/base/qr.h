/* SPDX-License-Identifier: Apache-2.0 */
/*
 * qr.h: the triangular factor R of a tall matrix X = Q R that is read row by row. Q is
 * never made. R'R = X'X, but R has the digits that X'X has lost: what is solved with it
 * is as accurate as with X itself.
 */
#ifndef GLIM_BASE_QR_H
#define GLIM_BASE_QR_H

#include "base/context.h"

/* Columns of matrices here lie one after the other: element (i, k) at k n + i. */
typedef struct glim_qr {
    glim_context *ctx;
    size_t n;     /* columns */
    double *r;    /* (n, n), upper triangle */
    double *rows; /* (n, GLIM_QR_BLOCK) columns of rows that wait */
    size_t waiting;
} glim_qr;

enum { GLIM_QR_BLOCK = 64 };

glim_status glim__qr_init(glim_qr *q, glim_context *ctx, size_t columns, glim_error *err);
void glim__qr_release(glim_qr *q);
/* One more row, x (n). Bits depend on the order of the rows alone. */
void glim__qr_add(glim_qr *q, const double *x);
/* After the last row: q->r is whole. */
void glim__qr_end(glim_qr *q);

/*
 * Of an upper triangular r (n, n) whose first p columns are a model's and whose others are
 * what they shall explain. order (p) becomes the columns as they are taken: column 0, then
 * always the one of which most is left, as a share of its length, when those before are
 * taken out. r becomes the triangle of the columns in that order, the others turned along;
 * length (p) the lengths of the columns, by their own numbers. Returns how many columns are
 * independent: of each other one at most `tolerance` is left.
 */
size_t glim__qr_pivot(double *r, size_t n, size_t p, double tolerance, double *length,
                      size_t *order);

/* x = T'^-1 x and x = T^-1 x of the first m columns of t, leading dimension ld, for
   `count` right sides that lie side by side: x (m, count), row by row. */
void glim__qr_forward(const double *t, size_t ld, size_t m, double *x, size_t count);
void glim__qr_back(const double *t, size_t ld, size_t m, double *x, size_t count);

#endif
