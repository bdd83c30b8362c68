/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A symmetric matrix to tridiagonal form by reflections, H = I - tau v v^T, and back.
 * Panels of 32 columns (Dongarra, Sorensen, Hammarling 1989): inside a panel a column is
 * brought up to date when its turn comes, behind it the rest of the matrix is, in one product.
 * Half of the work is the product of the matrix with v, which memory bounds: rows are read as
 * they lie, sixteen at a time.
 *
 * The matrix is kept whole, both triangles: twice the arithmetic in products that run near
 * the peak, for rows that are contiguous everywhere.
 */
#include "tensor/eigen.h"

#include <math.h>
#include <string.h>

enum { PANEL = 32, STRIP = 512, ROWS = 48, LANES = 8, STREAMS = 16 };

size_t glim__eigen_ld(size_t n) {
    size_t ld = (n + 7) / 8 * 8;
    return ld % 64 ? ld : ld + 8; /* rows that lie pages apart would share cache sets */
}

static double dot(const double *x, const double *y, size_t n) {
    double lanes[LANES] = {0}, sum = 0;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t k = 0; k < LANES; k++)
            lanes[k] += x[i + k] * y[i + k];
    for (; i < n; i++)
        sum += x[i] * y[i];
    for (size_t k = 0; k < LANES; k++)
        sum += lanes[k];
    return sum;
}

struct reduction {
    const glim_kernels *kernels;
    double *a, *v, *w;          /* v, w (PANEL, ld): of this panel */
    double *both, *minus;       /* (2 PANEL, ld): v over w, and -w over -v */
    size_t n, ld, first, count; /* columns of the panel */
    size_t row;                 /* what is multiplied with: v of this column */
};

/* Columns of one strip of (rest of a) v. Few rows at a time, so that they are streams. */
static void times_item(void *data, size_t item, int worker) {
    struct reduction *s = data;
    size_t from = s->row + 1, p = s->row - s->first, lo = from + item * STRIP;
    size_t hi = lo + STRIP < s->n ? lo + STRIP : s->n;
    const double *v = s->v + p * s->ld;
    double *w = s->w + p * s->ld;
    for (size_t k = from; k < s->n; k += STREAMS)
        s->kernels->tile_f64(1, (int)(hi - lo), s->n - k < STREAMS ? s->n - k : STREAMS, v + k, 0,
                             1, s->a + k * s->ld + lo, (ptrdiff_t)s->ld, w + lo, 0, k > from);
}

/* x -= what the panel's reflections so far change in row i of the matrix. */
static void bring_up(const struct reduction *s, size_t i, double *x) {
    for (size_t p = 0; p < i - s->first; p++) {
        const double *v = s->v + p * s->ld, *w = s->w + p * s->ld;
        double vi = v[i], wi = w[i];
        for (size_t j = i; j < s->n; j++)
            x[j] -= vi * w[j] + wi * v[j];
    }
}

/* The reflection that leaves of x[i + 1 ..] the first element alone. */
static double reflect(double *v, const double *x, size_t i, size_t n, double *tau) {
    double alpha = x[i + 1], rest = dot(x + i + 2, x + i + 2, n - i - 2);
    memset(v, 0, n * sizeof *v);
    v[i + 1] = 1;
    *tau = 0;
    if (!(rest > 0))
        return alpha;
    double beta = -copysign(sqrt(alpha * alpha + rest), alpha);
    for (size_t j = i + 2; j < n; j++)
        v[j] = x[j] / (alpha - beta);
    *tau = (beta - alpha) / beta;
    return beta;
}

/* w = tau (A v - ...), so that A - v w^T - w v^T is the reflected matrix. */
static void complete(const struct reduction *s, size_t i, double tau) {
    size_t from = i + 1, m = s->n - from, p = i - s->first;
    const double *v = s->v + p * s->ld;
    double *w = s->w + p * s->ld;
    for (size_t q = 0; q < p; q++) {
        const double *vq = s->v + q * s->ld, *wq = s->w + q * s->ld;
        double vv = dot(vq + from, v + from, m), wv = dot(wq + from, v + from, m);
        for (size_t j = from; j < s->n; j++)
            w[j] -= vq[j] * wv + wq[j] * vv;
    }
    double half = 0.5 * tau * tau * dot(w + from, v + from, m);
    for (size_t j = from; j < s->n; j++)
        w[j] = tau * w[j] - half * v[j];
}

/* Rows of the rest: A -= V W^T + W V^T. */
static void update_item(void *data, size_t item, int worker) {
    struct reduction *s = data;
    size_t from = s->first + s->count, r = from + item * ROWS;
    size_t m = s->n - r < ROWS ? s->n - r : ROWS;
    ptrdiff_t ld = (ptrdiff_t)s->ld;
    s->kernels->tile_f64((int)m, (int)(s->n - from), 2 * s->count, s->both + r, 1, ld,
                         s->minus + from, ld, s->a + r * s->ld + from, ld, true);
}

static void stack_panel(struct reduction *s) {
    size_t row = s->ld, half = s->count * row;
    memcpy(s->both, s->v, half * sizeof *s->v);
    memcpy(s->both + half, s->w, half * sizeof *s->w);
    for (size_t i = 0; i < half; i++) {
        s->minus[i] = -s->w[i];
        s->minus[half + i] = -s->v[i];
    }
}

