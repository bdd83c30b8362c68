/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encoder-decoders from a directory. Names are full ones, for the two stacks number
 * their blocks alike. Sources: the configuration and modelling files of transformers 5.
 */
#include "model/published.h"

#include <math.h>
#include <string.h>

#define T5_ATTENTION(theirs, ours)                                                                 \
    {theirs ".q", ours "_q"}, {theirs ".k", ours "_k"}, {theirs ".v", ours "_v"}, {                \
        theirs ".o", ours "_o"                                                                     \
    }
#define T5_FEED_FORWARD(theirs, ours)                                                              \
    {theirs ".wi", ours "ffn_up"}, {theirs ".wi_0", ours "ffn_gate"},                              \
        {theirs ".wi_1", ours "ffn_up"}, {                                                         \
        theirs ".wo", ours "ffn_down"                                                              \
    }

static const glim_published_name t5_names[] = {
    {"shared", "token_embd"},
    {"encoder.embed_tokens", "enc.token_embd"},
    {"decoder.embed_tokens", "dec.token_embd"},
    {"lm_head", "output"},
    {"encoder.final_layer_norm", "enc.output_norm"},
    {"decoder.final_layer_norm", "dec.output_norm"},
    T5_ATTENTION("encoder.block.#.layer.0.SelfAttention", "enc.blk.#.attn"),
    {"encoder.block.0.layer.0.SelfAttention.relative_attention_bias", "enc.blk.0.attn_rel_b"},
    {"encoder.block.#.layer.0.layer_norm", "enc.blk.#.attn_norm"},
    T5_FEED_FORWARD("encoder.block.#.layer.1.DenseReluDense", "enc.blk.#."),
    {"encoder.block.#.layer.1.layer_norm", "enc.blk.#.ffn_norm"},
    T5_ATTENTION("decoder.block.#.layer.0.SelfAttention", "dec.blk.#.attn"),
    {"decoder.block.0.layer.0.SelfAttention.relative_attention_bias", "dec.blk.0.attn_rel_b"},
    {"decoder.block.#.layer.0.layer_norm", "dec.blk.#.attn_norm"},
    T5_ATTENTION("decoder.block.#.layer.1.EncDecAttention", "dec.blk.#.cross_attn"),
    {"decoder.block.0.layer.1.EncDecAttention.relative_attention_bias", ""}, /* never used */
    {"decoder.block.#.layer.1.layer_norm", "dec.blk.#.cross_attn_norm"},
    T5_FEED_FORWARD("decoder.block.#.layer.2.DenseReluDense", "dec.blk.#."),
    {"decoder.block.#.layer.2.layer_norm", "dec.blk.#.ffn_norm"},
    {NULL, NULL}};

#define MARIAN_ATTENTION(theirs, ours)                                                             \
    {theirs ".q_proj", ours "_q"}, {theirs ".k_proj", ours "_k"}, {theirs ".v_proj", ours "_v"}, { \
        theirs ".out_proj", ours "_o"                                                              \
    }
#define MARIAN_BLOCK(theirs, ours)                                                                 \
    MARIAN_ATTENTION(theirs ".self_attn", ours "attn"),                                            \
        {theirs ".self_attn_layer_norm", ours "attn_norm"}, {theirs ".fc1", ours "ffn_up"},        \
        {theirs ".fc2", ours "ffn_down"}, {                                                        \
        theirs ".final_layer_norm", ours "ffn_norm"                                                \
    }

static const glim_published_name marian_names[] = {
    {"shared", "token_embd"},
    {"encoder.embed_tokens", "enc.token_embd"},
    {"decoder.embed_tokens", "dec.token_embd"},
    {"encoder.embed_positions", "enc.position_embd"},
    {"decoder.embed_positions", "dec.position_embd"},
    {"lm_head", "output"},
    {"final_logits_bias", "output.bias"},
    MARIAN_BLOCK("encoder.layers.#", "enc.blk.#."),
    MARIAN_BLOCK("decoder.layers.#", "dec.blk.#."),
    MARIAN_ATTENTION("decoder.layers.#.encoder_attn", "dec.blk.#.cross_attn"),
    {"decoder.layers.#.encoder_attn_layer_norm", "dec.blk.#.cross_attn_norm"},
    {NULL, NULL}};

static const glim_published_name none[] = {{NULL, NULL}};

/* ---- keys ---- */

/* From generation_config.json, or as older directories have it, from config.json. */
static const json_t *generation(const glim_published *p, const char *key) {
    const json_t *v = json_object_get(p->d->generation, key);
    return v ? v : json_object_get(p->config, key);
}

static void writing_keys(glim_published *p, int64_t start) {
    const json_t *never = generation(p, "bad_words_ids");
    const json_t *word = json_array_get(never, 0), *end = generation(p, "forced_eos_token_id");
    glim__published_int(p, p->config, "pad_token_id", &start);
    if (!glim__published_int(p, p->d->generation, "decoder_start_token_id", &start))
        glim__published_int(p, p->config, "decoder_start_token_id", &start);
    glim__published_put_int(p, "decoder_start_token_id", start);
    if (json_array_size(never) > 1 ||
        (word && (json_array_size(word) != 1 || !json_is_integer(json_array_get(word, 0)))))
        glim__published_refuse(p, GLIM_EUNSUPPORTED, "bad_words_ids",
                               "only one token is supported");
    if (word)
        glim__published_put_int(p, "glim.never_written",
                                json_integer_value(json_array_get(word, 0)));
    if (json_is_integer(end))
        glim__published_put_int(p, "glim.forced_end", json_integer_value(end));
}

