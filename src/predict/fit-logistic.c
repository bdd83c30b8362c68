/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logistic models by libLBFGS. A fit ends when the largest slope of the mean loss is
 * below the tolerance: unlike a change of the loss, that bounds how far the weights
 * are from the best ones. With an L1 part the slope is the one that OWL-QN follows,
 * 0 where a weight of 0 is held there by the penalty. Near the end rounding may refuse
 * a step; then what has been reached is judged by its slope, too.
 *
 * With a basis the steps are in other coordinates u, W = U diag(s) Q, Q being eigenvectors of the
 * features' correlations with values v, and s_j = (c v_j + l2)^-1/2: about the root of the
 * inverse Hessian, c standing for p (1 - p). The minimum is the same, and slopes are measured
 * in W all the same.
 */
#include "predict/fit.h"
#include "tensor/kernels.h"

#include <lbfgs.h>
#include <limits.h>
#include <math.h>
#include <string.h>

enum { MEMORY = 10 };

static const double NEAR = 1e-5;

struct run {
    glim_fit_problem *p;
    double *w, *g, *half; /* with a basis: weights, their gradient, U diag(s) */
    double *stretch;      /* (P + 1) s, and that of the bias */
    double tolerance;
    size_t earlier; /* iterations of the first part */
    glim_fit_end end;
    glim_status status;
    glim_error *err;
};

/* The largest slope; a weight with an L1 part may stay at 0. */
static double largest_slope(const glim_fit_problem *p, const double *x, const double *g) {
    size_t weights = p->O * p->P;
    double most = 0;
    for (size_t i = 0; i < weights + p->O; i++) {
        double slope = g[i];
        if (i < weights && p->l1 > 0) {
            if (x[i] != 0)
                slope += x[i] > 0 ? p->l1 : -p->l1;
            else
                slope = fabs(slope) > p->l1 ? fabs(slope) - p->l1 : 0;
        }
        most = fabs(slope) > most ? fabs(slope) : most;
    }
    return most;
}

/* ---- coordinates ---- */

static void make_stretch(struct run *r) {
    const glim_fit_problem *p = r->p;
    double K = p->O > 1 ? (double)p->O : 2, c = 0.7 * (K - 1) / (K * K);
    for (size_t j = 0; j < p->P; j++)
        r->stretch[j] = 1 / sqrt(c * fmax(p->basis->values[j], 0) + p->l2 + 1e-9);
    r->stretch[p->P] = 1 / sqrt(c);
}

struct turning {
    const glim_fit_problem *p;
    const double *a, *m;
    double *out;
};

enum { STRIP = 192 };

static void turn_strip(void *data, size_t item, int worker) {
    const struct turning *s = data;
    size_t P = s->p->P, first = item * STRIP, n = P - first < STRIP ? P - first : STRIP;
    ptrdiff_t ld = (ptrdiff_t)P;
    glim__kernels(s->p->ctx)->tile_f64((int)s->p->O, (int)n, P, s->a, ld, 1, s->m + first, ld,
                                       s->out + first, ld, false);
}

/* out (O, P) = a (O, P) m (P, P) */
static void turn(const glim_fit_problem *p, const double *a, const double *m, double *out) {
    struct turning s = {p, a, m, out};
    glim__parallel(p->ctx, (p->P + STRIP - 1) / STRIP, turn_strip, &s);
}

static void to_weights(struct run *r, const double *u, double *w) {
    const glim_fit_problem *p = r->p;
    for (size_t k = 0; k < p->O; k++)
        for (size_t j = 0; j < p->P; j++)
            r->half[k * p->P + j] = u[k * p->P + j] * r->stretch[j];
    turn(p, r->half, p->basis->vectors, w);
    for (size_t k = 0; k < p->O; k++)
        w[p->O * p->P + k] = u[p->O * p->P + k] * r->stretch[p->P];
}

/* The transpose of that (of gradients), or its inverse (of weights). */
static void from_weights(struct run *r, const double *w, double *u, bool inverse) {
    const glim_fit_problem *p = r->p;
    turn(p, w, p->basis->turned, u);
    for (size_t i = 0; i < p->O * (p->P + 1); i++) {
        double s = r->stretch[i < p->O * p->P ? i % p->P : p->P];
        double from = i < p->O * p->P ? u[i] : w[i];
        u[i] = inverse ? from / s : from * s;
    }
}

/* ---- steps ---- */

static lbfgsfloatval_t evaluate(void *data, const lbfgsfloatval_t *x, lbfgsfloatval_t *g, int n,
                                lbfgsfloatval_t step) {
    struct run *r = data;
    (void)n;
    (void)step;
    if (r->p->basis)
        to_weights(r, x, r->w);
    const double *w = r->p->basis ? r->w : x;
    double *own = r->p->basis ? r->g : g, loss = glim__fit_loss(r->p, w, own);
    r->end.slope = largest_slope(r->p, w, own); /* of the start, when no step is taken */
    if (r->p->basis)
        from_weights(r, own, g, false);
    return loss;
}

