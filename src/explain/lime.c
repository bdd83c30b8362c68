/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LIME for text: a weighted ridge on which features are there. Sample 0 is the input;
 * of the others each lacks a random number of features, uniform in 1 .. d, and counts by
 * its closeness, exp(-D^2 / 2 sigma^2) with D = 100 (1 - cos(z, 1)) = 100 (1 - sqrt(m/d)):
 * the sampling, kernel, selection and fit of lime 0.2.0.1 (lime_text.py, lime_base.py).
 * Added here: standard errors (sandwich), the number of samples that count, and how
 * stable the ranking is when samples are drawn again.
 */
#include "explain/lime.h"
#include "base/rng.h"
#include "explain/game.h"
#include "base/solve.h"

#include <math.h>
#include <string.h>

enum { REFITS = 20, TOP = 5, FEW = 30, AUTO_FEATURES = 10 };

struct opts {
    const char *absent, *selection;
    int64_t n_samples, num_features;
    double kernel_width, alpha;
    bool bow;
};

static const glim_param params[] = {
    GLIM_ABSENT_PARAM(struct opts),
    {.name = "num-samples",
     .type = GLIM_INT,
     .offset = offsetof(struct opts, n_samples),
     .def.i = 1000,
     .min = 10,
     .max = 1000000,
     .help = "inputs with features absent"},
    {.name = "num-features",
     .type = GLIM_INT,
     .offset = offsetof(struct opts, num_features),
     .def.i = 0,
     .min = 0,
     .max = 1000,
     .help = "features of the local model (0: all of up to 30, else 10)"},
    {.name = "feature-selection",
     .type = GLIM_CHOICE,
     .offset = offsetof(struct opts, selection),
     .def.s = "auto",
     .choices = "auto|forward|highest-weights|lasso-path|none",
     .help = "how they are chosen (auto: forward up to 6, else highest-weights)"},
    {.name = "kernel-width",
     .type = GLIM_REAL,
     .offset = offsetof(struct opts, kernel_width),
     .def.r = 25,
     .min = 1e-3,
     .max = 1e6,
     .help = "sigma; the distance with half of the features absent is 29"},
    {.name = "alpha",
     .type = GLIM_REAL,
     .offset = offsetof(struct opts, alpha),
     .def.r = 1,
     .min = 0,
     .max = 1e6,
     .help = "strength of the ridge"},
    {.name = "bow",
     .type = GLIM_BOOL,
     .offset = offsetof(struct opts, bow),
     .help = "a word is one feature wherever it stands"},
    {0},
};

struct work {
    const struct opts *o;
    uint64_t seed, asked;
    glim_document *doc;
    double r2, effective, jaccard, tau, off; /* the worst of the target rows */
    size_t most;                             /* features of a local model */
};

struct sampling {
    glim_game *g;
    size_t n;
    uint8_t *z;             /* (n, d) */
    double *weight, *times; /* (n) */
    double *v;              /* (n, rows) */
    glim_moments m;
    glim_local local, again;
    double *scratch, *inverse, *se; /* (d, d) at least; (d) */
    double *scores, *errors;        /* (rows, d) */
    size_t *used, *order;
};

/* ---- samples ---- */

static void draw(struct sampling *s, const struct work *w) {
    size_t d = s->g->d;
    double width = w->o->kernel_width;
    memset(s->z, 1, s->n * d);
    for (size_t i = 0; i < s->n; i++) {
        uint8_t *z = s->z + i * d;
        size_t out = i ? 1 + glim__rng_below(w->seed, i, 0, (uint32_t)d) : 0;
        for (size_t k = 0; k < d; k++)
            s->order[k] = k;
        for (size_t k = 0; k < out; k++) {
            size_t at = k + glim__rng_below(w->seed, i, k + 1, (uint32_t)(d - k)),
                   swap = s->order[k];
            s->order[k] = s->order[at];
            s->order[at] = swap;
            z[s->order[k]] = 0;
        }
        double off = 100 * (1 - sqrt((double)(d - out) / (double)d));
        s->weight[i] = exp(-off * off / (2 * width * width));
    }
}

