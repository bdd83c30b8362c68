/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Qwen 3 (GGUF architectures `qwen3` and `qwen3moe`): norms of q and k over each
 * head before they turn, no biases; heads wider than C/H. The mixture takes the
 * largest softmax scores and makes them sum to one, in every block.
 */
#include "model/model.h"

static glim_status load(glim_loader *l, glim_error *err) {
    glim_status status = glim__load_decoder(l, err);
    if (status || (status = glim__load_windows(l, -1, 0, err)))
        return status;
    return glim__load_head_norms(l, true, err);
}

static glim_status load_mixture(glim_loader *l, glim_error *err) {
    glim_status status = glim__load_mixture_sizes(l, false, err);
    return status ? status : load(l, err);
}

const glim_architecture glim__arch_qwen3 = {
    .name = "qwen3",
    .load = load,
    .block = glim__decoder_block,
};

const glim_architecture glim__arch_qwen3moe = {
    .name = "qwen3moe",
    .load = load_mixture,
    .block = glim__decoder_block,
};
