/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log p(without the top share) - log p(input): on the scale of logarithms a fall from
 * 0.99 to 0.9 and one from 0.02 to 0.018 are the same, which a difference of
 * probabilities hides. (The literature's name; it is a ratio of probabilities.)
 */
#include "evaluate/metrics.h"

#include <math.h>
#include <string.h>

struct opts {
    double share;
};

static const glim_param params[] = {
    {.name = "share",
     .type = GLIM_REAL,
     .offset = offsetof(struct opts, share),
     .def.r = 0.2,
     .min = 1e-3,
     .max = 1,
     .help = "of the features that is taken out"},
    {0},
};

static size_t masks(const glim_case *c, const void *opts, uint8_t *keep) {
    const struct opts *o = opts;
    size_t k = (size_t)ceil(o->share * (double)c->d - 1e-9);
    if (keep) {
        memset(keep, 1, c->d);
        for (size_t i = 0; i < k; i++)
            keep[c->order[i]] = 0;
    }
    return 1;
}

static double read_ratio(const glim_case *c, const void *opts, const double *values) {
    if (c->log)
        return values[0] - c->all;
    return values[0] > 0 && c->all > 0 ? log(values[0] / c->all) : NAN;
}

const glim_metric glim_metric_log_odds = {
    .name = "log-odds",
    .summary = "how the log-probability changes without the most important features",
    .cite = "Shrikumar, Greenside, Kundaje 2017, arXiv:1704.02685",
    .caption = "A large fall may come from an odd input rather than from what was lost.",
    .quality = GLIM_ACCURACY,
    .best = NAN,
    .ranked = true,
    .needs = GLIM_NEEDS_VALUES | GLIM_NEEDS_PROB,
    .cost = "1 forward an order",
    .params = params,
    .opts_size = sizeof(struct opts),
    .masks = masks,
    .read = read_ratio,
};
