/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shingles.h: a text as the set of its runs of three words, for telling how much two texts
 * share (Broder 1997). Words are letters and digits without case; an ideograph is one.
 */
#ifndef GLIM_INFLUENCE_SHINGLES_H
#define GLIM_INFLUENCE_SHINGLES_H

#include "base/arena.h"

/* Hashes, rising, each once; at least one. */
typedef struct glim_shingles {
    uint64_t *at;
    size_t n;
} glim_shingles;

/* In the arena. Errors: ENOMEM, EBUDGET. */
glim_status glim__shingles_make(glim_shingles *out, const char *text, glim_arena *arena,
                                glim_error *err);
/* Shared ones of all (Jaccard). */
double glim__shingles_likeness(const glim_shingles *a, const glim_shingles *b);

/* Of bands first .. first + count - 1 of a signature by the least of counter-based hashes:
   sets that share a part s of their shingles have the same band with probability
   s^GLIM_BAND_ROWS. */
enum { GLIM_BANDS = 20, GLIM_BAND_ROWS = 6 };
void glim__shingles_bands(const glim_shingles *s, size_t first, size_t count, uint32_t *out);

#endif
