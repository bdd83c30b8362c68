/* SPDX-License-Identifier: Apache-2.0 */
/* Submodular pick: greedy, so within 1 - 1/e of the best choice. */
#include "explain/submodular.h"

#include <math.h>

static double gain_of(const double *row, size_t d, const double *worth, const uint8_t *seen) {
    double gain = 0;
    for (size_t j = 0; j < d; j++)
        gain += !seen[j] && row[j] != 0 ? worth[j] : 0;
    return gain;
}

size_t glim__pick(const double *w, size_t n, size_t d, size_t k, size_t *picks, double *worth,
                  double *covered, uint8_t *seen) {
    double all = 0, have = 0;
    for (size_t j = 0; j < d; j++) {
        double sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += fabs(w[i * d + j]);
        worth[j] = sqrt(sum);
        all += worth[j];
    }
    k = k < n ? k : n;
    for (size_t p = 0; p < k; p++) {
        size_t best = SIZE_MAX;
        double top = -1;
        for (size_t i = 0; i < n; i++) {
            bool taken = false;
            for (size_t q = 0; q < p; q++)
                taken = taken || picks[q] == i;
            double gain = taken ? -1 : gain_of(w + i * d, d, worth, seen);
            if (gain > top) {
                top = gain;
                best = i;
            }
        }
        picks[p] = best;
        for (size_t j = 0; j < d; j++)
            seen[j] = seen[j] || w[best * d + j] != 0;
        have += top;
        covered[p] = all > 0 ? have / all : 1;
    }
    return k;
}
