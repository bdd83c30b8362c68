/* SPDX-License-Identifier: Apache-2.0 */
/* Translators of a tuned lens: rows of the stream go through h + A h + b. */
#include "structure/tuned-lens.h"
#include "model/model.h"
#include "tensor/linear.h"

glim_status glim__tuned_new(glim_tuned_lens **out, const glim_model *m, glim_error *err) {
    size_t L = (size_t)m->hyper.L, C = (size_t)m->hyper.C;
    glim_tuned_lens *t = glim__calloc(m->ctx, 1, sizeof *t);
    if (t) {
        *t = (glim_tuned_lens){.ctx = m->ctx, .m = m, .L = L, .C = C};
        t->a = glim__calloc(m->ctx, L * C * C, sizeof *t->a);
        t->b = glim__calloc(m->ctx, L * C, sizeof *t->b);
        t->layers = glim__calloc(m->ctx, L, sizeof *t->layers);
    }
    *out = t;
    if (t && t->a && t->b && t->layers)
        return GLIM_OK;
    glim_tuned_free(t);
    *out = NULL;
    return glim__oom(m->ctx, err, "translators", L * C * (C + 1) * sizeof(float));
}

void glim_tuned_free(glim_tuned_lens *t) {
    if (!t)
        return;
    glim__free(t->ctx, t->a);
    glim__free(t->ctx, t->b);
    glim__free(t->ctx, t->layers);
    glim__free(t->ctx, t);
}

const glim_tuned_layer *glim_tuned_layers(const glim_tuned_lens *t, size_t *n) {
    *n = t->L;
    return t->layers;
}

glim_status glim__tuned_turn(const glim_tuned_lens *t, size_t layer, const float *h, size_t n,
                             float *out, glim_error *err) {
    size_t C = t->C;
    const glim_matrix a = {.data = t->a + layer * C * C,
                           .type = GLIM_TYPE_F32,
                           .rows = (int64_t)C,
                           .cols = (int64_t)C,
                           .row_bytes = C * sizeof *t->a};
    glim_status status = glim__linear(t->ctx, out, C, h, C, (int64_t)n, &a, t->b + layer * C, err);
    for (size_t i = 0; i < n * C && !status; i++)
        out[i] += h[i];
    return status;
}
