/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leave-one-out and the linear datamodelling score (Park et al. 2023) of a head. Refits
 * begin at the weights of all samples. What a query's f is about stays what it was, also
 * when a refit would say another class.
 */
#include "influence/truth.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_STEPS = 60 };

struct checking {
    glim_truth *t;
    glim_head *h;
    glim_head_queries q;
    const glim_features *asked;
    glim_features fixed; /* the queries with the class that they are about */
    double *about;       /* (queries) */
    glim_influence_target target;
    double *scores;     /* (3, n, queries) influence, cosine, gradient cosine */
    double *before, *f; /* (queries) */
    double *w;          /* (dim) of a refit */
    uint8_t *keep;      /* (n) */
    size_t n, Q;
    glim_head_block b;
};

/* ---- correlations ---- */

double glim__truth_pearson(const double *a, const double *b, size_t n) {
    double ma = 0, mb = 0, aa = 0, bb = 0, ab = 0;
    for (size_t i = 0; i < n; i++) {
        ma += a[i] / (double)n;
        mb += b[i] / (double)n;
    }
    for (size_t i = 0; i < n; i++) {
        aa += (a[i] - ma) * (a[i] - ma);
        bb += (b[i] - mb) * (b[i] - mb);
        ab += (a[i] - ma) * (b[i] - mb);
    }
    return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : NAN;
}

struct ranked {
    double value;
    size_t at;
};

static int by_value(const void *x, const void *y) {
    const struct ranked *a = x, *b = y;
    return a->value < b->value ? -1 : a->value > b->value ? 1 : a->at < b->at ? -1 : a->at > b->at;
}

static void rank(const double *a, size_t n, struct ranked *room, double *out) {
    for (size_t i = 0; i < n; i++)
        room[i] = (struct ranked){a[i], i};
    qsort(room, n, sizeof *room, by_value);
    for (size_t i = 0, j; i < n; i = j) {
        for (j = i; j < n && room[j].value == room[i].value; j++)
            ;
        for (size_t k = i; k < j; k++)
            out[room[k].at] = (double)(i + j - 1) / 2;
    }
}

glim_status glim__truth_spearman(glim_context *ctx, const double *a, const double *b, size_t n,
                                 double *out, glim_error *err) {
    struct ranked *room = glim__calloc(ctx, n + 1, sizeof *room);
    double *ranks = glim__calloc(ctx, 2 * n + 1, sizeof *ranks);
    *out = NAN;
    glim_status status =
        room && ranks ? GLIM_OK : glim__oom(ctx, err, "ranks", n * (sizeof *room + 16));
    if (!status) {
        rank(a, n, room, ranks);
        rank(b, n, room, ranks + n);
        *out = glim__truth_pearson(ranks, ranks + n, n);
    }
    glim__free(ctx, room);
    glim__free(ctx, ranks);
    return status;
}

/* ---- scores of all samples ---- */

static double size_of(const double *x, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i] * x[i];
    return sqrt(sum);
}

static glim_status score_block(void *data, size_t first, size_t count, double *x, double *y,
                               glim_error *err) {
    struct checking *c = data;
    const glim_head *h = c->h;
    size_t O = h->O;
    glim__head_look(h, &c->b, count, x, y);
    for (size_t i = 0; i < count; i++)
        for (size_t q = 0; q < c->Q; q++) {
            const double *g = c->b.g + i * O, *a = c->q.a + q * O, *xi = c->b.x + i * h->ld;
            const double *xq = c->q.x + q * h->ld;
            double along = 0, both = 0, score = 0;
            for (size_t j = 0; j < h->P; j++)
                both += xi[j] * xq[j];
            for (size_t k = 0; k < O; k++) {
                double t = 0;
                for (size_t j = 0; j < h->p; j++)
                    t += xi[j] * c->q.turned[j * c->q.ldq + q * O + k];
                score -= g[k] * t;
                along -= g[k] * a[k];
            }
            double sizes = size_of(xi, h->p) * size_of(xq, h->p) * size_of(g, O) * size_of(a, O);
            double plain = size_of(xi, h->P) * size_of(xq, h->P);
            size_t at = (first + i) * c->Q + q, N = c->n * c->Q;
            c->scores[at] = score;
            c->scores[N + at] = plain > 0 ? both / plain : 0;
            c->scores[2 * N + at] = sizes > 0 ? along * (both + 1) / sizes : 0;
        }
    return GLIM_OK;
}

/* ---- f of a refit ---- */

static glim_status read_fixed(void *data, size_t first, size_t count, double *x, double *y,
                              glim_error *err) {
    struct checking *c = data;
    glim_status status = c->asked->read(c->asked->data, first, count, x, y, err);
    for (size_t i = 0; i < count && c->h->logistic; i++)
        y[i] = c->about[first + i];
    return status;
}

