/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The specification of unpacking: packed blocks to floats in plain loops, for
 * every type that glim computes with. Layouts: ggml (ggml-common.h,
 * ggml-quants.c). Contraction of multiply and add is off here and in the vector
 * sets (dequantise-vector.inc), so that all give the bits of the gguf package.
 */
#include "tensor/dequantise.h"

#include <string.h>

static inline float half_at(const uint8_t *p) {
    uint16_t h;
    memcpy(&h, p, 2);
    return glim__half_to_float(h);
}

static void dequantise_f32(const void *blocks, float *out, size_t n) {
    memcpy(out, blocks, n * sizeof *out);
}

static void dequantise_f16(const void *blocks, float *out, size_t n) {
    const uint8_t *p = blocks;
    for (size_t i = 0; i < n; i++) {
        uint16_t h;
        memcpy(&h, p + 2 * i, 2);
        out[i] = glim__half_to_float(h);
    }
}

static void dequantise_bf16(const void *blocks, float *out, size_t n) {
    const uint8_t *p = blocks;
    for (size_t i = 0; i < n; i++) {
        uint16_t h;
        memcpy(&h, p + 2 * i, 2);
        uint32_t bits = (uint32_t)h << 16;
        memcpy(out + i, &bits, 4);
    }
}

static void dequantise_q4_0(const void *blocks, float *out, size_t n) {
    const uint8_t *p = blocks;
    for (size_t b = 0; b < n / 32; b++, p += 18, out += 32) {
        float d = half_at(p);
        for (int i = 0; i < 16; i++) {
            out[i] = (float)((p[2 + i] & 15) - 8) * d;
            out[i + 16] = (float)((p[2 + i] >> 4) - 8) * d;
        }
    }
}

static void dequantise_q4_1(const void *blocks, float *out, size_t n) {
    const uint8_t *p = blocks;
    for (size_t b = 0; b < n / 32; b++, p += 20, out += 32) {
        float d = half_at(p), m = half_at(p + 2);
        for (int i = 0; i < 16; i++) {
            out[i] = (float)(p[4 + i] & 15) * d + m;
            out[i + 16] = (float)(p[4 + i] >> 4) * d + m;
        }
    }
}

static void dequantise_q5_0(const void *blocks, float *out, size_t n) {
    const uint8_t *p = blocks;
    for (size_t b = 0; b < n / 32; b++, p += 22, out += 32) {
        float d = half_at(p);
        uint32_t high;
        memcpy(&high, p + 2, 4);
        for (int i = 0; i < 16; i++) {
            out[i] = (float)((int)((p[6 + i] & 15u) | (high >> i & 1) << 4) - 16) * d;
            out[i + 16] = (float)((int)((p[6 + i] >> 4) | (high >> (i + 16) & 1) << 4) - 16) * d;
        }
    }
}

static void dequantise_q5_1(const void *blocks, float *out, size_t n) {
    const uint8_t *p = blocks;
    for (size_t b = 0; b < n / 32; b++, p += 24, out += 32) {
        float d = half_at(p), m = half_at(p + 2);
        uint32_t high;
        memcpy(&high, p + 4, 4);
        for (int i = 0; i < 16; i++) {
            out[i] = (float)(int)((p[8 + i] & 15u) | (high >> i & 1) << 4) * d + m;
            out[i + 16] = (float)(int)((p[8 + i] >> 4) | (high >> (i + 16) & 1) << 4) * d + m;
        }
    }
}

static void dequantise_q8_0(const void *blocks, float *out, size_t n) {
    const uint8_t *p = blocks;
    for (size_t b = 0; b < n / 32; b++, p += 34, out += 32) {
        float d = half_at(p);
        const int8_t *q = (const int8_t *)p + 2;
        for (int i = 0; i < 32; i++)
            out[i] = (float)q[i] * d;
    }
}

static void dequantise_q2_k(const void *blocks, float *out, size_t n) {
    const uint8_t *p = blocks;
    for (size_t b = 0; b < n / 256; b++, p += 84, out += 256) {
        float d = half_at(p + 80), dmin = half_at(p + 82);
        for (int g = 0; g < 16; g++) {
            const uint8_t *q = p + 16 + 32 * (g / 8) + 16 * (g % 2);
            int shift = 2 * (g % 8 / 2);
            float scale = d * (float)(p[g] & 15), low = dmin * (float)(p[g] >> 4);
            for (int i = 0; i < 16; i++)
                out[16 * g + i] = scale * (float)(q[i] >> shift & 3) - low;
        }
    }
}

static void dequantise_q3_k(const void *blocks, float *out, size_t n) {
    const uint8_t *p = blocks;
    for (size_t b = 0; b < n / 256; b++, p += 110, out += 256) {
        float d = half_at(p + 108);
        const uint8_t *sc = p + 96;
        for (int g = 0; g < 16; g++) {
            int low = g < 8 ? sc[g] & 15 : sc[g - 8] >> 4;
            int s = (low | (sc[8 + g % 4] >> 2 * (g / 4) & 3) << 4) - 32;
            const uint8_t *q = p + 32 + 32 * (g / 8) + 16 * (g % 2), *mask = p + 16 * (g % 2);
            int shift = 2 * (g % 8 / 2), bit = g / 2;
            float scale = d * (float)s;
            for (int i = 0; i < 16; i++)
                out[16 * g + i] =
                    scale * (float)((q[i] >> shift & 3) - ((mask[i] >> bit & 1) ? 0 : 4));
        }
    }
}

