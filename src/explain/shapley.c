/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shapley values: what a unit adds to the target, averaged over all orders in which
 * units could come in. Up to --exact-units units, by all coalitions; above, by random
 * orders, each with its reverse: the mean of such a pair is one sample, which is what
 * the standard errors are of. The scores add up for every order, so always.
 */
#include "base/rng.h"
#include "explain/game.h"

#include <math.h>
#include <string.h>

struct opts {
    const char *absent;
    int64_t background, exact_units, pairs;
    double tolerance;
};

static const glim_param params[] = {
    GLIM_ABSENT_PARAM(struct opts),
    GLIM_BACKGROUND_PARAM(struct opts),
    {.name = "exact-units",
     .type = GLIM_INT,
     .offset = offsetof(struct opts, exact_units),
     .def.i = 8,
     .min = 0,
     .max = 15,
     .help = "up to so many units, all coalitions are asked: 2 to that power"},
    {.name = "pairs",
     .type = GLIM_INT,
     .offset = offsetof(struct opts, pairs),
     .def.i = 10,
     .min = 2,
     .max = 100000,
     .help = "random orders with their reverses, at most"},
    GLIM_TOLERANCE_PARAM(struct opts),
    {0},
};

struct work {
    const struct opts *o;
    uint64_t seed;
    glim_document *doc;
    double worst; /* largest standard error as a share of the largest score */
    uint64_t asked, pairs;
};

static void put(struct work *w, const glim_game *g, const double *phi, const double *error,
                const double *base) {
    w->asked += g->asked;
    w->worst = fmax(w->worst, glim__game_additive(g, w->doc, phi, error, base));
}

/* ---- all coalitions ---- */

/* weights[s] = s! (d - s - 1)! / d!, of a coalition of s others. */
static void order_shares(size_t d, double weights[16]) {
    for (size_t s = 0; s < d; s++) {
        double choose = 1; /* (d - 1 over s) */
        for (size_t k = 1; k <= s; k++)
            choose = choose * (double)(d - k) / (double)k;
        weights[s] = 1 / ((double)d * choose);
    }
}

static glim_status play_all(glim_game *g, struct work *w, glim_error *err) {
    glim_context *ctx = g->p->ctx;
    size_t d = g->d, n = (size_t)1 << d, R = g->rows;
    double weights[16];
    uint8_t *z = glim__calloc(ctx, n, d);
    double *v = glim__calloc(ctx, n * R, sizeof *v);
    double *phi = glim__calloc(ctx, 2 * d * R, sizeof *phi);
    glim_status status = z && v && phi ? GLIM_OK : glim__oom(ctx, err, "coalitions", n * d);
    for (size_t s = 0; s < n && !status; s++)
        for (size_t i = 0; i < d; i++)
            z[s * d + i] = s >> i & 1;
    if (!status)
        status = glim__game_values(g, z, n, v, err);
    order_shares(d, weights);
    for (size_t s = 0; s < n && !status; s++)
        for (size_t i = 0; i < d; i++)
            for (size_t r = 0; r < R && !(s >> i & 1); r++)
                phi[r * d + i] += weights[__builtin_popcountll(s)] *
                                  (v[(s | (size_t)1 << i) * R + r] - v[s * R + r]);
    if (!status)
        put(w, g, phi, phi + d * R, v);
    glim__free(ctx, z);
    glim__free(ctx, v);
    glim__free(ctx, phi);
    return status;
}

/* ---- orders ---- */

enum { AT_ONCE = 4 }; /* pairs whose coalitions go to the predictor together */

struct orders {
    glim_game *g;
    size_t *order;     /* (d) */
    uint8_t *z;        /* (AT_ONCE, 2, d - 1, d) */
    double *v;         /* as z, of rows */
    double *mean, *m2; /* (rows, d) of pairs, by Welford's recurrence */
    double *one;       /* (rows, d) */
    double *base;      /* (rows) */
    size_t n;          /* pairs so far */
};

