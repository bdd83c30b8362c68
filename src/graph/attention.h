/* SPDX-License-Identifier: Apache-2.0 */
/* attention.h: what the forward and the backward half of attention share. */
#ifndef GLIM_GRAPH_ATTENTION_H
#define GLIM_GRAPH_ATTENTION_H

#include "graph/ops.h"

enum {
    GLIM_QUERY_BLOCK = 48, /* rows of a block: four tiles */
    GLIM_KEY_CHUNK = 256   /* keys of one product over keys, at absolute multiples */
};

typedef struct glim_attention_run {
    glim_tape *tape;
    glim_tape_node *node;
    const glim_kernels *kernels;
    const glim_rows *queries, *keys; /* the same unless the queries were picked */
    bool backward;
    int D, Dp;           /* head width, and padded to whole vectors */
    int64_t longest, ld; /* source positions at most; row stride of scratch */
    float *packed;
    size_t *part_at;    /* [n_parts] offsets into packed */
    size_t *pattern_at; /* [n_parts] offsets into whole patterns */
    size_t *block_at;   /* [n_parts + 1] query blocks before each part */
    size_t *keys_at;    /* [n_parts + 1] likewise of the own keys */
    size_t pattern_floats;
    float *d_pattern; /* whole, when a hook asks for its gradient */
    /* One head of one sequence while hooks see heads one at a time: its pattern and, on
       the way back, the gradient of it, (count, source) without gaps; else NULL. */
    float *head_value, *head_gradient;
    size_t head_part;
    int head;
    bool frozen;   /* backward: P is constant */
    bool halved;   /* backward: factors of both products get half */
    bool uncapped; /* scores are wanted as they are before the cap */
} glim_attention_run;

/* Keys and values of one sequence and head: k, v (S, Dp), kt, vt (D, Sp). */
typedef struct glim_attention_pack {
    float *k, *kt, *v, *vt;
    int64_t S, Sp;
} glim_attention_pack;

typedef struct glim_attention_block {
    size_t part;
    int head, group;
    int64_t q0;       /* first query row within the sequence */
    int m;            /* rows */
    int64_t row;      /* q0 as a row of the batch */
    int64_t from, to; /* keys that any of its rows may see */
} glim_attention_block;

/* Of one row and head: maximum of the scores, 1 / sum of exponentials, and
   <P, dP>, which the walk back fills in. */
enum { GLIM_ATTENTION_AUX = 3 };
static inline float *glim__attention_aux(const glim_attention_run *run, int head, int64_t row) {
    return run->node->aux + GLIM_ATTENTION_AUX * ((int64_t)head * run->queries->T + row);
}

/* Rounded up to whole vectors of 16 floats. */
static inline int64_t glim__attention_pad(int64_t n) {
    return (n + 15) / 16 * 16;
}

/* Keys of a sequence, cached ones included. */
static inline int64_t glim__attention_source(const glim_attention_run *run, size_t part) {
    return run->keys->parts[part].prefix + run->keys->parts[part].count;
}

/* True when row i of the block sees key j: causal or not, window, hidden keys. A row
   sees itself, hidden or not. */
static inline bool glim__attention_sees(const glim_attention_run *run,
                                        const glim_attention_block *b, int i, int64_t j) {
    const glim_attention *how = &run->node->as.attention;
    const uint8_t *hidden = run->keys->parts[b->part].hidden;
    int64_t pos = run->queries->parts[b->part].prefix + b->q0 + i;
    if (how->across)
        return !hidden || !hidden[j];
    return (j <= pos || how->both_ways) && (!how->window || j > pos - how->window) &&
           (!hidden || !hidden[j] || j == pos);
}

const float *glim__attention_key(const glim_attention_run *run, size_t part, int g, int64_t j,
                                 bool value);
glim_attention_pack glim__attention_pack(const glim_attention_run *run, size_t part, int g);
glim_status glim__attention_begin(glim_attention_run *run, glim_tape *t, glim_tape_node *n,
                                  bool backward, glim_error *err);
void glim__attention_end(glim_attention_run *run);
glim_attention_block glim__attention_block(const glim_attention_run *run, size_t item);
void glim__attention_scores(const glim_attention_run *run, const glim_attention_block *b, float *s,
                            int64_t ld);
float *glim__attention_whole(const glim_attention_run *run, const glim_attention_block *b,
                             float *base, int64_t *ld);
glim_status glim__attention_show(glim_attention_run *run, float *base, glim_site_kind kind,
                                 unsigned actions, glim_error *err);
/* Forward of a block, with s (m, ld) as room for its rows of the pattern, which it leaves
   there. */
void glim__attention_forward_block(const glim_attention_run *run, const glim_attention_block *b,
                                   float *s);
/* Runs the query blocks head by head and shows each to the hooks that ask for heads: the
   pattern on the way forward, its gradient on the way back (ops_attention_heads.c). `item`
   does one block's work and calls glim__attention_head_take. */
glim_status glim__attention_heads(glim_attention_run *run,
                                  void (*item)(void *data, size_t item, int worker),
                                  glim_error *err);
/* Copies rows of a block (m, ld) over its keys into run->head_value, and likewise dp, where
   a row sees a key, into run->head_gradient. */
void glim__attention_head_take(const glim_attention_run *run, const glim_attention_block *b,
                               const float *p, const float *dp, int64_t ld);
glim_status glim__attention_backward(glim_tape *t, glim_tape_node *n, glim_error *err);

#endif
