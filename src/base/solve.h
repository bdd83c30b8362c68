/* SPDX-License-Identifier: Apache-2.0 */
/* solve.h: small dense systems, symmetric and positive definite. */
#ifndef GLIM_BASE_SOLVE_H
#define GLIM_BASE_SOLVE_H

#include <stdbool.h>
#include <stddef.h>

/* a (n, n) becomes its Cholesky factor L in the lower triangle; the upper one is not
   read. False when it is not positive definite to working precision. */
bool glim__cholesky(double *a, size_t n);
/* x = (L L^T)^-1 x */
void glim__cholesky_solve(const double *l, size_t n, double *x);
/* The same of SIDES right sides at once, x (n, SIDES): several times as fast as one by one. */
enum { GLIM_SOLVE_SIDES = 8 };
void glim__cholesky_solve_many(const double *l, size_t n, double *x);

#endif
