/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Repulsion on a grid, after FIt-SNE (Linderman et al. 2019), in four steps a turn. Points are
 * spread over the nodes of a square grid; the grid is convolved with the kernels by an FFT twice
 * as wide, so that nothing comes round; the field is read off at the points.
 *
 * FIt-SNE puts polynomials into boxes. Here points are spread by cubic B-splines and the kernels
 * divided by the splines' own transform, which is cubic spline interpolation of the kernels: of
 * the same accuracy with a node where polynomials take two each way. And instead of four
 * charges there is one, a point, but two kernels: w^2 dx and w^2 dy are the real and imaginary
 * part of one transform back, and Z needs none: by Parseval's theorem it is a sum over the
 * spectrum. Both kernels are odd, so their spectra are imaginary, i a(k, l) and i a(l, k).
 */
#include "reduce/grid-fft.h"
#include "reduce/repulsion.h"

#include <math.h>
#include <string.h>

enum { EDGE = 2, MARGIN = 14, LEAST = 32, ROWS = 256, MOST = 8192 };

struct glim_grid {
    glim_context *ctx;
    size_t n;
    glim_grid_fft fft;
    double h, left, bottom;
    uint32_t *order, *start, *row; /* points by the row of their cell */
    const glim_plane *at;
    glim_plane *force;
    double scale;
};

glim_status glim__grid_new(glim_grid **out, glim_context *ctx, size_t n, glim_error *err) {
    glim_grid *g = *out = glim__calloc(ctx, 1, sizeof *g);
    if (!g)
        return glim__oom(ctx, err, "a grid", sizeof *g);
    g->ctx = ctx;
    g->n = n;
    g->order = glim__calloc(ctx, n, sizeof *g->order);
    g->row = glim__calloc(ctx, n, sizeof *g->row);
    g->start = glim__calloc(ctx, MOST + 2, sizeof *g->start);
    return g->order && g->row && g->start ? GLIM_OK
                                          : glim__oom(ctx, err, "a grid", n * 2 * sizeof *g->order);
}

void glim__grid_free(glim_grid *g) {
    if (!g)
        return;
    glim__grid_fft_release(&g->fft);
    glim__free(g->ctx, g->order);
    glim__free(g->ctx, g->row);
    glim__free(g->ctx, g->start);
    glim__free(g->ctx, g);
}

/* ---- where the grid lies ---- */

static void bounds(const float *x, size_t n, double *low, double *span) {
    float least = x[0], most = x[0];
    for (size_t i = 1; i < n; i++) {
        least = x[i] < least ? x[i] : least;
        most = x[i] > most ? x[i] : most;
    }
    *low = least;
    *span = fmax(*span, (double)most - least);
}

static glim_status lay(glim_grid *g, double step, glim_error *err) {
    double span = 0, h = step;
    bounds(g->at->x, g->n, &g->left, &span);
    bounds(g->at->y, g->n, &g->bottom, &span);
    if (!(span > 1e-30))
        span = 1e-30;
    while (span / h < LEAST)
        h /= 2;
    while (span / h > 0.5 * MOST)
        h *= 2;
    g->h = h;
    size_t nodes = (size_t)(span / h) + 1 + 2 * (size_t)EDGE;
    return glim__grid_fft_size(&g->fft, g->ctx, nodes + MARGIN, h, err);
}

static uint32_t cell_of(const glim_grid *g, double v, double low, float *t) {
    double u = (v - low) / g->h + EDGE;
    uint32_t cell = (uint32_t)u;
    *t = (float)(u - cell);
    return cell;
}

/* Nodes cell - 1 to cell + 2. */
static void spline(float t, float w[4]) {
    float s = 1 - t;
    w[0] = s * s * s / 6;
    w[1] = (3 * t * t * (t - 2) + 4) / 6;
    w[2] = (3 * s * s * (s - 2) + 4) / 6;
    w[3] = t * t * t / 6;
}

static void sort_rows(glim_grid *g) {
    float t;
    memset(g->start, 0, (g->fft.half + 2) * sizeof *g->start);
    for (size_t i = 0; i < g->n; i++) {
        g->row[i] = cell_of(g, g->at->y[i], g->bottom, &t);
        g->start[g->row[i] + 2]++;
    }
    for (size_t r = 2; r < g->fft.half + 2; r++)
        g->start[r] += g->start[r - 1];
    for (size_t i = 0; i < g->n; i++)
        g->order[g->start[g->row[i] + 1]++] = (uint32_t)i;
}

/* ---- spreading and reading ---- */

static void spread_row(void *data, size_t row, float *out, size_t stride) {
    glim_grid *g = data;
    float wx[4], wy[4], t;
    for (size_t q = 0; q < 4; q++) {
        if (row + 1 < q)
            continue;
        size_t cell = row + 1 - q; /* whose q-th node this row is */
        for (size_t e = g->start[cell]; cell < g->fft.half && e < g->start[cell + 1]; e++) {
            uint32_t i = g->order[e];
            cell_of(g, g->at->y[i], g->bottom, &t);
            spline(t, wy);
            uint32_t column = cell_of(g, g->at->x[i], g->left, &t) - 1;
            spline(t, wx);
            for (size_t k = 0; k < 4; k++)
                out[(column + k) * stride] += wy[q] * wx[k];
        }
    }
}

static void read_points(void *data, size_t item, int worker) {
    glim_grid *g = data;
    float wx[4], wy[4], t;
    for (size_t e = item * ROWS; e < g->n && e < (item + 1) * ROWS; e++) {
        uint32_t i = g->order[e];
        uint32_t row = cell_of(g, g->at->y[i], g->bottom, &t) - 1;
        spline(t, wy);
        uint32_t column = cell_of(g, g->at->x[i], g->left, &t) - 1;
        spline(t, wx);
        float fx = 0, fy = 0;
        for (size_t q = 0; q < 4; q++) {
            const kiss_fft_cpx *f = g->fft.field + (row + q) * g->fft.m + column;
            for (size_t k = 0; k < 4; k++) {
                fx += wy[q] * wx[k] * f[k].r;
                fy += wy[q] * wx[k] * f[k].i;
            }
        }
        g->force->x[i] = fx;
        g->force->y[i] = fy;
    }
}

glim_status glim__grid_repel(glim_grid *g, const glim_plane *at, double step, glim_plane *force,
                             double *z, glim_error *err) {
    g->at = at;
    g->force = force;
    glim_status status = lay(g, step, err);
    if (status)
        return status;
    sort_rows(g);
    *z = glim__grid_fft_run(&g->fft, spread_row, g) - (double)g->n;
    glim__parallel(g->ctx, (g->n + ROWS - 1) / ROWS, read_points, g);
    return GLIM_OK;
}
