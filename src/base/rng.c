/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rng.c: Philox 4x32 with 10 rounds (Salmon, Moraes, Dror, Shaw 2011) from
 * Random123's header. The seed is the key; sample and position are the two
 * halves of the counter, so each draw has a block of 128 bits of its own.
 * Three quarters of a block are thrown away by the 32-bit draws: cheap beside
 * what a draw is used for, and it keeps draws independent of their order.
 */
#include "base/rng.h"

#include <Random123/philox.h>

#include <math.h>

static philox4x32_ctr_t block(uint64_t seed, uint64_t sample, uint64_t position) {
    philox4x32_ctr_t counter = {{(uint32_t)sample, (uint32_t)(sample >> 32), (uint32_t)position,
                                 (uint32_t)(position >> 32)}};
    philox4x32_key_t key = {{(uint32_t)seed, (uint32_t)(seed >> 32)}};
    return philox4x32(counter, key);
}

static uint64_t join(uint32_t low, uint32_t high) {
    return (uint64_t)high << 32 | low;
}

/* The upper 53 bits of 64 as a multiple of 2^-53. */
static double unit(uint64_t bits) {
    return (double)(bits >> 11) * 0x1p-53;
}

uint32_t glim__rng_u32(uint64_t seed, uint64_t sample, uint64_t position) {
    return block(seed, sample, position).v[0];
}

double glim__rng_uniform(uint64_t seed, uint64_t sample, uint64_t position) {
    philox4x32_ctr_t r = block(seed, sample, position);
    return unit(join(r.v[0], r.v[1]));
}

void glim__rng_pair(uint64_t seed, uint64_t sample, uint64_t position, double out[2]) {
    philox4x32_ctr_t r = block(seed, sample, position);
    out[0] = unit(join(r.v[0], r.v[1]));
    out[1] = unit(join(r.v[2], r.v[3]));
}

/* Box and Muller 1958: sqrt(-2 ln u) cos(2 pi v), u in (0, 1]. */
double glim__rng_normal(uint64_t seed, uint64_t sample, uint64_t position) {
    philox4x32_ctr_t r = block(seed, sample, position);
    double u = 1 - unit(join(r.v[0], r.v[1]));
    double v = unit(join(r.v[2], r.v[3]));
    return sqrt(-2 * log(u)) * cos(2 * M_PI * v);
}

uint32_t glim__rng_below(uint64_t seed, uint64_t sample, uint64_t position, uint32_t n) {
    philox4x32_ctr_t r = block(seed, sample, position);
    return (uint32_t)((unsigned __int128)join(r.v[0], r.v[1]) * n >> 64);
}
