/* SPDX-License-Identifier: Apache-2.0 */
/* How many features a person has to look at: the fewest that hold 90 % of the sizes
   (n90), or those above a hundredth of the largest (effective complexity). */
#include "evaluate/metrics.h"

#include <math.h>

struct opts {
    double share;
};

static const glim_param n90_params[] = {
    {.name = "share",
     .type = GLIM_REAL,
     .offset = offsetof(struct opts, share),
     .def.r = 0.9,
     .min = 0.01,
     .max = 1,
     .help = "of the sizes that is held"},
    {0},
};

static const glim_param complexity_params[] = {
    {.name = "threshold",
     .type = GLIM_REAL,
     .offset = offsetof(struct opts, share),
     .def.r = 1e-2,
     .min = 0,
     .max = 1,
     .help = "share of the largest that a score must exceed to count"},
    {0},
};

/* The largest size below `below`, and how many have it. */
static double next_size(const glim_case *c, double below, size_t *n) {
    double most = -1;
    *n = 0;
    for (size_t i = 0; i < c->d; i++) {
        double a = glim__size(c->phi[i]);
        if (a < below && a > most) {
            most = a;
            *n = 0;
        }
        *n += a == most;
    }
    return most;
}

static double read_n90(const glim_case *c, const void *opts, const double *values) {
    const struct opts *o = opts;
    double wanted = glim__sizes(c) * o->share * (1 - 1e-12), held = 0, size = INFINITY;
    size_t count = 0, equal;
    if (!(wanted > 0))
        return NAN;
    while (held < wanted && count < c->d) {
        size = next_size(c, size, &equal);
        size_t take = (size_t)fmin((double)equal, ceil((wanted - held) / size));
        held += (double)take * size;
        count += take;
        if (take < equal)
            break;
    }
    return (double)count;
}

static double read_complexity(const glim_case *c, const void *opts, const double *values) {
    const struct opts *o = opts;
    double most = 0, n = 0;
    for (size_t i = 0; i < c->d; i++)
        most = fmax(most, glim__size(c->phi[i]));
    for (size_t i = 0; i < c->d; i++)
        n += glim__size(c->phi[i]) > o->share * most;
    return most > 0 ? n : NAN;
}

static double equal_n90(const glim_case *c, const void *opts) {
    const struct opts *o = opts;
    return ceil(o->share * (double)c->d - 1e-9);
}

static double all_count(const glim_case *c, const void *opts) {
    return (double)c->d;
}

const glim_metric glim_metric_n90 = {
    .name = "n90",
    .summary = "the fewest features that hold 90 % of the scores",
    .cite = "Chalasani et al. 2020, arXiv:1810.06583",
    .caption = "Simple is not right: read it beside the accuracy.",
    .quality = GLIM_SIMPLICITY,
    .best = 1,
    .cost = "none",
    .params = n90_params,
    .opts_size = sizeof(struct opts),
    .read = read_n90,
    .floor = equal_n90,
};

const glim_metric glim_metric_effective_complexity = {
    .name = "effective-complexity",
    .summary = "features whose scores are above a hundredth of the largest",
    .cite = "Nguyen, Martinez 2020, arXiv:2007.07584",
    .caption = "Simple is not right: read it beside the accuracy.",
    .quality = GLIM_SIMPLICITY,
    .best = 1,
    .cost = "none",
    .params = complexity_params,
    .opts_size = sizeof(struct opts),
    .read = read_complexity,
    .floor = all_count,
};
