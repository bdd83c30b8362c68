/* SPDX-License-Identifier: Apache-2.0 */
/* metrics.h: the metrics, one file each, and what they share. */
#ifndef GLIM_EVALUATE_METRICS_H
#define GLIM_EVALUATE_METRICS_H

#include "base/context.h"

#include <glim/evaluate.h>

extern const glim_metric glim_metric_aopc_comprehensiveness, glim_metric_aopc_sufficiency,
    glim_metric_gini;

/* Fills order (d): the most important first, equal ones in place. */
void glim__importance_order(const double *phi, size_t d, bool is_signed, size_t *order);

#endif
