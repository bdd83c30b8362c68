/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spool.h: numbers by sample that wait on disk until they are wanted: scores of queries that
 * come in groups, a pass each; labels and marks of samples; values of sites until they are probed.
 * The file has no name and goes when it is closed.
 */
#ifndef GLIM_INFLUENCE_SPOOL_H
#define GLIM_INFLUENCE_SPOOL_H

#include "base/context.h"

typedef struct glim_spool {
    int fd;           /* -1: not there */
    const char *what; /* for messages */
} glim_spool;

/* `what` is borrowed: "scores of earlier queries". Errors: EIO (no folder for temporary
   files). */
glim_status glim__spool_open(glim_spool *s, const char *what, glim_error *err);
/* n numbers at an index. Errors: EIO (a full disk). */
glim_status glim__spool_write(const glim_spool *s, uint64_t at, const double *x, size_t n,
                              glim_error *err);
glim_status glim__spool_read(const glim_spool *s, uint64_t at, double *x, size_t n,
                             glim_error *err);
/* The same of n bytes at a byte. */
glim_status glim__spool_put(const glim_spool *s, uint64_t at, const void *data, size_t n,
                            glim_error *err);
glim_status glim__spool_get(const glim_spool *s, uint64_t at, void *data, size_t n,
                            glim_error *err);
void glim__spool_close(glim_spool *s);

#endif
