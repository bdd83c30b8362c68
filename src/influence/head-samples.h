/* SPDX-License-Identifier: Apache-2.0 */
/*
 * head-samples.h: rows of a file as samples of a head. Features lie on disk (of a table in a
 * file that is gone with the process, of texts also in a store); what is in memory is a block
 * of them, and a bit a row that tells which rows are samples.
 */
#ifndef GLIM_INFLUENCE_HEAD_SAMPLES_H
#define GLIM_INFLUENCE_HEAD_SAMPLES_H

#include "file/rows.h"
#include "file/store.h"
#include "influence/features.h"
#include "predict/fit.h"

typedef struct glim_head_samples glim_head_samples;

/* All borrowed; what is borrowed must outlive the samples. */
typedef struct glim_head_samples_options {
    glim_rows *rows;
    const char *given;       /* a text that is the only row, in the place of rows */
    const glim_model *model; /* that a head of texts was fitted on; else NULL */
    const char *text;        /* its column */
    const char *label;       /* column */
    bool queries;            /* labels may be missing, their column too */
    bool drop;               /* rows with missing cells are left out; else they are an error */
    size_t one;              /* only this row, from 1; 0 = all */
    bool counted;            /* rows are checked and counted alone; no features can be read */
    glim_store *store;       /* of texts' features; NULL = a temporary file */
} glim_head_samples_options;

/* Reads all rows once; texts go through the model. Errors: EUSAGE (no such column or row, a
   label that is no class of the head), EFORMAT (names the row), EIO (a full disk), and those
   of reading and of the model. */
glim_status glim__head_samples_open(glim_head_samples **out, const glim_linear *linear,
                                    const glim_head_samples_options *options, glim_error *err);
void glim__head_samples_close(glim_head_samples *s); /* NULL is fine */

/* The rows that the fit held out, drawn again by the seed: when their number is the one of
   the head's file, they are no samples any more. While they are found, this takes 12 bytes a
   sample. */
glim_status glim__head_samples_leave_held_out(glim_head_samples *s, uint64_t seed, glim_error *err);

/* Borrowed; n and all that follows change when rows are held out. */
const glim_features *glim__head_samples_features(const glim_head_samples *s);
size_t glim__head_samples_left_out(const glim_head_samples *s);
size_t glim__head_samples_held_out(const glim_head_samples *s);
size_t glim__head_samples_cut(const glim_head_samples *s); /* texts longer than the context */
/* The store has features of other texts or of another model, and had none of these. */
bool glim__head_samples_stored_others(const glim_head_samples *s);
/* The row of its file, from 0. */
size_t glim__head_samples_row(const glim_head_samples *s, size_t i);
/* All cells of a sample's row, until the next are asked for. */
glim_status glim__head_samples_cells(glim_head_samples *s, size_t i, const char *const **cells,
                                     glim_error *err);
/* Its label as a number; NaN = missing. */
glim_status glim__head_samples_said(glim_head_samples *s, size_t i, double *y, glim_error *err);
/* Columns of those cells, or SIZE_MAX. */
size_t glim__head_samples_text(const glim_head_samples *s);
size_t glim__head_samples_label(const glim_head_samples *s);
/* Bytes in memory while samples are open and read. */
uint64_t glim__head_samples_bytes(const glim_linear *linear, size_t rows);

#endif