static void shuffle(size_t *order, size_t d, uint64_t seed, uint64_t pair) {
    for (size_t i = 0; i < d; i++)
        order[i] = i;
    for (size_t i = d; i > 1; i--) {
        size_t k = glim__rng_below(seed, pair, i, (uint32_t)i), swap = order[i - 1];
        order[i - 1] = order[k];
        order[k] = swap;
    }
}

/* Coalitions of the first k units in order, k = 1 .. d - 1; then in reverse. */
static void lay_out(struct orders *o, size_t slot) {
    size_t d = o->g->d;
    for (size_t way = 0; way < 2; way++)
        for (size_t k = 1; k < d; k++) {
            uint8_t *z = o->z + ((slot * 2 + way) * (d - 1) + k - 1) * d;
            memset(z, 0, d);
            for (size_t i = 0; i < k; i++)
                z[o->order[way ? d - 1 - i : i]] = 1;
        }
}

static void take_pair(struct orders *o, size_t slot) {
    size_t d = o->g->d, R = o->g->rows;
    memset(o->one, 0, R * d * sizeof *o->one);
    for (size_t way = 0; way < 2; way++)
        for (size_t r = 0; r < R; r++) {
            const double *v = o->v + (slot * 2 + way) * (d - 1) * R;
            double before = o->base[r];
            for (size_t k = 1; k <= d; k++) {
                double now = k < d ? v[(k - 1) * R + r] : o->g->all[r];
                o->one[r * d + o->order[way ? d - k : k - 1]] += (now - before) / 2;
                before = now;
            }
        }
    o->n++;
    for (size_t i = 0; i < R * d; i++) {
        double off = o->one[i] - o->mean[i];
        o->mean[i] += off / (double)o->n;
        o->m2[i] += off * (o->one[i] - o->mean[i]);
    }
}

/* Standard errors into `one`; the largest as a share of the largest score of its row. */
static double errors_so_far(struct orders *o) {
    double n = (double)o->n;
    for (size_t i = 0; i < o->g->rows * o->g->d; i++) {
        o->one[i] = o->n > 1 ? sqrt(o->m2[i] / (n - 1) / n) : NAN;
        if (o->one[i] < 1e-12 * fabs(o->mean[i])) /* rounding */
            o->one[i] = 0;
    }
    return o->n < 2 ? INFINITY : glim__game_spread_of(o->g->rows, o->g->d, o->mean, o->one);
}

static glim_status run_orders(struct orders *o, const struct work *w, glim_error *err) {
    size_t d = o->g->d, most = (size_t)w->o->pairs;
    memset(o->z, 0, d);
    glim_status status = glim__game_values(o->g, o->z, 1, o->base, err);
    while (!status && o->n < most) {
        size_t m = most - o->n < AT_ONCE ? most - o->n : AT_ONCE, first = o->n;
        for (size_t i = 0; i < m; i++) {
            shuffle(o->order, d, w->seed, first + i);
            lay_out(o, i);
        }
        if (d > 1)
            status = glim__game_values(o->g, o->z, m * 2 * (d - 1), o->v, err);
        for (size_t i = 0; i < m && !status; i++) {
            shuffle(o->order, d, w->seed, first + i);
            take_pair(o, i);
        }
        if (!status && errors_so_far(o) <= w->o->tolerance)
            break;
    }
    return status;
}

