/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tensor-testing.h: what the tests of the floor tensor share: contexts for each
 * kernel set, repeatable random floats, and packed matrices of every type with
 * finite scales, beside their floats as the reference set unpacks them.
 *
 * Products are compared in double with a bound that scales with the sum of the
 * absolute products, so that cancellation needs no generous tolerance.
 */
#ifndef GLIM_TESTS_TENSOR_TESTING_H
#define GLIM_TESTS_TENSOR_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tensor/dequantise.h"
#include "tensor/linear.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* For each kernel set of this build and processor. */
#define FOR_EACH_SET(k)                                                                            \
    for (size_t set_ = 0; set_ < 8; set_++)                                                        \
        for (const glim_kernels *k = glim__kernels_at(set_); k; k = NULL)

/* For each type that glim computes with. */
#define FOR_EACH_TYPE(id, info)                                                                    \
    for (uint32_t id = 0; id < GLIM_TYPE_COUNT; id++)                                              \
        for (const glim_type_info *info = glim__type_info(id); info && info->computes; info = NULL)

static inline uint32_t random_bits(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 32);
}

/* Uniform in [-1, 1). */
static inline float random_float(uint64_t *state) {
    return (float)(int32_t)random_bits(state) * 0x1p-31f;
}

static inline float *random_floats(size_t n, uint64_t seed) {
    float *x = aligned_alloc(64, (n * sizeof *x + 191) / 64 * 64);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++)
        x[i] = random_float(&seed);
    return x;
}

static inline glim_context *make_context(const glim_kernels *kernels, int threads) {
    glim_context *ctx;
    glim_error err;
    glim_context_options options = {.threads = threads, .kernels = kernels->name};
    assert_int_equal(glim_context_new(&ctx, &options, &err), GLIM_OK);
    return ctx;
}

typedef struct packed {
    glim_matrix m;
    uint8_t *data;
    float *floats; /* (rows, cols) in the order of the op's rows */
} packed;

/* Where a block's half-precision fields lie, -1 at the end (ggml-common.h). */
static inline const int *half_fields(glim_type type) {
    static const int first[] = {0, -1}, pair[] = {0, 2, -1}, q2[] = {80, 82, -1}, q3[] = {108, -1},
                     q6[] = {208, -1};
    switch (type) {
    case GLIM_TYPE_Q4_1:
    case GLIM_TYPE_Q5_1:
    case GLIM_TYPE_Q4_K:
    case GLIM_TYPE_Q5_K:
        return pair;
    case GLIM_TYPE_Q2_K:
        return q2;
    case GLIM_TYPE_Q3_K:
        return q3;
    case GLIM_TYPE_Q6_K:
        return q6;
    default:
        return first;
    }
}

static inline void random_blocks(glim_type type, uint8_t *out, size_t count, uint64_t *seed) {
    const glim_type_info *info = glim__type_info(type);
    for (size_t b = 0; b < count; b++, out += info->block_bytes) {
        float f = random_float(seed);
        uint16_t high = (uint16_t)(random_bits(seed) & 0x83ff) | 13 << 10;
        if (type == GLIM_TYPE_F32) {
            memcpy(out, &f, 4);
        } else if (type == GLIM_TYPE_BF16) {
            memcpy(out, (char *)&f + 2, 2);
        } else if (type == GLIM_TYPE_F16) {
            memcpy(out, &high, 2);
        } else {
            for (int i = 0; i < info->block_bytes; i++)
                out[i] = (uint8_t)random_bits(seed);
            for (const int *at = half_fields(type); *at >= 0; at++) {
                high = (uint16_t)((random_bits(seed) & 0x83ff) | 6 << 10);
                memcpy(out + *at, &high, 2);
            }
        }
    }
}

/* rows x cols of `stored` rows; cols a multiple of the block length. */
static inline packed make_packed(glim_type type, int64_t rows, int64_t cols, int pair_rows,
                                 int64_t first_row) {
    const glim_type_info *info = glim__type_info(type);
    uint64_t seed = (uint64_t)type * 1000003u + (uint64_t)(rows * 31 + cols);
    size_t blocks = (size_t)cols / info->block_len, stored = (size_t)(rows + first_row);
    packed p = {.m = {.type = type,
                      .rows = rows,
                      .cols = cols,
                      .row_bytes = blocks * info->block_bytes,
                      .pair_rows = pair_rows,
                      .first_row = first_row}};
    p.m.data = p.data = malloc(stored * p.m.row_bytes);
    p.floats = malloc((size_t)(rows * cols) * sizeof *p.floats);
    assert_true(p.data && p.floats);
    random_blocks(type, p.data, stored * blocks, &seed);
    for (int64_t r = 0; r < rows; r++)
        glim__dequantise_ref[type](glim__matrix_row_data(&p.m, r), p.floats + r * cols,
                                   (size_t)cols);
    return p;
}

static inline void free_packed(packed *p) {
    free(p->data);
    free(p->floats);
}

/* got is near the sum, whose terms' absolute values add up to `size`. */
static inline void assert_near(double got, double sum, double size, const char *what) {
    if (!(fabs(got - sum) <= 2e-6 * size + 1e-30))
        fail_msg("%s: %.9g, expected %.9g (terms add up to %.3g)", what, got, sum, size);
}

static inline void assert_same_bits(const float *a, const float *b, size_t n, const char *what) {
    for (size_t i = 0; i < n; i++)
        if (memcmp(a + i, b + i, sizeof *a))
            fail_msg("%s: element %zu is %.9g (%a), expected %.9g (%a)", what, i, a[i], a[i], b[i],
                     b[i]);
}

#endif
