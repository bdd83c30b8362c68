/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tape.h: a short run of coarse ops (one block of a model) that can be run
 * forward, kept or thrown away, and walked backwards.
 *
 * A builder appends nodes; nothing is computed until glim__tape_forward. The
 * status is sticky: a failed append returns node 0, later appends pass it on,
 * and one check stands before the run. A value has the batch's T rows, or, behind
 * `pick`, the last row of each sequence: nothing else of the last block is asked
 * for when only the next token is.
 *
 * Memory: each op says which of its inputs (and whether its output) its
 * backward reads. With `keep`, those values stay; all others go back to the
 * workspace after their last reader, so a forward without keep needs a few rows'
 * worth of values only.
 */
#ifndef GLIM_GRAPH_TAPE_H
#define GLIM_GRAPH_TAPE_H

#include "graph/workspace.h"
#include "tensor/conv.h"
#include "tensor/linear.h"

#include <glim/site.h>

typedef int glim_node; /* index into the tape; 0 = failed */

/* One sequence of the batch as ops see it. */
typedef struct glim_rows_part {
    int64_t first, count;  /* rows */
    int64_t prefix;        /* positions before them: of the cache, or of the parent */
    const uint8_t *hidden; /* (prefix + count) or NULL */
    size_t parent;         /* 1 + an earlier part; 0 = the cache */
} glim_rows_part;

typedef struct glim_rows {
    int64_t T;
    const int32_t *position; /* (T) */
    const glim_rows_part *parts;
    size_t n_parts;
} glim_rows;

/* cos and sin of every position, for one kind of layer (rope.c). */
typedef struct glim_rope {
    int width;        /* rotated dimensions R of each head, even */
    bool interleaved; /* pairs (2i, 2i+1) instead of (i, i + R/2) */
    int positions;
    float *cos, *sin; /* (positions, R/2), magnitude included */
} glim_rope;

typedef struct glim_attention {
    int heads, kv_heads, head_width; /* H, G, D */
    float scale;
    int window;                       /* keys t - window < j <= t; 0 = all */
    float soft_cap;                   /* 0 = none */
    bool both_ways;                   /* later keys are seen too (no window, no prefix) */
    bool across;                      /* keys are rows of another text, all of them seen */
    const float *cached_k, *cached_v; /* (prefix, G, D) rotated; NULL without a prefix */
    const float *bias;                /* (H, 2 reach + 1) or NULL: added to the scores by key - */
    int reach;                        /* query, which beyond reach counts as reach (T5) */
} glim_attention;

typedef struct glim_experts {
    const glim_matrix *gate, *up, *down; /* [E] (F, C), (F, C), (C, F) */
    int count, used;                     /* E, and how many a row goes through */
    bool sigmoid;                        /* of the router's logits; else softmax over E */
    bool normalise;                      /* weights of the chosen sum to one, before scale */
    float scale;
    const float *choice_bias; /* (E) added to the scores for choosing only; or NULL */
    glim_act act;
} glim_experts;

enum { GLIM_MOST_EXPERTS = 1024 };

enum { GLIM_NODE_INPUTS = 3, GLIM_NODE_SITES = 4, GLIM_TAPE_NODES = 40 };

/* Which value of a node a site shows. */
typedef enum glim_site_kind {
    GLIM_SITE_VALUE,      /* the output (T, cols) */
    GLIM_SITE_HEADS,      /* the output as (T, heads, cols/heads) */
    GLIM_SITE_SCALE,      /* norm: the divisor (T, 1) */
    GLIM_SITE_NORMALIZED, /* norm: before the weight (T, cols) */
    GLIM_SITE_SCORES,     /* attention: (H, T, S), masked = -inf */
    GLIM_SITE_PATTERN,    /* attention: (H, T, S) */
    GLIM_SITE_WEIGHTS,    /* experts: weight of each (T, E), 0 = not chosen */
    GLIM_SITE_RESULT,     /* output projection: per head (T, H, C) */
    GLIM_SITE_IMAGE,      /* the output as (T/heads, heads, cols): heads is the width */
    GLIM_SITE_WEIGHT      /* linear: the matrix, by what its gradient is made of */
} glim_site_kind;

typedef struct glim_tape glim_tape;
typedef struct glim_tape_node glim_tape_node;

/* An op: forward and backward side by side in one file a family. Backward adds
   into the gradients of inputs whose `grad` is there. */
