/* SPDX-License-Identifier: Apache-2.0 */
/*
 * influence.h: which training samples made a model say what it said.
 *
 * Every method has one form. It goes through the training samples in their order, a block
 * at a time, and says of each sample a row of named numbers, the columns: diagnostics of
 * the sample itself (its leverage, its Cook's distance), and its influence on each query.
 * Nothing keeps all rows; who wants them takes the blocks as they come (a file, a store,
 * the few highest of a column), so memory does not grow with the number of samples.
 *
 * Sign and scale. What was minimised is J(w) = sum_i L_i(w) + penalty, and H is its second
 * derivative, both sums over the samples. The influence of sample i on f is
 *
 *   I_i = -grad f' H^-1 grad L_i
 *
 * > 0: the sample raised f (it is a proponent); without it f would change by about -I_i.
 * f is the log-probability of what the query says unless another target is asked for, and
 * then a proponent is helpful.
 */
#ifndef GLIM_INFLUENCE_H
#define GLIM_INFLUENCE_H

#include <glim/model.h>
#include <glim/param.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GLIM_NO_QUERY SIZE_MAX

typedef struct glim_influence_column {
    const char *name; /* "cooks-distance", "self-influence"; of a query "influence" */
    size_t query;     /* which; GLIM_NO_QUERY: a number of the sample by itself */
    double threshold; /* beyond it a sample wants a look; NaN = no such convention */
    bool is_signed;   /* both signs mean something: |value| is compared with the threshold */
} glim_influence_column;

/* Rows of `count` samples from `first` on. NaN = undefined for that sample. */
typedef struct glim_influence_block {
    size_t first, count;
    const double *values; /* (count, columns) */
} glim_influence_block;

/* Called once for every block, in order, on the calling thread. */
typedef struct glim_influence_sink {
    glim_status (*take)(void *data, const glim_influence_block *block, glim_error *err);
    void *data;
} glim_influence_sink;

/* What is kept of a column: its ends, and facts of all of it. */
typedef struct glim_influence_entry {
    size_t sample;
    double value;
} glim_influence_entry;

enum { GLIM_INFLUENCE_BINS = 64 };

typedef struct glim_influence_ends {
    glim_influence_entry *high, *low; /* (n_high) largest first, (n_low) smallest first; equal
                                         values in sample order; no sample is in both */
    size_t n_high, n_low;
    size_t beyond;          /* samples past the threshold */
    size_t defined;         /* samples with a value */
    double mean, deviation; /* of those; NaN without any */
    double reach; /* the power of two that no value is beyond; 0 = all are zero, or none */
    uint64_t bins[GLIM_INFLUENCE_BINS]; /* of equal width from -reach to reach */
} glim_influence_ends;

/* A sink that keeps the `most` highest and lowest samples of every column. */
typedef struct glim_extremes glim_extremes;

/* `columns` are borrowed. Errors: EUSAGE (no columns), ENOMEM, EBUDGET. */
GLIM_API glim_status glim_extremes_new(glim_extremes **out, glim_context *ctx,
                                       const glim_influence_column *columns, size_t n_columns,
                                       size_t most, glim_error *err);
GLIM_API void glim_extremes_free(glim_extremes *e);
GLIM_API glim_influence_sink glim_extremes_sink(glim_extremes *e);
/* Of one column, as of the blocks so far; borrowed until the next block. */
GLIM_API const glim_influence_ends *glim_extremes_column(glim_extremes *e, size_t column);

#ifdef __cplusplus
}
#endif
#endif
