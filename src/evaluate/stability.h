/* SPDX-License-Identifier: Apache-2.0 */
/* stability.h: two sets of scores of the same row, feature by feature. */
#ifndef GLIM_EVALUATE_STABILITY_H
#define GLIM_EVALUATE_STABILITY_H

#include "evaluate/metrics.h"
#include "predict/predictor.h"

/* Scores of the features for which both sets say something, and their orders. */
typedef struct glim_twins {
    glim_context *ctx;
    size_t n;
    double *a, *b;
    size_t *order_a, *order_b;
} glim_twins;

/* Room for the units of a document; false when memory is refused. */
bool glim__twins_init(glim_twins *t, const glim_subject *s);
void glim__twins_release(glim_twins *t);
/* Rows r of two matrices (rows, units). */
void glim__twins_fill(glim_twins *t, const glim_subject *s, size_t r, const double *a,
                      const double *b);
double glim__twins_tau(const glim_twins *t);

#endif
