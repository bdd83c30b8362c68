/* SPDX-License-Identifier: Apache-2.0 */
/*
 * patching.h: runs of a model with some of its inner values put in from elsewhere. A base run
 * is kept: what enters every block, and keys and values of its tokens. A patch at block l and
 * position t then computes block l and those above, and the rows from t on: what stands
 * before is the base's own. Many patches of a block run as one batch. None of it shows in a
 * bit: a patch has the number of a whole pass with a hook that writes.
 */
#ifndef GLIM_STRUCTURE_PATCHING_H
#define GLIM_STRUCTURE_PATCHING_H

#include "predict/lm.h"
#include "structure/kept-work.h"

typedef enum glim_patch_kind {
    GLIM_PATCH_RESID_PRE,
    GLIM_PATCH_RESID_MID,
    GLIM_PATCH_ATTN_OUT,
    GLIM_PATCH_MLP_OUT,
    GLIM_PATCH_Z, /* from here on by heads */
    GLIM_PATCH_Q,
    GLIM_PATCH_K,
    GLIM_PATCH_V,
    GLIM_PATCH_KINDS
} glim_patch_kind;

enum { GLIM_EVERY = SIZE_MAX };

typedef struct glim_patch_item {
    glim_patch_kind kind;
    bool encoder;       /* of an encoder-decoder: the half that reads */
    size_t first, past; /* blocks */
    size_t position;    /* GLIM_EVERY = all */
    size_t head;        /* GLIM_EVERY = all; of keys and values a group of heads */
} glim_patch_item;

/* Values of one kind of site on one half, (layers, T, width), with the position of the donor
   that each position of the base gets; -1 = none. */
typedef struct glim_patch_store {
    float *values;
    size_t layers, T, width, heads;
    size_t filled; /* layers */
} glim_patch_store;

typedef struct glim_patching {
    glim_context *ctx;
    glim_lm *base;
    const glim_model *m;
    const float *embeddings; /* (T, C) in the place of the base's tokens, or NULL */
    size_t T;                /* positions of the stack that the target is read from */
    size_t L, C;
    glim_session *session; /* its cache holds the base where it is a decoder's */
    float *stream;         /* (L, T, C): what enters the blocks */
    /* What is put in: [encoder][kind]; values NULL = not there. */
    glim_patch_store donor[2][GLIM_PATCH_KINDS];
    const int64_t *map[2]; /* [T of that half] or NULL: each its own */
    double value;          /* of the base */
    glim_kept_work *kept;  /* where values are found and put, or NULL */
    /* of the batch at hand */
    const glim_patch_item *items;
    size_t *rows_first; /* [n] position of the first row */
} glim_patching;

/* The site's name, without what stands before "blocks."; and a kind by its name in --site ("z" is
   heads), or GLIM_PATCH_KINDS. */
const char *glim__patch_site(glim_patch_kind kind);
const char *glim__patch_name(glim_patch_kind kind);
glim_patch_kind glim__patch_kind_find(const char *name, size_t n);

/* A base run of the predictor's input; `embeddings` as above, borrowed. The predictor must be a
   model's with rows of tokens or classes. Errors: EUSAGE, ENOMEM, EBUDGET, those of a pass. */
glim_status glim__patching_init(glim_patching *w, glim_predictor *p, const float *embeddings,
                                glim_error *err);
void glim__patching_release(glim_patching *w);
/* Room for donor values of a kind; zeros. */
glim_status glim__patching_room(glim_patching *w, glim_patch_kind kind, bool encoder, size_t T,
                                glim_error *err);
/* Fills every kind that has room with what another input has there. */
glim_status glim__patching_donate(glim_patching *w, glim_predictor *p, glim_error *err);
/* Values will be found and put in a store, if it has one: under a key of the base and of all that
   is put in, so that nothing else need be told. Call it when donors are there, and again when
   they are others; `kept` is borrowed. */
void glim__patching_keep(glim_patching *w, glim_kept_work *kept);
/* out[i] = the target with item i put in. Items are run in batches in their order of blocks.
   On ECANCELLED what was not reached is NaN. */
glim_status glim__patching_run(glim_patching *w, const glim_patch_item *items, size_t n,
                               double *out, glim_error *err);
/* The target of logits that a pass has left: the sum over the predictor's rows. */
double glim__patching_target(const glim_patching *w, const glim_session *s, size_t sequence);
/* Bytes of all this for n kinds, at least. */
uint64_t glim__patching_plan(const glim_lm *lm, size_t kinds);

#endif
