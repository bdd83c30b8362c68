/* SPDX-License-Identifier: Apache-2.0 */
/*
 * New points in a map that stays as it is, as openTSNE's transform has it: each has the
 * affinities of one row, to its neighbours alone, begins at the median of 25 of them, and goes
 * down its own slope, sum p w (y - y_j) less sum w^2 (y - y_j) / sum w over the map's points.
 * New points do not see each other, so each is done by itself, and any number in any order have
 * the same bits.
 */
#include "reduce/embedding.h"

#include "tensor/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NEAR = 25, PERPLEXITY = 5, TURNS = 250, ROWS = 8, TREE_FROM = 4096, PAD = 16 };
static const double EXAGGERATION = 1.5, RATE = 0.1, MOMENTUM = 0.8, MOST = 0.25;

typedef struct placing {
    const glim_embedding *map;
    const glim_neighbours *near;
    glim_plane at; /* of the map */
    glim_quadtree *tree;
    float *xy;
    size_t some; /* neighbours with an affinity */
} placing;

static int by_value(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static float median(float *v, size_t n) {
    qsort(v, n, sizeof *v, by_value);
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static void begin_point(const placing *s, size_t i, double at[2]) {
    for (int axis = 0; axis < 2; axis++) {
        float v[NEAR];
        for (size_t j = 0; j < s->near->k; j++)
            v[j] = (axis ? s->at.y : s->at.x)[s->near->of[i * s->near->k + j]];
        at[axis] = median(v, s->near->k);
    }
}

static void repel(const placing *s, const double at[2], double sums[3]) {
    if (s->tree) {
        glim__quadtree_repel(s->tree, at[0], at[1], SIZE_MAX, 0.5, sums);
        return;
    }
    float part[3];
    glim__kernels(s->map->ctx)->repel(s->at.x, s->at.y, s->at.n, (float)at[0], (float)at[1], part);
    for (int k = 0; k < 3; k++)
        sums[k] = part[k];
}

static void slope_of(const placing *s, size_t i, const double *p, const double at[2],
                     double slope[2]) {
    double sums[3];
    repel(s, at, sums);
    slope[0] = -sums[1] / sums[0];
    slope[1] = -sums[2] / sums[0];
    for (size_t j = 0; j < s->some; j++) {
        uint32_t to = s->near->of[i * s->near->k + j];
        double dx = at[0] - s->at.x[to], dy = at[1] - s->at.y[to];
        double pull = EXAGGERATION * p[j] / (1 + dx * dx + dy * dy);
        slope[0] += pull * dx;
        slope[1] += pull * dy;
    }
    double norm = sqrt(slope[0] * slope[0] + slope[1] * slope[1]);
    for (int k = 0; k < 2 && norm > MOST; k++)
        slope[k] *= MOST / norm;
}

static void place_point(const placing *s, size_t i) {
    double p[NEAR], at[2], slope[2], step[2] = {0}, gain[2] = {1, 1};
    const float *distance = s->near->distance + i * s->near->k;
    glim__affinity_row(p, distance, s->some, fmax(1, fmin(PERPLEXITY, (double)s->some / 3)));
    begin_point(s, i, at);
    for (int turn = 0; turn < TURNS; turn++) {
        slope_of(s, i, p, at, slope);
        for (int k = 0; k < 2; k++) {
            gain[k] = (step[k] > 0) != (slope[k] > 0) ? gain[k] + 0.2 : gain[k] * 0.8;
            gain[k] = fmax(gain[k], 0.01);
            step[k] = MOMENTUM * step[k] - RATE * gain[k] * slope[k];
            at[k] += step[k];
        }
    }
    s->xy[2 * i] = (float)at[0];
    s->xy[2 * i + 1] = (float)at[1];
}

static void place_rows(void *data, size_t item, int worker) {
    const placing *s = data;
    for (size_t i = item * ROWS; i < s->near->n && i < (item + 1) * ROWS; i++)
        if (!glim_context_cancelled(s->map->ctx))
            place_point(s, i);
}

static glim_status descend(placing *s, glim_error *err) {
    glim_context *ctx = s->map->ctx;
    size_t n = s->map->n;
    s->at.x = glim__calloc(ctx, n + PAD, sizeof(float));
    s->at.y = glim__calloc(ctx, n + PAD, sizeof(float));
    s->at.n = n;
    if (!s->at.x || !s->at.y)
        return glim__oom(ctx, err, "a map", 8 * n);
    for (size_t i = 0; i < n; i++) {
        s->at.x[i] = s->map->xy[2 * i];
        s->at.y[i] = s->map->xy[2 * i + 1];
    }
    glim_status status = GLIM_OK;
    if (n > TREE_FROM) {
        status = glim__quadtree_new(&s->tree, ctx, n, err);
        if (!status)
            glim__quadtree_build(s->tree, &s->at);
    }
    if (!status)
        glim__parallel(ctx, (s->near->n + ROWS - 1) / ROWS, place_rows, s);
    return status ? status : glim__check_cancel(ctx, err);
}

/* ---- what t-SNE sees of the points ---- */

typedef struct views {
    const float *given, *rows; /* as given; of length one if asked, else the same */
    float *seen;               /* components, or NULL: rows */
    size_t n;
} views;

static glim_status view(views *v, const glim_embedding *map, const float *x, size_t n,
                        glim_error *err) {
    *v = (views){.given = x, .rows = x, .n = n};
    glim_status status =
        glim__embed_rows(&v->rows, map->ctx, x, n, map->width, map->used.normalise, err);
    if (status || !map->pca)
        return status;
    v->seen = glim__alloc(map->ctx, n * map->pca * sizeof *v->seen);
    if (!v->seen)
        return glim__oom(map->ctx, err, "components", n * map->pca * 4);
    glim__embed_project(map, v->rows, n, v->seen);
    return GLIM_OK;
}

static glim_cloud cloud(const views *v, const glim_embedding *map) {
    return v->seen ? (glim_cloud){v->seen, v->n, map->pca}
                   : (glim_cloud){v->rows, v->n, map->width};
}

static void release(views *v, glim_context *ctx) {
    if (v->rows != v->given)
        glim__free(ctx, (void *)v->rows);
    glim__free(ctx, v->seen);
}

static glim_status by_tsne(const glim_embedding *map, const views *old, const views *new, float *xy,
                           glim_error *err) {
    glim_neighbours near = {0};
    placing s = {.map = map, .near = &near, .xy = xy};
    glim_cloud among = cloud(old, map), of = cloud(new, map);
    glim_status status =
        glim__neighbours_ask(&near, map->ctx, &among, &of, map->n < NEAR ? map->n : NEAR, err);
    s.some = near.k < 3 * PERPLEXITY ? near.k : 3 * PERPLEXITY;
    if (!status)
        status = descend(&s, err);
    glim__quadtree_free(s.tree);
    glim__free(map->ctx, s.at.x);
    glim__free(map->ctx, s.at.y);
    glim__neighbours_release(&near);
    return status;
}

static glim_status by_pca(const glim_embedding *map, const views *new, float *xy) {
    for (size_t i = 0; i < new->n; i++)
        for (size_t j = 0; j < 2; j++)
            xy[2 * i + j] = new->seen &&j < map->pca ? new->seen[i * map->pca + j] : 0;
    return GLIM_OK;
}

static glim_status tell_neighbours(const glim_embedding *map, const views *old, const views *new,
                                   uint32_t *of, float *distance, size_t k, glim_error *err) {
    glim_neighbours near;
    glim_status status =
        glim__neighbours_ask(&near, map->ctx, &(glim_cloud){old->rows, old->n, map->width},
                             &(glim_cloud){new->rows, new->n, map->width}, k, err);
    if (status)
        return status;
    memcpy(of, near.of, new->n *k * sizeof *of);
    memcpy(distance, near.distance, new->n *k * sizeof *distance);
    glim__neighbours_release(&near);
    return GLIM_OK;
}

glim_status glim_embed_place(float *xy, uint32_t *of, float *distance, size_t k,
                             const glim_embedding *map, const float *x, const float *y, size_t m,
                             glim_error *err) {
    views old = {.given = x, .rows = x}, new = {.given = y, .rows = y};
    glim_status status = view(&old, map, x, map->n, err);
    if (!status)
        status = view(&new, map, y, m, err);
    if (!status)
        status = map->used.method == GLIM_MAP_PCA ? by_pca(map, &new, xy)
                                                  : by_tsne(map, &old, &new, xy, err);
    if (!status && of)
        status = tell_neighbours(map, &old, &new, of, distance, k, err);
    release(&old, map->ctx);
    release(&new, map->ctx);
    return status;
}
