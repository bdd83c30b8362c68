/* SPDX-License-Identifier: Apache-2.0 */
/* Which kernel sets this processor can run, and making a context with one. */
#include "tensor/kernels.h"

#include <string.h>

extern const glim_kernels glim__kernels_blas, glim__kernels_avx2, glim__kernels_avx512,
    glim__kernels_neon;

static bool can_run(const char *name) {
#if defined(__x86_64__)
    if (!strcmp(name, "avx512"))
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("fma");
    if (!strcmp(name, "avx2"))
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
    return true;
}

static const glim_kernels *const all[] = {
#if defined(__x86_64__)
    &glim__kernels_avx512,
    &glim__kernels_avx2,
#elif defined(__aarch64__)
    &glim__kernels_neon,
#endif
#ifdef GLIM_WITH_OPENBLAS
    &glim__kernels_blas,
#endif
    &glim__kernels_ref,
};

const glim_kernels *glim__kernels_at(size_t i) {
    for (size_t k = 0; k < sizeof all / sizeof *all; k++)
        if (can_run(all[k]->name) && !i--)
            return all[k];
    return NULL;
}

const glim_kernels *glim__kernels_find(const char *name) {
    const glim_kernels *k;
    for (size_t i = 0; (k = glim__kernels_at(i)); i++)
        if (!name || !strcmp(name, k->name))
            return k;
    return NULL;
}
