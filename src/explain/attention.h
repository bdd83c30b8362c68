/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attention.h: attention patterns as methods and commands read them.
 *
 * A pattern is (T, S) of one head of one layer: row = the token that looks, column = the
 * token looked at. There are up to three kinds: of the tokens among themselves (of an
 * encoder-decoder: of the written ones), across to the text that is read, and inside the
 * encoder that reads it. They are streamed: one head at a time lives, never a layer.
 *
 *   glim__patterns_each      every head, in the order of the model
 *   glim__patterns_gradient  the same on the way back, with the target's gradient
 *   glim__attended_down      each layer's heads made one, from the top layer down
 */
#ifndef GLIM_EXPLAIN_ATTENTION_H
#define GLIM_EXPLAIN_ATTENTION_H

#include "explain/methods.h"

typedef enum glim_pattern_kind {
    GLIM_PATTERN_ENCODER, /* the reading half of an encoder-decoder, (S, S) */
    GLIM_PATTERN_SELF,
    GLIM_PATTERN_CROSS,
    GLIM_PATTERN_KINDS
} glim_pattern_kind;

/* layers = 0: the model has none of the kind. causal: T == S, row t sees t + 1 columns. */
typedef struct glim_pattern_shape {
    int layers, heads;
    size_t T, S;
    bool causal;
} glim_pattern_shape;

/* weights and gradient (T, S) are valid during the visit. */
typedef struct glim_pattern {
    glim_pattern_kind kind;
    int layer, head;
    glim_pattern_shape shape;
    const float *weights;
    const float *gradient; /* of the target row's value; NULL on the way forward */
} glim_pattern;

typedef glim_status glim_pattern_visit(void *data, const glim_pattern *one, glim_error *err);

glim_pattern_shape glim__pattern_shape(const glim_predictor *p, glim_pattern_kind kind);
/* The kind whose columns are the tokens of the units: across where there is one. */
glim_pattern_kind glim__pattern_source(const glim_predictor *p);
/* Visits every head of the kinds (bits 1 << kind) once: encoder first, then layer by layer
   upwards, itself before across, heads ascending. Errors: the visitor's, and those of a
   forward pass. */
glim_status glim__patterns_each(glim_predictor *p, unsigned kinds, glim_pattern_visit *visit,
                                void *data, glim_error *err);
/* For each target row in turn: layers from the top down (across before itself), then the
   encoder's; heads ascending. Errors besides: no gradient of labels of several tokens. */
glim_status glim__patterns_gradient(glim_predictor *p, unsigned kinds, glim_pattern_visit *visit,
                                    void *data, glim_error *err);
void glim__patterns_plan(const glim_predictor *p, unsigned kinds, bool gradient, glim_plan *out);

/* out (S) = the row of (T, S) that tells target row `row`: one of them, or the mean of all. */
void glim__pattern_row(const glim_predictor *p, size_t row, const float *weights,
                       const glim_pattern_shape *shape, double *out);

/* ---- heads ---- */

typedef enum glim_heads {
    GLIM_HEADS_MEAN,
    GLIM_HEADS_MAX,
    GLIM_HEADS_MIN,
    GLIM_HEADS_ONE
} glim_heads;

typedef struct glim_head_choice {
    glim_heads how;
    int one;
} glim_head_choice;

/* "mean", "max", "min" or a number. Errors: EUSAGE (there is no such head). */
glim_status glim__heads_choose(glim_head_choice *out, const char *text,
                               const glim_pattern_shape *shape, glim_error *err);

/* ---- sinks ---- */

/* Positions that draw attention whatever they say (Xiao et al. 2023). In a layer a position
   is one when it gets more than 0.3 of the attention, the mean over heads and over the
   rows well behind it (in a causal pattern), or when it is the first of a causal pattern. */
typedef enum glim_sink_way { GLIM_SINK_SHOW, GLIM_SINK_HIDE, GLIM_SINK_RENORMALISE } glim_sink_way;

/* Parameters that several methods have, whose fields of the options have their names. */
#define GLIM_LAYER_PARAM(opts_type)                                                                \
    {                                                                                              \
        .name = "layer", .type = GLIM_INT, .offset = offsetof(opts_type, layer), .def.i = -1,      \
        .min = -1, .max = 4095, .help = "the layer; -1 = the mean of all"                          \
    }
