/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gradients.h: where the methods of first order get the samples' gradients of weights from.
 * They know no model and no file: what comes is the two factors of each chosen weight
 * (passes.h), sample by sample. A test hands in factors whose answers it knows.
 */
#ifndef GLIM_INFLUENCE_GRADIENTS_H
#define GLIM_INFLUENCE_GRADIENTS_H

#include "base/context.h"
#include "influence/passes.h"

/* Samples of a block: what is walked before the columns' rows are handed on, and what a
   run that is interrupted loses at most. */
enum { GLIM_GRADIENTS_BLOCK = 64 };

typedef struct glim_gradients {
    glim_context *ctx;
    size_t n;                   /* samples */
    const glim_weight *weights; /* all that there are */
    size_t n_weights;
    const uint8_t *chosen; /* (n_weights) 1 = shown */
    /* As glim__pass. */
    glim_status (*walk)(void *data, size_t first, size_t count, const glim_pass_visitor *visitor,
                        glim_error *err);
    /* Of samples first .. first + count - 1: rows of any weight at most, and answers (labels);
       either may be NULL. */
    glim_status (*sizes)(void *data, size_t first, size_t count, size_t *rows, size_t *answers,
                         glim_error *err);
    void *data;
} glim_gradients;

/* A method's block: `visitor` sees samples first .. first + count - 1, with progress. */
typedef glim_status glim_gradients_fn(void *data, size_t first, size_t count, glim_error *err);
/* Calls `each` for every block of samples in order; looks for a cancellation between. */
glim_status glim__gradients_each(const glim_gradients *g, const char *stage,
                                 glim_gradients_fn *each, void *data, glim_error *err);
/* Numbers of the chosen weights together. */
uint64_t glim__gradients_width(const glim_gradients *g);

/* Samples of a file through a model. */
typedef struct glim_model_gradients {
    const glim_model *model;
    glim_samples *samples;
    uint8_t *chosen;
} glim_model_gradients;

/* patterns: as glim__weights_choose. Borrows model and samples; `room` stays where it is. */
glim_status glim__model_gradients_init(glim_gradients *out, glim_model_gradients *room,
                                       const glim_model *model, glim_samples *samples,
                                       const char *patterns, glim_error *err);
void glim__model_gradients_release(glim_model_gradients *room);

#endif
