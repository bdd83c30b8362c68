/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vocabulary.h: the inside of a tokenizer. Token texts and merges stay in the
 * mapped file: a text is looked up as the file writes it (byte-level BPE in the
 * GPT-2 byte alphabet, SentencePiece with U+2581 for space), so opening copies
 * nothing but what display needs decoded.
 */
#ifndef GLIM_TEXT_VOCABULARY_H
#define GLIM_TEXT_VOCABULARY_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/map.h"
#include "text/tokenizer.h"

enum glim_token_type {
    GLIM_TT_NORMAL = 1,
    GLIM_TT_UNKNOWN = 2,
    GLIM_TT_CONTROL = 3,
    GLIM_TT_USER = 4,
    GLIM_TT_UNUSED = 5,
    GLIM_TT_BYTE = 6
};

enum { GLIM_ENDS = 16 };

typedef struct glim_pretokenizer glim_pretokenizer; /* pretokenize.h */

/* A run of text between special tokens, normalised; from[i], to[i] give the
   source bytes of byte i, NULL = byte i itself. */
typedef struct glim_fragment {
    const char *text;
    size_t n;
    const uint32_t *from, *to;
    bool first; /* the sequence starts here, or a special token came before */
} glim_fragment;

struct glim_tokenizer {
    glim_context *ctx;
    glim_arena arena;
    glim_tokenizer_info info;
    glim_gguf_string *text;  /* [V] as in the file */
    glim_gguf_string *bytes; /* [V] as in text */
    char *slab;              /* where decoded bytes go */
    uint8_t *type;           /* [V] */
    const void *scores;      /* f32[V] unaligned, or NULL */
    glim_map ids;            /* text of normal tokens -> id */
    glim_map specials;       /* text of control and user-defined tokens -> id */
    glim_map merges;         /* "left right" -> rank (gpt2) */
    size_t longest_merge;    /* bytes of its text */
    size_t *special_lengths; /* longest first */
    size_t n_lengths;
    bool special_first[256]; /* bytes that a special token starts with */
    bool ignore_merges, nfc, space_prefix;
    int32_t byte_ids[256]; /* llama: <0xHH> tokens, or -1 */
    glim_pretokenizer *pre;
    int32_t ends[GLIM_ENDS];
    int n_ends;
    struct glim_pipeline *pipeline; /* of a model directory: does the tokenising, or NULL */
    glim_status (*encode)(const glim_tokenizer *t, glim_token_list *out, const glim_fragment *f,
                          size_t base, glim_error *err);
};

/* Appends a token; false when memory is refused. */
bool glim__token_push(glim_token_list *list, int32_t id, glim_token_kind kind, size_t start,
                      size_t end, int turn);
/* Source bytes of fragment bytes [a, b). */
void glim__fragment_span(const glim_fragment *f, size_t a, size_t b, size_t *start, size_t *end);
float glim__token_score(const glim_tokenizer *t, int32_t id);
/* Fills in bytes[] and byte_ids[] from text[], type[] and info.model. */
glim_status glim__tokens_decode(glim_tokenizer *t, glim_error *err);
/* The names of special tokens: room for `most`, each (its text is not empty), the end. */
bool glim__specials_begin(glim_tokenizer *t, size_t most);
bool glim__specials_add(glim_tokenizer *t, int32_t id);
void glim__specials_end(glim_tokenizer *t);
/* Notes ids that end generation: one (-1 is fine), and those known by name. */
void glim__ends_add(glim_tokenizer *t, int32_t id);
void glim__ends_by_name(glim_tokenizer *t);
/* The texts of the special tokens that the info has the ids of; templates use them. */
void glim__name_specials(glim_tokenizer *t);

/* Unigram, which becomes a pipeline (unigram-gguf.c). */
glim_status glim__unigram_open(glim_tokenizer **out, glim_context *ctx, const glim_gguf *g,
                               glim_error *err);

glim_status glim__bpe_encode(const glim_tokenizer *t, glim_token_list *out, const glim_fragment *f,
                             size_t base, glim_error *err);
glim_status glim__spm_encode(const glim_tokenizer *t, glim_token_list *out, const glim_fragment *f,
                             size_t base, glim_error *err);

/* The GPT-2 byte alphabet: byte -> code point, and back (-1 outside). */
uint32_t glim__alphabet_letter(uint8_t byte);
int glim__alphabet_byte(uint32_t letter);

/* Splits text into pieces; each calls fn(data, start, end). */
glim_status glim__pretokenizer_open(glim_pretokenizer **out, glim_context *ctx, const char *pre,
                                    glim_error *err);
void glim__pretokenizer_close(glim_pretokenizer *p);
typedef glim_status glim_piece_fn(void *data, size_t start, size_t end, glim_error *err);
glim_status glim__pretokenize(const glim_pretokenizer *p, const char *text, size_t n,
                              glim_piece_fn *fn, void *data, glim_error *err);
/* The i-th known name, NULL after the last. */
const char *glim__pretokenizer_name(size_t i);
/* Rules that go with the name. */
bool glim__pretokenizer_ignores_merges(const char *pre);
bool glim__pretokenizer_adds_bos(const char *pre);

/* NFC with source ranges; *out.text == NULL: the text is NFC as it is. Memory
   is from the arena. */
glim_status glim__nfc(glim_fragment *out, glim_arena *arena, const char *text, size_t n,
                      glim_error *err);

#endif
