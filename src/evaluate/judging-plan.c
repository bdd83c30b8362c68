/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much an evaluation will be: how many masks, how large the blocks are in which they are
 * asked, and how many bytes it takes. A block holds what one metric wants of one case, or all of
 * leave-one-out, and more where a part of the budget allows; bits do not depend on it. What a
 * metric that runs the method again needs is what the method needs, and another model's copy.
 */
#include "evaluate/judging.h"
#include "model/model.h"

#include <string.h>

enum {
    BLOCK = 16 << 20,
    PART = 16,         /* of the budget: a block; and the memory of masks */
    EQUALS = 28,       /* bytes of a mask while equal ones are found */
    BESIDE = 512 << 10 /* documents, views */
};

/* ---- masks ---- */

struct wants {
    size_t largest; /* of one metric and case, or leave-one-out's */
    uint64_t masks; /* of a row, without leave-one-out */
};

/* How many masks a metric wants depends on the number of features alone. */
static glim_status count_masks(const struct judging *j, const glim_game *g, struct wants *out,
                               glim_error *err) {
    double *phi = glim__calloc(g->p->ctx, g->d, sizeof *phi);
    size_t *order = glim__calloc(g->p->ctx, g->d, sizeof *order);
    glim_case c = {.d = g->d, .phi = phi, .order = order, .is_signed = true};
    *out = (struct wants){.largest = g->d};
    for (size_t i = 0; i < g->d && order; i++)
        order[i] = i;
    for (size_t k = 0; k < j->n_cases && phi && order; k++)
        for (size_t i = 0; i < j->e->n_measures; i++) {
            const glim_metric *m = j->e->measures[i].metric;
            if (!m->masks || !glim__judging_asks(j, &j->e->measures[i], k))
                continue;
            size_t n = m->masks(&c, j->opts[i], NULL);
            out->largest = n > out->largest ? n : out->largest;
            out->masks += n;
        }
    bool fine = phi && order;
    glim__free(g->p->ctx, phi);
    glim__free(g->p->ctx, order);
    return fine ? GLIM_OK : glim__oom(g->p->ctx, err, "a plan", g->d * 16);
}

static size_t mask_bytes(const glim_game *g) {
    return g->d + 8 * g->rows + EQUALS;
}

glim_status glim__judging_size(struct judging *j, const glim_game *g, glim_error *err) {
    struct wants w;
    glim_status status = count_masks(j, g, &w, err);
    uint64_t left = glim__budget_left(g->p->ctx) / PART, room = left < BLOCK ? left : BLOCK;
    uint64_t most = room / mask_bytes(g);
    most = most < w.masks ? most : w.masks;
    j->most = most > w.largest ? (size_t)most : w.largest;
    return status;
}

/* ---- bytes ---- */

/* Of one game: cases, a block, and the predictor's batches. */
static uint64_t game_bytes(const struct judging *j, const glim_game *g, const struct wants *w) {
    glim_plan one = {0};
    size_t U = g->p->units->count, n = j->n_cases, d = g->d, M = j->e->n_measures;
    memset(g->keep, 1, U);
    for (size_t u = 0; u < U; u++)
        g->keep[u] = g->feature[u] == SIZE_MAX;
    g->p->plan_values(g->p, g->keep, 1, g->absent, &one);
    return one.bytes + w->largest * (uint64_t)mask_bytes(g) +
           n * (sizeof(glim_case) + 16 * d + (8 + 32) * M) + d * (8 * g->rows + 17) +
           sizeof(double) * 2 * GLIM_CURVE * M + 256 * (2 * (uint64_t)U + 24 * g->p->n_rows + 24);
}

/* What n masked inputs cost; one that lacks the first unit costs as much as any. */
static void add_asks(struct judging *j, const glim_game *g, uint64_t n) {
    glim_plan one = {0};
    for (size_t u = 0; u < g->p->units->count; u++)
        g->keep[u] = g->feature[u] != 0;
    g->p->plan_values(g->p, g->keep, 1, g->absent, &one);
    j->e->asked += n;
    if (!j->cost)
        return;
    j->cost->plan.forward_tokens += n * one.forward_tokens;
    j->cost->plan.asks += n * one.asks;
}

