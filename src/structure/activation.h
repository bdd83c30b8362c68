/* SPDX-License-Identifier: Apache-2.0 */
/*
 * activation.h: what is activated inside a model, as a number for each row of an input, and
 * its gradient. A neuron is an entry of a site, a head the length of its vector, a direction
 * a product with it, an output a logit. Only what leads there is run: no block above the
 * site, no other row of the head.
 */
#ifndef GLIM_STRUCTURE_ACTIVATION_H
#define GLIM_STRUCTURE_ACTIVATION_H

#include "model/session.h"

#include <glim/maximize.h>

typedef enum glim_activation_kind {
    GLIM_ACTIVATION_NEURON,
    GLIM_ACTIVATION_HEAD,
    GLIM_ACTIVATION_DIRECTION,
    GLIM_ACTIVATION_OUTPUT
} glim_activation_kind;

typedef struct glim_activation {
    glim_context *ctx;
    const glim_model *m; /* as given */
    glim_model *part;    /* what is run, or NULL: all of it */
    glim_activation_kind kind;
    char site[96];         /* "" of outputs */
    int layer;             /* of the site; -1 outside the blocks */
    size_t cols;           /* of a row of the site */
    size_t offset, width;  /* what of it counts: all, or a head's */
    const size_t *indices; /* neurons, within that; borrowed */
    size_t n;              /* units */
    float *direction;      /* (width) of length 1 */
    char label[64];        /* what a direction or an output is called */
    int32_t output;        /* its column in the logits that are run */
    bool whole_text;       /* there is one value of an input, not one of each row */
    bool likely;           /* the logits of all rows are there as well, of the whole model */
    glim_session *s;
    /* a run */
    glim_hook hook;
    size_t kept_rows;
    const size_t *row_at; /* [sequences + 1] */
    float *out;
    float *vectors;        /* (rows, width) of a head, for its gradient */
    const double *weights; /* (rows) on the way back */
    size_t unit;
    bool seen;
} glim_activation;

/* Positions: what the cache holds (0: none). With `likely` the whole model is run, so that it
   can be asked how likely a text is. Errors: EUSAGE, EFORMAT (the direction), those of a pass:
   one token is run to learn how wide the site is. */
glim_status glim__activation_open(glim_activation *a, const glim_model *m,
                                  const glim_maximize_options *o, size_t positions, bool likely,
                                  glim_error *err);
void glim__activation_close(glim_activation *a);
/* "blocks.5.mlp.hook_post[123]" */
void glim__activation_name(const glim_activation *a, size_t unit, char *out, size_t n);
/* The model that is run. */
static inline const glim_model *glim__activation_model(const glim_activation *a) {
    return a->part ? a->part : a->m;
}

/* Values of a batch, out: (rows, n) of all sequences in their order, or of whole texts
   (sequences, n). Of the sequences ids, count, prefix, types and embeddings are read; of an
   encoder-decoder they are what is read. `append`: one sequence, into the cache. */
glim_status glim__activation_run(glim_activation *a, const glim_sequence *x, size_t n, bool append,
                                 float *out, glim_error *err);
/* The same of one whole sequence, for a walk back. */
glim_status glim__activation_run_kept(glim_activation *a, const glim_sequence *q, float *out,
                                      glim_error *err);
/* After it: d (count, C) of sum_r weights[r] value[r][unit] (whole texts: weights[0]), and of
   `n` seeds besides. Errors: EUSAGE (a site without gradient). */
glim_status glim__activation_gradient(glim_activation *a, size_t unit, const double *weights,
                                      const glim_seed *seeds, size_t n, float *d, glim_error *err);
/* The hook that reads rows, and with `keep` weighs them on the way back. */
glim_hook glim__activation_hook(const glim_activation *a, bool keep);
/* How many of n sequences make the next batch; at least one. */
size_t glim__activation_take(const glim_activation *a, const glim_sequence *x, size_t n);
/* Bytes at least of a pass over `rows` rows in one text. */
uint64_t glim__activation_plan(const glim_activation *a, size_t rows, size_t sequences,
                               size_t longest, bool keep);

/* A text's value of its rows' (rows, n), by "max", "last" or "mean" over the rows that are
   free; *at: the row that counts most. NaN when none is. */
typedef enum glim_text_pool { GLIM_TEXT_MAX, GLIM_TEXT_LAST, GLIM_TEXT_MEAN } glim_text_pool;
glim_status glim__text_pool_find(glim_text_pool *out, const char *name, glim_error *err);
double glim__text_value(const float *values, size_t stride, const uint8_t *is_free, size_t rows,
                        glim_text_pool pool, size_t *at);
/* d(value)/d(rows) (rows). */
void glim__text_slope(const float *values, size_t stride, const uint8_t *is_free, size_t rows,
                      glim_text_pool pool, double *out);

/* A class by its name or number. Errors: EUSAGE, with those that there are. */
glim_status glim__class_find(const glim_model *m, const char *name, int32_t *id, glim_error *err);

/* A vector of a safetensors file, "FILE" or "FILE:TENSOR", row `layer` of more than one, made
   of length 1. *out (width), from the context. Errors: EUSAGE, EFORMAT. */
glim_status glim__direction_read(float **out, glim_context *ctx, const char *spec, int layer,
                                 size_t width, glim_error *err);

#endif
