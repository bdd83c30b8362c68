/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From rows to one vector a sequence, and vectors of length one:
 *
 *   mean   y = sum of the sequence's rows / n     dx += dy / n
 *   unit   y = x / |x|                            dx += (dy - y <y, dy>) / |x|
 *
 * Sums go row after row, in double. aux of `unit` holds |x|; a row of zeros stays
 * one, and has no gradient.
 */
#include "graph/ops.h"

#include <math.h>
#include <string.h>

static glim_status mean_forward(glim_tape *t, glim_tape_node *n, glim_error *err) {
    const glim_tape_node *x = &t->nodes[n->inputs[0]];
    for (size_t p = 0; p < n->rows->n_parts; p++) {
        const glim_rows_part *part = &x->rows->parts[p];
        for (int64_t c = 0; c < n->cols; c++) {
            double sum = 0;
            for (int64_t r = 0; r < part->count; r++)
                sum += x->data[(part->first + r) * n->cols + c];
            n->data[(int64_t)p * n->cols + c] = (float)(sum / (double)part->count);
        }
    }
    return GLIM_OK;
}

static glim_status mean_backward(glim_tape *t, glim_tape_node *n, glim_error *err) {
    const glim_tape_node *x = &t->nodes[n->inputs[0]];
    float *d = glim__tape_grad(t, n, 0);
    if (!d)
        return glim__oom(t->ctx, err, "a gradient", (uint64_t)(x->rows->T * n->cols) * 4);
    for (size_t p = 0; p < n->rows->n_parts; p++) {
        const glim_rows_part *part = &x->rows->parts[p];
        for (int64_t r = part->first; r < part->first + part->count; r++)
            for (int64_t c = 0; c < n->cols; c++)
                d[r * n->cols + c] += n->grad[(int64_t)p * n->cols + c] / (float)part->count;
    }
    return GLIM_OK;
}

const glim_op glim__op_mean_op = {
    .name = "mean", .forward = mean_forward, .backward = mean_backward};

glim_node glim__op_mean(glim_tape *t, glim_node x, const glim_rows *rows) {
    if (!x || rows->n_parts != t->nodes[x].rows->n_parts || rows->T != (int64_t)rows->n_parts)
        t->status = t->status ? t->status : GLIM_EINTERNAL;
    glim_tape_node *n = glim__tape_append(t, &glim__op_mean_op, x, 0, 0, x ? t->nodes[x].cols : 0);
    if (n)
        n->rows = rows;
    return glim__tape_index(t, n);
}

static size_t unit_aux(const glim_tape *t, const glim_tape_node *n) {
    return (size_t)n->rows->T;
}

static glim_status unit_forward(glim_tape *t, glim_tape_node *n, glim_error *err) {
    const float *x = t->nodes[n->inputs[0]].data;
    for (int64_t r = 0; r < n->rows->T; r++) {
        double sum = glim__kernels(t->ctx)->sum_squares(x + r * n->cols, (size_t)n->cols);
        n->aux[r] = (float)sqrt(sum);
        for (int64_t c = 0; c < n->cols; c++)
            n->data[r * n->cols + c] = sum > 0 ? x[r * n->cols + c] / n->aux[r] : 0;
    }
    return GLIM_OK;
}

static glim_status unit_backward(glim_tape *t, glim_tape_node *n, glim_error *err) {
    float *d = glim__tape_grad(t, n, 0);
    if (!d)
        return glim__oom(t->ctx, err, "a gradient", (uint64_t)(n->rows->T * n->cols) * 4);
    for (int64_t r = 0; r < n->rows->T; r++) {
        const float *y = n->data + r * n->cols, *dy = n->grad + r * n->cols;
        float dot = glim__kernels(t->ctx)->dot_f32(y, dy, (size_t)n->cols);
        for (int64_t c = 0; c < n->cols && n->aux[r] > 0; c++)
            d[r * n->cols + c] += (dy[c] - y[c] * dot) / n->aux[r];
    }
    return GLIM_OK;
}

const glim_op glim__op_unit_op = {.name = "unit",
                                  .saves = GLIM_SAVES_OUTPUT,
                                  .forward = unit_forward,
                                  .backward = unit_backward,
                                  .aux = unit_aux};

glim_node glim__op_unit(glim_tape *t, glim_node x) {
    return glim__tape_index(
        t, glim__tape_append(t, &glim__op_unit_op, x, 0, 0, x ? t->nodes[x].cols : 0));
}
