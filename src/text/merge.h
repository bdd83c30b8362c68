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
} glim_symbol;

typedef struct glim_merge_pair {
    float priority;
    int32_t left;
    uint32_t len; /* of both symbols when pushed; stale if it changed */
} glim_merge_pair;

typedef struct glim_merge {
    glim_context *ctx;
    glim_symbol *symbols; /* [count] */
    glim_merge_pair *heap;
    size_t count, cap, heap_count;
    /* Priority of merging text[start, +a) with the b bytes behind it; false = no
       such merge. */
    bool (*priority)(const void *data, uint32_t start, uint32_t a, uint32_t b, float *out);
    const void *data;
} glim_merge;

/* Room for n symbols and none of them used; false when memory is refused. */
bool glim__merge_reserve(glim_merge *m, size_t n);
void glim__merge_push(glim_merge *m, uint32_t start, uint32_t len);
void glim__merge_run(glim_merge *m);
void glim__merge_release(glim_merge *m);

#endif
