/* SPDX-License-Identifier: Apache-2.0 */
/* likeness.h: how alike two explanations of the same units are, and two models. */
#ifndef GLIM_EVALUATE_LIKENESS_H
#define GLIM_EVALUATE_LIKENESS_H

#include "evaluate/metrics.h"

enum { GLIM_LIKENESS_TOP = 5 };
#define GLIM_LIKENESS_DEPTH 0.9

/* NaN = undefined. */
typedef struct glim_likeness {
    size_t n;                 /* units that both say something of */
    bool by_size;             /* one of them has no sign: the sizes of both are compared */
    double tau, jaccard, rbo; /* Kendall's tau_b, Jaccard@5, RBO 0.9 */
    double flips;             /* units that are for the target in one and against it in the other */
} glim_likeness;

/* Of one target row; and of all: means over the rows where it is defined, flips and n are
   sums. Errors: EUSAGE (units or numbers of rows that differ), ENOMEM, EBUDGET. */
glim_status glim__likeness_row(glim_likeness *out, const glim_document *a, const glim_document *b,
                               size_t row, glim_error *err);
glim_status glim__likeness(glim_likeness *out, const glim_document *a, const glim_document *b,
                           glim_error *err);
/* Fills at (units of d) with the numbers of those that are scored; returns how many. */
size_t glim__scored_units(const glim_document *d, size_t *at);
/* Fills order (n): the scores that are there, the most important first; returns how many. */
size_t glim__likeness_order(const double *scores, size_t n, bool is_signed, size_t *order);
/* Whether both score the same units, by their bytes. What is fixed, such as a first token,
   may differ. */
bool glim__same_units(const glim_document *a, const glim_document *b);

/* KL(p || q) in nats, of the softmaxes of two rows of logits. */
double glim__divergence(const float *p, const float *q, size_t n);

#endif