static void put_int_or(glim_published *p, const char *key, const char *suffix, int64_t value) {
    glim__published_int(p, p->config, key, &value);
    glim__published_put_int(p, suffix, value);
}

static void t5_keys(glim_published *p) {
    enum { LONGEST = 512, BUCKETS = 32, REACH = 128 };
    double eps = 1e-6;
    bool mt5 = !strcmp(p->family->type, "mt5");
    bool scaled = !mt5 && glim__published_true(p, "tie_word_embeddings", true);
    glim__published_copy_int(p, "d_model", "embedding_length", true);
    glim__published_copy_int(p, "num_layers", "block_count", true);
    glim__published_copy_int(p, "num_decoder_layers", "decoder_block_count", false);
    glim__published_copy_int(p, "d_ff", "feed_forward_length", true);
    glim__published_copy_int(p, "num_heads", "attention.head_count", true);
    glim__published_copy_int(p, "d_kv", "attention.key_length", true);
    glim__published_copy_int(p, "d_kv", "attention.value_length", true);
    glim__published_real(p, p->config, "layer_norm_epsilon", &eps);
    glim__published_put_real(p, "attention.layer_norm_rms_epsilon", eps);
    put_int_or(p, "n_positions", "context_length", LONGEST);
    put_int_or(p, "relative_attention_num_buckets", "attention.relative_buckets_count", BUCKETS);
    put_int_or(p, "relative_attention_max_distance", "glim.relative_reach", REACH);
    glim__published_put_text(p, "glim.model_type", p->family->type);
    glim__published_put_bool(p, "glim.scaled_head",
                             glim__published_true(p, "scale_decoder_outputs", scaled));
    writing_keys(p, 0);
}

/* Both stacks must have one value. */
static void put_common(glim_published *p, const char *encoder, const char *decoder,
                       const char *suffix) {
    int64_t a = 0, b = 0;
    glim__published_copy_int(p, encoder, suffix, true);
    glim__published_int(p, p->config, encoder, &a);
    if (glim__published_int(p, p->config, decoder, &b) && a != b)
        glim__published_refuse(p, GLIM_EUNSUPPORTED, decoder, "the encoder has another number");
}

static void marian_keys(glim_published *p) {
    static const char *const others[] = {"normalize_before", "normalize_embedding",
                                         "add_final_layer_norm"};
    const char *act = json_string_value(json_object_get(p->config, "activation_function"));
    int64_t width = 0;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (glim__published_true(p, others[i], false))
            glim__published_refuse(p, GLIM_EUNSUPPORTED, others[i], "norms stand behind the sums");
    if (!glim__published_true(p, "share_encoder_decoder_embeddings", true))
        glim__published_refuse(p, GLIM_EUNSUPPORTED, "share_encoder_decoder_embeddings",
                               "two vocabularies are not supported");
    glim__published_copy_int(p, "d_model", "embedding_length", true);
    glim__published_copy_int(p, "encoder_layers", "block_count", true);
    glim__published_copy_int(p, "decoder_layers", "decoder_block_count", false);
    put_common(p, "encoder_ffn_dim", "decoder_ffn_dim", "feed_forward_length");
    put_common(p, "encoder_attention_heads", "decoder_attention_heads", "attention.head_count");
    put_int_or(p, "max_position_embeddings", "context_length", 512);
    glim__published_put_real(p, "attention.layer_norm_epsilon", 1e-5);
    if (act)
        glim__published_put_text(p, "glim.activation", !strcmp(act, "swish") ? "silu" : act);
    glim__published_int(p, p->config, "d_model", &width);
    if (glim__published_true(p, "scale_embedding", false))
        glim__published_put_real(p, "glim.embedding_scale", sqrt((double)width));
    writing_keys(p, 0);
}

const glim_published_family glim__published_t5 = {.type = "t5",
                                                  .arch = "t5",
                                                  .act_key = "feed_forward_proj",
                                                  .act = "relu|gated-gelu",
                                                  .outside = t5_names,
                                                  .names = none,
                                                  .own_head = true,
                                                  .keys = t5_keys};
const glim_published_family glim__published_mt5 = {.type = "mt5",
                                                   .arch = "t5",
                                                   .act_key = "feed_forward_proj",
                                                   .act = "relu|gated-gelu",
                                                   .outside = t5_names,
                                                   .names = none,
                                                   .own_head = true,
                                                   .keys = t5_keys};
const glim_published_family glim__published_marian = {.type = "marian",
                                                      .arch = "marian",
                                                      .act_key = "activation_function",
                                                      .act = "swish|silu|relu|gelu",
                                                      .outside = marian_names,
                                                      .names = none,
                                                      .own_head = true,
                                                      .keys = marian_keys};
