/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A layer of a tuned lens as ridge regression, y = A h + b, from the sums of (h, 1, y) over all
 * tokens. The ridge is chosen by the error at tokens held out, of one in eight outputs: all of
 * them share it, and most of the work is solving for each.
 */
#include "base/solve.h"
#include "structure/tuned-fit.h"

#include <math.h>
#include <string.h>

enum { RIDGES = 3, SIDES = GLIM_SOLVE_SIDES, EACH = 8 };
static const double ridges[RIDGES] = {1e-3, 1e-2, 1e-1};

size_t glim__tuned_regress_room(size_t C) {
    return (C + 1) * (C + 1 + SIDES);
}

/* The factor of H'H + ridge; the offset is free. */
static bool factor(const double *S, size_t C, double ridge, double *m) {
    size_t n = 2 * C + 1, k = C + 1;
    double trace = 0;
    for (size_t i = 0; i < C; i++)
        trace += S[i * n + i];
    for (size_t i = 0; i < k; i++)
        for (size_t j = 0; j <= i; j++)
            m[i * k + j] = S[j * n + i];
    for (size_t i = 0; i < C; i++)
        m[i * k + i] += ridge * trace / (double)C;
    return glim__cholesky(m, k);
}

/* Rows of A and of b for every `step`-th output. */
static void solve(const double *S, size_t C, double *m, size_t step, float *a, float *b) {
    size_t n = 2 * C + 1, k = C + 1;
    double *x = m + k * k; /* (k, SIDES) */
    for (size_t c = 0; c < C; c += SIDES * step) {
        for (size_t i = 0; i < k; i++)
            for (size_t s = 0; s < SIDES; s++) {
                size_t output = c + s * step;
                x[i * SIDES + s] = output < C ? S[i * n + k + output] : 0;
            }
        glim__cholesky_solve_many(m, k, x);
        for (size_t s = 0; s < SIDES && c + s * step < C; s++) {
            size_t output = c + s * step;
            for (size_t i = 0; i < C; i++)
                a[output * C + i] = (float)x[i * SIDES + s];
            b[output] = (float)x[C * SIDES + s];
        }
    }
}

/* Squared error on the first half of the held tokens, of every `step`-th output. */
static double miss(const glim_tuned_work *f, size_t layer, size_t step, const float *a,
                   const float *b) {
    size_t C = f->t->C;
    double sum = 0;
    for (size_t r = 0; r < f->n_held; r += 2) {
        const float *h = f->held + (layer * GLIM_TUNED_HELD + r) * C;
        const float *last = f->held + (f->t->L * GLIM_TUNED_HELD + r) * C;
        for (size_t c = 0; c < C; c += step) {
            double y = (double)h[c] + b[c] - last[c];
            for (size_t i = 0; i < C; i++)
                y += (double)a[c * C + i] * h[i];
            sum += y * y;
        }
    }
    return sum;
}

void glim__tuned_regress(void *data, size_t i, int worker) {
    glim_tuned_work *f = data;
    size_t C = f->t->C, layer = f->first + i, best = RIDGES, now = RIDGES;
    size_t step = C >= EACH * SIDES ? EACH : 1;
    float *a = f->t->a + layer * C * C, *b = f->t->b + layer * C;
    const double *S = f->sums[i].sum;
    double *m = f->work + (size_t)worker * f->room, least = INFINITY;
    for (size_t k = 0; k < RIDGES; k++) {
        if (!factor(S, C, ridges[k], m))
            continue;
        now = k;
        solve(S, C, m, step, a, b);
        double error = miss(f, layer, step, a, b);
        if (error < least) {
            least = error;
            best = k;
        }
    }
    if (best < RIDGES && (now == best || factor(S, C, ridges[best], m))) {
        solve(S, C, m, 1, a, b);
        return;
    }
    memset(a, 0, C * C * sizeof *a);
    memset(b, 0, C * sizeof *b);
}
