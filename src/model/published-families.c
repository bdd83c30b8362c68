/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model types that can be read from a directory: names of their tensors, and
 * the members of config.json that decide what is computed. Sources: the
 * configuration and modelling files of transformers 5.
 */
#include "model/published.h"

#include <math.h>
#include <string.h>

/* ---- names ---- */

#define ATTENTION                                                                                  \
    {"self_attn.q_proj", "attn_q"}, {"self_attn.k_proj", "attn_k"},                                \
        {"self_attn.v_proj", "attn_v"}, {"self_attn.o_proj", "attn_output"},                       \
        {"self_attn.q_norm", "attn_q_norm"}, {"self_attn.k_norm", "attn_k_norm"},                  \
        {"self_attn.qkv_proj", "attn_qkv"}, {                                                      \
        "input_layernorm", "attn_norm"                                                             \
    }
#define GATED                                                                                      \
    {"mlp.gate_proj", "ffn_gate"}, {"mlp.up_proj", "ffn_up"}, {"mlp.down_proj", "ffn_down"}, {     \
        "mlp.gate_up_proj", "ffn_up"                                                               \
    }

static const glim_published_name llama_names[] = {
    ATTENTION, GATED, {"post_attention_layernorm", "ffn_norm"}, {NULL, NULL}};

static const glim_published_name gemma_names[] = {
    ATTENTION,
    GATED,
    {"post_attention_layernorm", "post_attention_norm"},
    {"pre_feedforward_layernorm", "ffn_norm"},
    {"post_feedforward_layernorm", "post_ffw_norm"},
    {NULL, NULL}};

static const glim_published_name glm4_names[] = {
    ATTENTION,
    GATED,
    {"post_self_attn_layernorm", "post_attention_norm"},
    {"post_attention_layernorm", "ffn_norm"},
    {"post_mlp_layernorm", "post_ffw_norm"},
    {NULL, NULL}};

#define EXPERTS                                                                                    \
    {"mlp.gate", "ffn_gate_inp"}, {"mlp.experts.#.gate_proj", "ffn_gate_exps.#"},                  \
        {"mlp.experts.#.up_proj", "ffn_up_exps.#"}, {                                              \
        "mlp.experts.#.down_proj", "ffn_down_exps.#"                                               \
    }

static const glim_published_name qwen3moe_names[] = {
    ATTENTION, GATED, EXPERTS, {"post_attention_layernorm", "ffn_norm"}, {NULL, NULL}};

static const glim_published_name glm4moe_names[] = {
    ATTENTION,
    GATED,
    EXPERTS,
    {"post_attention_layernorm", "post_attention_norm"},
    {"mlp.gate.e_score_correction_bias", "exp_probs_b"},
    {"mlp.shared_experts.gate_proj", "ffn_gate_shexp"},
    {"mlp.shared_experts.up_proj", "ffn_up_shexp"},
    {"mlp.shared_experts.down_proj", "ffn_down_shexp"},
    {NULL, NULL}};

static const glim_published_name gpt2_names[] = {
    {"ln_1", "attn_norm"}, {"attn.c_attn", "attn_qkv"}, {"attn.c_proj", "attn_output"},
    {"ln_2", "ffn_norm"},  {"mlp.c_fc", "ffn_up"},      {"mlp.c_proj", "ffn_down"},
    {NULL, NULL}};

static const glim_published_name gptneox_names[] = {{"input_layernorm", "attn_norm"},
                                                    {"attention.query_key_value", "attn_qkv"},
                                                    {"attention.dense", "attn_output"},
                                                    {"post_attention_layernorm", "ffn_norm"},
                                                    {"mlp.dense_h_to_4h", "ffn_up"},
                                                    {"mlp.dense_4h_to_h", "ffn_down"},
                                                    {NULL, NULL}};

static const glim_published_name chatglm_names[] = {{"input_layernorm", "attn_norm"},
                                                    {"self_attention.query_key_value", "attn_qkv"},
                                                    {"self_attention.dense", "attn_output"},
                                                    {"post_attention_layernorm", "ffn_norm"},
                                                    {"mlp.dense_h_to_4h", "ffn_up"},
                                                    {"mlp.dense_4h_to_h", "ffn_down"},
                                                    {NULL, NULL}};

/* ---- keys ---- */

/* Sizes under the names that nearly all share; the width of a head. */
static int64_t sizes(glim_published *p) {
    int64_t heads = 0, width = 0, D = 0;
    glim__published_copy_int(p, "hidden_size", "embedding_length", true);
    glim__published_copy_int(p, "num_hidden_layers", "block_count", true);
    glim__published_copy_int(p, "intermediate_size", "feed_forward_length", true);
    glim__published_copy_int(p, "num_attention_heads", "attention.head_count", true);
    glim__published_copy_int(p, "num_key_value_heads", "attention.head_count_kv", false);
    glim__published_copy_int(p, "max_position_embeddings", "context_length", true);
    glim__published_int(p, p->config, "num_attention_heads", &heads);
    glim__published_int(p, p->config, "hidden_size", &width);
    D = heads > 0 ? width / heads : 0;
    if (glim__published_int(p, p->config, "head_dim", &D)) {
        glim__published_put_int(p, "attention.key_length", D);
        glim__published_put_int(p, "attention.value_length", D);
    }
    return D;
}

