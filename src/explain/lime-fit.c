/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The local model of LIME. Everything follows from the weighted moments of features
 * and target, which are d * d numbers whatever the number of samples; the choices
 * are those of lime 0.2.0.1 (lime_base.py).
 */
#include "explain/lime.h"
#include "base/solve.h"

#include <math.h>
#include <string.h>

size_t glim__local_scratch(size_t d) {
    return d * d + 5 * d + 1;
}

/* Solves the ridge on `used` into x (n); the factor stays in a (n, n). */
static bool ridge(const glim_moments *m, const size_t *used, size_t n, double alpha, double *a,
                  double *x) {
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j <= i; j++)
            a[i * n + j] = m->gram[used[i] * m->ld + used[j]];
        a[i * n + i] += alpha;
        x[i] = m->cross[used[i]];
    }
    if (n && !glim__cholesky(a, n))
        return false;
    glim__cholesky_solve(a, n, x);
    return true;
}

static void sort_used(glim_local *out) {
    for (size_t i = 1; i < out->n; i++)
        for (size_t j = i; j > 0 && out->used[j] < out->used[j - 1]; j--) {
            size_t swap = out->used[j];
            out->used[j] = out->used[j - 1];
            out->used[j - 1] = swap;
        }
}

static bool is_used(const glim_local *out, size_t i) {
    for (size_t k = 0; k < out->n; k++)
        if (out->used[k] == i)
            return true;
    return false;
}

/* What the unregularised fit on used[0 .. n) explains. */
static double explained(const glim_moments *m, const size_t *used, size_t n, double *a, double *x) {
    double sum = 0;
    if (!ridge(m, used, n, 0, a, x))
        return -INFINITY; /* tells nothing that the others do not */
    for (size_t i = 0; i < n; i++)
        sum += x[i] * m->cross[used[i]];
    return sum;
}

static void choose_forward(glim_local *out, const glim_moments *m, size_t most, double *a) {
    double *x = a + m->d * m->d;
    out->n = 0;
    while (out->n < most) {
        size_t best = SIZE_MAX;
        double top = -INFINITY;
        for (size_t i = 0; i < m->d; i++) {
            if (is_used(out, i))
                continue;
            out->used[out->n] = i;
            double r = explained(m, out->used, out->n + 1, a, x);
            if (r > top) {
                top = r;
                best = i;
            }
        }
        if (best == SIZE_MAX)
            break;
        out->used[out->n++] = best;
    }
}

static void choose_highest(glim_local *out, const glim_moments *m, size_t most, const double *input,
                           double *a) {
    double *x = a + m->d * m->d;
    for (size_t i = 0; i < m->d; i++)
        out->used[i] = i;
    bool ok = ridge(m, out->used, m->d, 0.01, a, x);
    for (size_t i = 0; i < m->d && input; i++)
        x[i] *= input[i];
    out->n = 0;
    while (out->n < most && ok) {
        size_t best = SIZE_MAX;
        for (size_t i = 0; i < m->d; i++)
            if (!isnan(x[i]) && (best == SIZE_MAX || fabs(x[i]) > fabs(x[best])))
                best = i;
        out->used[out->n++] = best;
        x[best] = NAN;
    }
}

/* ---- the lasso path, by least angles (Efron, Hastie, Johnstone, Tibshirani 2004) ---- */

struct path {
    const glim_moments *m;
    glim_local *set; /* the active features */
    double *a, *x;   /* room of the system */
    double *beta, *correlation, *along;
    double *sign; /* (d): 0 = not active */
};

/* The direction of equal angles: a x = sign, on the active set. */
static bool direction(struct path *p) {
    size_t n = p->set->n, d = p->m->d;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j <= i; j++)
            p->a[i * n + j] = p->m->gram[p->set->used[i] * p->m->ld + p->set->used[j]];
        p->x[i] = p->sign[p->set->used[i]];
    }
    if (!glim__cholesky(p->a, n))
        return false;
    glim__cholesky_solve(p->a, n, p->x);
    for (size_t i = 0; i < d; i++) {
        p->along[i] = 0;
        for (size_t k = 0; k < n; k++)
            p->along[i] += p->m->gram[i * p->m->ld + p->set->used[k]] * p->x[k];
    }
    return true;
}

/* How far the direction goes until a feature joins, or (*leaves) one is zero. */
static double step_length(const struct path *p, double top, size_t *leaves) {
    double step = top;
    *leaves = SIZE_MAX;
    for (size_t i = 0; i < p->m->d; i++) {
        if (p->sign[i] != 0)
            continue;
        double down = (top - p->correlation[i]) / (1 - p->along[i]);
        double up = (top + p->correlation[i]) / (1 + p->along[i]);
        if (1 - p->along[i] > 1e-12 && down > 1e-14 * top && down < step)
            step = down;
        if (1 + p->along[i] > 1e-12 && up > 1e-14 * top && up < step)
            step = up;
    }
    for (size_t k = 0; k < p->set->n; k++) {
        double zero = -p->beta[p->set->used[k]] / p->x[k];
        if (zero > 1e-14 * top && zero < step) {
            step = zero;
            *leaves = k;
        }
    }
    return step;
}

