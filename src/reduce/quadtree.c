/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Barnes and Hut's tree: a cell of side s at a distance D is one heavy point if s < theta D
 * (van der Maaten 2014). Points are sorted along a Z-shaped curve (Morton's order), so a cell is
 * a run of them and the tree the same for equal points; cells lie in the order of a walk, each
 * with the number of the cell behind its last descendant, so that nothing recurses.
 */
#include "reduce/repulsion.h"

#include <math.h>
#include <stdlib.h>

enum { LEAF = 8, LEVELS = 20 };

typedef struct cell {
    float x, y, side; /* centre of mass */
    uint32_t first, count, skip;
    bool leaf;
} cell;

typedef struct ordered {
    uint64_t code;
    uint32_t at;
    float x, y;
} ordered;

struct glim_quadtree {
    glim_context *ctx;
    ordered *points;
    cell *cells;
    size_t n, n_cells, room;
};

glim_status glim__quadtree_new(glim_quadtree **out, glim_context *ctx, size_t n, glim_error *err) {
    glim_quadtree *t = *out = glim__calloc(ctx, 1, sizeof *t);
    if (!t)
        return glim__oom(ctx, err, "a quadtree", sizeof *t);
    t->ctx = ctx;
    t->n = n;
    /* a cell above LEAF points that has one child alone is not kept, so each kept inner cell
       parts its points: at most n - 1 of them, and n leaves */
    t->room = 2 * n + 1;
    t->points = glim__calloc(ctx, n, sizeof *t->points);
    t->cells = glim__calloc(ctx, t->room, sizeof *t->cells);
    return t->points && t->cells ? GLIM_OK
                                 : glim__oom(ctx, err, "a quadtree", n * sizeof *t->points);
}

void glim__quadtree_free(glim_quadtree *t) {
    if (!t)
        return;
    glim__free(t->ctx, t->points);
    glim__free(t->ctx, t->cells);
    glim__free(t->ctx, t);
}

/* Bits of v, with a free one between each two. */
static uint64_t spread(uint64_t v) {
    v = (v | v << 16) & 0x0000FFFF0000FFFF;
    v = (v | v << 8) & 0x00FF00FF00FF00FF;
    v = (v | v << 4) & 0x0F0F0F0F0F0F0F0F;
    v = (v | v << 2) & 0x3333333333333333;
    return (v | v << 1) & 0x5555555555555555;
}

static int by_code(const void *a, const void *b) {
    const ordered *p = a, *q = b;
    return p->code != q->code ? (p->code < q->code ? -1 : 1) : (p->at > q->at) - (p->at < q->at);
}

/* Points [first, first + count), all in one cell of this level. */
static void add_cell(glim_quadtree *t, size_t first, size_t count, int level, double side) {
    for (; level < LEVELS; level++, side /= 2) { /* down to where they part */
        int shift = 2 * (LEVELS - 1 - level);
        if (t->points[first].code >> shift != t->points[first + count - 1].code >> shift)
            break;
    }
    size_t me = t->n_cells++;
    double x = 0, y = 0;
    for (size_t i = first; i < first + count; i++) {
        x += t->points[i].x;
        y += t->points[i].y;
    }
    t->cells[me] = (cell){.x = (float)(x / (double)count),
                          .y = (float)(y / (double)count),
                          .side = (float)side,
                          .first = (uint32_t)first,
                          .count = (uint32_t)count,
                          .leaf = count <= LEAF || level == LEVELS};
    if (!t->cells[me].leaf) {
        int shift = 2 * (LEVELS - 1 - level);
        for (size_t from = first, to; from < first + count; from = to) {
            to = from + 1;
            while (to < first + count &&
                   t->points[to].code >> shift == t->points[from].code >> shift)
                to++;
            add_cell(t, from, to - from, level + 1, side / 2);
        }
    }
    t->cells[me].skip = (uint32_t)t->n_cells;
}

void glim__quadtree_build(glim_quadtree *t, const glim_plane *at) {
    double low[2] = {INFINITY, INFINITY}, high[2] = {-INFINITY, -INFINITY};
    for (size_t i = 0; i < t->n; i++) {
        low[0] = fmin(low[0], at->x[i]);
        low[1] = fmin(low[1], at->y[i]);
        high[0] = fmax(high[0], at->x[i]);
        high[1] = fmax(high[1], at->y[i]);
    }
    double side = fmax(high[0] - low[0], high[1] - low[1]), top = (1 << LEVELS) - 1;
    double scale = side > 0 ? top / side : 0;
    for (size_t i = 0; i < t->n; i++) {
        uint64_t x = (uint64_t)((at->x[i] - low[0]) * scale);
        uint64_t y = (uint64_t)((at->y[i] - low[1]) * scale);
        t->points[i] = (ordered){spread(x) | spread(y) << 1, (uint32_t)i, at->x[i], at->y[i]};
    }
    qsort(t->points, t->n, sizeof *t->points, by_code);
    t->n_cells = 0;
    add_cell(t, 0, t->n, 0, side);
}

static void push(double count, double dx, double dy, double sums[3]) {
    double w = 1 / (1 + dx * dx + dy * dy);
    sums[0] += count * w;
    sums[1] += count * w * w * dx;
    sums[2] += count * w * w * dy;
}

void glim__quadtree_repel(const glim_quadtree *t, double x, double y, size_t self, double theta,
                          double sums[3]) {
    sums[0] = sums[1] = sums[2] = 0;
    for (size_t c = 0; c < t->n_cells;) {
        const cell *at = &t->cells[c];
        double dx = x - at->x, dy = y - at->y;
        if ((double)at->side * at->side < theta * theta * (dx * dx + dy * dy)) {
            push(at->count, dx, dy, sums);
            c = at->skip;
            continue;
        }
        for (size_t i = at->first; at->leaf && i < at->first + at->count; i++)
            if (t->points[i].at != self)
                push(1, x - t->points[i].x, y - t->points[i].y, sums);
        c++;
    }
}
