/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The block that all decoders share (pre-norm, grouped queries), from what the
 * layer has:
 *
 *   a = norm(x);  q, k, v = a W^T + b;  [q, k = norm per head]  [rotate]
 *   x = x + [norm] (attention(q, k, v) Wo^T)
 *  [x = x + cross_attention(norm(x))]           of an encoder-decoder
 *   x = x + [norm] feed_forward(norm(x))        parallel: of the x before attention
 *
 * Sites carry TransformerLens' names. glim__model_head is the end of the model.
 */
#include "model/model.h"

struct norm {
    const float *weight, *bias;
    const char *scale, *normalized;
};

static glim_node norm_with_sites(glim_tape *t, const glim_model *m, glim_node x,
                                 const struct norm *w) {
    glim_node n = m->hyper.layer_norm ? glim__op_layer_norm(t, x, w->weight, w->bias, m->hyper.eps)
                                      : glim__op_rms_norm(t, x, w->weight, m->hyper.eps, 1);
    glim__op_site(t, n, GLIM_SITE_SCALE, w->scale, 0);
    return glim__op_site(t, n, GLIM_SITE_NORMALIZED, w->normalized, 0);
}

struct head_sites {
    const char *plain, *normed, *rotated;
};

/* q or k: projection, optional norm over each head, rotation. */
static glim_node project(glim_tape *t, const glim_model *m, const glim_layer *w, glim_node a,
                         bool query) {
    static const struct head_sites q_sites = {"attn.hook_q", "attn.hook_q_normed",
                                              "attn.hook_rot_q"};
    static const struct head_sites k_sites = {"attn.hook_k", "attn.hook_k_normed",
                                              "attn.hook_rot_k"};
    const struct head_sites *names = query ? &q_sites : &k_sites;
    int heads = query ? m->hyper.H : m->hyper.G;
    const float *norm = query ? w->q_norm : w->k_norm;
    glim_node x = glim__op_linear(t, a, query ? &w->q : &w->k, query ? w->q_bias : w->k_bias);
    glim__op_site(t, x, GLIM_SITE_WEIGHT, query ? "attn.W_Q" : "attn.W_K", 0);
    glim__op_site(t, x, GLIM_SITE_HEADS, names->plain, heads);
    if (norm) {
        x = glim__op_rms_norm(t, x, norm, m->hyper.eps, heads);
        glim__op_site(t, x, GLIM_SITE_HEADS, names->normed, heads);
    }
    if (!m->n_ropes)
        return x;
    x = glim__op_rope(t, x, t->ropes ? &t->ropes[w->rope] : NULL, heads);
    return glim__op_site(t, x, GLIM_SITE_HEADS, names->rotated, heads);
}

glim_node glim__picked(glim_tape *t, glim_node x) {
    return t->picked ? glim__op_pick(t, x, t->picked) : x;
}

glim_node glim__attention_part(glim_tape *t, const glim_model *m, const glim_layer *w, glim_node a,
                               glim_node *k, glim_node *v) {
    const glim_hyper *h = &m->hyper;
    glim_node q = project(t, m, w, glim__picked(t, a), true);
    *k = project(t, m, w, a, false);
    *v = glim__op_linear(t, a, &w->v, w->v_bias);
    glim__op_site(t, *v, GLIM_SITE_WEIGHT, "attn.W_V", 0);
    glim__op_site(t, *v, GLIM_SITE_HEADS, "attn.hook_v", h->G);
    glim_attention how = {.heads = h->H,
                          .kv_heads = h->G,
                          .head_width = h->D,
                          .scale = h->score_scale,
                          .window = w->window,
                          .soft_cap = h->score_cap,
                          .both_ways = h->both_ways,
                          .bias = m->position_bias,
                          .reach = m->bias_reach,
                          .cached_k = t->cached_k,
                          .cached_v = t->cached_v};
    glim_node z = glim__op_attention(t, q, *k, *v, &how);
    glim__op_site(t, z, GLIM_SITE_SCORES, "attn.hook_attn_scores", h->H);
    glim__op_site(t, z, GLIM_SITE_PATTERN, "attn.hook_pattern", h->H);
    glim__op_site(t, z, GLIM_SITE_HEADS, "attn.hook_z", h->H);
    glim_node o = glim__op_linear(t, z, &w->o, w->o_bias);
    glim__op_site(t, o, GLIM_SITE_WEIGHT, "attn.W_O", 0);
    if (o)
        t->nodes[o].as.linear.heads = h->H;
    return glim__op_site(t, o, GLIM_SITE_RESULT, "attn.hook_result", h->H);
}

