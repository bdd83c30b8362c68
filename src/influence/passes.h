/* SPDX-License-Identifier: Apache-2.0 */
/*
 * passes.h: samples through a model, forward and back, in batches that show in no bit:
 * whoever looks sees each weight's samples in their order, and what he sees of a sample is
 * its own.
 *
 * The gradient of a loss by a matrix W (F, C) is sum_t g_t a_t^T over the rows t that went
 * through the product: g the gradient of its output, a its input. Nobody forms it here.
 */
#ifndef GLIM_INFLUENCE_PASSES_H
#define GLIM_INFLUENCE_PASSES_H

#include "influence/samples.h"

typedef struct glim_pass_visitor {
    /* One sample and one chosen weight (its index in glim_model_weights): g (rows, F),
       a (rows, C), valid during the call. */
    glim_status (*weight)(void *data, size_t sample, size_t weight, size_t rows, const float *g,
                          const float *a, glim_error *err);
    /* Behind the walk of samples first .. first + count - 1: all of their weights have been
       shown. loss (count) of each, with the labels that were walked. */
    glim_status (*batch)(void *data, size_t first, size_t count, const double *loss,
                         glim_error *err);
    void *data;
} glim_pass_visitor;

typedef struct glim_pass_options {
    const uint8_t *chosen; /* (weights of the model) 1 = shown */
    bool sampled;          /* labels are drawn from the model's own answers (the true Fisher
                              information), by seed, sample and row */
    uint64_t seed;
    size_t most_tokens; /* of a batch; 0 = what memory allows, up to 2,048 */
} glim_pass_options;

/* Samples first .. first + count - 1. Either function of the visitor may be NULL; without
   `weight` nothing is walked back. */
glim_status glim__pass(const glim_model *model, glim_samples *samples, size_t first, size_t count,
                       const glim_pass_options *options, const glim_pass_visitor *visitor,
                       glim_error *err);
/* Bytes at least, beside what the visitor keeps. */
uint64_t glim__pass_plan(const glim_model *model, glim_samples *samples,
                         const glim_pass_options *options);
/* chosen (weights of the model): those whose names fit one of the patterns, parted by commas;
   NULL = the feed-forward parts, "*mlp.W_in,*mlp.W_gate,*mlp.W_out"; "all" = of all blocks.
   Errors: EUSAGE (a pattern that fits none, with near names). */
glim_status glim__weights_choose(const glim_model *model, const char *patterns, uint8_t *chosen,
                                 glim_error *err);

#endif