static glim_status ask_block(void *data, size_t first, size_t count, double *x, double *y,
                             glim_error *err) {
    struct checking *c = data;
    double *a = c->q.a + c->Q * c->h->O; /* room behind */
    glim__head_look(c->h, &c->b, count, x, y);
    for (size_t i = 0; i < count; i++) {
        size_t of;
        glim_status status = glim__head_target(c->h, &c->target, c->b.z + i * c->h->lo, y[i], a,
                                               &c->f[first + i], &of, err);
        if (status)
            return status;
        c->about[first + i] = (double)of;
    }
    return GLIM_OK;
}

/* f of every query at weights w. */
static glim_status ask(struct checking *c, const double *w, const glim_features *queries,
                       glim_error *err) {
    glim__head_turn(c->h, w);
    return glim__features_each(c->h->ctx, queries, ask_block, c, err);
}

static glim_status fit_again(struct checking *c, glim_error *err) {
    double left;
    glim_status status = glim__head_refit(c->h, c->keep, MOST_STEPS, c->w, &left, err);
    if (!status && left > c->t->left)
        c->t->left = left;
    return status ? status : ask(c, c->w, &c->fixed, err);
}

/* ---- one by one ---- */

/* Half of them by the size of their influences, the others drawn. */
static glim_status choose(struct checking *c, uint64_t seed, glim_error *err) {
    glim_truth *t = c->t;
    struct ranked *order = glim__calloc(t->ctx, c->n, sizeof *order);
    if (!order)
        return glim__oom(t->ctx, err, "the samples", c->n * sizeof *order);
    for (size_t i = 0; i < c->n; i++) {
        order[i] = (struct ranked){0, i};
        for (size_t q = 0; q < c->Q; q++)
            order[i].value -= fabs(c->scores[i * c->Q + q]);
    }
    qsort(order, c->n, sizeof *order, by_value);
    for (size_t k = 0; k < t->removed; k++) {
        if (k >= t->removed / 2) {
            size_t at = k + glim__rng_below(seed, 0x7e57, k, (uint32_t)(c->n - k));
            struct ranked swap = order[k];
            order[k] = order[at];
            order[at] = swap;
        }
        t->samples[k] = order[k].at;
    }
    glim__free(t->ctx, order);
    return GLIM_OK;
}

static glim_status leave_out(struct checking *c, glim_error *err) {
    glim_truth *t = c->t;
    glim_status status = GLIM_OK;
    memset(c->keep, 1, c->n);
    for (size_t k = 0; k < t->removed && !status; k++) {
        size_t i = t->samples[k];
        c->keep[i] = 0;
        status = fit_again(c, err);
        c->keep[i] = 1;
        for (size_t q = 0; q < c->Q; q++) {
            t->predicted[k * c->Q + q] = c->scores[i * c->Q + q];
            t->actual[k * c->Q + q] = c->before[q] - c->f[q];
        }
    }
    return status;
}

static glim_status leave_groups_out(struct checking *c, glim_groups *g, size_t count,
                                    size_t all_queries, glim_error *err) {
    glim_status status = GLIM_OK;
    for (size_t k = 0; k < g->n && k < count && !status; k++) {
        for (size_t i = 0; i < c->n; i++)
            c->keep[i] = g->of[i] != k;
        if (g->sizes[k] == c->n)
            continue;
        status = fit_again(c, err);
        for (size_t q = 0; q < c->Q && !status; q++)
            g->actual[k * all_queries + q] = c->before[q] - c->f[q];
    }
    return status;
}

/* The mean over queries of how two (rows, Q) tables go together. */
static glim_status agreement(struct checking *c, const double *a, const double *b, size_t rows,
                             double *pearson, double *spearman, glim_error *err) {
    double *x = glim__calloc(c->t->ctx, 2 * rows + 1, sizeof *x), *y = x + rows;
    double sums[2] = {0}, counts[2] = {0};
    glim_status status = x ? GLIM_OK : glim__oom(c->t->ctx, err, "a column", rows * 16);
    for (size_t q = 0; q < c->Q && !status; q++) {
        double r[2];
        for (size_t i = 0; i < rows; i++) {
            x[i] = a[i * c->Q + q];
            y[i] = b[i * c->Q + q];
        }
        r[0] = glim__truth_pearson(x, y, rows);
        status = glim__truth_spearman(c->t->ctx, x, y, rows, &r[1], err);
        for (int k = 0; k < 2; k++)
            if (!isnan(r[k])) {
                sums[k] += r[k];
                counts[k]++;
            }
    }
    if (pearson)
        *pearson = counts[0] > 0 ? sums[0] / counts[0] : NAN;
    *spearman = counts[1] > 0 ? sums[1] / counts[1] : NAN;
    glim__free(c->t->ctx, x);
    return status;
}

/* ---- halves ---- */

