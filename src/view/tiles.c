/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tiles.c: a tile row by row. A row of a tile of level k reads 2^k rows of the file and adds
 * them up, in their order, so that the sums are those of one thread. Nothing is kept: the
 * one tile of the top level reads a head once, which is some 30 ms for 4,096 tokens.
 */
#include "view/tiles.h"

#include <math.h>
#include <string.h>

static const size_t MOST = 1 << 20; /* tokens of a side */

glim_status glim__tiles_open(glim_tiles *t, glim_context *ctx, const char *path, bool causal,
                             glim_error *err) {
    *t = (glim_tiles){.ctx = ctx, .causal = causal};
    glim_status status = glim__npy_open(&t->npy, ctx, path, err);
    const uint64_t *d = t->npy.dims;
    if (status)
        return status;
    if (t->npy.kind != 'f' || t->npy.each > 4)
        status = glim_fail(err, GLIM_EFORMAT, "'%s': numbers must be float16 or float32", path);
    else if (t->npy.n_dims != 4 || !t->npy.count || d[2] > MOST || d[3] > MOST ||
             (causal && d[2] != d[3]))
        status = glim_fail(err, GLIM_EFORMAT,
                           "'%s': these are no patterns (layers, heads, rows, columns)", path);
    t->layers = (size_t)d[0];
    t->heads = (size_t)d[1];
    t->rows = (size_t)d[2];
    t->columns = (size_t)d[3];
    if (status)
        glim__tiles_close(t);
    return status;
}

void glim__tiles_close(glim_tiles *t) {
    glim__npy_close(&t->npy);
}

int glim__tiles_top(const glim_tiles *t) {
    size_t longest = t->rows > t->columns ? t->rows : t->columns;
    int level = 0;
    while (((size_t)TILE_SIDE << level) < longest)
        level++;
    return level;
}

struct cut {
    const glim_tiles *t;
    uint64_t base;               /* the head's first weight */
    size_t row, column, columns; /* of the file: the first, and how many are read of a row */
    size_t step;
    float *means; /* (TILE_SIDE, TILE_SIDE) */
};

/* Adds a row of the file to the sums and counts of the tile's row. */
static void add_row(const struct cut *c, size_t row, float *weights, double *sums, size_t *counts) {
    size_t end = c->column + c->columns, seen = c->t->causal && row + 1 < end ? row + 1 : end;
    if (seen <= c->column)
        return;
    size_t n = seen - c->column;
    glim__npy_floats(&c->t->npy, c->base + row * c->t->columns + c->column, n, weights);
    for (size_t i = 0, s = 0; s < n; i++) {
        size_t to = s + c->step < n ? s + c->step : n;
        counts[i] += to - s;
        for (; s < to; s++)
            sums[i] += weights[s] > 0 ? (double)weights[s] : 0; /* nothing else is a weight */
    }
}

static void row_item(void *data, size_t r, int worker) {
    const struct cut *c = data;
    double sums[TILE_SIDE] = {0};
    size_t counts[TILE_SIDE] = {0};
    float *weights = glim__scratch(c->t->ctx, worker);
    for (size_t i = 0; i < c->step; i++) {
        size_t row = c->row + r * c->step + i;
        if (row < c->t->rows)
            add_row(c, row, weights, sums, counts);
    }
    for (size_t i = 0; i < TILE_SIDE; i++)
        c->means[r * TILE_SIDE + i] = counts[i] ? (float)(sums[i] / (double)counts[i]) : 0;
}

static glim_status check(const glim_tiles *t, const glim_tile *at, glim_error *err) {
    size_t step = (size_t)TILE_SIDE << (at->level >= 0 && at->level < 24 ? at->level : 0);
    if (at->layer < t->layers && at->head < t->heads && at->level >= 0 &&
        at->level <= glim__tiles_top(t) && at->row < (t->rows + step - 1) / step &&
        at->column < (t->columns + step - 1) / step)
        return GLIM_OK;
    return glim_fail(err, GLIM_EUSAGE,
                     "there is no tile %zu, %zu of level %d of layer %zu, head %zu", at->row,
                     at->column, at->level, at->layer, at->head);
}

glim_status glim__tiles_cut(const glim_tiles *t, const glim_tile *at, uint8_t *out, float *scale,
                            glim_error *err) {
    glim_status status = check(t, at, err);
    if (status)
        return status;
    struct cut c = {.t = t, .step = (size_t)1 << at->level};
    c.base = (uint64_t)(at->layer * t->heads + at->head) * t->rows * t->columns;
    c.row = at->row * TILE_SIDE * c.step;
    c.column = at->column * TILE_SIDE * c.step;
    c.columns =
        TILE_SIDE * c.step < t->columns - c.column ? TILE_SIDE * c.step : t->columns - c.column;
    status = glim__scratch_reserve(t->ctx, c.columns * sizeof(float), err);
    if (status)
        return status;
    c.means = glim__alloc(t->ctx, TILE_BYTES * sizeof *c.means);
    if (!c.means)
        return glim__oom(t->ctx, err, "a tile", TILE_BYTES * sizeof *c.means);
    glim__parallel(t->ctx, TILE_SIDE, row_item, &c);
    *scale = 0;
    for (size_t i = 0; i < TILE_BYTES; i++)
        *scale = c.means[i] > *scale && isfinite(c.means[i]) ? c.means[i] : *scale;
    for (size_t i = 0; i < TILE_BYTES; i++) {
        double share = *scale > 0 ? (double)(c.means[i] / *scale) : 0;
        out[i] = (uint8_t)lrint(255 * sqrt(share < 1 ? share : 1));
    }
    glim__free(t->ctx, c.means);
    return GLIM_OK;
}
