/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loss of a logistic model and its gradient:
 *
 *   z_i = W x_i + b;  L = 1/S sum_i s_i (log sum_k exp z_ik - z_iy) + l2/2 |W|^2
 *   dL/dW = 1/S sum_i s_i (softmax(z_i) - e_y) x_i' + l2 W
 *
 * (of two classes z is one number, the log odds of the second). The data are read
 * once an evaluation: a block of rows is standardised into the worker's scratch, where
 * both products find it, so a matrix of 10,000 x 576 floats is not copied for each
 * fold and never exists standardised. Blocks belong to a fixed number of groups with
 * sums of their own, which are added in order: the result does not depend on threads.
 *
 * Products are in double. While `quick` is set, those of one block are in float, twice
 * as fast, and what is added up is still double: enough to come near the minimum, whose
 * place the last steps find in double.
 */
#include "predict/fit.h"
#include "tensor/kernels.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum {
    VECTOR = 16,
    BLOCK_BYTES = 1 << 18,
    MOST_GROUPS = 16,
    GROUP_BYTES = 1 << 26,
    STRIP = 64,
    MANY = 1 << 18
};

static size_t whole(size_t n) {
    return (n + VECTOR - 1) / VECTOR * VECTOR;
}

static size_t group_size(const glim_fit_problem *p) {
    return p->O * p->ld + p->O + 1;
}

static double cell(const glim_fit_data *d, size_t row, size_t j) {
    return d->f32 ? (double)d->f32[row * d->width + j] : d->f64[row * d->width + j];
}

/* ---- mean and deviation ---- */

struct moments {
    glim_fit_problem *p;
    bool raw_scale;
};

/* sum += x, or (x - mean)^2, of n columns of a row. */
static void add_row(const glim_fit_data *d, size_t at, size_t n, const double *mean, double *sum) {
    const float *f = d->f32 ? d->f32 + at : NULL;
    const double *x = f ? NULL : d->f64 + at;
    for (size_t j = 0; f && !mean && j < n; j++)
        sum[j] += (double)f[j];
    for (size_t j = 0; f && mean && j < n; j++)
        sum[j] += ((double)f[j] - mean[j]) * ((double)f[j] - mean[j]);
    for (size_t j = 0; x && !mean && j < n; j++)
        sum[j] += x[j];
    for (size_t j = 0; x && mean && j < n; j++)
        sum[j] += (x[j] - mean[j]) * (x[j] - mean[j]);
}

/* One strip of columns, two sweeps: E[x^2] - mean^2 would lose large means. */
static void strip_moments(void *data, size_t item, int worker) {
    struct moments *m = data;
    glim_fit_problem *p = m->p;
    size_t first = item * STRIP, width = p->P - first < STRIP ? p->P - first : STRIP;
    double n = (double)p->n, sum[STRIP] = {0}, square[STRIP] = {0};
    for (size_t i = 0; i < p->n; i++)
        add_row(p->data, p->rows[i] * p->P + first, width, NULL, sum);
    for (size_t j = 0; j < width; j++)
        p->mean[first + j] = sum[j] / n;
    for (size_t i = 0; i < p->n; i++)
        add_row(p->data, p->rows[i] * p->P + first, width, p->mean + first, square);
    for (size_t j = first; j < first + width; j++) {
        double deviation = sqrt(square[j - first] / n);
        bool constant = !(deviation > n * DBL_EPSILON * fabs(p->mean[j]));
        p->scale[j] = constant || m->raw_scale ? 1 : deviation;
        p->factor[j] = constant ? 0 : 1 / p->scale[j];
    }
}

static glim_status check_finite(const glim_fit_problem *p, glim_error *err) {
    for (size_t j = 0; j < p->P; j++)
        if (!isfinite(p->mean[j]) || !isfinite(p->scale[j])) {
            for (size_t i = 0; i < p->n; i++)
                if (!isfinite(cell(p->data, p->rows[i], j)))
                    return glim_fail(err, GLIM_ENUMERIC,
                                     "feature %zu of row %u is not finite (leave the row out)", j,
                                     p->rows[i] + 1);
            return glim_fail(err, GLIM_ENUMERIC, "feature %zu is too large to be summed", j);
        }
    return GLIM_OK;
}

/* ---- blocks ---- */

