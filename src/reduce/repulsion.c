/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ways to repel behind one call. All pairs in vectors beat the tree for every number of
 * points, and the grid to some thousand; the tree is there for those who compare.
 */
#include "reduce/repulsion.h"

#include "tensor/kernels.h"

enum { ROWS = 64, PIECE = 4096, EXACT_MOST = 4000 };

glim_map_gradient glim__repulsion_choose(size_t n, glim_map_gradient how) {
    return how != GLIM_MAP_GRADIENT_AUTO ? how
           : n > EXACT_MOST              ? GLIM_MAP_GRADIENT_FFT
                                         : GLIM_MAP_GRADIENT_EXACT;
}

glim_status glim__repulsion_init(glim_repulsion *r, glim_context *ctx, size_t n,
                                 glim_map_gradient how, double theta, glim_error *err) {
    *r =
        (glim_repulsion){.ctx = ctx, .how = glim__repulsion_choose(n, how), .theta = theta, .n = n};
    r->z = glim__calloc(ctx, n / ROWS + 1, sizeof *r->z);
    if (!r->z)
        return glim__oom(ctx, err, "repulsion", n / ROWS * sizeof *r->z);
    if (r->how == GLIM_MAP_GRADIENT_BARNES_HUT)
        return glim__quadtree_new(&r->tree, ctx, n, err);
    return r->how == GLIM_MAP_GRADIENT_FFT ? glim__grid_new(&r->grid, ctx, n, err) : GLIM_OK;
}

void glim__repulsion_release(glim_repulsion *r) {
    if (!r->ctx)
        return;
    glim__free(r->ctx, r->z);
    glim__quadtree_free(r->tree);
    glim__grid_free(r->grid);
    *r = (glim_repulsion){0};
}

typedef struct repelled {
    glim_repulsion *r;
    const glim_plane *at;
    glim_plane *force;
} repelled;

static void all_pairs(const repelled *s, size_t i, double sums[3]) {
    float part[3];
    sums[0] = -1; /* itself */
    sums[1] = sums[2] = 0;
    for (size_t from = 0; from < s->at->n; from += PIECE) {
        size_t some = s->at->n - from < PIECE ? s->at->n - from : PIECE;
        glim__kernels(s->r->ctx)->repel(s->at->x + from, s->at->y + from, some, s->at->x[i],
                                        s->at->y[i], part);
        for (int k = 0; k < 3; k++)
            sums[k] += part[k];
    }
}

static void repel_rows(void *data, size_t item, int worker) {
    const repelled *s = data;
    double z = 0, sums[3];
    for (size_t i = item * ROWS; i < s->at->n && i < (item + 1) * ROWS; i++) {
        if (s->r->tree)
            glim__quadtree_repel(s->r->tree, s->at->x[i], s->at->y[i], i, s->r->theta, sums);
        else
            all_pairs(s, i, sums);
        z += sums[0];
        s->force->x[i] = (float)sums[1];
        s->force->y[i] = (float)sums[2];
    }
    s->r->z[item] = z;
}

glim_status glim__repulsion(glim_repulsion *r, const glim_plane *at, glim_plane *force, double *z,
                            glim_error *err) {
    if (r->grid)
        return glim__grid_repel(r->grid, at, r->step > 0 ? r->step : 0.4, force, z, err);
    if (r->tree)
        glim__quadtree_build(r->tree, at);
    size_t items = (at->n + ROWS - 1) / ROWS;
    glim__parallel(r->ctx, items, repel_rows, &(repelled){r, at, force});
    *z = 0;
    for (size_t i = 0; i < items; i++)
        *z += r->z[i];
    return GLIM_OK;
}

uint64_t glim__repulsion_plan(size_t n, glim_map_gradient how) {
    switch (glim__repulsion_choose(n, how)) {
    case GLIM_MAP_GRADIENT_FFT:
        return (uint64_t)n * 24 + ((uint64_t)1536 * 1536 * 16);
    case GLIM_MAP_GRADIENT_BARNES_HUT:
        return (uint64_t)n * 136;
    case GLIM_MAP_GRADIENT_AUTO:
    case GLIM_MAP_GRADIENT_EXACT:
        break;
    }
    return (uint64_t)n / ROWS * 8;
}
