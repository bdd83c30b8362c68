/* SPDX-License-Identifier: Apache-2.0 */
/*
 * More than two classes. With U = I (x) x, S = U'H^-1 U and M the second derivative of the
 * loss by the logits, leaving a sample out moves the weights by one Newton step of
 *
 *   H^-1 U v,  v = (I - M S)^-1 g,  g = p - onehot(y)
 *
 * whose size by H is v'S v: Cook's distance times the number of free coefficients. The
 * leverage is the trace of M S; they sum to that number.
 */
#include "influence/diagnostics.h"

#include <math.h>
#include <string.h>

enum { LEVERAGE, PROBABILITY, PEARSON, DEVIANCE, COOK, LOSS, COLUMNS };

struct diagnosing {
    glim_diagnosis d;
    glim_head h;
    glim_head_block b;
    double *s;    /* (256, O, O) */
    double *work; /* (O, O + 1): I - M S, and g beside */
};

/* v = (I - M S)^-1 g by elimination with pivots; false when it is singular. */
static bool solve_small(double *a, size_t O) {
    size_t ld = O + 1;
    for (size_t c = 0; c < O; c++) {
        size_t best = c;
        for (size_t r = c + 1; r < O; r++)
            best = fabs(a[r * ld + c]) > fabs(a[best * ld + c]) ? r : best;
        if (!(fabs(a[best * ld + c]) > 1e-12))
            return false;
        for (size_t k = 0; k < ld; k++) {
            double keep = a[c * ld + k];
            a[c * ld + k] = a[best * ld + k];
            a[best * ld + k] = keep;
        }
        for (size_t r = 0; r < O; r++) {
            double by = r == c ? 0 : a[r * ld + c] / a[c * ld + c];
            for (size_t k = c; k < ld && r != c; k++)
                a[r * ld + k] -= by * a[c * ld + k];
        }
    }
    for (size_t r = 0; r < O; r++)
        a[r * ld + O] /= a[r * ld + r];
    return true;
}

/* The size of the step, v'S v; *leverage is the trace of M S. */
static double step_size(struct diagnosing *d, size_t i, double *leverage) {
    size_t O = d->h.O, ld = O + 1;
    const double *m = d->b.m + i * O * O, *s = d->s + i * O * O, *g = d->b.g + i * O;
    double *a = d->work, size = 0;
    *leverage = 0;
    for (size_t k = 0; k < O; k++) {
        for (size_t l = 0; l < O; l++) {
            double sum = 0;
            for (size_t t = 0; t < O; t++)
                sum += m[k * O + t] * s[t * O + l];
            a[k * ld + l] = (k == l) - sum;
            *leverage += k == l ? sum : 0;
        }
        a[k * ld + O] = g[k];
    }
    if (!solve_small(a, O))
        return NAN;
    for (size_t k = 0; k < O; k++)
        for (size_t l = 0; l < O; l++)
            size += a[k * ld + O] * s[k * O + l] * a[l * ld + O];
    return size;
}

static glim_status block(void *data, size_t first, size_t count, double *x, double *y,
                         glim_error *err) {
    struct diagnosing *d = data;
    size_t O = d->h.O;
    glim__head_look(&d->h, &d->b, count, x, y);
    glim_status status = glim__head_curvature(&d->h, &d->b, d->s, err);
    for (size_t i = 0; i < count && !status; i++) {
        double *v = d->d.values + i * COLUMNS, chi = 0, h;
        const double *g = d->b.g + i * O;
        size_t own = (size_t)y[i];
        double size = step_size(d, i, &h);
        for (size_t k = 0; k < O; k++)
            chi += g[k] * g[k] / (k == own ? 1 + g[k] : g[k]);
        bool free = glim__diagnosis_free(&d->d, h / (double)(O - 1));
        d->d.leverage_sum += h - h / (double)(O - 1);
        v[LEVERAGE] = h;
        v[PROBABILITY] = 1 + g[own];
        v[PEARSON] = sqrt(chi);
        v[DEVIANCE] = sqrt(2 * d->b.loss[i]);
        v[COOK] = free ? size / d->d.df : NAN;
        v[LOSS] = d->b.loss[i];
    }
    return status ? status : glim__diagnosis_put(&d->d, first, count, err);
}

static glim_status begin(struct diagnosing *d, const glim_influence_work *w,
                         const glim_influence_out *out, double df, glim_error *err) {
    double n = (double)w->n;
    const glim_influence_column columns[COLUMNS] = {
        [LEVERAGE] = {"leverage", GLIM_NO_QUERY, 2 * df / n, false},
        [PROBABILITY] = {"probability", GLIM_NO_QUERY, NAN, false},
        [PEARSON] = {"pearson-residual", GLIM_NO_QUERY, NAN, false},
        [DEVIANCE] = {"deviance-residual", GLIM_NO_QUERY, NAN, false},
        [COOK] = {"cooks-distance", GLIM_NO_QUERY, 4 / n, false},
        [LOSS] = {"loss", GLIM_NO_QUERY, NAN, false},
    };
    glim_status status = glim__diagnosis_init(&d->d, w, out, columns, COLUMNS, 0, err);
    d->d.df = df;
    return status ? status : glim__diagnosis_begin(&d->d, err);
}

static glim_status prepare(struct diagnosing *d, double *df, glim_error *err) {
    const glim_influence_work *w = d->d.w;
    size_t steps, O = d->h.O;
    bool best = glim__tell_optimum(&d->h, 1, d->d.out->doc);
    glim_status status = best ? glim__head_polish(&d->h, &steps, err) : GLIM_OK;
    if (!status)
        status = glim__head_factor(&d->h, -1, err);
    double *deviations = glim__calloc(w->ctx, d->h.dim, sizeof *deviations);
    d->s = glim__calloc(w->ctx, GLIM_FEATURES_BLOCK, O * O * sizeof *d->s);
    d->work = glim__calloc(w->ctx, O, (O + 1) * sizeof *d->work);
    if (!status && (!deviations || !d->s || !d->work))
        status = glim__oom(w->ctx, err, "a block of samples", O * O * GLIM_FEATURES_BLOCK * 8);
    if (!status)
        status = glim__head_block_init(&d->b, &d->h, err);
    if (!status)
        status = glim__head_deviations(&d->h, deviations, err);
    if (!status)
        *df = glim__head_free(&d->h, deviations);
    if (d->h.damping > 0)
        glim_document_note(d->d.out->doc, "the Hessian is damped by %.3g", d->h.damping);
    glim__free(w->ctx, deviations);
    return status;
}

glim_status glim__diagnose_classes(const glim_influence_work *w, const glim_influence_out *out,
                                   glim_error *err) {
    struct diagnosing d = {.d = {.w = w, .out = out}};
    double df = 0;
    glim__progress_begin(w->ctx, "diagnose samples", 8 * w->n);
    glim_status status = glim__head_init(&d.h, w->ctx, w->head, w->train, err);
    if (!status)
        status = prepare(&d, &df, err);
    if (!status)
        status = begin(&d, w, out, df, err);
    if (!status)
        status = glim__features_each(w->ctx, w->train, block, &d, err);
    if (!status)
        glim__diagnosis_judge(&d.d);
    glim__progress_end(w->ctx);
    glim__free(w->ctx, d.s);
    glim__free(w->ctx, d.work);
    if (d.h.ctx)
        glim__head_block_release(&d.b, &d.h);
    glim__diagnosis_release(&d.d);
    glim__head_release(&d.h);
    return status;
}
