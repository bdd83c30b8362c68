/* SPDX-License-Identifier: Apache-2.0 */
/* DataInf as a method: inverse-mean.c does it. */
#include "influence/gradient-work.h"
#include "influence/inverse-mean.h"

struct opts {
    const char *weights;
    double damping;
    int64_t fit_samples;
    bool biases;
};

static glim_status with(const glim_influence_work *w, const struct opts *o,
                        const glim_influence_out *out, glim_plan *plan, glim_error *err) {
    glim_gradient_work g;
    glim_status status = glim__gradient_work_init(&g, w, o->weights, err);
    if (!status && o->biases)
        status = glim__gradient_work_add_biases(&g, err);
    if (status) {
        glim__gradient_work_release(&g);
        return status;
    }
    glim_inverse_mean f = {.train = g.train,
                           .queries = g.queries,
                           .damping = o->damping,
                           .most = (size_t)o->fit_samples,
                           .by = w->by,
                           .sign = g.sign};
    uint64_t bytes = 0;
    if (!out) {
        status = glim__inverse_mean_plan(&f, &bytes, err);
        if (!status)
            status = glim__gradient_work_plan(&g, 3, bytes, plan, err);
    } else {
        status = glim__inverse_mean_run(&f, out, err);
        if (!status)
            status = glim__gradient_work_tell(&g, out->doc, err);
        if (!status && out->doc)
            glim_document_judge(out->doc, GLIM_VERDICT_CAREFUL,
                                "DataInf is meant for low-rank adapters; of whole matrices, as "
                                "here, its inverse is coarse");
    }
    glim__gradient_work_release(&g);
    return status;
}

static glim_status fits(const glim_influence_work *w, const void *opts, glim_error *err) {
    if (w->n_checkpoints)
        return glim_fail(err, GLIM_EUSAGE,
                         "datainf is of one set of weights; tracin and trak take checkpoints");
    return glim__gradient_work_fits(w, err);
}

static glim_status plan(const glim_influence_work *w, const void *opts, glim_plan *out,
                        glim_error *err) {
    return with(w, opts, NULL, out, err);
}

static glim_status run(const glim_influence_work *w, const void *opts,
                       const glim_influence_out *out, glim_error *err) {
    return with(w, opts, out, NULL, err);
}

static const glim_param params[] = {
    GLIM_WEIGHTS_PARAM(struct opts, "gradients meet"),
    GLIM_BIASES_PARAM(struct opts),
    {.name = "damping",
     .type = GLIM_REAL,
     .offset = offsetof(struct opts, damping),
     .def.r = 0.1,
     .min = 1e-6,
     .max = 1e6,
     .help = "of a weight's mean squared gradient"},
    {.name = "fit-samples",
     .type = GLIM_INT,
     .offset = offsetof(struct opts, fit_samples),
     .def.i = 0,
     .min = 0,
     .max = 1e9,
     .help = "samples that the curvature is of at most, spread evenly; 0 = all"},
    {0},
};

const glim_influence_method glim_influence_datainf = {
    .name = "datainf",
    .summary = "influence functions with the mean of inverses in place of the inverse",
    .cite = "Kwon, Wu, Wu, Zou 2024, arXiv:2310.00902",
    .formula = "I_i = <v, grad L_i> / n,  v = (1/n) sum_j (g_q - g_j <g_j, g_q> / (rho + |g_j|^2)) "
               "/ rho,  matrix by matrix",
    .use = "for models tuned by low-rank adapters, of whose small matrices its inverse is good",
    .costs = "three passes over the samples, forward and back",
    .caption = "good for low-rank adapters; of whole matrices its inverse is coarse, and it comes "
               "close to the product of gradients",
    .needs = GLIM_INFLUENCE_GRADIENT | GLIM_INFLUENCE_QUERIES | GLIM_INFLUENCE_WHY,
    .params = params,
    .opts_size = sizeof(struct opts),
    .fits = fits,
    .plan = plan,
    .run = run,
};
