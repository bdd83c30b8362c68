/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kept-texts.h: what is remembered of texts that stream by: for each unit those that activate
 * it most, a histogram of all activations, and a random sample of the texts, of which ordinary
 * examples are taken. Memory does not grow with the number of texts.
 */
#ifndef GLIM_STRUCTURE_KEPT_TEXTS_H
#define GLIM_STRUCTURE_KEPT_TEXTS_H

#include "structure/activation.h"

enum { GLIM_HISTOGRAM_BINS = 128 };

/* Shared by all units that keep it. Piece i ends before byte ends[i]; the pieces, one for each
   token that is the text's own, are the whole text. */
typedef struct glim_kept_text {
    const char *text;
    size_t n, row, part, refs, pieces;
    uint64_t number; /* in the order in which they came */
    uint32_t *ends;
} glim_kept_text;

typedef struct glim_kept {
    glim_kept_text *text;
    double value;
    float *values; /* [pieces]; NULL: the text has one value only */
} glim_kept;

typedef struct glim_kept_unit {
    glim_kept *top;    /* [n_top] largest first; of equal ones the earlier */
    glim_kept *bottom; /* [n_bottom] smallest first; a text's value is that of its least token
                          where it is that of its largest in `top` */
    size_t n_top, n_bottom;
    int scale; /* a bin is 2^scale wide; bin b is from (b - 64) 2^scale on */
    uint64_t counts[GLIM_HISTOGRAM_BINS];
    double sum, squares, largest, least, of_texts; /* of_texts: sum of texts' values */
    uint64_t tokens, above;                        /* above 0 */
} glim_kept_unit;

typedef struct glim_sampled {
    uint64_t key;
    glim_kept_text *text;
    double *value; /* [units] */
    float *values; /* (pieces, units) or NULL */
} glim_sampled;

typedef struct glim_kept_texts {
    glim_context *ctx;
    size_t units, most, room; /* kept of each unit, and sampled */
    glim_text_pool pool;
    uint64_t seed, texts;
    glim_kept_unit *unit;
    glim_sampled *sample; /* [n_sample] smallest keys first, which is a random order */
    size_t n_sample;
} glim_kept_texts;

/* Errors: ENOMEM, EBUDGET. */
glim_status glim__kept_init(glim_kept_texts *k, glim_context *ctx, size_t units, size_t most,
                            glim_text_pool pool, uint64_t seed, glim_error *err);
void glim__kept_release(glim_kept_texts *k);
/* A text with its tokens and values (tokens, units), or (units) of the whole. */
glim_status glim__kept_add(glim_kept_texts *k, const char *text, const glim_tokens *tokens,
                           size_t row, size_t part, const float *values, bool whole,
                           glim_error *err);
/* One holder of the text less; without any it is gone. NULL is fine. */
void glim__kept_drop(glim_kept_texts *k, glim_kept_text *t);
/* Indices of `n` sampled texts whose values lie about a share of all (0.9), smallest value
   first; returns how many there are. */
size_t glim__kept_about(const glim_kept_texts *k, size_t unit, double share, size_t n, size_t *out);
/* Makes the bins of all units as wide as the widest, and no more than `most` of them in use;
   returns 2^scale, and where those in use begin and how many they are. */
double glim__kept_even(glim_kept_texts *k, int most, int *first, int *n);

/* Which tokens are the text's own, is_free (count); returns how many. */
size_t glim__tokens_free_ones(const glim_tokens *tokens, uint8_t *is_free);
/* The bytes behind each free token's piece, ends [free ones]. */
void glim__tokens_pieces(const glim_tokens *tokens, size_t text_len, uint32_t *ends);

#endif
