/* SPDX-License-Identifier: Apache-2.0 */
/*
 * array.h: rows of numbers, and a function of the caller that answers them. What a program
 * holds as an array needs no file and no text: LIME draws samples as its columns have them
 * and hands them over as numbers.
 */
#ifndef GLIM_ARRAY_H
#define GLIM_ARRAY_H

#include <glim/explain.h>
#include <glim/predictor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Training rows: what columns hold, how often, and what is usual in them. */
typedef struct glim_array glim_array;

/* x (n, d), copied; NaN is an empty cell. names (d): of the columns, all different. labels (n),
   for methods that look where labels change (lime, discretizer entropy), or NULL. Errors:
   EUSAGE (no rows or columns, a name twice), EFORMAT (a name that is not UTF-8), ENUMERIC
   (an infinity), ELIMIT, ENOMEM, EBUDGET. */
GLIM_API glim_status glim_array_new(glim_array **out, glim_context *ctx, const double *x, size_t n,
                                    size_t d, const char *const *names, const double *labels,
                                    glim_error *err);
GLIM_API void glim_array_free(glim_array *array); /* NULL is fine */

/* rows (n, d) to values (n, K), which are NaN before. A failure fills *err. */
typedef glim_status glim_array_function(void *data, const double *rows, size_t n, double *values,
                                        glim_error *err);

/* What is asked; all of it is borrowed. */
typedef struct glim_array_target {
    const char *const *classes; /* [n_classes], or NULL with 1: it predicts a number */
    size_t n_classes;
    bool prob;          /* values are probabilities, from 0 to 1 */
    size_t class_index; /* SIZE_MAX: the largest on the row */
    glim_array_function *function;
    void *data;
} glim_array_target;

/* One row (d) as a predictor, whose units are the columns: an absent one has its mean, a
   categorical method draws its own. array and what `target` points to must outlive it. Asks
   for the row itself. Errors: EUSAGE, ENUMERIC (NaN or an infinity in an answer), EFORMAT
   (probabilities that are none), those of the function, ENOMEM, EBUDGET. */
GLIM_API glim_status glim_predictor_array(glim_predictor **out, const glim_array *array,
                                          const double *row, const glim_array_target *target,
                                          glim_error *err);

#ifdef __cplusplus
}
#endif
#endif
