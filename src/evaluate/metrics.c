/* SPDX-License-Identifier: Apache-2.0 */
/* The list of metrics, and what they share. */
#include "evaluate/metrics.h"

#include <math.h>
#include <string.h>

static const glim_metric *const metrics[] = {
    &glim_metric_aopc_comprehensiveness,
    &glim_metric_aopc_sufficiency,
    &glim_metric_gini,
    NULL,
};

const glim_metric *const *glim_metrics(void) {
    return metrics;
}

const glim_metric *glim_metric_find(const char *name) {
    for (size_t i = 0; metrics[i]; i++)
        if (!strcmp(metrics[i]->name, name))
            return metrics[i];
    return NULL;
}

const char *glim_quality_name(glim_quality quality) {
    static const char *const names[] = {"accuracy", "consistency", "simplicity",
                                        "comprehensiveness"};
    return names[quality];
}

/* What an order compares: nothing said counts as nothing. */
static double weight(double phi, bool is_signed) {
    return isnan(phi) ? 0 : is_signed ? phi : fabs(phi);
}

/* By insertion: stable, and few features are ever judged. */
void glim__importance_order(const double *phi, size_t d, bool is_signed, size_t *order) {
    for (size_t i = 0; i < d; i++) {
        size_t at = i;
        for (; at && weight(phi[order[at - 1]], is_signed) < weight(phi[i], is_signed); at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
}
