/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether scores that claim to sum to the target do:
 *
 *   residual = |sum phi - (v(1) - v(0))| / max(|v(1) - v(0)|, 1e-6)
 *
 * with the v(0) that the method states, else the one with everything taken out. How much
 * of the change is accounted for (completeness), and by the features that a person is
 * shown (shown-share), say what the explanation covers.
 */
#include "evaluate/metrics.h"

#include <math.h>

static const double FAILS = 0.2; /* of the effect: as in integrated gradients */

struct opts {
    int64_t k;
};

static const glim_param shown_params[] = {
    {.name = "k",
     .type = GLIM_INT,
     .offset = offsetof(struct opts, k),
     .def.i = 10,
     .min = 1,
     .max = 100000,
     .help = "features that are shown"},
    {0},
};

static double effect(const glim_case *c) {
    return c->all - (isnan(c->claimed) ? c->none : c->claimed);
}

static double read_residual(const glim_case *c, const void *opts, const double *values) {
    double sum = c->fixed;
    for (size_t i = 0; i < c->d; i++)
        sum += glim__score(c->phi[i]);
    return fabs(sum - effect(c)) / fmax(fabs(effect(c)), 1e-6);
}

static double read_completeness(const glim_case *c, const void *opts, const double *values) {
    return fmax(0, 1 - read_residual(c, NULL, NULL));
}

static double read_shown(const glim_case *c, const void *opts, const double *values) {
    const struct opts *o = opts;
    double sum = 0;
    for (size_t i = 0; i < c->d && i < (size_t)o->k; i++)
        sum += glim__score(c->phi[c->order[i]]);
    return fabs(effect(c)) < 1e-6 ? NAN : sum / effect(c);
}

static double nothing_said(const glim_case *c, const void *opts) {
    return 1;
}

static double none_covered(const glim_case *c, const void *opts) {
    return 0;
}

static double equal_shares(const glim_case *c, const void *opts) {
    const struct opts *o = opts;
    return fmin(1, (double)o->k / (double)c->d);
}

const glim_metric glim_metric_completeness_residual = {
    .name = "completeness-residual",
    .summary = "how far the scores are from summing to the target's change",
    .cite = "Sundararajan, Taly, Yan 2017, arXiv:1703.01365",
    .caption = "Any scores can be made to sum up: a small residual proves nothing alone.",
    .quality = GLIM_ACCURACY,
    .best = 0,
    .limited = true,
    .limit = FAILS,
    .needs = GLIM_NEEDS_ADDITIVE,
    .cost = "none",
    .read = read_residual,
    .floor = nothing_said,
};

const glim_metric glim_metric_shown_share = {
    .name = "shown-share",
    .summary = "share of the target's change that the ten most important features hold",
    .cite = "Ribeiro, Singh, Guestrin 2016, arXiv:1602.04938",
    .caption = "Above 1: what is not shown speaks against the target.",
    .quality = GLIM_COMPREHENSIVENESS,
    .higher = true,
    .best = 1,
    .needs = GLIM_NEEDS_ADDITIVE | GLIM_NEEDS_SIGNED,
    .cost = "none",
    .params = shown_params,
    .opts_size = sizeof(struct opts),
    .read = read_shown,
    .floor = equal_shares,
};

const glim_metric glim_metric_completeness = {
    .name = "completeness",
    .summary = "share of the target's change that all scores account for",
    .cite = "Sundararajan, Taly, Yan 2017, arXiv:1703.01365",
    .caption = "It says that the sum is right, not that its parts are.",
    .quality = GLIM_COMPREHENSIVENESS,
    .higher = true,
    .best = 1,
    .needs = GLIM_NEEDS_ADDITIVE,
    .cost = "none",
    .read = read_completeness,
    .floor = none_covered,
};
