/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe-rows.h: what probes tell apart (rows with a class or a number), how, and what was
 * found at a site. A row is a text or a word; where its vector comes from is not known here,
 * so that tests can make one up.
 */
#ifndef GLIM_STRUCTURE_PROBE_ROWS_H
#define GLIM_STRUCTURE_PROBE_ROWS_H

#include "predict/fit.h"

#include <glim/probe.h>

enum { GLIM_PROBE_CLASSES = 1000 }; /* no more */

typedef struct glim_probe_target {
    size_t n;
    const int32_t *labels; /* (n), or values */
    const char *const *classes;
    size_t n_classes;
    const double *values;  /* (n) */
    const uint32_t *group; /* (n) rows of a group are never parted: a sentence, a document */
    size_t n_groups;
    const uint32_t *type; /* (n) of words: their spelling; NULL: rows are texts */
    size_t n_types;
} glim_probe_target;

/* Options without zeros that mean a default (glim__probe_how). */
typedef struct glim_probe_how {
    glim_probe_kind kind;
    double strength; /* of L2; of a hidden layer its weight decay; < 0: chosen */
    size_t folds, repeats, inner, permutations, hidden, max_iterations;
    bool controls, codelength;
    uint64_t seed;
} glim_probe_how;

/* What the rows of a group add up to, as means over repeats. */
typedef struct glim_probe_sums {
    double n;
    double wrong; /* rows, or squared errors; of the probe */
    double y, yy; /* numbers: their sum, and that of their squares */
    double control_wrong, control_y, control_yy;
} glim_probe_sums;

typedef struct glim_probe_score {
    double value, low, high; /* accuracy or R2, with a 95 % interval */
} glim_probe_score;

/* What was found at a site; NaN: not asked for. */
typedef struct glim_probe_layer {
    bool done;
    glim_probe_score task, control, selectivity;
    double f1;                /* mean over classes */
    double loss;              /* nats a row; of numbers the root of the mean squared error */
    double p;                 /* of a permutation test, or NaN */
    double bits, compression; /* of an online code; and how many times shorter than a flat one */
    double strength;          /* geometric mean of those that were chosen; or weight decay */
    double *confusion;        /* (K, K) mean counts, true by said; or NULL; owned */
    float *wrong;             /* (n_groups) for comparing sites; owned */
} glim_probe_layer;

/* ---- probe-split.c ---- */

/* fold[i] of rows[i], 0 .. folds-1: groups whole, each class in the shares of the whole as far
   as groups allow. A draw depends on seed and stream alone. */
glim_status glim__probe_split(glim_context *ctx, const glim_probe_target *t, const uint32_t *rows,
                              size_t n, size_t folds, uint64_t seed, uint64_t stream, int32_t *fold,
                              glim_error *err);
/* How many different groups there are among the rows; SIZE_MAX when memory is refused. */
size_t glim__probe_groups(glim_context *ctx, const glim_probe_target *t, const uint32_t *rows,
                          size_t n);

/* ---- probe-learn.c: one probe ---- */

typedef struct glim_probe_learner {
    glim_context *ctx;
    const glim_probe_how *how;
    glim_probe_target target; /* its labels may be others than the true ones: controls */
    const float *x;           /* (n, width) */
    size_t width;
    const glim_fit_basis *basis; /* of x, or NULL */
} glim_probe_learner;

/* Classes of the outputs, or 1. */
static inline size_t glim__probe_outputs(const glim_probe_target *t) {
    return t->values ? 1 : t->n_classes;
}

/* The strength with the least loss by inner cross-validation over the rows, or the given one. */
glim_status glim__probe_choose(const glim_probe_learner *l, const uint32_t *rows, size_t n,
                               uint64_t stream, double *strength, glim_error *err);
/* Fits on rows and says out (m, outputs) of `test`: log-probabilities of the classes, or
   numbers. */
glim_status glim__probe_fit(const glim_probe_learner *l, const uint32_t *rows, size_t n,
                            double strength, uint64_t stream, const uint32_t *test, size_t m,
                            double *out, glim_error *err);
/* Weights (O, width) and bias (O) of x as it is given, fitted on all rows; O is 1 for numbers
   and for two classes (the log odds of the second), else the number of classes. */
glim_status glim__probe_direction(const glim_probe_learner *l, double strength, float *weights,
                                  float *bias, glim_error *err);
