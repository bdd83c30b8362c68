/* SPDX-License-Identifier: Apache-2.0 */
/* array.h: training rows of numbers, as a table and as what is usual in each column. */
#ifndef GLIM_PREDICT_ARRAY_H
#define GLIM_PREDICT_ARRAY_H

#include "file/table.h"

#include <glim/array.h>

struct glim_array {
    glim_context *ctx;
    size_t n, d;
    glim_table table;   /* (n, d), and the labels behind */
    double *usual;      /* (d) means of the cells that are there */
    const char *labels; /* the column of labels, or NULL */
};

#endif
