/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Expected gradients (GradientSHAP): integrated gradients from a background instead of one
 * baseline, by samples,
 *
 *   EG_t = mean over k of sum_c (x - x'_k)_tc  df/dx_tc (x'_k + a_k (x - x'_k))
 *
 * a_k = (k + u_k) / N is stratified, and backgrounds take turns, so that all have the same
 * weight. The sum over t tends to f(x) - mean f(x'): the residual is judged, and every score
 * has the standard error of its mean, which strata make an upper bound.
 *
 * Backgrounds are neutral whatever the text: `mixed` gives each token the row of the neutral
 * token, the first token or the vocabulary's mean, drawn anew for each token and background.
 * Other texts would have to be aligned with this one. Of a picture they are its mean colour,
 * black, and itself blurred, whole: drawn patch by patch they would have edges. Columns of a
 * table have one background, their means.
 */
#include "base/rng.h"
#include "explain/methods.h"

#include <math.h>
#include <string.h>

struct opts {
    int64_t n_samples, backgrounds;
    const char *background;
};

static const glim_param params[] = {
    {.name = "n-samples",
     .type = GLIM_INT,
     .offset = offsetof(struct opts, n_samples),
     .def.i = 64,
     .min = 2,
     .max = 100000,
     .help = "gradients, each at a point between the input and a background"},
    {.name = "background",
     .type = GLIM_CHOICE,
     .offset = offsetof(struct opts, background),
     .def.s = "mixed",
     .choices = "mixed|token|mean|bos|zero|blur",
     .help = "mixed: each token's row is drawn from the neutral token, the mean embedding and the "
             "first token; of pictures mean colour, black and blurred take turns; or one of them"},
    {.name = "backgrounds",
     .type = GLIM_INT,
     .offset = offsetof(struct opts, backgrounds),
     .def.i = 16,
     .min = 1,
     .max = 4096,
     .help = "how many mixed ones of a text"},
    {0},
};

enum { CHUNK = 8, KINDS = 3 };

struct work {
    glim_predictor *p;
    const glim_backgrounds *b;
    const glim_draw *draws; /* of the chunk */
    glim_expectation *out;
    float *x, *points;
    double *tokens, *scores, *values; /* (T), (units), (CHUNK, n_rows) */
};

/* ---- the mean over draws ---- */

static const float *row_of(const struct work *w, size_t from, size_t t) {
    size_t T = w->p->T, kind = w->b->pick[from * T + t];
    return w->b->rows + (kind * T + t) * w->p->C;
}

static glim_status take(void *data, size_t sample, size_t row, const float *g, glim_error *err) {
    struct work *w = data;
    size_t T = w->p->T, C = w->p->C, U = w->p->units->count;
    for (size_t t = 0; t < T; t++) {
        const float *from = row_of(w, w->draws[sample].from, t);
        double sum = 0;
        for (size_t c = 0; c < C; c++)
            sum += ((double)w->x[t * C + c] - from[c]) * g[t * C + c];
        w->tokens[t] = sum;
    }
    glim__units_sum(w->p, row, w->tokens, w->scores, NULL);
    for (size_t u = 0; u < U; u++) {
        w->out->sum[row * U + u] += w->scores[u];
        w->out->squares[row * U + u] += w->scores[u] * w->scores[u];
    }
    w->out->total[row] += glim__tokens_total(w->p, w->tokens);
    return GLIM_OK;
}

static void make_point(const struct work *w, double alpha, size_t from, float *out) {
    size_t C = w->p->C;
    for (size_t t = 0; t < w->p->T; t++) {
        const float *b = row_of(w, from, t), *x = w->x + t * C;
        for (size_t c = 0; c < C; c++)
            out[t * C + c] = (float)(b[c] + alpha * ((double)x[c] - b[c]));
    }
}

static glim_status run_draws(struct work *w, const glim_draw *draws, size_t n, glim_error *err) {
    size_t each = w->p->T * w->p->C;
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < n && !status; i += CHUNK) {
        size_t m = n - i < CHUNK ? n - i : CHUNK;
        w->draws = draws + i;
        for (size_t k = 0; k < m; k++)
            make_point(w, draws[i + k].alpha, draws[i + k].from, w->points + k * each);
        status = w->p->gradient(w->p, w->points, m, -1, w->values, take, w, err);
        if (!status)
            status = glim__check_cancel(w->p->ctx, err);
    }
    return status;
}

/* Adds to base (n_rows) the targets on the backgrounds, each by how many draws have it. */
static glim_status run_backgrounds(struct work *w, const glim_draw *draws, size_t n,
                                   glim_error *err) {
    size_t each = w->p->T * w->p->C, R = w->p->n_rows;
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < w->b->n && !status; i += CHUNK) {
        size_t m = w->b->n - i < CHUNK ? w->b->n - i : CHUNK;
        for (size_t k = 0; k < m; k++)
            make_point(w, 0, i + k, w->points + k * each);
        status = w->p->gradient(w->p, w->points, m, -1, w->values, NULL, NULL, err);
        for (size_t k = 0; k < m && !status; k++) {
            size_t uses = 0;
            for (size_t d = 0; d < n; d++)
                uses += draws[d].from == i + k;
            for (size_t r = 0; r < R; r++)
                w->out->base[r] += w->values[k * R + r] * (double)uses / (double)n;
        }
    }
    return status;
}

glim_status glim__expected_gradients(glim_predictor *p, const glim_backgrounds *b,
                                     const glim_draw *draws, size_t n, glim_expectation *out,
                                     glim_error *err) {
    size_t U = p->units->count;
    struct work w = {.p = p, .b = b, .out = out};
    w.points = glim__calloc(p->ctx, CHUNK * p->T * p->C, sizeof *w.points);
    w.tokens = glim__calloc(p->ctx, p->T + U + CHUNK * p->n_rows, sizeof *w.tokens);
    w.scores = w.tokens ? w.tokens + p->T : NULL;
    w.values = w.tokens ? w.scores + U : NULL;
    glim_status status =
        w.points && w.tokens ? GLIM_OK : glim__oom(p->ctx, err, "points", CHUNK * p->T * p->C * 4);
    if (!status)
        status = glim__embedded(p, &w.x, 1, err);
    if (!status)
        status = run_backgrounds(&w, draws, n, err);
    if (!status)
        status = run_draws(&w, draws, n, err);
    glim__free(p->ctx, w.points);
    glim__free(p->ctx, w.tokens);
    glim__free(p->ctx, w.x);
    return status;
}

/* ---- backgrounds ---- */

static glim_baseline kind_of(const char *name) {
    static const char *const names[] = {"zero", "mean", "token", "bos", "blur"};
    int kind = 0;
    while (kind < GLIM_BASELINE_BLUR && strcmp(names[kind], name) != 0)
        kind++;
    return (glim_baseline)kind;
}

static bool is_mixed(const glim_predictor *p, const struct opts *o) {
    return !strcmp(o->background, "mixed") && p->model;
}

static size_t count_of(const glim_predictor *p, const struct opts *o) {
    return !is_mixed(p, o) ? 1 : p->image ? KINDS : (size_t)o->backgrounds;
}

static glim_status make_rows(glim_predictor *p, const struct opts *o, float *rows,
                             glim_error *err) {
    const glim_baseline texts[KINDS] = {GLIM_BASELINE_TOKEN, GLIM_BASELINE_MEAN, GLIM_BASELINE_BOS};
    const glim_baseline pictures[KINDS] = {GLIM_BASELINE_MEAN, GLIM_BASELINE_BOS,
                                           GLIM_BASELINE_BLUR};
    bool one = !is_mixed(p, o), mixed = !strcmp(o->background, "mixed");
    glim_baseline kind = mixed ? GLIM_BASELINE_TOKEN : kind_of(o->background);
    if (kind == GLIM_BASELINE_BLUR && !p->image)
        return glim_fail(err, GLIM_EUSAGE, "--background blur is for pictures");
    if (one)
        return p->baseline(p, kind, rows, err);
    glim_status status = GLIM_OK;
    for (size_t k = 0; k < KINDS && !status; k++)
        status = p->baseline(p, p->image ? pictures[k] : texts[k], rows + k * p->T * p->C, err);
    return status;
}

static void make_draws(const glim_predictor *p, const struct opts *o, uint64_t seed, uint8_t *pick,
                       glim_draw *draws) {
    size_t n = count_of(p, o), N = (size_t)o->n_samples;
    for (size_t j = 0; j < n && is_mixed(p, o); j++)
        for (size_t t = 0; t < p->T; t++)
            pick[j * p->T + t] =
                (uint8_t)(p->image ? j : glim__rng_below(seed, UINT64_MAX - j, t, KINDS));
    for (size_t k = 0; k < N; k++)
        draws[k] =
            (glim_draw){((double)k + glim__rng_uniform(seed, k, 0)) / (double)N, n ? k % n : 0};
}

/* ---- the document ---- */

static double fill(const glim_predictor *p, const glim_expectation *e, double n,
                   glim_document *doc) {
    size_t U = p->units->count;
    double largest = 0, error = 0;
    for (size_t i = 0; i < p->n_rows * U; i++) {
        double mean = e->sum[i] / n;
        doc->scores[i] = mean;
        doc->error[i] = sqrt(fmax(e->squares[i] / n - mean * mean, 0) / (n - 1));
        largest = fabs(mean) > largest ? fabs(mean) : largest;
        error = doc->error[i] > error ? doc->error[i] : error;
    }
    return largest > 0 ? error / largest : 0;
}

static void judge(const glim_predictor *p, const glim_expectation *e, double n, double share,
                  glim_document *doc) {
    double worst = 0, base = 0;
    for (size_t r = 0; r < p->n_rows; r++) {
        double effect = p->value[r] - e->base[r], off = e->total[r] / n - effect;
        base += e->base[r];
        if (doc->rows) {
            doc->rows[r].baseline_value = e->base[r];
            doc->rows[r].residual = off;
        }
        off = fabs(off) / fmax(fabs(effect), 1e-6);
        worst = off > worst ? off : worst;
    }
    doc->target.baseline_value = base;
    if (!doc->rows)
        doc->fixed_total = 0;
    glim_document_check_add(doc, "completeness_residual", worst,
                            "largest |sum of scores - (value - mean background value)| as a share "
                            "of the effect");
    glim_document_check_add(doc, "largest_error", share,
                            "largest standard error as a share of the largest score");
    if (worst > 0.2)
        glim_document_judge(doc, GLIM_VERDICT_DISTRUST,
                            "the scores miss the effect by %.0f %% after %.0f gradients; raise "
                            "--n-samples, or use --method occlusion",
                            100 * worst, n);
    else if (worst > 0.05 || share > 0.25)
        glim_document_judge(doc, GLIM_VERDICT_CAREFUL,
                            "the scores miss the effect by %.1f %%, and standard errors reach "
                            "%.0f %% of the largest; raise --n-samples",
                            100 * worst, 100 * share);
}

static glim_status run(glim_predictor *p, const void *opts, uint64_t seed, glim_document *doc,
                       glim_error *err) {
    const struct opts *o = opts;
    size_t R = p->n_rows, all = R * p->units->count, n = (size_t)o->n_samples;
    size_t kinds = is_mixed(p, o) ? KINDS : 1;
    float *rows = glim__calloc(p->ctx, kinds * p->T * p->C, sizeof *rows);
    uint8_t *pick = glim__calloc(p->ctx, count_of(p, o), p->T);
    glim_draw *draws = glim__calloc(p->ctx, n, sizeof *draws);
    double *sums = glim__calloc(p->ctx, 2 * all + 2 * R, sizeof *sums);
    glim_status status =
        rows && pick && draws && sums
            ? glim__scores_new(p, doc, true, err)
            : glim__oom(p->ctx, err, "backgrounds", kinds * p->T * p->C * sizeof *rows);
    if (!status)
        status = make_rows(p, o, rows, err);
    if (!status) {
        glim_backgrounds b = {.rows = rows, .pick = pick, .n = count_of(p, o)};
        glim_expectation e = {sums, sums + all, sums + 2 * all, sums + 2 * all + R};
        make_draws(p, o, seed, pick, draws);
        status = glim__expected_gradients(p, &b, draws, n, &e, err);
        if (!status)
            judge(p, &e, (double)n, fill(p, &e, (double)n, doc), doc);
    }
    glim__free(p->ctx, rows);
    glim__free(p->ctx, pick);
    glim__free(p->ctx, draws);
    glim__free(p->ctx, sums);
    return status;
}

static glim_status plan(const glim_predictor *p, const void *opts, glim_plan *out,
                        glim_error *err) {
    const struct opts *o = opts;
    size_t U = p->units->count, n = count_of(p, o), N = (size_t)o->n_samples;
    p->plan_gradient(p, N, out);
    out->forward_tokens += n * p->T;
    out->bytes += 4 * (CHUNK + 1 + KINDS) * p->T * p->C + n * p->T + N * sizeof(glim_draw) +
                  8 * (p->T + U + p->n_rows * (2 * U + 2 + CHUNK));
    return GLIM_OK;
}

const glim_method glim_method_expected_gradients = {
    .name = "expected-gradients",
    .summary = "integrated gradients averaged over backgrounds (GradientSHAP)",
    .cite = "Erion et al. 2021, arXiv:1906.10670; Lundberg, Lee 2017, arXiv:1705.07874",
    .family = "gradients",
    .costs = "64 gradients",
    .caption = "Contributions relative to the backgrounds, at points between words; other "
               "backgrounds ask another question.",
    .formula =
        "score_i = mean over backgrounds b and t of (x_i - b_i) . df / dx_i at b + t (x - b)",
    .use = "when one baseline would be arbitrary; it tells standard errors",
    .avoid = "when the budget is a few gradients: integrated-gradients needs fewer",
    .needs = GLIM_CAN_GRADIENT,
    .additive = true,
    .is_signed = true,
    .params = params,
    .opts_size = sizeof(struct opts),
    .plan = plan,
    .run = run,
};
