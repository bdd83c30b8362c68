/* SPDX-License-Identifier: Apache-2.0 */
/*
 * merge.h: the loop that both kinds of BPE share. Symbols are neighbouring
 * ranges of one text; the pair of highest priority is merged, leftmost first,
 * until no pair has one. A heap over a doubly linked list: O(n log n).
 */
#ifndef GLIM_TEXT_MERGE_H
#define GLIM_TEXT_MERGE_H

#include "base/context.h"

typedef struct glim_symbol {
    uint32_t start, len;   /* len 0: merged into its left neighbour */
    int32_t before, after; /* -1 = none */
    int32_t id;            /* the caller's; a merged symbol gets the pair's */
} glim_symbol;

typedef struct glim_merge_pair {
    float priority;
    int32_t left;
    uint32_t len; /* of both symbols when pushed; stale if it changed */
    int32_t id;   /* what the merged symbol gets */
} glim_merge_pair;

typedef struct glim_merge {
    glim_context *ctx;
    glim_symbol *symbols; /* [count] */
    glim_merge_pair *heap;
    size_t count, cap, heap_count;
    /* Fills in priority (and id) of merging a with b, which follows it; false = no
       such merge. */
    bool (*priority)(const void *data, const glim_symbol *a, const glim_symbol *b,
                     glim_merge_pair *out);
    const void *data;
} glim_merge;

/* Room for n symbols and none of them used; false when memory is refused. */
bool glim__merge_reserve(glim_merge *m, size_t n);
void glim__merge_push(glim_merge *m, uint32_t start, uint32_t len);
void glim__merge_run(glim_merge *m);
void glim__merge_release(glim_merge *m);

#endif
