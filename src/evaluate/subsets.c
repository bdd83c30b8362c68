/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random removals. A subset is a function of (seed, stream, sample) alone, so that a metric
 * draws it once for the mask and again when it reads, without keeping it; metrics that use
 * the same stream share the predictor's answers. Selection sampling (Knuth 3.4.2 S) takes
 * feature i with the chance that leaves `size` in all.
 */
#include "base/rng.h"
#include "evaluate/metrics.h"

#include <math.h>

double glim__subset(const glim_case *c, unsigned stream, size_t sample, size_t size, uint8_t *keep,
                    size_t *taken) {
    uint64_t at = (uint64_t)stream << 40 | sample;
    double sum = 0;
    if (!size)
        size = 1 + glim__rng_below(c->seed, at, c->d, (uint32_t)c->d);
    if (taken)
        *taken = size;
    for (size_t i = 0; i < c->d; i++) {
        bool gone =
            glim__rng_uniform(c->seed, at, i) * (double)(c->d - i) < (double)size; /* size left */
        size -= gone;
        sum += gone ? glim__score(c->phi[i]) : 0;
        if (keep)
            keep[i] = !gone;
    }
    return sum;
}

size_t glim__subsets(const glim_case *c, unsigned stream, size_t draws, size_t size,
                     uint8_t *keep) {
    for (size_t i = 0; i < draws && keep; i++)
        glim__subset(c, stream, i, size, keep + i * c->d, NULL);
    return draws;
}
