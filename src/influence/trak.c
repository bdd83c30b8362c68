/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TRAK as a method: projected.c does it. Kept features are found by the bytes of the weights,
 * not by the model's digest, which is of its header: checkpoints of one training have the
 * same header.
 */
#include "influence/gradient-work.h"
#include "influence/projected.h"
#include "model/weights-digest.h"

#include <string.h>

struct opts {
    const char *weights;
    int64_t features;
    double ridge;
    bool biases;
};

static glim_status make_keys(const glim_gradient_work *g, glim_store_key **out, glim_error *err) {
    *out = NULL;
    if (!g->work->store)
        return GLIM_OK;
    glim_store_key *keys = glim__calloc(g->ctx, g->n, sizeof *keys);
    if (!keys)
        return glim__oom(g->ctx, err, "keys", g->n * sizeof *keys);
    glim_status status = GLIM_OK;
    for (size_t k = 0; k < g->n && !status; k++) {
        glim_digest d;
        glim__digest_begin(&d);
        status = glim__digest_weights(&d, glim__gradient_work_model(g, k), err);
        glim__digest_text(&d, glim__samples_origin(g->work->samples));
        glim__digest_number(&d, g->train[k].n);
        glim__digest_number(&d, glim__gradients_width(&g->train[k]));
        glim__digest_bytes(&d, g->train[k].chosen, g->train[k].n_weights);
        keys[k] = glim__digest_end(&d);
    }
    *out = keys;
    return status;
}

static glim_status begin(glim_gradient_work *g, const glim_influence_work *w, const struct opts *o,
                         glim_error *err) {
    glim_status status = glim__gradient_work_init(g, w, o->weights, err);
    if (!status && o->biases)
        status = glim__gradient_work_add_biases(g, err);
    if (status)
        glim__gradient_work_release(g);
    return status;
}

static glim_projected projected(const glim_gradient_work *g, const struct opts *o,
                                const glim_store_key *keys) {
    return (glim_projected){.train = g->train,
                            .queries = g->queries,
                            .n = g->n,
                            .k = (size_t)o->features,
                            .seed = g->work->seed,
                            .ridge = o->ridge,
                            .store = g->work->store,
                            .keys = keys};
}

static glim_status plan(const glim_influence_work *w, const void *opts, glim_plan *out,
                        glim_error *err) {
    glim_gradient_work g;
    uint64_t bytes, disk;
    glim_status status = begin(&g, w, opts, err);
    if (status)
        return status;
    const glim_projected f = projected(&g, opts, NULL);
    status = glim__projected_plan(&f, &bytes, &disk, err);
    if (!status)
        status = glim__gradient_work_plan(&g, 1, bytes, out, err);
    out->disk = status ? 0 : disk;
    glim__gradient_work_release(&g);
    return status;
}

static glim_status run(const glim_influence_work *w, const void *opts,
                       const glim_influence_out *out, glim_error *err) {
    glim_gradient_work g;
    glim_store_key *keys = NULL;
    glim_status status = begin(&g, w, opts, err);
    if (status)
        return status;
    status = make_keys(&g, &keys, err);
    const glim_projected f = projected(&g, opts, keys);
    if (!status)
        status = glim__projected_run(&f, out, err);
    if (!status)
        status = glim__gradient_work_tell(&g, out->doc, err);
    glim__free(w->ctx, keys);
    glim__gradient_work_release(&g);
    return status;
}

static glim_status fits(const glim_influence_work *w, const void *opts, glim_error *err) {
    if (w->target.output && !strcmp(w->target.output, "loss"))
        return glim_fail(err, GLIM_EUSAGE,
                         "trak tells of the log odds of what a query says; leave out the target");
    return glim__gradient_work_fits(w, err);
}

static const glim_param params[] = {
    GLIM_WEIGHTS_PARAM(struct opts, "gradients are projected"),
    GLIM_BIASES_PARAM(struct opts),
    {.name = "features",
     .type = GLIM_INT,
     .offset = offsetof(struct opts, features),
     .def.i = 0,
     .min = 0,
     .max = 16384,
     .help = "numbers that stand for a gradient; 0: a fifth of the samples, 2048 at most"},
    {.name = "ridge",
     .type = GLIM_REAL,
     .offset = offsetof(struct opts, ridge),
     .def.r = 0,
     .min = 0,
     .max = 1e6,
     .help = "added to the features' products, times their mean square"},
    {0},
};

const glim_influence_method glim_influence_trak = {
    .name = "trak",
    .summary = "a logistic regression over randomly projected gradients stands for the model",
    .cite = "Park, Georgiev, Ilyas, Leclerc, Madry 2023, arXiv:2303.14186",
    .formula =
        "I_i = phi_q' (Phi'Phi)^-1 phi_i (1 - p_i),  phi = P' grad log(p / (1 - p)),  P random",
    .use = "for many queries over one set: features are kept (--store) and later queries cost "
           "little; better with checkpoints of several trainings",
    .costs = "one pass over the samples, forward and back, for each checkpoint; kept features "
             "serve other queries",
    .caption = "one model is a noisy witness: the paper averages over many that were trained on "
               "halves of the samples",
    .needs = GLIM_INFLUENCE_GRADIENT | GLIM_INFLUENCE_QUERIES | GLIM_INFLUENCE_CHECKPOINTS,
    .params = params,
    .opts_size = sizeof(struct opts),
    .fits = fits,
    .plan = plan,
    .run = run,
};
