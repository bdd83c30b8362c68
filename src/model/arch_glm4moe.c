/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GLM-4.5 and 4.6 (GGUF architecture `glm4moe`): a mixture of experts behind the
 * first blocks. The router's sigmoids plus a bias choose, the sigmoids alone
 * weigh; one expert more is shared by all rows. Biases on q, k and v, norms of q
 * and k in the large model, the first half of each head rotated by halves. Draft
 * layers at the end are skipped.
 */
#include "model/model.h"

static glim_status load(glim_loader *l, glim_error *err) {
    glim_status status = glim__load_mixture_sizes(l, true, err);
    l->drafts = true;
    l->ffn_norm = "post_attention_norm";
    if (status || (status = glim__load_decoder(l, err)))
        return status;
    return glim__load_head_norms(l, false, err);
}

const glim_architecture glim__arch_glm4moe = {
    .name = "glm4moe",
    .load = load,
    .block = glim__decoder_block,
};
