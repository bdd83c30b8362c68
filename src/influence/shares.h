/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shares.h: a stage over samples, parted among the processes of a team (base/team.h) so that
 * what comes out has the same bits whatever their number.
 *
 * Rows. What a method says of a sample depends on no other, so short runs of samples are dealt
 * out in turn, and the first process takes all records in the order of samples.
 *
 * Sums. Floating point adds in another order to other bits. So a sum over samples is always
 * made of the sums of a few pieces, which follow from the number of samples alone, and these
 * are added in their order; one process does the same by itself. Pieces, not a tree over
 * samples, since every partial sum may be as large as a matrix: a process has one at a time.
 */
#ifndef GLIM_INFLUENCE_SHARES_H
#define GLIM_INFLUENCE_SHARES_H

#include "base/context.h"
#include "base/team.h"

/* ---- rows ---- */

typedef struct glim_share {
    glim_context *ctx;
    const char *stage; /* of the progress */
    size_t n, block;   /* samples; as many at a time at most */
    size_t bytes;      /* of a sample's record */
    bool inner;        /* `work` is one pass over its samples, which tells the progress */
    /* Whether the block from this sample on is to be worked on; NULL = all are. All
       processes answer alike. */
    bool (*wanted)(void *data, size_t first);
    /* Fills in the records of these samples, which are zeroed. */
    glim_status (*work)(void *data, size_t first, size_t count, void *records, glim_error *err);
    /* At the first process, in the order of samples; of a block that is not wanted NULL. */
    glim_status (*take)(void *data, size_t first, size_t count, const void *records,
                        glim_error *err);
    void *data;
} glim_share;

/* Errors: ENOMEM, EBUDGET, ECANCELLED, those of the team and of the functions. */
glim_status glim__share(const glim_share *s, glim_error *err);

/* ---- sums ---- */

enum { GLIM_PIECES = 16, GLIM_PIECE_LEAST = 16 }; /* pieces at most; samples of one at least */

/* How many pieces n samples have, and where piece p begins; that of the end is n. */
size_t glim__pieces(size_t n);
size_t glim__piece_begins(size_t n, size_t p);

typedef struct glim_piecewise {
    glim_context *ctx;
    const char *stage; /* as of a share */
    size_t n;
    bool inner;
    size_t skip; /* samples of pieces that were summed in an earlier run; alone only */
    /* This process's piece: its sums are made. */
    glim_status (*piece)(void *data, size_t first, size_t count, glim_error *err);
    /* Pieces first .. first + count - 1 have been made, by this process and others: each sum is
       handed to glim__pieces_add, in one order everywhere, and zeroed. */
    glim_status (*add)(void *data, size_t first, size_t count, glim_error *err);
    void *data;
} glim_piecewise;

glim_status glim__piecewise(const glim_piecewise *s, glim_error *err);

/* Numbers that are summed: `part` of this process's piece, `total` where they are added up, at
   process `owner`; elsewhere it may be NULL. */
typedef enum glim_sum_type { GLIM_SUM_F64, GLIM_SUM_F32, GLIM_SUM_U64 } glim_sum_type;
typedef struct glim_partial {
    glim_sum_type type;
    size_t n;
    const void *part;
    void *total;
    int owner;
} glim_partial;
glim_status glim__pieces_add(glim_context *ctx, size_t first, size_t count, const glim_partial *s,
                             glim_error *err);
/* The process that adds up sum i of many. */
int glim__sum_owner(const glim_context *ctx, size_t i);

#endif
