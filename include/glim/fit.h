/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fit.h: linear and logistic models, fitted on a table's columns or on a model's
 * representation of texts, and what they are afterwards: predictors.
 *
 * What is minimised over W (O, P) and b (O), with x standardised or centred:
 *
 *   sum_i s_i loss_i + strength (l1_ratio |W|_1 + (1 - l1_ratio) / 2 |W|_2^2)
 *
 * loss is the cross entropy, or half the squared error; s_i is the weight of a row's
 * class. strength is 1/C of scikit-learn's LogisticRegression, alpha of Ridge, and
 * alpha times the number of rows of ElasticNet. Two classes have one output, the log
 * odds of the second one. b is free.
 *
 * Logistic models: L-BFGS (Liu, Nocedal 1989), with an L1 part OWL-QN (Andrew, Gao
 * 2007), both of libLBFGS. Linear ones: Cholesky, with an L1 part coordinate descent
 * (Friedman, Hastie, Tibshirani 2010). Bits do not depend on threads.
 */
#ifndef GLIM_FIT_H
#define GLIM_FIT_H

#include <glim/predictor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum glim_fit_kind { GLIM_FIT_LOGISTIC, GLIM_FIT_LINEAR } glim_fit_kind;

/* What is fitted; all borrowed. One of f32 and f64, and labels (logistic) or values. */
typedef struct glim_fit_data {
    const float *f32; /* (n, width) */
    const double *f64;
    size_t n, width;
    const int32_t *labels;      /* (n) 0 .. n_classes-1 */
    const char *const *classes; /* (n_classes) */
    size_t n_classes;
    const double *values; /* (n) */
} glim_fit_data;

/* Zero means the default, apart from strength and held_out. */
typedef struct glim_fit_options {
    glim_fit_kind kind;
    double strength; /* < 0: chosen by cross-validation from 1e-4, 1e-3, ..., 1e4, by accuracy
                        (of equal ones by loss) or squared error */
    double l1_ratio; /* 0 to 1 */
    bool raw_scale;  /* columns are centred, not divided by their deviation */
    /* "balanced" (n / (K n_k)), "A=2,B=1" (the others 1), or NULL */
    const char *class_weights;
    double held_out;     /* share of the rows that is not fitted but measured; 0 = none */
    size_t folds;        /* default 5 */
    const int32_t *fold; /* (n) -1: held out, else the row's fold; NULL: drawn by the seed,
                            each class by itself */
    uint64_t seed;
    size_t max_iterations; /* default 1000 */
    double tolerance;      /* on the largest slope of the mean loss; default 1e-8 */
} glim_fit_options;

enum { GLIM_FIT_GRID = 9 };

typedef struct glim_fit_report {
    glim_fit_kind kind;
    size_t rows, held_out; /* fitted, measured */
    size_t left_out;       /* rows with missing values */
    size_t cut;            /* texts longer than the model's context, of which the end is lost */
    size_t width, n_classes;
    double strength, l1_ratio;
    struct {
        double strength, score, error; /* accuracy, or mean squared error; its standard error */
    } grid[GLIM_FIT_GRID];
    size_t n_grid, folds;
    size_t correct;             /* of those held out */
    double accuracy, low, high; /* Wilson's 95 % interval; NaN when nothing was held out */
    double majority;            /* the share of the most frequent class among them */
    double rmse, r2;            /* linear */
    double loss;                /* mean over the rows fitted, without penalty and weights */
    size_t iterations, zeros;   /* zeros: weights that are 0 */
    double slope;               /* the largest slope where the fit ended */
    bool converged, separable;  /* separable: no finite best weights, there is no penalty */
    double seconds;
} glim_fit_report;

typedef struct glim_linear glim_linear;

