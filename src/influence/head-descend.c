/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conjugate gradients (Hestenes, Stiefel 1952) for all queries at once: a step is one pass
 * over the samples, H V = sum_i x_i (M_i (V' x_i))', in which every query's product runs.
 * For heads whose Hessian is too large to be kept. LiSSA, the other way without a matrix,
 * needs a scale that must be guessed and seeds that must be averaged.
 */
#include "influence/head-query.h"
#include "tensor/kernels.h"

#include <math.h>
#include <string.h>

enum { STRIP = 12 };

struct descent {
    glim_head_queries *q;
    glim_head_block b;
    double *r, *d, *hd; /* (p, ldq) residual, direction, H direction */
    double *t;          /* (256, ldq) */
    double *size;       /* (3, n) r'r, d'H d, |grad f|^2 */
    double *own;        /* (O) */
    double damping;
};

static void add_strip(void *data, size_t item, int worker) {
    const struct descent *s = data;
    const glim_head *h = s->q->h;
    size_t from = item * STRIP, rows = h->p - from < STRIP ? h->p - from : STRIP, ldq = s->q->ldq;
    glim__kernels(h->ctx)->tile_f64((int)rows, (int)(s->q->n * h->O), s->b.count, s->b.x + from, 1,
                                    (ptrdiff_t)h->ld, s->t, (ptrdiff_t)ldq, s->hd + from * ldq,
                                    (ptrdiff_t)ldq, true);
}

static glim_status add_block(void *data, size_t first, size_t count, double *x, double *y,
                             glim_error *err) {
    struct descent *s = data;
    const glim_head *h = s->q->h;
    size_t O = h->O;
    glim__head_look(h, &s->b, count, x, y);
    glim__head_queries_apply(s->q, &s->b, s->d, s->t);
    for (size_t i = 0; i < count; i++)
        for (size_t q = 0; q < s->q->n; q++) {
            double *t = s->t + i * s->q->ldq + q * O;
            const double *m = s->b.m + i * O * O;
            if (O == 1) {
                t[0] *= isnan(y[i]) ? 0 : m[0];
                continue;
            }
            for (size_t k = 0; k < O; k++) {
                s->own[k] = 0;
                for (size_t l = 0; l < O && !isnan(y[i]); l++)
                    s->own[k] += m[k * O + l] * t[l];
            }
            memcpy(t, s->own, O * sizeof *t);
        }
    glim__parallel(h->ctx, (h->p + STRIP - 1) / STRIP, add_strip, s);
    return GLIM_OK;
}

/* hd = (H + damping) d. */
static glim_status multiply(struct descent *s, glim_error *err) {
    glim_head_queries *q = s->q;
    const glim_head *h = q->h;
    memset(s->hd, 0, h->p * q->ldq * sizeof *s->hd);
    glim_status status = glim__features_each(h->ctx, h->f, add_block, s, err);
    for (size_t j = 0; j < h->p; j++)
        for (size_t c = 0; c < q->n * h->O; c++)
            s->hd[j * q->ldq + c] +=
                (s->damping + (j < h->P ? h->strength : 0)) * s->d[j * q->ldq + c];
    return status;
}

/* out (n) = sum over (j, k) of a b. */
static void dots(const glim_head_queries *q, const double *a, const double *b, double *out) {
    size_t O = q->h->O;
    memset(out, 0, q->n * sizeof *out);
    for (size_t j = 0; j < q->h->p; j++)
        for (size_t c = 0; c < q->n * O; c++)
            out[c / O] += a[j * q->ldq + c] * b[j * q->ldq + c];
}

/* One step of every query that has not arrived. */
static void step(struct descent *s) {
    glim_head_queries *q = s->q;
    size_t O = q->h->O, n = q->n;
    double *rr = s->size, *curve = rr + n, *next = curve + 2 * n;
    dots(q, s->d, s->hd, curve);
    for (size_t j = 0; j < q->h->p; j++)
        for (size_t c = 0; c < n * O; c++) {
            size_t at = j * q->ldq + c;
            double by = curve[c / O] > 0 ? rr[c / O] / curve[c / O] : 0;
            q->turned[at] += by * s->d[at];
            s->r[at] -= by * s->hd[at];
        }
    dots(q, s->r, s->r, next);
    for (size_t j = 0; j < q->h->p; j++)
        for (size_t c = 0; c < n * O; c++) {
            size_t at = j * q->ldq + c;
            s->d[at] = s->r[at] + (rr[c / O] > 0 ? next[c / O] / rr[c / O] : 0) * s->d[at];
        }
    memcpy(rr, next, n * sizeof *rr);
}

static double worst(const struct descent *s) {
    double most = 0;
    for (size_t i = 0; i < s->q->n; i++) {
        double full = s->size[2 * s->q->n + i], left = full > 0 ? sqrt(s->size[i] / full) : 0;
        most = left > most ? left : most;
    }
    return most;
}

static void start(struct descent *s) {
    glim_head_queries *q = s->q;
    const glim_head *h = q->h;
    memset(q->turned, 0, h->p * q->ldq * sizeof *q->turned);
    for (size_t j = 0; j < h->p; j++)
        for (size_t i = 0; i < q->n; i++)
            for (size_t k = 0; k < h->O; k++)
                s->r[j * q->ldq + i * h->O + k] = q->a[i * h->O + k] * q->x[i * h->ld + j];
    memcpy(s->d, s->r, h->p * q->ldq * sizeof *s->d);
    dots(q, s->r, s->r, s->size);
    memcpy(s->size + 2 * q->n, s->size, q->n * sizeof *s->size);
}

glim_status glim__head_queries_descend(glim_head_queries *q, double damping, size_t most,
                                       double tolerance, glim_error *err) {
    const glim_head *h = q->h;
    size_t room = h->p * q->ldq + GLIM_HEAD_VECTOR;
    struct descent s = {.q = q, .damping = damping};
    s.r = glim__calloc(h->ctx, 3 * room, sizeof *s.r);
    s.t = glim__calloc(h->ctx, GLIM_FEATURES_BLOCK * q->ldq + GLIM_HEAD_VECTOR, sizeof *s.t);
    s.size = glim__calloc(h->ctx, 4 * q->n + h->O, sizeof *s.size);
    glim_status status = s.r && s.t && s.size ? glim__head_block_init(&s.b, h, err)
                                              : glim__oom(h->ctx, err, "steps", 3 * room * 8);
    if (!status) {
        s.d = s.r + room;
        s.hd = s.d + room;
        s.own = s.size + 4 * q->n;
        start(&s);
        glim__head_turn((glim_head *)h, h->w);
    }
    for (q->iterations = 0; q->iterations < most && !status && worst(&s) > tolerance;) {
        status = multiply(&s, err);
        if (!status)
            step(&s);
        q->iterations++;
    }
    q->residual = status ? NAN : worst(&s);
    glim__free(h->ctx, s.r);
    glim__free(h->ctx, s.t);
    glim__free(h->ctx, s.size);
    glim__head_block_release(&s.b, h);
    return status;
}

struct diagonal {
    glim_head *h;
    glim_head_block b;
    double sum;
};

static glim_status add_diagonal(void *data, size_t first, size_t count, double *x, double *y,
                                glim_error *err) {
    struct diagonal *d = data;
    size_t O = d->h->O;
    glim__head_look(d->h, &d->b, count, x, y);
    for (size_t i = 0; i < count; i++) {
        double size = 0;
        for (size_t j = 0; j < d->h->p; j++)
            size += d->b.x[i * d->h->ld + j] * d->b.x[i * d->h->ld + j];
        for (size_t k = 0; k < O && !isnan(y[i]); k++)
            d->sum += d->b.m[(i * O + k) * O + k] * size;
    }
    return GLIM_OK;
}

glim_status glim__head_mean_curvature(glim_head *h, double *out, glim_error *err) {
    struct diagonal d = {.h = h};
    glim_status status = glim__head_block_init(&d.b, h, err);
    glim__head_turn(h, h->w);
    if (!status)
        status = glim__features_each(h->ctx, h->f, add_diagonal, &d, err);
    *out = d.sum / (double)h->dim + h->strength;
    glim__head_block_release(&d.b, h);
    return status;
}
