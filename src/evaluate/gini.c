/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gini's index of the sizes of the scores, sorted upwards, a_(1) .. a_(d):
 * sum_i (2 i - d - 1) a_(i) / (d sum a). Equal sizes give 0, a single one 1 - 1/d.
 */
#include "evaluate/metrics.h"

#include <math.h>

static double read_gini(const glim_case *c, const void *opts, const double *values) {
    double total = glim__sizes(c), sum = 0;
    if (!(total > 0))
        return NAN;
    for (size_t i = 0; i < c->d; i++) { /* the rank of each, equal ones sharing theirs */
        double a = glim__size(c->phi[i]), below = 0, equal = 0;
        for (size_t k = 0; k < c->d; k++) {
            double b = glim__size(c->phi[k]);
            below += b < a;
            equal += b == a;
        }
        sum += (2 * (below + (equal + 1) / 2) - (double)c->d - 1) * a;
    }
    return sum / ((double)c->d * total);
}

static double one_alone(const glim_case *c, const void *opts) {
    return 1 - 1 / (double)c->d;
}

static double all_equal(const glim_case *c, const void *opts) {
    return 0;
}

const glim_metric glim_metric_gini = {
    .name = "gini",
    .summary = "how few features hold the scores",
    .cite = "Hurley, Rickard 2009, arXiv:0811.4706",
    .caption = "Simple is not right: read it beside the accuracy.",
    .quality = GLIM_SIMPLICITY,
    .higher = true,
    .best = NAN,
    .cost = "none",
    .read = read_gini,
    .ideal = one_alone,
    .floor = all_equal,
};