static glim_status fit_halves(struct checking *c, uint64_t seed, glim_error *err) {
    glim_truth *t = c->t;
    size_t M = t->subsets, Q = c->Q;
    double *sums = glim__calloc(t->ctx, 4 * M * Q + 1, sizeof *sums), *f = sums + 3 * M * Q;
    double *out[3] = {&t->lds, &t->lds_cosine, &t->lds_gradient};
    glim_status status = sums ? GLIM_OK : glim__oom(t->ctx, err, "halves", 32 * M * Q);
    for (size_t m = 0; m < M && !status; m++) {
        size_t need = c->n / 2;
        for (size_t i = 0; i < c->n; i++) { /* each half is as likely as any other */
            uint32_t u = glim__rng_below(seed, 0x1d5 + m, i, (uint32_t)(c->n - i));
            c->keep[i] = u < need;
            need -= c->keep[i];
        }
        status = fit_again(c, err);
        for (size_t q = 0; q < Q; q++)
            f[m * Q + q] = c->f[q];
        for (size_t s = 0; s < 3; s++)
            for (size_t i = 0; i < c->n; i++)
                for (size_t q = 0; q < Q && c->keep[i]; q++)
                    sums[(s * M + m) * Q + q] += c->scores[(s * c->n + i) * Q + q];
    }
    for (size_t s = 0; s < 3 && !status; s++)
        status = agreement(c, sums + s * M * Q, f, M, NULL, out[s], err);
    glim__free(t->ctx, sums);
    return status;
}

/* ---- all of it ---- */

static glim_status make_room(struct checking *c, size_t count, glim_error *err) {
    glim_truth *t = c->t;
    size_t N = c->n * c->Q;
    t->removed = count < c->n / 2 ? count : c->n / 2;
    t->subsets = count;
    t->samples = glim__calloc(t->ctx, t->removed + 1, sizeof *t->samples);
    t->predicted = glim__calloc(t->ctx, t->removed * c->Q + 1, sizeof *t->predicted);
    t->actual = glim__calloc(t->ctx, t->removed * c->Q + 1, sizeof *t->actual);
    c->scores = glim__calloc(t->ctx, 3 * N, sizeof *c->scores);
    c->before = glim__calloc(t->ctx, 3 * c->Q, sizeof *c->before);
    c->w = glim__calloc(t->ctx, c->h->dim, sizeof *c->w);
    c->keep = glim__calloc(t->ctx, c->n, 1);
    if (!t->samples || !t->predicted || !t->actual || !c->scores || !c->before || !c->w || !c->keep)
        return glim__oom(t->ctx, err, "the check", 24 * N);
    c->f = c->before + c->Q;
    c->about = c->f + c->Q;
    return glim__head_block_init(&c->b, c->h, err);
}

static glim_status prepare(struct checking *c, const glim_features *queries, glim_error *err) {
    glim_status status = glim__head_queries_init(&c->q, c->h, queries, &c->target, err);
    if (!status)
        status = glim__head_queries_solve(&c->q, err);
    if (status)
        return status;
    status = ask(c, c->h->w, queries, err);
    memcpy(c->before, c->f, c->Q * sizeof *c->before);
    c->target.class_name = NULL; /* `about` says it from now on */
    glim__head_turn(c->h, c->h->w);
    return status ? status : glim__features_each(c->h->ctx, c->h->f, score_block, c, err);
}

glim_status glim__truth_check(glim_truth *t, glim_head *h, const glim_features *queries,
                              const glim_influence_target *target, size_t count, uint64_t seed,
                              glim_groups *groups, glim_error *err) {
    glim_features some = *queries;
    some.n = some.n < GLIM_TRUTH_QUERIES ? some.n : GLIM_TRUTH_QUERIES;
    struct checking c = {
        .t = t, .h = h, .asked = queries, .target = *target, .n = h->f->n, .Q = some.n};
    c.fixed = some;
    c.fixed.read = read_fixed;
    c.fixed.data = &c;
    t->ctx = h->ctx;
    t->queries = c.Q;
    t->lds = t->lds_cosine = t->lds_gradient = t->pearson = t->spearman = NAN;
    glim__progress_begin_items(h->ctx, "refits", 2 * count + (groups ? groups->n : 0));
    glim_status status = make_room(&c, count, err);
    if (!status)
        status = prepare(&c, &some, err);
    if (!status)
        status = choose(&c, seed, err);
    if (!status)
        status = leave_out(&c, err);
    if (!status)
        status = agreement(&c, t->predicted, t->actual, t->removed, &t->pearson, &t->spearman, err);
    if (!status && groups)
        status = leave_groups_out(&c, groups, count, queries->n, err);
    if (!status && count >= 4)
        status = fit_halves(&c, seed, err);
    glim__progress_end(h->ctx);
    glim__head_queries_release(&c.q);
    glim__head_block_release(&c.b, h);
    glim__free(h->ctx, c.scores);
    glim__free(h->ctx, c.before);
    glim__free(h->ctx, c.w);
    glim__free(h->ctx, c.keep);
    return status;
}

void glim__truth_release(glim_truth *t) {
    if (!t->ctx)
        return;
    glim__free(t->ctx, t->samples);
    glim__free(t->ctx, t->predicted);
    glim__free(t->ctx, t->actual);
    *t = (glim_truth){0};
}
