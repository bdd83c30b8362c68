/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lens.h: what the layers of a model already say, and which parts say it directly.
 *
 * A lens reads the residual stream behind a block as if it were the last: the logit lens
 * (nostalgebraist 2020) through the model's own end, the tuned lens (Belrose et al. 2023,
 * arXiv:2303.08112) through an affine translator first. Direct logit attribution (Elhage et
 * al. 2021) takes the target's logit apart into what every attention head, feed-forward
 * part and neuron adds to the stream, with the divisors of norms held constant.
 */
#ifndef GLIM_LENS_H
#define GLIM_LENS_H

#include <glim/explain.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- direct logit attribution ------------------------------------------- */

typedef struct glim_direct_neuron {
    int layer;
    size_t neuron;
    double value, part; /* its activation, and what it adds */
} glim_direct_neuron;

/* The logit of one target row (or the difference of two) as a sum. All parts are in
   logits before a soft cap. */
typedef struct glim_direct {
    glim_context *ctx;
    int layers, heads;
    size_t n_tokens, n_read; /* positions that self-attention sees, and of the text that an
                                encoder-decoder reads */
    double value;            /* the target */
    double embedding;        /* what entered block 0 */
    double *attention, *cross, *feed_forward; /* [layers]; cross NULL without */
    double *head, *cross_head;                /* (layers, heads); the rest of a layer's attention
                                                 is its bias */
    double *token, *read; /* [n_tokens], [n_read] by the position that heads took it from, all
                             layers and heads; the positions' own embedding is not in it */
    glim_direct_neuron *neurons; /* [n_neurons] those that add most, by size */
    size_t n_neurons;
    double constant; /* biases of norms and of the head, and what steering adds */
    double residual; /* value minus the sum of all parts: rounding */
} glim_direct;

/* Reads it of target row `row`; `neurons` of them at most are named. The predictor's output
   must be logits, or a contrast. Two passes and a walk back. Errors: EUSAGE (another
   output; a model whose end is not linear in its logits), EUNSUPPORTED, ENOMEM, EBUDGET. */
GLIM_API glim_status glim_direct_read(glim_direct **out, glim_predictor *p, size_t row,
                                      size_t neurons, glim_error *err);
GLIM_API void glim_direct_free(glim_direct *d);
/* As panels "direct", "direct-heads", "direct-tokens", "direct-neurons", and a check. */
GLIM_API glim_status glim_direct_show(const glim_direct *d, const glim_predictor *p,
                                      glim_document *doc, glim_error *err);

/* ---- lenses ------------------------------------------------------------- */

typedef struct glim_tuned_lens glim_tuned_lens;

typedef struct glim_lens_options {
    const glim_tuned_lens *tuned; /* NULL: the logit lens */
    size_t first, count;          /* positions shown; count 0 = all */
    size_t top;                   /* words of a cell that are kept, 1 to 10; 0 = 1 */
} glim_lens_options;

/* A document of the kind "lens" about the predictor's input: for every layer and position
   the likeliest tokens, and of the position's final answer (at the target's position the
   target) probability and rank, entropy, and the divergence from the last layer. Errors:
   EUSAGE (the model writes no tokens), ENOMEM, EBUDGET. On ECANCELLED a partial document. */
GLIM_API glim_status glim_lens_read(glim_document **out, glim_predictor *p,
                                    const glim_lens_options *options, glim_error *err);
GLIM_API glim_status glim_lens_plan(const glim_predictor *p, const glim_lens_options *options,
                                    glim_plan *out, glim_error *err);

/* ---- neurons by their weights -------------------------------------------- */

typedef struct glim_neuron {
    int layer;
    size_t neuron;
} glim_neuron;

/* A document of the kind "structure" without any input: the `top` tokens (1 to 100; 0 = 10) that
   each of n neurons says most and least for one unit of its activation, through the norm behind
   the blocks with its divisor left out, less the mean over the vocabulary; and the tokens whose
   embeddings its input weights (of gated parts the gate's) are most and least like, by cosine. In
   between other blocks read and write, so both ends mean most near their end of the model. Errors:
   EUSAGE (no such neuron; the model writes no tokens), EUNSUPPORTED (experts; a head that no norm
   stands before), ENOMEM, EBUDGET. */
GLIM_API glim_status glim_neurons_read(glim_document **out, const glim_model *model,
                                       const glim_neuron *neurons, size_t n, size_t top,
                                       glim_error *err);

/* ---- tuned lenses ------------------------------------------------------- */

typedef struct glim_tuned_options {
    double held_out; /* share of the tokens on which strengths are chosen; 0 = 0.2 */
    size_t length;   /* tokens of a piece of the text; 0 = 128 */
    size_t tokens;   /* that are read at most, in pieces from all of the text; 0 = 16,384 */
} glim_tuned_options;

/* What a translator does on tokens that it was not fitted on. */
typedef struct glim_tuned_layer {
    double strength;     /* share of the translation that is used: 0 = the logit lens */
    double logit, tuned; /* KL(last || lens), nats a token, of both lenses */
} glim_tuned_layer;

/* Fits for every layer h + A h + b to the last layer's stream, by least squares over a text, and
   how much of it to use by KL on tokens held out. Errors: EUSAGE (too few tokens), ENOMEM... */
GLIM_API glim_status glim_tuned_fit(glim_tuned_lens **out, const glim_model *model,
                                    const char *text, size_t n, const glim_tuned_options *options,
                                    glim_error *err);
/* A safetensors file: "translators.N.weight" (C, C) and ".bias" (C), and the model's digest. */
GLIM_API glim_status glim_tuned_save(const glim_tuned_lens *t, const char *path, glim_error *err);
/* Errors: EIO, EFORMAT, EUSAGE (made for another model). */
GLIM_API glim_status glim_tuned_open(glim_tuned_lens **out, const glim_model *model,
                                     const char *path, glim_error *err);
GLIM_API void glim_tuned_free(glim_tuned_lens *t);
/* [layers] of them; of one that was opened as it was fitted. */
GLIM_API const glim_tuned_layer *glim_tuned_layers(const glim_tuned_lens *t, size_t *n);

#ifdef __cplusplus
}
#endif
#endif
