/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Llama 1 to 3.x, Mistral, SmolLM2, TinyLlama (GGUF architecture `llama`).
 *
 * GGUF conversion permutes the rows of q and k inside each head so that
 * interleaved rotation gives the original result. glim undoes that when it
 * reads the rows (pair_rows) and rotates halves: then every site has the order
 * that transformers and TransformerLens show, for nothing.
 */
#include "model/model.h"

static glim_status load(glim_loader *l, glim_error *err) {
    glim_status status = glim__load_decoder(l, err);
    if (status)
        return status;
    const glim_hyper *h = &l->m->hyper;
    if (h->rope_width != h->D)
        return glim_fail(err, GLIM_EUNSUPPORTED, "'llama' with %d of %d dimensions rotated",
                         h->rope_width, h->D);
    for (int i = 0; i < h->L; i++) {
        glim_layer *w = &l->m->layers[i];
        w->q.pair_rows = w->k.pair_rows = h->D;
        if (w->q_bias || w->k_bias) /* permuted like the rows; no known file has them */
            return glim_fail(err, GLIM_EUNSUPPORTED, "'llama' with biases on q or k");
    }
    return GLIM_OK;
}

const glim_architecture glim__arch_llama = {
    .name = "llama",
    .load = load,
    .block = glim__decoder_block,
};