void glim__fit_rows(const glim_fit_problem *p, const uint32_t *rows, size_t m, double *x) {
    size_t P = p->P;
    for (size_t i = 0; i < m; i++, x += p->ld) {
        if (p->data->f32) {
            const float *from = p->data->f32 + rows[i] * P;
            for (size_t j = 0; j < P; j++)
                x[j] = ((double)from[j] - p->mean[j]) * p->factor[j];
        } else {
            const double *from = p->data->f64 + rows[i] * P;
            for (size_t j = 0; j < P; j++)
                x[j] = (from[j] - p->mean[j]) * p->factor[j];
        }
        for (size_t j = P; j < p->ld; j++)
            x[j] = 0;
    }
}

/* log(1 + e^z) without overflow. */
static double softplus(double z) {
    return z > 0 ? z + log1p(exp(-z)) : log1p(exp(z));
}

/* The loss of a row; z becomes its slope. */
static double row_loss(const glim_fit_problem *p, double *z, const double *bias, int32_t y) {
    size_t O = p->O;
    if (O == 1) {
        double v = z[0] + bias[0];
        z[0] = (v > 0 ? 1 / (1 + exp(-v)) : exp(v) / (1 + exp(v))) - y;
        return softplus(v) - y * v;
    }
    double top = -INFINITY, sum = 0;
    for (size_t k = 0; k < O; k++) {
        z[k] += bias[k];
        top = z[k] > top ? z[k] : top;
    }
    double at = z[y] - top;
    for (size_t k = 0; k < O; k++) {
        z[k] = exp(z[k] - top);
        sum += z[k];
    }
    for (size_t k = 0; k < O; k++)
        z[k] /= sum;
    z[y] -= 1;
    return log(sum) - at;
}

struct evaluation {
    glim_fit_problem *p;
    const double *bias;
};

/* Losses of the rows of a block; z becomes slopes, which `bias` (and the loss behind
   it) add up. */
static void block_loss(const struct evaluation *e, const uint32_t *rows, size_t m, double *z,
                       double *bias) {
    const glim_fit_problem *p = e->p;
    for (size_t i = 0; i < m; i++, z += p->lo) {
        int32_t y = p->data->labels[rows[i]];
        double s = p->weight ? p->weight[y] : 1;
        bias[p->O] += s * row_loss(p, z, e->bias, y);
        for (size_t k = 0; k < p->O; k++) {
            z[k] *= s;
            bias[k] += z[k];
        }
    }
}

/* The block's products in float, of x as it is given: the weights are divided by the
   deviations instead (`turn`), and the gradient is put right afterwards (`straighten`).
   The scratch behind the doubles of z holds z and g (O, ld) as floats, and x. */
static void block_quick(const struct evaluation *e, const uint32_t *rows, size_t m, double *z,
                        double *sums) {
    const glim_fit_problem *p = e->p;
    const glim_kernels *kernels = glim__kernels(p->ctx);
    ptrdiff_t ld = (ptrdiff_t)p->ld, lo = (ptrdiff_t)p->lo;
    int O = (int)p->O, P = (int)p->P;
    float *zf = (float *)(z + p->block * p->lo), *own = zf + p->block * p->lo;
    float *g = own + p->block * p->ld;
    const float *x = own;
    if (p->ld == p->P && rows[m - 1] - rows[0] == m - 1) /* they lie one below the other */
        x = p->data->f32 + rows[0] * p->P;
    for (size_t i = 0; i < m && x == own; i++)
        memcpy(own + i * p->ld, p->data->f32 + rows[i] * p->P, p->P * sizeof *own);
    kernels->tile((int)m, O, p->P, x, ld, 1, p->turned_single, lo, zf, lo, false);
    for (size_t i = 0; i < m; i++)
        for (size_t k = 0; k < p->O; k++)
            z[i * p->lo + k] = zf[i * p->lo + k] - p->shift[k];
    block_loss(e, rows, m, z, sums + p->O * p->ld);
    for (size_t i = 0; i < m; i++)
        for (size_t k = 0; k < p->O; k++)
            zf[i * p->lo + k] = (float)z[i * p->lo + k];
    kernels->tile(O, P, m, zf, 1, lo, x, ld, g, ld, false);
    for (size_t k = 0; k < p->O; k++)
        for (size_t j = 0; j < p->P; j++)
            sums[k * p->ld + j] += g[k * p->ld + j];
}

