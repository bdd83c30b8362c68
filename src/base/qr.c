/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Householder reflections (Golub, Van Loan, Matrix Computations, 5.2 and 5.4): R is kept
 * and blocks of 64 rows are stacked under it and reflected away. A reflection of [R; B]
 * touches one row of R and all of B, so a block's columns are vectors of 64 and its cost
 * is 2 n^2 for a row.
 *
 * Own code, not LAPACK: OpenBLAS is optional here, and its bits depend on the number of
 * threads. Sums run in eight lanes that are added in a fixed order.
 */
#include "base/qr.h"

#include <math.h>
#include <string.h>

enum { LANES = 8 };

static double dot(const double *a, const double *b, size_t n) {
    double lane[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t k = 0; k < LANES; k++)
            lane[k] += a[i + k] * b[i + k];
    for (size_t k = 0; i < n; i++, k++)
        lane[k] += a[i] * b[i];
    return ((lane[0] + lane[4]) + (lane[1] + lane[5])) +
           ((lane[2] + lane[6]) + (lane[3] + lane[7]));
}

static void subtract(double *y, double a, const double *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        y[i] -= a * x[i];
}

/* The reflection that turns (*head, x) into (beta, 0): head becomes beta, x its vector
   below a 1. Returns tau; 0 when there is nothing to turn. */
static double reflect(double *head, double *x, size_t n) {
    double size = dot(x, x, n), alpha = *head;
    if (!(size > 0))
        return 0;
    double beta = alpha > 0 ? -sqrt(alpha * alpha + size) : sqrt(alpha * alpha + size);
    for (size_t i = 0; i < n; i++)
        x[i] /= alpha - beta;
    *head = beta;
    return (beta - alpha) / beta;
}

static void apply(double tau, const double *v, double *head, double *x, size_t n) {
    double w = tau * (*head + dot(v, x, n));
    *head -= w;
    subtract(x, w, v, n);
}

/* ---- rows ---- */

glim_status glim__qr_init(glim_qr *q, glim_context *ctx, size_t columns, glim_error *err) {
    *q = (glim_qr){.ctx = ctx, .n = columns};
    q->r = glim__calloc(ctx, columns, columns * sizeof *q->r);
    q->rows = glim__calloc(ctx, columns, GLIM_QR_BLOCK * sizeof *q->rows);
    return q->r && q->rows ? GLIM_OK
                           : glim__oom(ctx, err, "the triangle of all features",
                                       columns * (columns + GLIM_QR_BLOCK) * sizeof *q->r);
}

void glim__qr_release(glim_qr *q) {
    if (!q->ctx)
        return;
    glim__free(q->ctx, q->r);
    glim__free(q->ctx, q->rows);
    *q = (glim_qr){0};
}

static void eliminate(glim_qr *q) {
    size_t n = q->n, m = q->waiting;
    for (size_t j = 0; j < n; j++) {
        double *v = q->rows + j * GLIM_QR_BLOCK;
        double tau = reflect(&q->r[j * n + j], v, m);
        for (size_t k = j + 1; k < n && tau != 0; k++)
            apply(tau, v, &q->r[k * n + j], q->rows + k * GLIM_QR_BLOCK, m);
    }
    q->waiting = 0;
}

void glim__qr_add(glim_qr *q, const double *x) {
    for (size_t k = 0; k < q->n; k++)
        q->rows[k * GLIM_QR_BLOCK + q->waiting] = x[k];
    if (++q->waiting == GLIM_QR_BLOCK)
        eliminate(q);
}

void glim__qr_end(glim_qr *q) {
    if (q->waiting)
        eliminate(q);
}

/* ---- pivots ---- */

static void swap_columns(double *r, size_t n, size_t a, size_t b) {
    for (size_t i = 0; i < n && a != b; i++) {
        double keep = r[a * n + i];
        r[a * n + i] = r[b * n + i];
        r[b * n + i] = keep;
    }
}

/* The column from j on of which most is left, as a share of its length; equal ones in
   their own order. */
static size_t next_pivot(const double *r, size_t n, size_t p, const double *length,
                         const size_t *order, size_t j, double *share) {
    size_t best = j;
    *share = -1;
    for (size_t k = j; k < p; k++) {
        double left = sqrt(dot(r + k * n + j, r + k * n + j, n - j)), full = length[order[k]];
        double own = full > 0 ? left / full : 0;
        if (own > *share || (own == *share && order[k] < order[best])) {
            *share = own;
            best = k;
        }
    }
    return best;
}

size_t glim__qr_pivot(double *r, size_t n, size_t p, double tolerance, double *length,
                      size_t *order) {
    size_t rank = p;
    for (size_t k = 0; k < p; k++) {
        order[k] = k;
        length[k] = sqrt(dot(r + k * n, r + k * n, n));
    }
    for (size_t j = 0; j < p && rank == p; j++) {
        double share;
        size_t k = next_pivot(r, n, j ? p : 1, length, order, j, &share);
        if (!(share > tolerance)) {
            rank = j;
            break;
        }
        swap_columns(r, n, j, k);
        size_t taken = order[k];
        order[k] = order[j];
        order[j] = taken;
        double *v = r + j * n + j + 1, tau = reflect(v - 1, v, n - j - 1);
        for (size_t c = j + 1; c < n; c++)
            apply(tau, v, r + c * n + j, r + c * n + j + 1, n - j - 1);
        memset(v, 0, (n - j - 1) * sizeof *v);
    }
    return rank;
}

/* ---- solving ---- */

void glim__qr_forward(const double *t, size_t ld, size_t m, double *x, size_t count) {
    for (size_t j = 0; j < m; j++) {
        const double *column = t + j * ld;
        for (size_t k = 0; k < j; k++)
            subtract(x + j * count, column[k], x + k * count, count);
        for (size_t i = 0; i < count; i++)
            x[j * count + i] /= column[j];
    }
}

void glim__qr_back(const double *t, size_t ld, size_t m, double *x, size_t count) {
    for (size_t j = m; j-- > 0;) {
        const double *column = t + j * ld;
        for (size_t i = 0; i < count; i++)
            x[j * count + i] /= column[j];
        for (size_t k = 0; k < j; k++)
            subtract(x + k * count, column[k], x + j * count, count);
    }
}
