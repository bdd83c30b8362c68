/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel SHAP: Shapley values as a weighted least squares over coalitions z,
 *
 *   min sum_z w(z) (v(z) - v(0) - sum_i phi_i z_i)^2,  sum_i phi_i = v(1) - v(0),
 *   w(z) = (d - 1) / (C(d, m) m (d - m)),  m = |z|.
 *
 * Sizes m and d - m go together, from the outside in: while the budget covers all
 * coalitions of a pair of sizes they are all asked, the rest is drawn by its weight,
 * each with its complement. The constraint is solved exactly, by leaving the last
 * feature out. With all coalitions the result is the Shapley value. Standard errors:
 * refits on the drawn pairs, drawn again with replacement; with --tolerance, pairs are
 * asked in rounds, each as large as all before it, until the errors are small enough.
 */
#include "base/rng.h"
#include "explain/game.h"
#include "base/solve.h"

#include <math.h>
#include <string.h>

enum { REFITS = 20, FIRST_PAIRS = 32 };

struct opts {
    const char *absent;
    int64_t background, n_samples;
    double tolerance;
};

static const glim_param params[] = {
    GLIM_ABSENT_PARAM(struct opts),
    GLIM_BACKGROUND_PARAM(struct opts),
    {.name = "n-samples",
     .type = GLIM_INT,
     .offset = offsetof(struct opts, n_samples),
     .def.i = 512,
     .min = 2,
     .max = 1000000,
     .help = "coalitions, beside four for each unit; with --tolerance at most"},
    GLIM_TOLERANCE_PARAM(struct opts),
    {0},
};

struct work {
    uint64_t seed;
    size_t samples; /* as asked */
    double tolerance;
    glim_document *doc;
    uint64_t asked;
    double worst; /* largest standard error as a share of the largest score */
};

/* The coalitions and how much each counts. */
struct design {
    size_t d, n, fixed; /* rows; those before `fixed` were enumerated */
    uint8_t *z;         /* (n, d) */
    double *weight;     /* (n) */
};

static size_t budget(size_t samples, size_t d) {
    size_t n = samples + 4 * d;
    return d < 20 && n > ((size_t)1 << d) - 2 ? ((size_t)1 << d) - 2 : n;
}

static void add(struct design *s, const uint8_t *z, double weight, bool complement) {
    uint8_t *to = s->z + s->n * s->d;
    for (size_t i = 0; i < s->d; i++)
        to[i] = complement ? !z[i] : z[i];
    s->weight[s->n++] = weight;
}

static double choose(size_t n, size_t k) {
    double c = 1;
    for (size_t i = 1; i <= k; i++)
        c = c * (double)(n - k + i) / (double)i;
    return c;
}

/* All coalitions of `size`, in lexical order, each followed by its complement. */
static void enumerate(struct design *s, size_t size, double weight, bool paired, size_t *at,
                      uint8_t *z) {
    for (size_t i = 0; i < size; i++)
        at[i] = i;
    for (;;) {
        memset(z, 0, s->d);
        for (size_t i = 0; i < size; i++)
            z[at[i]] = 1;
        add(s, z, weight, false);
        if (paired)
            add(s, z, weight, true);
        size_t i = size;
        while (i > 0 && at[i - 1] == s->d - size + i - 1)
            i--;
        if (!i)
            return;
        at[i - 1]++;
        for (; i < size; i++)
            at[i] = at[i - 1] + 1;
    }
}

/* A coalition of `size` by a partial shuffle. */
static void draw(uint8_t *z, size_t *at, size_t d, size_t size, uint64_t seed, uint64_t sample) {
    memset(z, 0, d);
    for (size_t i = 0; i < d; i++)
        at[i] = i;
    for (size_t i = 0; i < size; i++) {
        size_t k = i + glim__rng_below(seed, sample, i + 1, (uint32_t)(d - i)), swap = at[i];
        at[i] = at[k];
        at[k] = swap;
        z[at[i]] = 1;
    }
}