/* The same of one output: rows where they lie, each a dot product and a multiple. */
static void block_single(const struct evaluation *e, const uint32_t *rows, size_t m, double *z,
                         double *sums) {
    const glim_fit_problem *p = e->p;
    const glim_kernels *kernels = glim__kernels(p->ctx);
    const float *w = p->turned_single;
    float *g = (float *)(z + p->block * p->lo);
    for (size_t i = 0; i < m; i++)
        z[i * p->lo] = kernels->dot_f32(p->data->f32 + rows[i] * p->P, w, p->P) - p->shift[0];
    block_loss(e, rows, m, z, sums + p->ld);
    memset(g, 0, p->P * sizeof *g);
    for (size_t i = 0; i < m; i++)
        kernels->axpy(g, (float)z[i * p->lo], p->data->f32 + rows[i] * p->P, p->P);
    for (size_t j = 0; j < p->P; j++)
        sums[j] += g[j];
}

static void group_loss(void *data, size_t group, int worker) {
    const struct evaluation *e = data;
    glim_fit_problem *p = e->p;
    const glim_kernels *kernels = glim__kernels(p->ctx);
    double *x = glim__scratch(p->ctx, worker), *z = x + p->block * p->ld;
    double *sums = p->sums + group * group_size(p), *bias = sums + p->O * p->ld;
    ptrdiff_t ld = (ptrdiff_t)p->ld, lo = (ptrdiff_t)p->lo;
    int O = (int)p->O, P = (int)p->P;
    memset(sums, 0, group_size(p) * sizeof *sums);
    size_t from = group * p->blocks / p->groups, to = (group + 1) * p->blocks / p->groups;
    for (size_t b = from; b < to; b++) {
        const uint32_t *rows = p->rows + b * p->block;
        size_t left = p->n - b * p->block, m = left < p->block ? left : p->block;
        if (p->quick) {
            if (p->O == 1)
                block_single(e, rows, m, z, sums);
            else
                block_quick(e, rows, m, z, sums);
            continue;
        }
        glim__fit_rows(p, rows, m, x);
        kernels->tile_f64((int)m, O, p->P, x, ld, 1, p->turned, lo, z, lo, false);
        block_loss(e, rows, m, z, bias);
        kernels->tile_f64(O, P, m, z, 1, lo, x, ld, sums, ld, true);
    }
}

static void turn(glim_fit_problem *p, const double *w) {
    for (size_t k = 0; k < p->O; k++)
        for (size_t j = 0; j < p->P; j++)
            p->turned[j * p->lo + k] = w[k * p->P + j];
    for (size_t k = 0; k < p->O && p->quick; k++) {
        p->shift[k] = 0;
        for (size_t j = 0; j < p->P; j++) {
            double scaled = w[k * p->P + j] * p->factor[j];
            p->turned_single[p->O == 1 ? j : j * p->lo + k] = (float)scaled;
            p->shift[k] += scaled * p->mean[j];
        }
    }
}

/* Sums of r x become those of r (x - mean) / scale. */
static void straighten(const glim_fit_problem *p, double *g) {
    for (size_t k = 0; k < p->O; k++)
        for (size_t j = 0; j < p->P; j++)
            g[k * p->P + j] = p->factor[j] * (g[k * p->P + j] - p->mean[j] * g[p->O * p->P + k]);
}

bool glim__fit_quick(const glim_fit_problem *p) {
    const double most = 30; /* deviations from 0: two of seven digits are lost */
    if (!p->data->f32 || p->n * p->P * p->O < MANY)
        return false;
    for (size_t j = 0; j < p->P; j++)
        if (fabs(p->mean[j]) * p->factor[j] > most)
            return false;
    return true;
}

double glim__fit_loss(glim_fit_problem *p, const double *w, double *g) {
    size_t size = group_size(p), weights = p->O * p->P;
    struct evaluation e = {p, w + weights};
    double loss = 0, penalty = 0;
    turn(p, w);
    glim__parallel(p->ctx, p->groups, group_loss, &e);
    memset(g, 0, (weights + p->O) * sizeof *g);
    for (size_t i = 0; i < p->groups; i++) {
        const double *sums = p->sums + i * size;
        for (size_t k = 0; k < p->O; k++)
            for (size_t j = 0; j < p->P; j++)
                g[k * p->P + j] += sums[k * p->ld + j];
        for (size_t k = 0; k < p->O; k++)
            g[weights + k] += sums[p->O * p->ld + k];
        loss += sums[size - 1];
    }
    if (p->quick)
        straighten(p, g);
    for (size_t i = 0; i < weights + p->O; i++)
        g[i] /= p->total;
    for (size_t i = 0; i < weights; i++) {
        penalty += w[i] * w[i];
        g[i] += p->l2 * w[i];
    }
    return loss / p->total + p->l2 * penalty / 2;
}

