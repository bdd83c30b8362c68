/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SmoothGrad: a gradient map averaged over noisy copies of the input. Noise is
 * counter-based normal, its size a share of the spread of the embeddings; every
 * score has the standard error of its mean. With `of gradient` a unit's number is
 * the length of its gradient, with `input-x-gradient` the signed product.
 */
#include "explain/methods.h"
#include "base/rng.h"

#include <math.h>
#include <string.h>

struct opts {
    int64_t n_samples;
    double stdevs;
    const char *of;
};

static const glim_param params[] = {
    {.name = "n-samples",
     .type = GLIM_INT,
     .offset = offsetof(struct opts, n_samples),
     .def.i = 32,
     .min = 2,
     .max = 100000,
     .help = "noisy copies"},
    {.name = "stdevs",
     .type = GLIM_REAL,
     .offset = offsetof(struct opts, stdevs),
     .def.r = 0.1,
     .min = 0,
     .max = 10,
     .help = "noise, as a share of the embeddings' standard deviation"},
    {.name = "of",
     .type = GLIM_CHOICE,
     .offset = offsetof(struct opts, of),
     .def.s = "input-x-gradient",
     .choices = "input-x-gradient|gradient",
     .help = "the map that is averaged"},
    {0},
};

enum { CHUNK = 8 };

struct work {
    glim_predictor *p;
    bool times;
    float *x, *points;
    double *tokens, *scores; /* (T), (units) */
    double *sum, *squares;   /* (n_rows, units) */
};

static glim_status take(void *data, size_t sample, size_t row, const float *g, glim_error *err) {
    struct work *w = data;
    size_t T = w->p->T, C = w->p->C, U = w->p->units->count;
    const float *x = w->points + sample * T * C;
    for (size_t t = 0; t < T; t++) {
        double sum = 0;
        for (size_t c = t * C; c < (t + 1) * C; c++)
            sum += w->times ? (double)x[c] * g[c] : (double)g[c] * g[c];
        w->tokens[t] = sum;
    }
    glim__units_sum(w->p, row, w->tokens, w->scores, NULL);
    for (size_t u = 0; u < U; u++) {
        double v = w->times ? w->scores[u] : sqrt(w->scores[u]);
        w->sum[row * U + u] += v;
        w->squares[row * U + u] += v * v;
    }
    return GLIM_OK;
}

/* Standard deviation of the entries of rows that are not fixed. */
static double spread(const glim_predictor *p, const float *x) {
    double sum = 0, squares = 0, n = 0;
    for (size_t u = 0; u < p->units->count; u++)
        for (size_t t = p->units->at[u].first;
             t < p->units->at[u].first + p->units->at[u].count && t < p->T; t++)
            for (size_t c = 0; c < p->C && !p->units->at[u].fixed; c++, n++) {
                sum += x[t * p->C + c];
                squares += (double)x[t * p->C + c] * x[t * p->C + c];
            }
    return n > 0 ? sqrt(fmax(squares / n - (sum / n) * (sum / n), 0)) : 0;
}

static bool is_fixed(const glim_predictor *p, size_t token) {
    for (size_t u = 0; u < p->units->count; u++)
        if (token >= p->units->at[u].first && token < p->units->at[u].first + p->units->at[u].count)
            return p->units->at[u].fixed;
    return true;
}

static void make_points(struct work *w, size_t first, size_t n, double sigma, uint64_t seed) {
    size_t T = w->p->T, C = w->p->C;
    for (size_t t = 0; t < T; t++) {
        double scale = is_fixed(w->p, t) ? 0 : sigma;
        for (size_t k = 0; k < n; k++)
            for (size_t c = t * C; c < (t + 1) * C; c++)
                w->points[k * T * C + c] =
                    (float)(w->x[c] + scale * glim__rng_normal(seed, first + k, c));
    }
}

