/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The block of encoders of BERT's kind: norms behind the residual sums (Vaswani et
 * al. 2017, Devlin et al. 2018), and what such models end in.
 *
 *   u = norm(x + attention(x));  [u = norm(u + cross_attention(u))]
 *   x = norm(u + feed_forward(u))
 *
 * With cross-attention it is the block of Marian's decoder.
 * Sites as in TransformerLens: hook_resid_mid and hook_resid_post are the sums,
 * hook_normalized_resid_post is what the next block reads.
 */
#include "model/model.h"

static glim_node norm(glim_tape *t, const glim_model *m, glim_node x, const float *weight,
                      const float *bias, const char *const sites[2]) {
    glim_node n = glim__op_layer_norm(t, x, weight, bias, m->hyper.eps);
    glim__op_site(t, n, GLIM_SITE_SCALE, sites[0], 0);
    return glim__op_site(t, n, GLIM_SITE_NORMALIZED, sites[1], 0);
}

glim_node glim__encoder_block(glim_tape *t, const glim_model *m, int layer, glim_node x,
                              glim_node *k, glim_node *v) {
    static const char *const first[] = {"ln1.hook_scale", "ln1.hook_normalized"};
    static const char *const second[] = {"ln2.hook_scale", "ln2.hook_normalized"};
    static const char *const third[] = {"ln3.hook_scale", "ln3.hook_normalized"};
    const glim_layer *w = &m->layers[layer];
    glim__op_site(t, x, GLIM_SITE_VALUE, "hook_resid_pre", 0);
    glim_node attn = glim__attention_part(t, m, w, x, k, v);
    glim__op_site(t, attn, GLIM_SITE_VALUE, "hook_attn_out", 0);
    glim_node mid = glim__op_add(t, glim__picked(t, x), attn);
    glim__op_site(t, mid, GLIM_SITE_VALUE, "hook_resid_mid", 0);
    glim_node u = norm(t, m, mid, w->attn_norm, w->attn_norm_bias, first);
    if (w->cross) {
        glim_node both = glim__op_add(t, u, glim__cross_attention(t, m, w->cross, u));
        glim__op_site(t, both, GLIM_SITE_VALUE, "hook_resid_mid_cross", 0);
        u = norm(t, m, both, w->cross->attn_norm, w->cross->attn_norm_bias, second);
    }
    glim_node mlp = glim__feed_forward(t, m, w, u);
    glim__op_site(t, mlp, GLIM_SITE_VALUE, "hook_mlp_out", 0);
    glim_node post = glim__op_add(t, u, mlp);
    if (w->shift)
        post = glim__op_shift(t, post, w->shift);
    glim__op_site(t, post, GLIM_SITE_VALUE, "hook_resid_post", 0);
    if (m->bare && layer == m->hyper.L - 1)
        return post;
    glim_node out = norm(t, m, post, w->ffn_norm, w->ffn_norm_bias, w->cross ? third : second);
    return glim__op_site(t, out, GLIM_SITE_VALUE, "hook_normalized_resid_post", 0);
}

glim_node glim__model_front(glim_tape *t, const glim_model *m, glim_node x) {
    static const char *const sites[] = {"embed.ln.hook_scale", "embed.ln.hook_normalized"};
    return norm(t, m, x, m->embed_norm, m->embed_norm_bias, sites);
}

static glim_node readout(glim_tape *t, const glim_model *m, glim_node x) {
    const glim_readout *r = &m->readout;
    static const char *const sites[] = {"readout.ln.hook_scale", "readout.ln.hook_normalized"};
    if (!r->dense.data)
        return x;
    x = glim__op_linear(t, x, &r->dense, r->dense_bias);
    glim__op_site(t, x, GLIM_SITE_WEIGHT, "readout.W", 0);
    glim__op_site(t, x, GLIM_SITE_VALUE, "readout.hook_pre", 0);
    if (r->act == GLIM_READOUT_TANH)
        x = glim__op_soft_cap(t, x, 1); /* a cap of one is tanh */
    else if (r->act != GLIM_READOUT_NONE)
        x = glim__op_act(t, x, r->act == GLIM_READOUT_RELU ? GLIM_ACT_RELU : GLIM_ACT_GELU_ERF);
    glim__op_site(t, x, GLIM_SITE_VALUE, "readout.hook_post", 0);
    return r->norm ? norm(t, m, x, r->norm, r->norm_bias, sites) : x;
}

glim_node glim__encoder_head(glim_tape *t, const glim_model *m, glim_node h, glim_node *normed) {
    glim_node y;
    if (m->task == GLIM_TASK_EMBED) {
        y = *normed = glim__op_mean(t, h, t->picked);
        y = glim__op_unit(t, y);
        return glim__op_site(t, y, GLIM_SITE_VALUE, "hook_embedding", 0);
    }
    if (m->pool == GLIM_POOL_MEAN)
        h = glim__op_mean(t, h, t->picked);
    *normed = y = readout(t, m, h);
    if (!m->head.data)
        return y;
    y = glim__op_linear(t, *normed, &m->head, m->head_bias);
    glim__op_site(t, y, GLIM_SITE_WEIGHT, "unembed.W_U", 0);
    return glim__op_site(t, y, GLIM_SITE_VALUE, "hook_logits", 0);
}
