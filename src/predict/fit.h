/* SPDX-License-Identifier: Apache-2.0 */
/* fit.h: what the files of fitting share. */
#ifndef GLIM_PREDICT_FIT_H
#define GLIM_PREDICT_FIT_H

#include "base/arena.h"
#include "file/table.h"

#include <glim/fit.h>

/* A column of a table and the features that it becomes. */
typedef struct glim_fit_column {
    const char *name;
    const char **values; /* (n_values) of a category; NULL: a number */
    size_t n_values;
    size_t first; /* feature */
} glim_fit_column;

struct glim_linear {
    glim_context *ctx;
    glim_arena arena;
    glim_linear_info info;
    double *mean, *scale; /* (P) */
    double *weights;      /* (O, P) of standardised features */
    double *bias;         /* (O) */
    glim_fit_column *columns;
    const char **column_names;
    const char **classes;
};

/* A model without weights. Errors: ENOMEM, EBUDGET. */
glim_status glim__linear_new(glim_linear **out, glim_context *ctx, glim_error *err);
/* Room for the numbers of P features and O outputs. */
glim_status glim__linear_shape(glim_linear *l, size_t P, size_t O, glim_error *err);
/* What glim_linear_open does, of bytes in memory. */
glim_status glim__linear_read(glim_linear **out, glim_context *ctx, const char *bytes, size_t n,
                              const char *name, glim_error *err);
/* z (O) of features as they are given (P). */
void glim__linear_outputs(const glim_linear *l, const double *x, double *z);

/* ---- the target (fit-target.c) ---- */

/* The different cells of a column, sorted (numbers by size), "" left out; the strings
   are the table's. */
glim_status glim__fit_different(glim_arena *arena, const glim_table *t, size_t column, bool numbers,
                                const char ***out, size_t *n, glim_error *err);
/* Sorts values and leaves each once; how many are left. */
size_t glim__fit_sort(const char **values, size_t n, bool numbers);
/* Index of text among those, or -1. */
int32_t glim__fit_find(const char *const *values, size_t n, const char *text, bool numbers);

typedef struct glim_fit_target {
    glim_context *ctx;
    const glim_table *t; /* must outlive it */
    size_t column, n;    /* n: rows taken; the caller counts */
    bool logistic, numbers;
    glim_arena arena;
    const char **classes;
    size_t n_classes;
    int32_t *labels; /* (n) */
    double *values;
} glim_fit_target;

glim_status glim__fit_target_init(glim_fit_target *g, glim_context *ctx, const glim_table *t,
                                  const char *name, bool logistic, glim_error *err);
void glim__fit_target_release(glim_fit_target *g);
/* Row `row` as the n-th. A missing cell sets *missing and is an error unless dropped. */
glim_status glim__fit_target_take(glim_fit_target *g, size_t row, const char *where, bool drop,
                                  bool *missing, glim_error *err);
/* The rows taken, without features. */
glim_fit_data glim__fit_target_data(const glim_fit_target *g);

/* ---- columns (fit-columns.c) ---- */

/* The features of one row; *missing (may be NULL) is set instead of an error. */
glim_status glim__fit_encode(const glim_fit_column *columns, size_t n, const char *const *cells,
                             const char *where, bool *missing, double *x, glim_error *err);

/* ---- texts (fit-texts.c) ---- */

/* A model cut off where texts are represented. Of `how`, which must outlive it, site and pool
   are read. */
typedef struct glim_representer glim_representer;
glim_status glim__representer_new(glim_representer **out, const glim_model *model,
                                  const glim_fit_texts *how, glim_error *err);
void glim__representer_free(glim_representer *p); /* NULL is fine */
/* The representation of n texts, none of them empty, into out (n, the model's width); adds to
 *cut how many lost their end. */
glim_status glim__represent(glim_representer *p, const char *const *texts, size_t n, float *out,
                            size_t *cut, glim_error *err);

/* ---- the problem (fit-problem.c) ---- */

/* Eigenvectors of the features' correlations, roughly: coordinates in which the loss is nearly
   round, so that a fit takes fewer steps to the same minimum. */
