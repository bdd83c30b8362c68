/* SPDX-License-Identifier: Apache-2.0 */
/* The tensors of the file that a model came from, and the head of its own where it is cut. */
#include "model/weights-digest.h"

glim_status glim__digest_weights(glim_digest *d, const glim_model *m, glim_error *err) {
    glim_status status = GLIM_OK;
    size_t n = glim__gguf_tensor_count(m->file);
    glim__digest_text(d, glim__gguf_digest(m->file));
    for (size_t i = 0; i < n && !status; i++) {
        const glim_tensor *t = glim__gguf_tensor_at(m->file, i);
        glim__digest_text(d, t->name);
        glim__digest_bytes(d, t->data, t->bytes);
        status = glim__check_cancel(m->ctx, err);
    }
    if (m->base) { /* a head of its own on some of the blocks */
        glim__digest_number(d, (uint64_t)m->hyper.L);
        if (m->head.data != m->base->head.data)
            glim__digest_bytes(d, m->head.data, (size_t)m->head.rows * m->head.row_bytes);
        glim__digest_bytes(d, m->head_bias ? m->head_bias : (const float *)"",
                           m->head_bias ? (size_t)m->outputs * sizeof *m->head_bias : 0);
        for (int i = 0; i < m->hyper.L && m->layers; i++)
            if (m->layers[i].shift) {
                glim__digest_number(d, (uint64_t)i);
                glim__digest_bytes(d, m->layers[i].shift, (size_t)m->hyper.C * sizeof(float));
            }
    }
    return status;
}