static void llama_keys(glim_published *p) {
    int64_t D = sizes(p);
    glim__published_copy_real(p, "rms_norm_eps", "attention.layer_norm_rms_epsilon", true);
    glim__published_rope(p, D);
}

static void mistral_keys(glim_published *p) {
    int64_t window = 0;
    llama_keys(p);
    if (glim__published_int(p, p->config, "sliding_window", &window) && window > 0)
        glim__published_put_int(p, "attention.sliding_window", window);
}

/* The first max_window_layers see all. */
static void qwen_keys(glim_published *p) {
    llama_keys(p);
    if (!glim__published_true(p, "use_sliding_window", false))
        return;
    if (!json_object_get(p->config, "layer_types"))
        glim__published_refuse(p, GLIM_EUNSUPPORTED, "use_sliding_window",
                               "it is true, but layer_types does not tell which layers slide");
    glim__published_windows(p, 0);
}

static void phi3_keys(glim_published *p) {
    llama_keys(p);
    glim__published_windows(p, 0);
}

static void gemma_keys(glim_published *p, int period) {
    double scalar = 0;
    llama_keys(p);
    glim__published_windows(p, period);
    glim__published_copy_real(p, "final_logit_softcapping", "final_logit_softcapping", false);
    if (glim__published_real(p, p->config, "query_pre_attn_scalar", &scalar) && scalar > 0)
        glim__published_put_real(p, "attention.scale", 1 / sqrt(scalar));
}

static void gemma2_keys(glim_published *p) {
    double cap = 0;
    gemma_keys(p, 2);
    glim__published_real(p, p->config, "attn_logit_softcapping", &cap);
    glim__published_put_real(p, "attn_logit_softcapping", cap);
    if (!glim__published_real(p, p->config, "final_logit_softcapping", &cap))
        glim__published_put_real(p, "final_logit_softcapping", 0);
}

static void gemma3_keys(glim_published *p) {
    int64_t period = 6;
    glim__published_int(p, p->config, "sliding_window_pattern", &period);
    gemma_keys(p, (int)(period > 0 && period < 4096 ? period : 6));
    if (json_is_true(json_object_get(p->config, "use_bidirectional_attention")))
        glim__published_refuse(p, GLIM_EUNSUPPORTED, "use_bidirectional_attention",
                               "the model sees later tokens too");
}

static void mixture_keys(glim_published *p, const char *count, const char *or_count) {
    bool first = json_object_get(p->config, count) != NULL;
    glim__published_copy_int(p, first ? count : or_count, "expert_count", true);
    glim__published_copy_int(p, "num_experts_per_tok", "expert_used_count", true);
    glim__published_copy_int(p, "moe_intermediate_size", "expert_feed_forward_length", true);
    glim__published_put_bool(p, "expert_weights_norm",
                             glim__published_true(p, "norm_topk_prob", false));
}

static void qwen3moe_keys(glim_published *p) {
    int64_t step = 1;
    qwen_keys(p);
    mixture_keys(p, "num_experts", "num_local_experts");
    glim__published_int(p, p->config, "decoder_sparse_step", &step);
    if (step != 1 || json_array_size(json_object_get(p->config, "mlp_only_layers")))
        glim__published_refuse(p, GLIM_EUNSUPPORTED, "mlp_only_layers",
                               "layers without a mixture are not supported");
}

static void glm4moe_keys(glim_published *p) {
    llama_keys(p);
    mixture_keys(p, "n_routed_experts", "num_local_experts");
    glim__published_copy_int(p, "n_shared_experts", "expert_shared_count", false);
    glim__published_copy_int(p, "first_k_dense_replace", "leading_dense_block_count", false);
    glim__published_copy_real(p, "routed_scaling_factor", "expert_weights_scale", false);
    glim__published_copy_int(p, "n_group", "expert_group_count", false);
    glim__published_copy_int(p, "topk_group", "expert_group_used_count", false);
}

static void gpt2_keys(glim_published *p) {
    int64_t width = 0, inner = 0;
    glim__published_copy_int(p, "n_embd", "embedding_length", true);
    glim__published_copy_int(p, "n_layer", "block_count", true);
    glim__published_copy_int(p, "n_head", "attention.head_count", true);
    glim__published_copy_int(p, "n_positions", "context_length", true);
    glim__published_copy_real(p, "layer_norm_epsilon", "attention.layer_norm_epsilon", true);
    glim__published_int(p, p->config, "n_embd", &width);
    if (!glim__published_int(p, p->config, "n_inner", &inner))
        inner = 4 * width;
    glim__published_put_int(p, "feed_forward_length", inner);
    if (glim__published_true(p, "scale_attn_by_inverse_layer_idx", false) ||
        !glim__published_true(p, "scale_attn_weights", true) ||
        glim__published_true(p, "add_cross_attention", false))
        glim__published_refuse(p, GLIM_EUNSUPPORTED, "scale_attn_by_inverse_layer_idx",
                               "this form of attention is not supported");
}

