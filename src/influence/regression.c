/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A penalty is stacked below the samples as rows sqrt(penalty_j) e_j. The first sample is
 * subtracted of all: the intercept takes that up, a constant column becomes 0 exactly, and
 * large means cost no digits.
 */
#include "influence/regression.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { BLOCK = GLIM_FEATURES_BLOCK };
static const double TOLERANCE = 1e-10; /* what is left of a column that depends on others */

struct stacking {
    glim_regression *r;
    double *row; /* (p + 1) */
    bool begun;
};

static glim_status stack(void *data, size_t first, size_t count, double *x, double *y,
                         glim_error *err) {
    struct stacking *s = data;
    glim_regression *r = s->r;
    size_t P = r->p - 1;
    if (!s->begun)
        memcpy(r->zero, x, P * sizeof *x);
    s->begun = true;
    for (size_t i = 0; i < count; i++, x += P) {
        double w = r->o.weight ? sqrt(r->o.weight(r->o.data, x)) : 1;
        s->row[0] = w;
        for (size_t j = 0; j < P; j++)
            s->row[j + 1] = w * (x[j] - r->zero[j]);
        s->row[P + 1] = r->o.weight ? 0 : y[i];
        glim__qr_add(&r->qr, s->row);
    }
    return GLIM_OK;
}

static void stack_penalty(struct stacking *s) {
    glim_regression *r = s->r;
    for (size_t j = 0; r->o.penalty && j + 1 < r->p; j++) {
        memset(s->row, 0, (r->p + 1) * sizeof *s->row);
        s->row[j + 1] = sqrt(r->o.penalty[j]);
        if (s->row[j + 1] > 0)
            glim__qr_add(&r->qr, s->row);
    }
}

/* ---- what follows from the triangle ---- */

/* spread: row k of T^-1 has the length of coefficient k's deviation. */
static void find_spreads(glim_regression *r, double *x) {
    size_t ld = r->p + 1, m = r->rank;
    for (size_t k = 0; k < r->p; k++)
        r->spread[k] = NAN;
    for (size_t k = 0; k < m; k++) {
        double sum = 0;
        memset(x, 0, m * sizeof *x);
        if (r->order[k] == 0) /* of the intercept where every feature is 0 */
            for (size_t j = 0; j < m; j++)
                x[j] = r->order[j] ? -r->zero[r->order[j] - 1] : 1;
        else
            x[k] = 1;
        glim__qr_forward(r->qr.r, ld, m, x, 1);
        for (size_t j = 0; j < m; j++)
            sum += x[j] * x[j];
        r->spread[r->order[k]] = sqrt(sum);
    }
}

static void solve(glim_regression *r, double *x) {
    size_t ld = r->p + 1, m = r->rank;
    const double *target = r->qr.r + r->p * ld;
    memcpy(x, target, m * sizeof *x);
    glim__qr_back(r->qr.r, ld, m, x, 1);
    memset(r->beta, 0, r->p * sizeof *r->beta);
    r->rss = 0;
    for (size_t k = m; k <= r->p; k++)
        r->rss += target[k] * target[k];
    for (size_t k = 0; k < m; k++)
        r->beta[r->order[k]] = x[k];
    find_spreads(r, x);
    r->df = (double)m;
    for (size_t j = 0; j + 1 < r->p; j++) {
        double b = r->beta[j + 1], v = r->spread[j + 1];
        r->beta[0] -= b * r->zero[j];
        if (r->o.penalty && !isnan(v)) {
            r->df -= r->o.penalty[j] * v * v;
            r->rss -= r->o.penalty[j] * b * b;
        }
    }
    r->variance = r->rss / ((double)r->n - r->df);
}

static bool is_finite(const glim_regression *r) {
    for (size_t i = 0; i < (r->p + 1) * (r->p + 1); i++)
        if (!isfinite(r->qr.r[i]))
            return false;
    return true;
}

