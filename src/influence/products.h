/* SPDX-License-Identifier: Apache-2.0 */
/*
 * products.h: exact dot products of gradients of weights, from their factors. Of a weight
 * W (F, C) a sample has G = g^T a, g (T, F), a (T, C), and
 *
 *   <G, G'> = sum_{t,t'} (g_t . g'_t') (a_t . a'_t') = sum_t g_t G' a_t
 *
 * The left costs T T' (F + C) multiply-adds, the right T F C and the memory of G'. Which is
 * done for which query follows from T, T', F and C alone, so that bits depend neither on
 * memory nor on threads or batches.
 *
 * What is kept is the queries' gradients: as factors, or formed where that is smaller.
 */
#ifndef GLIM_INFLUENCE_PRODUCTS_H
#define GLIM_INFLUENCE_PRODUCTS_H

#include "influence/gradients.h"

typedef struct glim_products glim_products;

/* Walks the queries once. `formed`: every gradient is kept as a matrix. Errors: ENOMEM and
   EBUDGET (names the bytes), those of the walk. */
glim_status glim__products_new(glim_products **out, const glim_gradients *queries, bool formed,
                               glim_error *err);
void glim__products_free(glim_products *p); /* NULL is fine */
/* Bytes that will be kept at most, and those of a sample of `rows` rows beside them. */
glim_status glim__products_plan(const glim_gradients *queries, bool formed, size_t rows,
                                uint64_t *bytes, glim_error *err);
/* -log p of a query's answers. */
double glim__products_loss(const glim_products *p, size_t query);
/* ||G'||^2 of a query's gradient of one weight. */
double glim__products_norm2(const glim_products *p, size_t weight, size_t query);
/* G' (F, C) of a query, when formed: may be changed in place. */
float *glim__products_formed(glim_products *p, size_t weight, size_t query);
/* The factors of a query that is kept so; false when it is formed or has no such rows. */
bool glim__products_factors(const glim_products *p, size_t weight, size_t query, const float **g,
                            const float **a, size_t *rows);

/* Rows of a gradient that meet the queries'. */
typedef struct glim_factors_view {
    size_t weight, rows;
    const float *g, *a; /* (rows, F), (rows, C) */
} glim_factors_view;

/* out (queries): <G, G'_q> of one weight. */
glim_status glim__products_take(glim_products *p, const glim_factors_view *s, double *out,
                                glim_error *err);
/* The same, row by row: out (rows, queries), added to. */
glim_status glim__products_rows(glim_products *p, const glim_factors_view *s, double *out,
                                glim_error *err);

/* ||G||^2 of one weight (F, C). */
glim_status glim__product_square(glim_context *ctx, const glim_weight *w,
                                 const glim_factors_view *s, double *out, glim_error *err);
/* out (F, C) = g^T a */
glim_status glim__product_form(glim_context *ctx, const glim_weight *w, const glim_factors_view *s,
                               float *out, glim_error *err);
/* sum x y in double, of fixed order */
double glim__product_dot(const float *x, const float *y, size_t n);

#endif
