/* SPDX-License-Identifier: Apache-2.0 */
/* cosine.h: how far two vectors point apart. */
#ifndef GLIM_BASE_COSINE_H
#define GLIM_BASE_COSINE_H

#include <stddef.h>

/* What a distance is when a vector is zero and so has no direction. */
typedef struct glim_no_direction {
    double one, both;
} glim_no_direction;

/* 1 - cosine of a and b (n). */
double glim__cosine_distance(const float *a, const float *b, size_t n, glim_no_direction none);

#endif
