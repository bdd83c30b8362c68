/* SPDX-License-Identifier: Apache-2.0 */
/* The head's outputs and losses, block by block. Products are the tensor floor's tiles in
   double: what is compared with refits needs the digits. */
#include "influence/head.h"
#include "tensor/kernels.h"

#include <math.h>
#include <string.h>

enum { BLOCK = GLIM_FEATURES_BLOCK };

/* ---- one sample ---- */

static double logistic(const double z, double y, double *g, double *m) {
    double p = z > 0 ? 1 / (1 + exp(-z)) : exp(z) / (1 + exp(z));
    double rest = z > 0 ? exp(-z) / (1 + exp(-z)) : 1 / (1 + exp(z));
    *g = y > 0.5 ? -rest : p;
    *m = p * rest;
    return (z > 0 ? z + log1p(exp(-z)) : log1p(exp(z))) - y * z;
}

static double softmax(const double *z, size_t O, size_t y, double *g, double *m) {
    double top = z[0], sum = 0;
    for (size_t k = 1; k < O; k++)
        top = z[k] > top ? z[k] : top;
    for (size_t k = 0; k < O; k++)
        sum += g[k] = exp(z[k] - top);
    for (size_t k = 0; k < O; k++)
        g[k] /= sum;
    for (size_t k = 0; k < O; k++)
        for (size_t l = 0; l < O; l++)
            m[k * O + l] = (k == l ? g[k] : 0) - g[k] * g[l];
    g[y] -= 1;
    return log(sum) + top - z[y];
}

double glim__head_loss(const glim_head *h, const double *z, double y, double *g, double *m) {
    if (!h->logistic) {
        *g = z[0] - y;
        *m = 1;
        return *g * *g / 2;
    }
    return h->O == 1 ? logistic(z[0], y, g, m) : softmax(z, h->O, (size_t)y, g, m);
}

size_t glim__head_class(const glim_head *h, const double *z) {
    size_t best = 0;
    if (h->O == 1)
        return h->logistic && z[0] > 0;
    for (size_t k = 1; k < h->O; k++)
        best = z[k] > z[best] ? k : best;
    return best;
}

double glim__head_log_prob(const glim_head *h, const double *z, size_t k) {
    double sum = 0, top = z[0];
    if (h->O == 1) {
        double v = k ? -z[0] : z[0];
        return -(v > 0 ? v + log1p(exp(-v)) : log1p(exp(v)));
    }
    for (size_t l = 1; l < h->O; l++)
        top = z[l] > top ? z[l] : top;
    for (size_t l = 0; l < h->O; l++)
        sum += exp(z[l] - top);
    return z[k] - top - log(sum);
}

/* ---- blocks ---- */

glim_status glim__head_block_init(glim_head_block *b, const glim_head *h, glim_error *err) {
    size_t each = h->ld + h->lo + h->O + h->O * h->O + 1;
    *b = (glim_head_block){
        .own = glim__calloc(h->ctx, BLOCK * each + GLIM_HEAD_VECTOR, sizeof(double))};
    if (!b->own)
        return glim__oom(h->ctx, err, "a block of samples", BLOCK * each * 8);
    b->x = b->own;
    b->z = b->x + BLOCK * h->ld;
    b->g = b->z + BLOCK * h->lo;
    b->m = b->g + BLOCK * h->O;
    b->loss = b->m + BLOCK * h->O * h->O;
    return GLIM_OK;
}

void glim__head_block_release(glim_head_block *b, const glim_head *h) {
    glim__free(h->ctx, b->own);
    b->own = NULL;
}

void glim__head_turn(glim_head *h, const double *w) {
    for (size_t k = 0; k < h->O; k++)
        for (size_t j = 0; j < h->p; j++)
            h->turned[j * h->lo + k] = w[k * h->p + j];
}

struct looking {
    const glim_head *h;
    glim_head_block *b;
    const double *x;
};

enum { STRIP = 32 };

