/* SPDX-License-Identifier: Apache-2.0 */
/*
 * features.h: samples as rows of numbers with what they should say, read in blocks and as
 * often as wanted, so that a table or a stored representation need not lie in memory.
 */
#ifndef GLIM_INFLUENCE_FEATURES_H
#define GLIM_INFLUENCE_FEATURES_H

#include "base/context.h"

typedef struct glim_features {
    size_t n, width;
    /* Samples first .. first + count - 1: x (count, width) and y (count), the value or the
       number of the class; NaN = not known. Always the same for the same samples. */
    glim_status (*read)(void *data, size_t first, size_t count, double *x, double *y,
                        glim_error *err);
    void *data;
    const char *const *names; /* (width), or NULL: "feature 1", ... */
} glim_features;

/* Rows that lie in memory; all is borrowed. One of x and x32. */
typedef struct glim_features_array {
    const double *x;
    const float *x32;
    const double *y;
    size_t width;
} glim_features_array;
glim_features glim__features_of(const glim_features_array *array, size_t n);

/* Room for a block, and the samples in it. `rows` blocks hold at most GLIM_FEATURES_BLOCK. */
enum { GLIM_FEATURES_BLOCK = 256 };

/* Calls `each` for every block of samples in order, with progress by samples. */
typedef glim_status glim_features_fn(void *data, size_t first, size_t count, double *x, double *y,
                                     glim_error *err);
glim_status glim__features_each(glim_context *ctx, const glim_features *f, glim_features_fn *each,
                                void *data, glim_error *err);
/* The name of feature j; `room` holds one that is made. */
const char *glim__features_name(const glim_features *f, size_t j, char room[40]);

#endif
