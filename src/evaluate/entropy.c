/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Over how many features the scores are spread, with p_i = |phi_i| / sum |phi|: the entropy
 * -sum p log p in nats, the number of equal scores that would have it, exp(entropy), or
 * Hill's number of order 2, the participation ratio (sum |phi|)^2 / sum phi^2. Scale does
 * not matter; scores that are all 0 have none of them.
 */
#include "evaluate/metrics.h"

#include <math.h>
#include <string.h>

struct opts {
    const char *by;
};

static const glim_param params[] = {
    {.name = "by",
     .type = GLIM_CHOICE,
     .offset = offsetof(struct opts, by),
     .def.s = "entropy",
     .choices = "entropy|participation",
     .help = "exp of the entropy, or (sum)^2 / sum of squares"},
    {0},
};

static double read_entropy(const glim_case *c, const void *opts, const double *values) {
    double total = glim__sizes(c), sum = 0;
    for (size_t i = 0; i < c->d && total > 0; i++) {
        double p = glim__size(c->phi[i]) / total;
        sum -= p > 0 ? p * log(p) : 0;
    }
    return total > 0 ? fmax(sum, 0) : NAN;
}

static double read_number(const glim_case *c, const void *opts, const double *values) {
    const struct opts *o = opts;
    double total = glim__sizes(c), squares = 0;
    if (strcmp(o->by, "participation") != 0)
        return exp(read_entropy(c, NULL, NULL));
    for (size_t i = 0; i < c->d && total > 0; i++) {
        double p = glim__size(c->phi[i]) / total;
        squares += p * p;
    }
    return total > 0 ? 1 / squares : NAN;
}

static double equal_entropy(const glim_case *c, const void *opts) {
    return log((double)c->d);
}

static double equal_number(const glim_case *c, const void *opts) {
    return (double)c->d;
}

const glim_metric glim_metric_entropy = {
    .name = "entropy",
    .summary = "how evenly the scores are spread, in nats",
    .cite = "Bhatt, Weller, Moura 2020, arXiv:2005.00631",
    .caption = "Simple is not right: read it beside the accuracy.",
    .quality = GLIM_SIMPLICITY,
    .best = 0,
    .cost = "none",
    .read = read_entropy,
    .floor = equal_entropy,
};

const glim_metric glim_metric_effective_number = {
    .name = "effective-number",
    .summary = "how many equal scores would be spread as these are",
    .cite = "Hill 1973, doi:10.2307/1934352",
    .caption = "Simple is not right: read it beside the accuracy.",
    .quality = GLIM_SIMPLICITY,
    .best = 1,
    .cost = "none",
    .params = params,
    .opts_size = sizeof(struct opts),
    .read = read_number,
    .floor = equal_number,
};