static void look_at(void *data, size_t item, int worker) {
    const struct looking *l = data;
    const glim_head *h = l->h;
    glim_head_block *b = l->b;
    const double *mean = h->linear->mean, *scale = h->linear->scale;
    size_t from = item * STRIP, to = from + STRIP < b->count ? from + STRIP : b->count, O = h->O;
    for (size_t i = from; i < to; i++) {
        double *x = b->x + i * h->ld;
        for (size_t j = 0; j < h->P; j++)
            x[j] = (l->x[i * h->P + j] - mean[j]) / scale[j];
        x[h->P] = 1;
    }
    glim__kernels(h->ctx)->tile_f64((int)(to - from), (int)O, h->p, b->x + from * h->ld,
                                    (ptrdiff_t)h->ld, 1, h->turned, (ptrdiff_t)h->lo,
                                    b->z + from * h->lo, (ptrdiff_t)h->lo, false);
    for (size_t i = from; i < to; i++) {
        double *g = b->g + i * O, *m = b->m + i * O * O;
        bool known = !isnan(b->y[i]);
        b->loss[i] = known ? glim__head_loss(h, b->z + i * h->lo, b->y[i], g, m) : NAN;
        for (size_t k = 0; k < O * O && !known; k++)
            m[k] = NAN;
        for (size_t k = 0; k < O && !known; k++)
            g[k] = NAN;
    }
}

void glim__head_look(const glim_head *h, glim_head_block *b, size_t count, const double *x,
                     const double *y) {
    struct looking l = {h, b, x};
    b->count = count;
    b->y = y;
    glim__parallel(h->ctx, (count + STRIP - 1) / STRIP, look_at, &l);
}

/* ---- making ---- */

static void copy_weights(glim_head *h) {
    for (size_t k = 0; k < h->O; k++) {
        memcpy(h->w + k * h->p, h->linear->weights + k * h->P, h->P * sizeof *h->w);
        h->w[k * h->p + h->P] = h->linear->bias[k];
    }
}

glim_status glim__head_init(glim_head *h, glim_context *ctx, const glim_linear *linear,
                            const glim_features *f, glim_error *err) {
    const glim_linear_info *i = &linear->info;
    *h = (glim_head){.ctx = ctx, .linear = linear, .f = f, .strength = i->strength};
    h->logistic = i->kind == GLIM_FIT_LOGISTIC;
    h->P = i->width;
    h->p = h->P + 1;
    h->O = i->outputs;
    h->K = i->n_classes;
    h->ld = glim__head_whole(h->p);
    h->lo = glim__head_whole(h->O);
    h->dim = h->O * h->p;
    if (f->width != h->P)
        return glim_fail(err, GLIM_EUSAGE, "the samples have %zu features, the model reads %zu",
                         f->width, h->P);
    if (i->l1_ratio > 0 && i->strength > 0)
        return glim_fail(err, GLIM_EUSAGE,
                         "the model was fitted with an L1 penalty, at whose corners there is no "
                         "second derivative (glim fit --l1-ratio 0)");
    h->w = glim__calloc(ctx, h->dim, sizeof *h->w);
    h->turned = glim__calloc(ctx, h->p * h->lo + GLIM_HEAD_VECTOR, sizeof *h->turned);
    if (!h->w || !h->turned)
        return glim__oom(ctx, err, "the weights", h->p * h->lo * sizeof *h->turned);
    copy_weights(h);
    return glim__head_move(h, NULL, err);
}

void glim__head_release(glim_head *h) {
    if (!h->ctx)
        return;
    glim__free(h->ctx, h->w);
    glim__free(h->ctx, h->turned);
    glim__free(h->ctx, h->hessian);
    glim__free(h->ctx, h->factor);
    *h = (glim_head){0};
}

uint64_t glim__head_bytes(const glim_linear *linear, bool factor) {
    uint64_t P = linear->info.width, O = linear->info.outputs, dim = O * (P + 1);
    uint64_t lo = glim__head_whole(O), ld = glim__head_whole(P + 1);
    uint64_t block = BLOCK * (2 * ld + lo + 2 * O * O + O + 2 + P);
    return 8 * (8 * dim + (P + 1) * lo + block + (factor ? 3 * dim * dim + 64 * dim : 0)) + 8192;
}
