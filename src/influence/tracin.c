/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TracIn, and its two simplest cases, which other methods have to beat: one checkpoint at
 * rate 1 is the product of gradients; without lengths, their cosine.
 */
#include "influence/first-order.h"
#include "influence/gradient-work.h"

struct opts {
    const char *weights;
    bool cosine, per_answer, self, biases;
};

/* The three differ in what may be asked of them. */
static glim_status with(const glim_influence_work *w, const struct opts *o, bool cosine,
                        const glim_influence_out *out, glim_plan *plan, glim_error *err) {
    glim_gradient_work g;
    glim_status status = glim__gradient_work_init(&g, w, o->weights, err);
    if (!status && o->biases)
        status = glim__gradient_work_add_biases(&g, err);
    if (status) {
        glim__gradient_work_release(&g);
        return status;
    }
    glim_first_order f = {.train = g.train,
                          .queries = w->n_queries ? g.queries : NULL,
                          .rates = w->rates,
                          .n = g.n,
                          .cosine = cosine,
                          .per_answer = o->per_answer,
                          .self = o->self || !w->n_queries,
                          .by = w->by,
                          .sign = g.sign};
    uint64_t bytes = 0;
    if (!out) {
        status = glim__first_order_plan(&f, &bytes, err);
        if (!status)
            status = glim__gradient_work_plan(&g, 1, bytes, plan, err);
    } else {
        status = glim__first_order_run(&f, out, err);
        if (!status)
            status = glim__gradient_work_tell(&g, out->doc, err);
    }
    glim__gradient_work_release(&g);
    return status;
}

static glim_status fits(const glim_influence_work *w, const void *opts, glim_error *err) {
    const struct opts *o = opts;
    if (o->cosine && o->per_answer)
        return glim_fail(
            err, GLIM_EUSAGE,
            "--cosine divides by lengths of gradients already: leave out --per-answer");
    if (o->cosine && !w->n_queries)
        return glim_fail(err, GLIM_EUSAGE,
                         "self-influence has no cosine: give a text or --query FILE");
    return glim__gradient_work_fits(w, err);
}

static glim_status plan_plain(const glim_influence_work *w, const void *opts, glim_plan *out,
                              glim_error *err) {
    const struct opts *o = opts;
    return with(w, o, o->cosine, NULL, out, err);
}

static glim_status run_plain(const glim_influence_work *w, const void *opts,
                             const glim_influence_out *out, glim_error *err) {
    const struct opts *o = opts;
    return with(w, o, o->cosine, out, NULL, err);
}

static glim_status plan_cosine(const glim_influence_work *w, const void *opts, glim_plan *out,
                               glim_error *err) {
    return with(w, opts, true, NULL, out, err);
}

static glim_status run_cosine(const glim_influence_work *w, const void *opts,
                              const glim_influence_out *out, glim_error *err) {
    return with(w, opts, true, out, NULL, err);
}

static const glim_param params[] = {
    GLIM_WEIGHTS_PARAM(struct opts, "gradients meet"),
    GLIM_BIASES_PARAM(struct opts),
    {.name = "self",
     .type = GLIM_BOOL,
     .offset = offsetof(struct opts, self),
     .help = "also a sample's influence on itself: large for rare and wrong ones"},
    {.name = "cosine",
     .type = GLIM_BOOL,
     .offset = offsetof(struct opts, cosine),
     .help = "divide by the lengths of both gradients"},
    {.name = "per-answer",
     .type = GLIM_BOOL,
     .offset = offsetof(struct opts, per_answer),
     .help = "divide by a sample's number of labels, so that long texts do not dominate"},
    {0},
};

static const glim_param baseline_params[] = {
    GLIM_WEIGHTS_PARAM(struct opts, "gradients meet"),
    GLIM_BIASES_PARAM(struct opts),
    {0},
};

const glim_influence_method glim_influence_tracin = {
    .name = "tracin",
    .summary = "what steps of training on each sample did to a query, over one or more checkpoints",
    .cite = "Pruthi, Liu, Kale, Sundararajan 2020, arXiv:2002.08484",
    .formula =
        "I_i = sum_k eta_k <grad L_q, grad L_i>,  over checkpoints k with learning rates eta_k",
    .use = "when checkpoints of the training are kept; without a query its self-influence finds "
           "rare and wrong samples",
    .costs = "one pass over the samples, forward and back, for each checkpoint",
    .caption = "it tells of first steps only: what other samples made up for is not taken off, and "
               "long samples have long gradients",
    .needs = GLIM_INFLUENCE_GRADIENT | GLIM_INFLUENCE_CHECKPOINTS | GLIM_INFLUENCE_WHY,
    .params = params,
    .opts_size = sizeof(struct opts),
    .fits = fits,
    .plan = plan_plain,
    .run = run_plain,
};

const glim_influence_method glim_influence_gradient_product = {
    .name = "gradient-product",
    .summary = "the dot product of a sample's gradient and a query's: a baseline",
    .cite = "Charpiat, Girard, Felardos, Tarabalka 2019, arXiv:2102.05262",
    .formula = "I_i = <grad L_q, grad L_i>",
    .use = "as a baseline, or when the size of steps matters and all samples are about as long",
    .costs = "one pass over the samples, forward and back",
    .caption = "a baseline: samples with large gradients lead for every query",
    .needs = GLIM_INFLUENCE_GRADIENT | GLIM_INFLUENCE_QUERIES | GLIM_INFLUENCE_WHY,
    .params = baseline_params,
    .opts_size = sizeof(struct opts),
    .fits = fits,
    .plan = plan_plain,
    .run = run_plain,
};

const glim_influence_method glim_influence_gradient_cosine = {
    .name = "gradient-cosine",
    .summary = "the cosine of a sample's gradient and a query's: a baseline that is hard to beat",
    .cite = "Charpiat, Girard, Felardos, Tarabalka 2019, arXiv:2102.05262",
    .formula = "cos(grad L_q, grad L_i)",
    .use = "the first method to try on a model: one pass, no setting, and samples of all lengths "
           "compare",
    .costs = "one pass over the samples, forward and back",
    .caption = "it tells which samples pull the same way, not how far they moved anything",
    .needs = GLIM_INFLUENCE_GRADIENT | GLIM_INFLUENCE_QUERIES | GLIM_INFLUENCE_WHY,
    .params = baseline_params,
    .opts_size = sizeof(struct opts),
    .fits = fits,
    .plan = plan_cosine,
    .run = run_cosine,
};
