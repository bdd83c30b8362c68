/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Units of a picture as shapes: which of them matter most, how much of the picture they
 * are, and the outline of one. An outline goes along the edges of pixels with the unit on
 * its right, one loop for each part and each hole; nothing is smoothed, since a
 * smoothed edge would lie where no pixel changed.
 */
#include "view/views.h"

#include <math.h>
#include <string.h>

size_t glim__regions_top(const glim_document *d, const double *scores, int sign, size_t most,
                         size_t *units) {
    size_t n = 0;
    while (n < most) {
        size_t best = SIZE_MAX;
        for (size_t u = 0; u < d->input.n_units; u++) {
            bool taken = !isfinite(scores[u]) || !(sign * scores[u] > 0);
            for (size_t i = 0; i < n && !taken; i++)
                taken = units[i] == u;
            if (!taken && (best == SIZE_MAX || sign * scores[u] > sign * scores[best]))
                best = u;
        }
        if (best == SIZE_MAX)
            break;
        units[n++] = best;
    }
    return n;
}

double glim__regions_share(const glim_document *d, const size_t *units, size_t n) {
    double pixels = 0;
    for (size_t i = 0; i < n; i++)
        pixels += (double)d->input.units[units[i]].count;
    return pixels / ((double)d->input.image.width * d->input.image.height);
}

void glim__regions_middle(const glim_document *d, size_t u, double *x, double *y) {
    const glim_document_unit *unit = &d->input.units[u];
    const uint32_t *label = d->input.image.label;
    int most = 0;
    *x = unit->x + unit->width / 2.0;
    *y = unit->y + unit->height / 2.0;
    for (int v = unit->y; v < unit->y + unit->height && label; v++)
        for (int from = unit->x, to; from < unit->x + unit->width; from = to + 1) {
            const uint32_t *row = label + (size_t)v * (size_t)d->input.image.width;
            for (to = from; to < unit->x + unit->width && row[to] == u;)
                to++;
            if (to - from > most) {
                most = to - from;
                *x = (from + to) / 2.0;
                *y = v + 0.5;
            }
        }
}

/* ---- outlines ---- */

struct walk {
    const glim_document *d;
    uint32_t unit;
    uint8_t *seen; /* (H W) upper edges that a loop went along */
    int x, y, way; /* 0 right, 1 down, 2 left, 3 up */
};

static bool within(const struct walk *w, int x, int y) {
    int W = w->d->input.image.width, H = w->d->input.image.height;
    return x >= 0 && y >= 0 && x < W && y < H &&
           w->d->input.image.label[(size_t)y * (size_t)W + (size_t)x] == w->unit;
}

/* Along the edge of one pixel, and into the way of the next. */
static void step(struct walk *w) {
    static const int dx[] = {1, 0, -1, 0}, dy[] = {0, 1, 0, -1};
    /* the pixels ahead, from the corner: to the right and to the left of the way */
    static const int rx[] = {0, -1, -1, 0}, ry[] = {0, 0, -1, -1};
    static const int lx[] = {0, 0, -1, -1}, ly[] = {-1, 0, 0, -1};
    if (!w->way)
        w->seen[(size_t)w->y * (size_t)w->d->input.image.width + (size_t)w->x] = 1;
    w->x += dx[w->way];
    w->y += dy[w->way];
    if (!within(w, w->x + rx[w->way], w->y + ry[w->way]))
        w->way = (w->way + 1) % 4;
    else if (within(w, w->x + lx[w->way], w->y + ly[w->way]))
        w->way = (w->way + 3) % 4;
}

static void put_loop(glim_buffer *b, struct walk *w) {
    int x = w->x, y = w->y, from_x = x, from_y = y;
    w->way = 0;
    glim__buffer_printf(b, "M%d %d", x, y);
    for (;;) {
        int way = w->way;
        step(w);
        if (w->x == x && w->y == y && !w->way)
            break; /* closed by the letter below */
        if (w->way == way)
            continue;
        glim__buffer_printf(b, way % 2 ? "v%d" : "h%d", way % 2 ? w->y - from_y : w->x - from_x);
        from_x = w->x;
        from_y = w->y;
    }
    glim__buffer_putc(b, 'z');
}

static void put_box(glim_buffer *b, const glim_document_unit *u) {
    glim__buffer_printf(b, "M%d %dh%dv%dh%dz", u->x, u->y, u->width, u->height, -u->width);
}

void glim__regions_outline(glim_buffer *b, const glim_document *d, size_t unit, uint8_t *seen) {
    const glim_document_unit *u = &d->input.units[unit];
    struct walk w = {.d = d, .unit = (uint32_t)unit, .seen = seen};
    if (!d->input.image.label) {
        put_box(b, u);
        return;
    }
    for (int y = u->y; y < u->y + u->height; y++)
        for (int x = u->x; x < u->x + u->width; x++) {
            size_t at = (size_t)y * (size_t)d->input.image.width + (size_t)x;
            if (!within(&w, x, y) || within(&w, x, y - 1) || seen[at])
                continue;
            w.x = x;
            w.y = y;
            put_loop(b, &w);
        }
}
