/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gather.h: the factors of a weight's gradients, of several samples after each other, copied
 * so that products over all of their rows pay. How many come together follows from batches,
 * so whoever takes them must not let it show.
 */
#ifndef GLIM_INFLUENCE_GATHER_H
#define GLIM_INFLUENCE_GATHER_H

#include "influence/passes.h"

enum { GLIM_GATHER_MOST = 12 }; /* samples together: the rows of a tile */

typedef struct glim_gathered {
    size_t weight, count;
    size_t sample[GLIM_GATHER_MOST];
    size_t start[GLIM_GATHER_MOST + 1]; /* rows of sample k: start[k] .. start[k + 1] */
    const float *g, *a;                 /* (rows, F), (rows, C): a with 1 behind it for a bias */
    size_t F, C, ldg, lda;              /* 16 floats may be read behind the last row */
} glim_gathered;

typedef struct glim_gather {
    glim_context *ctx;
    const glim_weight *weights; /* of the model */
    glim_status (*take)(void *data, const glim_gathered *all, glim_error *err);
    void *data;
    glim_gathered now;
    float *g, *a;
    size_t room_g, room_a; /* floats */
} glim_gather;

/* Floats from row to row: whole vectors, and no power of two. */
size_t glim__gather_ld(size_t n);
/* Columns of what a weight reads, with its bias. */
size_t glim__weight_reads(const glim_weight *w);
/* One sample and weight (glim_pass_visitor.weight, with the gather as data). What has no
   gradient anywhere is left out. */
glim_status glim__gather_add(void *gather, size_t sample, size_t weight, size_t rows,
                             const float *g, const float *a, glim_error *err);
/* Hands out what is left. */
glim_status glim__gather_flush(glim_gather *s, glim_error *err);
void glim__gather_release(glim_gather *s);

#endif
