/* SPDX-License-Identifier: Apache-2.0 */
/* twins.h: samples that have the same features, and whether their labels are the same too. */
#ifndef GLIM_INFLUENCE_TWINS_H
#define GLIM_INFLUENCE_TWINS_H

#include "influence/features.h"

enum { GLIM_TWINS = 20 };

typedef struct glim_twins {
    size_t pairs;     /* samples that repeat an earlier one */
    size_t groups;    /* of samples that are the same */
    size_t differing; /* of those pairs: with another label than the first of the group */
    /* Examples: those with other labels first, then as they come. */
    size_t n, first[GLIM_TWINS], other[GLIM_TWINS];
    bool differs[GLIM_TWINS];
} glim_twins;

/* Reads all samples once. Errors: those of reading and of sorting on disk. */
glim_status glim__twins_find(glim_twins *out, glim_context *ctx, const glim_features *f,
                             glim_error *err);

#endif
