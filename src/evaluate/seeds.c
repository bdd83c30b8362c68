/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a method says the same when it draws other random numbers: the mean over all
 * pairs of seeds of tau_b, of the overlap of the k first, and of the overlap weighted by
 * depth. A method that draws nothing gives the same bits; its value is 1 by that, also
 * where scores that are all equal have no tau.
 */
#include "evaluate/stability.h"

#include <math.h>

struct opts {
    int64_t k;
    double p;
};

static const glim_param jaccard_params[] = {
    {.name = "k",
     .type = GLIM_INT,
     .offset = offsetof(struct opts, k),
     .def.i = 5,
     .min = 1,
     .max = 100000,
     .help = "features at the top that are compared"},
    {0},
};

static const glim_param rbo_params[] = {
    {.name = "p",
     .type = GLIM_REAL,
     .offset = offsetof(struct opts, p),
     .def.r = 0.9,
     .min = 0.01,
     .max = 0.999,
     .help = "weight that remains a place further down"},
    {0},
};

/* Likeness of two sets of scores, and what a random order gets. */
typedef void likeness(const glim_twins *t, const struct opts *o, double *value, double *chance);

static void tau(const glim_twins *t, const struct opts *o, double *value, double *chance) {
    *value = glim__twins_tau(t);
    *chance = 0;
}

static void jaccard(const glim_twins *t, const struct opts *o, double *value, double *chance) {
    *value = glim__jaccard_at(t->order_a, t->order_b, t->n, (size_t)o->k);
    *chance = glim__jaccard_chance(t->n, (size_t)o->k);
}

static void rbo(const glim_twins *t, const struct opts *o, double *value, double *chance) {
    *value = glim__rbo(t->order_a, t->order_b, t->n, o->p);
    *chance = glim__rbo_chance(t->n, o->p);
}

static void add_pairs(const glim_subject *s, glim_twins *t, const struct opts *o, likeness *like,
                      size_t r, glim_answer *out) {
    size_t all = s->doc->n_rows * s->doc->input.n_units;
    double sum = 0, n = 0, one, chance;
    for (size_t i = 0; i < s->n_again; i++)
        for (size_t k = 0; k < i; k++) {
            glim__twins_fill(t, s, r, s->again + i * all, s->again + k * all);
            like(t, o, &one, &chance);
            if (s->same_bits && t->n)
                one = 1;
            if (isnan(one))
                continue;
            sum += one;
            n++;
            out->chance[r] = chance;
        }
    out->value[r] = n > 0 ? sum / n : NAN;
}

static glim_status run_pairs(const glim_subject *s, const void *opts, likeness *like,
                             glim_answer *out, glim_error *err) {
    glim_twins t;
    glim_status status = glim__twins_init(&t, s) ? GLIM_OK
                                                 : glim__oom(s->p->ctx, err, "pairs of scores",
                                                             s->doc->input.n_units * 32);
    for (size_t r = 0; r < s->doc->n_rows && !status; r++)
        add_pairs(s, &t, opts, like, r, out);
    if (s->same_bits)
        out->note = "the method draws nothing: another seed gives the same bits";
    glim__twins_release(&t);
    return status;
}

static glim_status run_tau(const glim_subject *s, const void *opts, glim_answer *out,
                           glim_error *err) {
    return run_pairs(s, opts, tau, out, err);
}

static glim_status run_jaccard(const glim_subject *s, const void *opts, glim_answer *out,
                               glim_error *err) {
    return run_pairs(s, opts, jaccard, out, err);
}

static glim_status run_rbo(const glim_subject *s, const void *opts, glim_answer *out,
                           glim_error *err) {
    return run_pairs(s, opts, rbo, out, err);
}

const glim_metric glim_metric_seed_kendall = {
    .name = "seed-kendall",
    .summary = "whether other seeds order the features alike (tau_b)",
    .cite = "Kendall 1945, doi:10.1093/biomet/33.3.239; Zhou, Hooker, Wang 2021, arXiv:2106.07875",
    .caption =
        "Features near zero change places easily; the overlap of the first says more of them.",
    .quality = GLIM_CONSISTENCY,
    .higher = true,
    .best = 1,
    .needs = GLIM_NEEDS_SEEDS,
    .cost = "4 more runs of the method, 1 when it draws nothing",
    .run = run_tau,
};

const glim_metric glim_metric_seed_jaccard = {
    .name = "seed-jaccard",
    .summary = "whether other seeds name the same most important features",
    .cite = "Zhou, Hooker, Wang 2021, arXiv:2106.07875",
    .caption = "Equal scores at the edge of the first k are cut by their place in the text.",
    .quality = GLIM_CONSISTENCY,
    .higher = true,
    .best = 1,
    .needs = GLIM_NEEDS_SEEDS,
    .cost = "the same runs",
    .params = jaccard_params,
    .opts_size = sizeof(struct opts),
    .run = run_jaccard,
};

const glim_metric glim_metric_seed_rbo = {
    .name = "seed-rbo",
    .summary = "overlap of the orders of other seeds, the top counting most",
    .cite = "Webber, Moffat, Zobel 2010, doi:10.1145/1852102.1852106",
    .caption = "Both orders hold the same features, so that few features overlap by chance.",
    .quality = GLIM_CONSISTENCY,
    .higher = true,
    .best = 1,
    .needs = GLIM_NEEDS_SEEDS,
    .cost = "the same runs",
    .params = rbo_params,
    .opts_size = sizeof(struct opts),
    .run = run_rbo,
};
