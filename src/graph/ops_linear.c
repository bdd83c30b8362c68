/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ops that move values without bending them: the tape's input, products with
 * packed weights, sums and scalings.
 *
 *   linear  Y = X W^T + b      dX += dY W        (weights have no gradient)
 *   add     y = a + b          da += dy, db += dy
 *   pick    y = last rows      dx += dy there
 *   scale   y = s x            dx += s dy
 */
#include "graph/ops.h"

#include <string.h>

const glim_op glim__op_input_op = {.name = "input"};

glim_node glim__op_input(glim_tape *t, float *data, int64_t cols) {
    glim_tape_node *n = glim__tape_append(t, &glim__op_input_op, 0, 0, 0, cols);
    if (n) {
        n->data = data;
        n->borrowed = true;
    }
    return glim__tape_index(t, n);
}

glim_node glim__op_input_of(glim_tape *t, float *data, int64_t cols, const glim_rows *rows) {
    glim_node id = glim__op_input(t, data, cols);
    t->nodes[id].rows = rows;
    return id;
}

/* ---- linear ---- */

static glim_status product(glim_tape *t, glim_tape_node *n, int64_t first, int64_t count, bool few,
                           glim_error *err) {
    const glim_tape_node *x = &t->nodes[n->inputs[0]];
    return (few ? glim__linear_decode : glim__linear)(
        t->ctx, n->data + first * n->cols, (size_t)n->cols, x->data + first * x->cols,
        (size_t)x->cols, count, n->as.linear.w, n->as.linear.bias, err);
}

/* The vocabulary's rows are many and used once each when little is wanted. What
   a sequence wants decides, not the batch: its bits stay its own. */
static bool wants_few(const glim_tape_node *n, size_t part) {
    return n->as.linear.few && n->rows->parts[part].count <= 4;
}

static glim_status linear_forward(glim_tape *t, glim_tape_node *n, glim_error *err) {
    size_t p = 0, parts = n->rows->n_parts;
    if (t->decode || !n->as.linear.few)
        return product(t, n, 0, n->rows->T, t->decode, err);
    while (p < parts) {
        size_t end = p + 1;
        int64_t first = n->rows->parts[p].first;
        while (end < parts && wants_few(n, end) == wants_few(n, p))
            end++;
        int64_t past = end < parts ? n->rows->parts[end].first : n->rows->T;
        glim_status status = product(t, n, first, past - first, wants_few(n, p), err);
        if (status)
            return status;
        p = end;
    }
    return GLIM_OK;
}

static glim_status linear_backward(glim_tape *t, glim_tape_node *n, glim_error *err) {
    float *dx;
    int64_t cols = n->as.linear.w->cols;
    glim_status status = glim__tape_grad(t, n, 0, &dx, err);
    if (status)
        return status;
    return glim__linear_backward(t->ctx, dx, (size_t)cols, n->grad, (size_t)n->cols, n->rows->T,
                                 n->as.linear.w, err);
}

const glim_op glim__op_linear_op = {
    .name = "linear",
    .forward = linear_forward,
    .backward = linear_backward,
};

glim_node glim__op_linear(glim_tape *t, glim_node x, const glim_matrix *w, const float *bias) {
    if (!x || t->nodes[x].cols != w->cols)
        t->status = t->status ? t->status : GLIM_EINTERNAL;
    glim_tape_node *n = glim__tape_append(t, &glim__op_linear_op, x, 0, 0, w->rows);
    if (n) {
        n->as.linear.w = w;
        n->as.linear.bias = bias;
    }
    return glim__tape_index(t, n);
}

/* ---- add ---- */

struct sum {
    const glim_kernels *kernels;
    float *out;
    const float *a, *b;
    float factor;
    int64_t cols;
};

static void sum_rows(void *data, int64_t first, int64_t count) {
    struct sum *s = data;
    size_t at = (size_t)(first * s->cols), n = (size_t)(count * s->cols);
    s->kernels->add(s->out + at, s->a + at, s->b + at, n);
}

static glim_status add_forward(glim_tape *t, glim_tape_node *n, glim_error *err) {
    struct sum s = {glim__kernels(t->ctx),       n->data, t->nodes[n->inputs[0]].data,
                    t->nodes[n->inputs[1]].data, 1,       n->cols};
    glim__tape_rows(t, n, sum_rows, &s);
    return GLIM_OK;
}

/* The last input without a gradient yet takes over this node's buffer. */
static glim_status add_backward(glim_tape *t, glim_tape_node *n, glim_error *err) {
    for (int i = 0; i < 2; i++) {
        glim_tape_node *in = &t->nodes[n->inputs[i]];
        if (i == 1 && !in->grad && !n->lent_grad) {
            in->grad = n->grad;
            n->grad = NULL;
            break;
        }
        float *d;
        glim_status status = glim__tape_grad(t, n, i, &d, err);
        if (status)
            return status;
        struct sum s = {glim__kernels(t->ctx), d, d, n->grad, 1, n->cols};
        glim__tape_rows(t, n, sum_rows, &s);
    }
    return GLIM_OK;
}