static void fill(const struct work *w, glim_document *doc, double n) {
    double largest = 0, error = 0;
    for (size_t i = 0; w->sum && i < w->p->n_rows * w->p->units->count; i++) {
        double mean = w->sum[i] / n;
        doc->scores[i] = mean;
        doc->error[i] = sqrt(fmax(w->squares[i] / n - mean * mean, 0) / (n - 1));
        largest = fabs(mean) > largest ? fabs(mean) : largest;
        error = doc->error[i] > error ? doc->error[i] : error;
    }
    double share = largest > 0 ? error / largest : 0;
    glim_document_check_add(doc, "largest_error", share,
                            "largest standard error as a share of the largest score");
    if (share > 0.25)
        glim_document_judge(doc, GLIM_VERDICT_CAREFUL,
                            "standard errors reach %.0f %% of the largest score; raise "
                            "--n-samples",
                            100 * share);
}

static glim_status run(glim_predictor *p, const void *opts, uint64_t seed, glim_document *doc,
                       glim_error *err) {
    const struct opts *o = opts;
    size_t U = p->units->count, all = p->n_rows * U;
    struct work w = {.p = p, .times = !strcmp(o->of, "input-x-gradient")};
    doc->method.is_signed = w.times;
    doc->method.unit = w.times ? NULL : "size";
    doc->method.fold = w.times ? "sum" : "l2";
    double *values = glim__calloc(p->ctx, CHUNK * p->n_rows, sizeof *values);
    w.points = glim__calloc(p->ctx, CHUNK * p->T * p->C, sizeof *w.points);
    w.tokens = glim__calloc(p->ctx, p->T + U + 2 * all, sizeof *w.tokens);
    glim_status status = values && w.points && w.tokens
                             ? glim__scores_new(p, doc, true, err)
                             : glim__oom(p->ctx, err, "noisy inputs", CHUNK * p->T * p->C * 4);
    if (!status)
        status = glim__embedded(p, &w.x, 1, err);
    w.scores = w.tokens ? w.tokens + p->T : NULL;
    w.sum = w.tokens ? w.scores + U : NULL;
    w.squares = w.tokens ? w.sum + all : NULL;
    double sigma = status ? 0 : o->stdevs * spread(p, w.x);
    size_t n = (size_t)o->n_samples, done = 0;
    for (; done < n && !status; done += CHUNK) {
        size_t m = n - done < CHUNK ? n - done : CHUNK;
        make_points(&w, done, m, sigma, seed);
        status = p->gradient(p, w.points, m, -1, values, take, &w, err);
        if (!status)
            status = glim__check_cancel(p->ctx, err);
    }
    if (!status)
        fill(&w, doc, (double)n);
    glim__free(p->ctx, values);
    glim__free(p->ctx, w.points);
    glim__free(p->ctx, w.tokens);
    glim__free(p->ctx, w.x);
    return status;
}

static glim_status plan(const glim_predictor *p, const void *opts, glim_plan *out,
                        glim_error *err) {
    p->plan_gradient(p, (size_t)((const struct opts *)opts)->n_samples, out);
    size_t U = p->units->count;
    out->bytes += 4 * (CHUNK + 1) * p->T * p->C + 8 * (p->T + U + p->n_rows * (2 * U + CHUNK));
    return GLIM_OK;
}

const glim_method glim_method_smoothgrad = {
    .name = "smoothgrad",
    .summary = "a gradient map averaged over noisy copies",
    .cite = "Smilkov et al. 2017, arXiv:1706.03825",
    .family = "gradients",
    .costs = "32 gradients",
    .caption =
        "Noise is in the embedding space; the words do not change. On small language models it "
        "ranked words no better than chance (docs/default-method.md).",
    .formula = "score_i = mean over n of (x_i . df / dx_i at x + noise_n)",
    .use = "when one gradient looks ragged, above all of pictures",
    .avoid = "on small language models: it ranked words no better than chance there",
    .needs = GLIM_CAN_GRADIENT,
    .is_signed = true,
    .params = params,
    .opts_size = sizeof(struct opts),
    .plan = plan,
    .run = run,
};
