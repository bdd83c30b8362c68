/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LIME for pictures: the samples of lime 0.2.0.1 (lime_image.py). Every unit is there or
 * not by the toss of a coin, sample 0 is the picture, an absent unit has its own mean
 * colour, and a sample counts by exp(-D^2 / 2 sigma^2), D the cosine distance from sample
 * 0. That one says D = 1 - cos and sigma = 0.25, the text's D = 100 (1 - cos) and
 * sigma = 25: the same weights, so --kernel-width means the same for both. Texts draw the
 * number of absent units evenly, which here would mostly give pictures that nobody
 * took; with coins about half of a picture stays.
 */
#include "base/rng.h"
#include "explain/lime.h"

#include <string.h>

void glim__lime_coins(uint64_t seed, size_t n, size_t d, uint8_t *z) {
    memset(z, 1, d);
    for (size_t i = 1; i < n; i++)
        for (size_t k = 0; k < d; k += 32) {
            uint32_t bits = glim__rng_u32(seed, i, k / 32);
            for (size_t j = k; j < d && j < k + 32; j++)
                z[i * d + j] = bits >> (j - k) & 1;
        }
}

void glim__lime_closeness(const uint8_t *z, size_t n, size_t d, double width, double *weight) {
    for (size_t i = 0; i < n; i++, z += d) {
        size_t there = 0;
        for (size_t k = 0; k < d; k++)
            there += z[k];
        weight[i] = glim__lime_weight(there, d, width);
    }
}
