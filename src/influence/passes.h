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

enum { GLIM_PASS_SAMPLES = 128 }; /* a batch has no more */

/* A sample whose forward is done: output k is glim_session_logits(session, sequence, k),
   and labels[k] (n_labels) what it should have said, or what was drawn. */
typedef struct glim_pass_sample {
    size_t sample;
    const glim_example *example;
    const int32_t *labels;
    double loss; /* NaN without labels; then there may have been no forward pass */
    const glim_session *session;
    size_t sequence;
} glim_pass_sample;

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
    /* Between forward and walk, each sample in its order. */
    glim_status (*forward)(void *data, const glim_pass_sample *s, glim_error *err);
    /* What is walked back instead of the loss: the seed is minus the log-probability of label
       k, and may be changed but for its sequence and row; what it then points to must stay
       until the batch is done. A sample's seeds come in their order. */
    glim_status (*seed)(void *data, const glim_pass_sample *s, size_t k, glim_seed *seed,
                        glim_error *err);
    /* What a sample has at options.site, while it goes forward. */
    glim_status (*value)(void *data, size_t sample, const glim_site *site, glim_error *err);
} glim_pass_visitor;

typedef struct glim_pass_options {
    const uint8_t *chosen; /* (weights of the model) 1 = shown */
    bool sampled;          /* labels are drawn from the model's own answers (the true Fisher
                              information), by seed, sample and row */
    uint64_t seed;
    size_t most_tokens;    /* of a batch; 0 = what memory allows, up to 2,048 */
    const glim_hook *hook; /* one more, such as one that writes; or NULL */
    const char *site;      /* that `value` of the visitor sees; samples without a label go
                              through then too */
} glim_pass_options;

/* Samples first .. first + count - 1 through a model with the tokens and outputs of the one
   that they were opened for: that one, or a checkpoint of it. Functions of the visitor may
   be NULL; without `weight` nothing is walked back. Progress by samples. Errors: those of
   samples, of passes and of the visitor. */
glim_status glim__pass(const glim_model *model, glim_samples *samples, size_t first, size_t count,
                       const glim_pass_options *options, const glim_pass_visitor *visitor,
                       glim_error *err);

/* How much a pass is: counted of all samples, or estimated from 4,096 of them that lie even
   distances apart. */
typedef struct glim_pass_size {
    uint64_t tokens; /* that go forward, and as many back */
    uint64_t bytes;  /* at least, beside what the visitor keeps: the longest sample alone */
    uint64_t wanted; /* bytes with full batches and nothing computed twice */
    size_t longest;  /* tokens of a sample */
    size_t cut;      /* samples that are longer than the context */
    size_t silent;   /* samples without a label */
    bool counted;
} glim_pass_size;

glim_status glim__pass_measure(const glim_model *model, glim_samples *samples,
                               const glim_pass_options *options, bool back, glim_pass_size *out,
                               glim_error *err);
/* Bytes at least, beside what the visitor keeps; UINT64_MAX when samples cannot be read. */
uint64_t glim__pass_plan(const glim_model *model, glim_samples *samples,
                         const glim_pass_options *options);
/* chosen (weights of the model): those whose names fit one of the patterns, parted by commas;
   NULL = the feed-forward parts, "*mlp.W_in,*mlp.W_gate,*mlp.W_out"; "all" = of all blocks.
   Errors: EUSAGE (a pattern that fits none, with the names that there are). */
glim_status glim__weights_choose(const glim_model *model, const char *patterns, uint8_t *chosen,
                                 glim_error *err);

#endif
