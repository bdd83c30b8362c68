/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guided back-propagation and deconvolution: the gradient, but that each rectifier on the
 * way back lets through what is positive only (src/graph/rules.c). Made for pictures and
 * networks of ReLUs. Such maps are sharp, and much the same for a network whose last layers
 * know nothing (Adebayo et al. 2018), so how like the plain gradient they still are is
 * always told.
 */
#include "explain/methods.h"

#include <math.h>
#include <string.h>

struct opts {
    const char *rule, *norm;
};

static const glim_param params[] = {
    {.name = "rule",
     .type = GLIM_CHOICE,
     .offset = offsetof(struct opts, rule),
     .def.s = "guided",
     .choices = "guided|deconvnet",
     .help = "a rectifier passes positive slopes where it was on (guided), or everywhere "
             "(deconvnet); an activation that is no ReLU (GELU, SiLU) is taken for one"},
    {.name = "norm",
     .type = GLIM_CHOICE,
     .offset = offsetof(struct opts, norm),
     .def.s = "l2",
     .choices = "l2|l1|sum",
     .help = "how the numbers of a unit become one: length, absolute sum, signed sum"},
    {0},
};

struct work {
    glim_predictor *p;
    glim_document *doc;
    char norm;    /* of its name: '2', '1', 'm' */
    float *plain; /* gradient of row 0 */
    double *tokens;
    double both, own, other; /* products of row 0's walk and its gradient */
};

static glim_status keep(void *data, size_t sample, size_t row, const float *g, glim_error *err) {
    struct work *w = data;
    memcpy(w->plain, g, w->p->T * w->p->C * sizeof *g);
    return GLIM_OK;
}

static void compare(struct work *w, const float *g) {
    for (size_t i = 0; i < w->p->T * w->p->C; i++) {
        w->both += (double)g[i] * w->plain[i];
        w->own += (double)g[i] * g[i];
        w->other += (double)w->plain[i] * w->plain[i];
    }
}

static glim_status take(void *data, size_t sample, size_t row, const float *g, glim_error *err) {
    struct work *w = data;
    size_t C = w->p->C, U = w->p->units->count;
    double *scores = w->doc->scores + row * U;
    for (size_t t = 0; t < w->p->T; t++) {
        double sum = 0;
        for (size_t c = t * C; c < (t + 1) * C; c++)
            sum += w->norm == '2'   ? (double)g[c] * g[c]
                   : w->norm == '1' ? fabs((double)g[c])
                                    : g[c];
        w->tokens[t] = sum;
    }
    glim__units_sum(w->p, row, w->tokens, scores, NULL);
    for (size_t u = 0; u < U && w->norm == '2'; u++)
        scores[u] = sqrt(scores[u]);
    if (!row)
        compare(w, g);
    return GLIM_OK;
}

static void judge(const struct work *w) {
    double size = sqrt(w->own) * sqrt(w->other), like = size > 0 ? w->both / size : 0;
    glim_document_check_add(w->doc, "likeness_to_gradient", like,
                            "cosine of the map and the plain gradient; 1 where no rectifier "
                            "stopped anything");
    if (w->own == 0)
        glim_document_judge(w->doc, GLIM_VERDICT_DISTRUST, "nothing passed the rectifiers");
    else if (like < 0.5)
        glim_document_judge(w->doc, GLIM_VERDICT_CAREFUL,
                            "the map is little like the gradient (cosine %.2f): it shows what "
                            "excites units on the way more than what the target depends on",
                            like);
    if (w->p->model && !w->p->image)
        glim_document_note(w->doc, "activations that are no ReLU were taken for rectifiers");
}

static glim_status run(glim_predictor *p, const void *opts, uint64_t seed, glim_document *doc,
                       glim_error *err) {
    const struct opts *o = opts;
    struct work w = {.p = p, .doc = doc, .norm = o->norm[strlen(o->norm) - 1]};
    float *x = NULL;
    doc->method.is_signed = w.norm == 'm';
    double *values = glim__calloc(p->ctx, p->n_rows, sizeof *values);
    w.tokens = glim__calloc(p->ctx, p->T, sizeof *w.tokens);
    w.plain = glim__calloc(p->ctx, p->T * p->C, sizeof *w.plain);
    glim_status status = values && w.tokens && w.plain
                             ? glim__scores_new(p, doc, false, err)
                             : glim__oom(p->ctx, err, "a gradient", p->T * p->C * sizeof *w.plain);
    if (!status)
        status = glim__embedded(p, &x, 1, err);
    if (!status)
        status = p->gradient(p, x, 1, 0, values, keep, &w, err);
    if (!status)
        status = glim__ruled_gradient(p, glim_rules_find(o->rule), x, values, take, &w, err);
    if (!status)
        judge(&w);
    glim__free(p->ctx, x);
    glim__free(p->ctx, values);
    glim__free(p->ctx, w.tokens);
    glim__free(p->ctx, w.plain);
    return status;
}

static glim_status plan(const glim_predictor *p, const void *opts, glim_plan *out,
                        glim_error *err) {
    const struct opts *o = opts;
    glim__ruled_plan(p, glim_rules_find(o->rule), 2, out);
    out->backward_tokens -= (p->n_rows - 1) * p->T; /* the plain gradient is of one row */
    out->bytes += 8 * p->T * p->C + 8 * (p->T + p->n_rows);
    return GLIM_OK;
}

const glim_method glim_method_guided_backprop = {
    .name = "guided-backprop",
    .summary = "the gradient through positive ways alone",
    .cite = "Springenberg et al. 2014, arXiv:1412.6806; Zeiler, Fergus 2014, arXiv:1311.2901",
    .family = "gradients",
    .costs = "2 gradients",
    .caption = "Edges of the picture stand out whatever the model has learnt (Adebayo et al. "
               "2018): a sharp map is no proof.",
    .formula = "as df / dx, with negative slopes set to 0 at every rectifier on the way back",
    .use = "for a sharp picture of what the first layers see",
    .avoid = "as proof of what the model uses: edges stand out even with random weights",
    .needs = GLIM_CAN_GRADIENT,
    .params = params,
    .opts_size = sizeof(struct opts),
    .unit = "size",
    .plan = plan,
    .run = run,
};
