/* SPDX-License-Identifier: Apache-2.0 */
/* conv-pack.h: a kernel's weights as the loops of conv.c read them. */
#ifndef GLIM_TENSOR_CONV_PACK_H
#define GLIM_TENSOR_CONV_PACK_H

#include "tensor/conv.h"

typedef struct glim_conv_weights {
    const float *w;
    size_t ld;    /* floats of a row */
    float *owned; /* NULL: w lies in the file */
} glim_conv_weights;

/* Terms of a sum: (k k in_c), or k k for depthwise kernels. */
static inline size_t glim__conv_terms(const glim_conv *c) {
    return (size_t)c->kernel * (size_t)c->kernel * (size_t)(c->depthwise ? 1 : c->in_c);
}

/* (terms, out) with `forward`, else (out, terms); rows may be read to the next multiple of
   16. As they lie in the file when they lie so. Errors: ENOMEM, EBUDGET. */
glim_status glim__conv_weights_take(glim_conv_weights *out, glim_context *ctx, const glim_conv *c,
                                    bool forward, glim_error *err);
void glim__conv_weights_give(glim_conv_weights *w, glim_context *ctx);

#endif
