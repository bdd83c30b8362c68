/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Occlusion, leave-one-out: s_i = f(x) - f(x without unit i). With a window of w
 * units, a unit's score is the mean over the windows that hold it. With --keep-only
 * the window alone is there: f(window) - f(nothing), leave-one-in. The predictor
 * shares what comes before the first absent unit, so on a decoder the whole map
 * costs about half of as many forward passes.
 */
#include "explain/game.h"

#include <math.h>
#include <string.h>

struct opts {
    const char *absent;
    int64_t background, window, stride;
    bool keep_only;
};

static const glim_param params[] = {
    GLIM_ABSENT_PARAM(struct opts),
    GLIM_BACKGROUND_PARAM(struct opts),
    {.name = "window",
     .type = GLIM_INT,
     .offset = offsetof(struct opts, window),
     .def.i = 1,
     .min = 1,
     .max = 1024,
     .help = "units that go (or stay) together"},
    {.name = "stride",
     .type = GLIM_INT,
     .offset = offsetof(struct opts, stride),
     .def.i = 1,
     .min = 1,
     .max = 1024,
     .help = "units between the starts of windows"},
    {.name = "keep-only",
     .type = GLIM_BOOL,
     .offset = offsetof(struct opts, keep_only),
     .help = "leave-one-in: what a window alone adds to nothing"},
    {0},
};

enum { CHUNK = 32, MOST_CHUNK = 1024 };

struct work {
    glim_predictor *p;
    glim_absent absent;
    size_t *free_units, n; /* units that may go */
    size_t window, stride, windows;
    bool keep_only;
    size_t chunk;        /* windows that go to the predictor at a time */
    uint8_t *keep;       /* (chunk, units) */
    double *values;      /* (chunk, n_rows) */
    double *sum, *count; /* (n_rows, units) */
    double *base;        /* (n_rows) with everything absent */
};

static void nothing_mask(const struct work *w, uint8_t *keep) {
    for (size_t u = 0; u < w->p->units->count; u++)
        keep[u] = w->p->units->at[u].fixed;
}

static void window_mask(const struct work *w, size_t index, uint8_t *keep) {
    if (w->keep_only)
        nothing_mask(w, keep);
    else
        memset(keep, 1, w->p->units->count);
    for (size_t i = index * w->stride; i < index * w->stride + w->window && i < w->n; i++)
        keep[w->free_units[i]] = w->keep_only;
}

static void add_scores(struct work *w, size_t index, const double *values) {
    size_t U = w->p->units->count;
    for (size_t i = index * w->stride; i < index * w->stride + w->window && i < w->n; i++)
        for (size_t r = 0; r < w->p->n_rows && !isnan(values[r]); r++) {
            w->sum[r * U + w->free_units[i]] +=
                w->keep_only ? values[r] - w->base[r] : w->p->value[r] - values[r];
            w->count[r * U + w->free_units[i]]++;
        }
}

/* What an interrupted call reached is kept. */
static glim_status run_windows(struct work *w, glim_error *err) {
    size_t U = w->p->units->count, R = w->p->n_rows;
    for (size_t i = 0; i < w->windows; i += w->chunk) {
        size_t m = w->windows - i < w->chunk ? w->windows - i : w->chunk;
        for (size_t k = 0; k < m; k++)
            window_mask(w, i + k, w->keep + k * U);
        glim_status status = w->p->values(w->p, w->keep, m, w->absent, w->values, err);
        if (!status)
            status = glim__check_cancel(w->p->ctx, err);
        if (status && status != GLIM_ECANCELLED)
            return status;
        for (size_t k = 0; k < m; k++)
            add_scores(w, i + k, w->values + k * R);
        if (status)
            return status;
    }
    return GLIM_OK;
}

/* Scores that were reached; what a row cannot see stays NaN. */
static void fill(const struct work *w, glim_document *doc) {
    size_t U = w->p->units->count;
    for (size_t r = 0; r < w->p->n_rows; r++)
        for (size_t u = 0; u < U; u++)
            if (w->count[r * U + u] > 0 && u < w->p->row_end[r])
                doc->scores[r * U + u] = w->sum[r * U + u] / w->count[r * U + u];
}

static glim_status ask_nothing(struct work *w, glim_error *err) {
    nothing_mask(w, w->keep);
    return w->p->values(w->p, w->keep, 1, w->absent, w->base, err);
}

/* The value with everything absent: the baseline, and how far the scores are
   from adding up, which tells of units that matter only together. */
