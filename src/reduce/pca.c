/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Principal components. With the smaller side at most 2,000: eigenvectors of the smaller of X'X
 * and XX' (X moved to its mean), summed in double in a fixed order. Otherwise a random subspace Q
 * that becomes orth(X'X Q) a few times (Halko, Martinsson, Tropp 2011), and Q'X'X Q is the small
 * matrix. The largest loading of each component is positive.
 */
#include "base/rng.h"
#include "tensor/eigen.h"

#include <glim/map.h>

#include <math.h>
#include <string.h>

enum { SMALL = 2000, MORE = 10, TURNS = 7, ROWS = 64, BAND = 4 * GLIM_TILE_M, PAD = 16 };

typedef struct pca {
    glim_context *ctx;
    const float *x;
    size_t n, width, k;
    bool wide;   /* the side is that of dimensions, sums go over points */
    size_t side; /* of the matrix whose eigenvectors are asked */
    double *mean, *components;
    double *gram, *values, *vectors; /* (side, side), (side) ascending, (side, side) */
    /* randomised */
    double *base;   /* (width, side) columns of a subspace */
    double *times;  /* (n, side) X base */
    double *next;   /* (width, side) X' times */
    double *turned; /* (width, k) components, for scores */
    float *scores;
    double total; /* |X|^2 */
} pca;

static double centred(const pca *s, size_t i, size_t k) {
    return (double)s->x[i * s->width + k] - s->mean[k];
}

static glim_status find_mean(pca *s, glim_error *err) {
    memset(s->mean, 0, s->width * sizeof *s->mean);
    for (size_t i = 0; i < s->n; i++)
        for (size_t k = 0; k < s->width; k++)
            s->mean[k] += s->x[i * s->width + k];
    for (size_t k = 0; k < s->width; k++)
        s->mean[k] /= (double)s->n;
    for (size_t i = 0; i < s->n; i++) {
        double sum = 0;
        for (size_t k = 0; k < s->width; k++)
            sum += centred(s, i, k) * centred(s, i, k);
        if (!isfinite(sum))
            return glim_fail(err, GLIM_ENUMERIC, "row %zu has a value that is not finite", i + 1);
        s->total += sum;
    }
    return GLIM_OK;
}

/* ---- products, by blocks of what is summed over ---- */

/* A band of rows of X'X or XX', from the diagonal to the right. */
static void gram_band(void *data, size_t item, int worker) {
    pca *s = data;
    size_t at = item * BAND, some = s->side - at < BAND ? s->side - at : BAND;
    size_t ld = s->side - at + PAD, all = s->wide ? s->n : s->width;
    double *part = glim__scratch(s->ctx, worker);
    for (size_t from = 0; from < all; from += ROWS) {
        size_t m = all - from < ROWS ? all - from : ROWS;
        for (size_t a = 0; a < m; a++)
            for (size_t i = at; i < s->side; i++)
                part[a * ld + i - at] = s->wide ? centred(s, from + a, i) : centred(s, i, from + a);
        glim__kernels(s->ctx)->tile_f64((int)some, (int)(s->side - at), m, part, 1, (ptrdiff_t)ld,
                                        part, (ptrdiff_t)ld, s->gram + at * s->side + at,
                                        (ptrdiff_t)s->side, from > 0);
    }
}

/* Rows of X times b (width, columns). */
static void rows_times(const pca *s, size_t item, int worker, const double *b, size_t columns,
                       double *out) {
    double *part = glim__scratch(s->ctx, worker);
    size_t from = item * ROWS, m = s->n - from < ROWS ? s->n - from : ROWS;
    for (size_t i = 0; i < m; i++)
        for (size_t k = 0; k < s->width; k++)
            part[i * s->width + k] = centred(s, from + i, k);
    glim__kernels(s->ctx)->tile_f64((int)m, (int)columns, s->width, part, (ptrdiff_t)s->width, 1, b,
                                    (ptrdiff_t)columns, out, (ptrdiff_t)columns, false);
}

static void times_rows(void *data, size_t item, int worker) {
    pca *s = data;
    rows_times(s, item, worker, s->base, s->side, s->times + item * ROWS * s->side);
}

static void score_rows(void *data, size_t item, int worker) {
    pca *s = data;
    double *out = (double *)glim__scratch(s->ctx, worker) + ROWS * s->width + PAD;
    size_t from = item * ROWS, m = s->n - from < ROWS ? s->n - from : ROWS;
    rows_times(s, item, worker, s->turned, s->k, out);
    for (size_t i = 0; i < m * s->k; i++)
        s->scores[from * s->k + i] = (float)out[i];
}

static void next_band(void *data, size_t item, int worker) {
    pca *s = data;
    size_t at = item * BAND, some = s->width - at < BAND ? s->width - at : BAND;
    double *part = glim__scratch(s->ctx, worker);
    for (size_t from = 0; from < s->n; from += ROWS) {
        size_t m = s->n - from < ROWS ? s->n - from : ROWS;
        for (size_t a = 0; a < m; a++)
            for (size_t k = 0; k < some; k++)
                part[a * BAND + k] = centred(s, from + a, at + k);
        glim__kernels(s->ctx)->tile_f64((int)some, (int)s->side, m, part, 1, BAND,
                                        s->times + from * s->side, (ptrdiff_t)s->side,
                                        s->next + at * s->side, (ptrdiff_t)s->side, from > 0);
    }
}

/* ---- a random subspace ---- */

static double column_dot(const double *a, size_t rows, size_t side, size_t i, size_t j) {
    double dot = 0;
    for (size_t r = 0; r < rows; r++)
        dot += a[r * side + i] * a[r * side + j];
    return dot;
}

/* Columns of a (rows, side) become orthogonal and of length one (Gram, Schmidt, twice); those
   that hold nothing which earlier ones lack become 0. */
static void orthogonal(double *a, size_t rows, size_t side) {
    for (size_t j = 0; j < side; j++) {
        double before = column_dot(a, rows, side, j, j), after = 0;
        for (int again = 0; again < 2; again++)
            for (size_t c = 0; c < j; c++) {
                double dot = column_dot(a, rows, side, c, j);
                for (size_t i = 0; i < rows; i++)
                    a[i * side + j] -= dot * a[i * side + c];
            }
        after = column_dot(a, rows, side, j, j);
        double scale = after > 1e-24 * before ? 1 / sqrt(after) : 0;
        for (size_t i = 0; i < rows; i++)
            a[i * side + j] *= scale;
    }
}

static glim_status find_subspace(pca *s, uint64_t seed, glim_error *err) {
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < s->width * s->side; i++)
        s->base[i] = glim__rng_normal(seed, i, 0);
    orthogonal(s->base, s->width, s->side);
    glim__progress_begin(s->ctx, "components", TURNS);
    for (int turn = 0; turn < TURNS && !status; turn++) {
        glim__parallel(s->ctx, (s->n + ROWS - 1) / ROWS, times_rows, s);
        glim__parallel(s->ctx, (s->width + BAND - 1) / BAND, next_band, s);
        memcpy(s->base, s->next, s->width * s->side * sizeof *s->base);
        orthogonal(s->base, s->width, s->side);
        glim__progress_add(s->ctx, 1);
        status = glim__check_cancel(s->ctx, err);
    }
    glim__progress_end(s->ctx);
    glim__parallel(s->ctx, (s->n + ROWS - 1) / ROWS, times_rows, s);
    glim__kernels(s->ctx)->tile_f64((int)s->side, (int)s->side, s->n, s->times, 1,
                                    (ptrdiff_t)s->side, s->times, (ptrdiff_t)s->side, s->gram,
                                    (ptrdiff_t)s->side, false);
    return status;
}

