/* SPDX-License-Identifier: Apache-2.0 */
#include "view/scatter.h"

#include <math.h>

/* Of several targets the sum over them; NaN where there is none. */
static double score_of(const json_t *run, size_t unit) {
    const json_t *scores = json_object_get(run, "scores");
    double sum = NAN;
    bool rows = json_is_array(json_array_get(scores, 0));
    for (size_t r = 0; r < (rows ? json_array_size(scores) : 1); r++) {
        const json_t *x = json_array_get(rows ? json_array_get(scores, r) : scores, unit);
        if (json_is_number(x))
            sum = (isfinite(sum) ? sum : 0) + json_number_value(x);
    }
    return sum;
}

static void widen(double *from, double *to) {
    double room = *to > *from ? 0.06 * (*to - *from) : 1;
    *from -= *from < 0 ? room : 0;
    *to += room;
}

bool scatter_open(scatter *s, glim_context *ctx, const json_t *all, size_t run, bool same) {
    const json_t *runs = json_object_get(all, "runs");
    size_t units = json_array_size(json_object_get(all, "units"));
    *s = (scatter){.ctx = ctx, .same = same};
    s->x = glim__calloc(ctx, units + 1, sizeof *s->x);
    s->y = glim__calloc(ctx, units + 1, sizeof *s->y);
    s->unit = glim__calloc(ctx, units + 1, sizeof *s->unit);
    s->failed = !s->x || !s->y || !s->unit;
    for (size_t u = 0; u < units && !s->failed; u++) {
        double x = score_of(json_array_get(runs, 0), u), y = score_of(json_array_get(runs, run), u);
        if (!isfinite(x) || !isfinite(y))
            continue;
        s->x[s->n] = x;
        s->y[s->n] = y;
        s->unit[s->n++] = u;
        s->x0 = fmin(s->x0, x);
        s->x1 = fmax(s->x1, x);
        s->y0 = fmin(s->y0, y);
        s->y1 = fmax(s->y1, y);
    }
    if (same) {
        s->x0 = s->y0 = fmin(s->x0, s->y0);
        s->x1 = s->y1 = fmax(s->x1, s->y1);
    }
    widen(&s->x0, &s->x1);
    widen(&s->y0, &s->y1);
    return s->n && isfinite(s->x1 - s->x0) && isfinite(s->y1 - s->y0);
}

void scatter_close(scatter *s) {
    glim__free(s->ctx, s->x);
    glim__free(s->ctx, s->y);
    glim__free(s->ctx, s->unit);
}

/* Each axis in its own range, so that methods of other units are compared by shape. */
static double distance(const scatter *s, size_t i) {
    double x = fmax(fabs(s->x0), fabs(s->x1)), y = fmax(fabs(s->y0), fabs(s->y1));
    return fabs(s->x[i] / x - s->y[i] / y);
}

size_t scatter_far(const scatter *s, size_t *out) {
    size_t n = 0;
    while (n < SCATTER_NAMED && n < s->n) {
        size_t best = SIZE_MAX;
        for (size_t i = 0; i < s->n; i++) {
            bool taken = false;
            for (size_t k = 0; k < n; k++)
                taken = taken || out[k] == i;
            if (!taken && (best == SIZE_MAX || distance(s, i) > distance(s, best)))
                best = i;
        }
        out[n++] = best;
    }
    return n;
}
