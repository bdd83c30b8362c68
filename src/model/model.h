/* SPDX-License-Identifier: Apache-2.0 */
/*
 * model.h: what is inside a model, for architectures and sessions.
 *
 * An architecture is data first: a descriptor with the keys and tensors that
 * it reads, in one file. The block itself is built by glim__decoder_block from
 * what the layer has: a bias, a q/k norm or a post-norm that is absent is not
 * in the graph. An architecture whose block differs brings its own builder.
 */
#ifndef GLIM_MODEL_MODEL_H
#define GLIM_MODEL_MODEL_H

#include "base/arena.h"
#include "file/gguf.h"
#include "graph/ops.h"
#include "text/tokenizer.h"

#include <glim/model.h>

enum { GLIM_MAX_LAYERS = 4096, GLIM_MAX_ROPES = 2 };

typedef struct glim_hyper {
    int L, C, H, G, D, F, V;
    int context, window; /* window 0 = none */
    float eps;
    float score_scale;          /* of q k^T */
    float embed_scale;          /* 1 = none */
    float score_cap, logit_cap; /* 0 = none */
    glim_act act;
    int rope_width;
    bool layer_norm; /* norms subtract the mean, and have biases */
    bool both_ways;  /* tokens see later ones */
    bool parallel;   /* attention and feed-forward part read the same x */
    float out_scale; /* of what the head reads; 0 = none */
} glim_hyper;

/* A mixture of experts in the place of the feed-forward part. */
typedef struct glim_mixture {
    glim_experts how;
    glim_matrix router;
    glim_matrix shared_gate, shared_up, shared_down; /* no data = none is shared */
} glim_mixture;

typedef struct glim_layer {
    glim_matrix q, k, v, o, gate, up, down;
    const float *q_bias, *k_bias, *v_bias, *o_bias; /* NULL = absent, likewise below */
    const float *gate_bias, *up_bias, *down_bias;
    const float *attn_norm, *q_norm, *k_norm, *attn_post_norm;
    const float *ffn_norm, *ffn_post_norm;
    const float *attn_norm_bias, *ffn_norm_bias;
    const glim_mixture *mixture;    /* instead of gate, up and down */
    const struct glim_layer *cross; /* q, k, v, o and attn_norm of attention to the encoder */
    const float *shift;             /* (C) added to what leaves the block: steering */
    int window;                     /* 0 = sees all */
    int rope;                       /* index into the model's and the session's ropes */
} glim_layer;

struct glim_loader;

/* One variant; see arch_llama.c. */
/* What lies between the last block and the output of a model that is no language
   model, as far as it is there: act(h W^T + b), norm. */
typedef enum glim_readout_act {
    GLIM_READOUT_NONE,
    GLIM_READOUT_TANH,
    GLIM_READOUT_RELU,
    GLIM_READOUT_GELU
} glim_readout_act;

typedef struct glim_readout {
    glim_matrix dense; /* no data = none */
    const float *dense_bias, *norm, *norm_bias;
    glim_readout_act act;
} glim_readout;

/* What a model that was cut off (cut.c) makes of the rows of a text. */
typedef enum glim_pool {
    GLIM_POOL_NONE, /* it was not */
    GLIM_POOL_MEAN,
    GLIM_POOL_LAST,
    GLIM_POOL_FIRST
} glim_pool;

typedef struct glim_architecture {
    const char *name;
    /* Reads hyper-parameters and layers through the loader. */
    glim_status (*load)(struct glim_loader *l, glim_error *err);
    /* Appends block `layer` to the tape; x is (T, C). *k, *v: the nodes whose
       values the cache keeps. */
    glim_node (*block)(glim_tape *t, const glim_model *m, int layer, glim_node x, glim_node *k,
                       glim_node *v);
} glim_architecture;

