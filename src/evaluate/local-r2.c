/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scores as a local linear model, v(z) = b + sum of the scores that are there, on
 * samples that its maker did not see: R^2 = 1 - var(v - sum) / var(v), with the intercept b
 * that fits best, so that methods which state none can be compared. Samples are uniform in
 * size; they count all the same, or by LIME's closeness to the input,
 * exp(-(100 (1 - sqrt(m/d)))^2 / 2 sigma^2) with m features there.
 */
#include "evaluate/metrics.h"
#include "explain/lime.h"

#include <math.h>
#include <string.h>

struct opts {
    int64_t draws;
    const char *kernel;
    double width;
};

static const glim_param params[] = {
    {.name = "draws",
     .type = GLIM_INT,
     .offset = offsetof(struct opts, draws),
     .def.i = 200,
     .min = 3,
     .max = 100000,
     .help = "fresh samples"},
    {.name = "kernel",
     .type = GLIM_CHOICE,
     .offset = offsetof(struct opts, kernel),
     .def.s = "lime",
     .choices = "lime|uniform",
     .help = "how samples count: by closeness, or all the same"},
    {.name = "kernel-width",
     .type = GLIM_REAL,
     .offset = offsetof(struct opts, width),
     .def.r = 25,
     .min = 1e-3,
     .max = 1e6,
     .help = "sigma of LIME's closeness"},
    {0},
};

static size_t masks(const glim_case *c, const void *opts, uint8_t *keep) {
    const struct opts *o = opts;
    return glim__subsets(c, GLIM_STREAM_ANY_SIZE, (size_t)o->draws, 0, keep);
}

static double closeness(const struct opts *o, size_t d, size_t taken) {
    return strcmp(o->kernel, "lime") != 0 ? 1 : glim__lime_weight(d - taken, d, o->width);
}

static double read_r2(const glim_case *c, const void *opts, const double *values) {
    const struct opts *o = opts;
    glim_pairs p = {0};
    for (size_t i = 0; i < (size_t)o->draws; i++) {
        size_t taken;
        double loss = glim__subset(c, GLIM_STREAM_ANY_SIZE, i, 0, NULL, &taken);
        glim__pairs_add(&p, closeness(o, c->d, taken), -loss, values[i]);
    }
    if (glim__pairs_flat(p.yy, p.y, p.n))
        return NAN;
    return 1 - (p.xx + p.yy - 2 * p.xy) / p.yy;
}

const glim_metric glim_metric_local_r2 = {
    .name = "local-r2",
    .summary = "how well the scores, as a linear model, foretell fresh samples",
    .cite = "Ribeiro, Singh, Guestrin 2016, arXiv:1602.04938",
    .caption = "Below 0: the mean alone foretells better. Scores in another unit always fail here.",
    .quality = GLIM_ACCURACY,
    .higher = true,
    .best = 1,
    .ranked = true,
    .same_masks = true,
    .needs = GLIM_NEEDS_VALUES | GLIM_NEEDS_SIGNED,
    .cost = "200 forwards, shared with infidelity",
    .params = params,
    .opts_size = sizeof(struct opts),
    .masks = masks,
    .read = read_r2,
};
