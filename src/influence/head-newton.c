/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slope, Hessian and refits of a head. The Hessian is summed block by block: of 256
 * samples a tile of 12 rows is one product, half of them, since it is symmetric.
 *
 * A refit without some samples begins at the weights of all and takes Newton steps with
 * the Hessian that it began with, less those samples' part; that matrix is near the right
 * one as long as few samples go. When a step does not lower the slope enough the Hessian is
 * summed anew where it stands.
 */
#include "influence/dense.h"
#include "influence/head.h"
#include "base/solve.h"
#include "tensor/kernels.h"

#include <math.h>
#include <string.h>

enum { STRIP = 12 };
static const double AT_OPTIMUM = 1e-6; /* of the slope, a sample */

struct summing {
    glim_head *h;
    glim_head_block block;
    const uint8_t *keep;
    glim_head_terms *out;
    double *scaled; /* (256, ld): a block's x times its M_kl */
    size_t k, l;
};

/* ---- sums over samples ---- */

static void sum_strip(void *data, size_t item, int worker) {
    struct summing *s = data;
    const glim_head *h = s->h;
    size_t from = item * STRIP, rows = h->p - from < STRIP ? h->p - from : STRIP;
    size_t column = from / GLIM_HEAD_VECTOR * GLIM_HEAD_VECTOR, ld = h->ld;
    double *at = s->out->hessian + (s->k * h->p + from) * h->dim + s->l * h->p + column;
    glim__kernels(h->ctx)->tile_f64((int)rows, (int)(h->p - column), s->block.count,
                                    s->block.x + from, 1, (ptrdiff_t)ld, s->scaled + column,
                                    (ptrdiff_t)ld, at, (ptrdiff_t)h->dim, true);
}

static void add_hessian(struct summing *s) {
    const glim_head *h = s->h;
    size_t O = h->O;
    for (s->k = 0; s->k < O; s->k++)
        for (s->l = s->k; s->l < O; s->l++) {
            for (size_t i = 0; i < s->block.count; i++) {
                double m = s->block.m[(i * O + s->k) * O + s->l];
                for (size_t j = 0; j < h->ld; j++)
                    s->scaled[i * h->ld + j] = m * s->block.x[i * h->ld + j];
            }
            glim__parallel(h->ctx, (h->p + STRIP - 1) / STRIP, sum_strip, s);
        }
}

static void add_slope(struct summing *s) {
    const glim_head *h = s->h;
    for (size_t i = 0; i < s->block.count; i++)
        for (size_t k = 0; k < h->O; k++) {
            double g = s->block.g[i * h->O + k];
            const double *x = s->block.x + i * h->ld;
            for (size_t j = 0; j < h->p; j++)
                s->out->slope[k * h->p + j] += g * x[j];
        }
}

/* Samples that do not count, or that have no label, have no terms. */
static glim_status add_block(void *data, size_t first, size_t count, double *x, double *y,
                             glim_error *err) {
    struct summing *s = data;
    const glim_head *h = s->h;
    size_t O = h->O;
    glim__head_look(h, &s->block, count, x, y);
    for (size_t i = 0; i < count; i++) {
        if (h->logistic && !isnan(y[i]) && !(y[i] >= 0 && y[i] < (double)h->K))
            return glim_fail(err, GLIM_EUSAGE, "sample %zu has a class that the model has not",
                             first + i + 1);
        if ((!s->keep || s->keep[first + i]) && !isnan(y[i])) {
            s->out->loss += s->block.loss[i];
            continue;
        }
        memset(s->block.g + i * O, 0, O * sizeof(double));
        memset(s->block.m + i * O * O, 0, O * O * sizeof(double));
    }
    if (s->out->slope)
        add_slope(s);
    if (s->out->hessian)
        add_hessian(s);
    return GLIM_OK;
}

