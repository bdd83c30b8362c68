/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tridiagonal matrices by divide and conquer (Cuppen 1981; Gu and Eisenstat 1995): two halves
 * are solved, and the element between them is a change of rank one. Its eigenvalues are the
 * roots of 1 + rho sum z_j^2 / (d_j - x), one between two neighbours each; its vectors follow
 * from the roots by a formula that keeps them orthogonal. What an element of z hardly touches,
 * or shares its d with another, is left as it is, which covariances of few rows do most of.
 *
 * Why not QL steps alone: rotations of columns are five times the arithmetic, and none of it
 * is a product.
 */
#include "tensor/eigen.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LEAF = 32, ROWS = 48, LANE = 16, CHUNK = 256, STEPS = 30, ITERATIONS = 120 };

typedef struct entry {
    double d, z;
    size_t row;   /* of the vectors */
    int side;     /* 1 the upper half, 2 the lower one, 3 both */
    size_t place; /* among those whose halves lie together */
} entry;

struct divide {
    glim_context *ctx;
    const glim_kernels *kernels;
    double *d, *e, *z; /* z (n, ld) */
    size_t ld;
    double *v, *packed; /* (n, ld) each */
    entry *all, *live;  /* (n) */
    double *roots, *hat;
    /* of the merge at hand */
    size_t lo, mid, hi, count, upper, lower; /* live entries; with an upper, a lower half */
    double rho;
};

/* ---- leaves ---- */

/* One implicit QL step on rows l .. m, and on their vectors. */
static void ql_step(double *d, double *e, size_t l, size_t m, double *z, size_t ld, size_t n) {
    double g = (d[l + 1] - d[l]) / (2 * e[l]), r = hypot(g, 1), s = 1, c = 1, p = 0;
    g = d[m] - d[l] + e[l] / (g + copysign(r, g));
    for (size_t i = m; i-- > l;) {
        double f = s * e[i], b = c * e[i];
        e[i + 1] = r = hypot(f, g);
        if (r == 0) {
            d[i + 1] -= p;
            e[m] = 0;
            return;
        }
        s = f / r;
        c = g / r;
        g = d[i + 1] - p;
        r = (d[i] - g) * s + 2 * c * b;
        p = s * r;
        d[i + 1] = g + p;
        g = c * r - b;
        double *x = z + i * ld, *y = x + ld;
        for (size_t k = 0; k < n; k++) {
            double old = y[k];
            y[k] = s * x[k] + c * old;
            x[k] = c * x[k] - s * old;
        }
    }
    d[l] -= p;
    e[l] = g;
    e[m] = 0;
}

/* d, e (n) of a leaf; e[n - 1] is room. False when it does not settle. */
static bool ql(double *d, double *e, size_t n, double *z, size_t ld) {
    for (size_t l = 0; l < n; l++)
        for (int step = 0;; step++) {
            size_t m = l;
            while (m + 1 < n && fabs(e[m]) > DBL_EPSILON * (fabs(d[m]) + fabs(d[m + 1])))
                m++;
            if (m == l)
                break;
            if (step == 2 * STEPS)
                return false;
            ql_step(d, e, l, m, z, ld, n);
        }
    return true;
}

static glim_status leaf(struct divide *s, size_t lo, size_t hi, glim_error *err) {
    double e[LEAF + 1] = {0};
    for (size_t i = lo; i < hi; i++) {
        s->z[i * s->ld + i] = 1;
        e[i - lo] = i + 1 < hi ? s->e[i] : 0;
    }
    if (!ql(s->d + lo, e, hi - lo, s->z + lo * s->ld + lo, s->ld))
        return glim_fail(err, GLIM_ENUMERIC, "eigenvalues do not settle");
    return GLIM_OK;
}

/* ---- what is left as it is ---- */

