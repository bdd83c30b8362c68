/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The most important features are taken out (put in) one by one; the area under the
 * target, over the share of features 0 .. 1 by trapezoids, from v(0) up and divided by
 * |v(1) - v(0)|. With more features than steps, equal steps of several at a time. The two
 * curves mirror each other: insertion of an order is deletion of the reversed one. What the
 * first loses from its beginning is comprehensiveness, what the second lacks is sufficiency.
 */
#include "evaluate/metrics.h"

#include <math.h>
#include <string.h>

struct opts {
    int64_t steps;
};

static const glim_param params[] = {
    {.name = "steps",
     .type = GLIM_INT,
     .offset = offsetof(struct opts, steps),
     .def.i = 50,
     .min = 1,
     .max = 10000,
     .help = "points of the curve at most; more features go several at a time"},
    {0},
};

static size_t steps_of(const glim_case *c, const void *opts) {
    const struct opts *o = opts;
    return (size_t)o->steps < c->d ? (size_t)o->steps : c->d;
}

/* Features that step i of n has moved. */
static size_t moved(const glim_case *c, size_t i, size_t n) {
    return (i * c->d + n / 2) / n;
}

/* The inputs between the two ends, which are known. */
static size_t deletion(const glim_case *c, const void *opts, uint8_t *keep) {
    size_t n = steps_of(c, opts);
    for (size_t i = 1; i < n && keep; i++) {
        memset(keep + (i - 1) * c->d, 1, c->d);
        for (size_t k = 0; k < moved(c, i, n); k++)
            keep[(i - 1) * c->d + c->order[k]] = 0;
    }
    return n - 1;
}

static size_t insertion(const glim_case *c, const void *opts, uint8_t *keep) {
    size_t n = steps_of(c, opts);
    for (size_t i = 1; i < n && keep; i++) {
        memset(keep + (i - 1) * c->d, 0, c->d);
        for (size_t k = 0; k < c->d - moved(c, n - i, n); k++)
            keep[(i - 1) * c->d + c->order[k]] = 1;
    }
    return n - 1;
}

/* Area between the curve and v(0). `at` = features moved behind step i. */
static double area(const glim_case *c, const void *opts, const double *values, bool inserts) {
    size_t n = steps_of(c, opts);
    double before = inserts ? c->none : c->all, sum = 0;
    for (size_t i = 1; i <= n; i++) {
        double now = i < n ? values[i - 1] : inserts ? c->all : c->none;
        size_t width = inserts ? moved(c, n - i + 1, n) - moved(c, n - i, n)
                               : moved(c, i, n) - moved(c, i - 1, n);
        sum += (double)width * ((before + now) / 2 - c->none);
        before = now;
    }
    return sum / (double)c->d / fmax(fabs(c->all - c->none), 1e-6);
}

/* Between removals the curve is straight. */
static double height(const glim_case *c, const void *opts, const double *values, bool inserts,
                     double share) {
    size_t n = steps_of(c, opts), from = 0, i = 0;
    double before = inserts ? c->none : c->all, at = share * (double)c->d;
    while (i < n) {
        size_t to = inserts ? c->d - moved(c, n - ++i, n) : moved(c, ++i, n);
        double now = i < n ? values[i - 1] : inserts ? c->all : c->none;
        if (at <= (double)to && to > from) {
            double part = (at - (double)from) / (double)(to - from);
            return (before + part * (now - before) - c->none) / fmax(fabs(c->all - c->none), 1e-6);
        }
        before = now;
        from = to;
    }
    return (before - c->none) / fmax(fabs(c->all - c->none), 1e-6);
}

static double trace_deletion(const glim_case *c, const void *opts, const double *values,
                             double share) {
    return height(c, opts, values, false, share);
}

static double trace_insertion(const glim_case *c, const void *opts, const double *values,
                              double share) {
    return height(c, opts, values, true, share);
}

static double read_deletion(const glim_case *c, const void *opts, const double *values) {
    return area(c, opts, values, false);
}

static double read_insertion(const glim_case *c, const void *opts, const double *values) {
    return area(c, opts, values, true);
}

const glim_metric glim_metric_deletion_auc = {
    .name = "deletion-auc",
    .summary = "area under the target while the most important features go first",
    .cite = "Petsiuk, Das, Saenko 2018, arXiv:1806.07421",
    .caption = "Inputs with much taken out are unlike any that the model was made for.",
    .quality = GLIM_ACCURACY,
    .best = NAN,
    .ranked = true,
    .needs = GLIM_NEEDS_VALUES,
    .cost = "d - 1 forwards an order, at most 49",
    .params = params,
    .opts_size = sizeof(struct opts),
    .masks = deletion,
    .read = read_deletion,
    .trace = trace_deletion,
};

const glim_metric glim_metric_insertion_auc = {
    .name = "insertion-auc",
    .summary = "area under the target while the most important features come first",
    .cite = "Petsiuk, Das, Saenko 2018, arXiv:1806.07421",
    .caption = "Inputs with little in them are unlike any that the model was made for.",
    .quality = GLIM_ACCURACY,
    .higher = true,
    .best = NAN,
    .ranked = true,
    .needs = GLIM_NEEDS_VALUES,
    .cost = "d - 1 forwards an order, at most 49",
    .params = params,
    .opts_size = sizeof(struct opts),
    .masks = insertion,
    .read = read_insertion,
    .trace = trace_insertion,
};
