/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LIME for text: a weighted ridge on which features are there. Sample 0 is the input;
 * of the others each lacks a random number of features, uniform in 1 .. d, and counts by
 * its closeness, exp(-D^2 / 2 sigma^2) with D = 100 (1 - cos(z, 1)) = 100 (1 - sqrt(m/d)):
 * the sampling and kernel of lime 0.2.0.1 (lime_text.py). lime-picture.c has the samples of
 * pictures, lime-local.c the fit.
 */
#include "base/rng.h"
#include "explain/lime.h"

#include <math.h>
#include <string.h>

enum { DEFAULT_SAMPLES = 1000, DEFAULT_WIDTH = 25 };

static const glim_param params[] = {
    GLIM_ABSENT_PARAM(glim_lime_params),
    {.name = "num-samples",
     .type = GLIM_INT,
     .offset = offsetof(glim_lime_params, n_samples),
     .def.i = 0,
     .min = 0,
     .max = 1000000,
     .help = "inputs that are asked (0: 1000, for rows of a table 5000)"},
    {.name = "num-features",
     .type = GLIM_INT,
     .offset = offsetof(glim_lime_params, num_features),
     .def.i = 0,
     .min = 0,
     .max = 1000,
     .help = "features of the local model (0: all of up to 30, else 10; of a picture all)"},
    {.name = "feature-selection",
     .type = GLIM_CHOICE,
     .offset = offsetof(glim_lime_params, selection),
     .def.s = "auto",
     .choices = "auto|forward|highest-weights|lasso-path|none",
     .help = "how they are chosen (auto: forward up to 6, else highest-weights)"},
    {.name = "kernel-width",
     .type = GLIM_REAL,
     .offset = offsetof(glim_lime_params, kernel_width),
     .def.r = 0,
     .min = 0,
     .max = 1e6,
     .help = "sigma (0: 25, where half of the features absent is 29 away; for rows 0.75 "
             "sqrt(columns))"},
    {.name = "alpha",
     .type = GLIM_REAL,
     .offset = offsetof(glim_lime_params, alpha),
     .def.r = 1,
     .min = 0,
     .max = 1e6,
     .help = "strength of the ridge"},
    {.name = "bow",
     .type = GLIM_BOOL,
     .offset = offsetof(glim_lime_params, bow),
     .help = "a word is one feature wherever it stands"},
    {.name = "discretizer",
     .type = GLIM_CHOICE,
     .offset = offsetof(glim_lime_params, discretizer),
     .def.s = "quartile",
     .choices = "quartile|decile|entropy|none",
     .help = "rows: how numbers are cut into bins (entropy: where labels change)"},
    {.name = "categorical",
     .type = GLIM_STRING,
     .offset = offsetof(glim_lime_params, categorical),
     .value_name = "A,B",
     .help = "rows: columns of numbers that are names all the same"},
    {.name = "label-column",
     .type = GLIM_STRING,
     .offset = offsetof(glim_lime_params, label_column),
     .value_name = "NAME",
     .help = "rows: the labels of --discretizer entropy (default: what was fitted)"},
    {.name = "sample-around-instance",
     .type = GLIM_BOOL,
     .offset = offsetof(glim_lime_params, sample_around_instance),
     .help = "rows without bins: around the row, not around the mean"},
    {.name = "top-labels",
     .type = GLIM_INT,
     .offset = offsetof(glim_lime_params, top_labels),
     .def.i = 1,
     .min = 1,
     .max = 100,
     .help = "rows: explain so many of the likeliest classes"},
    {.name = "pick",
     .type = GLIM_INT,
     .offset = offsetof(glim_lime_params, pick),
     .min = 0,
     .max = 1000,
     .help = "many rows or texts: show those whose explanations together say most"},
    {.name = "pick-from",
     .type = GLIM_INT,
     .offset = offsetof(glim_lime_params, pick_from),
     .def.i = 100,
     .min = 1,
     .max = 1000000,
     .help = "how many are explained for that, drawn by --seed"},
    {.name = "data",
     .type = GLIM_STRING,
     .offset = offsetof(glim_lime_params, data),
     .value_name = "FILE",
     .help = "texts for --pick: .csv, .tsv, .jsonl; .txt: LABEL, tab, text"},
    {.name = "text",
     .type = GLIM_STRING,
     .offset = offsetof(glim_lime_params, text),
     .value_name = "COLUMN",
     .def.s = "text",
     .help = "the column of texts of --data"},
    {0},
};

struct work {
    const glim_lime_params *o;
    uint64_t seed;
    glim_document *doc;
    glim_lime_summary sum;
};

glim_lime_options glim__lime_fit_options(const glim_lime_params *o, uint64_t seed) {
    static const char *const names[] = {"auto", "forward", "highest-weights", "lasso-path", "none"};
    size_t how = 0;
    while (strcmp(names[how], o->selection))
        how++;
    return (glim_lime_options){.select = (glim_lime_select)how,
                               .num_features = (size_t)o->num_features,
                               .alpha = o->alpha,
                               .seed = seed};
}

static size_t samples_of(const glim_lime_params *o) {
    return o->n_samples ? (size_t)o->n_samples : DEFAULT_SAMPLES;
}