static int by_d(const void *a, const void *b) {
    const entry *x = a, *y = b;
    if (x->d != y->d)
        return x->d < y->d ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

static void list_entries(struct divide *s, bool negative) {
    for (size_t i = s->lo; i < s->hi; i++) {
        bool upper = i < s->mid;
        double z = s->z[i * s->ld + (upper ? s->mid - 1 : s->mid)] * M_SQRT1_2;
        s->all[i - s->lo] = (entry){
            .d = s->d[i], .z = !upper && negative ? -z : z, .row = i, .side = upper ? 1 : 2};
    }
    qsort(s->all, s->hi - s->lo, sizeof *s->all, by_d);
}

/* Equal d: a rotation puts all of both z into b. */
static bool join(struct divide *s, entry *a, entry *b, double tol) {
    double size = hypot(a->z, b->z), c = b->z / size, w = -a->z / size;
    if (fabs((b->d - a->d) * c * w) > tol)
        return false;
    double *x = s->z + a->row * s->ld, *y = s->z + b->row * s->ld, d = a->d;
    for (size_t k = s->lo; k < s->hi; k++) {
        double old = x[k];
        x[k] = c * old + w * y[k];
        y[k] = c * y[k] - w * old;
    }
    a->d = d * c * c + b->d * w * w;
    b->d = d * w * w + b->d * c * c;
    a->z = 0;
    b->z = size;
    a->side = b->side = a->side | b->side;
    return true;
}

/* live: entries that the change of rank one moves, ascending; the others stay in all,
   their z at 0. */
static void deflate(struct divide *s) {
    size_t n = s->hi - s->lo;
    double most = 0;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, fmax(fabs(s->all[i].d), fabs(s->all[i].z)));
    double tol = 8 * DBL_EPSILON * most;
    entry *before = NULL;
    s->count = 0;
    for (size_t i = 0; i < n; i++) {
        entry *x = &s->all[i];
        if (s->rho * fabs(x->z) <= tol) {
            x->z = 0;
            continue;
        }
        if (before)
            join(s, before, x, tol);
        before = x;
    }
    for (size_t i = 0; i < n; i++)
        if (s->all[i].z != 0)
            s->live[s->count++] = s->all[i];
}

/* ---- roots ---- */

typedef struct secular {
    double f, left, right, size; /* the function, its slopes by the poles at each side */
} secular;

static secular at(const struct divide *s, size_t i, double origin, double x) {
    secular out = {.f = 1, .size = 1};
    for (size_t j = 0; j < s->count; j++) {
        double t = s->live[j].z / ((s->live[j].d - origin) - x), term = s->rho * s->live[j].z * t;
        out.f += term;
        out.size += fabs(term);
        *(j <= i ? &out.left : &out.right) += s->rho * t * t;
    }
    return out;
}

/* Where a function with two poles that agrees with f at x has its root. */
static double rational_step(const struct divide *s, size_t i, double origin, double x, secular f) {
    double a = s->live[i].d - origin - x, slope = f.left + f.right;
    if (i + 1 == s->count) {
        double c = f.f - slope * a;
        return c > 0 ? a * f.f / c : -f.f / slope;
    }
    double b = s->live[i + 1].d - origin - x, c = f.f - a * f.left - b * f.right;
    double p = (a + b) * f.f - a * b * slope, q = a * b * f.f;
    double root = sqrt(fmax(p * p - 4 * q * c, 0));
    double step = p <= 0 ? (c != 0 ? (p - root) / (2 * c) : q / p) : 2 * q / (p + root);
    return f.f * step < 0 ? step : -f.f / slope;
}

/* Root i: the pole that it is told from, and the way from there. */
static double root_of(const struct divide *s, size_t i, double *origin) {
    bool last = i + 1 == s->count;
    double total = 0;
    for (size_t j = 0; last && j < s->count; j++)
        total += s->live[j].z * s->live[j].z;
    double gap = last ? s->rho * total * (1 + 4 * DBL_EPSILON) : s->live[i + 1].d - s->live[i].d;
    double low = 0, high = last ? gap : gap / 2;
    *origin = s->live[i].d;
    if (!last && at(s, i, *origin, gap / 2).f < 0) {
        *origin = s->live[i + 1].d;
        low = -gap / 2;
        high = 0;
    }
    double x = (low + high) / 2;
    for (int k = 0; k < ITERATIONS; k++) {
        secular f = at(s, i, *origin, x);
        if (fabs(f.f) <= 2 * DBL_EPSILON * f.size)
            break;
        *(f.f < 0 ? &low : &high) = x;
        double next = x + rational_step(s, i, *origin, x, f);
        if (!(next > low && next < high))
            next = (low + high) / 2;
        if (next == x || next == low || next == high)
            break;
        x = next;
    }
    return x;
}

/* Row i of v: d_j - root i. */
static void root_item(void *data, size_t i, int worker) {
    struct divide *s = data;
    double origin, x = root_of(s, i, &origin), *v = s->v + i * s->ld;
    for (size_t j = 0; j < s->count; j++)
        v[j] = (s->live[j].d - origin) - x;
    s->roots[i] = origin + x;
}

/* The z whose change of rank one has exactly these roots. */
static void hat_item(void *data, size_t j, int worker) {
    struct divide *s = data;
    double product = s->v[j * s->ld + j];
    for (size_t i = 0; i < s->count; i++)
        if (i != j)
            product *= s->v[i * s->ld + j] / (s->live[j].d - s->live[i].d);
    s->hat[j] = copysign(sqrt(fabs(product)), s->live[j].z);
}

