/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cholesky by rows, so that the inner loops run along memory. Own code because
 * OpenBLAS, which has it, is optional, and systems here have some hundred
 * unknowns at most. Serves coalitions and fits.
 */
#include "base/solve.h"

#include <math.h>
#include <string.h>

static double dot(const double *a, const double *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

bool glim__cholesky(double *a, size_t n) {
    for (size_t i = 0; i < n; i++) {
        double *row = a + i * n, before = row[i];
        for (size_t j = 0; j < i; j++)
            row[j] = (row[j] - dot(row, a + j * n, j)) / a[j * n + j];
        double left = before - dot(row, row, i);
        if (!(left > 1e-12 * before) || !(left > 0))
            return false;
        row[i] = sqrt(left);
    }
    return true;
}

void glim__cholesky_solve(const double *l, size_t n, double *x) {
    for (size_t i = 0; i < n; i++)
        x[i] = (x[i] - dot(l + i * n, x, i)) / l[i * n + i];
    for (size_t i = n; i-- > 0;) {
        x[i] /= l[i * n + i];
        for (size_t j = 0; j < i; j++)
            x[j] -= l[i * n + j] * x[i];
    }
}

typedef double side __attribute__((vector_size(64)));

void glim__cholesky_solve_many(const double *l, size_t n, double *x) {
    enum { S = GLIM_SOLVE_SIDES };
    side sum, other;
    for (size_t i = 0; i < n; i++) {
        memcpy(&sum, x + i * S, sizeof sum);
        for (size_t j = 0; j < i; j++) {
            memcpy(&other, x + j * S, sizeof other);
            sum -= l[i * n + j] * other;
        }
        sum /= l[i * n + i];
        memcpy(x + i * S, &sum, sizeof sum);
    }
    for (size_t i = n; i-- > 0;) {
        memcpy(&sum, x + i * S, sizeof sum);
        sum /= l[i * n + i];
        memcpy(x + i * S, &sum, sizeof sum);
        for (size_t j = 0; j < i; j++) {
            memcpy(&other, x + j * S, sizeof other);
            other -= l[i * n + j] * sum;
            memcpy(x + j * S, &other, sizeof other);
        }
    }
}
