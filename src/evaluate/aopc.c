/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the target loses without the most important features, and what it keeps with
 * them alone (ERASER): for some shares k of the d features, at least one,
 *
 *   comprehensiveness = mean over k of v(1) - v(without top k)
 *   sufficiency       = mean over k of v(1) - v(top k alone)
 *
 * in the target's unit; equal removals count once.
 */
#include "evaluate/metrics.h"

#include <math.h>
#include <string.h>

struct opts {
    const char *shares;
};

static const glim_param params[] = {
    {.name = "shares",
     .type = GLIM_CHOICE,
     .offset = offsetof(struct opts, shares),
     .def.s = "eraser",
     .choices = "eraser|tenths",
     .help = "removed: 1, 5, 10, 20, 50 % (eraser), or 10, 20 .. 100 %"},
    {0},
};

enum { SHARES = 10 };

/* Fills in how many features each removal takes; returns how many removals differ. */
static size_t removals(const struct opts *o, size_t d, size_t counts[SHARES]) {
    static const double eraser[] = {0.01, 0.05, 0.1, 0.2, 0.5},
                        tenths[] = {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1};
    bool fine = !strcmp(o->shares, "tenths");
    size_t n = 0;
    for (size_t i = 0; i < (fine ? SHARES : SHARES / 2); i++) {
        size_t k = (size_t)ceil((fine ? tenths : eraser)[i] * (double)d - 1e-9);
        if (!n || counts[n - 1] != k)
            counts[n++] = k;
    }
    return n;
}

static size_t mask(const glim_case *c, const void *opts, uint8_t *keep, bool alone) {
    size_t counts[SHARES], n = removals(opts, c->d, counts);
    for (size_t i = 0; i < n && keep; i++) {
        memset(keep + i * c->d, !alone, c->d);
        for (size_t k = 0; k < counts[i]; k++)
            keep[i * c->d + c->order[k]] = alone;
    }
    return n;
}

static size_t without(const glim_case *c, const void *opts, uint8_t *keep) {
    return mask(c, opts, keep, false);
}

static size_t alone(const glim_case *c, const void *opts, uint8_t *keep) {
    return mask(c, opts, keep, true);
}

static double read_mean_loss(const glim_case *c, const void *opts, const double *values) {
    size_t counts[SHARES], n = removals(opts, c->d, counts);
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += c->all - values[i];
    return sum / (double)n;
}

const glim_metric glim_metric_aopc_comprehensiveness = {
    .name = "aopc-comprehensiveness",
    .summary = "what the target loses without the most important features",
    .cite = "DeYoung et al. 2020, arXiv:1911.03429",
    .caption = "A method that removes features in the same way has an advantage here.",
    .quality = GLIM_ACCURACY,
    .higher = true,
    .best = NAN,
    .ranked = true,
    .needs = GLIM_NEEDS_VALUES,
    .cost = "5 forwards an order",
    .params = params,
    .opts_size = sizeof(struct opts),
    .masks = without,
    .read = read_mean_loss,
};

const glim_metric glim_metric_aopc_sufficiency = {
    .name = "aopc-sufficiency",
    .summary = "what the target lacks with the most important features alone",
    .cite = "DeYoung et al. 2020, arXiv:1911.03429",
    .caption = "A method that removes features in the same way has an advantage here.",
    .quality = GLIM_ACCURACY,
    .higher = false,
    .best = NAN,
    .ranked = true,
    .needs = GLIM_NEEDS_VALUES,
    .cost = "5 forwards an order",
    .params = params,
    .opts_size = sizeof(struct opts),
    .masks = alone,
    .read = read_mean_loss,
};
