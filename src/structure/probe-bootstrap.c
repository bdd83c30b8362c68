/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How sure a probe's score is: groups (sentences, documents) are drawn again, 1,000 times, and
 * the score of what was drawn is taken; 2.5 % of the scores lie below the interval and as many
 * above. Rows of a group are alike, so drawing rows would promise too much. The fits are not
 * repeated: what other training rows would have given shows in repeats alone.
 */
#include "base/rising.h"
#include "base/rng.h"
#include "structure/probe-rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

double glim__probe_value(const glim_probe_sums *s, bool numbers, bool control) {
    double wrong = control ? s->control_wrong : s->wrong;
    double y = control ? s->control_y : s->y, yy = control ? s->control_yy : s->yy;
    if (!numbers)
        return s->n > 0 ? 1 - wrong / s->n : NAN;
    double spread = yy - y * y / s->n;
    return spread > 0 ? 1 - wrong / spread : NAN;
}

struct drawing {
    const glim_probe_sums *groups;
    size_t n;
    bool numbers;
    uint64_t seed;
    double *values; /* (3, draws): task, control, selectivity */
};

static void draw(void *data, size_t item, int worker) {
    const struct drawing *d = data;
    glim_probe_sums sum = {0};
    for (size_t i = 0; i < d->n; i++) {
        const glim_probe_sums *g = &d->groups[glim__rng_below(d->seed, item, i, (uint32_t)d->n)];
        sum.n += g->n;
        sum.wrong += g->wrong;
        sum.y += g->y;
        sum.yy += g->yy;
        sum.control_wrong += g->control_wrong;
        sum.control_y += g->control_y;
        sum.control_yy += g->control_yy;
    }
    double task = glim__probe_value(&sum, d->numbers, false);
    double control = glim__probe_value(&sum, d->numbers, true);
    d->values[item] = task;
    d->values[GLIM_PROBE_DRAWS + item] = control;
    d->values[2 * GLIM_PROBE_DRAWS + item] = task - control;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    if (isnan(x) || isnan(y))
        return isnan(x) - isnan(y);
    return (x > y) - (x < y);
}

static void interval(double *values, glim_probe_score *out) {
    qsort(values, GLIM_PROBE_DRAWS, sizeof *values, by_size);
    out->low = glim__quantile(values, GLIM_PROBE_DRAWS, 0.025);
    out->high = glim__quantile(values, GLIM_PROBE_DRAWS, 0.975);
}

glim_status glim__probe_intervals(glim_context *ctx, const glim_probe_sums *groups, size_t n,
                                  bool numbers, bool control, uint64_t seed, glim_probe_layer *out,
                                  glim_error *err) {
    double *values = glim__calloc(ctx, (size_t)3 * GLIM_PROBE_DRAWS, sizeof *values);
    if (!values)
        return glim__oom(ctx, err, "the intervals", 24 * (uint64_t)GLIM_PROBE_DRAWS);
    struct drawing d = {groups, n, numbers, seed, values};
    glim__parallel(ctx, GLIM_PROBE_DRAWS, draw, &d);
    interval(values, &out->task);
    if (control) {
        interval(values + GLIM_PROBE_DRAWS, &out->control);
        interval(values + (size_t)2 * GLIM_PROBE_DRAWS, &out->selectivity);
    }
    glim__free(ctx, values);
    return GLIM_OK;
}

/* ---- sites beside the best one ---- */

struct comparing {
    const glim_probe_layer *layers;
    size_t n, best, groups;
    uint64_t seed;
    double *more; /* (n, draws) how much more is wrong than at the best one */
};

static void compare(void *data, size_t item, int worker) {
    const struct comparing *c = data;
    for (size_t i = 0; i < c->groups; i++) {
        size_t g = glim__rng_below(c->seed, item, i, (uint32_t)c->groups);
        double least = (double)c->layers[c->best].wrong[g];
        for (size_t k = 0; k < c->n; k++)
            if (c->layers[k].done)
                c->more[k * GLIM_PROBE_DRAWS + item] += (double)c->layers[k].wrong[g] - least;
    }
}

glim_status glim__probe_best(glim_context *ctx, const glim_probe_layer *layers, size_t n,
                             size_t groups, uint64_t seed, uint8_t *same, size_t *best,
                             glim_error *err) {
    *best = SIZE_MAX;
    memset(same, 0, n);
    for (size_t i = 0; i < n; i++)
        if (layers[i].done &&
            (*best == SIZE_MAX || layers[i].task.value > layers[*best].task.value))
            *best = i;
    if (*best == SIZE_MAX)
        return GLIM_OK;
    double *more = glim__calloc(ctx, n, GLIM_PROBE_DRAWS * sizeof *more);
    if (!more)
        return glim__oom(ctx, err, "the intervals", n * GLIM_PROBE_DRAWS * sizeof *more);
    struct comparing c = {layers, n, *best, groups, seed, more};
    glim__parallel(ctx, GLIM_PROBE_DRAWS, compare, &c);
    for (size_t k = 0; k < n; k++) {
        double *own = more + k * GLIM_PROBE_DRAWS;
        qsort(own, GLIM_PROBE_DRAWS, sizeof *own, by_size);
        same[k] = layers[k].done && glim__quantile(own, GLIM_PROBE_DRAWS, 0.025) <= 0;
    }
    glim__free(ctx, more);
    return GLIM_OK;
}