const glim_op glim__op_add_op = {.name = "add", .forward = add_forward, .backward = add_backward};

glim_node glim__op_add(glim_tape *t, glim_node a, glim_node b) {
    if (!a || !b || t->nodes[a].cols != t->nodes[b].cols ||
        t->nodes[a].rows->T != t->nodes[b].rows->T)
        t->status = t->status ? t->status : GLIM_EINTERNAL;
    return glim__tape_index(
        t, glim__tape_append(t, &glim__op_add_op, a, b, 0, t->status ? 0 : t->nodes[a].cols));
}

/* ---- pick ---- */

static int64_t last_row(const glim_tape_node *x, size_t p) {
    const glim_rows_part *part = &x->rows->parts[p];
    return part->first + part->count - 1;
}

static glim_status pick_forward(glim_tape *t, glim_tape_node *n, glim_error *err) {
    const glim_tape_node *x = &t->nodes[n->inputs[0]];
    for (size_t p = 0; p < n->rows->n_parts; p++)
        memcpy(n->data + (int64_t)p * n->cols, x->data + last_row(x, p) * n->cols,
               (size_t)n->cols * sizeof *n->data);
    return GLIM_OK;
}

/* The rows go on from what the input's rows have so far: sums over chunks of a
   product then run in the order that they have without picking. */
static void pick_start(glim_tape *t, glim_tape_node *n) {
    const glim_tape_node *x = &t->nodes[n->inputs[0]];
    n->as.started = x->grad != NULL;
    for (size_t p = 0; p < n->rows->n_parts && x->grad; p++)
        memcpy(n->grad + (int64_t)p * n->cols, x->grad + last_row(x, p) * n->cols,
               (size_t)n->cols * sizeof *n->grad);
}

static glim_status pick_backward(glim_tape *t, glim_tape_node *n, glim_error *err) {
    const glim_tape_node *x = &t->nodes[n->inputs[0]];
    float *d;
    glim_status status = glim__tape_grad(t, n, 0, &d, err);
    if (status)
        return status;
    for (size_t p = 0; p < n->rows->n_parts; p++) {
        float *row = d + last_row(x, p) * n->cols;
        const float *from = n->grad + (int64_t)p * n->cols;
        if (n->as.started)
            memcpy(row, from, (size_t)n->cols * sizeof *row);
        else
            glim__kernels(t->ctx)->add(row, row, from, (size_t)n->cols);
    }
    n->as.started = false;
    return GLIM_OK;
}

const glim_op glim__op_pick_op = {
    .name = "pick", .forward = pick_forward, .backward = pick_backward, .start = pick_start};

glim_node glim__op_pick(glim_tape *t, glim_node x, const glim_rows *rows) {
    if (!x || rows->n_parts != t->nodes[x].rows->n_parts || rows->T != (int64_t)rows->n_parts)
        t->status = t->status ? t->status : GLIM_EINTERNAL;
    glim_tape_node *n = glim__tape_append(t, &glim__op_pick_op, x, 0, 0, x ? t->nodes[x].cols : 0);
    if (n)
        n->rows = rows;
    return glim__tape_index(t, n);
}

/* ---- scale ---- */

static void scale_rows(void *data, int64_t first, int64_t count) {
    struct sum *s = data;
    size_t at = (size_t)(first * s->cols), n = (size_t)(count * s->cols);
    memset(s->out + at, 0, n * sizeof *s->out);
    s->kernels->axpy(s->out + at, s->factor, s->a + at, n);
}

static void scale_add_rows(void *data, int64_t first, int64_t count) {
    struct sum *s = data;
    size_t at = (size_t)(first * s->cols), n = (size_t)(count * s->cols);
    s->kernels->axpy(s->out + at, s->factor, s->a + at, n);
}

static glim_status scale_forward(glim_tape *t, glim_tape_node *n, glim_error *err) {
    struct sum s = {.kernels = glim__kernels(t->ctx),
                    .out = n->data,
                    .a = t->nodes[n->inputs[0]].data,
                    .factor = n->as.number,
                    .cols = n->cols};
    glim__tape_rows(t, n, scale_rows, &s);
    return GLIM_OK;
}

static glim_status scale_backward(glim_tape *t, glim_tape_node *n, glim_error *err) {
    float *d;
    glim_status status = glim__tape_grad(t, n, 0, &d, err);
    if (status)
        return status;
    struct sum s = {.kernels = glim__kernels(t->ctx),
                    .out = d,
                    .a = n->grad,
                    .factor = n->as.number,
                    .cols = n->cols};
    glim__tape_rows(t, n, scale_add_rows, &s);
    return GLIM_OK;
}

const glim_op glim__op_scale_op = {
    .name = "scale", .forward = scale_forward, .backward = scale_backward};

glim_node glim__op_scale(glim_tape *t, glim_node x, float factor) {
    glim_tape_node *n = glim__tape_append(t, &glim__op_scale_op, x, 0, 0, x ? t->nodes[x].cols : 0);
    if (n)
        n->as.number = factor;
    return glim__tape_index(t, n);
}