static double effective(const double *w, size_t n) {
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        sum += w[i];
        squares += w[i] * w[i];
    }
    return squares > 0 ? sum * sum / squares : 0;
}

/* ---- errors and stability ---- */

/* Sandwich: M^-1 (sum w^2 r^2 z z^T) M^-1, M = Z^T W Z + alpha; the factor of M lies at
   scratch. */
static void standard_errors(struct sampling *s, const double *y, size_t step) {
    const glim_local *l = &s->local;
    size_t n = l->n, d = s->g->d;
    double *meat = s->inverse, *x = s->se;
    memset(meat, 0, n * n * sizeof *meat);
    for (size_t i = 0; i < s->n; i++) {
        const uint8_t *z = s->z + i * d;
        double r = y[i * step] - l->intercept;
        for (size_t k = 0; k < n; k++)
            r -= z[l->used[k]] ? l->coefficient[k] : 0;
        double c = s->weight[i] * s->weight[i] * r * r;
        for (size_t k = 0; k < n; k++)
            x[k] = z[l->used[k]] - s->m.mean[l->used[k]];
        for (size_t k = 0; k < n; k++)
            for (size_t j = 0; j <= k; j++)
                meat[k * n + j] += c * x[k] * x[j];
    }
    for (size_t k = 0; k < n; k++)
        for (size_t j = 0; j < k; j++)
            meat[j * n + k] = meat[k * n + j];
    for (size_t k = 0; k < n; k++) /* rows of M^-1 meat */
        glim__cholesky_solve(s->scratch, n, meat + k * n);
    for (size_t k = 0; k < n; k++) {
        for (size_t j = 0; j < n; j++)
            x[j] = meat[j * n + k];
        glim__cholesky_solve(s->scratch, n, x);
        s->errors[k] = sqrt(x[k] > 0 ? x[k] : 0);
    }
}

/* The features of the TOP largest coefficients, into `at`; returns how many. */
static size_t top_features(const glim_local *l, size_t at[TOP]) {
    size_t n = 0;
    for (; n < TOP && n < l->n; n++) {
        size_t best = SIZE_MAX;
        for (size_t k = 0; k < l->n; k++) {
            bool taken = false;
            for (size_t i = 0; i < n; i++)
                taken = taken || at[i] == k;
            if (!taken &&
                (best == SIZE_MAX || fabs(l->coefficient[k]) > fabs(l->coefficient[best])))
                best = k;
        }
        at[n] = best;
    }
    return n;
}

static double jaccard(const glim_local *a, const glim_local *b) {
    size_t x[TOP], y[TOP], n = top_features(a, x), m = top_features(b, y), common = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < m; k++)
            common += x[i] == y[k];
    return n ? (double)common / (double)(2 * n - common) : 1;
}

/* Kendall's tau of two lists of coefficients. */
static double kendall(const glim_local *a, const glim_local *b) {
    double sum = 0, pairs = (double)a->n * ((double)a->n - 1) / 2;
    for (size_t i = 0; i < a->n; i++)
        for (size_t k = 0; k < i; k++) {
            double u = a->coefficient[i] - a->coefficient[k],
                   v = b->coefficient[i] - b->coefficient[k];
            sum += u * v > 0 ? 1 : u * v < 0 ? -1 : 0;
        }
    return pairs > 0 ? sum / pairs : 1;
}

/* The same features fitted on samples drawn again with replacement. */
static void refit(struct sampling *s, struct work *w, const double *y, size_t step) {
    double overlap = 0, tau = 0, done = 0;
    s->again.n = s->local.n;
    for (uint64_t b = 0; b < REFITS; b++) {
        memset(s->times, 0, s->n * sizeof *s->times);
        for (size_t i = 0; i < s->n; i++)
            s->times[glim__rng_below(w->seed, (uint64_t)1 << 40 | b, i, (uint32_t)s->n)]++;
        glim__moments(&s->m, s->z, y, step, s->weight, s->times, s->n);
        if (!glim__local_fit(&s->again, &s->m, w->o->alpha, s->scratch))
            continue;
        done++;
        overlap += jaccard(&s->local, &s->again);
        tau += kendall(&s->local, &s->again);
    }
    w->jaccard = fmin(w->jaccard, done > 0 ? overlap / done : 0);
    w->tau = fmin(w->tau, done > 0 ? tau / done : 0);
}

