/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linear models from their second moments A = X'X and c = X'(y - mean y), with X
 * centred, so that the bias drops out:
 *
 *   without an L1 part   (A + strength I) w = c          by Cholesky
 *   with one             w_j <- S(c_j - sum_k!=j A_jk w_k, strength l1_ratio)
 *                               / (A_jj + strength (1 - l1_ratio))
 *
 * S(u, t) shrinks u by t towards 0: coordinate descent with covariance updates
 * (Friedman, Hastie, Tibshirani 2010, J. Stat. Softw. 33, section 2). The moments are
 * made once for all strengths; workers make strips of A.
 */
#include "predict/fit.h"
#include "base/solve.h"
#include "tensor/kernels.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { STRIP = 48, MOST_SWEEPS = 100000 };

struct making {
    const glim_fit_problem *p;
    glim_fit_moments *m;
};

/* Rows of A of one strip of features, and their entries of c. */
static void make_strip(void *data, size_t item, int worker) {
    const struct making *s = data;
    const glim_fit_problem *p = s->p;
    size_t first = item * STRIP, n = p->P - first < STRIP ? p->P - first : STRIP;
    double *x = glim__scratch(p->ctx, worker), *y = x + p->block * p->ld;
    double *gram = s->m->gram + first * p->P, *cross = s->m->cross + first;
    for (size_t at = 0; at < p->n; at += p->block) {
        size_t m = p->n - at < p->block ? p->n - at : p->block;
        glim__fit_rows(p, p->rows + at, m, x);
        for (size_t i = 0; i < m; i++)
            y[i] = p->data->values[p->rows[at + i]] - s->m->mean;
        glim__kernels(p->ctx)->tile_f64((int)n, (int)p->P, m, x + first, 1, (ptrdiff_t)p->ld, x,
                                        (ptrdiff_t)p->ld, gram, (ptrdiff_t)p->P, at > 0);
        for (size_t i = 0; i < m; i++)
            for (size_t j = 0; j < n; j++)
                cross[j] += x[i * p->ld + first + j] * y[i];
    }
}

glim_status glim__fit_moments(glim_fit_moments *m, const glim_fit_problem *p, glim_error *err) {
    size_t P = p->P;
    *m = (glim_fit_moments){0};
    m->gram = glim__calloc(p->ctx, P * P + 1, sizeof *m->gram);
    m->factor = glim__calloc(p->ctx, P * P + 1, sizeof *m->factor);
    m->cross = glim__calloc(p->ctx, P, sizeof *m->cross);
    if (!m->gram || !m->factor || !m->cross)
        return glim__oom(p->ctx, err, "the second moments", 2 * P * P * sizeof *m->gram);
    for (size_t i = 0; i < p->n; i++)
        m->mean += p->data->values[p->rows[i]];
    m->mean /= (double)p->n;
    for (size_t i = 0; i < p->n; i++) {
        double y = p->data->values[p->rows[i]] - m->mean;
        m->size += y * y;
    }
    struct making s = {p, m};
    glim__parallel(p->ctx, (P + STRIP - 1) / STRIP, make_strip, &s);
    return glim__check_cancel(p->ctx, err);
}

void glim__fit_moments_release(glim_fit_moments *m, glim_context *ctx) {
    glim__free(ctx, m->gram);
    glim__free(ctx, m->factor);
    glim__free(ctx, m->cross);
}

/* ---- Cholesky ---- */

/* L of A + strength I in m->factor. A constant column has no row and no weight. */
static glim_status factorise(const glim_fit_moments *m, size_t P, double strength,
                             glim_error *err) {
    double *l = m->factor;
    for (size_t i = 0; i < P; i++)
        for (size_t j = 0; j <= i; j++) {
            double sum = m->gram[i * P + j], own = m->gram[i * P + i];
            if (i == j)
                sum = own > 0 ? own + strength : 1;
            double least = (double)P * DBL_EPSILON * (sum > 1e-300 ? sum : 1e-300);
            for (size_t k = 0; k < j; k++)
                sum -= l[i * P + k] * l[j * P + k];
            if (i == j && !(sum > least))
                return glim_fail(err, GLIM_EUSAGE,
                                 "the columns depend on each other, so without a penalty there is "
                                 "no one best fit (take a --strength above 0)");
            l[i * P + j] = i == j ? sqrt(sum) : sum / l[j * P + j];
        }
    return GLIM_OK;
}

/* ---- coordinate descent ---- */

static double shrink(double u, double by) {
    return u > by ? u - by : u < -by ? u + by : 0;
}

/* q = A w is kept up; a sweep that moves no fitted value by more than the tolerance,
   relative to y, is the last. */
static glim_status descend(const glim_fit_moments *m, const glim_fit_problem *p, double strength,
                           const glim_fit_options *o, double *w, glim_fit_end *end,
                           glim_error *err) {
    size_t P = p->P;
    double *q = m->factor, l1 = strength * o->l1_ratio, l2 = strength * (1 - o->l1_ratio);
    memset(q, 0, P * sizeof *q);
    for (size_t j = 0; j < P; j++)
        for (size_t k = 0; w[j] != 0 && k < P; k++)
            q[k] += m->gram[j * P + k] * w[j];
    for (end->iterations = 1; end->iterations <= MOST_SWEEPS; end->iterations++) {
        double most = 0;
        for (size_t j = 0; j < P; j++) {
            double a = m->gram[j * P + j], old = w[j];
            if (!(a > 0))
                continue;
            w[j] = shrink(m->cross[j] - q[j] + a * old, l1) / (a + l2);
            double move = w[j] - old;
            for (size_t k = 0; move != 0 && k < P; k++)
                q[k] += m->gram[j * P + k] * move;
            most = fabs(move) * sqrt(a) > most ? fabs(move) * sqrt(a) : most;
        }
        end->slope = m->size > 0 ? most / sqrt(m->size) : 0;
        end->converged = end->slope <= 1e-3 * o->tolerance;
        if (end->converged)
            break;
        glim_status status = glim__check_cancel(p->ctx, err);
        if (status)
            return status;
    }
    return GLIM_OK;
}

glim_status glim__fit_linear(const glim_fit_moments *m, const glim_fit_problem *p, double strength,
                             const glim_fit_options *o, double *w, glim_fit_end *end,
                             glim_error *err) {
    glim_status status = GLIM_OK;
    *end = (glim_fit_end){.converged = true};
    if (o->l1_ratio > 0 && strength > 0) {
        status = descend(m, p, strength, o, w, end, err);
    } else {
        status = factorise(m, p->P, strength, err);
        if (!status) {
            memcpy(w, m->cross, p->P * sizeof *w);
            glim__cholesky_solve(m->factor, p->P, w);
        }
    }
    w[p->P] = m->mean;
    return status;
}