#define GLIM_HEAD_PARAM(opts_type, says)                                                           \
    {                                                                                              \
        .name = "head", .type = GLIM_STRING, .offset = offsetof(opts_type, head), .def.s = "mean", \
        .value_name = "mean|max|min|N", .help = (says)                                             \
    }
#define GLIM_RESIDUAL_PARAM(opts_type)                                                             \
    {                                                                                              \
        .name = "residual", .type = GLIM_REAL, .offset = offsetof(opts_type, residual),            \
        .def.r = 0.5, .min = 0, .max = 1, .help = "share of a layer's input in its output"         \
    }
#define GLIM_SINK_PARAM(opts_type, standard)                                                       \
    {                                                                                              \
        .name = "sink", .type = GLIM_CHOICE, .offset = offsetof(opts_type, sink),                  \
        .def.s = (standard), .choices = "show|hide|renormalise",                                   \
        .help = "positions that draw attention whatever they say (the first, others above 0.3 "    \
                "on average): as they are, as 0, or as 0 with the rest scaled up"                  \
    }

typedef struct glim_sinks {
    glim_context *ctx;
    glim_sink_way way;
    size_t S;
    bool causal;
    uint8_t *here;         /* [S] of the layer that was found last */
    uint32_t *layers;      /* [S] in how many layers it is one */
    uint32_t seen;         /* layers so far */
    double *received;      /* [S] attention so far, of the layer at hand */
    double share, counted; /* attention of target rows on sinks, before anything is done */
} glim_sinks;

glim_status glim__sinks_init(glim_sinks *s, const glim_predictor *p, glim_pattern_kind kind,
                             const char *way, glim_error *err);
void glim__sinks_release(glim_sinks *s);
/* Adds columns from .. to of a head's pattern to what was received; and after the last head
   of a layer finds its sinks. */
void glim__sinks_add(glim_sinks *s, const glim_pattern *one, size_t from, size_t to);
void glim__sinks_find(glim_sinks *s, const glim_pattern_shape *shape);
/* Does to a row of n columns what `way` says. A row with nothing left looks at `self`
   (SIZE_MAX: at nothing). Float for layers, double for the rows of targets. */
void glim__sinks_apply(const glim_sinks *s, float *row, size_t n, size_t self);
void glim__sinks_apply_row(glim_sinks *s, double *row, size_t self);
/* Notes which positions they are, and judges when little is left. */
void glim__sinks_tell(const glim_sinks *s, const glim_predictor *p, glim_document *doc);
uint64_t glim__sinks_bytes(size_t S);

/* ---- layers, heads made one, from the top down ---- */

/* weights: rows one behind the other; of a causal kind row t has t + 1 columns. */
typedef struct glim_attended {
    glim_pattern_kind kind;
    int layer;
    glim_pattern_shape shape;
    float *weights;
} glim_attended;

static inline float *glim__attended_row(const glim_attended *a, size_t t, size_t *n) {
    *n = a->shape.causal ? t + 1 : a->shape.S;
    return a->weights + (a->shape.causal ? t * (t + 1) / 2 : t * a->shape.S);
}

typedef glim_status glim_attended_visit(void *data, const glim_attended *layer, glim_error *err);

typedef struct glim_attended_how {
    glim_head_choice heads;
    glim_sinks *sinks[GLIM_PATTERN_KINDS]; /* applied to every row; NULL = as they are */
} glim_attended_how;

/* Visits the layers of the kinds from the top down: as many as memory allows are kept in
   one pass, the others cost a pass more. Errors as glim__patterns_each, and memory. */
glim_status glim__attended_down(glim_predictor *p, unsigned kinds, const glim_attended_how *how,
                                glim_attended_visit *visit, void *data, glim_error *err);
void glim__attended_plan(const glim_predictor *p, unsigned kinds, glim_plan *out);

/* ---- what the methods of attention share ---- */

/* Numbers (S) of tokens, which are shares of one, as row `row` of the document; remembers
   the share of fixed tokens. */
typedef struct glim_shares {
    double fixed, worst; /* largest share of fixed tokens; largest distance of a sum from one */
} glim_shares;
void glim__shares_put(glim_shares *s, const glim_predictor *p, glim_document *doc, size_t row,
                      const double *tokens, double expected);
void glim__shares_tell(const glim_shares *s, glim_document *doc, const char *meaning);
/* Errors: EUSAGE (there is no such layer). */
glim_status glim__layer_choose(int64_t layer, const glim_pattern_shape *shape, glim_error *err);

#endif