/* Weight of a size (both sizes of a pair together), relative. */
static double size_weight(size_t d, size_t m) {
    double w = (double)(d - 1) / ((double)m * (double)(d - m));
    return m < d - m ? 2 * w : w;
}

static void fill(struct design *s, size_t budget, uint64_t seed, size_t *at, uint8_t *z) {
    size_t d = s->d, sizes = d / 2, size = 1;
    double total = 0, left = 0;
    for (size_t m = 1; m <= sizes; m++)
        total += size_weight(d, m);
    left = total;
    for (; size <= sizes; size++) {
        bool paired = size < d - size;
        double count = choose(d, size) * (paired ? 2 : 1), mine = size_weight(d, size);
        if ((double)(budget - s->n) * mine / left < count * (1 - 1e-8))
            break;
        enumerate(s, size, mine / total / count, paired, at, z);
        left -= mine;
    }
    s->fixed = s->n;
    if (size > sizes)
        return;
    size_t pairs = (budget - s->n) / 2;
    double each = left / total / (double)(2 * pairs);
    for (size_t k = 0; k < pairs; k++) {
        double u = glim__rng_uniform(seed, k, 0) * left;
        size_t m = size;
        while (m < sizes && u >= size_weight(d, m))
            u -= size_weight(d, m++);
        draw(z, at, d, m, seed, k);
        add(s, z, each, false);
        add(s, z, each, true);
    }
}

/* ---- the fit ---- */

struct fit {
    struct design s;
    double *gram;              /* (d - 1, d - 1) */
    double *column;            /* (d - 1): z_j - z_d of a row */
    double *v;                 /* (n, rows) */
    double *right;             /* (rows, d): what the system is solved for, then phi */
    double *times;             /* (n) how often a refit drew a row */
    double scale;              /* of the weight of drawn rows, while not all are there */
    double *base;              /* (rows) */
    double *phi, *error, *sum; /* (rows, d) */
};

/* What row s has to explain: v(z) - v(0) - z_d (v(1) - v(0)). */
static double left_of(const struct fit *f, const glim_game *g, size_t s, size_t r) {
    uint8_t last = f->s.z[(s + 1) * g->d - 1];
    return f->v[s * g->rows + r] - f->base[r] - last * (g->all[r] - f->base[r]);
}

/* Adds row s to the system, or with `pair` the rows s and s + 1: a complement has the
   same columns with the other sign. */
static void add_row(struct fit *f, const glim_game *g, size_t s, bool pair) {
    size_t d = g->d, k = d - 1;
    const uint8_t *z = f->s.z + s * d;
    double w = f->s.weight[s] * f->times[s] * (s < f->s.fixed ? 1 : f->scale);
    if (w == 0)
        return;
    for (size_t j = 0; j < k; j++)
        f->column[j] = (double)z[j] - z[k];
    for (size_t i = 0; i < k; i++) {
        double c = (pair ? 2 * w : w) * f->column[i];
        for (size_t j = 0; j <= i && c != 0; j++)
            f->gram[i * k + j] += c * f->column[j];
    }
    for (size_t r = 0; r < g->rows; r++) {
        double y = w * (left_of(f, g, s, r) - (pair ? left_of(f, g, s + 1, r) : 0));
        for (size_t j = 0; j < k; j++)
            f->right[r * d + j] += y * f->column[j];
    }
}

/* Shapley values into f->right; false when the coalitions do not tell them. */
static bool solve(struct fit *f, const glim_game *g) {
    size_t d = g->d, k = d - 1, R = g->rows;
    memset(f->gram, 0, k * k * sizeof *f->gram);
    memset(f->right, 0, R * d * sizeof *f->right);
    for (size_t s = 0; s < f->s.fixed; s++)
        add_row(f, g, s, false);
    for (size_t s = f->s.fixed; s < f->s.n; s += 2)
        add_row(f, g, s, true);
    if (k && !glim__cholesky(f->gram, k))
        return false;
    for (size_t r = 0; r < R; r++) {
        double *phi = f->right + r * d, last = g->all[r] - f->base[r];
        glim__cholesky_solve(f->gram, k, phi);
        for (size_t j = 0; j < k; j++)
            last -= phi[j];
        phi[k] = last;
    }
    return true;
}