typedef struct glim_op {
    const char *name;
    unsigned saves; /* bit i: backward reads input i; GLIM_SAVES_OUTPUT: its output */
    glim_status (*forward)(glim_tape *t, glim_tape_node *n, glim_error *err);
    glim_status (*backward)(glim_tape *t, glim_tape_node *n, glim_error *err);
    /* Floats of `aux` that forward fills and backward reads; NULL = none. */
    size_t (*aux)(const glim_tape *t, const glim_tape_node *n);
    /* What the node's fresh gradient starts from; NULL = zeros, as it is given. */
    void (*start)(glim_tape *t, glim_tape_node *n);
} glim_op;

enum { GLIM_SAVES_OUTPUT = 1u << 7 };

struct glim_tape_node {
    const glim_op *op;
    glim_node inputs[GLIM_NODE_INPUTS];
    const glim_rows *rows; /* of the first input; `pick` changes them */
    int64_t cols;
    float *data, *grad, *aux;
    float *pattern; /* attention, when a hook asks: (sum over parts of H count S) */
    bool keep;      /* backward of some node reads the value */
    bool borrowed;  /* data belongs to somebody else */
    bool lent_grad; /* so does grad */
    bool hold;      /* keep the value until the tape is released */
    bool idle;      /* replay: nothing that backward reads comes from it */
    glim_node last; /* last node that reads it */
    struct {
        glim_site_kind kind;
        const char *name; /* within the block: "attn.hook_q" */
        int heads;
    } sites[GLIM_NODE_SITES];
    int n_sites;
    union {
        struct {
            const glim_matrix *w;
            const float *bias; /* (rows) or NULL */
            int heads;         /* of the input, for GLIM_SITE_RESULT */
            bool few;          /* dot products for sequences of up to four rows */
        } linear;
        struct {
            const float *weight, *bias; /* (cols / heads); bias may be NULL */
            float eps;
            int heads;    /* 1 = over the whole row */
            bool centred; /* layer norm: aux holds the means behind the divisors */
        } norm;
        struct {
            const glim_rope *rope;
            int heads;
        } rope;
        glim_attention attention;
        const glim_experts *experts;
        const glim_conv *conv;
        glim_act act;
        bool started; /* pick: its gradient holds the input's */
        float number; /* scale, soft cap */
        const float *shift;
    } as;
};

/* Backward of chosen ops replaced during a walk (rules.c). `saves` is what the rule reads
   besides what the op's own backward does, as glim_op has it. */
typedef struct glim_rule {
    const glim_op *op;
    glim_status (*backward)(glim_tape *t, glim_tape_node *n, glim_error *err);
    unsigned saves;
} glim_rule;

struct glim_rules {
    const char *name;
    const glim_rule *rules;
    size_t n;
};

struct glim_tape {
    glim_context *ctx;
    glim_workspace *space;
    const glim_rows *rows;
    const glim_hook *hooks; /* of this run */
    size_t n_hooks;
    const char *prefix; /* of site names: "blocks.3." */
    int layer;
    bool keep, decode, replay;        /* replay: recomputation, only writing hooks run */
    const glim_rules *rules;          /* of the walk; set before a forward with keep */
    const glim_rope *ropes;           /* of the session, for the builder */
    const glim_rows *picked;          /* last block: rows that are wanted; NULL = all */
    const float *cached_k, *cached_v; /* of this layer: (positions, G, D) */
    /* Cross-attention: what is read, (rows, C), and keys and values of this layer when
       they are known already; the builder tells the nodes. */
    float *memory, *across_k, *across_v;
    const glim_rows *memory_rows;
    glim_node memory_node, across_nodes[2];
    glim_status status; /* sticky, of building */
    int count;          /* nodes, node 0 unused */
    glim_tape_node nodes[GLIM_TAPE_NODES + 1];
};

/* Starts an empty tape; releases what an earlier run kept. */
void glim__tape_begin(glim_tape *t, glim_context *ctx, glim_workspace *space,
                      const glim_rows *rows);
/* Gives back everything the tape holds. */
void glim__tape_release(glim_tape *t);

