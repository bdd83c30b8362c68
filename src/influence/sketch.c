/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sketches of gradients. The signs of a weight are made once for all samples of a batch, which
 * come one after another; the places of the second step are made anew for every sample, by
 * a mixer that costs little more than the addition.
 */
#include "influence/sketch.h"

#include "base/rng.h"
#include "tensor/linear.h"

#include <string.h>

enum { NARROW = 256 }; /* what rows are brought to; its root divides */

static size_t narrow(size_t n) {
    return n < NARROW ? n : NARROW;
}

glim_status glim__sketch_init(glim_sketch *s, const glim_gradients *g, size_t k, uint64_t seed,
                              glim_error *err) {
    uint64_t width = glim__gradients_width(g);
    size_t F = 1, C = 1, at = 0;
    *s = (glim_sketch){.ctx = g->ctx,
                       .weights = g->weights,
                       .n_weights = g->n_weights,
                       .k = width <= k ? (size_t)width : k,
                       .seed = seed,
                       .exact = width <= k,
                       .weight = SIZE_MAX};
    s->offset = glim__calloc(g->ctx, g->n_weights + 1, sizeof *s->offset);
    for (size_t w = 0; w < g->n_weights && s->offset; w++) {
        s->offset[w] = at;
        if (!g->chosen[w])
            continue;
        at += g->weights[w].rows * g->weights[w].cols;
        F = g->weights[w].rows > F ? g->weights[w].rows : F;
        C = g->weights[w].cols > C ? g->weights[w].cols : C;
    }
    if (!s->exact) {
        s->signs_f = glim__alloc(g->ctx, F * NARROW * sizeof *s->signs_f);
        s->signs_c = glim__alloc(g->ctx, C * NARROW * sizeof *s->signs_c);
    }
    if (s->offset && (s->exact || (s->signs_f && s->signs_c)))
        return GLIM_OK;
    glim__sketch_release(s);
    return glim__oom(g->ctx, err, "signs of a projection", (F + C) * NARROW * sizeof(float));
}

void glim__sketch_release(glim_sketch *s) {
    if (!s->ctx)
        return;
    glim__free(s->ctx, s->offset);
    glim__free(s->ctx, s->signs_f);
    glim__free(s->ctx, s->signs_c);
    *s = (glim_sketch){0};
}

/* Scratch of the products with rows that are brought down. */
static uint64_t scratch(const glim_context *ctx, size_t rows, uint64_t wide) {
    const glim_matrix small = {.type = GLIM_TYPE_F32,
                               .rows = (int64_t)rows,
                               .cols = NARROW,
                               .row_bytes = NARROW * sizeof(float)};
    const glim_matrix signs = {.type = GLIM_TYPE_F32,
                               .rows = NARROW,
                               .cols = (int64_t)wide,
                               .row_bytes = wide * sizeof(float)};
    return (uint64_t)glim_context_threads(ctx) * (glim__linear_scratch(ctx, &small, NARROW) +
                                                  glim__linear_scratch(ctx, &signs, (int64_t)rows));
}

uint64_t glim__sketch_plan(const glim_gradients *g, size_t rows) {
    uint64_t F = 1, C = 1;
    for (size_t w = 0; w < g->n_weights; w++) {
        F = g->chosen[w] && g->weights[w].rows > F ? g->weights[w].rows : F;
        C = g->chosen[w] && g->weights[w].cols > C ? g->weights[w].cols : C;
    }
    return 4 * ((F + C + 4 * (uint64_t)rows + NARROW) * NARROW + (rows + 64) * (F + C)) +
           g->n_weights * 8 + scratch(g->ctx, rows, F > C ? F : C);
}

/* ---- the first step ---- */

