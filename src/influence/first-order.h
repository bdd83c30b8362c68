/* SPDX-License-Identifier: Apache-2.0 */
/*
 * first-order.h: influence as products of gradients, with nothing between them. Of
 * checkpoints k with learning rates eta_k
 *
 *   I_i = sum_k eta_k <grad L_q, grad L_i>          (Pruthi et al. 2020, arXiv:2002.08484)
 *
 * which is what steps of gradient descent on sample i did to the log-probability of query q.
 * One checkpoint at rate 1 is the product of gradients; with both lengths divided out, their
 * cosine.
 */
#ifndef GLIM_INFLUENCE_FIRST_ORDER_H
#define GLIM_INFLUENCE_FIRST_ORDER_H

#include "influence/influence-methods.h"
#include "influence/products.h"

typedef struct glim_first_order {
    const glim_gradients *train, *queries; /* [n] of each checkpoint; queries->n may be 0 */
    const double *rates;                   /* [n], NULL = 1 */
    size_t n;
    bool cosine;     /* of the two gradients */
    bool per_answer; /* a sample's gradient is that of its mean loss */
    bool self;       /* a column self-influence, sum_k eta_k ||grad L_i||^2 */
    const char *by;  /* "layer", "module": a column for each part as well; with "token" too
                        scores are taken apart; or NULL */
    double sign;     /* -1: f is the queries' loss */
} glim_first_order;

glim_status glim__first_order_run(const glim_first_order *f, const glim_influence_out *out,
                                  glim_error *err);
/* Bytes at least beside the walks. */
glim_status glim__first_order_plan(const glim_first_order *f, uint64_t *bytes, glim_error *err);

#endif