/* Only the upper halves of blocks k <= l have been summed. */
static void complete(const glim_head *h, double *H) {
    size_t p = h->p, n = h->dim;
    for (size_t k = 0; k < h->O; k++)
        for (size_t l = k; l < h->O; l++)
            for (size_t i = 0; i < p; i++)
                for (size_t j = i; j < p; j++) {
                    double v = H[(k * p + i) * n + l * p + j];
                    H[(k * p + j) * n + l * p + i] = v;
                    H[(l * p + i) * n + k * p + j] = v;
                    H[(l * p + j) * n + k * p + i] = v;
                }
}

/* The penalty, and for a softmax something along what all classes have in common. */
static void add_penalty(const glim_head *h, const double *w, glim_head_terms *t) {
    size_t p = h->p, n = h->dim, O = h->O;
    for (size_t k = 0; k < O; k++)
        for (size_t j = 0; j < h->P; j++) {
            size_t at = k * p + j;
            t->loss += h->strength / 2 * w[at] * w[at];
            if (t->slope)
                t->slope[at] += h->strength * w[at];
            if (t->hessian)
                t->hessian[at * n + at] += h->strength;
        }
    for (size_t j = 0; t->hessian && O > 1 && j < p; j++) {
        double size = 0;
        for (size_t k = 0; k < O; k++)
            size += t->hessian[(k * p + j) * n + k * p + j];
        size = size > 0 ? size / (double)(O * O) : 1;
        for (size_t k = 0; k < O * O; k++)
            t->hessian[(k / O * p + j) * n + k % O * p + j] += size;
    }
}

glim_status glim__head_terms(glim_head *h, const double *w, const uint8_t *keep,
                             glim_head_terms *out, glim_error *err) {
    struct summing s = {.h = h, .keep = keep, .out = out};
    size_t room = GLIM_FEATURES_BLOCK * h->ld + GLIM_HEAD_VECTOR;
    out->loss = 0;
    if (out->slope)
        memset(out->slope, 0, h->dim * sizeof *out->slope);
    if (out->hessian)
        memset(out->hessian, 0, h->dim * h->dim * sizeof *out->hessian);
    glim_status status = glim__head_block_init(&s.block, h, err);
    s.scaled = status || !out->hessian ? NULL : glim__calloc(h->ctx, room, sizeof *s.scaled);
    if (!status && out->hessian && !s.scaled)
        status = glim__oom(h->ctx, err, "a block of samples", room * 8);
    glim__head_turn(h, w);
    if (!status)
        status = glim__features_each(h->ctx, h->f, add_block, &s, err);
    if (!status && out->hessian)
        complete(h, out->hessian);
    if (!status)
        add_penalty(h, w, out);
    glim__free(h->ctx, s.scaled);
    glim__head_block_release(&s.block, h);
    return status;
}

/* ---- factors ---- */

static double *matrix(glim_head *h, double *have, glim_error *err, glim_status *status) {
    if (!have && !*status) {
        have = glim__calloc(h->ctx, h->dim, h->dim * sizeof *have);
        if (!have)
            *status = glim__oom(h->ctx, err, "the Hessian", h->dim * h->dim * sizeof *have);
    }
    return have;
}

static double mean_diagonal(const double *a, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i * n + i];
    return sum / (double)n;
}

static glim_status factor_with(glim_head *h, const double *from, double *into, double damping,
                               bool *positive, glim_error *err) {
    memcpy(into, from, h->dim * h->dim * sizeof *into);
    for (size_t i = 0; i < h->dim; i++)
        into[i * h->dim + i] += damping;
    return glim__dense_cholesky(h->ctx, into, h->dim, positive, err);
}

