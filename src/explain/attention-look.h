/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attention-look.h: one look at a model's attention: what stands on both sides of its
 * patterns, and what is kept of them while they stream by.
 */
#ifndef GLIM_EXPLAIN_ATTENTION_LOOK_H
#define GLIM_EXPLAIN_ATTENTION_LOOK_H

#include "base/outfile.h"
#include "explain/attention-keep.h"
#include "explain/align.h"

#include <glim/attention.h>

typedef enum glim_side {
    GLIM_SIDE_SELF,
    GLIM_SIDE_ENCODER,
    GLIM_SIDE_DECODER,
    GLIM_SIDE_CROSS
} glim_side;

typedef struct glim_look {
    const glim_model *m;
    glim_context *ctx;
    const glim_attention_options *o;
    glim_tokens *tokens;
    size_t given; /* tokens of the input; those behind it were written */
    glim_side side;
    bool causal;
    int32_t *ids, *written; /* what is read; of an encoder-decoder what its decoder reads */
    size_t n_ids, n_written;
    size_t T, S; /* rows and columns of a pattern */
    int L, H;
    /* Units on both sides; `first` and `count` are rows, or columns, of a pattern. */
    glim_units rows, columns;
    size_t *row_token; /* [rows.count] the first token of each row */
    glim_unit_kind kind;
    /* What is kept. */
    double *shown;    /* (rows, S) sums over the heads that are shown */
    double *received; /* [S] likewise, over rows that are not near */
    double *layers;   /* (L, rows, columns) sums over a layer's heads, when words are aligned */
    size_t heads_shown;
    struct glim_row_stats *row_stats; /* [T] of one head */
    int32_t *same;                    /* [T] the token before that is the same one, or -1 */
    int32_t *row_of, *column_of;      /* [T] and [S] the unit of each, or -1 */
    float *open;                      /* [S] 1 where a link may end, 0 elsewhere */
    glim_document_head *stats;        /* [L * H] */
    size_t n_stats;
    double worst_sum; /* largest difference of a row's sum from 1 */
    glim_outfile raw;
    uint16_t *raw_row; /* [S] halves */
    glim_keep keep;
    uint64_t forward, backward; /* cost */
} glim_look;

/* attention-sides.c: tokens, what is written about them, units. */
glim_status glim__look_sides(glim_look *look, glim_error *err);
/* attention-pass.c: room for what is kept; runs the model. */
glim_status glim__look_room(glim_look *look, glim_error *err);
uint64_t glim__look_bytes(const glim_look *look);
glim_hook glim__look_hook(glim_look *look);
glim_status glim__look_pass(glim_look *look, glim_error *err);
/* The numbers of one head's pattern (T, S). */
glim_status glim__look_head(glim_look *look, int layer, int head, const float *pattern,
                            glim_error *err);
/* attention-links.c: the chosen layer's matrix as shares, its links, and error rates. */
glim_status glim__look_align(glim_look *look, glim_document *doc, int *layer, glim_error *err);
/* Shares (T, S) of each row of scores, negative and absent ones being nothing. */
void glim__align_shares(const double *scores, size_t T, size_t S, double *shares);
/* Links of `shares` by the options' rule, and gold, or none. */
glim_status glim__align_rule(glim_extract *rule, const glim_align_options *o, glim_error *err);
glim_status glim__align_links(glim_links *out, glim_context *ctx, const double *shares, size_t T,
                              size_t S, glim_extract rule, glim_error *err);
glim_status glim__align_gold(glim_links *out, glim_context *ctx, const glim_align_options *o,
                             size_t S, size_t T, glim_error *err);
/* Into the document; unit_of[S] are the units of the source words. */
glim_status glim__align_tell(glim_document *doc, const glim_links *found, const glim_links *gold,
                             glim_extract rule, const size_t *unit_of, glim_error *err);

#endif
