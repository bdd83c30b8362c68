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

/* ---- samples of a file through a model ---- */

static glim_status walk(void *data, size_t first, size_t count, const glim_pass_visitor *visitor,
                        glim_error *err) {
    const glim_model_gradients *m = data;
    const glim_pass_options options = {.chosen = m->chosen};
    return glim__pass(m->model, m->samples, first, count, &options, visitor, err);
}

static glim_status sizes(void *data, size_t first, size_t count, size_t *rows, size_t *answers,
                         glim_error *err) {
    const glim_model_gradients *m = data;
    glim_context *ctx = glim_model_context(m->model);
    glim_status status = GLIM_OK;
    glim_arena arena;
    glim__arena_init(&arena, ctx, (size_t)1 << 14);
    for (size_t i = 0; i < count && !status; i++) {
        glim_example x = {0};
        status = glim__samples_read(m->samples, first + i, 1, &arena, &x, err);
        if (rows)
            rows[i] = x.count > x.n_source ? x.count : x.n_source;
        if (answers)
            answers[i] = x.n_labels;
        glim__arena_reset(&arena);
    }
    glim__arena_release(&arena);
    return status;
}

glim_status glim__model_gradients_init(glim_gradients *out, glim_model_gradients *room,
                                       const glim_model *model, glim_samples *samples,
                                       const char *patterns, glim_error *err) {
    glim_context *ctx = glim_model_context(model);
    size_t n;
    const glim_weight *weights = glim_model_weights(model, &n);
    *room = (glim_model_gradients){.model = model, .samples = samples};
    room->chosen = glim__calloc(ctx, n + 1, 1);
    if (!room->chosen)
        return glim__oom(ctx, err, "chosen weights", n);
    *out = (glim_gradients){.ctx = ctx,
                            .n = glim__samples_count(samples),
                            .weights = weights,
                            .n_weights = n,
                            .chosen = room->chosen,
                            .walk = walk,
                            .sizes = sizes,
                            .data = room};
    return glim__weights_choose(model, patterns, room->chosen, err);
}

void glim__model_gradients_release(glim_model_gradients *room) {
    if (room->model)
        glim__free(glim_model_context(room->model), room->chosen);
    room->chosen = NULL;
}
