/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token-wording.h: tokens that are a text. Of what a search puts together only that counts whose
 * text gives the same tokens again; else nobody could ask the model what was found.
 */
#ifndef GLIM_STRUCTURE_TOKEN_WORDING_H
#define GLIM_STRUCTURE_TOKEN_WORDING_H

#include "base/buffer.h"
#include "model/model.h"

typedef struct glim_wording {
    glim_context *ctx;
    const glim_model *m;
    int32_t *front, *back; /* what the tokenizer puts around a text */
    size_t n_front, n_back;
    uint8_t *allowed; /* [V] whole characters that are seen, no control token */
    int32_t *list;    /* [n_list] those that are */
    size_t n_list;
    glim_buffer text; /* of the last question that was answered with yes */
} glim_wording;

/* Errors: ENOMEM, EBUDGET, those of tokens. */
glim_status glim__wording_init(glim_wording *w, const glim_model *m, glim_error *err);
void glim__wording_release(glim_wording *w);
/* Whether n tokens, without those around, come back from their text. */
glim_status glim__wording_survives(glim_wording *w, const int32_t *ids, size_t n, bool *yes,
                                   glim_error *err);
/* n tokens at random that do, by seed and stream. Errors: EUSAGE (none were found). */
glim_status glim__wording_draw(glim_wording *w, uint64_t seed, uint64_t stream, size_t n,
                               int32_t *ids, glim_error *err);

#endif
