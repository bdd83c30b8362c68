/* SPDX-License-Identifier: Apache-2.0 */
/* session.h: what forward, backward and generation share. */
#ifndef GLIM_MODEL_SESSION_H
#define GLIM_MODEL_SESSION_H

#include "model/model.h"

struct glim_session {
    const glim_model *m;
    glim_context *ctx;
    glim_workspace space;
    int keep_layers; /* as asked: -1 = as many as fit */
    glim_rope ropes[GLIM_MAX_ROPES];
    bool far; /* ropes[0] is the model's rope_long */
    /* cache: keys and values (L, positions, G*D) */
    size_t positions, length;
    float *cache_k, *cache_v;
    /* the last forward */
    glim_rows rows, head_rows;
    int32_t *position, *head_position;
    glim_rows_part *parts, *head_parts;
    int64_t *wanted_row; /* (R) row of the last block's output of each wanted logit row */
    bool picked;         /* the last block computes the wanted rows only */
    size_t *wanted_at;   /* (sequences + 1) first wanted row of each sequence */
    const glim_hook *hooks;
    size_t n_hooks;
    const glim_rules *rules; /* of the walk back */
    float **x;               /* (L + 1) inputs of the blocks; all of them with keep */
    glim_tape *tapes;        /* (L) */
    glim_node *out;          /* (L) last node of each block's tape */
    glim_tape head, front;   /* front: the norm behind the embeddings */
    float *raw;              /* what it norms, (T, C); kept for its backward */
    glim_node front_out;
    glim_rows pool_rows; /* a row for each sequence */
    glim_node head_normed, head_logits;
    float *wanted_x;                      /* (R, C) */
    bool kept;                            /* backward is possible */
    int first_kept;                       /* blocks from here on keep their values */
    uint64_t forward_rows, backward_rows; /* times layers */
    uint64_t reserve;                     /* what others still need of the budget */
    /* Encoder-decoders (session-source.c): what reads, and how the batch sees it. */
    glim_session *encoder;
    size_t n_sources; /* texts that its memory holds */
    glim_rows source_rows;
    glim_rows_part *source_parts;
    float *across;     /* (L, 2, source rows, G*D) keys and values of the memory, or NULL */
    bool across_known; /* they are filled in */
    bool backward;     /* the memory will have a gradient: they are made anew */
    float *d_memory;   /* (source rows, C) during a walk back */
};

/* Gives back all values of the last forward. */
void glim__session_clear(glim_session *s);
/* Builds and runs block i on s->x[i]. */
glim_status glim__session_block(glim_session *s, int i, bool keep, bool decode, bool replay,
                                glim_node *k, glim_node *v, glim_error *err);
/* Fills s->x[0]; walks the norm behind the embeddings back (session-embed.c). */
glim_status glim__session_embed(glim_session *s, const glim_batch *b, glim_error *err);
glim_status glim__session_embed_back(glim_session *s, float **d, float **other, glim_error *err);
/* What forward and backward do for the encoder's half; nothing without one. */
glim_status glim__source_new(glim_session *s, glim_error *err);
void glim__source_free(glim_session *s);
glim_status glim__source_read(glim_session *s, const glim_batch *b, glim_error *err);
void glim__source_lend(const glim_session *s, glim_tape *t, int i);
glim_status glim__source_keep(glim_session *s, glim_error *err);
void glim__source_store(glim_session *s, int i);
glim_status glim__source_back(glim_session *s, const float *d, float *d_embed, glim_error *err);
/* Bytes that the decoder's half of a batch needs at least (plan.c). */
uint64_t glim__session_least(const glim_session *s, const glim_batch *b);
/* Row of the head's output for a wanted row. */
size_t glim__session_output(const glim_session *s, size_t sequence, size_t wanted);
/* Lets go of the pages of weights after a block of a large batch. */
void glim__session_forget(const glim_session *s);
/* Blocks whose values fit beside the rest. */
int glim__session_fits(glim_session *s, size_t wanted);

#endif
