/* SPDX-License-Identifier: Apache-2.0 */
/*
 * npy-map.h: a NumPy .npy file of little-endian numbers in C order, mapped: a few rows of a
 * large array cost a few pages.
 */
#ifndef GLIM_FILE_NPY_MAP_H
#define GLIM_FILE_NPY_MAP_H

#include "file/mapping.h"

enum { NPY_DIMS = 8 };

typedef struct glim_npy {
    glim_mapping map;
    const uint8_t *data; /* may lie at any address */
    char kind;           /* 'f', or 'i' and 'u': whole numbers */
    size_t each;         /* bytes of one: 2, 4, 8; of whole ones also 1 */
    int n_dims;
    uint64_t dims[NPY_DIMS], count;
} glim_npy;

/* Errors: EIO, EFORMAT (no such file, another type or order, cut short), ENOMEM, EBUDGET. */
glim_status glim__npy_open(glim_npy *npy, glim_context *ctx, const char *path, glim_error *err);
/* The same of n bytes in memory, which must outlive it. */
glim_status glim__npy_borrow(glim_npy *npy, glim_context *ctx, const void *bytes, size_t n,
                             const char *name, glim_error *err);
void glim__npy_close(glim_npy *npy);
/* Elements from .. from + n as floats; they must be there. */
void glim__npy_floats(const glim_npy *npy, uint64_t from, size_t n, float *out);

#endif
