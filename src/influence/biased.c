/* SPDX-License-Identifier: Apache-2.0 */
/* A visitor between the walk and the method, which copies rows of weights that have a bias. */
#include "influence/biased.h"

#include <string.h>

struct between {
    glim_biased *b;
    const glim_pass_visitor *visitor;
};

static glim_status grow(glim_biased *b, size_t numbers, glim_error *err) {
    if (numbers <= b->room)
        return GLIM_OK;
    glim__free(b->plain.ctx, b->a);
    b->room = 0;
    b->a = glim__alloc(b->plain.ctx, numbers * sizeof *b->a);
    if (!b->a)
        return glim__oom(b->plain.ctx, err, "rows with biases", numbers * sizeof *b->a);
    b->room = numbers;
    return GLIM_OK;
}

static glim_status weight(void *data, size_t sample, size_t weight, size_t rows, const float *g,
                          const float *a, glim_error *err) {
    const struct between *s = data;
    const glim_weight *w = &s->b->plain.weights[weight];
    size_t C = w->cols;
    if (!w->bias)
        return s->visitor->weight(s->visitor->data, sample, weight, rows, g, a, err);
    glim_status status = grow(s->b, rows * (C + 1) + 16, err);
    for (size_t t = 0; t < rows && !status; t++) {
        memcpy(s->b->a + t * (C + 1), a + t * C, C * sizeof *a);
        s->b->a[t * (C + 1) + C] = 1;
    }
    return status ? status
                  : s->visitor->weight(s->visitor->data, sample, weight, rows, g, s->b->a, err);
}

static glim_status batch(void *data, size_t first, size_t count, const double *loss,
                         glim_error *err) {
    const struct between *s = data;
    return s->visitor->batch(s->visitor->data, first, count, loss, err);
}

static glim_status walk(void *data, size_t first, size_t count, const glim_pass_visitor *visitor,
                        glim_error *err) {
    glim_biased *b = data;
    struct between s = {b, visitor};
    const glim_pass_visitor own = {.weight = visitor->weight ? weight : NULL,
                                   .batch = visitor->batch ? batch : NULL,
                                   .data = &s};
    return b->plain.walk(b->plain.data, first, count, &own, err);
}

static glim_status sizes(void *data, size_t first, size_t count, size_t *rows, size_t *answers,
                         glim_error *err) {
    const glim_biased *b = data;
    return b->plain.sizes(b->plain.data, first, count, rows, answers, err);
}

glim_status glim__gradients_add_biases(glim_gradients *g, glim_biased *room, glim_error *err) {
    *room = (glim_biased){.plain = *g};
    room->weights = glim__calloc(g->ctx, g->n_weights + 1, sizeof *room->weights);
    if (!room->weights)
        return glim__oom(g->ctx, err, "weights", g->n_weights * sizeof *room->weights);
    for (size_t i = 0; i < g->n_weights; i++) {
        room->weights[i] = g->weights[i];
        room->weights[i].cols += g->weights[i].bias;
    }
    g->weights = room->weights;
    g->walk = walk;
    g->sizes = sizes;
    g->data = room;
    return GLIM_OK;
}

void glim__biased_release(glim_biased *room) {
    if (!room->plain.ctx)
        return;
    glim__free(room->plain.ctx, room->weights);
    glim__free(room->plain.ctx, room->a);
    *room = (glim_biased){0};
}
