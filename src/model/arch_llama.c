/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Llama 1 to 3.x, Mistral, SmolLM2, TinyLlama (GGUF architecture `llama`).
 *
 * GGUF conversion permutes the rows of q and k inside each head so that
 * interleaved rotation gives the original result. glim undoes that when it
 * reads the rows (pair_rows; published weights have the original order) and
 * rotates halves: then every site has the order
 * that transformers and TransformerLens show, for nothing. A sliding window is
 * Mistral's: every block has it.
 */
#include "model/model.h"

/* A bias permuted like the rows it belongs to. */
static glim_status undo_bias(glim_loader *l, const float **bias, const glim_matrix *w,
                             glim_error *err) {
    const glim_matrix order = {.pair_rows = w->pair_rows};
    float *own = *bias ? glim__arena_alloc(&l->m->arena, (size_t)w->rows * sizeof *own) : NULL;
    if (!*bias)
        return GLIM_OK;
    if (!own)
        return glim__oom(l->m->ctx, err, "a bias", (uint64_t)w->rows * sizeof *own);
    for (int64_t r = 0; r < w->rows; r++)
        own[r] = (*bias)[glim__matrix_row(&order, r)];
    *bias = own;
    return GLIM_OK;
}

static glim_status load(glim_loader *l, glim_error *err) {
    glim_status status = glim__load_decoder(l, err);
    if (status || (status = glim__load_windows(l, 0, 0, err)))
        return status;
    const glim_hyper *h = &l->m->hyper;
    if (h->rope_width != h->D)
        return glim_fail(err, GLIM_EUNSUPPORTED, "'llama' with %d of %d dimensions rotated",
                         h->rope_width, h->D);
    for (int i = 0; i < h->L && !status; i++) {
        glim_layer *w = &l->m->layers[i];
        w->q.pair_rows = w->k.pair_rows = l->published ? 0 : h->D;
        if (!(status = undo_bias(l, &w->q_bias, &w->q, err)))
            status = undo_bias(l, &w->k_bias, &w->k, err);
    }
    return status;
}

const glim_architecture glim__arch_llama = {
    .name = "llama",
    .load = load,
    .block = glim__decoder_block,
};