static glim_node attend(glim_tape *t, const glim_model *m, const glim_layer *w, glim_node x,
                        glim_node *k, glim_node *v) {
    const struct norm first = {w->attn_norm, w->attn_norm_bias, "ln1.hook_scale",
                               "ln1.hook_normalized"};
    const struct norm after = {w->attn_post_norm, NULL, "ln1_post.hook_scale",
                               "ln1_post.hook_normalized"};
    glim_node o = glim__attention_part(t, m, w, norm_with_sites(t, m, x, &first), k, v);
    if (w->attn_post_norm)
        o = norm_with_sites(t, m, o, &after);
    return glim__op_site(t, o, GLIM_SITE_VALUE, "hook_attn_out", 0);
}

static glim_node read_across(glim_tape *t, const glim_model *m, const glim_layer *w, glim_node x) {
    const struct norm before = {w->attn_norm, w->attn_norm_bias, "ln2.hook_scale",
                                "ln2.hook_normalized"};
    glim_node o = glim__cross_attention(t, m, w, norm_with_sites(t, m, x, &before));
    return glim__op_site(t, glim__op_add(t, x, o), GLIM_SITE_VALUE, "hook_resid_mid_cross", 0);
}

static glim_node feed_forward(glim_tape *t, const glim_model *m, const glim_layer *w, glim_node x) {
    const struct norm second = {w->ffn_norm, w->ffn_norm_bias, "ln2.hook_scale",
                                "ln2.hook_normalized"};
    const struct norm third = {w->ffn_norm, w->ffn_norm_bias, "ln3.hook_scale",
                               "ln3.hook_normalized"};
    const struct norm *first = w->cross ? &third : &second;
    const struct norm after = {w->ffn_post_norm, NULL, "ln2_post.hook_scale",
                               "ln2_post.hook_normalized"};
    glim_node out = glim__feed_forward(t, m, w, norm_with_sites(t, m, x, first));
    if (w->ffn_post_norm)
        out = norm_with_sites(t, m, out, &after);
    return glim__op_site(t, out, GLIM_SITE_VALUE, "hook_mlp_out", 0);
}

glim_node glim__decoder_block(glim_tape *t, const glim_model *m, int layer, glim_node x,
                              glim_node *k, glim_node *v) {
    const glim_layer *w = &m->layers[layer];
    glim__op_site(t, x, GLIM_SITE_VALUE, "hook_resid_pre", 0);
    glim_node attn = attend(t, m, w, x, k, v);
    glim_node stream = glim__picked(t, x), mid = glim__op_add(t, stream, attn);
    if (!m->hyper.parallel)
        glim__op_site(t, stream = mid, GLIM_SITE_VALUE, "hook_resid_mid", 0);
    if (w->cross)
        stream = mid = read_across(t, m, w->cross, mid);
    glim_node post = glim__op_add(t, mid, feed_forward(t, m, w, stream));
    if (w->shift)
        post = glim__op_shift(t, post, w->shift);
    return glim__op_site(t, post, GLIM_SITE_VALUE, "hook_resid_post", 0);
}

glim_node glim__model_head(glim_tape *t, const glim_model *m, glim_node h, glim_node *normed) {
    static const char *const sites[][2] = {
        {"ln_final.hook_scale", "ln_final.hook_normalized"},
        {"encoder.ln_final.hook_scale", "encoder.ln_final.hook_normalized"},
        {"decoder.ln_final.hook_scale", "decoder.ln_final.hook_normalized"}};
    if (m->task != GLIM_TASK_GENERATE && m->task != GLIM_TASK_TRANSLATE)
        return glim__encoder_head(t, m, h, normed);
    const char *const *names = sites[*m->site_prefix == 'e' ? 1 : *m->site_prefix ? 2 : 0];
    const struct norm last = {m->final_norm, m->final_norm_bias, names[0], names[1]};
    *normed = m->final_norm ? norm_with_sites(t, m, h, &last) : h;
    if (!m->head.data)
        return *normed;
    if (m->hyper.out_scale > 0)
        *normed = glim__op_scale(t, *normed, m->hyper.out_scale);
    glim_node logits = glim__op_linear(t, *normed, &m->head, m->head_bias);
    glim__op_site(t, logits, GLIM_SITE_WEIGHT, "unembed.W_U", 0);
    if (logits)
        t->nodes[logits].as.linear.few = true;
    if (m->hyper.logit_cap > 0)
        logits = glim__op_soft_cap(t, logits, m->hyper.logit_cap);
    return glim__op_site(t, logits, GLIM_SITE_VALUE, "hook_logits", 0);
}
