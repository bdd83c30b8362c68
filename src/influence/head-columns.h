/* SPDX-License-Identifier: Apache-2.0 */
/*
 * head-columns.h: what a head can be fitted on: the columns of a file of rows as features,
 * and what is predicted, as fit-columns.c and fit-target.c have it of a table in memory.
 */
#ifndef GLIM_INFLUENCE_HEAD_COLUMNS_H
#define GLIM_INFLUENCE_HEAD_COLUMNS_H

#include "file/rows.h"
#include "predict/fit.h"

typedef enum glim_head_kind {
    GLIM_HEAD_AUTO, /* numbers when the label has ten different ones, else classes */
    GLIM_HEAD_LOGISTIC,
    GLIM_HEAD_LINEAR
} glim_head_kind;

/* A model with columns, target and classes; its weights, means and deviations are 0. `columns`
   are as of glim_fit_table. The file is read once, and again where a column has words. Errors:
   EUSAGE (a column that is not there, one class, too many of them), EFORMAT, and those of
   reading. */
glim_status glim__head_columns(glim_linear **out, glim_context *ctx, glim_rows *rows,
                               const char *label, const char *columns, glim_head_kind kind,
                               glim_error *err);

#endif
