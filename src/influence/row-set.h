/* SPDX-License-Identifier: Apache-2.0 */
/*
 * row-set.h: which rows of a file are samples, at a bit a row, and which row the i-th is:
 * counts of every 512 rows are searched, then bits are counted.
 */
#ifndef GLIM_INFLUENCE_ROW_SET_H
#define GLIM_INFLUENCE_ROW_SET_H

#include "base/context.h"

typedef struct glim_row_set {
    size_t rows, n; /* n: how many are in it, as of glim__row_set_count */
    uint64_t *bits;
    size_t *before;
} glim_row_set;

/* Empty. False when memory is refused. */
bool glim__row_set_init(glim_row_set *s, glim_context *ctx, size_t rows);
void glim__row_set_release(glim_row_set *s, glim_context *ctx);
static inline bool glim__row_set_has(const glim_row_set *s, size_t row) {
    return s->bits[row / 64] >> row % 64 & 1;
}
void glim__row_set_put(glim_row_set *s, size_t row, bool is);
/* After rows have been put. */
void glim__row_set_count(glim_row_set *s);
/* The i-th row of the set, i < n. */
size_t glim__row_set_find(const glim_row_set *s, size_t i);

#endif
