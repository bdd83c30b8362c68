/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gemma 2 (GGUF architecture `gemma2`): embedding times sqrt(C), norms after
 * attention and feed-forward part, tanh-GELU gate, soft caps of scores and logits,
 * every other block with a window (the first has one). GGUF stores w + 1 for every
 * norm, so the norm is the plain one.
 *
 * The 27B model (46 layers) scales scores by (C/H)^-1/2, the others by D^-1/2
 * (transformers: query_pre_attn_scalar, which files lack).
 */
#include "model/model.h"

#include <math.h>

enum { PATTERN = 2, LAYERS_27B = 46 };

static glim_status load(glim_loader *l, glim_error *err) {
    glim_hyper *h = &l->m->hyper;
    double score_cap = 50, logit_cap = 30, scale = 0;
    glim_status status;
    l->norm_plus_one = l->published;
    if ((status = glim__load_decoder(l, err)) ||
        (status = glim__load_real(l, "attn_logit_softcapping", false, &score_cap, err)) ||
        (status = glim__load_real(l, "final_logit_softcapping", false, &logit_cap, err)) ||
        (status = glim__load_real(l, "attention.scale", false, &scale, err)) ||
        (status = glim__load_windows(l, PATTERN, 0, err)))
        return status;
    if (score_cap < 0 || logit_cap < 0)
        return glim_fail(err, GLIM_EFORMAT, "soft caps %g and %g: expected positive", score_cap,
                         logit_cap);
    h->score_cap = (float)score_cap;
    h->logit_cap = (float)logit_cap;
    h->act = GLIM_ACT_GELU_TANH;
    h->embed_scale = sqrtf((float)h->C);
    if (h->L == LAYERS_27B && scale == 0)
        h->score_scale = 1.0f / sqrtf((float)h->C / (float)h->H);
    return glim__load_post_norms(l, err);
}

const glim_architecture glim__arch_gemma2 = {
    .name = "gemma2",
    .load = load,
    .block = glim__decoder_block,
};
