/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far the sum of the scores of what is taken out is from what the target loses:
 *
 *   infidelity = mean over S of (beta sum_{i in S} phi_i - (v(1) - v(1 - S)))^2
 *
 * S uniform in size. beta = 1, or the scale that fits best,
 * mean(sum loss) / mean(sum^2), for scores that are not in the target's unit.
 */
#include "evaluate/metrics.h"

#include <math.h>

struct opts {
    int64_t draws;
    bool normalise;
};

static const glim_param params[] = {
    {.name = "draws",
     .type = GLIM_INT,
     .offset = offsetof(struct opts, draws),
     .def.i = 200,
     .min = 1,
     .max = 100000,
     .help = "removals at random"},
    {.name = "normalise",
     .type = GLIM_BOOL,
     .offset = offsetof(struct opts, normalise),
     .help = "scale the scores to fit best first"},
    {0},
};

static size_t masks(const glim_case *c, const void *opts, uint8_t *keep) {
    const struct opts *o = opts;
    return glim__subsets(c, GLIM_STREAM_ANY_SIZE, (size_t)o->draws, 0, keep);
}

static double read_infidelity(const glim_case *c, const void *opts, const double *values) {
    const struct opts *o = opts;
    double both = 0, said = 0, sum = 0, beta = 1;
    for (size_t i = 0; i < (size_t)o->draws && o->normalise; i++) {
        double s = glim__subset(c, GLIM_STREAM_ANY_SIZE, i, 0, NULL, NULL);
        both += s * (c->all - values[i]);
        said += s * s;
    }
    if (o->normalise)
        beta = said > 0 ? both / said : 0;
    for (size_t i = 0; i < (size_t)o->draws; i++) {
        double s = glim__subset(c, GLIM_STREAM_ANY_SIZE, i, 0, NULL, NULL);
        double off = beta * s - (c->all - values[i]);
        sum += off * off;
    }
    return sum / (double)o->draws;
}

const glim_metric glim_metric_infidelity = {
    .name = "infidelity",
    .summary = "squared gap between the scores' sum and what the target really loses",
    .cite = "Yeh et al. 2019, arXiv:1901.09392",
    .caption = "In the target's unit, squared: not to be compared between targets.",
    .quality = GLIM_ACCURACY,
    .best = 0,
    .ranked = true,
    .same_masks = true,
    .needs = GLIM_NEEDS_VALUES | GLIM_NEEDS_SIGNED,
    .cost = "200 forwards",
    .params = params,
    .opts_size = sizeof(struct opts),
    .masks = masks,
    .read = read_infidelity,
};
