/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two phases of t-SNE: early, with what attracts exaggerated, so that groups find each
 * other; then to the end. The divergence that is kept is always that without exaggeration.
 */
#include "reduce/embedding.h"

#include <math.h>

enum { EVERY = 50 };

typedef struct descent {
    glim_embedding *map;
    glim_tsne t;
    size_t all, early;
} descent;

static size_t count_of(size_t given) {
    return given == SIZE_MAX ? 0 : given;
}

static void note(glim_embedding *map, size_t iteration, double kl) {
    map->history[map->n_history++] = (glim_map_snapshot){iteration, kl, NULL};
}

static glim_status shoot(descent *d, size_t iteration, double kl, glim_error *err) {
    glim_embedding *map = d->map;
    float *xy = glim__alloc(map->ctx, map->n * 2 * sizeof *xy);
    if (!xy)
        return glim__oom(map->ctx, err, "a snapshot", map->n * 8);
    glim__tsne_get(&d->t, xy);
    map->snapshots[map->n_snapshots++] = (glim_map_snapshot){iteration, kl, xy};
    return GLIM_OK;
}

/* The s-th of S snapshots is taken behind all * s / S iterations, the first at the start. */
static bool due(const descent *d, size_t iteration) {
    const glim_embedding *map = d->map;
    size_t s = map->n_snapshots, of = map->used.snapshots;
    return s < of && iteration >= d->all * s / of;
}

static glim_status turn(descent *d, size_t iteration, glim_error *err) {
    glim_embedding *map = d->map;
    const glim_map_options *o = &map->used;
    bool early = iteration < d->early, shot = due(d, iteration), told = iteration % EVERY == 0;
    double e = early ? o->early_exaggeration : o->exaggeration, kl = NAN;
    glim_status status = glim__tsne_slope(&d->t, e, shot || told ? &kl : NULL, err);
    if (!status && told)
        note(map, iteration, kl);
    if (!status && shot)
        status = shoot(d, iteration, kl, err);
    if (status)
        return status;
    double rate = o->learning_rate > 0 ? o->learning_rate : (double)map->n / (e > 1 ? e : 1);
    glim__tsne_step(&d->t, rate, early ? o->initial_momentum : o->final_momentum,
                    o->max_step_norm > 0 ? o->max_step_norm : 0);
    map->done = iteration + 1;
    return GLIM_OK;
}

static glim_status run(descent *d, glim_error *err) {
    glim_embedding *map = d->map;
    glim_status status = GLIM_OK, end;
    glim__progress_begin(map->ctx, "t-SNE", d->all);
    for (size_t i = 0; i < d->all && !status; i++) {
        status = glim__check_cancel(map->ctx, err);
        if (!status)
            status = turn(d, i, err);
        glim__progress_add(map->ctx, 1);
    }
    glim__progress_end(map->ctx);
    if (status && status != GLIM_ECANCELLED)
        return status;
    end = glim__tsne_slope(&d->t, 1, &map->kl, status ? NULL : err);
    if (end)
        return end;
    note(map, map->done, map->kl);
    glim__tsne_get(&d->t, map->xy);
    for (size_t i = 0; i < 2 * map->n; i++)
        if (!isfinite(map->xy[i]))
            return glim_fail(err, GLIM_ENUMERIC,
                             "the map flew apart (a smaller --learning-rate would help)");
    return status;
}

glim_status glim__embed_descend(glim_embedding *map, const glim_affinity *p, const float *start,
                                glim_error *err) {
    descent d = {.map = map, .early = count_of(map->used.early_exaggeration_iter)};
    glim_context *ctx = map->ctx;
    d.all = d.early + count_of(map->used.n_iter);
    map->history = glim__calloc(ctx, d.all / EVERY + 3, sizeof *map->history);
    map->snapshots = glim__calloc(ctx, map->used.snapshots + 1, sizeof *map->snapshots);
    if (!map->history || !map->snapshots)
        return glim__oom(ctx, err, "a map", d.all * sizeof *map->history);
    double theta = map->used.theta < 0 ? 0 : map->used.theta;
    glim_status status = glim__tsne_init(&d.t, ctx, p, start, map->used.gradient, theta, err);
    if (!status)
        status = run(&d, err);
    glim__tsne_release(&d.t);
    return status;
}
