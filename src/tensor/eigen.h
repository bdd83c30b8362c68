/* SPDX-License-Identifier: Apache-2.0 */
/*
 * eigen.h: eigenvalues and eigenvectors of dense symmetric matrices, in double, for sizes up
 * to a few thousand. No LAPACK: its bits depend on threads and builds; these depend on the
 * matrix and the kernel set alone.
 */
#ifndef GLIM_TENSOR_EIGEN_H
#define GLIM_TENSOR_EIGEN_H

#include "tensor/kernels.h"

/* a (n, n), of which the upper triangle is read: values (n) ascending, and vectors (n, n),
   a row each, of length one, their largest element positive. Errors: ENUMERIC (an element
   that is not finite), ENOMEM, EBUDGET. */
glim_status glim__eigen(glim_context *ctx, const double *a, size_t n, double *values,
                        double *vectors, glim_error *err);
/* Bytes that this takes besides its arguments. */
uint64_t glim__eigen_plan(size_t n);

/* ---- its two halves; a row of a work matrix has ld doubles, and 16 more behind the last ---- */

size_t glim__eigen_ld(size_t n);
/* a (n, ld), both triangles, becomes reflections: row i holds v_i behind column i. d (n), e
   (n - 1): the tridiagonal matrix; tau (n). */
glim_status glim__tridiagonal(glim_context *ctx, double *a, size_t n, double *d, double *e,
                              double *tau, glim_error *err);
/* z (n, ld): rows of eigenvectors of the tridiagonal matrix become those of the first one. */
glim_status glim__tridiagonal_back(glim_context *ctx, const double *a, const double *tau, size_t n,
                                   double *z, glim_error *err);
/* d (n), e (n - 1; destroyed): d becomes eigenvalues in no order, z (n, ld) their vectors. */
glim_status glim__tridiagonal_solve(glim_context *ctx, double *d, double *e, size_t n, double *z,
                                    glim_error *err);

#endif
