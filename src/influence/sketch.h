/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sketch.h: a gradient g^T a (F, C) as k numbers whose dot products are those of gradients,
 * in the mean exactly. The random matrix is never stored: it is signs and places that are
 * functions of (seed, weight, position).
 *
 * Two steps. Rows wider than 256 go through a matrix of random signs first, g R_F and a R_C
 * (256 columns, divided by 16), which keeps products of rows; then every number of the small
 * g^T a is added, with a random sign, to a random one of the k places (a count sketch).
 *
 * Why so: a dense matrix would cost F C k multiply-adds a weight. g R_F alone, with k = kF kC
 * columns (as LoGra does), costs little, but 2,048 are 32 by 64, and products of rows with 32
 * numbers are off by 2/sqrt(32) times their size. A sketch of the whole outer product by
 * Fourier transforms (TensorSketch) is as good as this one and costs more than the walk.
 *
 * Off by: sqrt(2/k) of the two lengths from the second step; for rows wider than 256 about
 * sqrt(4/256) of a weight's part more, which evens out over many weights.
 */
#ifndef GLIM_INFLUENCE_SKETCH_H
#define GLIM_INFLUENCE_SKETCH_H

#include "influence/products.h"

typedef struct glim_sketch {
    glim_context *ctx;
    const glim_weight *weights;
    size_t n_weights, k;
    uint64_t seed;
    bool exact;     /* no more numbers than k: they are kept as they are */
    size_t *offset; /* (n_weights) where a weight's numbers begin, when exact */
    size_t weight;  /* whose signs lie in the matrices; SIZE_MAX: no one's */
    float *signs_f, *signs_c;
} glim_sketch;

/* k >= 1; becomes the chosen weights' width when that is not more. */
glim_status glim__sketch_init(glim_sketch *s, const glim_gradients *g, size_t k, uint64_t seed,
                              glim_error *err);
void glim__sketch_release(glim_sketch *s); /* zeroed is fine */
/* out (k) += the sketch of one weight's gradient. */
glim_status glim__sketch_add(glim_sketch *s, const glim_factors_view *view, float *out,
                             glim_error *err);
/* Bytes at least, of samples of `rows` rows. */
uint64_t glim__sketch_plan(const glim_gradients *g, size_t rows);

#endif
