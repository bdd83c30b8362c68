/* SPDX-License-Identifier: Apache-2.0 */
/*
 * factor-store.h: factors in a store (file/store.h), a key each weight: what they depend on is
 * in the key, so that those of another model, file or option are never found.
 */
#ifndef GLIM_INFLUENCE_FACTOR_STORE_H
#define GLIM_INFLUENCE_FACTOR_STORE_H

#include "file/store.h"
#include "influence/factors.h"

typedef struct glim_factor_store {
    glim_context *ctx;
    glim_store *store;
    glim_digest common; /* of what all factors depend on */
    const glim_weight *weights;
    size_t found, other; /* factors found whole; weights of this name made of something else */
} glim_factor_store;

/* What factors are made of. */
typedef struct glim_factor_origin {
    const glim_model *model;
    const char *samples; /* glim__samples_origin */
    size_t most;         /* as in the options */
    uint64_t seed;
    bool empirical;
} glim_factor_origin;

/* Borrows the store. Reads all weights of the model once, for their digest. */
glim_status glim__factor_store_init(glim_factor_store *s, glim_store *store,
                                    const glim_factor_origin *origin, glim_error *err);
/* Borrows s. */
glim_factor_keeper glim__factor_store_keeper(glim_factor_store *s);
/* Bytes on disk. */
uint64_t glim__factor_store_plan(const glim_factor_options *options);

#endif
