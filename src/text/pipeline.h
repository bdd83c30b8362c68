/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pipeline.h: the inside of a tokenizer that a model directory describes:
 *
 *   text -> added tokens cut out -> normalisers -> added tokens again (those that
 *   are normalised) -> pre-tokenisers -> model -> ids
 *
 * Every step works on a run: bytes that each know the source range they came
 * from. Inserted bytes have an empty range, a replacement has the whole range of
 * what it replaces. Steps are constant descriptors, one list for each part.
 */
#ifndef GLIM_TEXT_PIPELINE_H
#define GLIM_TEXT_PIPELINE_H

#include "base/json.h"
#include "text/merge.h"
#include "text/regex.h"
#include "text/trie.h"
#include "text/vocabulary.h"

typedef struct glim_run {
    glim_context *ctx;
    char *text;
    uint32_t *from, *to; /* [n] source bytes of byte i */
    size_t n, cap;
    bool failed;   /* an allocation was refused: later puts do nothing */
    bool too_long; /* so is a text of more than 2^28 bytes */
} glim_run;

/* OK, or what went wrong while putting. Errors: ENOMEM, EBUDGET, ELIMIT. */
glim_status glim__run_status(const glim_run *r, glim_error *err);
void glim__run_clear(glim_run *r);
void glim__run_release(glim_run *r);
/* n bytes that stand together for the source bytes [from, to): each byte gets its
   even share, so that a text that is copied keeps its exact ranges. */
void glim__run_put(glim_run *r, const char *s, size_t n, uint32_t from, uint32_t to);
void glim__run_put_point(glim_run *r, uint32_t cp, uint32_t from, uint32_t to);
/* Copies bytes [a, b) with their ranges. */
void glim__run_copy(glim_run *r, const glim_run *other, size_t a, size_t b);

/* Pieces of a run; what lies between them is dropped. */
typedef struct glim_cut {
    uint32_t start, end;
} glim_cut;

typedef struct glim_cuts {
    glim_context *ctx;
    glim_cut *at;
    size_t count, cap;
    bool failed;
} glim_cuts;
/* Appends a piece; an empty one is left out. */
void glim__cuts_add(glim_cuts *c, size_t start, size_t end);
void glim__cuts_release(glim_cuts *c);

/* One tokenising call. A step reads `now` (and `pieces`) and writes `next` (and
   `cut`); those that leave the text alone do not touch `next`. */
typedef struct glim_work {
    const glim_tokenizer *t;
    glim_token_list *out;
    glim_run whole, now, next; /* whole: after the normalisers */
    glim_cuts pieces, cut;
    glim_matcher *matcher;
    glim_merge merge;
    glim_buffer scratch;
    void *path; /* unigram.c: the best way to each byte */
    size_t path_size;
    size_t origin; /* added to the source bytes of tokens */
    size_t begin;  /* where the fragment begins in the source */
    bool first;    /* the sequence starts with this fragment */
} glim_work;
void glim__work_swap(glim_work *w); /* now and next */

/* Appends the token of run bytes [a, b); false when memory is refused. */
bool glim__work_emit(glim_work *w, int32_t id, size_t a, size_t b);

typedef struct glim_step glim_step;
typedef struct glim_pipeline glim_pipeline;

typedef struct glim_step_kind {
    const char *type; /* as tokenizer.json writes it */
    /* Reads the step's options; NULL: there are none. */
    glim_status (*read)(glim_step *s, glim_pipeline *p, const json_t *json, glim_error *err);
    glim_status (*run)(const glim_step *s, glim_work *w, glim_error *err);
    bool rewrites; /* pre-tokenisers: `next` is the new text */
} glim_step_kind;

/* The union of what steps remember. */
struct glim_step {
    const glim_step_kind *kind;
    glim_regex *regex;
    const char *text; /* prefix, content, replacement, the charsmap's strings */
    size_t len;
    const uint8_t *units; /* charsmap: a double array of little-endian u32 */
    size_t n_units;
    unsigned flags;
};

enum { GLIM_STEPS = 64 };

typedef struct glim_steps {
    glim_step at[GLIM_STEPS];
    size_t count;
} glim_steps;

typedef struct glim_model_kind {
    const char *type;
    /* Emits the tokens of now.text[start, end), which is not empty. */
    glim_status (*encode)(glim_work *w, size_t start, size_t end, glim_error *err);
} glim_model_kind;

/* A token that is found in the text before (or behind) the normalisers. */
typedef struct glim_added {
    int32_t id;
    glim_gguf_string content;
    bool special, normalized, lstrip, rstrip, single_word;
} glim_added;

/* One place of a post-processor's template. */
typedef struct glim_slot {
    int32_t id; /* a special token, or -1 - (0 or 1): the first or second text */
    uint8_t type;
} glim_slot;
enum { GLIM_SLOTS = 16 };

typedef struct glim_template {
    glim_slot at[GLIM_SLOTS];
    size_t count;
} glim_template;

/* What a SentencePiece file says besides its pieces. */
typedef struct glim_spm_options {
    int64_t type, unk, bos, eos, pad;
    bool suffix, byte_fallback, dummy_prefix, collapse, escape;
    glim_gguf_string charsmap;
} glim_spm_options;

