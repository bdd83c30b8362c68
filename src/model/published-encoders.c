/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encoders of BERT's kind from a directory: architectures[0] says what they are
 * for, id2label names the classes. Sources: the configuration and modelling files
 * of transformers 5.
 */
#include "model/published.h"

#include <stdio.h>
#include <string.h>

/* An empty name is known, and not computed with. */
static const glim_published_name bert_outside[] = {
    {"embeddings.word_embeddings", "token_embd"},
    {"embeddings.position_embeddings", "position_embd"},
    {"embeddings.token_type_embeddings", "token_types"},
    {"embeddings.LayerNorm", "token_embd_norm"},
    {"pooler.dense", "cls"},
    {"classifier", "cls.output"},
    {"qa_outputs", "cls.output"},
    {"cls.predictions.transform.dense", "fill"},
    {"cls.predictions.transform.LayerNorm", "fill_norm"},
    {"cls.predictions", "output"},
    {"cls.predictions.decoder", ""},
    {"cls.seq_relationship", ""},
    {NULL, NULL}};

static const glim_published_name bert_names[] = {{"attention.self.query", "attn_q"},
                                                 {"attention.self.key", "attn_k"},
                                                 {"attention.self.value", "attn_v"},
                                                 {"attention.output.dense", "attn_output"},
                                                 {"attention.output.LayerNorm", "attn_output_norm"},
                                                 {"intermediate.dense", "ffn_up"},
                                                 {"output.dense", "ffn_down"},
                                                 {"output.LayerNorm", "layer_output_norm"},
                                                 {NULL, NULL}};

static const glim_published_name roberta_outside[] = {
    {"embeddings.word_embeddings", "token_embd"},
    {"embeddings.position_embeddings", "position_embd"},
    {"embeddings.token_type_embeddings", "token_types"},
    {"embeddings.LayerNorm", "token_embd_norm"},
    {"pooler.dense", "cls"},
    {"classifier.dense", "cls"},
    {"classifier.out_proj", "cls.output"},
    {"classifier", "cls.output"},
    {"qa_outputs", "cls.output"},
    {"lm_head.dense", "fill"},
    {"lm_head.layer_norm", "fill_norm"},
    {"lm_head", "output"},
    {"lm_head.decoder", ""},
    {NULL, NULL}};

static const glim_published_name distilbert_outside[] = {
    {"embeddings.word_embeddings", "token_embd"},
    {"embeddings.position_embeddings", "position_embd"},
    {"embeddings.LayerNorm", "token_embd_norm"},
    {"pre_classifier", "cls"},
    {"classifier", "cls.output"},
    {"qa_outputs", "cls.output"},
    {"vocab_transform", "fill"},
    {"vocab_layer_norm", "fill_norm"},
    {"vocab_projector", "output"},
    {NULL, NULL}};

static const glim_published_name distilbert_names[] = {{"attention.q_lin", "attn_q"},
                                                       {"attention.k_lin", "attn_k"},
                                                       {"attention.v_lin", "attn_v"},
                                                       {"attention.out_lin", "attn_output"},
                                                       {"sa_layer_norm", "attn_output_norm"},
                                                       {"ffn.lin1", "ffn_up"},
                                                       {"ffn.lin2", "ffn_down"},
                                                       {"output_layer_norm", "layer_output_norm"},
                                                       {NULL, NULL}};

/* ---- what it is for ---- */

static const char *task_of(const char *class) {
    static const struct {
        const char *ends, *task;
    } tasks[] = {{"ForSequenceClassification", "classify"},
                 {"ForTokenClassification", "label"},
                 {"ForQuestionAnswering", "span"},
                 {"ForMaskedLM", "fill"},
                 {"ForPreTraining", "fill"},
                 {"Model", "embed"}};
    size_t n = strlen(class);
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++) {
        size_t m = strlen(tasks[i].ends);
        if (n >= m && !strcmp(class + n - m, tasks[i].ends))
            return tasks[i].task;
    }
    return NULL;
}

void glim__published_labels(glim_published *p) {
    enum { MOST = 4096 };
    const json_t *names = json_object_get(p->config, "id2label");
    size_t n = json_object_size(names);
    const char *list[MOST];
    char id[16], key[64];
    if (!n || n > MOST)
        return;
    for (size_t i = 0; i < n; i++) {
        snprintf(id, sizeof id, "%zu", i);
        list[i] = json_string_value(json_object_get(names, id));
        if (!list[i]) {
            glim__published_refuse(p, GLIM_EFORMAT, "id2label", "it does not name every class");
            return;
        }
    }
    snprintf(key, sizeof key, "%s.classifier.output_labels", p->family->arch);
    if (!p->status && !glim__gguf_put_texts(p->g, key, list, n))
        p->status = glim__oom(p->d->ctx, p->err, "the labels", n);
}