static void vector_item(void *data, size_t i, int worker) {
    struct divide *s = data;
    double *v = s->v + i * s->ld, *out = glim__scratch(s->ctx, worker), sum = 0;
    for (size_t j = 0; j < s->count; j++) {
        double x = s->hat[j] / v[j];
        out[s->live[j].place] = x;
        sum += x * x;
    }
    double by = 1 / sqrt(sum);
    for (size_t j = 0; j < s->count; j++)
        v[j] = out[j] * by;
}

/* ---- merging ---- */

/* Places: upper halves alone, both, lower halves alone. */
static void place_entries(struct divide *s) {
    static const int order[] = {1, 3, 2};
    size_t place = 0;
    s->upper = s->lower = 0;
    for (int k = 0; k < 3; k++)
        for (size_t j = 0; j < s->count; j++)
            if (s->live[j].side == order[k]) {
                s->live[j].place = place++;
                s->upper += order[k] != 2;
                s->lower += order[k] != 1;
            }
}

/* A panel of 16 columns of the old vectors, a row for each place. */
static void pack_item(void *data, size_t item, int worker) {
    struct divide *s = data;
    size_t from = s->lo + item * LANE, n = s->hi - from < LANE ? s->hi - from : LANE;
    double *out = s->packed + item * LANE * s->count;
    for (size_t j = 0; j < s->count; j++) {
        double *row = out + s->live[j].place * LANE;
        memcpy(row, s->z + s->live[j].row * s->ld + from, n * sizeof *row);
        memset(row + n, 0, (LANE - n) * sizeof *row);
    }
}

/* Rows of the new vectors. A panel that both halves have a part of takes all places. */
static void product_item(void *data, size_t item, int worker) {
    struct divide *s = data;
    size_t r = item * ROWS, m = s->count - r < ROWS ? s->count - r : ROWS;
    ptrdiff_t ld = (ptrdiff_t)s->ld;
    for (size_t c = s->lo; c < s->hi; c += LANE) {
        size_t n = s->hi - c < LANE ? s->hi - c : LANE;
        size_t from = c < s->mid ? 0 : s->count - s->lower;
        size_t to = c + n <= s->mid ? s->upper : s->count;
        const double *b = s->packed + (c - s->lo) * s->count;
        double *out = s->z + (s->lo + r) * s->ld + c;
        for (size_t i = 0; i < m && from >= to; i++)
            memset(out + i * s->ld, 0, n * sizeof *out);
        for (size_t k = from; k < to; k += CHUNK)
            s->kernels->tile_f64((int)m, (int)n, to - k < CHUNK ? to - k : CHUNK,
                                 s->v + r * s->ld + k, ld, 1, b + k * LANE, LANE, out, ld,
                                 k > from);
    }
}

/* What stays goes behind the new vectors; rows that both need move by way of `v`. */
static void keep_rows(struct divide *s) {
    size_t n = s->hi - s->lo, at = 0;
    for (size_t i = 0; i < n; i++)
        if (s->all[i].z == 0) {
            memcpy(s->v + at * s->ld, s->z + s->all[i].row * s->ld + s->lo, n * sizeof *s->v);
            s->roots[s->count + at++] = s->all[i].d;
        }
    for (size_t i = 0; i < at; i++)
        memcpy(s->z + (s->lo + s->count + i) * s->ld + s->lo, s->v + i * s->ld, n * sizeof *s->z);
}

static glim_status merge(struct divide *s, size_t lo, size_t mid, size_t hi, double e,
                         glim_error *err) {
    glim_context *ctx = s->ctx;
    s->lo = lo;
    s->mid = mid;
    s->hi = hi;
    s->rho = 2 * fabs(e);
    list_entries(s, e < 0);
    deflate(s);
    place_entries(s);
    glim__parallel(ctx, (hi - lo + LANE - 1) / LANE, pack_item, s);
    keep_rows(s);
    glim__parallel(ctx, s->count, root_item, s);
    glim__parallel(ctx, s->count, hat_item, s);
    glim__parallel(ctx, s->count, vector_item, s);
    glim__parallel(ctx, (s->count + ROWS - 1) / ROWS, product_item, s);
    memcpy(s->d + lo, s->roots, (hi - lo) * sizeof *s->d);
    return glim__check_cancel(ctx, err);
}

