/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gains (Jacobs 1988) as openTSNE has them: a coordinate whose slope keeps its sign against the
 * last step gets 0.2 more, any other 0.8 of what it had. The map is moved back to its mean after
 * each step. KL = sum P log P + sum P log(1 + d^2) + log Z, since P sums to one.
 */
#include "reduce/tsne.h"

#include "tensor/kernels.h"

#include <math.h>

enum { ROWS = 128, PAD = 16 };

static float *line(glim_context *ctx, size_t n) {
    return glim__calloc(ctx, n + PAD, sizeof(float));
}

glim_status glim__tsne_init(glim_tsne *t, glim_context *ctx, const glim_affinity *p,
                            const float *xy, glim_map_gradient how, double theta, glim_error *err) {
    size_t n = p->n;
    *t = (glim_tsne){.ctx = ctx, .p = p};
    glim_plane *const planes[] = {&t->at, &t->slope, &t->push};
    bool ok = true;
    for (size_t i = 0; i < 3; i++) {
        *planes[i] = (glim_plane){line(ctx, n), line(ctx, n), n};
        ok &= planes[i]->x && planes[i]->y;
    }
    t->step_x = line(ctx, n);
    t->step_y = line(ctx, n);
    t->gain = line(ctx, 2 * n);
    t->sums = glim__calloc(ctx, n / ROWS + 1, 2 * sizeof *t->sums);
    glim_status status = ok && t->step_x && t->step_y && t->gain && t->sums
                             ? glim__repulsion_init(&t->repulsion, ctx, n, how, theta, err)
                             : glim__oom(ctx, err, "a map", n * 40);
    for (size_t i = 0; i < n && !status; i++) {
        t->at.x[i] = xy[2 * i];
        t->at.y[i] = xy[2 * i + 1];
        t->gain[2 * i] = t->gain[2 * i + 1] = 1;
    }
    if (status)
        glim__tsne_release(t);
    return status;
}

void glim__tsne_release(glim_tsne *t) {
    if (!t->ctx)
        return;
    void *const all[] = {t->at.x,   t->at.y,   t->slope.x, t->slope.y, t->push.x,
                         t->push.y, t->step_x, t->step_y,  t->gain,    t->sums};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        glim__free(t->ctx, all[i]);
    glim__repulsion_release(&t->repulsion);
    *t = (glim_tsne){0};
}

/* ---- the slope ---- */

typedef struct sloping {
    glim_tsne *t;
    double exaggeration, z;
} sloping;

static void slope_rows(void *data, size_t item, int worker) {
    const sloping *s = data;
    glim_tsne *t = s->t;
    const glim_affinity *p = t->p;
    const glim_kernels *kernels = glim__kernels(t->ctx);
    float e = (float)s->exaggeration, z = (float)(1 / s->z), pull[2];
    for (size_t i = item * ROWS; i < p->n && i < (item + 1) * ROWS; i++) {
        uint64_t from = p->from[i];
        kernels->attract(t->at.x, t->at.y, p->to + from, p->p + from, p->from[i + 1] - from,
                         t->at.x[i], t->at.y[i], pull);
        t->slope.x[i] = e * pull[0] - z * t->push.x[i];
        t->slope.y[i] = e * pull[1] - z * t->push.y[i];
    }
}

static void stretch_rows(void *data, size_t item, int worker) {
    glim_tsne *t = data;
    const glim_affinity *p = t->p;
    double sum = 0;
    for (size_t i = item * ROWS; i < p->n && i < (item + 1) * ROWS; i++)
        for (uint64_t e = p->from[i]; e < p->from[i + 1]; e++) {
            double dx = t->at.x[i] - t->at.x[p->to[e]], dy = t->at.y[i] - t->at.y[p->to[e]];
            sum += p->p[e] * log1p(dx * dx + dy * dy);
        }
    t->sums[item] = sum;
}

glim_status glim__tsne_slope(glim_tsne *t, double exaggeration, double *kl, glim_error *err) {
    sloping s = {.t = t, .exaggeration = exaggeration};
    size_t items = (t->p->n + ROWS - 1) / ROWS;
    glim_status status = glim__repulsion(&t->repulsion, &t->at, &t->push, &s.z, err);
    if (status)
        return status;
    glim__parallel(t->ctx, items, slope_rows, &s);
    if (!kl)
        return GLIM_OK;
    glim__parallel(t->ctx, items, stretch_rows, t);
    double stretch = 0;
    for (size_t i = 0; i < items; i++)
        stretch += t->sums[i];
    *kl = t->p->entropy + stretch + log(s.z);
    return GLIM_OK;
}

/* ---- a step ---- */

typedef struct stepping {
    glim_tsne *t;
    float rate, momentum, most;
    float mean_x, mean_y;
} stepping;

static float move(float *step, float *gain, float slope, const stepping *s) {
    *gain = (*step > 0) != (slope > 0) ? *gain + 0.2F : *gain * 0.8F;
    if (*gain < 0.01F)
        *gain = 0.01F;
    return *step = s->momentum * *step - s->rate * *gain * slope;
}

static void move_rows(void *data, size_t item, int worker) {
    const stepping *s = data;
    glim_tsne *t = s->t;
    double x = 0, y = 0;
    for (size_t i = item * ROWS; i < t->p->n && i < (item + 1) * ROWS; i++) {
        float dx = move(&t->step_x[i], &t->gain[2 * i], t->slope.x[i], s);
        float dy = move(&t->step_y[i], &t->gain[2 * i + 1], t->slope.y[i], s);
        float norm = sqrtf(dx * dx + dy * dy);
        if (s->most > 0 && norm > s->most) {
            t->step_x[i] *= s->most / norm;
            t->step_y[i] *= s->most / norm;
        }
        t->at.x[i] += t->step_x[i];
        t->at.y[i] += t->step_y[i];
        x += t->at.x[i];
        y += t->at.y[i];
    }
    t->sums[2 * item] = x;
    t->sums[2 * item + 1] = y;
}

static void centre_rows(void *data, size_t item, int worker) {
    const stepping *s = data;
    for (size_t i = item * ROWS; i < s->t->p->n && i < (item + 1) * ROWS; i++) {
        s->t->at.x[i] -= s->mean_x;
        s->t->at.y[i] -= s->mean_y;
    }
}

void glim__tsne_step(glim_tsne *t, double rate, double momentum, double max_norm) {
    stepping s = {t, (float)rate, (float)momentum, (float)max_norm, 0, 0};
    size_t n = t->p->n, items = (n + ROWS - 1) / ROWS;
    double x = 0, y = 0;
    glim__parallel(t->ctx, items, move_rows, &s);
    for (size_t i = 0; i < items; i++) {
        x += t->sums[2 * i];
        y += t->sums[2 * i + 1];
    }
    s.mean_x = (float)(x / (double)n);
    s.mean_y = (float)(y / (double)n);
    glim__parallel(t->ctx, items, centre_rows, &s);
}

void glim__tsne_get(const glim_tsne *t, float *xy) {
    for (size_t i = 0; i < t->p->n; i++) {
        xy[2 * i] = t->at.x[i];
        xy[2 * i + 1] = t->at.y[i];
    }
}

uint64_t glim__tsne_plan(size_t n, glim_map_gradient how) {
    return (uint64_t)n * 44 + glim__repulsion_plan(n, how);
}
