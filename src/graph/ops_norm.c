/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Root-mean-square norm, over a whole row or over each head of it
 * (Zhang & Sennrich 2019):
 *
 *   r = 1 / sqrt(mean(x^2) + eps)        y = w x r
 *   h = w dy                             dx += r h - x (r^3 / n) <h, x>
 *
 * aux holds r, one a row and head. The sum of squares is taken in double: E[x^2]
 * of long rows loses digits in float. The rule "frozen norm" keeps r constant:
 * dx += r h.
 */
#include "graph/ops.h"

#include <math.h>

struct norm {
    const glim_kernels *kernels;
    const float *x, *weight;
    float *y, *r;
    const float *dy;
    float *dx;
    int64_t n; /* width of a group */
    int heads;
    float eps;
    bool frozen;
};

static void forward_rows(void *data, int64_t first, int64_t count) {
    struct norm *s = data;
    for (int64_t g = first * s->heads; g < (first + count) * s->heads; g++) {
        const float *x = s->x + g * s->n;
        double mean = s->kernels->sum_squares(x, (size_t)s->n) / (double)s->n;
        s->r[g] = (float)(1.0 / sqrt(mean + s->eps));
        s->kernels->scale_mul(s->y + g * s->n, s->r[g], x, s->weight, (size_t)s->n);
    }
}

static size_t norm_aux(const glim_tape *t, const glim_tape_node *n) {
    return (size_t)(n->rows->T * n->as.norm.heads);
}

static struct norm setup(glim_tape *t, glim_tape_node *n) {
    return (struct norm){
        .kernels = glim__kernels(t->ctx),
        .x = t->nodes[n->inputs[0]].data,
        .weight = n->as.norm.weight,
        .y = n->data,
        .r = n->aux,
        .n = n->cols / n->as.norm.heads,
        .heads = n->as.norm.heads,
        .eps = n->as.norm.eps,
    };
}

static glim_status norm_forward(glim_tape *t, glim_tape_node *n, glim_error *err) {
    struct norm s = setup(t, n);
    glim__tape_rows(t, n, forward_rows, &s);
    return GLIM_OK;
}

static void backward_rows(void *data, int64_t first, int64_t count) {
    struct norm *s = data;
    for (int64_t g = first * s->heads; g < (first + count) * s->heads; g++) {
        const float *x = s->x + g * s->n, *dy = s->dy + g * s->n, *w = s->weight;
        float *dx = s->dx + g * s->n, r = s->r[g];
        double dot = 0;
        for (int64_t i = 0; i < s->n && !s->frozen; i++)
            dot += (double)(w[i] * dy[i]) * x[i];
        float pull = (float)(dot / (double)s->n * (double)r * r * r);
        for (int64_t i = 0; i < s->n; i++)
            dx[i] += r * (w[i] * dy[i]) - x[i] * pull;
    }
}

static glim_status walk_norm(glim_tape *t, glim_tape_node *n, bool frozen, glim_error *err) {
    struct norm s = setup(t, n);
    s.dy = n->grad;
    s.frozen = frozen;
    glim_status status = glim__tape_grad(t, n, 0, &s.dx, err);
    if (status)
        return status;
    glim__tape_rows(t, n, backward_rows, &s);
    return GLIM_OK;
}

static glim_status norm_backward(glim_tape *t, glim_tape_node *n, glim_error *err) {
    return walk_norm(t, n, false, err);
}

glim_status glim__rms_norm_backward_frozen(glim_tape *t, glim_tape_node *n, glim_error *err) {
    return walk_norm(t, n, true, err);
}

const glim_op glim__op_rms_norm_op = {
    .name = "rms-norm",
    .saves = 1u << 0,
    .forward = norm_forward,
    .backward = norm_backward,
    .aux = norm_aux,
};

glim_node glim__op_rms_norm(glim_tape *t, glim_node x, const float *weight, float eps, int heads) {
    glim_tape_node *n =
        glim__tape_append(t, &glim__op_rms_norm_op, x, 0, 0, x ? t->nodes[x].cols : 0);
    if (n) {
        n->as.norm.weight = weight;
        n->as.norm.eps = eps;
        n->as.norm.heads = heads;
    }
    return glim__tape_index(t, n);
}
