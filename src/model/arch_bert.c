/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BERT, DistilBERT, RoBERTa, XLM-R and MiniLM (GGUF architecture `bert`): encoders
 * with norms behind the sums, learned positions, erf-GELU, biases everywhere.
 *
 * GGUF files of the kind end in an embedding (the mean over tokens) or, when they
 * carry `cls.output`, in classes. Published directories say what they are for:
 * the keys glim.task and glim.readout come from config.json (published-families.c).
 */
#include "model/model.h"

#include <stdio.h>
#include <string.h>

static bool is(glim_gguf_string s, const char *word) {
    return s.len == strlen(word) && !memcmp(s.data, word, s.len);
}

/* Rows of a tensor that must be there, as many as the file has. */
static int rows_of(const glim_loader *l, const char *name) {
    const glim_tensor *t = glim__gguf_tensor(l->g, name);
    return t && t->dims[1] <= 1 << 20 ? (int)t->dims[1] : 0;
}

static glim_status load_embeddings(glim_loader *l, glim_error *err) {
    glim_model *m = l->m;
    const glim_hyper *h = &m->hyper;
    int segments = rows_of(l, "token_types.weight"), first = 0;
    glim_status status;
    if ((status = glim__load_int(l, "glim.first_position", 0, 16, false, &first, err)) ||
        (status = glim__load_matrix(l, "position_embd.weight", -1, h->context + first, h->C, true,
                                    &m->positions, err)) ||
        (status =
             glim__load_vector(l, "token_embd_norm.weight", -1, h->C, true, &m->embed_norm, err)) ||
        (status = glim__load_vector(l, "token_embd_norm.bias", -1, h->C, true, &m->embed_norm_bias,
                                    err)))
        return status;
    m->positions.rows = h->context;
    m->positions.first_row = first;
    return segments ? glim__load_matrix(l, "token_types.weight", -1, segments, h->C, true,
                                        &m->types, err)
                    : GLIM_OK;
}

static glim_status load_readout(glim_loader *l, const char *name, bool need, glim_error *err) {
    glim_readout *r = &l->m->readout;
    int C = l->m->hyper.C;
    char weight[64], bias[64];
    snprintf(weight, sizeof weight, "%s.weight", name);
    snprintf(bias, sizeof bias, "%s.bias", name);
    glim_status status = glim__load_matrix(l, weight, -1, C, C, need, &r->dense, err);
    return status ? status : glim__load_vector(l, bias, -1, C, need, &r->dense_bias, err);
}

/* Masked tokens: dense, GELU, norm, then the embedding as the head. */
static glim_status load_fill(glim_loader *l, glim_error *err) {
    glim_model *m = l->m;
    const glim_hyper *h = &m->hyper;
    glim_status status;
    if ((status = load_readout(l, "fill", true, err)) ||
        (status =
             glim__load_vector(l, "fill_norm.weight", -1, h->C, true, &m->readout.norm, err)) ||
        (status =
             glim__load_vector(l, "fill_norm.bias", -1, h->C, true, &m->readout.norm_bias, err)) ||
        (status = glim__load_vector(l, "output.bias", -1, h->V, false, &m->head_bias, err)))
        return status;
    m->readout.act = GLIM_READOUT_GELU;
    m->head = m->embedding;
    m->outputs = h->V;
    return GLIM_OK;
}

static glim_status load_classes(glim_loader *l, const char *name, glim_error *err) {
    glim_model *m = l->m;
    char weight[64], bias[64];
    snprintf(weight, sizeof weight, "%s.weight", name);
    snprintf(bias, sizeof bias, "%s.bias", name);
    m->outputs = rows_of(l, weight);
    if (!m->outputs)
        return glim_fail(err, GLIM_EFORMAT, "the file lacks the tensor '%s'", weight);
    glim_status status =
        glim__load_matrix(l, weight, -1, m->outputs, m->hyper.C, true, &m->head, err);
    return status ? status : glim__load_vector(l, bias, -1, m->outputs, false, &m->head_bias, err);
}

