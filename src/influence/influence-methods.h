/* SPDX-License-Identifier: Apache-2.0 */
/*
 * influence-methods.h: a method of sample influence is a constant descriptor in a file of its own,
 * and one line in influence-methods.c. Flags, help, `glim influence --list` and documents come from
 * the descriptor.
 *
 * A method that is run first finds out which numbers it will give, and calls begin() once
 * with their names. Then it goes through the training samples in their order and hands
 * blocks of rows to the sink that begin() returned. It keeps no rows.
 */
#ifndef GLIM_INFLUENCE_METHODS_H
#define GLIM_INFLUENCE_METHODS_H

#include "influence/features.h"

#include <glim/explain.h>
#include <glim/fit.h>
#include <glim/influence.h>

typedef struct glim_samples glim_samples; /* samples.h */

enum {                                 /* what a method needs of the work */
       GLIM_INFLUENCE_HEAD = 1,        /* a linear or logistic model over rows of features */
       GLIM_INFLUENCE_GRADIENT = 2,    /* a model and samples of tokens: gradients of weights */
       GLIM_INFLUENCE_QUERIES = 4,     /* at least one query */
       GLIM_INFLUENCE_CHECKPOINTS = 8, /* may use more than one set of weights */
       GLIM_INFLUENCE_WHY = 16,        /* can take scores apart (`by`) */
};

/* What f is, for every query. */
typedef struct glim_influence_target {
    const char *output;     /* "logprob" (NULL), "loss", "logit"; of numbers "logprob" is minus
                               half the squared error, "logit" the predicted number */
    const char *class_name; /* NULL: what the query should say, or else what it is told to say */
    const char *against;    /* the difference to this class, of logits */
} glim_influence_target;

/* What is asked; all borrowed. Members of needs that a method has not are NULL. */
typedef struct glim_influence_work {
    glim_context *ctx;
    size_t n; /* training samples */
    size_t n_queries;
    glim_influence_target target;
    uint64_t seed;
    const char *by; /* "token", "layer", "module": scores are taken apart; layers and modules have
                       columns of their own where a method has those; or NULL */
    /* HEAD: what was fitted on `train` */
    const glim_linear *head;
    const glim_features *train, *queries;
    /* GRADIENT */
    const glim_model *model;
    glim_samples *samples, *query_samples;
    const glim_model *const *checkpoints; /* [n_checkpoints] besides `model` */
    size_t n_checkpoints;
    const double *rates;      /* [1 + n_checkpoints] learning rates, `model` first; NULL = 1 */
    struct glim_store *store; /* NULL = nothing is kept for later (file/store.h) */
    bool keeps;               /* of a plan: the run will have a store */
} glim_influence_work;

/* A sample by its tokens: those that an encoder-decoder reads, and those that are run. */
typedef struct glim_why_sample {
    size_t sample, source, tokens;
    const uint8_t *wanted; /* (count) queries whose numbers are looked at; NULL = all */
} glim_why_sample;

/* Takes scores apart, of queries first .. first + count - 1. Valid during the call that hands
   it out. */
typedef struct glim_why {
    size_t first, count;
    size_t parts; /* layers or modules; 0: tokens, the source's first */
    const char *const *names;
    /* out (parts or tokens, count), rest (count): what no token has. They sum to the scores. */
    glim_status (*tell)(void *data, const glim_why_sample *s, double *out, double *rest,
                        glim_error *err);
    void *data;
} glim_why;

/* Where the numbers go. begin is called once before the first block; its columns, names
   and all, are borrowed until the run ends. */
typedef struct glim_influence_out {
    glim_status (*begin)(void *data, const glim_influence_column *columns, size_t n,
                         glim_influence_sink *sink, glim_error *err);
    void *data;
    glim_document *doc; /* takes checks, notes and the verdict */
    /* With `by`, once all blocks are out, for each group of queries; may be NULL. */
    glim_status (*why)(void *data, const glim_why *why, glim_error *err);
} glim_influence_out;

typedef struct glim_influence_method {
    const char *name, *summary, *cite; /* as of glim_method */
    const char *formula;               /* in plain letters */
    const char *use;                   /* when to take it; half a sentence */
    const char *costs;                 /* "two passes over the features" */
    const char *caption;               /* what must not be read from it; one sentence */
    unsigned needs;
    const glim_param *params; /* closed table; may be NULL */
    size_t opts_size;
    /* Why it cannot run on this work: EUSAGE with what would do. May be NULL. */
    glim_status (*fits)(const glim_influence_work *w, const void *opts, glim_error *err);
    glim_status (*plan)(const glim_influence_work *w, const void *opts, glim_plan *out,
                        glim_error *err);
    /* On ECANCELLED the blocks so far have been handed out. */
    glim_status (*run)(const glim_influence_work *w, const void *opts,
                       const glim_influence_out *out, glim_error *err);
} glim_influence_method;

extern const glim_influence_method glim_influence_diagnostics, glim_influence_functions;
extern const glim_influence_method glim_influence_similarity, glim_influence_loss,
    glim_influence_distance, glim_influence_duplicates;
extern const glim_influence_method glim_influence_tracin, glim_influence_gradient_product,
    glim_influence_gradient_cosine, glim_influence_datainf, glim_influence_trak,
    glim_influence_ekfac;

/* All methods, NULL-terminated; one by name, or NULL. */
const glim_influence_method *const *glim__influence_methods(void);
const glim_influence_method *glim__influence_find(const char *name);

/* Runs a method: checks what it needs (EUSAGE names what is missing and a method that would
   do). opts is the method's own struct (NULL = defaults). */
glim_status glim__influence_run(const glim_influence_work *w, const glim_influence_method *method,
                                const void *opts, const glim_influence_out *out, glim_error *err);
glim_status glim__influence_plan(const glim_influence_work *w, const glim_influence_method *method,
                                 const void *opts, glim_plan *out, glim_error *err);

#endif
