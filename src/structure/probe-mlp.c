/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A probe with one hidden layer:
 *
 *   h = max(0, W1 x + b1), z = W2 h + b2, x standardised by the rows that are fitted
 *   mean loss + decay / 2 (|W1|^2 + |W2|^2), the loss as of linear probes
 *
 * by L-BFGS (libLBFGS, which fits logistic models here, too) over all rows. A tenth of them,
 * whole groups, is held back: the weights that do best there are kept, and 20 steps without a
 * better one end it. Without enough groups to hold any back there are at most 100 steps. Rows go in
 * blocks through products in float; blocks belong to groups whose sums are added in order, so
 * bits do not depend on threads.
 */
#include "base/rng.h"
#include "structure/probe-rows.h"
#include "tensor/kernels.h"

#include <lbfgs.h>
#include <math.h>
#include <string.h>

enum { VECTOR = 16, BLOCK = 96, GROUPS = 16, PATIENCE = 20, FEW = 100, MOST = 300, MEMORY = 10 };

struct net {
    glim_context *ctx;
    double decay;
    const glim_probe_learner *l;
    size_t P, H, O, ld, lh, lo; /* widths, and in whole vectors */
    size_t n;                   /* rows that are fitted */
    size_t held;                /* and behind them those that are held back */
    const uint32_t *rows;       /* (n + held) */
    float *x;                   /* (n + held, ld) standardised */
    double *mean, *factor;      /* (P) */
    float *w1, *w2, *w2_rows;   /* (P, lh), (H, lo), (O, lh): turned for products */
    const double *at;           /* the weights: W1 (H, P), W2 (O, H), b1, b2 */
    size_t size, sum_size;
    float *sums;    /* (GROUPS, sum_size): dW1 (H, ld), dW2 (O, lh), db1 (lh), db2 (lo) */
    double *losses; /* (GROUPS) */
    size_t blocks, groups;
    double center, scale; /* of numbers */
    double *best;         /* (size) */
    double least;
    size_t since, most;
    glim_status status;
    glim_error *err;
};

static size_t whole(size_t n) {
    return (n + VECTOR - 1) / VECTOR * VECTOR;
}

/* ---- one block ---- */

static void add_bias(float *z, size_t m, size_t ld, const double *bias, size_t n, bool relu) {
    for (size_t i = 0; i < m; i++, z += ld)
        for (size_t j = 0; j < n; j++) {
            z[j] += (float)bias[j];
            z[j] = relu && !(z[j] > 0) ? 0 : z[j];
        }
}

/* h (m, lh) and z (m, lo) of rows x (m, ld). */
static void forward(const struct net *e, const float *x, size_t m, float *h, float *z) {
    const glim_kernels *k = glim__kernels(e->ctx);
    const double *b1 = e->at + e->H * e->P + e->O * e->H;
    k->tile((int)m, (int)e->H, e->P, x, (ptrdiff_t)e->ld, 1, e->w1, (ptrdiff_t)e->lh, h,
            (ptrdiff_t)e->lh, false);
    add_bias(h, m, e->lh, b1, e->H, true);
    k->tile((int)m, (int)e->O, e->H, h, (ptrdiff_t)e->lh, 1, e->w2, (ptrdiff_t)e->lo, z,
            (ptrdiff_t)e->lo, false);
    add_bias(z, m, e->lo, b1 + e->H, e->O, false);
}

/* The loss of a row; z becomes its slope. */
static double row_loss(const struct net *e, float *z, uint32_t row) {
    const glim_probe_target *t = &e->l->target;
    if (t->values) {
        double d = z[0] - (t->values[row] - e->center) / e->scale;
        z[0] = (float)d;
        return d * d / 2;
    }
    double top = z[0], sum = 0, p[GLIM_PROBE_CLASSES];
    size_t y = (size_t)t->labels[row];
    for (size_t k = 1; k < e->O; k++)
        top = z[k] > top ? z[k] : top;
    for (size_t k = 0; k < e->O; k++)
        sum += p[k] = exp(z[k] - top);
    double loss = log(sum) - (z[y] - top);
    for (size_t k = 0; k < e->O; k++)
        z[k] = (float)(p[k] / sum - (k == y));
    return loss;
}

