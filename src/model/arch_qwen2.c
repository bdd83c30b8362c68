/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Qwen 1.5, 2 and 2.5 (GGUF architecture `qwen2`): biases on q, k and v, halves
 * rotated, rows as published, the head tied in the small sizes only.
 */
#include "model/model.h"

static glim_status load(glim_loader *l, glim_error *err) {
    glim_status status = glim__load_decoder(l, err);
    if (!status)
        status = glim__load_windows(l, -1, 0, err);
    for (int i = 0; !status && i < l->m->hyper.L; i++) {
        const glim_layer *w = &l->m->layers[i];
        if (!w->q_bias || !w->k_bias || !w->v_bias)
            status =
                glim_fail(err, GLIM_EFORMAT, "the file lacks the q, k or v bias of block %d", i);
    }
    return status;
}

const glim_architecture glim__arch_qwen2 = {
    .name = "qwen2",
    .load = load,
    .block = glim__decoder_block,
};
