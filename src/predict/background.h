/* SPDX-License-Identifier: Apache-2.0 */
/*
 * background.h: the rows of its table whose cells the absent columns of a row take, with
 * --absent resample. The target with some columns absent is the mean over these rows
 * (the marginal expectation of Kernel SHAP).
 */
#ifndef GLIM_PREDICT_BACKGROUND_H
#define GLIM_PREDICT_BACKGROUND_H

#include "predict/fit.h"
#include "predict/predictor.h"

/* How many rows there will be at most. */
size_t glim__background_count(const glim_predictor *p);
/* Rows of p->table: all, or p->background of them, drawn by p->background_seed without
   replacement, in the table's order. Free with glim__free. Errors: EUSAGE (there is no
   table), ENOMEM, EBUDGET. */
glim_status glim__background_rows(const glim_predictor *p, size_t **rows, size_t *n,
                                  glim_error *err);

/* Every mask is one row to ask, or as many as the background has. */
void glim__background_plan_values(const glim_predictor *p, const uint8_t *keep, size_t n,
                                  glim_absent absent, glim_plan *out);

/* What a fitted model makes of them: outputs with every column absent, and what each
   column of the explained row adds when it is there. */
typedef struct glim_fit_background {
    size_t n, U, O;
    double *base; /* (n, O) */
    double *away; /* (n, U, O) */
    size_t most;  /* made for these */
    uint64_t seed;
} glim_fit_background;

/* x (P): the explained row, standardised. What was made for the same draw is kept. Rows with
   missing cells are left out. Errors: EUSAGE (no table, no whole row, a column that is
   not there), EFORMAT (a cell that cannot be read), ENOMEM, EBUDGET. */
glim_status glim__fit_background_make(glim_fit_background *b, const glim_predictor *p,
                                      const glim_linear *l, const double *x, glim_error *err);
void glim__fit_background_release(glim_fit_background *b, glim_context *ctx);
uint64_t glim__fit_background_bytes(const glim_predictor *p, const glim_linear *l);
/* z (O) of the i-th, with the kept columns (U) of the explained row. */
void glim__fit_background_outputs(const glim_fit_background *b, size_t i, const uint8_t *keep,
                                  double *z);

#endif
