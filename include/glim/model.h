/* SPDX-License-Identifier: Apache-2.0 */
/*
 * model.h: an opened weight file, and sessions that run it.
 *
 * A model is immutable and may be shared between threads. A session is one
 * mutable timeline on a model (key-value cache, activations); it is used by one
 * caller at a time. Both must be closed before their context.
 *
 * Dimension letters: T rows (tokens), S source positions, C model width, H query
 * heads, G key/value heads, D head width, F feed-forward width, V vocabulary,
 * L layers. All arrays are float32, row-major.
 */
#ifndef GLIM_MODEL_H
#define GLIM_MODEL_H

#include <glim/site.h>
#include <glim/text.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct glim_model glim_model;
typedef struct glim_session glim_session;

/* What the end of a model computes, from a wanted row unless said otherwise. */
typedef enum glim_task {
    GLIM_TASK_GENERATE, /* logits of the next token (V) */
    GLIM_TASK_FILL,     /* logits of the token at a masked place (V) */
    GLIM_TASK_CLASSIFY, /* logits of the classes, from the first row */
    GLIM_TASK_LABEL,    /* logits of the classes, for every row */
    GLIM_TASK_SPAN,     /* start and end logit (2) of every row */
    GLIM_TASK_EMBED,    /* (C), the mean of all wanted rows, of length one */
    GLIM_TASK_IMAGE,    /* logits of the classes of a picture (image.h) */
    GLIM_TASK_TRANSLATE /* logits of the next token (V) of a text written about another one:
                           encoder-decoders */
} glim_task;

/* What one tensor type holds in a file. */
typedef struct glim_type_use {
    const char *type; /* "Q4_1" */
    uint64_t tensors, bytes, parameters;
} glim_type_use;

/* Facts of a model; strings are borrowed from it, NULL when the file is silent. */
typedef struct glim_model_info {
    const char *path, *format; /* "GGUF 3" */
    const char *architecture;  /* "llama" */
    const char *name, *license, *languages;
    const char *digest;                          /* SHA-256 of header and tensor table, hex */
    const char *quantisation;                    /* the type that holds most weights, "Q4_1" */
    const char *tokenizer, *pre, *chat_template; /* template: recognised name */
    const char *warning;                         /* worth telling, or NULL */
    uint64_t file_bytes, parameters;
    int layers, width, heads, kv_heads, head_width, feed_forward, vocabulary;
    int context_length, sliding_window; /* window 0 = none */
    double rope_base;
    int32_t bos, eos; /* -1 = none */
    bool adds_bos, tied_head;
    const glim_type_use *types;
    size_t n_types;
    glim_task task;
    int outputs;                   /* width of a logits row */
    const char *const *labels;     /* [outputs] names of the classes, or NULL */
    bool both_ways;                /* tokens see later ones: an encoder */
    int image_height, image_width; /* pixels of what a model of pictures reads; else 0 */
    int encoder_layers;            /* of an encoder-decoder, whose `layers` are the decoder's */
    int32_t start;                 /* what its decoder begins with; -1 = it has none */
} glim_model_info;

/* Opens a GGUF file and checks every tensor that the architecture needs.
   Errors: EIO, EFORMAT, EUNSUPPORTED, ELIMIT, ENOMEM, EBUDGET. */
GLIM_API glim_status glim_model_open(glim_model **out, glim_context *ctx, const char *path,
                                     glim_error *err);
GLIM_API void glim_model_close(glim_model *model);
GLIM_API const glim_model_info *glim_model_facts(const glim_model *model);
GLIM_API glim_context *glim_model_context(const glim_model *model);

/* Text -> tokens, BOS by the tokenizer's own rule. Errors: EFORMAT (invalid
   UTF-8), EUSAGE (empty text and no BOS), ENOMEM. Free with glim_tokens_free. */
GLIM_API glim_status glim_model_tokenize(const glim_model *model, glim_tokens **out,
                                         const char *text, size_t n, glim_error *err);
/* Two texts as an encoder reads a pair: a question and the text that answers it. They
   are the turns 0 and 1. Errors as glim_model_tokenize. */
GLIM_API glim_status glim_model_tokenize_pair(const glim_model *model, glim_tokens **out,
                                              const char *a, size_t na, const char *b, size_t nb,
                                              glim_error *err);
/* A chat, as the JSON text of a list of {"role", "content"}, through the
   model's chat template, with the generation prompt at the end. tmpl = NULL
   recognises the template; else its name. Errors: EFORMAT, EUSAGE,
   EUNSUPPORTED (unknown template: names the choices). */
GLIM_API glim_status glim_model_tokenize_chat(const glim_model *model, glim_tokens **out,
                                              const char *json, size_t n, const char *name,
                                              const char *tmpl, glim_error *err);
/* Words around a text. */
typedef struct glim_prompt {
    const char *form; /* with "{text}" once, where the text goes; NULL = the text alone */
    bool chat;        /* the whole is a user's message, through the chat template */
    const char *tmpl; /* of a chat: as glim_model_tokenize_chat */
} glim_prompt;

