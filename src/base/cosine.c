/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 1 - cos as half the squared distance of the unit vectors: near 0, where two models or
 * two layers are nearly alike, nothing cancels, and equal vectors are exactly 0 apart.
 */
#include "base/cosine.h"

#include <math.h>

double glim__cosine_distance(const float *a, const float *b, size_t n, glim_no_direction none) {
    double aa = 0, bb = 0, d = 0;
    for (size_t c = 0; c < n; c++) {
        aa += (double)a[c] * a[c];
        bb += (double)b[c] * b[c];
    }
    double x = sqrt(aa), y = sqrt(bb);
    if (x <= 0 || y <= 0)
        return x > 0 || y > 0 ? none.one : none.both;
    for (size_t c = 0; c < n; c++)
        d += (a[c] / x - b[c] / y) * (a[c] / x - b[c] / y);
    return d / 2;
}
