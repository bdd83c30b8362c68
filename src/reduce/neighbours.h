/* SPDX-License-Identifier: Apache-2.0 */
/*
 * neighbours.h: the k nearest of n points, for each of them or for others. Exact, by products of
 * blocks; or by an approximate index, whose share of true neighbours is then measured.
 */
#ifndef GLIM_REDUCE_NEIGHBOURS_H
#define GLIM_REDUCE_NEIGHBOURS_H

#include "base/context.h"

#include <glim/map.h>

typedef struct glim_neighbours {
    glim_context *ctx;
    size_t n, k;     /* k < points */
    uint32_t *of;    /* (n, k) nearest first; equal ones by their number */
    float *distance; /* (n, k) Euclidean */
    bool approximate;
    double recall; /* of an approximate search, else 1 */
} glim_neighbours;

typedef struct glim_cloud {
    const float *x; /* (n, width) row by row */
    size_t n, width;
} glim_cloud;

/* Of each point among the others. Errors: EUSAGE (k >= n), ENOMEM, EBUDGET, ECANCELLED. */
glim_status glim__neighbours_find(glim_neighbours *out, glim_context *ctx, const glim_cloud *among,
                                  size_t k, glim_map_search how, uint64_t seed, glim_error *err);
/* Of other points, exactly. */
glim_status glim__neighbours_ask(glim_neighbours *out, glim_context *ctx, const glim_cloud *among,
                                 const glim_cloud *of, size_t k, glim_error *err);
void glim__neighbours_release(glim_neighbours *out); /* zeroed is fine */
/* What the search takes besides the points. */
uint64_t glim__neighbours_plan(size_t n, size_t width, size_t k, glim_map_search search);
/* EXACT or APPROXIMATE, whatever was asked. */
glim_map_search glim__neighbours_choose(size_t n, glim_map_search search);

/* neighbours-index.cc; what it has fills `of` and `distance`. */
glim_status glim__neighbours_index(glim_neighbours *out, const glim_cloud *among, uint64_t seed,
                                   glim_error *err);
uint64_t glim__neighbours_index_plan(size_t n, size_t width);
/* Exact neighbours of the given points (m) among all others. */
glim_status glim__neighbours_some(glim_neighbours *out, glim_context *ctx, const glim_cloud *among,
                                  const uint32_t *points, size_t m, size_t k, glim_error *err);

#endif
