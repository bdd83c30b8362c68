/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gguf-write.h: small GGUF files of floats, such as control vectors: strings and numbers as
 * metadata, F32 tensors behind them, each at a multiple of 32 bytes. Version 3, little endian.
 */
#ifndef GLIM_FILE_GGUF_WRITE_H
#define GLIM_FILE_GGUF_WRITE_H

#include "base/context.h"

typedef struct glim_gguf_entry {
    const char *key;
    const char *text; /* NULL: the number */
    uint32_t number;
} glim_gguf_entry;

typedef struct glim_gguf_floats {
    const char *name;
    int n_dims;
    uint64_t dims[4]; /* the fastest first, as GGUF has them */
    const float *data;
} glim_gguf_floats;

/* Written whole or not at all. Errors: EIO, EINTERNAL (an empty tensor, or one of more than 4
   dimensions), ENOMEM, EBUDGET. */
glim_status glim__gguf_write(glim_context *ctx, const char *path, const glim_gguf_entry *entries,
                             size_t n_entries, const glim_gguf_floats *tensors, size_t n_tensors,
                             glim_error *err);

#endif
