/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GPT-NeoX and Pythia (GGUF architecture `gptneox`): layer norms, the first
 * dimensions of each head rotated by halves, erf-GELU without a gate, biases
 * everywhere; attention and feed-forward part read the same x in most files.
 * Conversion regroups the rows of q, k and v from heads to parts.
 */
#include "model/model.h"

static glim_status load(glim_loader *l, glim_error *err) {
    glim_hyper *h = &l->m->hyper;
    const glim_gguf_value *parallel = glim__loader_key(l, "use_parallel_residual");
    if (parallel && parallel->type != GLIM_GGUF_BOOL)
        return glim_fail(err, GLIM_EFORMAT, "key 'gptneox.use_parallel_residual' is no bool");
    l->plain_mlp = true;
    l->by_head = l->published;
    h->layer_norm = true;
    h->parallel = !parallel || *(const unsigned char *)parallel->data;
    glim_status status = glim__load_decoder(l, err);
    h->act = GLIM_ACT_GELU_ERF;
    return status;
}

const glim_architecture glim__arch_gptneox = {
    .name = "gptneox",
    .load = load,
    .block = glim__decoder_block,
};
