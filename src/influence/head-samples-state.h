/* SPDX-License-Identifier: Apache-2.0 */
/* head-samples-state.h: what the two files of head-samples.h share. */
#ifndef GLIM_INFLUENCE_HEAD_SAMPLES_STATE_H
#define GLIM_INFLUENCE_HEAD_SAMPLES_STATE_H

#include "influence/head-samples.h"
#include "influence/kept-features.h"
#include "influence/row-set.h"
#include "influence/spool.h"

struct glim_head_samples {
    glim_context *ctx;
    const glim_linear *linear;
    glim_head_samples_options o;
    glim_fit_texts how;
    const char *path;
    size_t from, rows;         /* the first row, and how many there are */
    size_t label, text, *used; /* columns; used (n_columns of the head) */
    glim_row_set samples;
    size_t left_out, held_out;
    uint64_t cut;
    glim_kept_features kept;
    glim_spool said;  /* labels, by rows */
    size_t held;      /* the block that is there; SIZE_MAX: none */
    char *block;      /* features, and how many of its texts were cut */
    double *y;        /* (GLIM_FEATURES_BLOCK) */
    glim_arena cells; /* of a block while rows are read, then of one row */
    const char *given[1];
    glim_features features;
};

/* Rows of block b. */
static inline size_t glim__head_rows_in(const glim_head_samples *s, size_t b) {
    return s->rows - b * GLIM_FEATURES_BLOCK < GLIM_FEATURES_BLOCK
               ? s->rows - b * GLIM_FEATURES_BLOCK
               : GLIM_FEATURES_BLOCK;
}

/* After rows were taken into the set, or out of it. */
static inline void glim__head_rows_count(glim_head_samples *s) {
    glim__row_set_count(&s->samples);
    s->features.n = s->samples.n;
}

/* Checks all rows, and keeps labels, and features of numbers (head-rows.c). */
glim_status glim__head_rows_take(glim_head_samples *s, glim_error *err);
/* Features of texts. */
glim_status glim__head_rows_represent(glim_head_samples *s, glim_error *err);
/* Cells (n, columns) of rows, until others are read. */
glim_status glim__head_rows_cells(glim_head_samples *s, size_t first, size_t n,
                                  const char *const **cells, glim_error *err);

#endif
