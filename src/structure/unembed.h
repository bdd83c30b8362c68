/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unembed.h: what the model would say if a vector of the residual stream were its last: the
 * final norm, the unembedding, and what else is behind the last block. Of the last block's
 * own rows it gives the model's logits, bit for bit.
 */
#ifndef GLIM_STRUCTURE_UNEMBED_H
#define GLIM_STRUCTURE_UNEMBED_H

#include "model/session.h"

/* The end of a model, to be run on any rows; it holds no more memory between two calls than
   the workspace keeps. */
typedef struct glim_unembed {
    const glim_model *m;
    glim_workspace space;
    glim_tape tape;
    int32_t *zeros;        /* positions, all 0 */
    glim_rows_part *parts; /* a row each */
    size_t most;
} glim_unembed;

/* Errors: EUSAGE (the model does not write tokens). */
glim_status glim__unembed_check(const glim_model *m, glim_error *err);
/* For up to `most` rows in a call. Errors: EUSAGE (the model does not write tokens), ENOMEM,
   EBUDGET. */
glim_status glim__unembed_init(glim_unembed *u, const glim_model *m, size_t most, glim_error *err);
void glim__unembed_release(glim_unembed *u);
/* Logits (n, V) of h (n, C), borrowed until the next call; n <= most. With normed also (n, C)
   behind the final norm. */
glim_status glim__unembed(glim_unembed *u, const float *h, size_t n, const float **logits,
                          const float **normed, glim_error *err);

#endif
