/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fitting without a table in memory. A linear model follows from the triangle of its rows. A
 * logistic one takes Newton steps from 0, a step back by half where the loss has grown; where
 * the Hessian has no inverse (columns that depend on each other, no penalty) a little is added
 * to its diagonal, which changes the way, not the end. Many weights go by L-BFGS instead, since
 * the Hessian has their square.
 */
#include "influence/head-fit.h"
#include "base/solve.h"
#include "influence/dense.h"
#include "influence/head.h"
#include "influence/least-squares.h"

#include <lbfgs.h>
#include <math.h>
#include <string.h>

enum { MOST_NEWTON = 512, MOST_STEPS = 100, MOST_DESCENTS = 1000, MEMORY = 10 };
static const double ENOUGH = 1e-9; /* of the largest slope, a sample */

/* ---- classes ---- */

struct counting {
    const glim_linear *l;
    size_t *of;
};

static glim_status count(void *data, size_t first, size_t n, double *x, double *y,
                         glim_error *err) {
    struct counting *c = data;
    for (size_t i = 0; i < n; i++)
        c->of[(size_t)y[i]]++;
    return GLIM_OK;
}

static glim_status check_classes(const glim_linear *l, const glim_features *f, glim_error *err) {
    struct counting c = {l, glim__calloc(l->ctx, l->info.n_classes, sizeof *c.of)};
    glim_status status = c.of ? glim__features_each(l->ctx, f, count, &c, err)
                              : glim__oom(l->ctx, err, "the classes", l->info.n_classes * 8);
    for (size_t k = 0; k < l->info.n_classes && !status; k++)
        if (!c.of[k])
            status = glim_fail(err, GLIM_EUSAGE,
                               "class '%.60s' has no row that could be used; each class needs one",
                               l->info.classes[k]);
    glim__free(l->ctx, c.of);
    return status;
}

/* ---- Newton ---- */

struct stepping {
    glim_head *h;
    double *slope, *before; /* before: the weights of the last good step */
    double *hessian, *factor;
    double loss, last;
};

static double largest(const double *x, size_t n) {
    double most = 0;
    for (size_t i = 0; i < n; i++)
        most = fabs(x[i]) > most ? fabs(x[i]) : most;
    return most;
}

/* The factor of the Hessian, with more and more on its diagonal until there is one. */
static glim_status factor(struct stepping *s, glim_error *err) {
    size_t n = s->h->dim;
    double mean = 0, damping = 0;
    bool positive = false;
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < n; i++)
        mean += s->hessian[i * n + i] / (double)n;
    for (int k = 0; k < 8 && !positive && !status; k++) {
        memcpy(s->factor, s->hessian, n * n * sizeof *s->factor);
        for (size_t i = 0; i < n; i++)
            s->factor[i * n + i] += damping;
        status = glim__dense_cholesky(s->h->ctx, s->factor, n, &positive, err);
        damping = damping > 0 ? 10 * damping : 1e-8 * (mean > 0 ? mean : 1);
    }
    if (!status && !positive)
        return glim_fail(err, GLIM_ENUMERIC,
                         "the fit has no next step: features are too large or too small (scale "
                         "them, or a --strength above 0)");
    return status;
}

static glim_status newton(struct stepping *s, double *w, glim_error *err) {
    glim_head *h = s->h;
    size_t n = h->dim;
    glim_status status = GLIM_OK;
    s->last = INFINITY;
    for (int i = 0; i < MOST_STEPS && !status; i++) {
        glim_head_terms t = {.slope = s->slope, .hessian = s->hessian};
        status = glim__head_terms(h, w, NULL, &t, err);
        if (status)
            break;
        if (t.loss > s->last + 1e-12 * fabs(s->last)) {
            for (size_t j = 0; j < n; j++)
                w[j] = (w[j] + s->before[j]) / 2;
            continue;
        }
        if (largest(s->slope, n) <= ENOUGH * (double)h->f->n)
            break;
        s->last = t.loss;
        memcpy(s->before, w, n * sizeof *w);
        status = factor(s, err);
        if (status)
            break;
        glim__cholesky_solve(s->factor, n, s->slope);
        for (size_t j = 0; j < n; j++)
            w[j] -= s->slope[j];
    }
    return status;
}

