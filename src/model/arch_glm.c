/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The GLM family with gated feed-forward parts.
 *
 * `chatglm`: ChatGLM2, ChatGLM3, CodeGeeX2, GLM-4-9B and GLM-Edge. Fused q, k and
 * v with a bias, gate and up in one tensor, and the first half of each head
 * rotated in neighbouring pairs. `glm4` (GLM-4-0414, GLM-Z1) adds a norm after
 * attention and one after the feed-forward part. Conversion leaves rows as they
 * are, so pairs are interleaved in transformers and here alike.
 */
#include "model/model.h"

static glim_status load(glim_loader *l, glim_error *err) {
    l->fused_gate = true;
    glim_status status = glim__load_decoder(l, err);
    l->m->ropes[0].interleaved = true;
    return status;
}

static glim_status load_post(glim_loader *l, glim_error *err) {
    l->drafts = true;
    glim_status status = load(l, err);
    return status ? status : glim__load_post_norms(l, err);
}

const glim_architecture glim__arch_chatglm = {
    .name = "chatglm",
    .load = load,
    .block = glim__decoder_block,
};

const glim_architecture glim__arch_glm4 = {
    .name = "glm4",
    .load = load_post,
    .block = glim__decoder_block,
};