/* ---- one run of rows ---- */

static glim_lime_select how_of(const struct opts *o, size_t d, size_t *most) {
    static const char *const names[] = {"auto", "forward", "highest-weights", "lasso-path", "none"};
    size_t how = 0;
    while (strcmp(names[how], o->selection))
        how++;
    *most = o->num_features ? (size_t)o->num_features : d <= FEW ? d : AUTO_FEATURES;
    return *most >= d ? GLIM_SELECT_NONE : (glim_lime_select)how;
}

static glim_status fit_row(struct sampling *s, struct work *w, size_t r, glim_error *err) {
    glim_game *g = s->g;
    const double *y = s->v + r;
    size_t most;
    glim_lime_select how = how_of(w->o, g->d, &most);
    glim__moments(&s->m, s->z, y, g->rows, s->weight, NULL, s->n);
    glim__local_choose(&s->local, &s->m, how, most, s->scratch);
    if (!glim__local_fit(&s->local, &s->m, w->o->alpha, s->scratch))
        return glim_fail(err, GLIM_ENUMERIC,
                         "the samples do not tell the features apart (raise --num-samples or "
                         "--alpha)");
    double predicted = s->local.intercept, *scores = s->scores + r * g->d;
    standard_errors(s, y, g->rows);
    for (size_t i = 0; i < g->d; i++)
        scores[i] = s->errors[g->d + r * g->d + i] = 0;
    for (size_t k = 0; k < s->local.n; k++) {
        scores[s->local.used[k]] = s->local.coefficient[k];
        s->errors[g->d + r * g->d + s->local.used[k]] = s->errors[k];
        predicted += s->local.coefficient[k];
    }
    w->r2 = fmin(w->r2, isnan(s->local.r2) ? 1 : s->local.r2);
    w->off = fmax(w->off, fabs(predicted - g->all[r]));
    w->most = s->local.n > w->most ? s->local.n : w->most;
    if (w->doc->rows)
        w->doc->rows[g->first + r].baseline_value = s->local.intercept;
    else
        w->doc->target.baseline_value = s->local.intercept;
    refit(s, w, y, g->rows);
    return GLIM_OK;
}

static bool make_room(struct sampling *s) {
    glim_context *ctx = s->g->p->ctx;
    size_t d = s->g->d, R = s->g->rows, n = s->n;
    s->z = glim__calloc(ctx, n, d);
    s->weight = glim__calloc(ctx, n * (2 + R), sizeof *s->weight);
    s->m.gram = glim__calloc(ctx, 2 * d * d + 4 * d + glim__local_scratch(d), sizeof(double));
    s->scores = glim__calloc(ctx, d * (2 * R + 3), sizeof *s->scores);
    s->used = glim__calloc(ctx, 3 * d, sizeof *s->used);
    if (!s->z || !s->weight || !s->m.gram || !s->scores || !s->used)
        return false;
    s->times = s->weight + n;
    s->v = s->times + n;
    s->m.d = d;
    s->m.mean = s->m.gram + d * d;
    s->m.cross = s->m.mean + d;
    s->se = s->m.cross + d;
    s->inverse = s->se + d;
    s->scratch = s->inverse + d * d + d;
    s->errors = s->scores + d * R; /* (d) of the fit, then (rows, d) */
    s->local.coefficient = s->errors + d * (R + 1);
    s->again.coefficient = s->local.coefficient + d;
    s->local.used = s->again.used = s->used;
    s->order = s->used + 2 * d;
    return true;
}