static void refit(struct fit *f, const glim_game *g, uint64_t seed) {
    size_t n = g->rows * g->d, pairs = (f->s.n - f->s.fixed) / 2, done = 0;
    memset(f->sum, 0, n * sizeof *f->sum);
    memset(f->error, 0, n * sizeof *f->error);
    for (uint64_t b = 0; b < REFITS && pairs; b++) {
        for (size_t s = f->s.fixed; s < f->s.n; s++)
            f->times[s] = 0;
        for (size_t k = 0; k < pairs; k++) {
            size_t s =
                f->s.fixed + 2 * glim__rng_below(seed, (uint64_t)1 << 40 | b, k, (uint32_t)pairs);
            f->times[s]++;
            f->times[s + 1]++;
        }
        if (!solve(f, g))
            continue;
        done++;
        for (size_t i = 0; i < n; i++) { /* error: squares about the mean, by Welford */
            double off = f->right[i] - f->sum[i];
            f->sum[i] += off / (double)done;
            f->error[i] += off * (f->right[i] - f->sum[i]);
        }
    }
    for (size_t i = 0; i < n && pairs; i++)
        f->error[i] = done > 1 ? sqrt(f->error[i] / (double)(done - 1)) : NAN;
}

/* Scores and errors from the rows so far; false when these do not tell them. */
static bool fit_so_far(struct fit *f, const glim_game *g, const struct work *w) {
    for (size_t s = 0; s < f->s.n; s++)
        f->times[s] = 1;
    if (!solve(f, g))
        return false;
    memcpy(f->phi, f->right, g->rows * g->d * sizeof *f->phi);
    refit(f, g, w->seed);
    return true;
}

/* Rounds: first what was enumerated, then pairs. What an interrupted one had is kept. */
static glim_status run_rounds(struct fit *f, glim_game *g, const struct work *w, bool *solved,
                              glim_error *err) {
    size_t all = f->s.n, pairs = (all - f->s.fixed) / 2, done = 0, from = 0;
    size_t first = g->d > FIRST_PAIRS ? g->d : FIRST_PAIRS;
    glim_status status = GLIM_OK;
    for (bool more = true; more && !status;) {
        size_t step = w->tolerance > 0 ? (done ? done : first) : pairs;
        done = pairs - done < step ? pairs : done + step;
        f->s.n = f->s.fixed + 2 * done;
        f->scale = done ? (double)pairs / (double)done : 1;
        status =
            glim__game_values(g, f->s.z + from * g->d, f->s.n - from, f->v + from * g->rows, err);
        from = f->s.n;
        bool now = !status && fit_so_far(f, g, w);
        *solved = *solved || now;
        more = done < pairs &&
               !(now && glim__game_spread_of(g->rows, g->d, f->phi, f->error) <= w->tolerance);
    }
    return status;
}

static glim_status run_fit(struct fit *f, glim_game *g, struct work *w, glim_error *err) {
    uint8_t *none = f->s.z + budget(w->samples, g->d) * g->d; /* a row behind the others */
    bool solved = false;
    memset(none, 0, g->d);
    glim_status status = glim__game_values(g, none, 1, f->base, err);
    if (!status)
        status = run_rounds(f, g, w, &solved, err);
    if (!status && !solved)
        return glim_fail(err, GLIM_ENUMERIC,
                         "the coalitions do not tell the units apart (raise --n-samples)");
    w->asked += g->asked;
    if (solved)
        w->worst = fmax(w->worst, glim__game_additive(g, w->doc, f->phi, f->error, f->base));
    return status;
}

