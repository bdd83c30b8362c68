/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What encoder-decoders have besides two stacks of blocks: attention from the text that
 * is written to the text that was read (Vaswani et al. 2017), and T5's position bias.
 *
 *   q = a Wq^T,  k, v = m Wk^T, m Wv^T      m: the encoder's rows
 *   z Wo^T,  z = attention(q, k, v)         every row of m is seen
 *
 * Keys and values do not depend on what is written, so a session that writes token by
 * token makes them once.
 */
#include "model/model.h"

#include <math.h>

static glim_node memory(glim_tape *t, const glim_model *m) {
    if (!t->memory_node)
        t->memory_node = glim__op_input_of(t, t->memory, m->hyper.C, t->memory_rows);
    return t->memory_node;
}

/* k or v: of the memory, or as it is known. */
static glim_node project(glim_tape *t, const glim_model *m, const glim_layer *w, bool value) {
    float *known = value ? t->across_v : t->across_k;
    glim_node x = known ? glim__op_input_of(t, known, (value ? &w->v : &w->k)->rows, t->memory_rows)
                  : value ? glim__op_linear(t, memory(t, m), &w->v, w->v_bias)
                          : glim__op_linear(t, memory(t, m), &w->k, w->k_bias);
    if (!known)
        glim__op_site(t, x, GLIM_SITE_WEIGHT, value ? "cross_attn.W_V" : "cross_attn.W_K", 0);
    t->across_nodes[value] = x;
    return glim__op_site(t, x, GLIM_SITE_HEADS, value ? "cross_attn.hook_v" : "cross_attn.hook_k",
                         m->hyper.G);
}

glim_node glim__cross_attention(glim_tape *t, const glim_model *m, const glim_layer *w,
                                glim_node a) {
    const glim_hyper *h = &m->hyper;
    glim_node q = glim__op_linear(t, a, &w->q, w->q_bias);
    glim__op_site(t, q, GLIM_SITE_WEIGHT, "cross_attn.W_Q", 0);
    glim__op_site(t, q, GLIM_SITE_HEADS, "cross_attn.hook_q", h->H);
    glim_node k = project(t, m, w, false), v = project(t, m, w, true);
    glim_attention how = {.heads = h->H,
                          .kv_heads = h->G,
                          .head_width = h->D,
                          .scale = h->score_scale,
                          .across = true};
    glim_node z = glim__op_attention(t, q, k, v, &how);
    glim__op_site(t, z, GLIM_SITE_SCORES, "cross_attn.hook_attn_scores", h->H);
    glim__op_site(t, z, GLIM_SITE_PATTERN, "cross_attn.hook_pattern", h->H);
    glim__op_site(t, z, GLIM_SITE_HEADS, "cross_attn.hook_z", h->H);
    glim_node o = glim__op_linear(t, z, &w->o, w->o_bias);
    glim__op_site(t, o, GLIM_SITE_WEIGHT, "cross_attn.W_O", 0);
    if (o)
        t->nodes[o].as.linear.heads = h->H;
    glim__op_site(t, o, GLIM_SITE_RESULT, "cross_attn.hook_result", h->H);
    return glim__op_site(t, o, GLIM_SITE_VALUE, "hook_cross_attn_out", 0);
}

/* ---- T5's position bias ---- */

/* The bucket of a distance, key - query, as T5 was trained with it: near ones have one
   each, far ones share, with logarithms in float as there. */
int glim__position_bucket(int far, bool both_ways, int buckets, int longest) {
    int base = 0;
    if (both_ways) {
        buckets /= 2;
        base = far > 0 ? buckets : 0;
        far = far < 0 ? -far : far;
    } else {
        far = far < 0 ? -far : 0;
    }
    int exact = buckets / 2;
    if (far < exact)
        return base + far;
    float place = logf((float)far / (float)exact) / (float)log((double)longest / exact) *
                  (float)(buckets - exact);
    int bucket = exact + (int)place;
    return base + (bucket < buckets - 1 ? bucket : buckets - 1);
}

/* (H, 2 reach + 1) of `weight` (buckets, H), by key - query. */
void glim__position_bias(float *out, const float *weight, int heads, bool both_ways, int buckets,
                         int reach) {
    for (int h = 0; h < heads; h++)
        for (int far = -reach; far <= reach; far++)
            *out++ = weight[glim__position_bucket(far, both_ways, buckets, reach) * heads + h];
}