static double width_of(const glim_lime_params *o) {
    return o->kernel_width > 0 ? o->kernel_width : DEFAULT_WIDTH;
}

double glim__lime_weight(size_t there, size_t d, double width) {
    double off = 100 * (1 - sqrt((double)there / (double)d));
    return exp(-off * off / (2 * width * width));
}

/* z (n, d) and how much each sample counts; order (d): scratch. */
static void draw(const struct work *w, size_t n, size_t d, uint8_t *z, double *weight,
                 size_t *order) {
    double width = width_of(w->o);
    memset(z, 1, n * d);
    for (size_t i = 0; i < n; i++, z += d) {
        size_t out = i ? 1 + glim__rng_below(w->seed, i, 0, (uint32_t)d) : 0;
        for (size_t k = 0; k < d; k++)
            order[k] = k;
        for (size_t k = 0; k < out; k++) {
            size_t at = k + glim__rng_below(w->seed, i, k + 1, (uint32_t)(d - k)), swap = order[k];
            order[k] = order[at];
            order[at] = swap;
            z[order[k]] = 0;
        }
        weight[i] = glim__lime_weight(d - out, d, width);
    }
}

static glim_status play(glim_game *g, void *data, glim_error *err) {
    struct work *w = data;
    glim_context *ctx = g->p->ctx;
    size_t n = samples_of(w->o), d = g->d;
    uint8_t *z = glim__alloc(ctx, n * d);
    double *weight = glim__calloc(ctx, n * (1 + g->rows), sizeof *weight);
    size_t *order = glim__calloc(ctx, d, sizeof *order);
    glim_status status =
        z && weight && order ? GLIM_OK : glim__oom(ctx, err, "samples", n * (d + 16));
    if (!status) {
        if (g->p->image) {
            glim__lime_coins(w->seed, n, d, z);
            glim__lime_closeness(z, n, d, width_of(w->o), weight);
        } else {
            draw(w, n, d, z, weight, order);
        }
        status = glim__game_values(g, z, n, weight + n, err);
    }
    if (!status) {
        glim_lime_data a = {.ctx = ctx, .n = n, .d = d, .z = z, .weight = weight, .y = weight + n};
        glim_lime_options o = glim__lime_fit_options(w->o, w->seed);
        if (g->p->image && !o.num_features)
            o.num_features = d;
        status = glim__lime_rows(g, &a, &o, &w->sum, w->doc, err);
    }
    glim__free(ctx, z);
    glim__free(ctx, weight);
    glim__free(ctx, order);
    return status;
}

/* Squares of a picture have their own mean colour here, too. */
static const char *absent_of(const glim_predictor *p, const glim_lime_params *o) {
    return p->image && !strcmp(o->absent, "auto") ? "own" : o->absent;
}

static glim_status run(glim_predictor *p, const void *opts, uint64_t seed, glim_document *doc,
                       glim_error *err) {
    const glim_lime_params *o = opts;
    if (glim__lime_of_table(p, o))
        return glim__lime_table(p, o, seed, doc, err);
    struct work w = {.o = o, .seed = seed, .doc = doc, .sum = glim__lime_summary()};
    glim_status status = glim__scores_new(p, doc, true, err);
    if (!status)
        status = glim__games(p, absent_of(p, o), doc, o->bow && !p->image, play, &w, err);
    if (status)
        return status;
    if (o->bow && !p->image) { /* a sum would count a word as often as it occurs */
        doc->method.fold = NULL;
        glim_document_note(doc, "each word's score is that of all its occurrences together");
    }
    glim_document_note(doc, "the baseline value is the local model's intercept; units that were "
                            "not selected have 0");
    glim__lime_judge(&w.sum, doc);
    return GLIM_OK;
}

static uint64_t samples(const void *opts, size_t d, size_t rows) {
    return samples_of(opts);
}

static uint64_t room(const void *opts, size_t d, size_t rows) {
    uint64_t n = samples(opts, d, rows);
    return n * (d + 8 * (1 + rows) + 24) + 8 * d * (2 * (uint64_t)rows + 1) +
           glim__lime_room(n, d) + 1024;
}

static glim_status plan(const glim_predictor *p, const void *opts, glim_plan *out,
                        glim_error *err) {
    const glim_lime_params *o = opts;
    if (glim__lime_of_table(p, o)) {
        glim__lime_table_plan(p, o, out);
        return GLIM_OK;
    }
    return glim__games_plan(p, absent_of(p, o), samples, room, opts, out, err);
}

const glim_method glim_method_lime = {
    .name = "lime",
    .summary = "a weighted linear model around the input",
    .cite = "Ribeiro, Singh, Guestrin 2016, arXiv:1602.04938",
    .family = "surrogate",
    .costs = "1000 passes",
    .caption = "The coefficients of a stand-in: read its fit (local_r2) before them.",
    .formula = "least squares with ridge of f(z) on z, weights exp(-D^2 / (2 sigma^2)), D the "
               "distance of z from the input",
    .use = "of black boxes and of rows in tables, where its rules can be read",
    .avoid = "when its fit (local_r2) is low: then it is not a sum, whatever the coefficients",
    .needs = GLIM_CAN_PREDICT,
    .is_signed = true,
    .params = params,
    .opts_size = sizeof(glim_lime_params),
    .plan = plan,
    .run = run,
};