/* (NARROW, cols) of +-1/16 */
static void fill_signs(float *out, size_t cols, uint64_t seed, uint64_t stream) {
    for (size_t i = 0; i < NARROW * cols; i += 32) {
        uint32_t bits = glim__rng_u32(seed, stream, i / 32);
        for (size_t b = 0; b < 32 && i + b < NARROW * cols; b++)
            out[i + b] = (bits >> b & 1) ? 1.0f / 16 : -1.0f / 16;
    }
}

static void make_signs(glim_sketch *s, size_t weight) {
    const glim_weight *w = &s->weights[weight];
    if (s->weight == weight)
        return;
    if (w->rows > NARROW)
        fill_signs(s->signs_f, w->rows, s->seed, 2 * weight);
    if (w->cols > NARROW)
        fill_signs(s->signs_c, w->cols, s->seed, 2 * weight + 1);
    s->weight = weight;
}

/* Rows of `cols` numbers with NARROW each; those that are narrow already as they are. */
static glim_status bring_down(glim_context *ctx, const float **x, size_t rows, size_t cols,
                              const float *signs, float *room, glim_error *err) {
    if (cols <= NARROW)
        return GLIM_OK;
    const glim_matrix m = {.data = signs,
                           .type = GLIM_TYPE_F32,
                           .rows = NARROW,
                           .cols = (int64_t)cols,
                           .row_bytes = cols * sizeof *signs};
    glim_status status = glim__linear(ctx, room, NARROW, *x, cols, (int64_t)rows, &m, NULL, err);
    *x = room;
    return status;
}

/* ---- the second step ---- */

/* A bijection of 64 bits that leaves no pattern (the finaliser of SplitMix64). */
static inline uint64_t mixed(uint64_t x) {
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static void scatter(const glim_sketch *s, size_t weight, const float *form, size_t n, float *out) {
    uint64_t start = mixed(s->seed * UINT64_C(0x9e3779b97f4a7c15) + weight + 1), k = s->k;
    for (size_t i = 0; i < n; i++) {
        uint64_t h = mixed(start + i * UINT64_C(0x9e3779b97f4a7c15));
        out[((h >> 32) * k) >> 32] += (h & 1) ? form[i] : -form[i];
    }
}

static glim_status add_exact(const glim_sketch *s, const glim_factors_view *view, float *out,
                             glim_error *err) {
    const glim_weight *w = &s->weights[view->weight];
    size_t n = w->rows * w->cols;
    float *form = glim__spare_take(s->ctx, n * sizeof *form);
    if (!form)
        return glim__oom(s->ctx, err, "a gradient", n * sizeof *form);
    glim_status status = glim__product_form(s->ctx, w, view, form, err);
    for (size_t i = 0; i < n && !status; i++)
        out[s->offset[view->weight] + i] += form[i];
    glim__spare_give(s->ctx, form);
    return status;
}

glim_status glim__sketch_add(glim_sketch *s, const glim_factors_view *view, float *out,
                             glim_error *err) {
    if (s->exact)
        return add_exact(s, view, out, err);
    const glim_weight *w = &s->weights[view->weight];
    const glim_weight small = {.rows = narrow(w->rows), .cols = narrow(w->cols)};
    glim_factors_view low = *view;
    size_t numbers = (2 * view->rows + NARROW) * NARROW;
    float *room = glim__spare_take(s->ctx, numbers * sizeof *room);
    if (!room)
        return glim__oom(s->ctx, err, "a projection", numbers * sizeof *room);
    float *form = room + 2 * view->rows * NARROW;
    make_signs(s, view->weight);
    glim_status status = bring_down(s->ctx, &low.g, view->rows, w->rows, s->signs_f, room, err);
    if (!status)
        status = bring_down(s->ctx, &low.a, view->rows, w->cols, s->signs_c,
                            room + view->rows * NARROW, err);
    if (!status)
        status = glim__product_form(s->ctx, &small, &low, form, err);
    if (!status)
        scatter(s, view->weight, form, small.rows * small.cols, out);
    glim__spare_give(s->ctx, room);
    return status;
}
