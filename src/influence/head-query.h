/* SPDX-License-Identifier: Apache-2.0 */
/*
 * head-query.h: queries of a head: f = f(z) with gradient a (x) x by the weights, and
 * V = H^-1 grad f, from which the influence of every sample is a product.
 */
#ifndef GLIM_INFLUENCE_HEAD_QUERY_H
#define GLIM_INFLUENCE_HEAD_QUERY_H

#include "influence/head.h"
#include "influence/influence-methods.h"

/* f at z with its slope a (O), and the class that it is of (or 0). y may be NaN. Errors:
   EUSAGE (a class or an output that is none). */
glim_status glim__head_target(const glim_head *h, const glim_influence_target *t, const double *z,
                              double y, double *a, double *value, size_t *of, glim_error *err);

typedef struct glim_head_queries {
    const glim_head *h;
    size_t n, ldq; /* ldq: n O in whole vectors */
    double *x;     /* (n, ld) standardised, with the 1 */
    double *a;     /* (n + 1, O), the last is scratch; of a softmax without what all classes have in
                      common */
    double *turned; /* (p, ldq) V: element (j, q O + k) */
    double *beside; /* (p, ldn) the queries' x, transposed; ldn: n in whole vectors */
    size_t ldn;
    size_t iterations;
    double residual; /* the largest |H v - grad f| / |grad f|; NaN: not by steps */
} glim_head_queries;

/* Reads the queries and their slopes. */
glim_status glim__head_queries_init(glim_head_queries *q, glim_head *h,
                                    const glim_features *queries, const glim_influence_target *t,
                                    glim_error *err);
void glim__head_queries_release(glim_head_queries *q);
/* V by the factor of h. */
glim_status glim__head_queries_solve(glim_head_queries *q, glim_error *err);
/* V by conjugate gradients on H + damping, without the matrix: a pass over the samples a step. */
glim_status glim__head_queries_descend(glim_head_queries *q, double damping, size_t most,
                                       double tolerance, glim_error *err);
/* t (count, ldq) = x V of a block, V as `turned` is; c (count, ldn) = x x_q. */
void glim__head_queries_apply(const glim_head_queries *q, const glim_head_block *b,
                              const double *turned, double *t);
void glim__head_queries_beside(const glim_head_queries *q, const glim_head_block *b, double *c);
/* The mean of H's diagonal, in one pass. */
glim_status glim__head_mean_curvature(glim_head *h, double *out, glim_error *err);
uint64_t glim__head_queries_bytes(const glim_linear *l, size_t n, bool steps);

#endif
