/* SPDX-License-Identifier: Apache-2.0 */
/* tuned-lens.h: a tuned lens inside. */
#ifndef GLIM_STRUCTURE_TUNED_LENS_H
#define GLIM_STRUCTURE_TUNED_LENS_H

#include "base/context.h"

#include <glim/lens.h>

struct glim_tuned_lens {
    glim_context *ctx;
    const glim_model *m;
    size_t L, C;
    float *a, *b; /* (L, C, C), (L, C), the share in them */
    glim_tuned_layer *layers;
};

/* Translators that do nothing. Errors: ENOMEM, EBUDGET. */
glim_status glim__tuned_new(glim_tuned_lens **out, const glim_model *m, glim_error *err);
/* out (n, C) = h + A h + b of rows h (n, C) that stand before block `layer`; a row's bits depend
   on no other. Errors: ENOMEM, EBUDGET. */
glim_status glim__tuned_turn(const glim_tuned_lens *t, size_t layer, const float *h, size_t n,
                             float *out, glim_error *err);

#endif
