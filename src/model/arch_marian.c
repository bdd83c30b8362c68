/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Marian, the translators of opus-mt (only as directories; the names are those of `t5`):
 * layer norms behind the sums, biases everywhere, an activation without a gate, and
 * sinusoidal positions: sines in the first half of a row, cosines in the second.
 */
#include "model/model.h"

#include <math.h>
#include <string.h>

static glim_status sinusoids(glim_model *m, glim_error *err) {
    enum { MOST_POSITIONS = 1 << 16 };
    size_t C = (size_t)m->hyper.C, T = (size_t)m->hyper.context, half = (C + 1) / 2;
    if (T > MOST_POSITIONS)
        return glim_fail(err, GLIM_ELIMIT, "%zu positions; at most %d", T, MOST_POSITIONS);
    float *x = glim__arena_alloc(&m->arena, T * C * sizeof *x);
    if (!x)
        return glim__oom(m->ctx, err, "the positions", T * C * sizeof *x);
    for (size_t t = 0; t < T; t++)
        for (size_t c = 0; c < C; c++) {
            size_t pair = c / 2;
            double angle = (double)t / pow(10000, 2.0 * (double)pair / (double)C);
            x[t * C + pair + (c % 2 ? half : 0)] = (float)(c % 2 ? cos(angle) : sin(angle));
        }
    m->positions = (glim_matrix){.data = x,
                                 .type = GLIM_TYPE_F32,
                                 .rows = (int64_t)T,
                                 .cols = (int64_t)C,
                                 .row_bytes = C * sizeof *x};
    return GLIM_OK;
}

/* Old files carry the table; it is the same for both stacks. */
static glim_status load_positions(glim_loader *l, glim_error *err) {
    glim_model *m = l->m, *e = m->encoder;
    glim_status status;
    if ((status = glim__load_matrix(l, "enc.position_embd.weight", -1, m->hyper.context, m->hyper.C,
                                    false, &e->positions, err)) ||
        (status = glim__load_matrix(l, "dec.position_embd.weight", -1, m->hyper.context, m->hyper.C,
                                    false, &m->positions, err)))
        return status;
    if (!m->positions.data && (status = sinusoids(m, err)))
        return status;
    if (!e->positions.data)
        e->positions = m->positions;
    return GLIM_OK;
}

static glim_status load(glim_loader *l, glim_error *err) {
    glim_model *m = l->m;
    glim_gguf_string act = {"silu", 4};
    double scale = 1;
    glim_status status;
    l->plain_mlp = true;
    m->hyper.layer_norm = true;
    if ((status = glim__load_stacks(l, err)) || (status = load_positions(l, err)) ||
        (status = glim__load_text(l, "glim.activation", &act, err)) ||
        (status = glim__load_real(l, "glim.embedding_scale", false, &scale, err)))
        return status;
    if (!(scale > 0))
        return glim_fail(err, GLIM_EFORMAT, "the embedding's scale is %g", scale);
    m->hyper.act = m->encoder->hyper.act =
        act.len == 4 && !memcmp(act.data, "relu", 4)   ? GLIM_ACT_RELU
        : act.len == 4 && !memcmp(act.data, "gelu", 4) ? GLIM_ACT_GELU_ERF
                                                       : GLIM_ACT_SILU;
    m->hyper.embed_scale = m->encoder->hyper.embed_scale = (float)scale;
    return GLIM_OK;
}

const glim_architecture glim__arch_marian = {
    .name = "marian",
    .load = load,
    .block = glim__encoder_block,
};
