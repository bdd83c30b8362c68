/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quickshift (Vedaldi & Soatto 2008): a pixel's density is how many pixels around it are near
 * in place and colour,
 *
 *   P = sum over a window of exp(-(|xy - xy'|^2 + |c - c'|^2) / 2 sigma^2),  c = ratio lab,
 *
 * and every pixel hangs on the nearest one that has more; those with none in their window
 * are roots, and a root's tree is a superpixel. sigma 4, ratio 0.2 and the longest hop of
 * 200 are those of lime_image 0.2.0.1, everything else as in scikit-image 0.26. Ties
 * are broken as there by noise of 1e-5 on the densities, here drawn by the pixel's
 * number. Parts need not be connected: a tree may jump within its window.
 */
#include "base/context.h"
#include "base/rng.h"
#include "predict/superpixel.h"

#include <math.h>

enum { SIGMA = 4, REACH = 3 * SIGMA, HOP = 200, NOISE = 3 };

static const double RATIO = 0.2;

struct shift {
    glim_context *ctx;
    int width, height;
    float *colour;   /* (H W, 3) */
    double *density; /* (H W) */
    uint32_t *up;    /* (H W) the pixel it hangs on */
};

static double apart(const struct shift *s, size_t a, size_t b) {
    const float *p = s->colour + 3 * a, *q = s->colour + 3 * b;
    double l = p[0] - q[0], u = p[1] - q[1], v = p[2] - q[2];
    return l * l + u * u + v * v;
}

/* A pair counts for both, so that each is computed once: those behind pixel (x, y). */
static void add_pairs(struct shift *s, int y, int x) {
    size_t w = (size_t)s->width, at = (size_t)y * w + (size_t)x;
    int bottom = y + REACH < s->height ? y + REACH : s->height - 1;
    int right = x + REACH < s->width ? x + REACH : s->width - 1;
    double sum = 1; /* itself */
    for (int v = y; v <= bottom; v++) {
        int left = v == y ? x + 1 : x > REACH ? x - REACH : 0;
        for (int u = left; u <= right; u++) {
            size_t other = (size_t)v * w + (size_t)u;
            double d = apart(s, at, other) + (v - y) * (v - y) + (u - x) * (u - x);
            double e = (double)expf((float)(d / (-2.0 * SIGMA * SIGMA)));
            sum += e;
            s->density[other] += e;
        }
    }
    s->density[at] += sum;
}

/* Looks along row v for a pixel with more density than (x, y) that is nearer than *least;
   of equally near ones the first of the picture counts. */
static void look_along(const struct shift *s, int y, int x, int v, double *least, size_t *best) {
    size_t w = (size_t)s->width, at = (size_t)y * w + (size_t)x;
    int left = x > REACH ? x - REACH : 0, down = (v - y) * (v - y);
    int right = x + REACH < s->width ? x + REACH : s->width - 1;
    for (int u = left; u <= right; u++) {
        size_t other = (size_t)v * w + (size_t)u;
        double d = down + (u - x) * (u - x);
        if (d > *least || s->density[other] <= s->density[at])
            continue;
        d += apart(s, at, other);
        if (d < *least || (d == *least && other < *best)) {
            *least = d;
            *best = other;
        }
    }
}

/* From the pixel's own row outwards, until rows alone are farther than what was found. */
static uint32_t find_up(const struct shift *s, int y, int x) {
    size_t at = (size_t)y * (size_t)s->width + (size_t)x, best = at;
    double least = INFINITY;
    for (int k = 0; k <= REACH && (double)k * k <= least; k++) {
        if (y >= k)
            look_along(s, y, x, y - k, &least, &best);
        if (k && y + k < s->height)
            look_along(s, y, x, y + k, &least, &best);
    }
    return (uint32_t)(least <= (double)HOP * HOP ? best : at);
}

static glim_status climb(struct shift *s, glim_error *err) {
    size_t n = (size_t)s->width * (size_t)s->height;
    glim_status status = GLIM_OK;
    for (int y = 0; y < s->height && !status; y++) {
        for (int x = 0; x < s->width; x++)
            add_pairs(s, y, x);
        status = glim__check_cancel(s->ctx, err);
    }
    for (size_t i = 0; i < n; i++)
        s->density[i] += 1e-5 * glim__rng_normal(0, NOISE, i);
    for (int y = 0; y < s->height && !status; y++) {
        for (int x = 0; x < s->width; x++)
            s->up[(size_t)y * (size_t)s->width + (size_t)x] = find_up(s, y, x);
        status = glim__check_cancel(s->ctx, err);
    }
    return status;
}

/* Every pixel gets its root; densities rise along the way, so there is one. */
static void find_roots(uint32_t *up, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint32_t root = (uint32_t)i;
        while (up[root] != root)
            root = up[root];
        for (uint32_t at = (uint32_t)i; up[at] != root;) {
            uint32_t next = up[at];
            up[at] = root;
            at = next;
        }
    }
}

glim_status glim__superpixel_quickshift(uint32_t *label, size_t *n, const glim_image *image,
                                        glim_error *err) {
    glim_context *ctx = image->ctx;
    size_t pixels = (size_t)image->width * (size_t)image->height;
    struct shift s = {.ctx = ctx, .width = image->width, .height = image->height, .up = label};
    s.colour = glim__calloc(ctx, pixels, 3 * sizeof *s.colour);
    s.density = glim__calloc(ctx, pixels, sizeof *s.density);
    glim_status status = s.colour && s.density ? GLIM_OK
                                               : glim__oom(ctx, err, "superpixels",
                                                           pixels * (3 * sizeof *s.colour + 8));
    if (!status) {
        glim__superpixel_lab(s.colour, image, false, RATIO);
        status = climb(&s, err);
    }
    if (!status) {
        find_roots(label, pixels);
        *n = glim__superpixel_number(label, pixels, (uint32_t *)(void *)s.colour, pixels);
    }
    glim__free(ctx, s.colour);
    glim__free(ctx, s.density);
    return status;
}
