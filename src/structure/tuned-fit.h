/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tuned-fit.h: what the steps of fitting a tuned lens share: the text's pieces go through the
 * model once (tuned-fit.c), each layer is a regression (tuned-regress.c), and how much of it is
 * used is asked of the divergence (tuned-share.c).
 */
#ifndef GLIM_STRUCTURE_TUNED_FIT_H
#define GLIM_STRUCTURE_TUNED_FIT_H

#include "influence/covariance.h"
#include "structure/tuned-lens.h"
#include "structure/unembed.h"

/* Tokens of a batch; tokens that are held out, every other one for each of two questions; rows
   that are unembedded at once. */
enum { GLIM_TUNED_ROWS = 512, GLIM_TUNED_HELD = 128, GLIM_TUNED_CHUNK = 32 };

typedef struct glim_tuned_work {
    glim_tuned_lens *t;
    const glim_model *m;
    glim_context *ctx;
    glim_error *err;
    int32_t *ids; /* the text, without what the tokenizer puts around it */
    size_t n, length, piece;
    size_t pieces, stride; /* that are read: every `stride`-th */
    int32_t start;         /* before every piece, or -1 */
    glim_session *session;
    float *stream; /* (L + 1, ROWS, C) of the batch at hand */
    size_t rows;
    size_t first, past; /* layers of this round */
    glim_covariance *sums;
    float *joint; /* (2 C + 1): h, 1, what is added up to the last layer */
    /* tokens held out: every `every`-th piece has some */
    float *held; /* (L + 1, HELD, C) */
    size_t n_held, every, n_fitted;
    double *work; /* of each worker: the matrix and right sides */
    size_t room;
    /* the divergence */
    glim_unembed end;
    float *last;     /* (HELD, V) probabilities of the last layer */
    double *entropy; /* [HELD] of those */
    float *in;       /* (2, CHUNK, C) */
} glim_tuned_work;

/* Doubles of `work` that a worker needs. */
size_t glim__tuned_regress_room(size_t C);
/* A and b of layer `first + i` from its sums; an item of glim__parallel. Sums that have no
   answer leave them 0. */
void glim__tuned_regress(void *data, size_t i, int worker);

/* What the last layer says at the tokens held out. */
glim_status glim__tuned_read_last(glim_tuned_work *f);
/* How much of a layer's translation is used, and what it does at other tokens. */
glim_status glim__tuned_choose_share(glim_tuned_work *f, size_t layer);

#endif
