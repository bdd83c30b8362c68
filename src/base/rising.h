/* SPDX-License-Identifier: Apache-2.0 */
/* rising.h: orders for qsort and bsearch, the smallest first. NaN has no place in them. */
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

#endif
