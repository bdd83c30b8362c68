/* SPDX-License-Identifier: Apache-2.0 */
/* lm.h: the language model as a predictor, shared by its files. */
#ifndef GLIM_PREDICT_LM_H
#define GLIM_PREDICT_LM_H

#include "predict/predictor.h"

typedef enum glim_output { GLIM_OUTPUT_LOGIT, GLIM_OUTPUT_LOGPROB, GLIM_OUTPUT_PROB } glim_output;

/* One target row: the token `id` (minus `against`) after token `at`. */
typedef struct glim_lm_row {
    size_t at;
    int32_t id, against; /* against -1 = none */
    size_t token;        /* index of the token itself, or SIZE_MAX */
} glim_lm_row;

typedef struct glim_lm_labels glim_lm_labels; /* lm-labels.h */

typedef struct glim_lm {
    glim_predictor base;
    const glim_model *model;
    glim_tokens *tokens;
    glim_units units;
    glim_output output;
    size_t outputs; /* width of a row of logits: vocabulary or classes */
    bool whole;     /* an encoder, or cut off: every row sees the whole input */
    bool pooled;    /* one output a sequence, of all its rows */
    glim_task task;
    uint8_t *types;   /* [T] segments, encoders only */
    int32_t *written; /* [n_rows] encoder-decoders: what the decoder reads; else NULL */
    float *direction; /* (outputs) of a similarity: the other text's embedding */
    uint32_t *every;  /* 0, 1, ...: [T + 1], all rows, which an embedding pools, or [n_rows] */
    const char *kind; /* "next-token", "contrast", "continuation", "generated", "class" */
    glim_lm_row *rows;
    size_t *row_end;
    double *value, *prob;   /* [n_rows] */
    int32_t *ids;           /* [T] */
    int32_t neutral;        /* what a masked token becomes */
    glim_session *cache;    /* holds the input's keys and values once asked for */
    glim_session *work;     /* gradients */
    glim_lm_labels *labels; /* answers that are scored as classes, or NULL */
    uint64_t forward, backward;
} glim_lm;

/* The target of a row from its logits. */
double glim__lm_target(const glim_lm *lm, const glim_lm_row *row, const float *logits,
                       double *prob);
/* d(target)/d(logits) as a seed; dense (V) is filled when the target needs it.
   ids and weights: two each. */
/* The rows of a masked input of n tokens whose outputs are wanted. */
void glim__lm_wanted(const glim_lm *lm, const uint32_t *rows, size_t n_rows, size_t n,
                     glim_sequence *q);
/* Targets of encoders: classes, labels, spans, similarities (lm-encoder.c). */
glim_status glim__lm_encoder_rows(glim_lm *lm, const glim_target_options *o, glim_error *err);
/* Labels as answers (lm-labels.c): the row, its first pass, what a document says. */
glim_status glim__lm_label_rows(glim_lm *lm, const glim_target_options *o, glim_error *err);
glim_status glim__lm_label_pass(glim_lm *lm, glim_error *err);
const char *glim__lm_label_name(const glim_lm *lm, int32_t k);
bool glim__lm_label_notes(const glim_lm *lm, glim_document *doc);
void glim__lm_labels_free(glim_lm *lm);
/* Encoder-decoders (lm-translate.c): rows and units; the text as it is, into `cache`;
   and what the predictor does. */
glim_status glim__lm_translate_rows(glim_lm *lm, const glim_target_options *o, glim_error *err);
glim_status glim__lm_read_text(glim_lm *lm, glim_error *err);
glim_status glim__lm_translate_values(glim_predictor *p, const uint8_t *keep, size_t n,
                                      glim_absent absent, double *out, glim_error *err);
void glim__lm_plan_translate_values(const glim_predictor *p, const uint8_t *keep, size_t n,
                                    glim_absent absent, glim_plan *out);
glim_status glim__lm_translate_gradient(glim_predictor *p, const float *xs, size_t n, long row,
                                        double *values, glim_gradient_sink *sink, void *data,
                                        glim_error *err);
