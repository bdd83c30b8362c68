/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading an encoder-decoder: two stacks of blocks over one embedding. The encoder is a
 * model inside the model, so that a session runs it like any other encoder; its numbers
 * and names are its own, all else is shared.
 */
#include "model/model.h"

#include <string.h>

/* The stacks share one table; files may carry it under each name. */
static const char *const embeddings[] = {"token_embd.weight", "enc.token_embd.weight",
                                         "dec.token_embd.weight"};

static glim_status check_embeddings(glim_loader *l, glim_error *err) {
    const glim_tensor *first = NULL;
    for (int i = 0; i < 3; i++) {
        const glim_tensor *t = glim__gguf_tensor(l->g, embeddings[i]);
        if (!t)
            continue;
        l->used[t - glim__gguf_tensor_at(l->g, 0)] = 1;
        if (first && (first->type != t->type || first->bytes != t->bytes ||
                      memcmp(first->data, t->data, (size_t)t->bytes)))
            return glim_fail(err, GLIM_EUNSUPPORTED,
                             "encoder and decoder have embeddings of their own, which this "
                             "version does not run");
        if (!first)
            l->embedding = embeddings[i];
        first = first ? first : t;
    }
    return GLIM_OK;
}

static glim_status load_cross(glim_loader *l, int i, glim_error *err) {
    const glim_hyper *h = &l->m->hyper;
    int64_t q = (int64_t)h->H * h->D, kv = (int64_t)h->G * h->D;
    glim_layer *w = glim__arena_calloc(&l->m->arena, 1, sizeof *w);
    glim_status status;
    if (!w)
        return glim__oom(l->m->ctx, err, "a layer", sizeof *w);
    l->m->layers[i].cross = w;
    if ((status = glim__load_matrix(l, "cross_attn_q.weight", i, q, h->C, true, &w->q, err)) ||
        (status = glim__load_matrix(l, "cross_attn_k.weight", i, kv, h->C, true, &w->k, err)) ||
        (status = glim__load_matrix(l, "cross_attn_v.weight", i, kv, h->C, true, &w->v, err)) ||
        (status = glim__load_matrix(l, "cross_attn_o.weight", i, h->C, q, true, &w->o, err)) ||
        (status = glim__load_vector(l, "cross_attn_q.bias", i, (int)q, false, &w->q_bias, err)) ||
        (status = glim__load_vector(l, "cross_attn_k.bias", i, (int)kv, false, &w->k_bias, err)) ||
        (status = glim__load_vector(l, "cross_attn_v.bias", i, (int)kv, false, &w->v_bias, err)) ||
        (status = glim__load_vector(l, "cross_attn_o.bias", i, h->C, false, &w->o_bias, err)))
        return status;
    return glim__load_norm(l, "cross_attn_norm", i, &w->attn_norm, &w->attn_norm_bias, err);
}

/* Absent, the head is the embedding. */
static glim_status load_head(glim_loader *l, glim_error *err) {
    glim_model *m = l->m;
    const glim_hyper *h = &m->hyper;
    glim_status status =
        glim__load_matrix(l, "output.weight", -1, h->V, h->C, false, &m->head, err);
    if (!m->head.data)
        m->head = m->embedding;
    m->outputs = h->V;
    m->task = GLIM_TASK_TRANSLATE;
    return status ? status
                  : glim__load_vector(l, "output.bias", -1, h->V, false, &m->head_bias, err);
}

/* Where writing begins, the token that is never written, and the one that ends a text
   of full length. */
static glim_status load_writing(glim_loader *l, glim_error *err) {
    glim_model *m = l->m;
    int start = 0, never = -1, end = -1, V = m->hyper.V;
    glim_status status;
    if ((status = glim__load_int(l, "decoder_start_token_id", 0, V - 1, false, &start, err)) ||
        (status = glim__load_int(l, "glim.never_written", 0, V - 1, false, &never, err)) ||
        (status = glim__load_int(l, "glim.forced_end", 0, V - 1, false, &end, err)))
        return status;
    m->start = start;
    m->never_written = never;
    m->forced_end = end;
    return GLIM_OK;
}

static glim_status load_encoder(const glim_loader *l, glim_error *err) {
    glim_model *m = l->m;
    glim_model *e = glim__arena_calloc(&m->arena, 1, sizeof *e);
    if (!e)
        return glim__oom(m->ctx, err, "the encoder", sizeof *e);
    e->ctx = m->ctx;
    e->file = m->file;
    e->arch = m->arch;
    e->hyper.layer_norm = m->hyper.layer_norm;
    e->site_prefix = "encoder.";
    e->task = GLIM_TASK_TRANSLATE;
    glim__arena_init(&e->arena, m->ctx, 1 << 14);
    m->encoder = e; /* from here on closed with the model */
    glim_loader mine = *l;
    mine.m = e;
    mine.stack = "enc.";
    mine.encoder = true;
    glim_status status = glim__load_decoder(&mine, err);
    e->outputs = e->hyper.C;
    return status;
}

glim_status glim__load_stacks(glim_loader *l, glim_error *err) {
    glim_model *m = l->m;
    l->no_rope = true;
    l->attn_output = "attn_o";
    m->site_prefix = "decoder.";
    glim_status status = check_embeddings(l, err);
    if (!status)
        status = load_encoder(l, err);
    if (status)
        return status;
    l->stack = "dec.";
    l->no_end = true;
    l->blocks = glim__loader_key(l, "decoder_block_count") ? "decoder_block_count" : NULL;
    if ((status = glim__load_decoder(l, err)) || (status = load_head(l, err)))
        return status;
    for (int i = 0; i < m->hyper.L && !status; i++)
        status = load_cross(l, i, err);
    return status ? status : load_writing(l, err);
}
