/* SPDX-License-Identifier: Apache-2.0 */
/* lm-labels.h: labels as the target of a language model, shared by its files. */
#ifndef GLIM_PREDICT_LM_LABELS_H
#define GLIM_PREDICT_LM_LABELS_H

#include "model/model.h"
#include "predict/labels.h"
#include "predict/lm.h"

typedef struct glim_label {
    int32_t *ids;
    size_t count;
    double share; /* of each token in the score: 1, or 1 / count */
    double prob;  /* on the input */
    bool used;    /* the target depends on it */
    bool branch;  /* ids[0 .. count-1) are run */
    size_t owned; /* rows from here on are read in this branch, those before in others */
} glim_label;

struct glim_lm_labels {
    glim_labels names;
    glim_label *at;
    double *score, *slope; /* [count]; d(target)/d(score) */
    glim_label_score *shown;
    size_t longest; /* rows of a branch at most */
    size_t whole;   /* positions of the cache that hold the input as it is */
    bool mean;
};

/* Tokens that both begin with, at most `most`. */
size_t glim__label_common(const glim_label *a, const glim_label *b, size_t most);
/* True when the label has a token that is read behind row `i` of branch b; b NULL: at
   the end of the prompt. */
bool glim__label_passes(const glim_label *k, const glim_label *b, size_t i);
/* Adds the log-probabilities of the tokens behind a place to the scores. */
void glim__label_read(const glim_lm *lm, const glim_label *b, size_t i, const float *logits);
void glim__label_clear(glim_lm_labels *l);
/* The target from the scores of the used labels, and its slopes. */
double glim__label_target(const glim_lm *lm);
/* Rows of all branches, and their number. */
size_t glim__label_branch_rows(const glim_lm_labels *l, size_t *branches);
/* d(target)/d(logits) at the end of the prompt when no label has a branch: dense (V). */
void glim__label_seed(const glim_lm *lm, const float *logits, float *dense);
/* Runs the input into the cache and scores the labels behind it. */
glim_status glim__label_first(glim_lm *lm, glim_error *err);

#endif
