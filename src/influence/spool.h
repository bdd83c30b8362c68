/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spool.h: numbers by sample that wait on disk for others of the same sample: scores of all
 * groups of queries but the last, values of sites until they are probed. The file has no name
 * and goes when it is closed.
 */
#ifndef GLIM_INFLUENCE_SPOOL_H
#define GLIM_INFLUENCE_SPOOL_H

#include "base/context.h"

typedef struct glim_spool {
    int fd; /* -1: not there */
} glim_spool;

/* Errors: EIO (no folder for temporary files). */
glim_status glim__spool_open(glim_spool *s, glim_error *err);
/* n numbers at an index. Errors: EIO (a full disk). */
glim_status glim__spool_write(glim_spool *s, uint64_t at, const double *x, size_t n,
                              glim_error *err);
glim_status glim__spool_read(const glim_spool *s, uint64_t at, double *x, size_t n,
                             glim_error *err);
/* The same of n bytes; `what` they are, for messages. */
glim_status glim__spool_put(glim_spool *s, uint64_t at, const void *data, size_t n,
                            const char *what, glim_error *err);
glim_status glim__spool_get(const glim_spool *s, uint64_t at, void *data, size_t n,
                            const char *what, glim_error *err);
void glim__spool_close(glim_spool *s);

#endif
