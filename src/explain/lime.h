/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lime.h: the local model of LIME, apart from where its samples come from. Whoever has
 * drawn samples around an input and asked for the target on them gets the weighted linear
 * model, its standard errors and how stable it is (glim__lime_fit), or all of that for the
 * rows of a game, put into a document (glim__lime_rows), and judged (glim__lime_judge).
 */
#ifndef GLIM_EXPLAIN_LIME_H
#define GLIM_EXPLAIN_LIME_H

#include "explain/game.h"

/* The method's parameters. */
typedef struct glim_lime_params {
    const char *absent, *selection;
    int64_t n_samples, num_features; /* 0: as the input needs */
    double kernel_width, alpha;      /* width 0: as the input needs */
    bool bow;
    const char *discretizer, *categorical, *label_column; /* of tables, as is what follows */
    bool sample_around_instance;
    int64_t top_labels;
    int64_t pick, pick_from; /* for those who explain many rows (cli/pick.c) or texts: */
    const char *data, *text; /* a file of them, and their column (cli/pick-texts.c) */
} glim_lime_params;

/* How the features of the local model are chosen, at most so many of d. */
typedef enum glim_lime_select {
    GLIM_SELECT_AUTO,    /* forward up to 6, else by highest weights */
    GLIM_SELECT_FORWARD, /* greedily by the R^2 of the unregularised fit */
    GLIM_SELECT_HIGHEST, /* a ridge (alpha 0.01) on all: the largest |coefficient * input| */
    GLIM_SELECT_LASSO,   /* the last step of the lasso path with as few */
    GLIM_SELECT_NONE     /* all */
} glim_lime_select;

/* n samples of d features around an input, which is sample 0. */
typedef struct glim_lime_data {
    glim_context *ctx;
    size_t n, d;
    const uint8_t *z;     /* (n, d) which features are there; or NULL, and then */
    const double *x;      /* (n, d) any numbers, best of mean 0 and deviation 1 */
    const double *weight; /* (n) >= 0 */
    const double *y;      /* the target of sample i is y[i * step] */
    size_t step;
} glim_lime_data;

typedef struct glim_lime_options {
    glim_lime_select select;
    size_t num_features; /* 0: all of up to 30, else 10 */
    double alpha;        /* strength of the ridge */
    uint64_t seed;       /* of the refits */
} glim_lime_options;

typedef struct glim_lime_result {
    double *coefficients, *errors; /* (d) the caller's room; 0 where a feature was not chosen */
    double intercept;
    double local_pred;   /* the local model on sample 0 */
    double r2;           /* NaN: the target is constant */
    double n_eff;        /* samples that count, by their weights */
    double jaccard, tau; /* of the five largest and of the whole order, mean of 20 refits */
    size_t used;         /* features of the model */
} glim_lime_result;

/* Errors: ENUMERIC (the samples do not tell the features apart), ENOMEM, EBUDGET. */
glim_status glim__lime_fit(const glim_lime_data *data, const glim_lime_options *options,
                           glim_lime_result *out, glim_error *err);
/* Bytes that it takes besides, for plans. */
uint64_t glim__lime_room(uint64_t n, uint64_t d);

/* The worst of what was fitted for a document. */
typedef struct glim_lime_summary {
    double r2, n_eff, jaccard, tau, off; /* off: |local model - target| on the input */
    size_t most;                         /* features of a local model */
    size_t fits;
} glim_lime_summary;

glim_lime_summary glim__lime_summary(void);
/* Fits the local model of each row of a game, whose targets are data->y (n, rows), and puts
   scores, errors and the intercept, as baseline value, into the document. */
glim_status glim__lime_rows(const glim_game *g, glim_lime_data *data, const glim_lime_options *o,
                            glim_lime_summary *sum, glim_document *doc, glim_error *err);
/* Checks and verdict; without fits nothing. */
void glim__lime_judge(const glim_lime_summary *sum, glim_document *doc);