/* 6-bit scale and minimum of sub-block b of Q4_K and Q5_K. */
static inline void scale_min(const uint8_t *sc, int b, int *s, int *m) {
    if (b < 4) {
        *s = sc[b] & 63;
        *m = sc[b + 4] & 63;
    } else {
        *s = (sc[b + 4] & 15) | (sc[b - 4] >> 6) << 4;
        *m = (sc[b + 4] >> 4) | (sc[b] >> 6) << 4;
    }
}

static void dequantise_q4_k(const void *blocks, float *out, size_t n) {
    const uint8_t *p = blocks;
    for (size_t b = 0; b < n / 256; b++, p += 144, out += 256) {
        float d = half_at(p), dmin = half_at(p + 2);
        for (int g = 0; g < 4; g++) {
            const uint8_t *q = p + 16 + 32 * g;
            int s0, m0, s1, m1;
            scale_min(p + 4, 2 * g, &s0, &m0);
            scale_min(p + 4, 2 * g + 1, &s1, &m1);
            float a = d * (float)s0, u = dmin * (float)m0, c = d * (float)s1, v = dmin * (float)m1;
            for (int i = 0; i < 32; i++) {
                out[64 * g + i] = a * (float)(q[i] & 15) - u;
                out[64 * g + 32 + i] = c * (float)(q[i] >> 4) - v;
            }
        }
    }
}

static void dequantise_q5_k(const void *blocks, float *out, size_t n) {
    const uint8_t *p = blocks;
    for (size_t b = 0; b < n / 256; b++, p += 176, out += 256) {
        float d = half_at(p), dmin = half_at(p + 2);
        const uint8_t *high = p + 16;
        for (int g = 0; g < 4; g++) {
            const uint8_t *q = p + 48 + 32 * g;
            int s0, m0, s1, m1;
            scale_min(p + 4, 2 * g, &s0, &m0);
            scale_min(p + 4, 2 * g + 1, &s1, &m1);
            float a = d * (float)s0, u = dmin * (float)m0, c = d * (float)s1, v = dmin * (float)m1;
            for (int i = 0; i < 32; i++) {
                out[64 * g + i] = a * (float)((q[i] & 15) | (high[i] >> 2 * g & 1) << 4) - u;
                out[64 * g + 32 + i] =
                    c * (float)((q[i] >> 4) | (high[i] >> (2 * g + 1) & 1) << 4) - v;
            }
        }
    }
}

static void dequantise_q6_k(const void *blocks, float *out, size_t n) {
    const uint8_t *p = blocks;
    for (size_t b = 0; b < n / 256; b++, p += 210, out += 256) {
        float d = half_at(p + 208);
        const int8_t *sc = (const int8_t *)p + 192;
        for (int g = 0; g < 16; g++) {
            int half = g / 8, k = g % 8 / 2;
            const uint8_t *low = p + 64 * half + 32 * (k & 1) + 16 * (g % 2);
            const uint8_t *high = p + 128 + 32 * half + 16 * (g % 2);
            int nibble = 4 * (k >> 1);
            float scale = d * (float)sc[g];
            for (int i = 0; i < 16; i++)
                out[16 * g + i] =
                    scale * (float)(((low[i] >> nibble & 15) | (high[i] >> 2 * k & 3) << 4) - 32);
        }
    }
}

static const float codebook[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                   1,    13,   25,  38,  53,  69,  89,  113};

static void dequantise_iq4_nl(const void *blocks, float *out, size_t n) {
    const uint8_t *p = blocks;
    for (size_t b = 0; b < n / 32; b++, p += 18, out += 32) {
        float d = half_at(p);
        for (int i = 0; i < 16; i++) {
            out[i] = d * codebook[p[2 + i] & 15];
            out[i + 16] = d * codebook[p[2 + i] >> 4];
        }
    }
}

static void dequantise_iq4_xs(const void *blocks, float *out, size_t n) {
    const uint8_t *p = blocks;
    for (size_t b = 0; b < n / 256; b++, p += 136, out += 256) {
        float d = half_at(p);
        uint16_t high;
        memcpy(&high, p + 2, 2);
        for (int g = 0; g < 8; g++) {
            int low = p[4 + g / 2] >> 4 * (g % 2) & 15;
            float scale = d * (float)((low | (high >> 2 * g & 3) << 4) - 32);
            const uint8_t *q = p + 8 + 16 * g;
            for (int i = 0; i < 16; i++) {
                out[32 * g + i] = scale * codebook[q[i] & 15];
                out[32 * g + 16 + i] = scale * codebook[q[i] >> 4];
            }
        }
    }
}

glim_dequantise_fn *const glim__dequantise_ref[GLIM_TYPE_COUNT] = {
    [GLIM_TYPE_F32] = dequantise_f32,       [GLIM_TYPE_F16] = dequantise_f16,
    [GLIM_TYPE_BF16] = dequantise_bf16,     [GLIM_TYPE_Q4_0] = dequantise_q4_0,
    [GLIM_TYPE_Q4_1] = dequantise_q4_1,     [GLIM_TYPE_Q5_0] = dequantise_q5_0,
    [GLIM_TYPE_Q5_1] = dequantise_q5_1,     [GLIM_TYPE_Q8_0] = dequantise_q8_0,
    [GLIM_TYPE_Q2_K] = dequantise_q2_k,     [GLIM_TYPE_Q3_K] = dequantise_q3_k,
    [GLIM_TYPE_Q4_K] = dequantise_q4_k,     [GLIM_TYPE_Q5_K] = dequantise_q5_k,
    [GLIM_TYPE_Q6_K] = dequantise_q6_k,     [GLIM_TYPE_IQ4_NL] = dequantise_iq4_nl,
    [GLIM_TYPE_IQ4_XS] = dequantise_iq4_xs,
};
