/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kept-features.h: rows of numbers, a block of samples at a time, that are read again later:
 * in a store, where another run finds them, or in a file that is gone with the process.
 */
#ifndef GLIM_INFLUENCE_KEPT_FEATURES_H
#define GLIM_INFLUENCE_KEPT_FEATURES_H

#include "file/store.h"

#include <stdio.h>

typedef struct glim_kept_features {
    glim_context *ctx;
    glim_store *store; /* borrowed; NULL = a file of its own */
    glim_store_key key;
    FILE *file;
    size_t block_bytes; /* of a whole block */
    bool other;         /* the store has features of something else, and none of these */
} glim_kept_features;

/* key: of all that the numbers depend on; not used without a store. Errors: EIO. */
glim_status glim__kept_features_open(glim_kept_features *k, glim_context *ctx, glim_store *store,
                                     const glim_store_key *key, size_t block_bytes,
                                     glim_error *err);
/* Fills in `other`, where there is a store. kind and which say what features are of, whatever
   the model and the samples. */
glim_status glim__kept_features_look(glim_kept_features *k, const char *kind, size_t which,
                                     glim_error *err);
void glim__kept_features_close(glim_kept_features *k); /* zeroed is fine */
glim_status glim__kept_features_put(glim_kept_features *k, size_t block, const void *data, size_t n,
                                    glim_error *err);
/* *found is false where nothing of n bytes was put. */
glim_status glim__kept_features_get(glim_kept_features *k, size_t block, void *data, size_t n,
                                    bool *found, glim_error *err);

#endif