glim_status glim__head_factor(glim_head *h, double damping, glim_error *err) {
    glim_status status = GLIM_OK;
    bool positive = true, had = h->hessian;
    h->hessian = matrix(h, h->hessian, err, &status);
    h->factor = matrix(h, h->factor, err, &status);
    glim_head_terms t = {.hessian = h->hessian};
    if (!status && !had)
        status = glim__head_terms(h, h->w, NULL, &t, err);
    if (status)
        return status;
    double some = 1e-3 * mean_diagonal(h->hessian, h->dim);
    bool plain = h->slope < AT_OPTIMUM;
    h->damping = damping >= 0 ? damping : plain ? 0 : some;
    status = factor_with(h, h->hessian, h->factor, h->damping, &positive, err);
    if (!status && !positive && damping < 0 && h->damping < some) {
        h->damping = some;
        status = factor_with(h, h->hessian, h->factor, h->damping, &positive, err);
    }
    if (!status && !positive)
        return glim_fail(err, GLIM_ENUMERIC,
                         "the second derivative has no inverse at damping %g: features depend on "
                         "each other, or classes are told apart without error (fit with a "
                         "--strength above 0, or take a --damping)",
                         h->damping);
    return status;
}

/* ---- steps ---- */

static double largest(const double *x, size_t n) {
    double most = 0;
    for (size_t i = 0; i < n; i++)
        most = fabs(x[i]) > most ? fabs(x[i]) : most;
    return most;
}

glim_status glim__head_polish(glim_head *h, size_t *steps, glim_error *err) {
    enum { MOST = 8 };
    glim_status status = GLIM_OK;
    bool positive = true;
    double *slope = glim__calloc(h->ctx, 2 * h->dim, sizeof *slope), *next = slope + h->dim;
    *steps = 0;
    if (!slope)
        return glim__oom(h->ctx, err, "a step", h->dim * 16);
    h->hessian = matrix(h, h->hessian, err, &status);
    h->factor = matrix(h, h->factor, err, &status);
    glim_head_terms t = {.slope = slope, .hessian = h->hessian};
    for (size_t i = 0; i < MOST && !status && positive; i++) {
        status = glim__head_terms(h, h->w, NULL, &t, err);
        double now = largest(slope, h->dim) / (double)h->f->n;
        if (status || (i && now >= h->slope / 2))
            break; /* rounding */
        h->slope = now;
        h->loss = t.loss;
        status = factor_with(h, h->hessian, h->factor, 0, &positive, err);
        if (status || !positive || now < 1e-15)
            break;
        glim__cholesky_solve(h->factor, h->dim, slope);
        for (size_t j = 0; j < h->dim; j++)
            next[j] = h->w[j] - slope[j];
        memcpy(h->w, next, h->dim * sizeof *next);
        ++*steps;
    }
    glim__free(h->ctx, slope);
    return status;
}

struct refit {
    glim_head *h;
    const uint8_t *keep;
    double *hessian, *factor, *slope, *before; /* before: the weights of the last good step */
    double loss, last_loss;
    double now, last; /* slopes */
    bool anew, halved;
};

/* The Hessian at h->w without the samples that go, from theirs. */
static glim_status reduce(struct refit *r, glim_error *err) {
    glim_head *h = r->h;
    size_t n = h->dim, N = h->f->n, gone = 0;
    for (size_t i = 0; i < N; i++)
        gone += !r->keep[i];
    glim_head_terms t = {.hessian = r->hessian};
    if (gone > N / 4)
        return glim__head_terms(h, h->w, r->keep, &t, err);
    glim_head_block b;
    double *x = glim__calloc(h->ctx, h->P + 1, sizeof *x);
    glim_status status = glim__head_block_init(&b, h, err);
    if (!x && !status)
        status = glim__oom(h->ctx, err, "a sample", h->P * 8);
    memcpy(r->hessian, h->hessian, n * n * sizeof *r->hessian);
    glim__head_turn(h, h->w);
    for (size_t i = 0; i < N && !status; i++) {
        if (r->keep[i])
            continue;
        status = h->f->read(h->f->data, i, 1, x, x + h->P, err);
        glim__head_look(h, &b, 1, x, x + h->P);
        for (size_t a = 0; a < n && !status && !isnan(x[h->P]); a++) {
            const double *m = b.m + a / h->p * h->O;
            double own = b.x[a % h->p], *row = r->hessian + a * n;
            for (size_t k = 0; k < h->O; k++)
                for (size_t j = 0; j < h->p; j++)
                    row[k * h->p + j] -= m[k] * own * b.x[j];
        }
    }
    glim__free(h->ctx, x);
    glim__head_block_release(&b, h);
    return status;
}

