/* SPDX-License-Identifier: Apache-2.0 */
/*
 * glim_embed: rows of length one if asked, components if asked, neighbours, affinities, the
 * descent. Neighbours that are shown are those of the points as given, also when t-SNE sees
 * fewer dimensions.
 */
#include "reduce/embedding.h"

#include "base/rng.h"

#include <math.h>
#include <string.h>

enum { START_COLUMN = 0x6d6170 };

glim_status glim__embed_rows(const float **out, glim_context *ctx, const float *x, size_t n,
                             size_t width, bool normalise, glim_error *err) {
    for (size_t i = 0; i < n * width; i++)
        if (!isfinite(x[i]))
            return glim_fail(err, GLIM_ENUMERIC, "point %zu has a value that is not finite",
                             i / width + 1);
    *out = x;
    if (!normalise)
        return GLIM_OK;
    float *copy = glim__alloc(ctx, n * width * sizeof *copy);
    if (!copy)
        return glim__oom(ctx, err, "points", n * width * sizeof *copy);
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (size_t k = 0; k < width; k++)
            sum += (double)x[i * width + k] * x[i * width + k];
        for (size_t k = 0; k < width; k++)
            copy[i * width + k] = sum > 0 ? (float)(x[i * width + k] / sqrt(sum)) : 0;
    }
    *out = copy;
    return GLIM_OK;
}

void glim__embed_project(const glim_embedding *map, const float *rows, size_t m, float *out) {
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < map->pca; j++) {
            double sum = 0;
            for (size_t k = 0; k < map->width; k++)
                sum += ((double)rows[i * map->width + k] - map->mean[k]) *
                       map->components[j * map->width + k];
            out[i * map->pca + j] = (float)sum;
        }
}

/* ---- components ---- */

/* `count` components, or as many as there are; scores (n, map->pca). */
static glim_status reduce(glim_embedding *map, const float *rows, size_t count, float **scores,
                          glim_error *err) {
    glim_context *ctx = map->ctx;
    size_t most = map->n < map->width ? map->n : map->width;
    map->pca = count < most ? count : most;
    map->mean = glim__calloc(ctx, map->width, sizeof *map->mean);
    map->components = glim__calloc(ctx, map->pca, map->width * sizeof *map->components);
    map->explained = glim__calloc(ctx, map->pca, sizeof *map->explained);
    *scores = glim__calloc(ctx, map->n, map->pca * sizeof **scores);
    if (!map->mean || !map->components || !map->explained || !*scores)
        return glim__oom(ctx, err, "principal components", map->pca * map->width * 8);
    return glim_pca(map->mean, map->components, map->explained, *scores, ctx, rows, map->n,
                    map->width, map->pca, map->used.seed, err);
}

/* ---- where points begin ---- */

/* Two leading components, the first of deviation 1e-4, with a jitter of a hundredth of it. */
static glim_status begin_at_pca(glim_embedding *map, const glim_cloud *c, float *xy,
                                glim_error *err) {
    glim_context *ctx = map->ctx;
    size_t k = c->n < 2 || c->width < 2 ? 1 : 2;
    double explained[2] = {0}, sum = 0;
    double *room = glim__calloc(ctx, c->width, 3 * sizeof *room);
    float *scores = glim__calloc(ctx, c->n, 2 * sizeof *scores);
    glim_status status = room && scores ? glim_pca(room, room + c->width, explained, scores, ctx,
                                                   c->x, c->n, c->width, k, map->used.seed, err)
                                        : glim__oom(ctx, err, "the start of a map", c->n * 8);
    for (size_t i = 0; !status && i < c->n; i++) {
        xy[2 * i] = scores[k * i];
        xy[2 * i + 1] = k > 1 ? scores[k * i + 1] : 0;
        sum += (double)xy[2 * i] * xy[2 * i];
    }
    double scale = sum > 0 ? 1e-4 / sqrt(sum / (double)c->n) : 0;
    for (size_t i = 0; !status && i < 2 * c->n; i++)
        xy[i] = (float)(xy[i] * scale + 1e-6 * glim__rng_normal(map->used.seed, i, START_COLUMN));
    glim__free(ctx, room);
    glim__free(ctx, scores);
    return status;
}

static glim_status begin(glim_embedding *map, const glim_cloud *c, float *xy, glim_error *err) {
    if (map->used.start == GLIM_MAP_START_PCA)
        return begin_at_pca(map, c, xy, err);
    for (size_t i = 0; i < 2 * c->n; i++)
        xy[i] = (float)(1e-4 * glim__rng_normal(map->used.seed, i, START_COLUMN));
    return GLIM_OK;
}

/* ---- neighbours ---- */

static void keep_neighbours(glim_embedding *map, const glim_neighbours *near) {
    for (size_t i = 0; i < map->n; i++) {
        memcpy(map->of + i * map->k, near->of + i * near->k, map->k * sizeof *map->of);
        memcpy(map->distance + i * map->k, near->distance + i * near->k,
               map->k * sizeof *map->distance);
    }
    map->approximate = near->approximate;
    map->index_recall = near->recall;
}

