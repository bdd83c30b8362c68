/* SPDX-License-Identifier: Apache-2.0 */
/* rising.h: orders for qsort and bsearch, the smallest first, and what lies at a share of the way.
   NaN has no place in them. */
#ifndef GLIM_BASE_RISING_H
#define GLIM_BASE_RISING_H

#include <stddef.h>

static inline int glim__rising_double(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static inline int glim__rising_size(const void *a, const void *b) {
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

/* Of n sorted numbers, between the two that are nearest. */
static inline double glim__quantile(const double *x, size_t n, double share) {
    double at = share * (double)(n - 1);
    size_t i = (size_t)at;
    return i + 1 < n ? x[i] + (at - (double)i) * (x[i + 1] - x[i]) : x[n - 1];
}

#endif
