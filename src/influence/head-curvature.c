/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What H^-1 makes of samples. L^-1 is applied to 32 samples side by side: for output k the
 * right side is x in block k and 0 elsewhere, and S_kl is the product of two such answers.
 */
#include "influence/dense.h"
#include "influence/head.h"

#include <string.h>

enum { SIDE = 32, PANEL = 48 };

struct curving {
    const glim_head *h;
    const glim_head_block *b;
    double *s, *out;
};

static size_t scratch_size(const glim_head *h) {
    return (h->O * h->dim + PANEL) * SIDE;
}

static void strip_curvature(void *data, size_t item, int worker) {
    const struct curving *c = data;
    const glim_head *h = c->h;
    size_t from = item * SIDE, O = h->O, n = h->dim;
    size_t count = c->b->count - from < SIDE ? c->b->count - from : SIDE;
    double *z = glim__scratch(h->ctx, worker), *room = z + O * n * SIDE;
    memset(z, 0, O * n * SIDE * sizeof *z);
    for (size_t k = 0; k < O; k++) {
        double *own = z + k * n * SIDE;
        for (size_t j = 0; j < h->p; j++)
            for (size_t i = 0; i < count; i++)
                own[(k * h->p + j) * SIDE + i] = c->b->x[(from + i) * h->ld + j];
        glim__dense_forward(h->ctx, h->factor, n, k * h->p, own, SIDE, SIDE, room);
    }
    for (size_t k = 0; k < O; k++)
        for (size_t l = k; l < O; l++) {
            double sum[SIDE] = {0};
            const double *a = z + k * n * SIDE, *b = z + l * n * SIDE;
            for (size_t j = l * h->p; j < n; j++)
                for (size_t i = 0; i < SIDE; i++)
                    sum[i] += a[j * SIDE + i] * b[j * SIDE + i];
            for (size_t i = 0; i < count; i++)
                c->s[((from + i) * O + k) * O + l] = c->s[((from + i) * O + l) * O + k] = sum[i];
        }
}

glim_status glim__head_curvature(const glim_head *h, const glim_head_block *b, double *s,
                                 glim_error *err) {
    struct curving c = {h, b, s, NULL};
    glim_status status = glim__scratch_reserve(h->ctx, scratch_size(h) * sizeof(double), err);
    if (!status)
        glim__parallel(h->ctx, (b->count + SIDE - 1) / SIDE, strip_curvature, &c);
    return status;
}

static void strip_deviations(void *data, size_t item, int worker) {
    const struct curving *c = data;
    const glim_head *h = c->h;
    size_t from = item * SIDE, n = h->dim, count = n - from < SIDE ? n - from : SIDE;
    double *z = glim__scratch(h->ctx, worker), *room = z + h->O * n * SIDE;
    memset(z, 0, n * SIDE * sizeof *z);
    for (size_t i = 0; i < count; i++)
        z[(from + i) * SIDE + i] = 1;
    glim__dense_forward(h->ctx, h->factor, n, from, z, SIDE, SIDE, room);
    for (size_t i = 0; i < count; i++) {
        double sum = 0;
        for (size_t j = from + i; j < n; j++)
            sum += z[j * SIDE + i] * z[j * SIDE + i];
        c->out[from + i] = sum;
    }
}

glim_status glim__head_deviations(const glim_head *h, double *out, glim_error *err) {
    struct curving c = {h, NULL, NULL, out};
    glim_status status = glim__scratch_reserve(h->ctx, scratch_size(h) * sizeof(double), err);
    if (!status)
        glim__parallel(h->ctx, (h->dim + SIDE - 1) / SIDE, strip_deviations, &c);
    return status;
}

/* tr(H^-1 (H - penalty - damping)), on what the softmax sees. */
double glim__head_free(const glim_head *h, const double *deviations) {
    size_t p = h->p, O = h->O, n = h->dim;
    double classes = (double)O, sum = O > 1 ? (classes - 1) * (double)p : (double)p;
    for (size_t j = 0; j < p; j++) {
        double taken = (j < h->P ? h->strength : 0) + h->damping, mean = 0, trace = 0;
        for (size_t k = 0; k < O; k++) {
            mean += h->hessian[(k * p + j) * n + k * p + j] / classes;
            trace += deviations[k * p + j];
        }
        if (O > 1) /* what all classes have in common: mean / (O + 1) was added O times */
            trace -= 1 / (taken + mean / (classes + 1) * classes);
        sum -= taken * trace;
    }
    return sum;
}