static glim_status by_newton(glim_head *h, double *w, glim_error *err) {
    size_t n = h->dim;
    struct stepping s = {.h = h};
    s.slope = glim__calloc(h->ctx, 2 * n, sizeof *s.slope);
    s.hessian = glim__calloc(h->ctx, n, n * sizeof *s.hessian);
    s.factor = glim__calloc(h->ctx, n, n * sizeof *s.factor);
    s.before = s.slope ? s.slope + n : NULL;
    glim_status status = s.slope && s.hessian && s.factor
                             ? newton(&s, w, err)
                             : glim__oom(h->ctx, err, "the fit", 2 * n * n * 8);
    glim__free(h->ctx, s.slope);
    glim__free(h->ctx, s.hessian);
    glim__free(h->ctx, s.factor);
    return status;
}

/* ---- L-BFGS ---- */

struct descent {
    glim_head *h;
    glim_status status;
    glim_error *err;
};

static lbfgsfloatval_t evaluate(void *data, const lbfgsfloatval_t *x, lbfgsfloatval_t *g, int n,
                                lbfgsfloatval_t step) {
    struct descent *d = data;
    glim_head_terms t = {.slope = g};
    (void)n;
    (void)step;
    if (!d->status)
        d->status = glim__head_terms(d->h, x, NULL, &t, d->err);
    return d->status ? NAN : t.loss;
}

static int after_step(void *data, const lbfgsfloatval_t *x, const lbfgsfloatval_t *g,
                      lbfgsfloatval_t fx, lbfgsfloatval_t xnorm, lbfgsfloatval_t gnorm,
                      lbfgsfloatval_t step, int n, int k, int evaluations) {
    const struct descent *d = data;
    (void)x;
    (void)fx;
    (void)xnorm;
    (void)gnorm;
    (void)step;
    (void)k;
    (void)evaluations;
    return d->status || largest(g, (size_t)n) <= ENOUGH * (double)d->h->f->n;
}

static glim_status by_descent(glim_head *h, double *w, glim_error *err) {
    size_t n = h->dim;
    uint64_t bytes = (2 * MEMORY + 8) * (n + 16) * sizeof(double); /* of the library */
    struct descent d = {.h = h, .err = err};
    lbfgs_parameter_t how;
    lbfgs_parameter_init(&how);
    how.m = MEMORY;
    how.epsilon = 0; /* the slope decides, in after_step */
    how.max_iterations = MOST_DESCENTS;
    if (n > INT32_MAX / 2)
        return glim_fail(err, GLIM_ELIMIT, "%zu weights are more than the optimiser takes", n);
    if (!glim__reserve(h->ctx, bytes))
        return glim__oom(h->ctx, err, "the fit", bytes);
    double *x = lbfgs_malloc((int)n); /* aligned and padded */
    int code = LBFGSERR_OUTOFMEMORY;
    if (x) {
        memcpy(x, w, n * sizeof *x);
        code = lbfgs((int)n, x, NULL, evaluate, after_step, &d, &how);
        memcpy(w, x, n * sizeof *x);
        lbfgs_free(x);
    }
    glim__unreserve(h->ctx, bytes);
    if (!d.status && code == LBFGSERR_OUTOFMEMORY)
        return glim_fail(err, GLIM_ENOMEM, "out of memory: the fit");
    return d.status;
}

/* ---- both ---- */

static glim_status fit_classes(glim_linear *l, const glim_features *f, glim_error *err) {
    glim_head h = {0};
    double *w = NULL;
    glim_status status = check_classes(l, f, err);
    if (!status)
        status = glim__standardise(l, f, err);
    if (!status)
        status = glim__head_init(&h, l->ctx, l, f, err);
    if (!status && !(w = glim__calloc(l->ctx, h.dim, sizeof *w)))
        status = glim__oom(l->ctx, err, "the fit", h.dim * 8);
    if (!status)
        status = h.dim <= MOST_NEWTON ? by_newton(&h, w, err) : by_descent(&h, w, err);
    for (size_t k = 0; k < h.O && !status; k++) {
        memcpy(l->weights + k * h.P, w + k * h.p, h.P * sizeof *w);
        l->bias[k] = w[k * h.p + h.P];
    }
    glim__free(l->ctx, w);
    glim__head_release(&h);
    return status;
}

glim_status glim__head_fit(glim_linear *l, const glim_features *f, double strength,
                           glim_error *err) {
    l->info.strength = strength;
    l->info.rows = f->n;
    if (l->info.kind == GLIM_FIT_LINEAR)
        return glim__least_squares(l, f, strength, err);
    return fit_classes(l, f, err);
}