/* ---- outputs ---- */

struct outputs {
    glim_fit_problem *p;
    const uint32_t *rows;
    const double *bias;
    double *z;
    size_t n;
};

static void block_outputs(void *data, size_t block, int worker) {
    const struct outputs *o = data;
    glim_fit_problem *p = o->p;
    double *x = glim__scratch(p->ctx, worker), *z = x + p->block * p->ld;
    size_t first = block * p->block, left = o->n - first, m = left < p->block ? left : p->block;
    glim__fit_rows(p, o->rows + first, m, x);
    glim__kernels(p->ctx)->tile_f64((int)m, (int)p->O, p->P, x, (ptrdiff_t)p->ld, 1, p->turned,
                                    (ptrdiff_t)p->lo, z, (ptrdiff_t)p->lo, false);
    for (size_t i = 0; i < m; i++)
        for (size_t k = 0; k < p->O; k++)
            o->z[(first + i) * p->O + k] = z[i * p->lo + k] + o->bias[k];
}

void glim__fit_outputs(glim_fit_problem *p, const double *w, const uint32_t *rows, size_t n,
                       double *z) {
    struct outputs o = {p, rows, w + p->O * p->P, z, n};
    turn(p, w);
    glim__parallel(p->ctx, (n + p->block - 1) / p->block, block_outputs, &o);
}

/* ---- making ---- */

static void cut(glim_fit_problem *p) {
    size_t rows = BLOCK_BYTES / (8 * p->ld), most = GROUP_BYTES / (8 * group_size(p));
    p->block = rows > 96 ? 96 : rows < 12 ? 12 : rows / 12 * 12;
    p->blocks = (p->n + p->block - 1) / p->block;
    p->groups = most < 1 ? 1 : most < MOST_GROUPS ? most : MOST_GROUPS;
    p->groups = p->groups < p->blocks ? p->groups : p->blocks;
}

glim_status glim__fit_problem_init(glim_fit_problem *p, glim_context *ctx,
                                   const glim_fit_data *data, const uint32_t *rows, size_t n,
                                   bool raw_scale, glim_error *err) {
    *p = (glim_fit_problem){.ctx = ctx, .data = data, .rows = rows, .n = n, .P = data->width};
    p->O = data->values || data->n_classes == 2 ? 1 : data->n_classes;
    p->ld = whole(p->P);
    p->lo = whole(p->O);
    p->total = (double)n;
    cut(p);
    p->mean = glim__calloc(ctx, 3 * p->P, sizeof *p->mean);
    p->turned = glim__calloc(ctx, p->P * p->lo + VECTOR, sizeof *p->turned);
    p->sums = glim__calloc(ctx, p->groups, group_size(p) * sizeof *p->sums);
    p->turned_single = glim__calloc(ctx, p->P * p->lo + VECTOR, sizeof *p->turned_single);
    p->shift = glim__calloc(ctx, p->O, sizeof *p->shift);
    if (!p->mean || !p->turned || !p->turned_single || !p->shift || !p->sums)
        return glim__oom(ctx, err, "the fit", (p->P * p->lo + p->groups * group_size(p)) * 8);
    p->scale = p->mean + p->P;
    p->factor = p->scale + p->P;
    size_t scratch = p->block * (p->ld + p->lo) * sizeof(double) +
                     (p->block * (p->ld + p->lo) + p->O * p->ld + 4 * VECTOR) * sizeof(float);
    glim_status status = glim__scratch_reserve(ctx, scratch, err);
    struct moments m = {p, raw_scale};
    if (!status)
        glim__parallel(ctx, (p->P + STRIP - 1) / STRIP, strip_moments, &m);
    return status ? status : check_finite(p, err);
}

void glim__fit_problem_release(glim_fit_problem *p) {
    if (!p->ctx)
        return;
    glim__free(p->ctx, p->mean);
    glim__free(p->ctx, p->turned);
    glim__free(p->ctx, p->turned_single);
    glim__free(p->ctx, p->shift);
    glim__free(p->ctx, p->sums);
}

void glim__fit_problem_set(glim_fit_problem *p, const double *weight, double strength,
                           double l1_ratio) {
    p->weight = weight;
    p->total = 0;
    for (size_t i = 0; i < p->n; i++)
        p->total += weight ? weight[p->data->labels[p->rows[i]]] : 1;
    p->l1 = strength * l1_ratio / p->total;
    p->l2 = strength * (1 - l1_ratio) / p->total;
}