static void back(const struct net *e, const float *x, size_t m, const float *h, float *z, float *d,
                 float *sums) {
    const glim_kernels *k = glim__kernels(e->ctx);
    ptrdiff_t ld = (ptrdiff_t)e->ld, lh = (ptrdiff_t)e->lh, lo = (ptrdiff_t)e->lo;
    float *g2 = sums + e->H * e->ld, *gb = g2 + e->O * e->lh;
    int H = (int)e->H, O = (int)e->O;
    k->tile(O, H, m, z, 1, lo, h, lh, g2, lh, true);
    k->tile((int)m, H, e->O, z, lo, 1, e->w2_rows, lh, d, lh, false);
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < e->H; j++) {
            d[i * e->lh + j] = h[i * e->lh + j] > 0 ? d[i * e->lh + j] : 0;
            gb[j] += d[i * e->lh + j];
        }
        for (size_t j = 0; j < e->O; j++)
            gb[e->lh + j] += z[i * e->lo + j];
    }
    k->tile(H, (int)e->P, m, d, 1, lh, x, ld, sums, ld, true);
}

static void group_loss(void *data, size_t group, int worker) {
    struct net *e = data;
    float *h = glim__scratch(e->ctx, worker), *d = h + BLOCK * e->lh, *z = d + BLOCK * e->lh;
    float *sums = e->sums + group * e->sum_size;
    double loss = 0;
    memset(sums, 0, e->sum_size * sizeof *sums);
    size_t to = (group + 1) * e->blocks / e->groups;
    for (size_t b = group * e->blocks / e->groups; b < to; b++) {
        size_t first = b * BLOCK, m = e->n - first < BLOCK ? e->n - first : BLOCK;
        forward(e, e->x + first * e->ld, m, h, z);
        for (size_t i = 0; i < m; i++)
            loss += row_loss(e, z + i * e->lo, e->rows[first + i]);
        back(e, e->x + first * e->ld, m, h, z, d, sums);
    }
    e->losses[group] = loss;
}

static void turn(struct net *e, const double *w) {
    const double *second = w + e->H * e->P;
    e->at = w;
    for (size_t h = 0; h < e->H; h++)
        for (size_t j = 0; j < e->P; j++)
            e->w1[j * e->lh + h] = (float)w[h * e->P + j];
    for (size_t o = 0; o < e->O; o++)
        for (size_t h = 0; h < e->H; h++)
            e->w2[h * e->lo + o] = e->w2_rows[o * e->lh + h] = (float)second[o * e->H + h];
}

static double evaluate(struct net *e, const double *w, double *g) {
    size_t weights = e->H * e->P + e->O * e->H;
    double n = (double)e->n, loss = 0, square = 0, *g2 = g + e->H * e->P, *gb = g + weights;
    turn(e, w);
    glim__parallel(e->ctx, e->groups, group_loss, e);
    memset(g, 0, e->size * sizeof *g);
    for (size_t i = 0; i < e->groups; i++) {
        const float *s = e->sums + i * e->sum_size, *s2 = s + e->H * e->ld;
        const float *sb = s2 + e->O * e->lh;
        loss += e->losses[i];
        for (size_t h = 0; h < e->H; h++)
            for (size_t j = 0; j < e->P; j++)
                g[h * e->P + j] += s[h * e->ld + j];
        for (size_t o = 0; o < e->O; o++)
            for (size_t h = 0; h < e->H; h++)
                g2[o * e->H + h] += s2[o * e->lh + h];
        for (size_t h = 0; h < e->H; h++)
            gb[h] += sb[h];
        for (size_t o = 0; o < e->O; o++)
            gb[e->H + o] += sb[e->lh + o];
    }
    for (size_t i = 0; i < e->size; i++)
        g[i] = g[i] / n + (i < weights ? e->decay * w[i] : 0);
    for (size_t i = 0; i < weights; i++)
        square += w[i] * w[i];
    return loss / n + e->decay * square / 2;
}

/* ---- steps ---- */

static lbfgsfloatval_t see(void *data, const lbfgsfloatval_t *x, lbfgsfloatval_t *g, int n,
                           lbfgsfloatval_t step) {
    return evaluate(data, x, g);
}

/* The mean loss of what is held back; of all rows where nothing is. */
static double held_loss(struct net *e, float *scratch) {
    double loss = 0;
    float *h = scratch, *z = h + BLOCK * e->lh;
    for (size_t at = e->n; at < e->n + e->held; at += BLOCK) {
        size_t m = e->n + e->held - at < BLOCK ? e->n + e->held - at : BLOCK;
        forward(e, e->x + at * e->ld, m, h, z);
        for (size_t i = 0; i < m; i++)
            loss += row_loss(e, z + i * e->lo, e->rows[at + i]);
    }
    return loss / (double)(e->held ? e->held : 1);
}