struct glim_model {
    glim_context *ctx;
    glim_arena arena;
    glim_gguf *file;
    glim_tokenizer *tokenizer;
    glim_tokenizer *writer;         /* Marian's, of what is written; NULL = the same */
    const glim_chat_template *chat; /* NULL = none recognised */
    const glim_architecture *arch;
    const char *model_type; /* of a directory, where the tokenizer asks for it; or NULL */
    glim_hyper hyper;
    /* Encoder-decoders: the stack that reads. It shares everything but its numbers, has
       rows (T, C) instead of outputs, and sites that begin with "encoder.". */
    glim_model *encoder;
    const char *site_prefix;    /* "", "encoder." or "decoder." */
    int32_t start;              /* what the decoder begins with */
    int32_t never_written;      /* a token that may not be, or -1 */
    int32_t forced_end;         /* the last token of a text of full length, or -1 */
    const float *position_bias; /* (H, 2 reach + 1), or NULL */
    int bias_reach;
    glim_matrix embedding, head;
    const glim_model *base; /* whose weights these are when it was cut from a model */
    const char *steering;   /* what its blocks add (glim_layer.shift), in words, or NULL */
    glim_pool pool;
    bool bare; /* the last block ends before the norm behind it (encoders) */
    glim_task task;
    int outputs;         /* width of a row of logits */
    const char **labels; /* [outputs] or NULL */
    glim_readout readout;
    const struct glim_vision *vision;          /* a model of pictures (vision.h), or NULL */
    glim_matrix types;                         /* (segments, C), added likewise; or no data */
    const float *embed_norm, *embed_norm_bias; /* behind the sum of embeddings; or NULL */
    glim_matrix positions; /* (context, C), added to the embeddings; or no data */
    const float *final_norm, *final_norm_bias, *head_bias;
    glim_layer *layers;
    glim_rope_recipe ropes[GLIM_MAX_ROPES]; /* sessions make the tables */
    int n_ropes;
    /* Phi-3's long files: ropes[0] while no position passes `long_from`, else this. */
    glim_rope_recipe rope_long;
    int long_from;               /* 0 = never */
    const char **block_prefixes; /* "blocks.3." */
    const char **sites;
    size_t n_sites;
    glim_weight *weights;
    size_t n_weights;
    glim_model_info info;
};

/* ---- loader: typed reads with names and shapes checked (loader.c) ---- */
typedef struct glim_mixture_sizes {
    int count, used, width, shared; /* experts, of a row, width of one, shared ones */
    int dense;                      /* the first blocks have none */
    bool sigmoid, normalise;
    float scale;
} glim_mixture_sizes;

typedef struct glim_loader {
    glim_model *m;
    const glim_gguf *g;
    const char *arch;
    uint8_t *used;  /* per tensor */
    uint8_t *read;  /* per key */
    bool published; /* tensors as published, not as conversion writes them */
    /* What differs between decoders; set before glim__load_decoder. */
    bool norm_plus_one; /* norms hold w - 1 */
    bool turned;        /* matrices of blocks are (in, out) */
    bool by_head;       /* rows of attn_qkv are [head][q, k, v][D] */
    bool no_rope, long_rope, plain_mlp;
    bool fused_gate;       /* ffn_up may hold the gate's rows, first */
    bool drafts;           /* the last layers may be drafts, which are skipped */
    bool encoder;          /* sees both ways, norms behind, no final norm */
    bool no_end;           /* neither final norm nor head */
    const char *stack;     /* before "blk.": "enc.", "dec." or "" */
    const char *embedding; /* names; NULL = "token_embd.weight", "block_count", */
    const char *blocks;
    const char *attn_norm; /* "attn_norm", "ffn_norm", "attn_output" */
    const char *ffn_norm;
    const char *attn_output;
    glim_mixture_sizes mixture; /* count 0 = none */
} glim_loader;

/* The value of the key "ARCH.suffix", marked as read; NULL when absent. */
const glim_gguf_value *glim__loader_key(glim_loader *l, const char *suffix);

/* Key "ARCH.suffix". An absent key leaves *out; need = an error then. */
glim_status glim__load_int(glim_loader *l, const char *suffix, int min, int max, bool need,
                           int *out, glim_error *err);
glim_status glim__load_real(glim_loader *l, const char *suffix, bool need, double *out,
                            glim_error *err);
glim_status glim__load_text(glim_loader *l, const char *suffix, glim_gguf_string *out,
                            glim_error *err);
/* A vector of n floats, copied from any type and checked finite; *out =
   NULL when absent and not needed. layer < 0: the name has no "%d". */
glim_status glim__load_vector(glim_loader *l, const char *name, int layer, int n, bool need,
                              const float **out, glim_error *err);
/* `count` matrices (rows, cols): one tensor "ffn_gate_exps.weight" that holds them
   one below the other, or a tensor for each, "ffn_gate_exps.7.weight". */
glim_status glim__load_stack(glim_loader *l, const char *name, int layer, int count, int64_t rows,
                             int64_t cols, const glim_matrix **out, glim_error *err);
glim_status glim__load_matrix(glim_loader *l, const char *name, int layer, int64_t rows,
                              int64_t cols, bool need, glim_matrix *out, glim_error *err);
/* Common keys (sizes, eps, rope) and the common tensors of a decoder. */
glim_status glim__load_decoder(glim_loader *l, glim_error *err);

/* Names of the classes, m->outputs of them, if the file has them (arch_bert.c). */
glim_status glim__load_labels(glim_loader *l, glim_error *err);
/* A norm's weight and, of a layer norm, its bias; name without its ending, block i. */
glim_status glim__load_norm(glim_loader *l, const char *name, int i, const float **weight,
                            const float **bias, glim_error *err);
