/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pearson's correlation between the sum of the scores of what is taken out and what the
 * target loses, over removals of one size n: at n = d/5 (faithfulness correlation), or the
 * mean over n = 1, 2, 4 .. 0.8 d (sensitivity-n, whose curve a single n gives point by
 * point). Undefined where the target or the scores do not vary.
 */
#include "evaluate/metrics.h"

#include <math.h>

enum { MOST_SIZES = 20 };

struct opts {
    int64_t draws, n;
};

static const glim_param correlation_params[] = {
    {.name = "draws",
     .type = GLIM_INT,
     .offset = offsetof(struct opts, draws),
     .def.i = 200,
     .min = 2,
     .max = 100000,
     .help = "removals at random"},
    {.name = "n",
     .type = GLIM_INT,
     .offset = offsetof(struct opts, n),
     .def.i = 0,
     .min = 0,
     .max = 100000,
     .help = "features taken out together (0: a fifth)"},
    {0},
};

static const glim_param sensitivity_params[] = {
    {.name = "draws",
     .type = GLIM_INT,
     .offset = offsetof(struct opts, draws),
     .def.i = 50,
     .min = 2,
     .max = 100000,
     .help = "removals at random for each size"},
    {.name = "n",
     .type = GLIM_INT,
     .offset = offsetof(struct opts, n),
     .def.i = 0,
     .min = 0,
     .max = 100000,
     .help = "features taken out together (0: mean over 1, 2, 4 .. 80 %)"},
    {0},
};

static size_t masks_of_size(const glim_case *c, size_t draws, size_t n, uint8_t *keep) {
    return glim__subsets(c, GLIM_STREAM_SIZE + (unsigned)n, draws, n, keep);
}

static double correlation(const glim_case *c, size_t draws, size_t n, const double *values) {
    glim_pairs p = {0};
    for (size_t i = 0; i < draws; i++)
        glim__pairs_add(&p, 1, glim__subset(c, GLIM_STREAM_SIZE + (unsigned)n, i, n, NULL, NULL),
                        c->all - values[i]);
    return glim__pairs_correlation(&p);
}

static size_t within(const glim_case *c, int64_t n) {
    return (size_t)n < c->d ? (size_t)n : c->d;
}

static size_t fifth(const glim_case *c, const struct opts *o) {
    return o->n ? within(c, o->n) : c->d / 5 ? c->d / 5 : 1;
}

static size_t fifth_masks(const glim_case *c, const void *opts, uint8_t *keep) {
    const struct opts *o = opts;
    return masks_of_size(c, (size_t)o->draws, fifth(c, o), keep);
}

static double read_fifth(const glim_case *c, const void *opts, const double *values) {
    const struct opts *o = opts;
    return correlation(c, (size_t)o->draws, fifth(c, o), values);
}

static size_t sizes_of(const glim_case *c, const struct opts *o, size_t sizes[MOST_SIZES]) {
    size_t n = 0;
    if (o->n)
        sizes[n++] = within(c, o->n);
    for (size_t k = 1; !o->n && n < MOST_SIZES && (k == 1 || 5 * k <= 4 * c->d); k *= 2)
        sizes[n++] = k;
    return n;
}

static size_t sensitivity_masks(const glim_case *c, const void *opts, uint8_t *keep) {
    const struct opts *o = opts;
    size_t sizes[MOST_SIZES], n = sizes_of(c, o, sizes), draws = (size_t)o->draws;
    for (size_t i = 0; i < n && keep; i++)
        masks_of_size(c, draws, sizes[i], keep + i * draws * c->d);
    return n * draws;
}

static double read_sensitivity(const glim_case *c, const void *opts, const double *values) {
    const struct opts *o = opts;
    size_t sizes[MOST_SIZES], n = sizes_of(c, o, sizes), draws = (size_t)o->draws;
    double sum = 0, known = 0;
    for (size_t i = 0; i < n; i++) {
        double r = correlation(c, draws, sizes[i], values + i * draws);
        sum += isnan(r) ? 0 : r;
        known += !isnan(r);
    }
    return known > 0 ? sum / known : NAN;
}

const glim_metric glim_metric_faithfulness_correlation = {
    .name = "faithfulness-correlation",
    .summary = "correlation of the scores' sum and what the target loses, a fifth at a time",
    .cite = "Bhatt, Weller, Moura 2020, arXiv:2005.00631",
    .caption = "It does not see a wrong scale: scores may be right in proportion only.",
    .quality = GLIM_ACCURACY,
    .higher = true,
    .best = 1,
    .ranked = true,
    .same_masks = true,
    .needs = GLIM_NEEDS_VALUES | GLIM_NEEDS_SIGNED,
    .cost = "200 forwards",
    .params = correlation_params,
    .opts_size = sizeof(struct opts),
    .masks = fifth_masks,
    .read = read_fifth,
};

const glim_metric glim_metric_sensitivity_n = {
    .name = "sensitivity-n",
    .summary = "the same correlation, mean over removals of n = 1, 2, 4 .. features",
    .cite = "Ancona et al. 2018, arXiv:1711.06104",
    .caption = "Where features act together, no scores reach 1 for every n.",
    .quality = GLIM_ACCURACY,
    .higher = true,
    .best = 1,
    .ranked = true,
    .same_masks = true,
    .needs = GLIM_NEEDS_VALUES | GLIM_NEEDS_SIGNED,
    .cost = "50 forwards a size",
    .params = sensitivity_params,
    .opts_size = sizeof(struct opts),
    .masks = sensitivity_masks,
    .read = read_sensitivity,
};