static inline size_t glim__probe_directions(const glim_probe_target *t) {
    return t->values || t->n_classes == 2 ? 1 : t->n_classes;
}

/* ---- probe-basis.c: coordinates for all fits of a site ---- */

/* Eigenvectors of the correlations of some of the rows; left zeroed where fits are cheap
   without. */
glim_status glim__probe_basis(const glim_probe_learner *l, glim_fit_basis *out, glim_error *err);
void glim__probe_basis_release(glim_fit_basis *b, glim_context *ctx); /* zeroed is fine */
uint64_t glim__probe_basis_plan(const glim_probe_target *t, size_t width);
/* Whether n rows of that width gain by it. */
static inline bool glim__probe_basis_pays(size_t n, size_t width) {
    return width <= 2048 && width >= 64 && n >= 2 * width;
}

/* ---- probe-mlp.c: the same with a hidden layer ---- */

glim_status glim__probe_mlp(const glim_probe_learner *l, const uint32_t *rows, size_t n,
                            double decay, uint64_t stream, const uint32_t *test, size_t m,
                            double *out, glim_error *err);

/* ---- probe-decay.c ---- */

/* The weight decay with the least loss of folds, whose number each of n rows has. */
glim_status glim__probe_choose_decay(const glim_probe_learner *l, const uint32_t *rows, size_t n,
                                     const int32_t *fold, size_t folds, uint64_t stream,
                                     double *decay, glim_error *err);
/* The sum of losses of what is said of rows: -log p, or squared errors. */
double glim__probe_losses(const glim_probe_target *t, const uint32_t *rows, size_t n,
                          const double *said);

/* ---- probe-codelength.c ---- */

/* Bits of the labels by an online code; and by one that knows nothing. */
glim_status glim__probe_codelength(const glim_probe_learner *l, double *bits, glim_error *err);
double glim__probe_flat_bits(const glim_probe_target *t);

/* ---- probe-control.c ---- */

/* Labels (or values) that mean nothing: each word's spelling has one, drawn from those of the
   rows; of texts (or whole groups of the same label) they are dealt out anew. */
glim_status glim__probe_control(glim_context *ctx, const glim_probe_target *t, uint64_t seed,
                                uint64_t stream, int32_t *labels, double *values, glim_error *err);

/* ---- probe-bootstrap.c ---- */

enum { GLIM_PROBE_DRAWS = 1000 };

/* Accuracy or R2 of sums. */
double glim__probe_value(const glim_probe_sums *s, bool numbers, bool control);
/* Intervals of task, control and selectivity by drawing groups again; `control` says whether
   there is one. */
glim_status glim__probe_intervals(glim_context *ctx, const glim_probe_sums *groups, size_t n,
                                  bool numbers, bool control, uint64_t seed, glim_probe_layer *out,
                                  glim_error *err);
/* same[i]: whether what is wrong at layer i is not more, by a paired bootstrap, than at the
   best one, whose index is told (SIZE_MAX: no layer is done). */
glim_status glim__probe_best(glim_context *ctx, const glim_probe_layer *layers, size_t n,
                             size_t groups, uint64_t seed, uint8_t *same, size_t *best,
                             glim_error *err);

/* ---- probe-layer.c: all that is asked of a site ---- */

/* The folds of all repeats, drawn once for all sites. */
typedef struct glim_probe_folds {
    int32_t *fold; /* (repeats, n) */
} glim_probe_folds;

glim_status glim__probe_folds_make(glim_probe_folds *f, glim_context *ctx,
                                   const glim_probe_target *t, const glim_probe_how *how,
                                   glim_error *err);
void glim__probe_folds_release(glim_probe_folds *f, glim_context *ctx);
/* Bytes that glim__probe_layer takes at most, beside x. */
uint64_t glim__probe_layer_plan(const glim_probe_target *t, const glim_probe_how *how,
                                size_t width);
/* Progress counts that many. */
uint64_t glim__probe_layer_fits(const glim_probe_target *t, const glim_probe_how *how, bool bare);
/* Fits, controls, code. `bare`: the score alone. */
glim_status glim__probe_layer(const glim_probe_learner *l, const glim_probe_folds *folds, bool bare,
                              glim_probe_layer *out, glim_error *err);
void glim__probe_layer_release(glim_probe_layer *layer, glim_context *ctx);

#endif