/* A text inside a prompt. The prompt's words are tokens of kind TEMPLATE with bytes of
   the source, so that they are fixed; only the text is scored. Errors: EUSAGE (no
   "{text}", or two), and those of a text or a chat. */
GLIM_API glim_status glim_model_tokenize_prompt(const glim_model *model, glim_tokens **out,
                                                const glim_prompt *prompt, const char *text,
                                                size_t n, glim_error *err);
/* The bytes of a token (may be part of a character); len may be NULL. */
GLIM_API const char *glim_model_token_bytes(const glim_model *model, int32_t id, size_t *len);
/* The single token that a target text stands for. Tries the text as given, and
   if that is no token, with a leading space. Errors: EUSAGE naming the tokens
   that the text splits into. */
GLIM_API glim_status glim_model_token(const glim_model *model, const char *text, int32_t *id,
                                      glim_error *err);
/* True for tokens that end generation. */
GLIM_API bool glim_model_token_ends(const glim_model *model, int32_t id);
/* Row of the embedding as it enters block 0 (scaled), C floats; id = -1 gives
   the mean over the vocabulary. Of an encoder-decoder that of the encoder. */
GLIM_API glim_status glim_model_embedding(const glim_model *model, int32_t id, float *out,
                                          glim_error *err);

/* ---- sessions ---------------------------------------------------------- */

/* One sequence of a ragged batch. Its positions are prefix .. prefix+count-1;
   the first `prefix` positions are those of the session's cache, or of an earlier sequence
   of the batch (not with keep). */
typedef struct glim_sequence {
    const int32_t *ids; /* count */
    size_t count, prefix;
    size_t parent;           /* 1 + index of that sequence; 0 = the cache */
    const float *embeddings; /* (count, C) instead of the tokens' rows, or NULL */
    const uint8_t *hidden;   /* (prefix + count): 1 = no later position attends to it; or NULL */
    const uint8_t *types;    /* (count) segment of each row, for models that have them; or NULL */
    const uint32_t *wanted;  /* rows (0 .. count-1) whose logits are wanted */
    size_t n_wanted;
} glim_sequence;

typedef struct glim_batch {
    const glim_sequence *sequences;
    size_t count;
    const glim_hook *hooks;
    size_t n_hooks;
    const glim_rules *rules; /* of the walk back; NULL = the gradient */
    bool append; /* one sequence with prefix == cached length: keep its keys and values */
    bool keep;   /* keep (or checkpoint) what glim_session_backward needs */
    bool decode; /* one-row steps through the packed dot kernels: faster for few
                    rows; same numbers within rounding, not the same bits */
    /* Encoder-decoders: the texts that are read, whole, one for each sequence or one for
       all; none = those of the last forward. With `keep` one for each, given anew. */
    const glim_sequence *sources;
    size_t n_sources;
    /* > 0: the embeddings of all sequences are what enters this block, its hook_resid_pre, and
       those before it are not run (of a prefix their keys and values are in the cache). Neither
       with keep nor with append; of an encoder-decoder a block of the decoder. */
    int first_layer;
    /* Hooks are all that is looked at: there are no logits. If every sequence wants its last
       row alone, hooks see only that of what the last block makes for no later position. */
    bool inner;
} glim_batch;

/* Gradient seeds: d(target)/d(logits) of one wanted row, sparse or dense. */
typedef struct glim_seed {
    size_t sequence, wanted; /* index of the sequence, index into its `wanted` */
    const int32_t *ids;      /* sparse: n ids with their weights */
    const float *weights;
    size_t n;
    const float *dense; /* (V) instead, or NULL */
    bool log_softmax;   /* the weights are of the ids' log-probabilities */
} glim_seed;

/* A session whose cache can hold `positions` tokens (0 = no cache). Errors:
   ELIMIT (beyond the context length), ENOMEM, EBUDGET. */
GLIM_API glim_status glim_session_new(glim_session **out, const glim_model *model, size_t positions,
                                      glim_error *err);
GLIM_API void glim_session_free(glim_session *s);
GLIM_API size_t glim_session_length(const glim_session *s);
/* Forgets cached positions from n on. */
GLIM_API void glim_session_truncate(glim_session *s, size_t n);
/* Layers whose activations are kept between forward and backward: -1 = as many
   as memory allows (default), 0 = recompute all. Never changes a bit. */
GLIM_API void glim_session_keep_layers(glim_session *s, int layers);
/* Runs the batch. Bits of a sequence do not depend on the other sequences, on
   where its prefix was cut, on threads or on keep. Errors: EUSAGE, ELIMIT,
   ENOMEM, EBUDGET, ECANCELLED, ENUMERIC (a logit is not finite), or what a
   hook returned. */
GLIM_API glim_status glim_session_forward(glim_session *s, const glim_batch *batch,
                                          glim_error *err);
/* Outputs (info.outputs) of a wanted row of the last forward; borrowed until the
   next. An embedding has one row a sequence. */