static glim_status play_orders(glim_game *g, struct work *w, glim_error *err) {
    glim_context *ctx = g->p->ctx;
    size_t d = g->d, R = g->rows, n = AT_ONCE * 2 * d;
    struct orders o = {.g = g};
    o.order = glim__calloc(ctx, d, sizeof *o.order);
    o.z = glim__calloc(ctx, n, d);
    o.v = glim__calloc(ctx, n * R, sizeof *o.v);
    o.mean = glim__calloc(ctx, (3 * d + 1) * R, sizeof *o.mean);
    glim_status status = o.order && o.z && o.v && o.mean
                             ? GLIM_OK
                             : glim__oom(ctx, err, "coalitions", n * (d + 8 * R));
    o.m2 = o.mean ? o.mean + d * R : NULL;
    o.one = o.mean ? o.m2 + d * R : NULL;
    o.base = o.mean ? o.one + d * R : NULL;
    if (!status)
        status = run_orders(&o, w, err);
    if (o.n && (!status || status == GLIM_ECANCELLED)) { /* whole pairs are kept */
        errors_so_far(&o);
        put(w, g, o.mean, o.one, o.base);
        w->pairs = o.n > w->pairs ? o.n : w->pairs;
    }
    glim__free(ctx, o.order);
    glim__free(ctx, o.z);
    glim__free(ctx, o.v);
    glim__free(ctx, o.mean);
    return status;
}

static bool asks_all(const struct opts *o, size_t d) {
    return d <= (size_t)o->exact_units;
}

static glim_status play(glim_game *g, void *data, glim_error *err) {
    struct work *w = data;
    return asks_all(w->o, g->d) ? play_all(g, w, err) : play_orders(g, w, err);
}

static void tell(struct work *w) {
    if (w->pairs) {
        glim_document_note(w->doc, "%llu random orders and their reverses",
                           (unsigned long long)w->pairs);
        glim__game_sampled(w->doc, w->asked, w->worst, "--pairs");
    } else {
        glim_document_note(w->doc, "exact: every coalition was asked");
        glim_document_check_add(w->doc, "coalitions", (double)w->asked, "asked of the model");
    }
}

static glim_status run(glim_predictor *p, const void *opts, uint64_t seed, glim_document *doc,
                       glim_error *err) {
    struct work w = {.o = opts, .seed = seed, .doc = doc};
    glim_status status = glim__scores_new(p, doc, true, err);
    glim__background_set(p, w.o->background, seed);
    if (!status)
        status = glim__games(p, w.o->absent, doc, false, play, &w, err);
    if (!status)
        tell(&w);
    return status;
}

static uint64_t coalitions(const void *opts, size_t d, size_t rows) {
    const struct opts *o = opts;
    return asks_all(o, d) ? (uint64_t)1 << d : (uint64_t)o->pairs * 2 * (d - 1) + 1;
}

static uint64_t room(const void *opts, size_t d, size_t rows) {
    uint64_t n = asks_all(opts, d) ? (uint64_t)1 << d : (uint64_t)AT_ONCE * 2 * d;
    return n * (d + 8 * rows + 24) + 8 * d * (3 * rows + 2) + 512;
}

static glim_status plan(const glim_predictor *p, const void *opts, glim_plan *out,
                        glim_error *err) {
    const struct opts *o = opts;
    glim__background_set(p, o->background, 0);
    return glim__games_plan(p, o->absent, coalitions, room, opts, out, err);
}

const glim_method glim_method_shapley = {
    .name = "shapley",
    .summary = "what each unit adds, averaged over the orders in which units come in",
    .cite = "Shapley 1953; Castro, Gomez, Tejada 2009; Mitchell et al. 2022, arXiv:2104.12199",
    .family = "perturbation",
    .costs = "2^d or 20d passes",
    .caption = "Fair shares of one number: they depend on what the model makes of texts with gaps.",
    .formula = "score_i = mean over orders of f(units before i, and i) - f(units before i);  sum "
               "of scores = f(x) - f(nothing)",
    .use = "when words act together and shares must add up; exact up to 8 units",
    .avoid = "of many units: 20 passes a unit; take owen or kernel-shap",
    .needs = GLIM_CAN_PREDICT,
    .additive = true,
    .is_signed = true,
    .params = params,
    .opts_size = sizeof(struct opts),
    .plan = plan,
    .run = run,
};