/* ---- components ---- */

static void one_component(void *data, size_t j, int worker) {
    pca *s = data;
    const double *v = s->vectors + (s->side - 1 - j) * s->side;
    double *c = s->components + j * s->width, sum = 0;
    memset(c, 0, s->width * sizeof *c);
    for (size_t k = 0; s->base && k < s->width; k++)
        for (size_t a = 0; a < s->side; a++)
            c[k] += s->base[k * s->side + a] * v[a];
    if (s->wide && !s->base)
        memcpy(c, v, s->width * sizeof *c);
    for (size_t i = 0; !s->wide && !s->base && i < s->n; i++)
        for (size_t k = 0; k < s->width; k++)
            c[k] += v[i] * centred(s, i, k);
    size_t most = 0;
    for (size_t k = 0; k < s->width; k++) {
        sum += c[k] * c[k];
        most = fabs(c[k]) > fabs(c[most]) ? k : most;
    }
    double scale = sum > 0 ? (c[most] < 0 ? -1 : 1) / sqrt(sum) : 0;
    for (size_t k = 0; k < s->width; k++)
        c[k] *= scale;
}

static void turn_components(pca *s) {
    for (size_t j = 0; j < s->k; j++)
        for (size_t k = 0; k < s->width; k++)
            s->turned[k * s->k + j] = s->components[j * s->width + k];
}