GLIM_API const float *glim_session_logits(const glim_session *s, size_t sequence, size_t wanted);
/* Gradient of the seeds' sum with respect to `hook_embed`, for all rows of the
   batch in order: d_embed (sum of counts, C), overwritten. Needs keep; may be
   called several times after one forward. Of an encoder-decoder the rows are those of
   the sources (`encoder.hook_embed`); a hook sees those of `decoder.hook_embed`. */
GLIM_API glim_status glim_session_backward(glim_session *s, const glim_seed *seeds, size_t n,
                                           float *d_embed, glim_error *err);
/* Bytes that a forward (keep: and backward) of `rows` rows in `sequences`
   sequences, with up to `source` positions each, needs at least (layers kept =
   0), and what each kept layer adds. For plans; the cache is not counted. Of an
   encoder-decoder `source` is also the length of each text that is read. */
GLIM_API uint64_t glim_session_plan(const glim_model *model, size_t rows, size_t sequences,
                                    size_t source, size_t wanted, bool keep,
                                    uint64_t *per_kept_layer);
/* What `n` hooks add to that: bytes at least, and (unless NULL) of each kept layer.
   Whole attention patterns are made for those who ask for them, for example, and hooks of
   weights keep what products read (of an encoder's half that of one text of `source`). */
GLIM_API uint64_t glim_session_plan_hooks(const glim_model *model, const glim_hook *hooks, size_t n,
                                          size_t rows, size_t source, bool keep,
                                          uint64_t *per_kept_layer);
/* Rows that went forward and backward through all layers since the session was
   made (recomputation counts as forward). */
GLIM_API void glim_session_cost(const glim_session *s, uint64_t *forward, uint64_t *backward);
/* The names of all sites of the model, in walk order; freed with the model. */
GLIM_API const char *const *glim_model_sites(const glim_model *model, size_t *count);

/* A matrix that rows are multiplied with, as GLIM_HOOK_WEIGHT names it. Embeddings, norms,
   experts and convolutions are not among them. */
typedef struct glim_weight {
    const char *name;  /* "blocks.3.mlp.W_in", "unembed.W_U" */
    size_t rows, cols; /* F, C */
    bool bias;         /* something is added to the product */
} glim_weight;

/* All of them, in walk order; freed with the model. */
GLIM_API const glim_weight *glim_model_weights(const glim_model *model, size_t *count);

/* ---- embeddings -------------------------------------------------------- */

/* Embeddings (n, outputs) of NUL-terminated texts, in their order, by a model whose
   task is EMBED. Runs them by length in batches as memory allows, which shows in no bit.
   Errors: EUSAGE, ELIMIT (a text beyond the context), and those of tokens and passes. */
GLIM_API glim_status glim_model_embed(const glim_model *model, const char *const *texts, size_t n,
                                      float *out, glim_error *err);

/* ---- generation -------------------------------------------------------- */

typedef struct glim_sampling {
    double temperature; /* 0 = greedy */
    int64_t top_k;      /* 0 = all */
    double top_p;       /* 1 = all */
    uint64_t seed;
    const glim_hook *hooks; /* see or change what is inside, at each step of glim_generate and
                               glim_translate; rows that are cached are not visited again */
    size_t n_hooks;
} glim_sampling;

/* Draws the next token from logits (V); position makes the draw unique.
   Greedy ties go to the smallest id. */
GLIM_API int32_t glim_sample(const float *logits, int vocabulary, const glim_sampling *how,
                             uint64_t position);
/* Continues the tokens by at most n tokens and appends them (kind GENERATED).
   `each` (may be NULL) sees every token with its probability; returning false
   ends. Stops at an end token, which is not appended, or at the context's end.
   Errors as glim_session_forward; on ECANCELLED the tokens so far are kept. */
GLIM_API glim_status glim_generate(const glim_model *model, glim_tokens *tokens, size_t n,
                                   const glim_sampling *how,
                                   bool (*each)(void *data, int32_t id, double probability),
                                   void *data, glim_error *err);

enum { GLIM_MOST_BEAMS = 64 };

/* How an encoder-decoder writes. */
typedef struct glim_writing {
    int beams;                     /* beginnings that are kept in step; 1 = one by one */
    double length_penalty;         /* beams: a score is divided by length^penalty */
    bool early_stop;               /* beams: done as soon as that many texts are finished */
    const glim_sampling *sampling; /* one by one: NULL = the most likely */
} glim_writing;

/* Writes at most n tokens about the tokens, with an encoder-decoder, and appends them
   on a line of their own (kind GENERATED). `how` = NULL: the most likely, one by one.
   `each` as for glim_generate; with beams it is called when the whole text is known.
   Errors: EUSAGE (another kind of model, too many beams) and those of glim_generate. */
GLIM_API glim_status glim_translate(const glim_model *model, glim_tokens *tokens, size_t n,
                                    const glim_writing *how,
                                    bool (*each)(void *data, int32_t id, double probability),
                                    void *data, glim_error *err);

#ifdef __cplusplus
}
#endif
#endif
