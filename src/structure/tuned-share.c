/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much of a translation is used: the share s of h + s (A h + b) with the least
 * KL(last || lens) on one half of the tokens held out. From the whole of it downwards as long
 * as it gets better, and nothing, the logit lens, is always asked. What is told of the layer
 * comes from the other half. With q the last layer's probabilities and x the lens's logits
 *
 *   KL = sum q log q - q x + log sum exp x
 */
#include "model/model.h"
#include "structure/tuned-fit.h"

#include <math.h>
#include <string.h>

enum { CHUNK = GLIM_TUNED_CHUNK };

struct rows {
    const glim_tuned_work *f;
    float *logits;      /* (n, V), written over */
    size_t first, step; /* among the tokens held out */
    double *out;        /* [n] */
};

static void diverge(void *data, size_t i, int worker) {
    const struct rows *s = data;
    const glim_kernels *k = glim__kernels(s->f->ctx);
    size_t V = (size_t)s->f->m->outputs, row = s->first + i * s->step;
    float *x = s->logits + i * V;
    float most = k->max(x, V);
    double dot = (double)k->dot_f32(s->f->last + row * V, x, V);
    double lse = (double)most + log((double)k->exp_sum(x, x, most, V));
    s->out[i] = lse - dot - s->f->entropy[row];
}

/* Of every other token held out, from `half` on. */
static glim_status divergence(glim_tuned_work *f, size_t layer, size_t half, double share,
                              double *out) {
    size_t C = f->t->C, all = 0;
    float *in = f->in, *moved = in + CHUNK * C;
    double each[CHUNK], sum = 0;
    glim_status status = GLIM_OK;
    for (size_t r = half, n; r < f->n_held && !status; all += n) {
        struct rows rows = {.f = f, .first = r, .step = 2, .out = each};
        const float *logits;
        for (n = 0; n < CHUNK && r < f->n_held; r += 2)
            memcpy(in + n++ * C, f->held + (layer * GLIM_TUNED_HELD + r) * C, C * sizeof *in);
        if (share > 0)
            status = glim__tuned_turn(f->t, layer, in, n, moved, f->err);
        for (size_t i = 0; i < n * C && share > 0 && !status; i++)
            in[i] += (float)share * (moved[i] - in[i]);
        if (!status)
            status = glim__unembed(&f->end, in, n, &logits, NULL, f->err);
        if (status)
            return status;
        rows.logits = (float *)logits;
        glim__parallel(f->ctx, n, diverge, &rows);
        for (size_t i = 0; i < n; i++)
            sum += each[i];
        status = glim__check_cancel(f->ctx, f->err);
    }
    *out = all ? fmax(sum / (double)all, 0) : NAN;
    return status;
}

glim_status glim__tuned_choose_share(glim_tuned_work *f, size_t layer) {
    static const double step = 0.25;
    glim_tuned_layer *out = &f->t->layers[layer];
    size_t C = f->t->C;
    double least, now = 0;
    glim_status status = divergence(f, layer, 0, 0, &least);
    double before = INFINITY;
    out->strength = 0;
    for (double share = 1; share > 0 && !status; share -= step, before = now) {
        status = divergence(f, layer, 0, share, &now);
        if (status || now >= before)
            break;
        if (now < least) {
            least = now;
            out->strength = share;
        }
    }
    if (!status)
        status = divergence(f, layer, 1, 0, &out->logit);
    if (!status)
        status = divergence(f, layer, 1, out->strength, &out->tuned);
    for (size_t i = 0; i < C * C; i++)
        f->t->a[layer * C * C + i] *= (float)out->strength;
    for (size_t i = 0; i < C; i++)
        f->t->b[layer * C + i] *= (float)out->strength;
    return status;
}

static void keep_last(void *data, size_t i, int worker) {
    const struct rows *s = data;
    const glim_kernels *k = glim__kernels(s->f->ctx);
    size_t V = (size_t)s->f->m->outputs;
    float *q = s->f->last + (s->first + i * s->step) * V;
    const float *x = s->logits + i * V;
    float most = k->max(x, V), sum = k->exp_sum(q, x, most, V);
    k->scale(q, 1 / sum, V);
    double dot = (double)k->dot_f32(q, x, V);
    s->out[i] = (double)most + log((double)sum) - dot;
}

glim_status glim__tuned_read_last(glim_tuned_work *f) {
    size_t C = f->t->C;
    glim_status status = GLIM_OK;
    for (size_t r = 0; r < f->n_held && !status; r += CHUNK) {
        size_t n = f->n_held - r < CHUNK ? f->n_held - r : CHUNK;
        const float *x;
        status = glim__unembed(&f->end, f->held + (f->t->L * GLIM_TUNED_HELD + r) * C, n, &x, NULL,
                               f->err);
        struct rows rows = {f, (float *)x, r, 1, f->entropy + r};
        if (!status)
            glim__parallel(f->ctx, n, keep_last, &rows);
    }
    return status;
}
