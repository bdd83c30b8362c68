/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks of samples, in their order. */
#include "influence/gradients.h"

glim_status glim__gradients_each(const glim_gradients *g, const char *stage,
                                 glim_gradients_fn *each, void *data, glim_error *err) {
    glim_status status = GLIM_OK;
    glim__progress_begin_items(g->ctx, stage, g->n);
    for (size_t first = 0; first < g->n && !status; first += GLIM_GRADIENTS_BLOCK) {
        size_t left = g->n - first,
               count = left < GLIM_GRADIENTS_BLOCK ? left : GLIM_GRADIENTS_BLOCK;
        status = glim__check_cancel(g->ctx, err);
        if (!status)
            status = each(data, first, count, err);
        glim__progress_add(g->ctx, count);
    }
    glim__progress_end(g->ctx);
    return status;
}

uint64_t glim__gradients_width(const glim_gradients *g) {
    uint64_t width = 0;
    for (size_t w = 0; w < g->n_weights; w++)
        if (g->chosen[w])
            width += (uint64_t)g->weights[w].rows * g->weights[w].cols;
    return width;
}