static int after_step(void *data, const lbfgsfloatval_t *x, const lbfgsfloatval_t *g,
                      lbfgsfloatval_t fx, lbfgsfloatval_t xnorm, lbfgsfloatval_t gnorm,
                      lbfgsfloatval_t step, int n, int k, int evaluations) {
    struct run *r = data;
    (void)fx;
    (void)xnorm;
    (void)gnorm;
    (void)step;
    (void)n;
    (void)evaluations;
    r->end.iterations = r->earlier + (size_t)k;
    if (!r->p->basis) /* else that of the last evaluation, which was here */
        r->end.slope = largest_slope(r->p, x, g);
    r->end.converged = r->end.slope <= r->tolerance;
    r->status = glim__check_cancel(r->p->ctx, r->err);
    return r->status || r->end.converged;
}

/* What the library takes for itself: the history and some vectors. */
static uint64_t library_bytes(size_t n) {
    return (2 * MEMORY + 8) * (n + 16) * sizeof(double);
}

static glim_status minimise(struct run *r, const glim_fit_options *o, double *w, size_t n) {
    lbfgs_parameter_t how;
    lbfgs_parameter_init(&how);
    how.m = MEMORY;
    how.epsilon = 0; /* the slope decides, in after_step */
    size_t left = o->max_iterations > r->earlier ? o->max_iterations - r->earlier : 1;
    how.max_iterations = (int)(left < INT_MAX ? left : INT_MAX);
    if (r->p->l1 > 0) {
        how.orthantwise_c = r->p->l1;
        how.orthantwise_end = (int)(r->p->O * r->p->P);
        how.linesearch = LBFGS_LINESEARCH_BACKTRACKING;
    }
    double *x = lbfgs_malloc((int)n); /* aligned and padded */
    if (!x)
        return glim_fail(r->err, GLIM_ENOMEM, "out of memory: the fit");
    if (r->p->basis)
        from_weights(r, w, x, true);
    else
        memcpy(x, w, n * sizeof *x);
    int code = lbfgs((int)n, x, NULL, evaluate, after_step, r, &how);
    if (r->p->basis)
        to_weights(r, x, w);
    else
        memcpy(w, x, n * sizeof *x);
    lbfgs_free(x);
    if (r->status)
        return r->status;
    if (code == LBFGSERR_OUTOFMEMORY)
        return glim_fail(r->err, GLIM_ENOMEM, "out of memory: the fit");
    return GLIM_OK;
}

/* The slope at what was kept, which after a refused step is the step before. */
static void judge(struct run *r, const double *w, double *g) {
    glim__fit_loss(r->p, w, g);
    r->end.slope = largest_slope(r->p, w, g);
    r->end.converged = r->end.slope <= r->tolerance;
}

glim_status glim__fit_logistic(glim_fit_problem *p, const glim_fit_options *o, double *w,
                               glim_fit_end *end, glim_error *err) {
    size_t n = p->O * p->P + p->O;
    struct run r = {.p = p, .tolerance = o->tolerance, .err = err};
    if (n > INT_MAX / 2)
        return glim_fail(err, GLIM_ELIMIT, "%zu weights are more than the optimiser takes", n);
    size_t more = p->basis ? 3 * n + p->P + 1 + 16 : 0;
    double *g = glim__calloc(p->ctx, n + more, sizeof *g);
    uint64_t bytes = library_bytes(n);
    if (g && p->basis) {
        r.w = g + n;
        r.g = r.w + n;
        r.half = r.g + n;
        r.stretch = r.half + n;
        make_stretch(&r);
    }
    if (!g || !glim__reserve(p->ctx, bytes)) {
        glim__free(p->ctx, g);
        return glim__oom(p->ctx, err, "the fit", bytes);
    }
    glim_status status = GLIM_OK;
    p->quick = glim__fit_quick(p);
    if (p->quick) { /* as far as floats go */
        r.tolerance = o->tolerance > NEAR ? o->tolerance : NEAR;
        status = minimise(&r, o, w, n);
        r.earlier = r.end.iterations;
        r.tolerance = o->tolerance;
        p->quick = false;
        judge(&r, w, g);
    }
    if (!status && !(r.earlier && r.end.converged)) {
        status = minimise(&r, o, w, n);
        judge(&r, w, g);
    }
    glim__unreserve(p->ctx, bytes);
    glim__free(p->ctx, g);
    *end = r.end;
    return status;
}