static void gptneox_keys(glim_published *p) {
    int64_t D = sizes(p);
    glim__published_copy_real(p, "layer_norm_eps", "attention.layer_norm_epsilon", true);
    glim__published_put_bool(p, "use_parallel_residual",
                             glim__published_true(p, "use_parallel_residual", true));
    glim__published_rope(p, D);
}

/* ChatGLM2, ChatGLM3 and GLM-4-9B with the configuration of their own code. */
static void chatglm_keys(glim_published *p) {
    static const struct {
        const char *key;
        bool value;
    } fixed[] = {{"rmsnorm", true},
                 {"post_layer_norm", true},
                 {"apply_residual_connection_post_layernorm", false},
                 {"add_bias_linear", false},
                 {"original_rope", true},
                 {"multi_query_attention", true}};
    int64_t D = 128;
    double ratio = 1;
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        if (glim__published_true(p, fixed[i].key, fixed[i].value) != fixed[i].value)
            glim__published_refuse(p, GLIM_EUNSUPPORTED, fixed[i].key,
                                   "this form of ChatGLM is not supported");
    glim__published_copy_int(p, "hidden_size", "embedding_length", true);
    glim__published_copy_int(p, "num_layers", "block_count", true);
    glim__published_copy_int(p, "ffn_hidden_size", "feed_forward_length", true);
    glim__published_copy_int(p, "num_attention_heads", "attention.head_count", true);
    glim__published_copy_int(p, "multi_query_group_num", "attention.head_count_kv", true);
    glim__published_copy_int(p, "seq_length", "context_length", true);
    glim__published_copy_real(p, "layernorm_epsilon", "attention.layer_norm_rms_epsilon", true);
    glim__published_int(p, p->config, "kv_channels", &D);
    glim__published_real(p, p->config, "rope_ratio", &ratio);
    glim__published_put_int(p, "attention.key_length", D);
    glim__published_put_int(p, "attention.value_length", D);
    glim__published_put_int(p, "rope.dimension_count", D / 2);
    glim__published_put_real(p, "rope.freq_base", 10000 * ratio);
}

/* ---- the list ---- */

extern const glim_published_family glim__published_bert, glim__published_distilbert,
    glim__published_roberta, glim__published_xlm_roberta, glim__published_camembert,
    glim__published_efficientnet, glim__published_mobilenet, glim__published_t5,
    glim__published_mt5, glim__published_marian;

#define FAMILY(type_, arch_, act_key_, act_, names_, tied_, keys_)                                 \
    &(const glim_published_family) {                                                               \
        .type = (type_), .arch = (arch_), .act_key = (act_key_), .act = (act_), .names = (names_), \
        .tied = (tied_), .keys = (keys_)                                                           \
    }
#define GELU_TANH "gelu_pytorch_tanh|gelu_new|gelu_fast"

const glim_published_family *const glim__published_families[] = {
    FAMILY("llama", "llama", "hidden_act", "silu", llama_names, false, llama_keys),
    FAMILY("mistral", "llama", "hidden_act", "silu", llama_names, false, mistral_keys),
    FAMILY("qwen2", "qwen2", "hidden_act", "silu", llama_names, false, qwen_keys),
    FAMILY("qwen3", "qwen3", "hidden_act", "silu", llama_names, false, qwen_keys),
    FAMILY("qwen3_moe", "qwen3moe", "hidden_act", "silu", qwen3moe_names, false, qwen3moe_keys),
    FAMILY("gemma2", "gemma2", "hidden_activation", GELU_TANH, gemma_names, true, gemma2_keys),
    FAMILY("gemma3", "gemma3", "hidden_activation", GELU_TANH, gemma_names, true, gemma3_keys),
    FAMILY("gemma3_text", "gemma3", "hidden_activation", GELU_TANH, gemma_names, true, gemma3_keys),
    FAMILY("phi3", "phi3", "hidden_act", "silu", llama_names, false, phi3_keys),
    FAMILY("gpt2", "gpt2", "activation_function", GELU_TANH, gpt2_names, true, gpt2_keys),
    FAMILY("gpt_neox", "gptneox", "hidden_act", "gelu", gptneox_names, false, gptneox_keys),
    FAMILY("glm", "chatglm", "hidden_act", "silu", llama_names, false, llama_keys),
    FAMILY("glm4", "glm4", "hidden_act", "silu", glm4_names, false, llama_keys),
    FAMILY("glm4_moe", "glm4moe", "hidden_act", "silu", glm4moe_names, false, glm4moe_keys),
    FAMILY("chatglm", "chatglm", "hidden_act", "silu", chatglm_names, false, chatglm_keys),
    &glim__published_bert,
    &glim__published_distilbert,
    &glim__published_roberta,
    &glim__published_xlm_roberta,
    &glim__published_camembert,
    &glim__published_efficientnet,
    &glim__published_mobilenet,
    &glim__published_t5,
    &glim__published_mt5,
    &glim__published_marian,
    NULL,
};