static int after_step(void *data, const lbfgsfloatval_t *x, const lbfgsfloatval_t *g,
                      lbfgsfloatval_t fx, lbfgsfloatval_t xnorm, lbfgsfloatval_t gnorm,
                      lbfgsfloatval_t step, int n, int k, int evaluations) {
    struct net *e = data;
    turn(e, x);
    double loss = e->held ? held_loss(e, glim__scratch(e->ctx, 0)) : fx;
    e->since++;
    if (loss < e->least) {
        e->least = loss;
        e->since = 0;
        memcpy(e->best, x, e->size * sizeof *x);
    }
    e->status = glim__check_cancel(e->ctx, e->err);
    return e->status || e->since >= PATIENCE;
}

static glim_status minimise(struct net *e, uint64_t seed, uint64_t stream) {
    lbfgs_parameter_t how;
    uint64_t bytes = (2 * MEMORY + 8) * (e->size + 16) * sizeof(double);
    lbfgs_parameter_init(&how);
    how.m = MEMORY;
    how.epsilon = 1e-5;
    how.max_iterations = e->held ? MOST : FEW;
    if (!glim__reserve(e->ctx, bytes))
        return glim__oom(e->ctx, e->err, "the fit", bytes);
    double *x = lbfgs_malloc((int)e->size);
    if (!x) {
        glim__unreserve(e->ctx, bytes);
        return glim_fail(e->err, GLIM_ENOMEM, "out of memory: the fit");
    }
    memset(x, 0, e->size * sizeof *x);
    for (size_t i = 0; i < e->H * e->P + e->O * e->H; i++) /* He et al. 2015 */
        x[i] =
            glim__rng_normal(seed, stream, i) * sqrt(2 / (double)(i < e->H * e->P ? e->P : e->H));
    memcpy(e->best, x, e->size * sizeof *x);
    int code = lbfgs((int)e->size, x, NULL, see, after_step, e, &how);
    lbfgs_free(x);
    glim__unreserve(e->ctx, bytes);
    if (!e->status && code == LBFGSERR_OUTOFMEMORY)
        return glim_fail(e->err, GLIM_ENOMEM, "out of memory: the fit");
    return e->status;
}

/* ---- making ---- */

static void standardise(struct net *e) {
    const glim_probe_learner *l = e->l;
    double n = (double)e->n;
    for (size_t j = 0; j < e->P; j++) {
        double mean = 0, square = 0;
        for (size_t i = 0; i < e->n; i++)
            mean += l->x[e->rows[i] * e->P + j];
        mean /= n;
        for (size_t i = 0; i < e->n; i++)
            square += pow(l->x[e->rows[i] * e->P + j] - mean, 2);
        double deviation = sqrt(square / n);
        e->mean[j] = mean;
        e->factor[j] = deviation > 1e-12 * fabs(mean) ? 1 / deviation : 0;
    }
    e->scale = 1;
    if (!l->target.values)
        return;
    for (size_t i = 0; i < e->n; i++)
        e->center += l->target.values[e->rows[i]] / n;
    double square = 0;
    for (size_t i = 0; i < e->n; i++)
        square += pow(l->target.values[e->rows[i]] - e->center, 2) / n;
    e->scale = square > 0 ? sqrt(square) : 1;
}

static void fill(const struct net *e, const uint32_t *rows, size_t m, float *x) {
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < e->ld; j++)
            x[i * e->ld + j] =
                j < e->P ? (float)((e->l->x[rows[i] * e->P + j] - e->mean[j]) * e->factor[j]) : 0;
}

/* The rows, those held back behind the others. */
static glim_status hold_back(struct net *e, const uint32_t *rows, size_t n, uint64_t stream,
                             uint32_t *own) {
    int32_t *fold = glim__calloc(e->ctx, n, sizeof *fold);
    size_t groups = glim__probe_groups(e->ctx, &e->l->target, rows, n);
    if (!fold || groups == SIZE_MAX) {
        glim__free(e->ctx, fold);
        return glim__oom(e->ctx, e->err, "the rows", n * 4);
    }
    glim_status status = GLIM_OK;
    bool holds = groups >= 20;
    if (holds)
        status = glim__probe_split(e->ctx, &e->l->target, rows, n, 10, e->l->how->seed, stream,
                                   fold, e->err);
    for (size_t i = 0; i < n; i++)
        if (!holds || fold[i])
            own[e->n++] = rows[i];
    for (size_t i = 0; i < n; i++)
        if (holds && !fold[i])
            own[e->n + e->held++] = rows[i];
    glim__free(e->ctx, fold);
    return status;
}

