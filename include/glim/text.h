/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text.h: tokens and units of a text. A token carries the bytes of the user's
 * text that it stands for; a unit is what an explanation scores: a token (or
 * the tokens that share a character), a character, a word, a sentence, a chat turn.
 */
#ifndef GLIM_TEXT_H
#define GLIM_TEXT_H

#include <glim/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum glim_token_kind {
    GLIM_TOKEN_TEXT,     /* from the user's text */
    GLIM_TOKEN_SPECIAL,  /* added by the tokenizer: BOS, EOS */
    GLIM_TOKEN_TEMPLATE, /* from the chat template, or a prompt around the text */
    GLIM_TOKEN_GENERATED /* produced by the model */
} glim_token_kind;

typedef struct glim_token {
    int32_t id;
    glim_token_kind kind;
    size_t start, end; /* bytes of the source text; empty for SPECIAL and chat templates */
    int turn;          /* chat message that it belongs to, from 0; -1 = none */
} glim_token;

/* A tokenised input. Owned by the caller of the function that made it; free
   with glim_tokens_free. `text` is the source: the prompt, or for a chat the
   contents of its messages joined by newlines; offsets refer to it. */
typedef struct glim_tokens {
    glim_context *ctx;
    glim_token *at;
    size_t count;
    char *text;
    size_t text_len;
    struct glim_turn *turns; /* chat only */
    size_t n_turns;
} glim_tokens;

typedef struct glim_turn {
    const char *role;  /* owned by the glim_tokens */
    size_t start, end; /* content, bytes of `text` */
} glim_turn;

typedef enum glim_unit_kind {
    GLIM_UNIT_TOKEN,
    GLIM_UNIT_WORD,
    GLIM_UNIT_SENTENCE,
    GLIM_UNIT_TURN,
    GLIM_UNIT_CHARACTER
} glim_unit_kind;

/* "token", "word", ...: what --units takes and documents say; NULL behind the last kind. */
GLIM_API const char *glim_unit_kind_name(glim_unit_kind kind);

/* A run of consecutive tokens. Fixed units (BOS, template) are never removed
   and never scored. */
typedef struct glim_unit {
    size_t start, end;   /* bytes of the source; empty for fixed units without text */
    size_t first, count; /* tokens */
    bool fixed;
    int turn;
} glim_unit;

typedef struct glim_units {
    glim_context *ctx;
    glim_unit *at;
    size_t count;
    glim_unit_kind kind;
} glim_units;

GLIM_API void glim_tokens_free(glim_tokens *tokens);
GLIM_API void glim_units_free(glim_units *units);

/* Cuts the tokens into units of the wanted kind that cover all tokens in
   order. Every unit starts and ends on a grapheme boundary of the source:
   tokens that share a character are never parted. A run of fixed tokens is one
   fixed unit per token. A character is the fewest whole graphemes that tokens can
   part: one, or as many as a token holds. Words follow UAX #29 (ICU when built with it; Chinese,
   Japanese and Thai words by its dictionaries, else a word per ideograph);
   sentences end at Chinese and other stops and at line ends, not at those of
   abbreviations, numbers and addresses.
   Errors: ENOMEM, EBUDGET; EUSAGE for turns without a chat. */
GLIM_API glim_status glim_units_make(glim_units *out, const glim_tokens *tokens,
                                     glim_unit_kind kind, glim_error *err);

#ifdef __cplusplus
}
#endif
#endif
