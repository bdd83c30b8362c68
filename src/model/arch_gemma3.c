/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gemma 3 text models (GGUF architecture `gemma3`): embedding times sqrt(C),
 * norms of q and k over each head, norms after attention and feed-forward,
 * tanh-GELU gate, five sliding layers to one that sees all. GGUF stores w + 1 for every
 * norm, so the norm is the plain one.
 *
 * Sliding layers rotate with base 10000, without scaling; files lack the key for
 * it. The 27B model (62 layers) scales scores by (C/H)^-1/2, the others by
 * D^-1/2 (transformers: query_pre_attn_scalar).
 */
#include "model/model.h"

#include <math.h>

enum { PATTERN = 6, LAYERS_27B = 62 };

static glim_status load_windows(glim_loader *l, glim_error *err) {
    glim_model *m = l->m;
    glim_hyper *h = &m->hyper;
    double base = 10000;
    glim_status status;
    int period = PATTERN;
    const glim_gguf_value *pattern =
        glim__gguf_find(l->g, "gemma3.attention.sliding_window_pattern");
    bool each = pattern && pattern->type == GLIM_GGUF_ARRAY &&
                pattern->element != GLIM_GGUF_STRING && pattern->count >= (uint64_t)h->L;
    if ((status =
             glim__load_int(l, "attention.sliding_window", 0, 1 << 30, false, &h->window, err)) ||
        (status = glim__load_real(l, "rope.freq_base_swa", false, &base, err)))
        return status;
    if (!each && (status = glim__load_int(l, "attention.sliding_window_pattern", 1, 4096, false,
                                          &period, err)))
        return status;
    if (!(base > 0))
        return glim_fail(err, GLIM_EFORMAT, "rope.freq_base_swa %g: expected positive", base);
    m->ropes[1] = (glim_rope_recipe){.width = h->rope_width, .base = base, .magnitude = 1};
    m->n_ropes = 2;
    for (int i = 0; i < h->L; i++) {
        bool slides = each ? glim__gguf_element(pattern, (uint64_t)i) != 0 : (i + 1) % period != 0;
        m->layers[i].window = slides ? h->window : 0;
        m->layers[i].rope = slides && h->window ? 1 : 0;
    }
    return GLIM_OK;
}

static glim_status load(glim_loader *l, glim_error *err) {
    glim_model *m = l->m;
    glim_hyper *h = &m->hyper;
    glim_status status = glim__load_decoder(l, err);
    if (status || (status = load_windows(l, err)))
        return status;
    h->act = GLIM_ACT_GELU_TANH;
    h->embed_scale = sqrtf((float)h->C);
    if (h->L == LAYERS_27B)
        h->score_scale = 1.0f / sqrtf((float)h->C / (float)h->H);
    for (int i = 0; i < h->L && !status; i++) {
        glim_layer *w = &m->layers[i];
        if ((status = glim__load_vector(l, "attn_q_norm.weight", i, h->D, true, &w->q_norm, err)) ||
            (status = glim__load_vector(l, "attn_k_norm.weight", i, h->D, true, &w->k_norm, err)) ||
            (status = glim__load_vector(l, "post_attention_norm.weight", i, h->C, true,
                                        &w->attn_post_norm, err)))
            return status;
        status =
            glim__load_vector(l, "post_ffw_norm.weight", i, h->C, true, &w->ffn_post_norm, err);
    }
    return status;
}

const glim_architecture glim__arch_gemma3 = {
    .name = "gemma3",
    .load = load,
    .block = glim__decoder_block,
};
