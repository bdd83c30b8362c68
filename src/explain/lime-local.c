/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A local model and how far it is to be trusted: the fit of lime 0.2.0.1 (lime_base.py),
 * to which are added standard errors (sandwich), the number of samples that count, and how
 * stable the ranking is when samples are drawn again with replacement.
 */
#include "base/rng.h"
#include "base/solve.h"
#include "explain/lime.h"
#include "tensor/kernels.h"

#include <math.h>
#include <string.h>

enum { REFITS = 20, GROUPS = 128, TOGETHER = 16, TOP = 5, FEW = 30, AUTO_FEATURES = 10 };
static const double NEXT_TO_NOTHING = 0.01; /* of the largest coefficient */
enum { REFIT_ROOM = 1 << 22 };              /* doubles of refits under way */

struct fitting {
    const glim_lime_data *a;
    const glim_lime_options *o;
    glim_moments m; /* of all features, then of those used */
    glim_local local, again;
    double *groups; /* (TOGETHER, size of moments) sums of some groups */
    double *sums;   /* (at_once, size of moments) of refits under way */
    size_t at_once;
    bool summed;    /* the first of them have been, with the samples themselves */
    double *weight; /* (n) scratch */
    double *block;  /* scratch of moments */
    double *solve;  /* scratch of the local model */
    double *meat;   /* (d, d) */
    double *x;      /* (d) */
    double *mean;   /* (d) of the used features */
    size_t *used, *plain;
};

/* ---- errors ---- */

/* Sandwich: M^-1 (sum w^2 r^2 x x^T) M^-1 with x about its mean and M = X^T W X + alpha,
   whose factor lies at f->solve. */
