/* SPDX-License-Identifier: Apache-2.0 */
/* Shift: y = x + v, the same v (C) for every row, as steering adds it. dx = dy. */
#include "graph/ops.h"

#include <string.h>

struct shift {
    const float *x, *v;
    float *out;
    size_t C;
};

static void shift_rows(void *data, int64_t first, int64_t count) {
    struct shift *s = data;
    for (size_t t = (size_t)first; t < (size_t)(first + count); t++)
        for (size_t c = 0; c < s->C; c++)
            s->out[t * s->C + c] = s->x[t * s->C + c] + s->v[c];
}

static glim_status shift_forward(glim_tape *t, glim_tape_node *n, glim_error *err) {
    struct shift s = {t->nodes[n->inputs[0]].data, n->as.shift, n->data, (size_t)n->cols};
    glim__tape_rows(t, n, shift_rows, &s);
    return GLIM_OK;
}

static void pass_rows(void *data, int64_t first, int64_t count) {
    struct shift *s = data;
    for (size_t i = (size_t)first * s->C; i < (size_t)(first + count) * s->C; i++)
        s->out[i] += s->x[i];
}

static glim_status shift_backward(glim_tape *t, glim_tape_node *n, glim_error *err) {
    struct shift s = {.x = n->grad, .C = (size_t)n->cols};
    glim_status status = glim__tape_grad(t, n, 0, &s.out, err);
    if (!status)
        glim__tape_rows(t, n, pass_rows, &s);
    return status;
}

const glim_op glim__op_shift_op = {
    .name = "shift", .forward = shift_forward, .backward = shift_backward};

glim_node glim__op_shift(glim_tape *t, glim_node x, const float *v) {
    glim_tape_node *n = glim__tape_append(t, &glim__op_shift_op, x, 0, 0, x ? t->nodes[x].cols : 0);
    if (n)
        n->as.shift = v;
    return glim__tape_index(t, n);
}