struct glim_pipeline {
    glim_tokenizer *t;
    glim_buffer file, table; /* texts of tokens point into them */
    size_t n_pieces;
    glim_spm_options spm;
    glim_trie users; /* SentencePiece: user-defined pieces */
    glim_steps normalizers, presplits;
    const glim_model_kind *model;
    glim_added *added;
    size_t n_added;
    glim_trie raw, normalized; /* values index `added` */
    glim_trie trie;            /* Unigram, WordPiece: texts of tokens */
    glim_map pairs;            /* BPE: two ids -> rank */
    int32_t (*pair_keys)[2];
    int32_t *pair_ids; /* [ranks] what a pair becomes */
    glim_template single, pair;
    const char *prefix, *suffix; /* continuing_subword_prefix, end_of_word_suffix */
    size_t prefix_len, suffix_len;
    double *scores;     /* Unigram, by piece */
    int32_t *piece_ids; /* Marian: pieces -> ids; NULL: they are the same */
    double unknown_score, user_score;
    uint32_t continuation; /* WordPiece: the trie's node behind the prefix */
    size_t longest_word;   /* WordPiece */
    bool fuse_unknown, byte_fallback, ignore_merges, by_score, byte_level;
    bool user_pieces; /* SentencePiece's own rule: user-defined pieces stay whole */
};

/* Makes an empty pipeline tokenizer; glim__tokenizer_close frees it. */
glim_status glim__pipeline_new(glim_tokenizer **out, glim_context *ctx, glim_error *err);
void glim__pipeline_free(glim_pipeline *p);
/* What glim__tokenize does for such a tokenizer. */
glim_status glim__pipeline_tokenize(const glim_tokenizer *t, glim_token_list *out, const char *text,
                                    size_t n, size_t base, bool first, bool parse_special,
                                    glim_error *err);

/* ---- parts ---- */

/* Adds a step (and, for a Sequence, its steps) of a part of tokenizer.json, null
   included. Errors: EUNSUPPORTED naming the type, EFORMAT, ELIMIT, ENOMEM. */
glim_status glim__normalizers_read(glim_pipeline *p, const json_t *json, glim_error *err);
glim_status glim__presplits_read(glim_pipeline *p, const json_t *json, glim_error *err);
glim_status glim__postprocessor_read(glim_pipeline *p, const json_t *json, glim_error *err);
glim_status glim__steps_read(glim_steps *steps, glim_pipeline *p, const json_t *json,
                             const glim_step_kind *const *kinds, const char *what, glim_error *err);
/* A regex or literal of {"Regex": ...} or {"String": ...}. */
glim_status glim__pattern_read(glim_step *s, glim_pipeline *p, const json_t *json, glim_error *err);
glim_status glim__normalize(const glim_pipeline *p, glim_work *w, glim_error *err);
glim_status glim__presplit(const glim_pipeline *p, glim_work *w, glim_error *err);

/* unicode-forms.c: NFC, NFD, NFKC, NFKD of now into next. */
enum { GLIM_FORM_COMPOSE = 1, GLIM_FORM_COMPAT = 2 };
glim_status glim__unicode_form(glim_work *w, unsigned form, glim_error *err);

/* charsmap.c */
glim_status glim__charsmap_read(glim_step *s, const char *data, size_t n, glim_error *err);
/* The replacement of what s[0..n) begins with; 0 when there is none. `longest`
   takes the longest match, else the shortest. */
size_t glim__charsmap_find(const glim_step *s, const char *text, size_t n, bool longest,
                           const char **with, size_t *len);

extern const glim_step_kind glim_norm_precompiled, glim_norm_sentencepiece;
extern const glim_model_kind glim_model_bpe, glim_model_unigram, glim_model_wordpiece;

/* added.c */
glim_status glim__added_index(glim_pipeline *p, glim_error *err);
/* Calls fn for each added token found in text[0..n), in order, with the bytes that
   it takes; controls are left alone unless asked for. */
typedef glim_status glim_added_fn(void *data, const glim_added *token, size_t start, size_t end,
                                  glim_error *err);
glim_status glim__added_scan(const glim_pipeline *p, const glim_trie *trie, const char *text,
                             size_t n, bool controls, glim_added_fn *fn, void *data,
                             glim_error *err);

/* Widens text[*start, *end) by the spaces that the token swallows, not below `taken`. */
void glim__added_reach(const glim_tokenizer *t, int32_t id, const char *text, size_t n,
                       size_t taken, size_t *start, size_t *end);

/* ---- vocabulary ---- */

/* Room for ids 0 .. count - 1, all of them holes. */
glim_status glim__vocabulary_room(glim_tokenizer *t, size_t count, glim_error *err);
/* Sets the text of a token. Errors: EFORMAT (id taken). */
glim_status glim__vocabulary_set(glim_tokenizer *t, int32_t id, glim_gguf_string text,
                                 glim_error *err);
/* Indexes texts, merges in the added tokens, decodes what tokens stand for. */
glim_status glim__vocabulary_finish(glim_pipeline *p, glim_error *err);
/* The id of a text in the vocabulary, added tokens included, or -1. */
int32_t glim__vocabulary_find(const glim_tokenizer *t, const char *text, size_t n);
/* Adds the merge of two tokens of the highest rank so far. */
glim_status glim__merges_room(glim_pipeline *p, size_t count, glim_error *err);
glim_status glim__merges_add(glim_pipeline *p, size_t rank, glim_gguf_string a, glim_gguf_string b,
                             glim_error *err);

/* ---- templates ---- */

void glim__template_bert(glim_pipeline *p, int32_t cls, int32_t sep);
void glim__template_roberta(glim_pipeline *p, int32_t cls, int32_t sep);
/* BOS before and EOS behind each text; -1 = none. */
void glim__template_ends(glim_pipeline *p, int32_t bos, int32_t eos);
void glim__template_fill(glim_template *t, const glim_slot *slots, size_t n);
/* Never NULL: without a post-processor, the texts alone. */
const glim_template *glim__template_of(const glim_tokenizer *t, bool pair);

/* Reads p->file, which holds the file's bytes. */
glim_status glim__tokenizer_json_read(glim_pipeline *p, glim_error *err);

#endif