static void walk(struct path *p, double step) {
    for (size_t k = 0; k < p->set->n; k++)
        p->beta[p->set->used[k]] += step * p->x[k];
    for (size_t i = 0; i < p->m->d; i++)
        p->correlation[i] -= step * p->along[i];
}

/* The nonzero coefficients of this step, when they are few enough, into `used`. */
static size_t note_step(const struct path *p, size_t most, size_t *used) {
    size_t n = 0;
    for (size_t i = 0; i < p->m->d; i++)
        n += p->beta[i] != 0;
    if (n > most)
        return SIZE_MAX;
    n = 0;
    for (size_t i = 0; i < p->m->d; i++)
        if (p->beta[i] != 0)
            used[n++] = i;
    return n;
}

/* found (d): room for the answer, which is put into out at the end. */
static void choose_lasso(glim_local *out, const glim_moments *m, size_t most, double *a,
                         size_t *found) {
    size_t d = m->d, n_found = 0;
    struct path p = {.m = m,
                     .set = out,
                     .a = a,
                     .x = a + d * d,
                     .beta = a + d * d + d,
                     .correlation = a + d * d + 2 * d,
                     .along = a + d * d + 3 * d,
                     .sign = a + d * d + 4 * d};
    memset(p.beta, 0, d * sizeof *p.beta);
    memset(p.sign, 0, d * sizeof *p.sign);
    memcpy(p.correlation, m->cross, d * sizeof *p.correlation);
    out->n = 0;
    double first = 0;
    size_t gone = SIZE_MAX;
    for (size_t turn = 0; turn < 8 * d; turn++) {
        size_t joins = SIZE_MAX;
        double top = 0;
        for (size_t i = 0; i < d; i++) {
            double c = fabs(p.correlation[i]);
            top = c > top ? c : top;
            if (p.sign[i] == 0 && i != gone &&
                (joins == SIZE_MAX || c > fabs(p.correlation[joins])))
                joins = i;
        }
        first = turn ? first : top;
        if (top <= 1e-12 * first || top == 0)
            break;
        if (joins != SIZE_MAX && fabs(p.correlation[joins]) >= top * (1 - 1e-10)) {
            p.sign[joins] = p.correlation[joins] > 0 ? 1 : -1;
            out->used[out->n++] = joins;
        }
        if (!out->n)
            break;
        if (!direction(&p)) { /* a feature that the others tell already */
            out->n--;
            break;
        }
        size_t leaves;
        walk(&p, step_length(&p, top, &leaves));
        gone = SIZE_MAX;
        if (leaves != SIZE_MAX) {
            gone = out->used[leaves];
            p.beta[gone] = p.sign[gone] = 0;
            memmove(out->used + leaves, out->used + leaves + 1,
                    (out->n - leaves - 1) * sizeof *out->used);
            out->n--;
        }
        size_t n = note_step(&p, most, found);
        n_found = n == SIZE_MAX ? n_found : n;
    }
    out->n = n_found;
    memcpy(out->used, found, n_found * sizeof *found);
}

void glim__local_choose(glim_local *out, const glim_moments *m, glim_lime_select how, size_t most,
                        const double *input, double *scratch) {
    most = most < m->d ? most : m->d;
    if (how == GLIM_SELECT_AUTO)
        how = most <= 6 ? GLIM_SELECT_FORWARD : GLIM_SELECT_HIGHEST;
    if (how == GLIM_SELECT_NONE) {
        for (out->n = 0; out->n < m->d; out->n++)
            out->used[out->n] = out->n;
        return;
    }
    if (how == GLIM_SELECT_FORWARD)
        choose_forward(out, m, most, scratch);
    else if (how == GLIM_SELECT_HIGHEST)
        choose_highest(out, m, most, input, scratch);
    else
        choose_lasso(out, m, most, scratch, out->used + m->d);
    sort_used(out);
}

bool glim__local_fit(glim_local *out, const glim_moments *m, double alpha, double *scratch) {
    double sum = 0;
    if (!ridge(m, out->used, out->n, alpha, scratch, out->coefficient))
        return false;
    out->intercept = m->mean_y;
    for (size_t i = 0; i < out->n; i++) {
        double b = out->coefficient[i];
        out->intercept -= b * m->mean[out->used[i]];
        sum += 2 * b * m->cross[out->used[i]];
        for (size_t j = 0; j < out->n; j++)
            sum -= b * out->coefficient[j] * m->gram[out->used[i] * m->ld + out->used[j]];
    }
    out->r2 = m->var_y > 0 ? sum / m->var_y : NAN;
    return true;
}