void glim__lm_plan_translate_gradient(const glim_predictor *p, size_t n, glim_plan *out);
/* Words; sentences when there are more words than a person takes in. */
glim_status glim__lm_choose_units(glim_lm *lm, const glim_target_options *o, glim_error *err);
/* Whether a mask over the units takes this token out (lm-values.c). */
bool glim__lm_removed(const glim_lm *lm, const uint8_t *keep, size_t token);
/* The first base.T tokens' ids. */
glim_status glim__lm_take_ids(glim_lm *lm, glim_error *err);
glim_status glim__lm_add_rows(glim_lm *lm, size_t first, size_t n, glim_error *err);
/* The rows of another model's predictor over the same tokens. */
glim_status glim__lm_copy_rows(glim_lm *lm, const glim_predictor *like, glim_error *err);
/* Runs the whole input; every row's logits are wanted, or a masked word's alone. */
glim_status glim__lm_run_whole(glim_lm *lm, glim_error *err);
void glim__lm_seed(const glim_lm *lm, const glim_lm_row *row, const float *logits, float *dense,
                   int32_t *ids, float *weights, glim_seed *seed);
bool glim__lm_dense(const glim_lm *lm);

glim_status glim__lm_values(glim_predictor *p, const uint8_t *keep, size_t n, glim_absent absent,
                            double *out, glim_error *err);
void glim__lm_plan_values(const glim_predictor *p, const uint8_t *keep, size_t n,
                          glim_absent absent, glim_plan *out);
glim_status glim__lm_gradient(glim_predictor *p, const float *xs, size_t n, long row,
                              double *values, glim_gradient_sink *sink, void *data,
                              glim_error *err);
void glim__lm_plan_gradient(const glim_predictor *p, size_t n, glim_plan *out);
glim_status glim__lm_observe(glim_predictor *p, const glim_hook *hooks, size_t n, long row,
                             glim_error *err);
void glim__lm_plan_observe(const glim_predictor *p, const glim_hook *hooks, size_t n, long row,
                           glim_plan *out);
/* Other tokens at the input's places, and the targets with some of them (lm-propose.c). */
glim_status glim__lm_propose(glim_predictor *p, size_t most, int32_t *own, int32_t *ids,
                             float *shares, glim_error *err);
glim_status glim__lm_values_of(glim_predictor *p, const int32_t *ids, size_t n, double *out,
                               glim_error *err);
void glim__lm_plan_propose(const glim_predictor *p, size_t n, size_t inputs, glim_plan *out);
/* log(sum(exp(x))) of n numbers. */
double glim__log_sum_exp(const float *x, size_t n);

/* Values of the rows from logits that are there; the most likely token becomes a target. */
void glim__lm_read_rows(glim_lm *lm, const glim_session *s);
bool glim__lm_describe_target(const glim_lm *lm, glim_document *doc);
/* The predictor's functions when the target is a label. */
glim_status glim__lm_label_values(glim_predictor *p, const uint8_t *keep, size_t n,
                                  glim_absent absent, double *out, glim_error *err);
void glim__lm_label_plan_values(const glim_predictor *p, const uint8_t *keep, size_t n,
                                glim_absent absent, glim_plan *out);
glim_status glim__lm_label_gradient(glim_predictor *p, const float *xs, size_t n, long row,
                                    double *values, glim_gradient_sink *sink, void *data,
                                    glim_error *err);
void glim__lm_label_plan_gradient(const glim_predictor *p, size_t n, glim_plan *out);
glim_status glim__lm_describe(const glim_predictor *p, glim_document *doc, glim_error *err);
/* Its parts: the model, the text with its turns, and a unit of tokens; false when memory is
   refused. */
bool glim__describe_model(const glim_model *m, glim_document *doc);
bool glim__describe_text(const glim_tokens *t, glim_unit_kind kind, bool asks, glim_document *doc);
bool glim__describe_unit(const glim_model *m, const glim_tokens *tokens, const glim_unit *u,
                         glim_document *doc, glim_document_unit *out);
/* Tokens outside of `source`, which must stand in the text once, become words of a prompt:
   they are fixed. Errors: EUSAGE. */
glim_status glim__tokens_restrict(glim_tokens *tokens, const char *source, glim_error *err);
/* Appends a text's tokens behind the input, as GENERATED ones. Errors: EUSAGE (none). */
glim_status glim__append_continuation(const glim_model *m, glim_tokens *tokens, const char *text,
                                      glim_error *err);

#endif