/* Both stacks of an encoder-decoder, into m and m->encoder, without positions and
   final norms (stacks.c). */
glim_status glim__load_stacks(glim_loader *l, glim_error *err);

/* Base, width and scaling of the rotation (rope.c). */
glim_status glim__load_rope(glim_loader *l, glim_error *err);
/* Norms of q and k over each head; norms after attention and feed-forward part. */
glim_status glim__load_head_norms(glim_loader *l, bool need, glim_error *err);
glim_status glim__load_post_norms(glim_loader *l, glim_error *err);
/* The feed-forward part of block i (feed-forward.c), and the keys of a mixture. */
glim_status glim__load_feed_forward(glim_loader *l, int i, glim_error *err);
glim_status glim__load_mixture_sizes(glim_loader *l, bool sigmoid, glim_error *err);
/* Sliding windows. Without a pattern in the file every period-th block sees all;
   0: none sees all, -1: the pattern is needed. base > 0: of blocks that slide. */
glim_status glim__load_windows(glim_loader *l, int period, double base, glim_error *err);
/* Refuses tensors and keys that were not read (leftover.c). */
glim_status glim__load_finish(glim_loader *l, glim_error *err);

glim_node glim__decoder_block(glim_tape *t, const glim_model *m, int layer, glim_node x,
                              glim_node *k, glim_node *v);

/* a (T, C), normed -> (T, C), before a norm that follows it. */
glim_node glim__feed_forward(glim_tape *t, const glim_model *m, const glim_layer *w, glim_node a);

/* The same block of an encoder: a norm behind each part (encoder.c). */
glim_node glim__encoder_block(glim_tape *t, const glim_model *m, int layer, glim_node x,
                              glim_node *k, glim_node *v);
/* The norm behind the embeddings, and the end of a model that is no language model;
   t->picked has a row for each sequence. */
glim_node glim__model_front(glim_tape *t, const glim_model *m, glim_node x);
glim_node glim__encoder_head(glim_tape *t, const glim_model *m, glim_node h, glim_node *normed);
/* Attention with its projections, of normed rows a; z Wo^T + b (decoder.c). */
glim_node glim__attention_part(glim_tape *t, const glim_model *m, const glim_layer *w, glim_node a,
                               glim_node *k, glim_node *v);
/* Rows of x that are asked for, when the tape has picked some. */
glim_node glim__picked(glim_tape *t, glim_node x);
/* Attention of normed rows a to t->memory with its projections (cross.c). */
glim_node glim__cross_attention(glim_tape *t, const glim_model *m, const glim_layer *w,
                                glim_node a);
int glim__position_bucket(int far, bool both_ways, int buckets, int longest);
void glim__position_bias(float *out, const float *weight, int heads, bool both_ways, int buckets,
                         int reach);

/* The tokens of a text as an encoder-decoder would have to write it, appended as
   glim_translate does. */
glim_status glim__append_target(const glim_model *m, glim_tokens *tokens, const char *text,
                                glim_error *err);

/* The first blocks of a model, up to a site of the residual stream; the outputs are the
   pooled vector (C), with the head the logits of n classes. Free with
   glim_model_close, before `base`. Errors: EUSAGE, ENOMEM. */
glim_status glim__model_cut(glim_model **out, const glim_model *base, const char *site,
                            const char *pool, glim_error *err);
glim_status glim__model_cut_head(glim_model *m, const float *weights, const float *bias,
                                 const char *const *labels, int n, glim_error *err);

/* No more of a model than is looked at: its first blocks, and of its head the rows of n
   tokens in the place of all (n = 0: its end is as it was, and for all the blocks only). Free
   with glim_model_close, before `base`. Errors: ENOMEM, EBUDGET. */
glim_status glim__model_part(glim_model **out, const glim_model *base, int blocks,
                             const int32_t *ids, size_t n, glim_error *err);

/* A copy whose last `blocks` blocks (0 = all) have the rows of their matrices in random
   order (shuffled.c). Free with glim_model_close, before `base`. Errors: EUNSUPPORTED
   (mixtures, pictures, encoder-decoders), ENOMEM, EBUDGET. */
glim_status glim__model_shuffled(glim_model **out, const glim_model *base, int blocks,
                                 uint64_t seed, glim_error *err);

/* Fills m->info from the loaded model. */
glim_status glim__model_facts(glim_model *m, glim_error *err);

/* All architectures, NULL-terminated. */
const glim_architecture *const *glim__architectures(void);

/* The final norm and head over wanted rows: h (R, C) -> logits. *normed gets
   the node before the head. */
glim_node glim__model_head(glim_tape *t, const glim_model *m, glim_node h, glim_node *normed);

#endif
