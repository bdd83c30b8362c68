/* SPDX-License-Identifier: Apache-2.0 */
/* dense.h: Cholesky's factor of matrices of some thousand rows, by panels. */
#ifndef GLIM_INFLUENCE_DENSE_H
#define GLIM_INFLUENCE_DENSE_H

#include "base/context.h"

/* a (n, n) becomes L in the lower triangle; the upper one is not read. *positive is false
   when it is not positive definite to working precision, and a is spoilt. Runs in the
   context's threads; bits do not depend on them. Errors: ENOMEM, EBUDGET. */
glim_status glim__dense_cholesky(glim_context *ctx, double *a, size_t n, bool *positive,
                                 glim_error *err);
/* z = L^-1 z for right sides side by side: z (n, ld), `count` of them; rows before `first`
   are 0. `room` (48, ld). Within one thread. */
void glim__dense_forward(glim_context *ctx, const double *l, size_t n, size_t first, double *z,
                         size_t count, size_t ld, double *room);
/* The upper triangle from the lower one, or the lower from the upper. */
void glim__dense_mirror(double *a, size_t n, bool from_lower);

#endif