static glim_status solve(pca *s, uint64_t seed, double *explained, glim_error *err) {
    glim_status status = find_mean(s, err);
    if (!status && s->base)
        status = find_subspace(s, seed, err);
    else if (!status)
        glim__parallel(s->ctx, (s->side + BAND - 1) / BAND, gram_band, s);
    if (!status)
        status = glim__check_cancel(s->ctx, err);
    if (!status)
        status = glim__eigen(s->ctx, s->gram, s->side, s->values, s->vectors, err);
    if (status)
        return status;
    glim__parallel(s->ctx, s->k, one_component, s);
    for (size_t j = 0; j < s->k; j++) {
        double value = s->values[s->side - 1 - j];
        explained[j] = s->total > 0 && value > 0 ? value / s->total : 0;
    }
    if (s->scores) {
        turn_components(s);
        glim__parallel(s->ctx, (s->n + ROWS - 1) / ROWS, score_rows, s);
    }
    return GLIM_OK;
}

static glim_status run(pca *s, uint64_t seed, double *explained, glim_error *err) {
    glim_context *ctx = s->ctx;
    size_t lesser = s->n < s->width ? s->n : s->width;
    bool exact = lesser <= SMALL;
    s->wide = s->width <= s->n;
    s->side = exact ? lesser : s->k + MORE < lesser ? s->k + MORE : lesser;
    size_t band = s->side + PAD > s->width ? s->side + PAD : s->width;
    glim_status status = glim__scratch_reserve(
        ctx, (ROWS * (band + s->k) + BAND * ROWS + 4 * PAD) * sizeof(double), err);
    s->gram = glim__calloc(ctx, s->side * s->side + PAD, sizeof(double));
    s->vectors = glim__calloc(ctx, s->side, s->side * sizeof(double));
    s->values = glim__calloc(ctx, s->side, sizeof(double));
    s->turned = glim__calloc(ctx, s->width * s->k + PAD, sizeof(double));
    bool ok = s->gram && s->vectors && s->values && s->turned;
    if (!exact) {
        s->base = glim__calloc(ctx, s->width * s->side + PAD, sizeof(double));
        s->next = glim__calloc(ctx, s->width * s->side + PAD, sizeof(double));
        s->times = glim__calloc(ctx, s->n * s->side + PAD, sizeof(double));
        ok &= s->base && s->next && s->times;
    }
    if (!status)
        status = ok ? solve(s, seed, explained, err)
                    : glim__oom(ctx, err, "principal components", s->side * s->side * 16);
    double *const all[] = {s->gram, s->vectors, s->values, s->turned, s->base, s->next, s->times};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        glim__free(ctx, all[i]);
    return status;
}

glim_status glim_pca(double *mean, double *components, double *explained, float *scores,
                     glim_context *ctx, const float *x, size_t n, size_t width, size_t k,
                     uint64_t seed, glim_error *err) {
    if (n < 1 || k < 1 || k > n || k > width)
        return glim_fail(err, GLIM_EUSAGE, "%zu components of %zu points in %zu dimensions", k, n,
                         width);
    pca s = {.ctx = ctx,
             .x = x,
             .n = n,
             .width = width,
             .k = k,
             .mean = mean,
             .components = components,
             .scores = scores};
    return run(&s, seed, explained, err);
}
