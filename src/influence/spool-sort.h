/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spool-sort.h: marks of samples in order, however many there are: runs of 32,768 are sorted
 * in memory and merged two by two on disk.
 */
#ifndef GLIM_INFLUENCE_SPOOL_SORT_H
#define GLIM_INFLUENCE_SPOOL_SORT_H

#include "influence/spool.h"

/* In order of their marks, equal ones by sample. */
typedef struct glim_sort_record {
    uint8_t mark[16];
    uint64_t sample;
    double value;
} glim_sort_record;

typedef struct glim_sort {
    glim_context *ctx;
    glim_spool spools[2]; /* open when there is more than one run */
    glim_sort_record *run;
    size_t n, waiting; /* all; those in memory */
    int from;          /* which of the spools has the runs */
    size_t length;     /* of a run there */
} glim_sort;

/* Errors: ENOMEM, EBUDGET; of the others EIO (a full disk), ECANCELLED. */
glim_status glim__sort_begin(glim_sort *s, glim_context *ctx, glim_error *err);
glim_status glim__sort_add(glim_sort *s, const glim_sort_record *r, glim_error *err);
/* After the last one, each in order. */
typedef void glim_sort_fn(void *data, const glim_sort_record *r);
glim_status glim__sort_end(glim_sort *s, glim_sort_fn *each, void *data, glim_error *err);
void glim__sort_release(glim_sort *s); /* zeroed is fine */

#endif