static glim_status play(glim_game *g, void *data, glim_error *err) {
    struct work *w = data;
    glim_context *ctx = g->p->ctx;
    size_t d = g->d, R = g->rows, n = budget(w->samples, d);
    struct fit f = {.s = {.d = d}};
    size_t *at = glim__calloc(ctx, d, sizeof *at);
    f.s.z = glim__calloc(ctx, n + 2, d);
    f.s.weight = glim__calloc(ctx, 2 * n + 2, sizeof *f.s.weight);
    f.v = glim__calloc(ctx, n * R + 1, sizeof *f.v);
    f.gram = glim__calloc(ctx, d * d + R, sizeof *f.gram);
    f.right = glim__calloc(ctx, 4 * R * d + d, sizeof *f.right);
    glim_status status = at && f.s.z && f.s.weight && f.v && f.gram && f.right
                             ? GLIM_OK
                             : glim__oom(ctx, err, "coalitions", n * (d + 8 * R));
    if (!status) {
        f.times = f.s.weight + n + 1;
        f.base = f.gram + d * d;
        f.phi = f.right + R * d;
        f.error = f.phi + R * d;
        f.sum = f.error + R * d;
        f.column = f.sum + R * d;
        fill(&f.s, n, w->seed, at, f.s.z + (n + 1) * d);
        status = run_fit(&f, g, w, err);
    }
    glim__free(ctx, at);
    glim__free(ctx, f.s.z);
    glim__free(ctx, f.s.weight);
    glim__free(ctx, f.v);
    glim__free(ctx, f.gram);
    glim__free(ctx, f.right);
    return status;
}

static glim_status run(glim_predictor *p, const void *opts, uint64_t seed, glim_document *doc,
                       glim_error *err) {
    const struct opts *o = opts;
    struct work w = {
        .seed = seed, .samples = (size_t)o->n_samples, .tolerance = o->tolerance, .doc = doc};
    glim_status status = glim__scores_new(p, doc, true, err);
    glim__background_set(p, o->background, seed);
    if (!status)
        status = glim__games(p, o->absent, doc, false, play, &w, err);
    if (status)
        return status;
    glim__game_sampled(doc, w.asked, w.worst, "--n-samples");
    return GLIM_OK;
}

static uint64_t coalitions(const void *opts, size_t d, size_t rows) {
    return budget((size_t)((const struct opts *)opts)->n_samples, d) + 1;
}

static uint64_t room(const void *opts, size_t d, size_t rows) {
    uint64_t n = coalitions(opts, d, rows) + 1;
    return n * (d + 40 + 8 * rows) + 8 * d * (d + 4 * rows + 2) + 1024;
}

static glim_status plan(const glim_predictor *p, const void *opts, glim_plan *out,
                        glim_error *err) {
    const struct opts *o = opts;
    glim__background_set(p, o->background, 0);
    return glim__games_plan(p, o->absent, coalitions, room, opts, out, err);
}

const glim_method glim_method_kernel_shap = {
    .name = "kernel-shap",
    .summary = "Shapley values by a weighted fit over coalitions",
    .cite = "Lundberg, Lee 2017, arXiv:1705.07874",
    .family = "surrogate",
    .costs = "512 + 4d passes",
    .caption = "Fair shares of one number: they depend on what the model makes of texts with gaps.",
    .formula = "least squares of f(coalition) on presence, weights (d - 1) / (C(d, s) s (d - s));  "
               "sum of scores = f(x) - f(nothing)",
    .use = "of black boxes with more than 8 units, when shares must add up and errors be known",
    .avoid = "when passes are dear and units few: shapley is exact there",
    .needs = GLIM_CAN_PREDICT,
    .additive = true,
    .is_signed = true,
    .params = params,
    .opts_size = sizeof(struct opts),
    .plan = plan,
    .run = run,
};