static glim_status factor_again(struct refit *r, glim_error *err) {
    glim_head *h = r->h;
    bool positive = true;
    glim_status status = factor_with(h, r->hessian, r->factor, 0, &positive, err);
    if (!status && !positive)
        status = factor_with(h, r->hessian, r->factor, 1e-6 * mean_diagonal(r->hessian, h->dim),
                             &positive, err);
    if (!status && !positive)
        return glim_fail(err, GLIM_ENUMERIC,
                         "without these samples there is no best fit (a --strength above 0)");
    return status;
}

/* From w to the next weights: half the way back when the loss has grown, else a step. */
static glim_status step(struct refit *r, double *w, glim_error *err) {
    glim_head *h = r->h;
    size_t n = h->dim;
    glim_head_terms t = {.slope = r->slope, .hessian = r->anew ? r->hessian : NULL};
    glim_status status = glim__head_terms(h, w, r->keep, &t, err);
    if (status)
        return status;
    if (t.loss > r->last_loss + 1e-10 * fabs(r->last_loss)) {
        for (size_t j = 0; j < n; j++)
            w[j] = (w[j] + r->before[j]) / 2;
        r->anew = false;
        r->halved = true;
        return GLIM_OK;
    }
    bool first = isinf(r->last);
    r->now = largest(r->slope, n) / (double)h->f->n;
    if (r->anew || first)
        status = factor_again(r, err);
    r->anew = r->halved || (!r->anew && r->now > 0.3 * r->last);
    r->halved = false;
    r->last = r->now;
    r->last_loss = t.loss;
    if (status || r->now < 1e-13)
        return status;
    memcpy(r->before, w, n * sizeof *w);
    glim__cholesky_solve(r->factor, n, r->slope);
    for (size_t j = 0; j < n; j++)
        w[j] -= r->slope[j];
    return GLIM_OK;
}

glim_status glim__head_refit(glim_head *h, const uint8_t *keep, size_t most, double *w,
                             double *left, glim_error *err) {
    struct refit r = {
        .h = h, .keep = keep, .last_loss = INFINITY, .now = INFINITY, .last = INFINITY};
    size_t n = h->dim;
    r.hessian = glim__calloc(h->ctx, n, n * sizeof *r.hessian);
    r.factor = glim__calloc(h->ctx, n, n * sizeof *r.factor);
    r.slope = glim__calloc(h->ctx, 2 * n, sizeof *r.slope);
    glim_status status = r.hessian && r.factor && r.slope
                             ? reduce(&r, err)
                             : glim__oom(h->ctx, err, "a refit", 2 * n * n * 8);
    r.before = r.slope + n;
    memcpy(w, h->w, n * sizeof *w);
    for (size_t i = 0; i < most && !status && !(r.now < 1e-13); i++)
        status = step(&r, w, err);
    *left = r.now;
    glim__free(h->ctx, r.hessian);
    glim__free(h->ctx, r.factor);
    glim__free(h->ctx, r.slope);
    return status;
}

glim_status glim__head_move(glim_head *h, const double *w, glim_error *err) {
    glim_head_terms t = {.slope = glim__calloc(h->ctx, h->dim, sizeof *t.slope)};
    if (!t.slope)
        return glim__oom(h->ctx, err, "the slope", h->dim * 8);
    if (w)
        memcpy(h->w, w, h->dim * sizeof *w);
    glim__free(h->ctx, h->hessian);
    glim__free(h->ctx, h->factor);
    h->hessian = h->factor = NULL;
    glim_status status = glim__head_terms(h, h->w, NULL, &t, err);
    h->loss = t.loss;
    h->slope = largest(t.slope, h->dim) / (double)h->f->n;
    glim__free(h->ctx, t.slope);
    return status;
}