glim_status glim__load_labels(glim_loader *l, glim_error *err) {
    glim_model *m = l->m;
    const glim_gguf_value *v = glim__loader_key(l, "classifier.output_labels");
    const void *cursor = NULL;
    if (!v || v->type != GLIM_GGUF_ARRAY || v->element != GLIM_GGUF_STRING ||
        v->count != (uint64_t)m->outputs)
        return GLIM_OK;
    m->labels = glim__arena_calloc(&m->arena, (size_t)m->outputs, sizeof *m->labels);
    for (int i = 0; i < m->outputs && m->labels; i++) {
        glim_gguf_string s = glim__gguf_next_string(v, &cursor);
        m->labels[i] = glim__arena_strndup(&m->arena, s.data, s.len);
        if (!m->labels[i])
            m->labels = NULL;
    }
    return m->labels ? GLIM_OK : glim__oom(m->ctx, err, "the labels", v->count * 8);
}

/* The mean of all rows is the embedding. */
static glim_status load_embedding(glim_loader *l, glim_error *err) {
    enum { NONE, MEAN };
    glim_model *m = l->m;
    int pooling = MEAN;
    glim_status status = glim__load_int(l, "pooling_type", NONE, 4, false, &pooling, err);
    if (!status && pooling > MEAN)
        status = glim_fail(err, GLIM_EUNSUPPORTED,
                           "key 'bert.pooling_type' is %d; only the mean over tokens (1) is "
                           "supported",
                           pooling);
    m->outputs = m->hyper.C;
    return status;
}

static glim_status load_task(glim_loader *l, glim_error *err) {
    glim_model *m = l->m;
    bool classes = glim__gguf_tensor(l->g, "cls.output.weight") != NULL;
    glim_gguf_string task = {classes ? "classify" : "embed", classes ? 8 : 5}, act = {"tanh", 4};
    glim_status status;
    if ((status = glim__load_text(l, "glim.task", &task, err)) ||
        (status = glim__load_text(l, "glim.readout", &act, err)))
        return status;
    bool pooler = !is(task, "classify"); /* left over from training: not used */
    if (pooler && (status = load_readout(l, "cls", false, err)))
        return status;
    m->readout = (glim_readout){.act = GLIM_READOUT_NONE};
    if (is(task, "fill")) {
        m->task = GLIM_TASK_FILL;
        return load_fill(l, err);
    }
    if (is(task, "embed")) {
        m->task = GLIM_TASK_EMBED;
        return load_embedding(l, err);
    }
    m->task = is(task, "label")  ? GLIM_TASK_LABEL
              : is(task, "span") ? GLIM_TASK_SPAN
                                 : GLIM_TASK_CLASSIFY;
    m->readout.act = is(act, "relu") ? GLIM_READOUT_RELU : GLIM_READOUT_TANH;
    if ((m->task == GLIM_TASK_CLASSIFY && (status = load_readout(l, "cls", false, err))) ||
        (status = load_classes(l, "cls.output", err)))
        return status;
    if (m->task == GLIM_TASK_SPAN && m->outputs != 2)
        return glim_fail(err, GLIM_EFORMAT, "a head for spans has %d outputs; expected 2",
                         m->outputs);
    return glim__load_labels(l, err);
}

static glim_status load(glim_loader *l, glim_error *err) {
    glim_status status;
    l->encoder = l->no_rope = l->plain_mlp = true;
    l->attn_norm = "attn_output_norm";
    l->ffn_norm = "layer_output_norm";
    l->m->hyper.layer_norm = true;
    if ((status = glim__load_decoder(l, err)) || (status = load_embeddings(l, err)))
        return status;
    l->m->hyper.act = GLIM_ACT_GELU_ERF;
    return load_task(l, err);
}

const glim_architecture glim__arch_bert = {
    .name = "bert",
    .load = load,
    .block = glim__encoder_block,
};
