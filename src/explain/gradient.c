/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gradients at the input: `gradient` (saliency: how strongly the target reacts,
 * as a norm or a signed sum) and `input-x-gradient` (how much of the value the
 * local slope explains). One forward, one walk back for each target row.
 */
#include "explain/methods.h"

#include <math.h>
#include <string.h>

struct opts {
    const char *norm;
};

static const glim_param params[] = {
    {.name = "norm",
     .type = GLIM_CHOICE,
     .offset = offsetof(struct opts, norm),
     .def.s = "l2",
     .choices = "l2|l1|sum",
     .help = "how the gradient of a unit becomes one number: length, absolute sum, signed sum"},
    {0},
};

enum reduction { L2, L1, SUM, TIMES_INPUT };

struct work {
    glim_predictor *p;
    glim_document *doc;
    enum reduction how;
    const float *x;
    float *first; /* gradient of row 0, for the check */
    double *tokens;
};

/* Per token: sum of squares, of absolutes, of values, or of x times gradient. */
static void reduce(const struct work *w, const float *g) {
    for (size_t t = 0; t < w->p->T; t++) {
        double sum = 0;
        for (size_t c = 0; c < w->p->C; c++) {
            double v = g[t * w->p->C + c];
            sum += w->how == L2            ? v * v
                   : w->how == L1          ? fabs(v)
                   : w->how == TIMES_INPUT ? v * w->x[t * w->p->C + c]
                                           : v;
        }
        w->tokens[t] = sum;
    }
}

static glim_status take(void *data, size_t sample, size_t row, const float *g, glim_error *err) {
    struct work *w = data;
    double *scores = w->doc->scores + row * w->p->units->count, fixed;
    reduce(w, g);
    glim__units_sum(w->p, row, w->tokens, scores, &fixed);
    for (size_t u = 0; u < w->p->units->count && w->how == L2; u++)
        scores[u] = sqrt(scores[u]);
    if (w->how == TIMES_INPUT)
        w->doc->fixed_total = (row ? w->doc->fixed_total : 0) + fixed;
    glim__fixed_add(w->p, w->tokens, w->how == L2, w->doc);
    if (!row)
        memcpy(w->first, g, w->p->T * w->p->C * sizeof *g);
    return GLIM_OK;
}

static glim_status run_as(glim_predictor *p, enum reduction how, uint64_t seed, glim_document *doc,
                          glim_error *err) {
    float *x = NULL;
    double *values = glim__calloc(p->ctx, p->n_rows, sizeof *values);
    struct work w = {.p = p, .doc = doc, .how = how};
    w.tokens = glim__calloc(p->ctx, p->T, sizeof *w.tokens);
    w.first = glim__calloc(p->ctx, p->T * p->C, sizeof *w.first);
    glim_status status = values && w.tokens && w.first
                             ? glim__scores_new(p, doc, false, err)
                             : glim__oom(p->ctx, err, "a gradient", p->T * p->C * 4);
    if (!status)
        status = glim__embedded(p, &x, 1, err);
    w.x = x;
    if (!status)
        status = p->gradient(p, x, 1, -1, values, take, &w, err);
    if (!status)
        status = glim__gradient_check(p, x, w.first, seed, doc, err);
    glim__free(p->ctx, x);
    glim__free(p->ctx, values);
    glim__free(p->ctx, w.tokens);
    glim__free(p->ctx, w.first);
    return status;
}

static glim_status run_gradient(glim_predictor *p, const void *opts, uint64_t seed,
                                glim_document *doc, glim_error *err) {
    const struct opts *o = opts;
    enum reduction how = !strcmp(o->norm, "l2") ? L2 : !strcmp(o->norm, "l1") ? L1 : SUM;
    doc->method.is_signed = how == SUM;
    doc->method.fold = how == L2 ? "l2" : "sum";
    return run_as(p, how, seed, doc, err);
}

static glim_status run_times_input(glim_predictor *p, const void *opts, uint64_t seed,
                                   glim_document *doc, glim_error *err) {
    return run_as(p, TIMES_INPUT, seed, doc, err);
}

static glim_status plan(const glim_predictor *p, const void *opts, glim_plan *out,
                        glim_error *err) {
    p->plan_gradient(p, 1, out);
    out->forward_tokens += 2 * p->T; /* the check */
    out->bytes += 4 * 4 * p->T * p->C + 8 * (p->T + 3 * p->n_rows);
    return GLIM_OK;
}

const glim_method glim_method_gradient = {
    .name = "gradient",
    .summary = "how strongly the target reacts to each unit (saliency)",
    .cite = "Simonyan, Vedaldi, Zisserman 2013, arXiv:1312.6034",
    .family = "gradients",
    .costs = "1 gradient",
    .caption = "Sizes only: a large value says that the target reacts, not in which direction.",
    .formula = "score_i = || df / dx_i ||, x_i the embeddings of unit i",
    .use = "for a first look at a long text or a large model: which parts it reacts to at all",
    .avoid = "when you need to know for or against: there is no sign",
    .needs = GLIM_CAN_GRADIENT,
    .params = params,
    .opts_size = sizeof(struct opts),
    .unit = "size",
    .plan = plan,
    .run = run_gradient,
};

const glim_method glim_method_input_x_gradient = {
    .name = "input-x-gradient",
    .summary = "each unit's embedding times the gradient: local contributions",
    .cite = "Shrikumar, Greenside, Kundaje 2016, arXiv:1605.01713",
    .family = "gradients",
    .costs = "1 gradient",
    .caption =
        "By the slope at the input alone: they need not add up, and on small language models they "
        "ranked words no better than chance (docs/default-method.md).",
    .formula = "score_i = x_i . df / dx_i",
    .use = "to compare with tools that offer it, and as a cheap baseline",
    .avoid = "on small language models when the order of words matters: it was no better than "
             "chance there",
    .needs = GLIM_CAN_GRADIENT,
    .is_signed = true,
    .plan = plan,
    .run = run_times_input,
};
