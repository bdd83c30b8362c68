/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repulsion.h: how points of the plane push each other apart in t-SNE: of each point i the sums
 * over all others of w^2 (y_i - y_j), w = 1 / (1 + |y_i - y_j|^2), and Z, the sum of w over all
 * pairs. Three ways: all pairs, a quadtree (Barnes-Hut), a grid and FFT.
 */
#ifndef GLIM_REDUCE_REPULSION_H
#define GLIM_REDUCE_REPULSION_H

#include "base/context.h"

#include <glim/map.h>

/* Points as two arrays, each with room up to the next multiple of 16. */
typedef struct glim_plane {
    float *x, *y;
    size_t n;
} glim_plane;

typedef struct glim_quadtree glim_quadtree;
typedef struct glim_grid glim_grid;

typedef struct glim_repulsion {
    glim_context *ctx;
    glim_map_gradient how; /* not AUTO */
    double theta;
    double step; /* of the grid: between its lines, at most; 0: 0.4 */
    size_t n;
    double *z; /* by blocks */
    glim_quadtree *tree;
    glim_grid *grid;
} glim_repulsion;

/* Errors: ENOMEM, EBUDGET. */
glim_status glim__repulsion_init(glim_repulsion *r, glim_context *ctx, size_t n,
                                 glim_map_gradient how, double theta, glim_error *err);
void glim__repulsion_release(glim_repulsion *r); /* zeroed is fine */
/* force (n) twice, and Z. Errors: ENOMEM, EBUDGET (the grid grows with the map). */
glim_status glim__repulsion(glim_repulsion *r, const glim_plane *at, glim_plane *force, double *z,
                            glim_error *err);
/* AUTO becomes what is fastest. */
glim_map_gradient glim__repulsion_choose(size_t n, glim_map_gradient how);
uint64_t glim__repulsion_plan(size_t n, glim_map_gradient how);

/* ---- quadtree.c ---- */

glim_status glim__quadtree_new(glim_quadtree **out, glim_context *ctx, size_t n, glim_error *err);
void glim__quadtree_free(glim_quadtree *t);
/* Of these points, which are copied. */
void glim__quadtree_build(glim_quadtree *t, const glim_plane *at);
/* The three sums of GLIM kernels' repel at a place; the tree's point `self`, unless it is
   SIZE_MAX, is left out. */
void glim__quadtree_repel(const glim_quadtree *t, double x, double y, size_t self, double theta,
                          double sums[3]);

/* ---- fft-repulsion.c ---- */

glim_status glim__grid_new(glim_grid **out, glim_context *ctx, size_t n, glim_error *err);
void glim__grid_free(glim_grid *g);
glim_status glim__grid_repel(glim_grid *g, const glim_plane *at, double step, glim_plane *force,
                             double *z, glim_error *err);

#endif