static glim_status play(glim_game *g, void *data, glim_error *err) {
    struct work *w = data;
    struct sampling s = {.g = g, .n = (size_t)w->o->n_samples};
    glim_status status =
        make_room(&s) ? GLIM_OK : glim__oom(g->p->ctx, err, "samples", s.n * (g->d + 24));
    if (!status) {
        draw(&s, w);
        status = glim__game_values(g, s.z, s.n, s.v, err);
    }
    for (size_t r = 0; r < g->rows && !status; r++)
        status = fit_row(&s, w, r, err);
    if (!status) {
        w->asked += g->asked;
        w->effective = fmin(w->effective, effective(s.weight, s.n));
        glim__game_spread(g, s.scores, w->doc->scores);
        glim__game_spread(g, s.errors + g->d, w->doc->error);
    }
    glim__free(g->p->ctx, s.z);
    glim__free(g->p->ctx, s.weight);
    glim__free(g->p->ctx, s.m.gram);
    glim__free(g->p->ctx, s.scores);
    glim__free(g->p->ctx, s.used);
    return status;
}

/* ---- result ---- */

static void judge(struct work *w) {
    glim_document *doc = w->doc;
    glim_document_check_add(doc, "local_r2", w->r2,
                            "share of the samples' variance that the local model explains");
    glim_document_check_add(doc, "local_error", w->off,
                            "|local model - target| on the input itself");
    glim_document_check_add(doc, "effective_samples", w->effective,
                            "samples that count, by their weights");
    glim_document_check_add(doc, "top5_stability", w->jaccard,
                            "mean overlap (Jaccard) of the five largest in 20 refits");
    glim_document_check_add(doc, "rank_stability", w->tau, "mean Kendall tau in 20 refits");
    if (w->r2 < 0.5)
        glim_document_judge(doc, GLIM_VERDICT_DISTRUST,
                            "the local model explains %.0f %% of what happens around the input: "
                            "it is no sum over words (--method shapley shares any target out)",
                            100 * fmax(0, w->r2));
    if (w->effective < 10 * (double)w->most)
        glim_document_judge(doc, GLIM_VERDICT_DISTRUST,
                            "only %.0f samples count for %zu features; raise --num-samples or "
                            "--kernel-width",
                            w->effective, w->most);
    if (w->jaccard < 0.6)
        glim_document_judge(doc, GLIM_VERDICT_DISTRUST,
                            "the five largest change when samples are drawn again (overlap %.2f); "
                            "raise --num-samples",
                            w->jaccard);
}

static glim_status run(glim_predictor *p, const void *opts, uint64_t seed, glim_document *doc,
                       glim_error *err) {
    const struct opts *o = opts;
    struct work w = {
        .o = o, .seed = seed, .doc = doc, .r2 = 1, .effective = INFINITY, .jaccard = 1, .tau = 1};
    glim_status status = glim__scores_new(p, doc, true, err);
    if (!status)
        status = glim__games(p, o->absent, doc, o->bow, play, &w, err);
    if (status)
        return status;
    if (o->bow) { /* a sum would count a word as often as it occurs */
        doc->method.fold = NULL;
        glim_document_note(doc, "each word's score is that of all its occurrences together");
    }
    glim_document_note(doc, "the baseline value is the local model's intercept; units that were "
                            "not selected have 0");
    if (w.asked)
        judge(&w);
    return GLIM_OK;
}

static uint64_t samples(const void *opts, size_t d, size_t rows) {
    return (uint64_t)((const struct opts *)opts)->n_samples;
}

static uint64_t room(const void *opts, size_t d, size_t rows) {
    uint64_t n = samples(opts, d, rows);
    return n * (d + 8 * (2 + rows) + 24) + 8 * (3 * d * d + d * (2 * (uint64_t)rows + 16)) + 1024;
}

static glim_status plan(const glim_predictor *p, const void *opts, glim_plan *out,
                        glim_error *err) {
    const struct opts *o = opts;
    return glim__games_plan(p, o->absent, samples, room, opts, out, err);
}

const glim_method glim_method_lime = {
    .name = "lime",
    .summary = "a weighted linear model of the target around the input",
    .cite = "Ribeiro, Singh, Guestrin 2016, arXiv:1602.04938",
    .family = "surrogate",
    .costs = "1000 passes",
    .caption = "The coefficients of a stand-in: read its fit (local_r2) before them.",
    .needs = GLIM_CAN_PREDICT,
    .is_signed = true,
    .params = params,
    .opts_size = sizeof(struct opts),
    .plan = plan,
    .run = run,
};
