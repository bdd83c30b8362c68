/* SPDX-License-Identifier: Apache-2.0 */
/*
 * queries.h: gradients of queries, made ready to meet those of training samples: U = H^-1 G,
 * H the curvature of one sample by its factors. What a sample scores is <U, its gradient>.
 */
#ifndef GLIM_INFLUENCE_QUERIES_H
#define GLIM_INFLUENCE_QUERIES_H

#include "influence/spectrum.h"

typedef struct glim_query_options {
    const glim_walk *walk;
    const glim_factor_options *factors; /* which weights */
    double damping;                     /* as glim__factor_damping */
    size_t rank; /* of what is kept of a query and matrix; 0, or no less than the matrix: all */
    uint64_t seed;
} glim_query_options;

typedef struct glim_queries {
    glim_context *ctx;
    const glim_factors *factors;
    glim_query_options how;
    size_t count, padded;  /* queries; a multiple of 16 */
    float **packed;        /* (factors) [tiles of (F, C)][element of the tile][padded] */
    float **left, **right; /* (factors) of low rank instead: (count, rank, C or F) */
    double *lost, *size;   /* (count) squares of what low rank left out, and of all */
} glim_queries;

/* Queries first .. first + count - 1 of the walk, with all weights that have factors. Errors:
   ENUMERIC (a gradient is not finite), ENOMEM, EBUDGET, and those of the walk. */
glim_status glim__queries_make(glim_queries *q, const glim_factors *factors,
                               const glim_query_options *how, size_t first, size_t count,
                               glim_error *err);
void glim__queries_release(glim_queries *q);
/* Bytes that `count` queries keep. */
uint64_t glim__queries_plan(const glim_factor_options *options, size_t rank, size_t count);
/* out (all->count, count): what the samples score with factor i. */
glim_status glim__queries_score(const glim_queries *q, size_t i, const glim_gathered *all,
                                double *out, glim_error *err);
/* out (rows): what each row of sample k adds to the score with query `query`. */
glim_status glim__queries_tokens(const glim_queries *q, size_t i, const glim_gathered *all,
                                 size_t k, size_t query, double *out, glim_error *err);

#endif
