/* SPDX-License-Identifier: Apache-2.0 */
#include "reduce/grid-fft.h"

#include <math.h>
#include <string.h>

typedef kiss_fft_cpx cpx;

/* ---- kernels ---- */

typedef struct making {
    glim_grid_fft *f;
    cpx *plane; /* (m, m) */
} making;

/* Distance of a node from node 0 of a line that closes. */
static double apart(const glim_grid_fft *f, size_t k) {
    return (k <= f->half ? (double)k : (double)k - (double)f->m) * f->h;
}

/* w + i w^2 dx of a row, transformed. */
static void kernel_row(void *data, size_t row, int worker) {
    making *s = data;
    cpx *in = glim__scratch(s->f->ctx, worker), *out = s->plane + row * s->f->m;
    double y = apart(s->f, row);
    for (size_t c = 0; c < s->f->m; c++) {
        double x = apart(s->f, c), w = 1 / (1 + x * x + y * y);
        in[c] = (cpx){(float)w, c == s->f->half ? 0 : (float)(w * w * x)};
    }
    kiss_fft(s->f->forth, in, out);
}

static void kernel_column(void *data, size_t c, int worker) {
    making *s = data;
    size_t m = s->f->m;
    cpx *in = glim__scratch(s->f->ctx, worker), *out = in + m;
    for (size_t r = 0; r < m; r++)
        in[r] = s->plane[r * m + c];
    kiss_fft(s->f->forth, in, out);
    for (size_t r = 0; r < m; r++)
        s->plane[r * m + c] = out[r];
}

/* Squared transform of a cubic B-spline's values at the nodes, 1/6, 4/6, 1/6. */
static double spline_power(const glim_grid_fft *f, size_t k) {
    double b = (2 + cos(2 * M_PI * (double)k / (double)f->m)) / 3;
    return b * b;
}

/* The spectrum of w + i w^2 dx is W(k, l) - a(k, l): W is even in k, a odd. */
static void part_column(void *data, size_t k, int worker) {
    making *s = data;
    glim_grid_fft *f = s->f;
    size_t m = f->m, other = (m - k) % m;
    double all = (double)m * (double)m;
    for (size_t l = 0; l < m; l++) {
        double scale = 1 / (all * spline_power(f, k) * spline_power(f, l));
        double here = s->plane[l * m + k].r, there = s->plane[l * m + other].r;
        f->w[k * m + l] = (float)((here + there) / 2 * scale);
        f->a[k * m + l] = (float)((there - here) / 2 * scale);
        /* b(k, l) = a(l, k) */
        here = s->plane[k * m + l].r;
        there = s->plane[k * m + (m - l) % m].r;
        f->b[k * m + l] = (float)((there - here) / 2 * scale);
    }
}

static glim_status make_kernels(glim_grid_fft *f, glim_error *err) {
    making s = {.f = f, .plane = glim__alloc(f->ctx, f->m * f->m * sizeof(cpx))};
    if (!s.plane)
        return glim__oom(f->ctx, err, "a grid", f->m * f->m * sizeof(cpx));
    glim__parallel(f->ctx, f->m, kernel_row, &s);
    glim__parallel(f->ctx, f->m, kernel_column, &s);
    glim__parallel(f->ctx, f->half + 1, part_column, &s);
    glim__free(f->ctx, s.plane);
    return GLIM_OK;
}

static kiss_fft_cfg plan(glim_context *ctx, size_t m, int inverse) {
    size_t bytes = 0;
    kiss_fft_alloc((int)m, inverse, NULL, &bytes);
    void *room = glim__alloc(ctx, bytes);
    return room ? kiss_fft_alloc((int)m, inverse, room, &bytes) : NULL;
}

static glim_status make_room(glim_grid_fft *f, size_t m, glim_error *err) {
    glim_context *ctx = f->ctx;
    size_t half = m / 2, part = (half + 1) * m;
    glim__grid_fft_release(f);
    f->ctx = ctx;
    f->m = m;
    f->half = half;
    f->forth = plan(ctx, m, 0);
    f->back = plan(ctx, m, 1);
    f->columns = glim__alloc(ctx, (half + 1) * half * sizeof *f->columns);
    f->field = glim__alloc(ctx, half * m * sizeof *f->field);
    f->w = glim__alloc(ctx, part * sizeof *f->w);
    f->a = glim__alloc(ctx, part * sizeof *f->a);
    f->b = glim__alloc(ctx, part * sizeof *f->b);
    f->z = glim__alloc(ctx, (half + 1) * sizeof *f->z);
    if (!f->forth || !f->back || !f->columns || !f->field || !f->w || !f->a || !f->b || !f->z)
        return glim__oom(ctx, err, "a grid", part * 24);
    return glim__scratch_reserve(ctx, 4 * m * sizeof(cpx), err);
}