/* ---- ops (each appends one node) ---- */
glim_node glim__op_input(glim_tape *t, float *data, int64_t cols); /* borrowed value */
/* The same with rows of its own: those of a text that is read across. */
glim_node glim__op_input_of(glim_tape *t, float *data, int64_t cols, const glim_rows *rows);
/* The last row of every sequence; `rows` says where that is: R = n_parts rows. */
glim_node glim__op_pick(glim_tape *t, glim_node x, const glim_rows *rows);
/* The mean of every sequence's rows; `rows` has one row a sequence. */
glim_node glim__op_mean(glim_tape *t, glim_node x, const glim_rows *rows);
/* A sequence is an image of in_h in_w rows; `rows` has its out_h out_w ones. `conv` lives as
   long as the tape. */
glim_node glim__op_conv(glim_tape *t, glim_node x, const glim_conv *conv, const glim_rows *rows);
/* Each row divided by its length. */
glim_node glim__op_unit(glim_tape *t, glim_node x);
glim_node glim__op_linear(glim_tape *t, glim_node x, const glim_matrix *w, const float *bias);
glim_node glim__op_rms_norm(glim_tape *t, glim_node x, const float *weight, float eps, int heads);
glim_node glim__op_layer_norm(glim_tape *t, glim_node x, const float *weight, const float *bias,
                              float eps);
glim_node glim__op_rope(glim_tape *t, glim_node x, const glim_rope *rope, int heads);
glim_node glim__op_attention(glim_tape *t, glim_node q, glim_node k, glim_node v,
                             const glim_attention *how);
glim_node glim__op_gate(glim_tape *t, glim_node gate, glim_node up, glim_act act);
glim_node glim__op_act(glim_tape *t, glim_node x, glim_act act);
/* x (T, C), the router's logits (T, E); `how` lives as long as the tape. */
glim_node glim__op_experts(glim_tape *t, glim_node x, glim_node logits, const glim_experts *how);
glim_node glim__op_add(glim_tape *t, glim_node a, glim_node b);
glim_node glim__op_scale(glim_tape *t, glim_node x, float factor);
/* v (cols) to every row; it outlives the tape. */
glim_node glim__op_shift(glim_tape *t, glim_node x, const float *v);
glim_node glim__op_soft_cap(glim_tape *t, glim_node x, float cap);
/* Names a site on a node; returns the node. */
glim_node glim__op_site(glim_tape *t, glim_node id, glim_site_kind kind, const char *name,
                        int heads);

/* The table of all ops, NULL-terminated (tests scan it). */
const glim_op *const *glim__ops(void);

/* ---- running ---- */
glim_status glim__tape_forward(glim_tape *t, glim_error *err);
/* Adds the gradient `d_out` (T, cols) of node `out` to that of the tape's
   input node `in`: d_in (T, cols of in). Needs a forward with keep, and of
   the same rules where they read more. */
glim_status glim__tape_backward(glim_tape *t, glim_node out, const float *d_out, glim_node in,
                                float *d_in, const glim_rules *rules, glim_error *err);
/* Bytes that forward keeps, and the most that forward (and backward) have in
   use besides, from the nodes alone. */
void glim__tape_plan(const glim_tape *t, bool keep, uint64_t *kept, uint64_t *working);

/* ---- for ops ---- */
/* Appends a node; params are set by the caller on the returned node (NULL when
   the tape has failed). */
glim_tape_node *glim__tape_append(glim_tape *t, const glim_op *op, glim_node a, glim_node b,
                                  glim_node c, int64_t cols);
static inline glim_node glim__tape_index(const glim_tape *t, const glim_tape_node *n) {
    return n ? (glim_node)(n - t->nodes) : 0;
}
/* The gradient of input i of n, zeroed at first use. Errors: ENOMEM, EBUDGET. */
glim_status glim__tape_grad(glim_tape *t, const glim_tape_node *n, int i, float **out,
                            glim_error *err);
/* True when a hook asks for this site of the node with one of the actions. */
bool glim__tape_wants(const glim_tape *t, const glim_tape_node *n, glim_site_kind kind,
                      unsigned actions);
/* Shows a site of one sequence to the hooks that ask for one of `actions`. */
glim_status glim__tape_show(glim_tape *t, const glim_tape_node *n, glim_site_kind kind,
                            unsigned actions, const glim_site *site, glim_error *err);
/* fn(data, first row, rows) over fixed blocks of n's rows, in parallel when
   worth it. */
typedef void glim_rows_fn(void *data, int64_t first, int64_t count);
void glim__tape_rows(glim_tape *t, const glim_tape_node *n, glim_rows_fn *fn, void *data);
/* True when `name` fits `pattern`, `*` standing for any run of characters. */
bool glim__site_match(const char *pattern, const char *name);

#endif