static void standard_errors(struct fitting *f, double *errors) {
    const glim_local *l = &f->local;
    const glim_lime_data *a = f->a;
    size_t n = l->n;
    for (size_t s = 0; s < a->n; s++) {
        double r = a->y[s * a->step] - l->intercept;
        for (size_t k = 0; k < n; k++)
            r -= l->coefficient[k] * glim__lime_at(a, s, l->used[k]);
        f->weight[s] = a->weight[s] * a->weight[s] * r * r;
    }
    for (size_t k = 0; k < n; k++)
        f->mean[k] = f->m.mean[l->used[k]];
    glim__moments_about(f->meat, a, f->weight, l->used, n, f->mean, &f->m, f->block);
    for (size_t k = 0; k < n; k++) /* rows of M^-1 meat */
        glim__cholesky_solve(f->solve, n, f->meat + k * n);
    for (size_t k = 0; k < n; k++) {
        for (size_t j = 0; j < n; j++)
            f->x[j] = f->meat[j * n + k];
        glim__cholesky_solve(f->solve, n, f->x);
        errors[l->used[k]] = sqrt(f->x[k] > 0 ? f->x[k] : 0);
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

/* ---- stability ---- */

/* The features of the TOP largest coefficients, into `at`; returns how many. Those far below
   the largest are left out: which of them comes next is chance, and nobody reads them. */
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
        if (n && fabs(l->coefficient[best]) < NEXT_TO_NOTHING * fabs(l->coefficient[at[0]]))
            break;
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

/* How many refits are summed at once, of those from the b-th on. */
static size_t batch(const struct fitting *f, uint64_t b) {
    size_t m = f->at_once * glim__moments_size(f->a->d) / glim__moments_size(f->local.n);
    return m < REFITS - b ? m : REFITS - b;
}

/* Sums of refits b .. b + m, and behind them of all samples: a product of how often each has
   drawn each group and of the groups' sums, some groups at a time. */
static void sum_groups(struct fitting *f, uint64_t b, size_t m) {
    size_t n = f->a->n, groups = n < GROUPS ? n : GROUPS, size = glim__moments_size(f->local.n);
    double times[(REFITS + 1) * GROUPS] = {0};
    for (size_t i = 0; i < m; i++)
        for (size_t k = 0; k < groups; k++)
            times[i * GROUPS +
                  glim__rng_below(f->o->seed, (uint64_t)1 << 40 | (b + i), k, (uint32_t)groups)]++;
    for (size_t k = 0; k < groups; k++)
        times[m * GROUPS + k] = 1;
    for (size_t first = 0; first < groups; first += TOGETHER) {
        size_t some = groups - first < TOGETHER ? groups - first : TOGETHER;
        for (size_t k = first; k < first + some; k++)
            glim__moments_sum(f->groups + (k - first) * size, f->a, f->a->weight, n * k / groups,
                              n * (k + 1) / groups, f->local.used, f->local.n, f->block);
        glim__kernels(f->a->ctx)->tile_f64((int)m + 1, (int)size, some, times + first, GROUPS, 1,
                                           f->groups, (ptrdiff_t)size, f->sums, (ptrdiff_t)size,
                                           first > 0);
    }
}

/* The same features fitted on samples drawn again with replacement. Only their own
   moments are needed, most often of ten features. */
static void refit(struct fitting *f, glim_lime_result *out) {
    size_t size = glim__moments_size(f->local.n), m;
    double overlap = 0, tau = 0, done = 0;
    f->again.n = f->local.n;
    for (uint64_t b = 0; b < REFITS; b += m) {
        m = batch(f, b);
        if (b || !f->summed)
            sum_groups(f, b, m);
        for (size_t i = 0; i < m; i++) {
            glim_moments refit = {.gram = f->sums + i * size};
            glim__moments_centre(&refit, f->a, f->local.n);
            if (!(refit.weight > 0) || !glim__local_fit(&f->again, &refit, f->o->alpha, f->solve))
                continue;
            done++;
            overlap += jaccard(&f->local, &f->again);
            tau += kendall(&f->local, &f->again);
        }
    }
    out->jaccard = done > 0 ? overlap / done : 0;
    out->tau = done > 0 ? tau / done : 0;
}

/* ---- one fit ---- */

/* Refits that are summed at once, so that many features do not take all memory. */
static size_t at_once(size_t d) {
    size_t n = REFIT_ROOM / glim__moments_size(d);
    return n < 1 ? 1 : n < REFITS ? n : REFITS;
}

static glim_status make_room(struct fitting *f, glim_error *err) {
    size_t d = f->a->d, n = f->a->n, moments = glim__moments_size(d),
           block = glim__moments_scratch(d), solve = glim__local_scratch(d);
    f->at_once = at_once(d);
    size_t all = (2 + TOGETHER + f->at_once) * moments + block + solve + d * d + 4 * d + n;
    f->m.gram = glim__calloc(f->a->ctx, all, sizeof *f->m.gram);
    f->used = glim__calloc(f->a->ctx, 3 * d + 1, sizeof *f->used);
    if (!f->m.gram || !f->used)
        return glim__oom(f->a->ctx, err, "the local model", 8 * all);
    f->sums = f->m.gram + moments;
    f->groups = f->sums + (f->at_once + 1) * moments;
    f->block = f->groups + TOGETHER * moments;
    f->solve = f->block + block;
    f->meat = f->solve + solve;
    f->x = f->meat + d * d;
    f->mean = f->x + d;
    f->local.coefficient = f->mean + d;
    f->again.coefficient = f->local.coefficient + d;
    f->weight = f->again.coefficient + d;
    f->local.used = f->used;
    f->again.used = f->plain = f->used + 2 * d;
    for (size_t k = 0; k < d; k++)
        f->plain[k] = k; /* refits know the used features alone */
    return GLIM_OK;
}

uint64_t glim__lime_room(uint64_t n, uint64_t d) {
    return 8 * ((2 + TOGETHER + at_once(d)) * glim__moments_size(d) + glim__moments_scratch(d) +
                glim__local_scratch(d) + d * d + 7 * d + n + 32);
}

static void take(struct fitting *f, glim_lime_result *out) {
    const glim_local *l = &f->local;
    memset(out->coefficients, 0, f->a->d * sizeof *out->coefficients);
    memset(out->errors, 0, f->a->d * sizeof *out->errors);
    out->intercept = out->local_pred = l->intercept;
    for (size_t k = 0; k < l->n; k++) {
        out->coefficients[l->used[k]] = l->coefficient[k];
        out->local_pred += l->coefficient[k] * glim__lime_at(f->a, 0, l->used[k]);
    }
    out->r2 = l->r2;
    out->used = l->n;
    out->n_eff = effective(f->a->weight, f->a->n);
    standard_errors(f, out->errors);
    refit(f, out);
}

/* The moments of the samples, and the features that are used. Of all features refits need
   the same sums as the samples, which so are made once. */
static void sum_samples(struct fitting *f, glim_lime_select how, size_t most) {
    size_t d = f->a->d, size = glim__moments_size(d);
    f->summed = how == GLIM_SELECT_NONE;
    if (!f->summed) {
        glim__moments(&f->m, f->a, f->a->weight, NULL, d, f->block);
        glim__local_choose(&f->local, &f->m, how, most, f->a->x, f->solve);
        return;
    }
    f->m.d = d;
    glim__local_choose(&f->local, &f->m, how, d, NULL, f->solve);
    size_t m = batch(f, 0);
    sum_groups(f, 0, m);
    memcpy(f->m.gram, f->sums + m * size, size * sizeof *f->m.gram);
    glim__moments_centre(&f->m, f->a, d);
}

glim_status glim__lime_fit(const glim_lime_data *data, const glim_lime_options *options,
                           glim_lime_result *out, glim_error *err) {
    struct fitting f = {.a = data, .o = options};
    size_t d = data->d, most = options->num_features ? options->num_features
                               : d <= FEW            ? d
                                                     : AUTO_FEATURES;
    glim_lime_select how = most >= d ? GLIM_SELECT_NONE : options->select;
    glim_status status = make_room(&f, err);
    if (!status) {
        sum_samples(&f, how, most);
        if (!glim__local_fit(&f.local, &f.m, options->alpha, f.solve))
            status = glim_fail(err, GLIM_ENUMERIC,
                               "the samples do not tell the features apart (raise --num-samples "
                               "or --alpha)");
    }
    if (!status)
        take(&f, out);
    glim__free(data->ctx, f.m.gram);
    glim__free(data->ctx, f.used);
    return status;
}

/* ---- rows of a document ---- */

glim_lime_summary glim__lime_summary(void) {
    return (glim_lime_summary){.r2 = 1, .n_eff = INFINITY, .jaccard = 1, .tau = 1};
}

static void add_result(glim_lime_summary *sum, const glim_lime_result *r, double target) {
    sum->r2 = fmin(sum->r2, isnan(r->r2) ? 1 : r->r2);
    sum->n_eff = fmin(sum->n_eff, r->n_eff);
    sum->jaccard = fmin(sum->jaccard, r->jaccard);
    sum->tau = fmin(sum->tau, r->tau);
    sum->off = fmax(sum->off, fabs(r->local_pred - target));
    sum->most = r->used > sum->most ? r->used : sum->most;
    sum->fits++;
}

glim_status glim__lime_rows(const glim_game *g, glim_lime_data *data, const glim_lime_options *o,
                            glim_lime_summary *sum, glim_document *doc, glim_error *err) {
    size_t d = data->d, R = g->rows;
    const double *y = data->y;
    glim_status status = GLIM_OK;
    double *scores = glim__calloc(data->ctx, 2 * R * d, sizeof *scores);
    if (!scores)
        return glim__oom(data->ctx, err, "the scores", 2 * R * d * sizeof *scores);
    data->step = R;
    for (size_t r = 0; r < R && !status; r++) {
        glim_lime_result one = {.coefficients = scores + r * d, .errors = scores + (R + r) * d};
        data->y = y + r;
        status = glim__lime_fit(data, o, &one, err);
        if (status)
            break;
        add_result(sum, &one, g->all[r]);
        status = glim__check_cancel(data->ctx, err);
        if (doc->rows)
            doc->rows[g->first + r].baseline_value = one.intercept;
        else
            doc->target.baseline_value = one.intercept;
    }
    data->y = y;
    if (!status) {
        glim__game_spread(g, scores, doc->scores);
        glim__game_spread(g, scores + R * d, doc->error);
    }
    glim__free(data->ctx, scores);
    return status;
}

void glim__lime_judge(const glim_lime_summary *sum, glim_document *doc) {
    if (!sum->fits)
        return;
    glim_document_check_add(doc, "local_r2", sum->r2,
                            "share of the samples' variance that the local model explains");
    glim_document_check_add(doc, "local_error", sum->off,
                            "|local model - target| on the input itself");
    glim_document_check_add(doc, "effective_samples", sum->n_eff,
                            "samples that count, by their weights");
    glim_document_check_add(doc, "top5_stability", sum->jaccard,
                            "mean overlap (Jaccard) of the five largest in 20 refits");
    glim_document_check_add(doc, "rank_stability", sum->tau, "mean Kendall tau in 20 refits");
    if (sum->r2 < 0.5)
        glim_document_judge(doc, GLIM_VERDICT_DISTRUST,
                            "the local model explains %.0f %% of what happens around the input: "
                            "it is no sum over its parts (--method shapley shares any target out)",
                            100 * fmax(0, sum->r2));
    if (sum->n_eff < 10 * (double)sum->most)
        glim_document_judge(doc, GLIM_VERDICT_DISTRUST,
                            "only %.0f samples count for %zu features; raise --num-samples or "
                            "--kernel-width",
                            sum->n_eff, sum->most);
    if (sum->jaccard < 0.6)
        glim_document_judge(doc, GLIM_VERDICT_DISTRUST,
                            "the five largest change when samples are drawn again (overlap %.2f); "
                            "raise --num-samples",
                            sum->jaccard);
}
