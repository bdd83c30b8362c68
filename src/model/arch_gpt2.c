/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GPT-2 (GGUF architecture `gpt2`): layer norms, learned positions, tanh-GELU
 * without a gate, biases everywhere, the head tied.
 */
#include "model/model.h"

static glim_status load(glim_loader *l, glim_error *err) {
    glim_hyper *h = &l->m->hyper;
    l->no_rope = l->plain_mlp = true;
    l->turned = l->published;
    h->layer_norm = true;
    glim_status status = glim__load_decoder(l, err);
    h->act = GLIM_ACT_GELU_TANH;
    return status ? status
                  : glim__load_matrix(l, "position_embd.weight", -1, h->context, h->C, true,
                                      &l->m->positions, err);
}

const glim_architecture glim__arch_gpt2 = {
    .name = "gpt2",
    .load = load,
    .block = glim__decoder_block,
};