static bool make_room(struct net *e) {
    glim_context *ctx = e->ctx;
    e->ld = whole(e->P);
    e->lh = whole(e->H);
    e->lo = whole(e->O);
    e->size = e->H * e->P + e->O * e->H + e->H + e->O;
    e->sum_size = e->H * e->ld + e->O * e->lh + e->lh + e->lo + VECTOR;
    e->blocks = (e->n + BLOCK - 1) / BLOCK;
    e->groups = e->blocks < GROUPS ? e->blocks : GROUPS;
    e->x = glim__calloc(ctx, (e->n + e->held) * e->ld + VECTOR, sizeof *e->x);
    e->mean = glim__calloc(ctx, 2 * e->P + 1, sizeof *e->mean);
    e->factor = e->mean ? e->mean + e->P : NULL;
    e->w1 = glim__calloc(ctx, e->P * e->lh + VECTOR, sizeof *e->w1);
    e->w2 = glim__calloc(ctx, e->H * e->lo + VECTOR, sizeof *e->w2);
    e->w2_rows = glim__calloc(ctx, e->O * e->lh + VECTOR, sizeof *e->w2_rows);
    e->sums = glim__calloc(ctx, e->groups, e->sum_size * sizeof *e->sums);
    e->losses = glim__calloc(ctx, e->groups, sizeof *e->losses);
    e->best = glim__calloc(ctx, e->size, sizeof *e->best);
    return e->x && e->mean && e->w1 && e->w2 && e->w2_rows && e->sums && e->losses && e->best;
}

static void release(struct net *e) {
    void *const all[] = {e->x, e->mean, e->w1, e->w2, e->w2_rows, e->sums, e->losses, e->best};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        glim__free(e->ctx, all[i]);
}

static void answer(struct net *e, const float *z, double *out) {
    double top = z[0], sum = 0;
    if (e->l->target.values) {
        *out = e->center + e->scale * z[0];
        return;
    }
    for (size_t k = 1; k < e->O; k++)
        top = z[k] > top ? z[k] : top;
    for (size_t k = 0; k < e->O; k++)
        sum += exp(z[k] - top);
    for (size_t k = 0; k < e->O; k++)
        out[k] = z[k] - top - log(sum);
}

/* The test rows take the place of those that were fitted. */
static void say(struct net *e, const uint32_t *test, size_t m, double *out) {
    float *h = glim__scratch(e->ctx, 0), *z = h + BLOCK * e->lh;
    turn(e, e->best);
    size_t room = e->n + e->held < BLOCK ? e->n + e->held : BLOCK;
    for (size_t at = 0; at < m; at += room) {
        size_t own = m - at < room ? m - at : room;
        fill(e, test + at, own, e->x);
        forward(e, e->x, own, h, z);
        for (size_t i = 0; i < own; i++)
            answer(e, z + i * e->lo, out + (at + i) * e->O);
    }
}

glim_status glim__probe_mlp(const glim_probe_learner *l, const uint32_t *rows, size_t n,
                            double decay, uint64_t stream, const uint32_t *test, size_t m,
                            double *out, glim_error *err) {
    struct net e = {.ctx = l->ctx, .l = l, .P = l->width, .H = l->how->hidden, .err = err};
    e.decay = decay;
    e.O = glim__probe_outputs(&l->target);
    e.least = INFINITY;
    uint32_t *own = glim__calloc(l->ctx, n, sizeof *own);
    glim_status status =
        own ? hold_back(&e, rows, n, stream, own) : glim__oom(l->ctx, err, "the rows", n * 4);
    e.rows = own;
    if (!status && !make_room(&e))
        status = glim__oom(l->ctx, err, "the fit", n * e.ld * sizeof *e.x);
    if (!status)
        status = glim__scratch_reserve(l->ctx, (BLOCK * (2 * e.lh + e.lo) + VECTOR) * sizeof(float),
                                       err);
    if (!status) {
        standardise(&e);
        fill(&e, own, e.n + e.held, e.x);
        status = minimise(&e, l->how->seed, stream);
    }
    if (!status)
        say(&e, test, m, out);
    release(&e);
    glim__free(l->ctx, own);
    return status;
}