void glim__published_task(glim_published *p) {
    const json_t *classes = json_object_get(p->config, "architectures");
    const char *class = json_string_value(json_array_get(classes, 0));
    const char *task = class ? task_of(class) : "embed";
    const char *problem = json_string_value(json_object_get(p->config, "problem_type"));
    if (!task) {
        glim__published_refuse(p, GLIM_EUNSUPPORTED, class, "this head is not supported");
        return;
    }
    if (problem && strcmp(problem, "single_label_classification"))
        glim__published_refuse(p, GLIM_EUNSUPPORTED, "problem_type",
                               "only single_label_classification is supported");
    glim__published_put_text(p, "glim.task", task);
    if (!strcmp(task, "classify") || !strcmp(task, "label"))
        glim__published_labels(p);
}

/* ---- keys ---- */

static void check_positions(glim_published *p) {
    const char *kind = json_string_value(json_object_get(p->config, "position_embedding_type"));
    if (kind && strcmp(kind, "absolute"))
        glim__published_refuse(p, GLIM_EUNSUPPORTED, "position_embedding_type",
                               "only absolute positions are supported");
    if (glim__published_true(p, "is_decoder", false))
        glim__published_refuse(p, GLIM_EUNSUPPORTED, "is_decoder", "it is true");
}

static void sizes(glim_published *p) {
    glim__published_copy_int(p, "hidden_size", "embedding_length", true);
    glim__published_copy_int(p, "num_hidden_layers", "block_count", true);
    glim__published_copy_int(p, "intermediate_size", "feed_forward_length", true);
    glim__published_copy_int(p, "num_attention_heads", "attention.head_count", true);
    double eps = 1e-12;
    glim__published_real(p, p->config, "layer_norm_eps", &eps);
    glim__published_put_real(p, "attention.layer_norm_epsilon", eps);
}

static void bert_keys(glim_published *p) {
    sizes(p);
    check_positions(p);
    glim__published_copy_int(p, "max_position_embeddings", "context_length", true);
    glim__published_task(p);
}

/* Positions begin behind the padding token's id. */
static void roberta_keys(glim_published *p) {
    int64_t most = 0, pad = 1;
    sizes(p);
    check_positions(p);
    glim__published_int(p, p->config, "max_position_embeddings", &most);
    glim__published_int(p, p->config, "pad_token_id", &pad);
    glim__published_put_int(p, "glim.first_position", pad + 1);
    glim__published_put_int(p, "context_length", most - pad - 1);
    glim__published_task(p);
}

static void distilbert_keys(glim_published *p) {
    glim__published_copy_int(p, "dim", "embedding_length", true);
    glim__published_copy_int(p, "n_layers", "block_count", true);
    glim__published_copy_int(p, "hidden_dim", "feed_forward_length", true);
    glim__published_copy_int(p, "n_heads", "attention.head_count", true);
    glim__published_copy_int(p, "max_position_embeddings", "context_length", true);
    glim__published_put_real(p, "attention.layer_norm_epsilon", 1e-12);
    glim__published_put_text(p, "glim.readout", "relu");
    glim__published_task(p);
}

#define ENCODER(name_, type_, act_key_, names_, outside_, keys_)                                   \
    const glim_published_family name_ = {.type = (type_),                                          \
                                         .arch = "bert",                                           \
                                         .act_key = (act_key_),                                    \
                                         .act = "gelu",                                            \
                                         .names = (names_),                                        \
                                         .outside = (outside_),                                    \
                                         .tied = true,                                             \
                                         .keys = (keys_)}

ENCODER(glim__published_bert, "bert", "hidden_act", bert_names, bert_outside, bert_keys);
ENCODER(glim__published_distilbert, "distilbert", "activation", distilbert_names,
        distilbert_outside, distilbert_keys);
ENCODER(glim__published_roberta, "roberta", "hidden_act", bert_names, roberta_outside,
        roberta_keys);
ENCODER(glim__published_xlm_roberta, "xlm-roberta", "hidden_act", bert_names, roberta_outside,
        roberta_keys);
ENCODER(glim__published_camembert, "camembert", "hidden_act", bert_names, roberta_outside,
        roberta_keys);
