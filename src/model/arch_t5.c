/* SPDX-License-Identifier: Apache-2.0 */
/*
 * T5, T5 v1.1, flan-T5 and mT5 (GGUF architecture `t5`): RMS norms before each part, no
 * biases, scores that are not scaled, and instead of positions a learned bias of the
 * scores for each head and distance, which the blocks of a stack share. The first
 * version has a ReLU without a gate, and scales what its tied head reads.
 */
#include "model/model.h"

#include <math.h>

/* The bias table of a stack, from the weights that its block 0 has. */
static glim_status load_bias(glim_loader *l, glim_model *m, const char *name, glim_error *err) {
    enum { MOST_BUCKETS = 4096, MOST_REACH = 1 << 16 };
    int buckets = 32, reach = 128, H = m->hyper.H;
    glim_matrix w;
    glim_status status;
    if ((status = glim__load_int(l, "attention.relative_buckets_count", 4, MOST_BUCKETS, false,
                                 &buckets, err)) ||
        (status = glim__load_int(l, "glim.relative_reach", 2, MOST_REACH, false, &reach, err)) ||
        (status = glim__load_matrix(l, name, -1, buckets, H, true, &w, err)))
        return status;
    if (reach <= buckets / 2)
        return glim_fail(err, GLIM_EFORMAT, "%d buckets for distances up to %d", buckets, reach);
    size_t width = 2 * (size_t)reach + 1;
    float *table = glim__arena_calloc(&m->arena, width * (size_t)H, sizeof *table);
    float *rows = glim__arena_calloc(&m->arena, (size_t)buckets * (size_t)H, sizeof *rows);
    if (!table || !rows)
        return glim__oom(m->ctx, err, name, width * (size_t)H * sizeof *table);
    for (int b = 0; b < buckets; b++)
        glim__matrix_read_row(m->ctx, &w, b, rows + b * H);
    for (int i = 0; i < buckets * H; i++)
        if (!isfinite(rows[i]))
            return glim_fail(err, GLIM_EFORMAT, "tensor '%s' holds a value that is not finite",
                             name);
    glim__position_bias(table, rows, H, m->hyper.both_ways, buckets, reach);
    m->position_bias = table;
    m->bias_reach = reach;
    return GLIM_OK;
}

static glim_status finish(glim_loader *l, glim_model *m, const char *norm, const char *bias,
                          glim_error *err) {
    glim_status status = glim__load_vector(l, norm, -1, m->hyper.C, true, &m->final_norm, err);
    m->hyper.score_scale = 1;
    m->hyper.act = l->plain_mlp ? GLIM_ACT_RELU : GLIM_ACT_GELU_TANH;
    return status ? status : load_bias(l, m, bias, err);
}

/* GGUF does not say whether the head's input is scaled: it is where the head is tied. */
static glim_status load_scale(glim_loader *l, glim_error *err) {
    glim_model *m = l->m;
    const glim_gguf_value *v = glim__loader_key(l, "glim.scaled_head");
    if (v && v->type != GLIM_GGUF_BOOL)
        return glim_fail(err, GLIM_EFORMAT, "key 't5.glim.scaled_head' is no bool");
    bool scaled = v ? *(const unsigned char *)v->data : m->head.data == m->embedding.data;
    m->hyper.out_scale = scaled ? 1 / sqrtf((float)m->hyper.C) : 0;
    return GLIM_OK;
}

static glim_status load(glim_loader *l, glim_error *err) {
    /* Some files have a bias for cross-attention, which the model never had. */
    const glim_tensor *unused = glim__gguf_tensor(l->g, "dec.blk.0.cross_attn_rel_b.weight");
    if (unused)
        l->used[unused - glim__gguf_tensor_at(l->g, 0)] = 1;
    glim_gguf_string type = {"t5", 2};
    l->plain_mlp = !glim__gguf_tensor(l->g, "enc.blk.0.ffn_gate.weight");
    glim_status status;
    if ((status = glim__load_stacks(l, err)) ||
        (status = finish(l, l->m->encoder, "enc.output_norm.weight", "enc.blk.0.attn_rel_b.weight",
                         err)) ||
        (status = finish(l, l->m, "dec.output_norm.weight", "dec.blk.0.attn_rel_b.weight", err)) ||
        (status = glim__load_text(l, "glim.model_type", &type, err)))
        return status;
    l->m->model_type = glim__arena_strndup(&l->m->arena, type.data, type.len);
    return l->m->model_type ? load_scale(l, err) : glim__oom(l->m->ctx, err, "the type", 8);
}

const glim_architecture glim__arch_t5 = {
    .name = "t5",
    .load = load,
    .block = glim__decoder_block,
};
