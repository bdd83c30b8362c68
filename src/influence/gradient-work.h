/* SPDX-License-Identifier: Apache-2.0 */
/* gradient-work.h: what is asked of a method of first order, as gradients: those of the samples
   and of the queries, through every checkpoint. */
#ifndef GLIM_INFLUENCE_GRADIENT_WORK_H
#define GLIM_INFLUENCE_GRADIENT_WORK_H

#include "influence/biased.h"
#include "influence/influence-methods.h"

/* A row of parameters that methods share; options have a field of this name. */
#define GLIM_WEIGHTS_PARAM(opts_type, says)                                                        \
    {                                                                                              \
        .name = "weights", .type = GLIM_STRING, .offset = offsetof(opts_type, weights),            \
        .value_name = "NAMES",                                                                     \
        .help = "weights whose " says ", with *; all; default: the feed-forward parts"             \
    }
#define GLIM_BIASES_PARAM(opts_type)                                                               \
    {                                                                                              \
        .name = "biases", .type = GLIM_BOOL, .offset = offsetof(opts_type, biases),                \
        .help = "also the biases behind those weights, as one more column of each"                 \
    }

typedef struct glim_gradient_work {
    glim_context *ctx;
    glim_gradients *train, *queries; /* [n], the model's first; queries without any: n = 0 */
    glim_model_gradients *rooms;     /* [2 n] */
    glim_biased *biased;             /* [2 n], or NULL */
    const glim_model *const *more;   /* checkpoints besides the model */
    const glim_influence_work *work;
    size_t n;
    double sign; /* 1: f is the log-probability of what a query says, -1: its loss */
} glim_gradient_work;

/* patterns: as glim__weights_choose. Errors: EUSAGE (no such weights, a checkpoint whose weights
   have other shapes), ENOMEM. */
glim_status glim__gradient_work_init(glim_gradient_work *g, const glim_influence_work *w,
                                     const char *patterns, glim_error *err);
/* Biases are weights too. */
glim_status glim__gradient_work_add_biases(glim_gradient_work *g, glim_error *err);
void glim__gradient_work_release(glim_gradient_work *g); /* zeroed is fine */
/* The shared part of fits(): f can be had, every query says something. */
glim_status glim__gradient_work_fits(const glim_influence_work *w, glim_error *err);
/* Passes over the samples, and `beside` bytes, in a plan. */
glim_status glim__gradient_work_plan(const glim_gradient_work *g, size_t passes, uint64_t beside,
                                     glim_plan *out, glim_error *err);
/* The model of checkpoint k, 0 = the model itself. */
const glim_model *glim__gradient_work_model(const glim_gradient_work *g, size_t k);
/* Samples without an answer and samples that are cut, as notes of a document. */
glim_status glim__gradient_work_tell(const glim_gradient_work *g, glim_document *doc,
                                     glim_error *err);

#endif
