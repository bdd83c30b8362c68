/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attribution patching: the effect of putting a' where the base has a, to first order,
 *
 *   f(a') - f(a) ~ <a' - a, df/da>
 *
 * for all sites at once. What is put in lies in the stores; on the way there the base's own
 * values are taken from it, on the way back the slopes meet the differences.
 */
#include "structure/patch.h"

#include "model/model.h"

#include <stdio.h>
#include <string.h>

struct meet {
    glim_patch_work *w;
    glim_patch_map *map;
    glim_patch_store *store;
    float *difference; /* (layers, T of the base, width) */
    size_t T;
};

static void subtract(const struct meet *m, const glim_site *s) {
    const glim_patch_store *store = m->store;
    const int64_t *map = m->w->map[m->map->encoder];
    size_t n = store->width;
    for (size_t t = 0; t < m->T; t++) {
        int64_t from = map ? map[t] : (int64_t)t;
        float *out = m->difference + ((size_t)s->layer * m->T + t) * n;
        const float *donor = store->values + ((size_t)s->layer * store->T + (size_t)from) * n;
        for (size_t c = 0; c < n; c++)
            out[c] = from < 0 ? 0 : donor[c] - s->data[t * n + c];
    }
}

static void add_slopes(const struct meet *m, const glim_site *s) {
    size_t n = m->store->width, D = n / m->store->heads;
    bool by_head = m->map->kind >= GLIM_PATCH_Z;
    double by = 1 / (m->w->to - m->w->from);
    for (size_t t = 0; t < m->T; t++)
        for (size_t h = 0; h < m->store->heads; h++) {
            const float *d = m->difference + ((size_t)s->layer * m->T + t) * n + h * D;
            const float *g = s->data + t * n + h * D;
            double sum = 0;
            for (size_t c = 0; c < D; c++)
                sum += (double)d[c] * g[c];
            m->map->value[(size_t)s->layer * m->map->columns + (by_head ? h : t)] += sum * by;
        }
}

static glim_status visit(void *data, const glim_site *s, glim_error *err) {
    struct meet *m = data;
    if (s->gradient)
        add_slopes(m, s);
    else
        subtract(m, s);
    return GLIM_OK;
}

glim_status glim__patch_estimate(glim_patch_work *w, glim_error *err) {
    struct meet meets[GLIM_MOST_MAPS] = {0};
    glim_hook hooks[GLIM_MOST_MAPS];
    char names[GLIM_MOST_MAPS][64];
    glim_context *ctx = w->base->ctx;
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < w->n_maps && !status; i++) {
        glim_patch_map *map = &w->maps[i];
        struct meet *m = &meets[i];
        const glim_model *half = map->encoder ? w->run.m->encoder : w->run.m;
        *m = (struct meet){w, map, &w->run.donor[map->encoder][map->kind], NULL,
                           map->encoder ? w->base->T : w->run.T};
        m->difference =
            glim__calloc(ctx, map->layers * m->T * m->store->width, sizeof *m->difference);
        if (!m->difference)
            status = glim__oom(ctx, err, "differences", map->layers * m->T * m->store->width * 4);
        for (size_t k = 0; k < map->layers * map->columns; k++)
            map->value[k] = 0;
        snprintf(names[i], sizeof names[i], "%sblocks.*.%s", half->site_prefix,
                 glim__patch_site(map->kind));
        hooks[i] = (glim_hook){names[i], GLIM_HOOK_READ | GLIM_HOOK_GRAD, visit, m};
    }
    if (!status)
        status = w->base->observe(w->base, hooks, w->n_maps, -1, err);
    for (size_t i = 0; i < w->n_maps; i++)
        glim__free(ctx, meets[i].difference);
    return status;
}