glim_status glim__regression_init(glim_regression *r, glim_context *ctx, const glim_features *f,
                                  const glim_regression_options *options, glim_error *err) {
    size_t p = f->width + 1;
    *r = (glim_regression){.ctx = ctx, .f = f, .o = *options, .n = f->n, .p = p};
    glim_status status = glim__qr_init(&r->qr, ctx, p + 1, err);
    r->order = glim__calloc(ctx, p, sizeof *r->order);
    r->zero = glim__calloc(ctx, 5 * p + 1, sizeof *r->zero);
    r->z = glim__calloc(ctx, p, BLOCK * sizeof *r->z);
    if (!status && (!r->order || !r->zero || !r->z))
        status = glim__oom(ctx, err, "a block of samples", p * BLOCK * sizeof *r->z);
    if (status)
        return status;
    r->length = r->zero + p;
    r->beta = r->length + p;
    r->spread = r->beta + p;
    struct stacking s = {.r = r, .row = r->spread + p};
    status = glim__features_each(ctx, f, stack, &s, err);
    if (status)
        return status;
    stack_penalty(&s);
    glim__qr_end(&r->qr);
    if (!is_finite(r))
        return glim_fail(err, GLIM_ENUMERIC, "the features are too large to be squared");
    r->rank = glim__qr_pivot(r->qr.r, p + 1, p, TOLERANCE, r->length, r->order);
    solve(r, s.row);
    return GLIM_OK;
}

void glim__regression_release(glim_regression *r) {
    if (!r->ctx)
        return;
    glim__qr_release(&r->qr);
    glim__free(r->ctx, r->order);
    glim__free(r->ctx, r->zero);
    glim__free(r->ctx, r->z);
    *r = (glim_regression){0};
}

uint64_t glim__regression_bytes(size_t width) {
    uint64_t p = width + 1;
    return 8 * ((p + 1) * (p + 1 + GLIM_QR_BLOCK) + 7 * p + BLOCK * (2 * p + 1)) + 8 * 64;
}

/* ---- samples ---- */

/* z (rank, count) = T'^-1 of the kept columns, side by side. */
static void turn(const glim_regression *r, size_t count, const double *x, double *z) {
    size_t P = r->p - 1;
    for (size_t k = 0; k < r->rank; k++) {
        size_t c = r->order[k];
        for (size_t i = 0; i < count; i++)
            z[k * count + i] = c ? x[i * P + c - 1] - r->zero[c - 1] : 1;
    }
    glim__qr_forward(r->qr.r, r->p + 1, r->rank, z, count);
}

void glim__regression_leverage(glim_regression *r, size_t count, const double *x, double *h,
                               double *steps) {
    size_t P = r->p - 1, m = r->rank;
    double *z = r->z;
    turn(r, count, x, z);
    memset(h, 0, count * sizeof *h);
    for (size_t k = 0; k < m; k++)
        for (size_t i = 0; i < count; i++)
            h[i] += z[k * count + i] * z[k * count + i];
    for (size_t i = 0; i < count && r->o.weight; i++)
        h[i] *= r->o.weight(r->o.data, x + i * P);
    if (!steps)
        return;
    glim__qr_back(r->qr.r, r->p + 1, m, z, count);
    for (size_t k = 0; k < r->p; k++)
        for (size_t i = 0; i < count; i++)
            steps[r->order[k] * count + i] = k < m ? z[k * count + i] : NAN;
    for (size_t k = 0; k < m; k++)
        for (size_t i = 0; r->order[k] && i < count; i++)
            steps[i] -= r->zero[r->order[k] - 1] * z[k * count + i];
}

double glim__regression_at(const glim_regression *r, const double *x) {
    double sum = r->beta[0];
    for (size_t j = 0; j + 1 < r->p; j++)
        sum += r->beta[j + 1] * x[j];
    return sum;
}

void glim__regression_words(const glim_regression *r, size_t left_out, char *out, size_t size) {
    enum { MOST = 4 };
    char room[40];
    size_t ld = r->p + 1, column = r->rank + left_out, used = 0, told = 0;
    double *x = r->z, length = r->length[r->order[column]];
    memcpy(x, r->qr.r + column * ld, r->rank * sizeof *x);
    glim__qr_back(r->qr.r, ld, r->rank, x, 1);
    if (!(length > 0)) {
        snprintf(out, size, "is constant");
        return;
    }
    *out = 0;
    for (size_t k = 0; k < r->rank && used + 1 < size; k++) {
        size_t c = r->order[k];
        if (!c || !(fabs(x[k]) * r->length[c] > 1e-8 * length))
            continue;
        if (told++ == MOST) {
            snprintf(out + used, size - used, " ...");
            return;
        }
        int n = snprintf(out + used, size - used, "%s%.4g * %.40s", told == 1 ? "= " : " + ", x[k],
                         glim__features_name(r->f, c - 1, room));
        used += n > 0 ? (size_t)n : 0;
    }
    if (told)
        snprintf(out + used, size - used, " + a constant");
    else
        snprintf(out, size, "is constant");
}