static glim_status count(glim_game *g, void *data, glim_error *err) {
    struct judging *j = data;
    struct wants w;
    glim_status status = count_masks(j, g, &w, err);
    if (status)
        return status;
    uint64_t bytes = game_bytes(j, g, &w);
    add_asks(j, g, 1 + (j->wants_loo ? g->d : 0) + g->rows * w.masks);
    j->bytes = bytes > j->bytes ? bytes : j->bytes;
    return GLIM_OK;
}

static bool wants(const struct judging *j, unsigned needs) {
    for (size_t i = 0; i < j->e->n_measures; i++)
        if (j->e->measures[i].metric->needs & needs)
            return true;
    return false;
}

/* The method's, with its other ways of taking units out: the largest. */
static uint64_t method_bytes(const glim_predictor *p, const glim_evaluate_options *o,
                             uint64_t least) {
    static const char *const ways[] = {"delete", "mask", "mean", "attention", "zero", "blur"};
    const glim_param *absent =
        o->method->params ? glim_param_find(o->method->params, "absent") : NULL;
    char *opts = absent ? glim__calloc(p->ctx, 1, o->method->opts_size + 1) : NULL;
    glim_plan plan;
    for (size_t i = 0; opts && i < sizeof ways / sizeof *ways; i++) {
        if (o->method_opts)
            memcpy(opts, o->method_opts, o->method->opts_size);
        else
            glim_param_defaults(o->method->params, opts);
        *(const char **)(void *)(opts + absent->offset) = ways[i];
        if (!glim_explain_plan(&plan, p, o->method, opts, NULL) && plan.bytes > least)
            least = plan.bytes;
    }
    glim__free(p->ctx, opts);
    return least;
}

/* A copy of the weights, what was where in it, and the keys and values of the input. */
static uint64_t other_model_bytes(const glim_predictor *p) {
    const glim_hyper *h = &p->model->hyper;
    uint64_t weights = glim__gguf_bytes(p->model->file);
    return weights + weights / 16 +
           8 * (uint64_t)h->L * (uint64_t)h->G * (uint64_t)h->D * (p->T + 1);
}

glim_status glim__judging_bytes(uint64_t *bytes, glim_predictor *p, const glim_document *doc,
                                const glim_evaluate_options *options, uint64_t explain,
                                glim_error *err) {
    glim_evaluate_options o = *options;
    struct judging j = {.doc = doc};
    uint64_t now = glim_context_bytes(p->ctx), most = explain, again = 0;
    glim__judging_begin(&j, &o);
    glim_status status = glim__judge(&j, p, count, err);
    if (!status && o.method && wants(&j, GLIM_NEEDS_METHOD))
        again = method_bytes(p, &o, explain) + 8 * p->n_rows * (uint64_t)p->units->count * 8;
    if (!status && o.method && p->model && wants(&j, GLIM_NEEDS_MODEL))
        again += other_model_bytes(p);
    if (!status) {
        most = now + j.bytes > most ? now + j.bytes : most;
        most = again > most ? again : most;
        /* parts of what is left go to a block and to the memory of masks */
        *bytes = now + (most - now) * PART / (PART - 3) + BESIDE;
    }
    glim__judging_end(&j, p->ctx);
    glim_evaluation_free(j.e);
    return status;
}

glim_status glim_evaluate_plan(glim_evaluate_cost *most, glim_predictor *p,
                               const glim_document *doc, const glim_evaluate_options *options,
                               glim_error *err) {
    glim_evaluate_options o = options ? *options : (glim_evaluate_options){0};
    struct judging j = {.doc = doc, .cost = most};
    glim_plan method = {0};
    uint64_t bytes = 0;
    *most = (glim_evaluate_cost){.plan = {.seconds = -1, .bounded = false}};
    glim__judging_begin(&j, &o);
    glim_status status = glim__judge(&j, p, count, err);
    if (!status) {
        most->masks = j.e->asked;
        glim__reruns_count(&j, p, most);
    }
    glim__judging_end(&j, p->ctx);
    glim_evaluation_free(j.e);
    if (!status && o.method)
        status = glim_explain_plan(&method, p, o.method, o.method_opts, err);
    if (!status)
        status = glim__judging_bytes(&bytes, p, doc, &o, method.bytes, err);
    most->plan.bytes = most->plan.bytes_wanted = bytes;
    return status;
}
