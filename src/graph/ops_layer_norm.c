/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layer norm over a whole row (Ba, Kiros, Hinton 2016), population variance:
 *
 *   m = mean(x)   r = 1 / sqrt(mean((x - m)^2) + eps)   u = (x - m) r   y = w u + b
 *   h = w dy      dx += r (h - mean(h) - u mean(h u))
 *
 * aux holds r, then m, one a row. Both means are taken in double, in two passes:
 * the one-pass form loses the digits that a large mean eats. The rule "frozen
 * norm" keeps r constant: dx += r (h - mean(h)).
 */
#include "graph/ops.h"

#include <math.h>

struct norm {
    const float *x, *weight, *bias, *dy;
    float *y, *dx, *r, *m;
    int64_t n;
    float eps;
    bool frozen;
};

/* Sum of x - shift, or of its square; in lanes, so that no addition waits for the last. */
static double sum_of(const float *x, int64_t n, double shift, bool square) {
    enum { LANES = 8 };
    double lane[LANES] = {0}, sum = 0;
    for (int64_t i = 0; i < n; i += LANES)
        for (int64_t k = 0; k < (n - i < LANES ? n - i : LANES); k++) {
            double d = x[i + k] - shift;
            lane[k] += square ? d * d : d;
        }
    for (int k = 0; k < LANES; k++)
        sum += lane[k];
    return sum;
}

static void forward_rows(void *data, int64_t first, int64_t count) {
    struct norm *s = data;
    for (int64_t t = first; t < first + count; t++) {
        const float *x = s->x + t * s->n;
        float *y = s->y + t * s->n;
        double mean = sum_of(x, s->n, 0, false) / (double)s->n;
        double spread = sum_of(x, s->n, mean, true);
        s->m[t] = (float)mean;
        s->r[t] = (float)(1.0 / sqrt(spread / (double)s->n + s->eps));
        for (int64_t i = 0; i < s->n; i++)
            y[i] = (x[i] - s->m[t]) * s->r[t] * s->weight[i] + (s->bias ? s->bias[i] : 0);
    }
}

static void backward_rows(void *data, int64_t first, int64_t count) {
    struct norm *s = data;
    for (int64_t t = first; t < first + count; t++) {
        const float *x = s->x + t * s->n, *dy = s->dy + t * s->n, *w = s->weight;
        float *dx = s->dx + t * s->n, r = s->r[t], m = s->m[t];
        double sum = 0, dot = 0;
        for (int64_t i = 0; i < s->n; i++) {
            double h = (double)w[i] * dy[i];
            sum += h;
            dot += h * ((x[i] - m) * r);
        }
        float level = (float)(sum / (double)s->n);
        float pull = s->frozen ? 0 : (float)(dot / (double)s->n);
        for (int64_t i = 0; i < s->n; i++)
            dx[i] += r * (w[i] * dy[i] - level - (x[i] - m) * r * pull);
    }
}

static size_t norm_aux(const glim_tape *t, const glim_tape_node *n) {
    return (size_t)n->rows->T * 2;
}

static struct norm setup(glim_tape *t, glim_tape_node *n) {
    return (struct norm){.x = t->nodes[n->inputs[0]].data,
                         .weight = n->as.norm.weight,
                         .bias = n->as.norm.bias,
                         .y = n->data,
                         .r = n->aux,
                         .m = n->aux + n->rows->T,
                         .n = n->cols,
                         .eps = n->as.norm.eps};
}

static glim_status norm_forward(glim_tape *t, glim_tape_node *n, glim_error *err) {
    struct norm s = setup(t, n);
    glim__tape_rows(t, n, forward_rows, &s);
    return GLIM_OK;
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

glim_status glim__layer_norm_backward_frozen(glim_tape *t, glim_tape_node *n, glim_error *err) {
    return walk_norm(t, n, true, err);
}

const glim_op glim__op_layer_norm_op = {
    .name = "layer-norm",
    .saves = 1u << 0,
    .forward = norm_forward,
    .backward = norm_backward,
    .aux = norm_aux,
};

glim_node glim__op_layer_norm(glim_tape *t, glim_node x, const float *weight, const float *bias,
                              float eps) {
    glim_tape_node *n =
        glim__tape_append(t, &glim__op_layer_norm_op, x, 0, 0, x ? t->nodes[x].cols : 0);
    if (n) {
        n->as.norm.weight = weight;
        n->as.norm.bias = bias;
        n->as.norm.eps = eps;
        n->as.norm.heads = 1;
        n->as.norm.centred = true;
    }
    return glim__tape_index(t, n);
}
