/* SPDX-License-Identifier: Apache-2.0 */
/*
 * columns.h: what LIME learns of the columns of a table: which hold numbers and which
 * words, how numbers are cut into bins and how often each is met, as the discretizers of
 * lime 0.2.0.1 (discretize.py) do. A column is a number when all its cells are, or are
 * missing; `constant` when only one thing is met in it.
 */
#ifndef GLIM_EXPLAIN_COLUMNS_H
#define GLIM_EXPLAIN_COLUMNS_H

#include "base/arena.h"
#include "base/buffer.h"
#include "file/table.h"

enum { GLIM_MOST_CUTS = 9 };

typedef enum glim_discretizer {
    GLIM_BINS_QUARTILE,
    GLIM_BINS_DECILE,
    GLIM_BINS_ENTROPY, /* where a tree of three levels would cut to tell the labels apart */
    GLIM_BINS_NONE     /* numbers as they are, in standard deviations */
} glim_discretizer;

/* The numbers x with cuts[b - 1] < x <= cuts[b]. */
typedef struct glim_bin {
    double share; /* of the cells that are there */
    double mean, deviation, least, most;
    double start;       /* share of the bins below */
    double below, gain; /* of a normal distribution: what lies below the bin, and what lies
                           in it over `share` */
} glim_bin;

typedef struct glim_column {
    const char *name;
    size_t at;              /* column of the table */
    bool numeric;           /* its cells are numbers */
    bool category;          /* it is told apart by equality: words, or by wish */
    bool constant;          /* nothing to tell apart */
    size_t there, values;   /* cells that are there; different ones */
    uint32_t *rows;         /* (there) the rows of those, NULL when none is missing */
    double mean, deviation; /* of numbers; the deviation of constant ones is 1 */
    double least, most;
    double cuts[GLIM_MOST_CUTS];
    size_t n_cuts;
    glim_bin bins[GLIM_MOST_CUTS + 1];
} glim_column;

/* labels (n_rows): classes for GLIM_BINS_ENTROPY, else NULL. What column->at and
   ->category say is given; the rest is filled in. Errors: ENOMEM, EBUDGET, ECANCELLED. */
glim_status glim__column_learn(glim_column *column, const glim_table *t, glim_arena *arena,
                               glim_discretizer how, const int32_t *labels, glim_error *err);
size_t glim__column_bin(const glim_column *column, double x);
/* "age in (38, 47]", "age <= 38", "job = clerk"; without bins "age per 12.9". */
void glim__column_rule(glim_buffer *out, const glim_column *column, glim_discretizer how,
                       const char *cell);

/* Cuts of n values by an entropy tree of depth 3 on their labels (0 .. n_labels - 1), in
   ascending order, at most 7; what scikit-learn's DecisionTreeClassifier finds. Returns how
   many; without a split 0. values and labels are sorted in place. */
size_t glim__entropy_cuts(glim_context *ctx, const double *values, const int32_t *labels, size_t n,
                          double *cuts, glim_error *err, glim_status *status);

#endif
