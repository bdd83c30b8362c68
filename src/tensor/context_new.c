/* SPDX-License-Identifier: Apache-2.0 */
/* A context is made here, one floor above its inside, because it picks the
   kernels. */
#include "tensor/kernels.h"

glim_status glim_context_new(glim_context **out, const glim_context_options *options,
                             glim_error *err) {
    const char *name = options ? options->kernels : NULL;
    const glim_kernels *kernels = glim__kernels_find(name);
    *out = NULL;
    if (!kernels)
        return glim_fail(err, GLIM_EUSAGE,
                         "kernels '%s' are unknown or not for this processor "
                         "(known: avx512, avx2, neon, blas, ref)",
                         name);
    glim_status status = glim__context_new(out, options, err);
    if (!status)
        glim__context_set_kernels(*out, kernels);
    return status;
}

const char *glim_context_kernels(const glim_context *ctx) {
    return glim__kernels(ctx)->name;
}