static glim_status show_neighbours(glim_embedding *map, const float *rows,
                                   const glim_neighbours *near, glim_error *err) {
    size_t others = map->n - 1;
    map->k = map->used.neighbours < others ? map->used.neighbours : others;
    map->of = glim__calloc(map->ctx, map->n, map->k * sizeof *map->of + 1);
    map->distance = glim__calloc(map->ctx, map->n, map->k * sizeof *map->distance + 1);
    if (!map->of || !map->distance)
        return glim__oom(map->ctx, err, "neighbours", map->n * map->k * 8);
    if (!map->k || near) {
        if (map->k)
            keep_neighbours(map, near);
        return GLIM_OK;
    }
    glim_neighbours own;
    glim_status status =
        glim__neighbours_find(&own, map->ctx, &(glim_cloud){rows, map->n, map->width}, map->k,
                              map->used.search, map->used.seed, err);
    if (!status)
        keep_neighbours(map, &own);
    glim__neighbours_release(&own);
    return status;
}

/* ---- the two methods ---- */

static glim_status by_pca(glim_embedding *map, const float *rows, glim_error *err) {
    float *scores = NULL;
    glim_status status = reduce(map, rows, 2, &scores, err);
    for (size_t i = 0; !status && i < map->n; i++)
        for (size_t j = 0; j < 2; j++)
            map->xy[2 * i + j] = j < map->pca ? scores[map->pca * i + j] : 0;
    glim__free(map->ctx, scores);
    return status ? status : show_neighbours(map, rows, NULL, err);
}

static glim_status by_tsne(glim_embedding *map, const glim_cloud *c, const float *rows,
                           glim_error *err) {
    glim_context *ctx = map->ctx;
    glim_neighbours near = {0};
    glim_affinity p = {0};
    size_t k = (size_t)fmin(3 * map->used.perplexity + 0.5, (double)map->n - 1);
    k = k < map->used.neighbours ? map->used.neighbours : k;
    k = k < map->n - 1 ? k : map->n - 1;
    glim_status status =
        glim__neighbours_find(&near, ctx, c, k, map->used.search, map->used.seed, err);
    if (!status)
        status = show_neighbours(map, rows, map->used.pca ? NULL : &near, err);
    for (size_t i = 0; !status && i < map->n; i++)
        map->duplicates += near.distance[i * near.k] == 0;
    if (!status)
        status = begin(map, c, map->xy, err);
    if (!status)
        status = glim__affinity(&p, &near, map->used.perplexity, err);
    glim__neighbours_release(&near);
    if (!status)
        status = glim__embed_descend(map, &p, map->xy, err);
    glim__affinity_release(&p);
    return status;
}

static glim_status run(glim_embedding *map, const float *x, glim_error *err) {
    const float *rows = x;
    float *scores = NULL;
    glim_cloud c = {.n = map->n, .width = map->width};
    glim_status status =
        glim__embed_rows(&rows, map->ctx, x, map->n, map->width, map->used.normalise, err);
    if (status)
        return status;
    if (map->n == 1) { /* there is nothing to be near to */
        status = show_neighbours(map, rows, NULL, err);
    } else if (map->used.method == GLIM_MAP_PCA) {
        status = by_pca(map, rows, err);
    } else {
        if (map->used.pca) {
            status = reduce(map, rows, map->used.pca, &scores, err);
            c.width = map->pca;
        }
        c.x = scores ? scores : rows;
        if (!status)
            status = by_tsne(map, &c, rows, err);
    }
    glim__free(map->ctx, scores);
    if (rows != x)
        glim__free(map->ctx, (void *)rows);
    return status;
}

glim_status glim_embed(glim_embedding **out, glim_context *ctx, const float *x, size_t n,
                       size_t width, const glim_map_options *options, glim_error *err) {
    static const glim_map_options usual;
    glim_map_options used;
    *out = NULL;
    glim_status status = glim__embed_options(&used, n, width, options ? options : &usual, err);
    if (status)
        return status;
    glim_embedding *map = glim__calloc(ctx, 1, sizeof *map);
    if (!map)
        return glim__oom(ctx, err, "a map", sizeof *map);
    *map = (glim_embedding){.ctx = ctx,
                            .n = n,
                            .width = width,
                            .used = used,
                            .index_recall = 1,
                            .kl = NAN,
                            .asked_perplexity =
                                options && options->perplexity > 0 ? options->perplexity : 30};
    map->xy = glim__calloc(ctx, n, 2 * sizeof *map->xy);
    status = map->xy ? run(map, x, err) : glim__oom(ctx, err, "a map", n * 8);
    if (!status || (status == GLIM_ECANCELLED && map->done > 0)) {
        *out = map;
        return status;
    }
    glim_embedding_free(map);
    return status;
}

void glim_embedding_free(glim_embedding *map) {
    if (!map)
        return;
    for (size_t i = 0; i < map->n_snapshots; i++)
        glim__free(map->ctx, map->snapshots[i].xy);
    void *const all[] = {map->xy,      map->mean,      map->components, map->explained,
                         map->history, map->snapshots, map->of,         map->distance};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        glim__free(map->ctx, all[i]);
    glim__free(map->ctx, map);
}
