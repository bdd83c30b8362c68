/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inputs are drawn again with replacement, a thousand times: the spread of the means is
 * that of the mean (Efron 1979). A draw is a function of (seed, resample, place), so two
 * metrics of the same inputs are drawn alike. The two-sided p is twice the smaller share
 * of means on one side of 0, one counted in so that it is never 0.
 */
#include "evaluate/bootstrap.h"
#include "base/rising.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>

enum { STREAM = 6 };
static const double TAIL = 0.025;

static void interval(glim_interval *out, const double *x, double *means, uint64_t seed) {
    size_t below = 0, above = 0;
    for (size_t b = 0; b < GLIM_RESAMPLES; b++) {
        double sum = 0;
        for (size_t i = 0; i < out->n; i++)
            sum += x[glim__rng_below(seed, (uint64_t)STREAM << 40 | b, i, (uint32_t)out->n)];
        means[b] = sum / (double)out->n;
        below += means[b] <= 0;
        above += means[b] >= 0;
    }
    qsort(means, GLIM_RESAMPLES, sizeof *means, glim__rising_double);
    out->low = glim__quantile(means, GLIM_RESAMPLES, TAIL);
    out->high = glim__quantile(means, GLIM_RESAMPLES, 1 - TAIL);
    out->p = fmin(1, 2 * (double)((below < above ? below : above) + 1) / (GLIM_RESAMPLES + 1));
}

glim_status glim__bootstrap_paired(glim_context *ctx, glim_interval *out, const double *a,
                                   const double *b, size_t n, uint64_t seed, glim_error *err) {
    *out = (glim_interval){NAN, NAN, NAN, NAN, 0};
    double *x = glim__calloc(ctx, n + GLIM_RESAMPLES, sizeof *x), sum = 0;
    if (!x)
        return glim__oom(ctx, err, "resamples", (n + GLIM_RESAMPLES) * sizeof *x);
    for (size_t i = 0; i < n; i++) {
        double one = a[i] - (b ? b[i] : 0);
        if (isnan(one))
            continue;
        x[out->n++] = one;
        sum += one;
    }
    if (out->n)
        out->mean = sum / (double)out->n;
    if (out->n > 1)
        interval(out, x, x + n, seed);
    glim__free(ctx, x);
    return GLIM_OK;
}

glim_status glim__bootstrap(glim_context *ctx, glim_interval *out, const double *x, size_t n,
                            uint64_t seed, glim_error *err) {
    return glim__bootstrap_paired(ctx, out, x, NULL, n, seed, err);
}

/* The i-th smallest of m is multiplied by m - i + 1, and never falls below one before it.
   What was corrected becomes negative less one until the end, to be told apart. */
void glim__holm(double *p, size_t n) {
    size_t left = 0;
    double before = 0;
    for (size_t i = 0; i < n; i++)
        left += !isnan(p[i]);
    for (; left; left--) {
        size_t least = n;
        for (size_t i = 0; i < n; i++)
            if (p[i] >= 0 && (least == n || p[i] < p[least]))
                least = i;
        before = fmax(before, fmin(1, (double)left * p[least]));
        p[least] = -1 - before;
    }
    for (size_t i = 0; i < n; i++)
        p[i] = isnan(p[i]) ? p[i] : -1 - p[i];
}
