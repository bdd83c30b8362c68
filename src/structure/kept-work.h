/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kept-work.h: what a long run has done so far, in a store (--store FILE), so that one that was
 * killed goes on where it stopped and ends with the same bits. A piece of work is bytes under the
 * digest of all that they depend on, and a number. Without a store nothing is kept or found.
 */
#ifndef GLIM_STRUCTURE_KEPT_WORK_H
#define GLIM_STRUCTURE_KEPT_WORK_H

#include "file/store.h"
#include "model/model.h"

typedef struct glim_kept_work {
    glim_context *ctx;
    glim_store *store;  /* NULL: nothing is kept */
    glim_digest common; /* the model with all its weights, glim's version, its kernels */
    glim_store_key key; /* of what is under way */
    double due;         /* when what changes all the time is to be put again */
} glim_kept_work;

/* path: NULL = no store. Reads all weights of the model, once. Errors: those of stores. */
glim_status glim__work_open(glim_kept_work *k, const glim_model *m, const char *path,
                            glim_error *err);
void glim__work_close(glim_kept_work *k); /* zeroed is fine */

/* Begins a digest of something that is done with this model. */
glim_digest glim__work_digest(const glim_kept_work *k, const char *what);
/* Adds a file by its bytes; NULL: none. Errors: EIO, ECANCELLED. */
glim_status glim__work_file(const glim_kept_work *k, glim_digest *d, const char *path,
                            glim_error *err);

/* Bytes of the key; replaces what `out` holds. */
glim_status glim__work_get(glim_kept_work *k, uint64_t at, glim_buffer *out, bool *found,
                           glim_error *err);
glim_status glim__work_put(glim_kept_work *k, uint64_t at, const void *data, size_t n,
                           glim_error *err);
/* Numbers: x[i] at at[i]. What is not there stays as it is, and found[i] false. */
glim_status glim__work_get_reals(glim_kept_work *k, const uint64_t *at, double *x, bool *found,
                                 size_t n, glim_error *err);
glim_status glim__work_put_reals(glim_kept_work *k, const uint64_t *at, const double *x, size_t n,
                                 glim_error *err); /* all or none */

/* Whether it is time to put a state that changes all the time: a twentieth of the time at most
   goes into that. `put` says so of one that has been put, which took since `began`. */
bool glim__work_is_due(const glim_kept_work *k);
void glim__work_was_put(glim_kept_work *k, double began);

#endif