typedef struct glim_fit_basis {
    double *vectors; /* (P, P) a row each */
    double *turned;  /* (P, P) its transpose */
    double *values;  /* (P) eigenvalues, 1 on the mean */
} glim_fit_basis;

typedef struct glim_fit_problem {
    glim_context *ctx;
    const glim_fit_data *data;
    const uint32_t *rows; /* (n) that are fitted */
    size_t n, P, O;
    const double *weight;          /* (n_classes) or NULL */
    double total;                  /* sum of the rows' weights */
    double l1, l2;                 /* of the mean loss */
    double *mean, *scale, *factor; /* (P); factor: 1 / scale, 0 of a constant column */
    size_t ld, lo;                 /* P and O in whole vectors */
    size_t block, blocks, groups;  /* rows of a block; groups are what is summed apart */
    bool quick;                    /* the products of a block in float */
    double *turned;                /* (P, lo) */
    float *turned_single;          /* (P, lo) over the deviations, while quick */
    double *shift;                 /* (O) what the means make of them */
    double *sums;                  /* (groups, O ld + O + 1): gradients and loss */
    const glim_fit_basis *basis;   /* or NULL; not with an L1 part */
} glim_fit_problem;

/* Mean and deviation of the rows. Errors: ENOMEM, EBUDGET, ENUMERIC (naming the row). */
glim_status glim__fit_problem_init(glim_fit_problem *p, glim_context *ctx,
                                   const glim_fit_data *data, const uint32_t *rows, size_t n,
                                   bool raw_scale, glim_error *err);
void glim__fit_problem_release(glim_fit_problem *p);
/* The strength, and the weights of classes (or NULL). */
void glim__fit_problem_set(glim_fit_problem *p, const double *weight, double strength,
                           double l1_ratio);
/* The mean loss with its L2 part at w (O P, then O), and its gradient likewise. The
   worker's scratch must have been reserved by glim__fit_problem_init. */
double glim__fit_loss(glim_fit_problem *p, const double *w, double *g);
/* Whether setting `quick` gains anything: many floats, near 0. */
bool glim__fit_quick(const glim_fit_problem *p);
/* m standardised rows from `rows` into x (m, ld), padded with zeros. */
void glim__fit_rows(const glim_fit_problem *p, const uint32_t *rows, size_t m, double *x);
/* z (n, O) of any rows of the data. */
void glim__fit_outputs(glim_fit_problem *p, const double *w, const uint32_t *rows, size_t n,
                       double *z);

/* ---- solving ---- */

typedef struct glim_fit_end {
    size_t iterations;
    double slope;
    bool converged;
} glim_fit_end;

/* fit-logistic.c; w (O P + O) is the start and the result. */
glim_status glim__fit_logistic(glim_fit_problem *p, const glim_fit_options *o, double *w,
                               glim_fit_end *end, glim_error *err);

/* fit-linear.c: second moments once, then any strength. */
typedef struct glim_fit_moments {
    double *gram, *cross; /* (P, P), (P): X'X, X'(y - mean) */
    double mean, size;    /* of y; sum of (y - mean)^2 */
    double *factor;       /* (P, P) scratch of Cholesky */
} glim_fit_moments;

glim_status glim__fit_moments(glim_fit_moments *m, const glim_fit_problem *p, glim_error *err);
void glim__fit_moments_release(glim_fit_moments *m, glim_context *ctx);
glim_status glim__fit_linear(const glim_fit_moments *m, const glim_fit_problem *p, double strength,
                             const glim_fit_options *o, double *w, glim_fit_end *end,
                             glim_error *err);

/* ---- rows (fit-split.c) ---- */

/* fold (n): -1 held out, else 0 .. folds-1; each class by itself, by the seed. */
glim_status glim__fit_split(glim_context *ctx, const glim_fit_data *data, double held_out,
                            size_t folds, uint64_t seed, int32_t *fold, glim_error *err);
/* Wilson 1927: the 95 % interval of k successes in n. */
void glim__wilson(size_t k, size_t n, double *low, double *high);

#endif
