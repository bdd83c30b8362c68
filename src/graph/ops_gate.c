/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Element-wise ops that bend: the gated activation of the feed-forward part
 * (Shazeer 2020) and the soft cap of logits (Gemma 2).
 *
 *   gate      y = act(a) b        db += dy act(a), da += dy b act'(a)
 *   act       y = act(x)          dx += dy act'(x)
 *   soft cap  y = c tanh(x / c)   dx += dy (1 - (y / c)^2)
 */
#include "graph/ops.h"

struct gated {
    const glim_kernels *kernels;
    float *y, *da, *db;
    const float *a, *b, *dy;
    int64_t cols;
    glim_act act;
};

static void gate_rows(void *data, int64_t first, int64_t count) {
    struct gated *s = data;
    size_t at = (size_t)(first * s->cols), n = (size_t)(count * s->cols);
    s->kernels->gate(s->y + at, s->a + at, s->b + at, n, s->act);
}

static void gate_back_rows(void *data, int64_t first, int64_t count) {
    struct gated *s = data;
    size_t at = (size_t)(first * s->cols), n = (size_t)(count * s->cols);
    s->kernels->gate_backward(s->da + at, s->db + at, s->dy + at, s->a + at, s->b + at, n, s->act);
}

static struct gated setup(glim_tape *t, glim_tape_node *n) {
    return (struct gated){.kernels = glim__kernels(t->ctx),
                          .a = t->nodes[n->inputs[0]].data,
                          .b = t->nodes[n->inputs[1]].data,
                          .cols = n->cols,
                          .act = n->as.act};
}

static glim_status gate_forward(glim_tape *t, glim_tape_node *n, glim_error *err) {
    struct gated s = setup(t, n);
    s.y = n->data;
    glim__tape_rows(t, n, gate_rows, &s);
    return GLIM_OK;
}

static glim_status gate_backward(glim_tape *t, glim_tape_node *n, glim_error *err) {
    struct gated s = setup(t, n);
    s.dy = n->grad;
    s.da = glim__tape_grad(t, n, 0);
    s.db = glim__tape_grad(t, n, 1);
    if (!s.da || !s.db)
        return glim__oom(t->ctx, err, "a gradient", (uint64_t)(n->rows->T * n->cols) * 4);
    glim__tape_rows(t, n, gate_back_rows, &s);
    return GLIM_OK;
}

const glim_op glim__op_gate_op = {
    .name = "gate", .saves = 3u, .forward = gate_forward, .backward = gate_backward};

glim_node glim__op_gate(glim_tape *t, glim_node gate, glim_node up, glim_act act) {
    if (!gate || !up || t->nodes[gate].cols != t->nodes[up].cols)
        t->status = t->status ? t->status : GLIM_EINTERNAL;
    glim_tape_node *n =
        glim__tape_append(t, &glim__op_gate_op, gate, up, 0, t->status ? 0 : t->nodes[gate].cols);
    if (n)
        n->as.act = act;
    return glim__tape_index(t, n);
}

/* ---- act: a gate whose other side is one ---- */

enum { ONES = 512 };

static void act_rows(void *data, int64_t first, int64_t count) {
    struct gated *s = data;
    float ones[ONES];
    for (int i = 0; i < ONES; i++)
        ones[i] = 1;
    for (int64_t at = first * s->cols, end = at + count * s->cols; at < end; at += ONES)
        s->kernels->gate(s->y + at, s->a + at, ones, (size_t)(end - at < ONES ? end - at : ONES),
                         s->act);
}

static void act_back_rows(void *data, int64_t first, int64_t count) {
    struct gated *s = data;
    float ones[ONES], lost[ONES];
    for (int i = 0; i < ONES; i++) {
        ones[i] = 1;
        lost[i] = 0;
    }
    for (int64_t at = first * s->cols, end = at + count * s->cols; at < end; at += ONES)
        s->kernels->gate_backward(s->da + at, lost, s->dy + at, s->a + at, ones,
                                  (size_t)(end - at < ONES ? end - at : ONES), s->act);
}

static glim_status act_forward(glim_tape *t, glim_tape_node *n, glim_error *err) {
    struct gated s = {.kernels = glim__kernels(t->ctx),
                      .a = t->nodes[n->inputs[0]].data,
                      .y = n->data,
                      .cols = n->cols,
                      .act = n->as.act};
    glim__tape_rows(t, n, act_rows, &s);
    return GLIM_OK;
}

static glim_status act_backward(glim_tape *t, glim_tape_node *n, glim_error *err) {
    struct gated s = {.kernels = glim__kernels(t->ctx),
                      .a = t->nodes[n->inputs[0]].data,
                      .dy = n->grad,
                      .da = glim__tape_grad(t, n, 0),
                      .cols = n->cols,
                      .act = n->as.act};
    if (!s.da)
        return glim__oom(t->ctx, err, "a gradient", (uint64_t)(n->rows->T * n->cols) * 4);
    glim__tape_rows(t, n, act_back_rows, &s);
    return GLIM_OK;
}

const glim_op glim__op_act_op = {
    .name = "act", .saves = 1u, .forward = act_forward, .backward = act_backward};

glim_node glim__op_act(glim_tape *t, glim_node x, glim_act act) {
    glim_tape_node *n = glim__tape_append(t, &glim__op_act_op, x, 0, 0, x ? t->nodes[x].cols : 0);
    if (n)
        n->as.act = act;
    return glim__tape_index(t, n);
}

/* ---- soft cap ---- */

struct cap {
    const glim_kernels *kernels;
    float *y, *dx;
    const float *x, *dy;
    int64_t cols;
    float c;
};

static void cap_rows(void *data, int64_t first, int64_t count) {
    struct cap *s = data;
    size_t at = (size_t)(first * s->cols);
    s->kernels->soft_cap(s->y + at, s->x + at, s->c, (size_t)(count * s->cols));
}

static void cap_back_rows(void *data, int64_t first, int64_t count) {
    struct cap *s = data;
    for (int64_t i = first * s->cols; i < (first + count) * s->cols; i++) {
        float u = s->y[i] / s->c;
        s->dx[i] += s->dy[i] * (1 - u * u);
    }
}

static glim_status cap_forward(glim_tape *t, glim_tape_node *n, glim_error *err) {
    struct cap s = {.kernels = glim__kernels(t->ctx),
                    .x = t->nodes[n->inputs[0]].data,
                    .y = n->data,
                    .cols = n->cols,
                    .c = n->as.number};
    glim__tape_rows(t, n, cap_rows, &s);
    return GLIM_OK;
}

static glim_status cap_backward(glim_tape *t, glim_tape_node *n, glim_error *err) {
    struct cap s = {.y = n->data,
                    .dy = n->grad,
                    .dx = glim__tape_grad(t, n, 0),
                    .cols = n->cols,
                    .c = n->as.number};
    if (!s.dx)
        return glim__oom(t->ctx, err, "a gradient", (uint64_t)(n->rows->T * n->cols) * 4);
    glim__tape_rows(t, n, cap_back_rows, &s);
    return GLIM_OK;
}

const glim_op glim__op_soft_cap_op = {.name = "soft-cap",
                                      .saves = GLIM_SAVES_OUTPUT,
                                      .forward = cap_forward,
                                      .backward = cap_backward};

glim_node glim__op_soft_cap(glim_tape *t, glim_node x, float cap) {
    glim_tape_node *n =
        glim__tape_append(t, &glim__op_soft_cap_op, x, 0, 0, x ? t->nodes[x].cols : 0);
    if (n)
        n->as.number = cap;
    return glim__tape_index(t, n);
}
