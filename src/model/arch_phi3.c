/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Phi 3 and 3.5 (GGUF architecture `phi3`): fused q, k and v, gate and up in one
 * tensor, halves rotated (some of them in Phi 4 mini), a window in every block.
 *
 * Files for 128k positions carry two sets of divisors: the short ones hold while
 * no position of the session passes the original context, the long ones behind
 * it (transformers: longrope). Rotated values are multiplied by
 * sqrt(1 + ln(context / original) / ln(original)), which the file may give.
 */
#include "model/model.h"

#include <math.h>

static glim_status positive(const float *f, int n, const char *name, glim_error *err) {
    for (int i = 0; i < n; i++)
        if (!(f[i] > 0))
            return glim_fail(err, GLIM_EFORMAT, "tensor '%s' holds a divisor that is not positive",
                             name);
    return GLIM_OK;
}

static glim_status load_long(glim_loader *l, glim_error *err) {
    glim_model *m = l->m;
    glim_rope_recipe *rope = &m->ropes[0];
    const float *near, *far;
    int half = rope->width / 2, original = 0;
    double magnitude = 0;
    glim_status status;
    if ((status = glim__load_vector(l, "rope_factors_short.weight", -1, half, false, &near, err)) ||
        (status =
             glim__load_vector(l, "rope_factors_long.weight", -1, half, near != NULL, &far, err)) ||
        !near)
        return status;
    if ((status = positive(near, half, "rope_factors_short.weight", err)) ||
        (status = positive(far, half, "rope_factors_long.weight", err)) ||
        (status = glim__load_int(l, "rope.scaling.original_context_length", 2, 1 << 30, true,
                                 &original, err)) ||
        (status = glim__load_real(l, "rope.scaling.attn_factor", false, &magnitude, err)))
        return status;
    double ratio = fmax((double)m->hyper.context / original, 1);
    if (!(magnitude > 0))
        magnitude = sqrt(1 + log(ratio) / log(original));
    rope->factors = near;
    rope->magnitude = magnitude;
    m->rope_long = *rope;
    m->rope_long.factors = far;
    m->long_from = original;
    return GLIM_OK;
}

static glim_status load(glim_loader *l, glim_error *err) {
    glim_status status;
    l->fused_gate = l->long_rope = true;
    if ((status = glim__load_decoder(l, err)) || (status = glim__load_windows(l, 0, 0, err)))
        return status;
    return load_long(l, err);
}

const glim_architecture glim__arch_phi3 = {
    .name = "phi3",
    .load = load,
    .block = glim__decoder_block,
};
