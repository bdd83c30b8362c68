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

/* Keys of files that another runner made itself (rope.global.freq_base), and the
   soft cap of the logits. A cap of the scores is refused: the reference has none. */
static glim_status load_special(glim_loader *l, double *base, glim_error *err) {
    glim_hyper *h = &l->m->hyper;
    double cap = 0, scale = 0;
    glim_status status;
    if ((status = glim__load_real(l, "rope.global.freq_base", false, &l->m->ropes[0].base, err)) ||
        (status = glim__load_real(l, "rope.local.freq_base", false, base, err)) ||
        (status = glim__load_real(l, "final_logit_softcapping", false, &cap, err)) ||
        (status = glim__load_real(l, "attention.scale", false, &scale, err)))
        return status;
    if (cap < 0 || !(l->m->ropes[0].base > 0))
        return glim_fail(err, GLIM_EFORMAT, "soft cap %g or rope base %g is out of range", cap,
                         l->m->ropes[0].base);
    h->logit_cap = (float)cap;
    h->act = GLIM_ACT_GELU_TANH;
    h->embed_scale = sqrtf((float)h->C);
    if (h->L == LAYERS_27B && scale == 0)
        h->score_scale = 1.0f / sqrtf((float)h->C / (float)h->H);
    return GLIM_OK;
}

static glim_status load(glim_loader *l, glim_error *err) {
    double base = 10000;
    l->norm_plus_one = l->published;
    glim_status status = glim__load_decoder(l, err);
    if (status || (status = load_special(l, &base, err)) ||
        (status = glim__load_windows(l, PATTERN, base, err)))
        return status;
    status = glim__load_head_norms(l, true, err);
    return status ? status : glim__load_post_norms(l, err);
}

const glim_architecture glim__arch_gemma3 = {
    .name = "gemma3",
    .load = load,
    .block = glim__decoder_block,
};
