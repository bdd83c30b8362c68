/* SPDX-License-Identifier: Apache-2.0 */
/* dequantise.h: the tables of unpacking functions, one an instruction set. */
#ifndef GLIM_TENSOR_DEQUANTISE_H
#define GLIM_TENSOR_DEQUANTISE_H

#include "tensor/types.h"

#include <math.h>
#include <string.h>

typedef void glim_dequantise_fn(const void *blocks, float *out, size_t n);

extern glim_dequantise_fn *const glim__dequantise_ref[GLIM_TYPE_COUNT];
extern glim_dequantise_fn *const glim__dequantise_avx2[GLIM_TYPE_COUNT];
extern glim_dequantise_fn *const glim__dequantise_avx512[GLIM_TYPE_COUNT];
extern glim_dequantise_fn *const glim__dequantise_neon[GLIM_TYPE_COUNT];

/* IEEE half to float, subnormals, infinities and NaN included. */
static inline float glim__half_to_float(uint16_t h) {
#if defined(__F16C__)
    return (float)__builtin_ia32_vcvtph2ps((__attribute__((vector_size(16))) short){(short)h})[0];
#else
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, rest = h & 0x7fff, bits;
    float f;
    if (rest >= 0x7c00) {
        bits = sign | 0x7f800000 | (rest & 0x3ff) << 13;
    } else if (rest >= 0x400) {
        bits = sign | ((rest << 13) + 0x38000000);
    } else {
        f = (float)rest * 0x1p-24f;
        memcpy(&bits, &f, 4);
        bits |= sign;
    }
    memcpy(&f, &bits, 4);
    return f;
#endif
}

/* IEEE half of x; infinity for what is too large. */
static inline uint16_t glim__float_to_half(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    uint32_t sign = bits >> 16 & 0x8000, size = bits & 0x7fffffff;
    if (size >= 0x47800000) /* 65536 */
        return (uint16_t)(sign | (size > 0x7f800000 ? 0x7e00 : 0x7c00));
    if (size < 0x38800000) { /* subnormal halves: multiples of 2^-24 */
        float scaled = fabsf(x) * 0x1p24f;
        return (uint16_t)(sign | (uint32_t)lrintf(scaled));
    }
    uint32_t rest = size - 0x38000000, half = rest >> 13, low = rest & 0x1fff;
    half += low > 0x1000 || (low == 0x1000 && (half & 1));
    return (uint16_t)(sign | half);
}

#endif