/* The options of a fit that parameters stand for. */
glim_lime_options glim__lime_fit_options(const glim_lime_params *o, uint64_t seed);

/* ---- rows of tables (lime-table.c) ---- */

/* Whether samples are drawn from the table whose row it is, and not by absent units. */
bool glim__lime_of_table(const glim_predictor *p, const glim_lime_params *o);
glim_status glim__lime_table(glim_predictor *p, const glim_lime_params *o, uint64_t seed,
                             glim_document *doc, glim_error *err);
void glim__lime_table_plan(const glim_predictor *p, const glim_lime_params *o, glim_plan *out);

/* How much a sample counts that has `there` of d features: exp(-D^2 / 2 width^2) with D = 100
   (1 - sqrt(there / d)). */
double glim__lime_weight(size_t there, size_t d, double width);

/* ---- samples of pictures (lime-picture.c) ---- */

/* z (n, d): each feature there or not by the toss of a coin, in sample 0 all. */
void glim__lime_coins(uint64_t seed, size_t n, size_t d, uint8_t *z);
/* How much samples count by the share of features that are there; width as --kernel-width. */
void glim__lime_closeness(const uint8_t *z, size_t n, size_t d, double width, double *weight);

/* ---- inside: moments (lime-moments.c) and the local model (lime-fit.c) ---- */

/* Weighted moments of features and target about their weighted means. The lower rows of
   one product of the samples with themselves: rows d and d + 1 are cross and mean. */
typedef struct glim_moments {
    size_t d, ld;                 /* ld: d + 2 in whole vectors */
    double weight, mean_y, var_y; /* sums: of weights; W-weighted mean; sum w (y - mean)^2 */
    double *gram;                 /* (d + 2, ld) sum w (x_i - mean_i) (x_j - mean_j) */
    double *cross;                /* (d) sum w (x_i - mean_i) (y - mean_y) */
    double *mean;                 /* (d) */
} glim_moments;

/* A local model: y = intercept + sum of coefficient_i x_i over the used features. */
typedef struct glim_local {
    size_t *used, n;     /* features in ascending order */
    double *coefficient; /* (n) of them */
    double intercept, r2;
} glim_local;

/* Doubles that the moments of d features take, and those of scratch besides. */
size_t glim__moments_size(size_t d);
size_t glim__moments_scratch(size_t d);
/* The raw sums of samples first .. end into `sums` (glim__moments_size(k)), of the features
   `columns` (k), NULL: of all; sample i counts weight[i] times. */
void glim__moments_sum(double *sums, const glim_lime_data *data, const double *weight, size_t first,
                       size_t end, const size_t *columns, size_t k, double *scratch);
/* Moments out of the raw sums that lie at m->gram, in place. */
void glim__moments_centre(glim_moments *m, const glim_lime_data *data, size_t k);
/* Both, of all samples. */
void glim__moments(glim_moments *m, const glim_lime_data *data, const double *weight,
                   const size_t *columns, size_t k, double *scratch);
/* out (k, k) = sum weight (x_i - mean_i) (x_j - mean_j), mean (k) given. */
void glim__moments_about(double *out, const glim_lime_data *data, const double *weight,
                         const size_t *columns, size_t k, const double *mean, glim_moments *room,
                         double *scratch);
/* Sample s, feature j. */
static inline double glim__lime_at(const glim_lime_data *a, size_t s, size_t j) {
    return a->z ? a->z[s * a->d + j] : a->x[s * a->d + j];
}

/* Room of `scratch` (doubles) that the two below need. */
size_t glim__local_scratch(size_t d);
/* input (d): the features of sample 0; NULL: all 1. */
void glim__local_choose(glim_local *out, const glim_moments *m, glim_lime_select how, size_t most,
                        const double *input, double *scratch);
/* Ridge with strength alpha on the used features; false when it has no solution. The
   factor of the normal equations, (n, n), stays at scratch. */
bool glim__local_fit(glim_local *out, const glim_moments *m, double alpha, double *scratch);

#endif