static glim_status divide(struct divide *s, size_t lo, size_t hi, glim_error *err) {
    if (hi - lo <= LEAF)
        return leaf(s, lo, hi, err);
    size_t mid = lo + (hi - lo) / 2;
    double e = s->e[mid - 1];
    s->d[mid - 1] -= fabs(e);
    s->d[mid] -= fabs(e);
    glim_status status = divide(s, lo, mid, err);
    if (!status)
        status = divide(s, mid, hi, err);
    return status ? status : merge(s, lo, mid, hi, e, err);
}

glim_status glim__tridiagonal_solve(glim_context *ctx, double *d, double *e, size_t n, double *z,
                                    glim_error *err) {
    size_t ld = glim__eigen_ld(n), each = n * ld + 16;
    struct divide s = {.ctx = ctx, .kernels = glim__kernels(ctx), .d = d, .e = e, .z = z, .ld = ld};
    glim_status status = glim__scratch_reserve(ctx, ld * sizeof *d, err);
    s.v = glim__spare_take(ctx, each * sizeof *s.v);
    s.packed = glim__spare_take(ctx, (each + n * LANE) * sizeof *s.packed);
    s.all = glim__calloc(ctx, 2 * n, sizeof *s.all);
    s.roots = glim__calloc(ctx, 2 * n, sizeof *s.roots);
    if (!status && (!s.v || !s.packed || !s.all || !s.roots))
        status = glim__oom(ctx, err, "eigenvectors", 2 * each * sizeof *s.v);
    if (!status) {
        s.live = s.all + n;
        s.hat = s.roots + n;
        memset(z, 0, n * ld * sizeof *z);
        status = divide(&s, 0, n, err);
    }
    glim__spare_give(ctx, s.v);
    glim__spare_give(ctx, s.packed);
    glim__free(ctx, s.all);
    glim__free(ctx, s.roots);
    return status;
}

/* ---- the whole ---- */

static double largest(const double *a, size_t n) {
    double most = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = i; j < n; j++)
            if (!isfinite(a[i * n + j]))
                return INFINITY;
            else
                most = fmax(most, fabs(a[i * n + j]));
    return most;
}

/* Ascending; the sign of a vector is that of its largest element, the first of equals. */
static void put_out(const double *d, const double *z, entry *order, size_t n, double scale,
                    double *values, double *vectors) {
    size_t ld = glim__eigen_ld(n);
    for (size_t i = 0; i < n; i++)
        order[i] = (entry){.d = d[i], .row = i};
    qsort(order, n, sizeof *order, by_d);
    for (size_t i = 0; i < n; i++) {
        const double *row = z + order[i].row * ld;
        size_t top = 0;
        for (size_t j = 1; j < n; j++)
            if (fabs(row[j]) > fabs(row[top]))
                top = j;
        for (size_t j = 0; j < n; j++)
            vectors[i * n + j] = row[top] < 0 ? -row[j] : row[j];
        values[i] = order[i].d * scale;
    }
}

glim_status glim__eigen(glim_context *ctx, const double *a, size_t n, double *values,
                        double *vectors, glim_error *err) {
    size_t ld = glim__eigen_ld(n), each = n * ld + 16;
    double scale = largest(a, n);
    if (!isfinite(scale))
        return glim_fail(err, GLIM_ENUMERIC, "a matrix has elements that are not finite");
    double by = scale > 0 ? 1 / scale : 1;
    double *work = glim__spare_take(ctx, (2 * each + 3 * n) * sizeof *work);
    entry *order = glim__calloc(ctx, n, sizeof *order);
    glim_status status = GLIM_OK;
    if (!work || !order)
        status = glim__oom(ctx, err, "eigenvectors", 2 * each * sizeof *work);
    if (!status) {
        memset(work, 0, each * sizeof *work);
        double *z = work + each, *d = z + each, *e = d + n, *tau = e + n;
        for (size_t i = 0; i < n; i++)
            for (size_t j = i; j < n; j++)
                work[i * ld + j] = work[j * ld + i] = a[i * n + j] * by;
        status = glim__tridiagonal(ctx, work, n, d, e, tau, err);
        if (!status)
            status = glim__tridiagonal_solve(ctx, d, e, n, z, err);
        if (!status)
            status = glim__tridiagonal_back(ctx, work, tau, n, z, err);
        if (!status)
            put_out(d, z, order, n, scale > 0 ? scale : 1, values, vectors);
    }
    glim__spare_give(ctx, work);
    glim__free(ctx, order);
    return status;
}

uint64_t glim__eigen_plan(size_t n) {
    uint64_t ld = glim__eigen_ld(n), matrices = 4 * (n * ld + 16) + n * LANE;
    return 8 * (matrices + 6 * 32 * ld + 5 * n) + 3 * n * sizeof(entry);
}
