/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Convolution with what follows it, a sequence of the batch being an image:
 *
 *   y = clamp(scale (x * w) + shift, low, high)
 *   dx += (dy scale where low < y < high) * w, turned
 *
 * Only the output is kept for backward: where a bound holds is seen from it.
 */
#include "graph/ops.h"

static glim_status conv_forward(glim_tape *t, glim_tape_node *n, glim_error *err) {
    return glim__conv(t->ctx, n->as.conv, n->data, t->nodes[n->inputs[0]].data,
                      (int64_t)n->rows->n_parts, err);
}

static glim_status conv_backward(glim_tape *t, glim_tape_node *n, glim_error *err) {
    float *d;
    glim_status status = glim__tape_grad(t, n, 0, &d, err);
    if (status)
        return status;
    return glim__conv_backward(t->ctx, n->as.conv, d, n->grad, n->data, (int64_t)n->rows->n_parts,
                               err);
}

const glim_op glim__op_conv_op = {
    .name = "conv", .saves = GLIM_SAVES_OUTPUT, .forward = conv_forward, .backward = conv_backward};

glim_node glim__op_conv(glim_tape *t, glim_node x, const glim_conv *conv, const glim_rows *rows) {
    int64_t images = (int64_t)rows->n_parts;
    if (!x || t->nodes[x].cols != conv->in_c ||
        t->nodes[x].rows->T != images * conv->in_h * conv->in_w ||
        rows->T != images * conv->out_h * conv->out_w)
        t->status = t->status ? t->status : GLIM_EINTERNAL;
    glim_tape_node *n = glim__tape_append(t, &glim__op_conv_op, x, 0, 0, conv->out_c);
    if (n) {
        n->as.conv = conv;
        n->rows = rows;
    }
    return glim__tape_index(t, n);
}