static void check_all(struct work *w, glim_document *doc) {
    size_t U = w->p->units->count;
    double base = 0, sum = 0, value = 0;
    for (size_t r = 0; r < w->p->n_rows; r++) {
        base += w->base[r];
        value += w->p->value[r];
        if (doc->rows)
            doc->rows[r].baseline_value = w->base[r];
        for (size_t u = 0; u < U; u++)
            sum += isnan(doc->scores[r * U + u]) ? 0 : doc->scores[r * U + u];
    }
    doc->target.baseline_value = base;
    double effect = value - base, share = fabs(effect) > 1e-9 ? sum / effect : NAN;
    glim_document_check_add(doc, "sum_share", share,
                            "sum of scores over value minus value with everything absent; far from "
                            "1: units matter together, or each is enough alone");
    if (share < 0)
        glim_document_judge(
            doc, GLIM_VERDICT_CAREFUL,
            "%s units one by one moves the target the other way than %s all of them: they act "
            "together",
            w->keep_only ? "adding" : "removing", w->keep_only ? "adding" : "removing");
}

static glim_status set_up(struct work *w, const struct opts *o, glim_error *err) {
    glim_predictor *p = w->p;
    size_t U = p->units->count, R = p->n_rows;
    glim_status status = glim__absent_of(p, o->absent, &w->absent, err);
    if (status)
        return status;
    w->keep_only = o->keep_only;
    w->window = (size_t)o->window;
    w->stride = (size_t)o->stride < w->window ? (size_t)o->stride : w->window;
    if (!w->stride)
        w->stride = 1;
    w->chunk = !p->chunk ? CHUNK : p->chunk < MOST_CHUNK ? p->chunk : MOST_CHUNK;
    w->free_units = glim__calloc(p->ctx, U + 1, sizeof *w->free_units);
    w->keep = glim__calloc(p->ctx, w->chunk, U + 1);
    w->values = glim__calloc(p->ctx, w->chunk * R, sizeof *w->values);
    w->sum = glim__calloc(p->ctx, 2 * R * U + R, sizeof *w->sum);
    if (!w->free_units || !w->keep || !w->values || !w->sum)
        return glim__oom(p->ctx, err, "the masks", w->chunk * U);
    w->count = w->sum + R * U;
    w->base = w->count + R * U;
    for (size_t u = 0; u < U; u++)
        if (!p->units->at[u].fixed && u < p->row_end[R - 1])
            w->free_units[w->n++] = u;
    w->windows = w->n > w->window ? (w->n - w->window + w->stride - 1) / w->stride + 1 : w->n > 0;
    return GLIM_OK;
}

static glim_status run(glim_predictor *p, const void *opts, uint64_t seed, glim_document *doc,
                       glim_error *err) {
    struct work w = {.p = p};
    glim__background_set(p, ((const struct opts *)opts)->background, seed);
    glim_status status = glim__scores_new(p, doc, false, err);
    if (!status)
        status = set_up(&w, opts, err);
    if (!status) {
        glim__absent_note(p, w.absent, doc);
        if (w.keep_only)
            glim_document_note(doc, "leave-one-in: a window alone, over nothing");
        status = w.keep_only ? ask_nothing(&w, err) : GLIM_OK;
    }
    if (!status) {
        status = run_windows(&w, err);
        fill(&w, doc);
    }
    if (!status && !w.keep_only)
        status = ask_nothing(&w, err);
    if (!status)
        check_all(&w, doc);
    glim__free(p->ctx, w.free_units);
    glim__free(p->ctx, w.keep);
    glim__free(p->ctx, w.values);
    glim__free(p->ctx, w.sum);
    return status;
}

static glim_status plan(const glim_predictor *p, const void *opts, glim_plan *out,
                        glim_error *err) {
    struct work w = {.p = (glim_predictor *)p};
    glim__background_set(p, ((const struct opts *)opts)->background, 0);
    glim_status status = set_up(&w, opts, err);
    for (size_t i = 0; i < w.windows && !status; i++) {
        window_mask(&w, i, w.keep);
        p->plan_values(p, w.keep, 1, w.absent, out);
    }
    if (!status) {
        nothing_mask(&w, w.keep);
        p->plan_values(p, w.keep, 1, w.absent, out);
    }
    if (!status)
        out->bytes +=
            8 * (p->units->count * (2 * p->n_rows + 2) + p->n_rows + w.chunk * p->n_rows) +
            w.chunk * (p->units->count + 1);
    glim__free(p->ctx, w.free_units);
    glim__free(p->ctx, w.keep);
    glim__free(p->ctx, w.values);
    glim__free(p->ctx, w.sum);
    return status;
}

const glim_method glim_method_occlusion = {
    .name = "occlusion",
    .summary = "what the target loses when each unit is absent (leave-one-out)",
    .cite = "Zeiler, Fergus 2014, arXiv:1311.2901; Li, Monroe, Jurafsky 2016, arXiv:1612.08220",
    .family = "perturbation",
    .costs = "d + 1 passes",
    .caption = "One unit at a time: of two units that say the same, neither may matter alone.",
    .formula = "score_i = f(x) - f(x without i)",
    .use = "first: it asks the plain question, needs predictions only and shares what inputs have "
           "in common",
    .avoid = "when units say the same thing twice: each looks dispensable; take shapley or owen",
    .needs = GLIM_CAN_PREDICT,
    .is_signed = true,
    .params = params,
    .opts_size = sizeof(struct opts),
    .plan = plan,
    .run = run,
};