glim_status glim__grid_fft_size(glim_grid_fft *f, glim_context *ctx, size_t nodes, double h,
                                glim_error *err) {
    if (f->ctx && f->half >= nodes && f->h == h && f->half < 2 * nodes)
        return GLIM_OK;
    size_t half = nodes + nodes / 32, m;
    while ((m = (size_t)kiss_fft_next_fast_size((int)(2 * half))) % 4)
        half = m / 2 + 1;
    glim_status status = GLIM_OK;
    f->ctx = ctx;
    if (f->m != m)
        status = make_room(f, m, err);
    f->h = h;
    if (!status)
        status = make_kernels(f, err);
    if (status)
        glim__grid_fft_release(f);
    return status;
}

void glim__grid_fft_release(glim_grid_fft *f) {
    if (f->ctx) {
        void *const all[] = {f->forth, f->back, f->columns, f->field, f->w, f->a, f->b, f->z};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
            glim__free(f->ctx, all[i]);
    }
    *f = (glim_grid_fft){0};
}

/* ---- a run ---- */

typedef struct running {
    glim_grid_fft *f;
    glim_grid_row *charges;
    void *data;
} running;

/* Two rows of real numbers are one transform: their spectra are its even and odd parts. */
static void two_rows(void *data, size_t item, int worker) {
    running *s = data;
    glim_grid_fft *f = s->f;
    size_t row = 2 * item, m = f->m;
    cpx *in = glim__scratch(f->ctx, worker), *out = in + m;
    memset(in, 0, m * sizeof *in);
    s->charges(s->data, row, &in->r, 2);
    s->charges(s->data, row + 1, &in->i, 2);
    kiss_fft(f->forth, in, out);
    for (size_t k = 0; k <= f->half; k++) {
        cpx p = out[k], q = out[(m - k) % m];
        cpx *to = f->columns + k * f->half + row;
        to[0] = (cpx){(p.r + q.r) / 2, (p.i - q.i) / 2};
        to[1] = (cpx){(p.i + q.i) / 2, (q.r - p.r) / 2};
    }
}

static void put_column(const glim_grid_fft *f, size_t k, const cpx *from) {
    for (size_t r = 0; r < f->half; r++)
        f->field[r * f->m + k] = from[r];
}

/* Column k, times the kernels, back; and column -k, whose charges are the mirrored conjugates.
   The factor is i a - b, at -k it is -i a - b. */
static void column(void *data, size_t k, int worker) {
    running *s = data;
    glim_grid_fft *f = s->f;
    size_t m = f->m;
    const float *w = f->w + k * m, *a = f->a + k * m, *b = f->b + k * m;
    cpx *in = glim__scratch(f->ctx, worker), *out = in + m, *times = out + m;
    memcpy(in, f->columns + k * f->half, f->half * sizeof *in);
    memset(in + f->half, 0, (m - f->half) * sizeof *in);
    kiss_fft(f->forth, in, out);
    double z = 0;
    for (size_t l = 0; l < m; l++) {
        cpx q = out[l];
        z += (double)w[l] * (q.r * q.r + q.i * q.i);
        times[l] = (cpx){-q.r * b[l] - q.i * a[l], q.r * a[l] - q.i * b[l]};
    }
    bool twice = k > 0 && k < f->half;
    f->z[k] = twice ? 2 * z : z;
    kiss_fft(f->back, times, in);
    put_column(f, k, in);
    if (!twice)
        return;
    for (size_t l = 0; l < m; l++) {
        cpx q = out[(m - l) % m]; /* conjugate: (q.r, -q.i) */
        times[l] = (cpx){-q.r * b[l] - q.i * a[l], -q.r * a[l] + q.i * b[l]};
    }
    kiss_fft(f->back, times, in);
    put_column(f, m - k, in);
}

static void row_back(void *data, size_t row, int worker) {
    running *s = data;
    glim_grid_fft *f = s->f;
    cpx *in = glim__scratch(f->ctx, worker);
    memcpy(in, f->field + row * f->m, f->m * sizeof *in);
    kiss_fft(f->back, in, f->field + row * f->m);
}

double glim__grid_fft_run(glim_grid_fft *f, glim_grid_row *charges, void *data) {
    running s = {f, charges, data};
    double z = 0;
    glim__parallel(f->ctx, f->half / 2, two_rows, &s);
    glim__parallel(f->ctx, f->half + 1, column, &s);
    glim__parallel(f->ctx, f->half, row_back, &s);
    for (size_t k = 0; k <= f->half; k++)
        z += f->z[k];
    return z;
}