static void reduce_panel(glim_context *ctx, struct reduction *s, double *d, double *e,
                         double *tau) {
    for (size_t i = s->first; i < s->first + s->count; i++) {
        double *x = s->a + i * s->ld, *v = s->v + (i - s->first) * s->ld;
        bring_up(s, i, x);
        d[i] = x[i];
        e[i] = reflect(v, x, i, s->n, &tau[i]);
        s->row = i;
        glim__parallel(ctx, (s->n - i - 1 + STRIP - 1) / STRIP, times_item, s);
        complete(s, i, tau[i]);
        memcpy(x + i + 1, v + i + 1, (s->n - i - 1) * sizeof *x);
    }
    stack_panel(s);
    glim__parallel(ctx, (s->n - s->first - s->count + ROWS - 1) / ROWS, update_item, s);
}

glim_status glim__tridiagonal(glim_context *ctx, double *a, size_t n, double *d, double *e,
                              double *tau, glim_error *err) {
    size_t ld = glim__eigen_ld(n), each = (size_t)PANEL * ld;
    double *work = glim__calloc(ctx, 6 * each + 16, sizeof *work);
    if (!work)
        return glim__oom(ctx, err, "eigenvectors", 6 * each * sizeof *work);
    struct reduction s = {.kernels = glim__kernels(ctx), .a = a, .n = n, .ld = ld};
    s.v = work;
    s.w = work + each;
    s.both = work + 2 * each;
    s.minus = work + 4 * each;
    glim_status status = GLIM_OK;
    for (; s.first + 1 < n && !status; s.first += s.count) {
        s.count = n - 1 - s.first < PANEL ? n - 1 - s.first : PANEL;
        memset(work, 0, 2 * each * sizeof *work);
        reduce_panel(ctx, &s, d, e, tau);
        status = glim__check_cancel(ctx, err);
    }
    d[n - 1] = a[(n - 1) * ld + n - 1];
    tau[n - 1] = 0;
    glim__free(ctx, work);
    return status;
}

/* ---- back ---- */

struct back {
    const glim_kernels *kernels;
    double *z;
    const double *rows; /* (PANEL, ld): v of a panel */
    double *turned;     /* (ld, PANEL) */
    double t[PANEL * PANEL];
    size_t n, ld, first, count;
};

/* H_1 H_2 ... = I - V T V^T, T upper triangular. */
static void fill_t(struct back *s, const double *tau) {
    memset(s->t, 0, sizeof s->t);
    for (size_t j = 0; j < s->count; j++) {
        double by[PANEL] = {0}, t = tau[s->first + j];
        for (size_t i = 0; i < j; i++)
            by[i] = dot(s->rows + i * s->ld, s->rows + j * s->ld, s->n);
        for (size_t i = 0; i < j; i++)
            for (size_t k = i; k < j; k++)
                s->t[i * PANEL + j] -= t * s->t[i * PANEL + k] * by[k];
        s->t[j * PANEL + j] = t;
    }
}

/* Rows of z: z -= (z V) T^T V^T. */
static void back_item(void *data, size_t item, int worker) {
    struct back *s = data;
    size_t r = item * ROWS, m = s->n - r < ROWS ? s->n - r : ROWS, from = s->first + 1;
    double zv[ROWS * PANEL], by[ROWS * PANEL];
    double *z = s->z + r * s->ld + from;
    ptrdiff_t ld = (ptrdiff_t)s->ld;
    s->kernels->tile_f64((int)m, PANEL, s->n - from, z, ld, 1, s->turned + from * PANEL, PANEL, zv,
                         PANEL, false);
    memset(by, 0, sizeof by);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < s->count; j++)
            for (size_t k = j; k < s->count; k++)
                by[i * PANEL + j] -= zv[i * PANEL + k] * s->t[j * PANEL + k];
    s->kernels->tile_f64((int)m, (int)(s->n - from), s->count, by, PANEL, 1, s->rows + from, ld, z,
                         ld, true);
}

glim_status glim__tridiagonal_back(glim_context *ctx, const double *a, const double *tau, size_t n,
                                   double *z, glim_error *err) {
    size_t ld = glim__eigen_ld(n), each = (size_t)PANEL * ld;
    double *rows = glim__calloc(ctx, 2 * each + 16, sizeof *rows);
    if (!rows)
        return glim__oom(ctx, err, "eigenvectors", 2 * each * sizeof *rows);
    struct back s = {.kernels = glim__kernels(ctx),
                     .z = z,
                     .rows = rows,
                     .turned = rows + each,
                     .n = n,
                     .ld = ld};
    for (size_t panels = n < 2 ? 0 : (n - 1 + PANEL - 1) / PANEL; panels > 0; panels--) {
        s.first = (panels - 1) * PANEL;
        s.count = n - 1 - s.first < PANEL ? n - 1 - s.first : PANEL;
        memset(rows, 0, 2 * each * sizeof *rows);
        for (size_t p = 0; p < s.count; p++)
            for (size_t j = s.first + p + 1; j < n; j++)
                rows[p * ld + j] = s.turned[j * PANEL + p] = a[(s.first + p) * ld + j];
        fill_t(&s, tau);
        glim__parallel(ctx, (n + ROWS - 1) / ROWS, back_item, &s);
    }
    glim__free(ctx, rows);
    return GLIM_OK;
}