/* Facts; strings are borrowed. */
typedef struct glim_linear_info {
    const char *path;   /* of the file, or NULL */
    const char *digest; /* SHA-256 of the file, or NULL */
    glim_fit_kind kind;
    const char *target;         /* the column that it predicts, or NULL */
    const char *const *classes; /* [n_classes]; none of a linear model */
    size_t n_classes, width, outputs;
    const char *const *columns; /* [n_columns] of a table; none of texts */
    size_t n_columns;
    const char *site, *pool, *architecture, *model_digest; /* of texts, or NULL */
    double strength, l1_ratio, accuracy, low, high;
    size_t rows, held_out;
} glim_linear_info;

/* Fits. Errors: EUSAGE (one class, fewer rows than folds, options out of range),
   ENUMERIC (NaN or infinite, with the row), ECANCELLED, ENOMEM, EBUDGET. */
GLIM_API glim_status glim_fit(glim_linear **out, glim_fit_report *report, glim_context *ctx,
                              const glim_fit_data *data, const glim_fit_options *options,
                              glim_error *err);

/* A table's columns. A column is numeric when all its cells are numbers or missing
   (empty, NA, NaN, nan, null), else its values become indicators. */
typedef struct glim_fit_table {
    const char *path, *label;
    const char *columns; /* "a,b,c", or NULL: all but the label */
    bool drop_missing;   /* leave out rows with missing cells; else they are an error */
} glim_fit_table;

GLIM_API glim_status glim_fit_columns(glim_linear **out, glim_fit_report *report, glim_context *ctx,
                                      const glim_fit_table *table, const glim_fit_options *options,
                                      glim_error *err);

/* A model's representation of texts: a site of the residual stream, pooled over the
   tokens ("mean", "last", "cls"). A text that is longer than the context loses its end. */
typedef struct glim_fit_texts {
    const char *path, *text, *label; /* columns */
    const char *site, *pool;
    bool drop_missing;
} glim_fit_texts;

GLIM_API glim_status glim_fit_representation(glim_linear **out, glim_fit_report *report,
                                             const glim_model *model, const glim_fit_texts *texts,
                                             const glim_fit_options *options, glim_error *err);

/* The file is JSON, docs/schema/glim.linear-1.schema.json. */
GLIM_API glim_status glim_linear_save(const glim_linear *linear, const char *path, glim_error *err);
/* Errors: EIO, EFORMAT (names the member that is wrong), ELIMIT, ENOMEM, EBUDGET. */
GLIM_API glim_status glim_linear_open(glim_linear **out, glim_context *ctx, const char *path,
                                      glim_error *err);
GLIM_API void glim_linear_close(glim_linear *linear);
GLIM_API const glim_linear_info *glim_linear_facts(const glim_linear *linear);
/* Weights (outputs, width) and bias (outputs) of x as it is given, not standardised. */
GLIM_API void glim_linear_weights(const glim_linear *linear, double *weights, double *bias);

/* The model with the fitted one in the place of its end: a classifier of texts, which
   can be used as any other. Shares the weights of `model`, which must outlive it.
   Errors: EUSAGE (fitted on a table, or on another model), ENOMEM. */
GLIM_API glim_status glim_model_open_fitted(glim_model **out, const glim_model *model,
                                            const glim_linear *linear, glim_error *err);

/* One row as a predictor: its units are the table's columns, x is standardised, so 0
   is a column's mean. cells are by name; others are ignored. All is borrowed for the
   predictor's life but names and cells. Errors: EUSAGE (a column is not there, a class
   or output that is none), EFORMAT (no number, a missing cell). */
GLIM_API glim_status glim_predictor_row(glim_predictor **out, const glim_linear *linear,
                                        const char *const *names, const char *const *cells,
                                        size_t n, const glim_class_options *options,
                                        glim_error *err);
/* Values of a row (outputs, or n_classes log odds or logits), cells as above. */
GLIM_API glim_status glim_linear_row(const glim_linear *linear, const char *const *names,
                                     const char *const *cells, size_t n, double *values,
                                     glim_error *err);

#ifdef __cplusplus
}
#endif
#endif
