/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rng.h: counter-based random numbers (Philox 4x32-10 of Random123). A draw is
 * a function of (seed, sample, position) alone, so results do not depend on
 * the order, the batch size or the threads in which draws are made.
 */
#ifndef GLIM_BASE_RNG_H
#define GLIM_BASE_RNG_H

#include <stdint.h>

uint32_t glim__rng_u32(uint64_t seed, uint64_t sample, uint64_t position);
double glim__rng_uniform(uint64_t seed, uint64_t sample, uint64_t position); /* [0, 1), 53 bits */
/* Two such numbers, of one block. */
void glim__rng_pair(uint64_t seed, uint64_t sample, uint64_t position, double out[2]);
double glim__rng_normal(uint64_t seed, uint64_t sample, uint64_t position); /* mean 0, sd 1 */
/* Uniform over 0 .. n-1 without bias worth the name (64-bit multiply); n > 0. */
uint32_t glim__rng_below(uint64_t seed, uint64_t sample, uint64_t position, uint32_t n);

#endif
