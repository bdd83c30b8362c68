/* SPDX-License-Identifier: Apache-2.0 */
/* methods.h: what methods share: sums over units, and checks. */
#ifndef GLIM_EXPLAIN_METHODS_H
#define GLIM_EXPLAIN_METHODS_H

#include "predict/predictor.h"

extern const glim_method glim_method_gradient, glim_method_input_x_gradient,
    glim_method_integrated_gradients, glim_method_smoothgrad, glim_method_occlusion,
    glim_method_shapley, glim_method_kernel_shap, glim_method_lime, glim_method_attention,
    glim_method_attention_rollout, glim_method_attention_gradient, glim_method_attention_norm,
    glim_method_weighted_sum, glim_method_value_zeroing, glim_method_attention_flow,
    glim_method_lrp, glim_method_guided_backprop, glim_method_expected_gradients,
    glim_method_reagent, glim_method_owen, glim_method_grad_cam;

/* Per-token numbers (T) of row r to unit scores: sums. Units that the row cannot
   see become NaN; fixed units keep their sum in *fixed (may be NULL). */
void glim__units_sum(const glim_predictor *p, size_t row, const double *tokens, double *scores,
                     double *fixed);
/* Sum of the sizes of fixed units: of their sums, or of the roots of them when tokens are
   squares. Methods add it up over rows in doc->fixed_size. */
void glim__fixed_add(const glim_predictor *p, const double *tokens, bool squares,
                     glim_document *doc);
/* Behind a run: scores of words, sentences and turns (fold.c). Errors: ENOMEM, EBUDGET. */
glim_status glim__fold_levels(glim_document *doc, glim_error *err);
/* The rule of a method's levels; NULL = none. */
const char *glim__fold_name(glim_fold fold, bool is_signed);
/* What fixed tokens took, as the check "template_share"; or that they are never absent. */
void glim__tell_fixed(glim_document *doc, const glim_method *m);
/* Sum over all tokens that units and fixed units hold. */
double glim__tokens_total(const glim_predictor *p, const double *tokens);

/* Room for scores (and errors) filled with NaN. Errors: ENOMEM, EBUDGET. */
glim_status glim__scores_new(const glim_predictor *p, glim_document *doc, bool error,
                             glim_error *err);
/* Compares slopes along one random direction, by differences and by gradient
   (T, C) of row 0, and adds the check "gradient_check" (relative difference). */
glim_status glim__gradient_check(glim_predictor *p, const float *x, const float *gradient,
                                 uint64_t seed, glim_document *doc, glim_error *err);
/* x (T, C) of the input, from the context's memory; free with glim__free. */
glim_status glim__embedded(glim_predictor *p, float **out, size_t copies, glim_error *err);
/* One walk back of all target rows by a rule set, and the plan of `gradients` of them. */
glim_status glim__ruled_gradient(glim_predictor *p, const glim_rules *rules, const float *x,
                                 double *values, glim_gradient_sink *sink, void *data,
                                 glim_error *err);
void glim__ruled_plan(const glim_predictor *p, const glim_rules *rules, size_t gradients,
                      glim_plan *out);

/* Backgrounds j of a text, token by token: rows[pick[j, t], t] of (kinds, T, C). */
typedef struct glim_backgrounds {
    const float *rows;
    const uint8_t *pick; /* (n, T) */
    size_t n;
} glim_backgrounds;
/* A point: background `from` plus alpha times the way to the input. */
typedef struct glim_draw {
    double alpha;
    size_t from;
} glim_draw;
/* Sums over draws of unit scores and of their squares (n_rows, units), of whole maps
   (n_rows), and the mean target on the backgrounds (n_rows). */
typedef struct glim_expectation {
    double *sum, *squares, *total, *base;
} glim_expectation;
/* Adds n draws (expected-gradients.c). */
glim_status glim__expected_gradients(glim_predictor *p, const glim_backgrounds *b,
                                     const glim_draw *draws, size_t n, glim_expectation *out,
                                     glim_error *err);

/* Gauss-Legendre nodes and weights on [0, 1]. */
void glim__gauss_legendre(int n, double *nodes, double *weights);

#endif
