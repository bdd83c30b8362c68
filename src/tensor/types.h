/* SPDX-License-Identifier: Apache-2.0 */
/*
 * types.h: element types as GGUF numbers them, and a tensor as it lies in a
 * mapped file. Weights are never copied or widened as a whole.
 */
#ifndef GLIM_TENSOR_TYPES_H
#define GLIM_TENSOR_TYPES_H

#include "base/context.h"

/* X(id, NAME, block length, block bytes, 1 if glim can compute with it) */
#define GLIM_TYPE_LIST(X)                                                                          \
    X(0, F32, 1, 4, 1)                                                                             \
    X(1, F16, 1, 2, 1)                                                                             \
    X(2, Q4_0, 32, 18, 1)                                                                          \
    X(3, Q4_1, 32, 20, 1)                                                                          \
    X(6, Q5_0, 32, 22, 1)                                                                          \
    X(7, Q5_1, 32, 24, 1)                                                                          \
    X(8, Q8_0, 32, 34, 1)                                                                          \
    X(9, Q8_1, 32, 36, 0)                                                                          \
    X(10, Q2_K, 256, 84, 1)                                                                        \
    X(11, Q3_K, 256, 110, 1)                                                                       \
    X(12, Q4_K, 256, 144, 1)                                                                       \
    X(13, Q5_K, 256, 176, 1)                                                                       \
    X(14, Q6_K, 256, 210, 1)                                                                       \
    X(15, Q8_K, 256, 292, 0)                                                                       \
    X(16, IQ2_XXS, 256, 66, 0)                                                                     \
    X(17, IQ2_XS, 256, 74, 0)                                                                      \
    X(18, IQ3_XXS, 256, 98, 0)                                                                     \
    X(19, IQ1_S, 256, 50, 0)                                                                       \
    X(20, IQ4_NL, 32, 18, 1)                                                                       \
    X(21, IQ3_S, 256, 110, 0)                                                                      \
    X(22, IQ2_S, 256, 82, 0)                                                                       \
    X(23, IQ4_XS, 256, 136, 1)                                                                     \
    X(24, I8, 1, 1, 0)                                                                             \
    X(25, I16, 1, 2, 0)                                                                            \
    X(26, I32, 1, 4, 0)                                                                            \
    X(27, I64, 1, 8, 0)                                                                            \
    X(28, F64, 1, 8, 0)                                                                            \
    X(29, IQ1_M, 256, 56, 0)                                                                       \
    X(30, BF16, 1, 2, 1)                                                                           \
    X(34, TQ1_0, 256, 54, 0)                                                                       \
    X(35, TQ2_0, 256, 66, 0)                                                                       \
    X(39, MXFP4, 32, 17, 0)                                                                        \
    X(40, NVFP4, 64, 36, 0)                                                                        \
    X(41, Q1_0, 128, 18, 0)                                                                        \
    X(42, Q2_0, 64, 18, 0)

typedef enum glim_type {
#define GLIM_TYPE_ENUM(id, name, len, bytes, used) GLIM_TYPE_##name = (id),
    GLIM_TYPE_LIST(GLIM_TYPE_ENUM)
#undef GLIM_TYPE_ENUM
        GLIM_TYPE_COUNT = 43
} glim_type;

typedef struct glim_type_info {
    const char *name;     /* "Q4_K"; NULL for a removed or unknown id */
    uint16_t block_len;   /* elements in a block */
    uint16_t block_bytes; /* bytes of a block */
    bool computes;        /* glim has kernels for it */
} glim_type_info;

/* The row of a type id read from a file, or NULL when unknown or removed. */
const glim_type_info *glim__type_info(uint32_t id);

/* A tensor in a mapped file. dims[0] is the fastest (a row's length), as GGUF
   stores it: a matrix (rows, cols) has dims {cols, rows, 1, 1}. */
typedef struct glim_tensor {
    const char *name; /* borrowed from the file object */
    uint32_t type;    /* id as in the file; may be one that glim cannot use */
    int n_dims;
    uint64_t dims[4];
    uint64_t bytes;
    const void *data;
} glim_tensor;

/* A matrix as ops use it: rows x cols, row r of the op lies at stored row
   glim__matrix_row(m, r). `pair_rows` undoes the permutation that GGUF
   conversion applies to q and k of llama-like files: inside each head of
   pair_rows = D rows, op row s*D/2 + i is stored at row 2i + s; 0 = none.
   `first_row` selects a part of a fused tensor. With `group`, every `group` rows
   are a part of `group_stride` stored ones: q of a head in a tensor that is fused
   head by head. `turned`: stored as (cols, all rows), of a type without
   blocks; row_bytes is that of a stored row then, first_row a column of it. */
typedef struct glim_matrix {
    const void *data;
    glim_type type;
    int64_t rows, cols;
    size_t row_bytes;
    int pair_rows;
    int64_t first_row;
    int64_t group, group_stride;
    bool turned;
} glim_matrix;

static inline int64_t glim__matrix_row(const glim_matrix *m, int64_t r) {
    if (m->pair_rows) {
        int64_t d = m->pair_rows, h = r / d, j = r % d;
        r = h * d + (j < d / 2 ? 2 * j : 2 * (j - d / 2) + 1);
    }
    if (m->group)
        r = r / m->group * m->group_stride + r % m->group;
    return m->first_row + r;
}

/* Where a row lies; not for turned matrices. */
static inline const void *glim__matrix_row_data(const glim_matrix *m, int64_t r) {
    return (const char *)m->data + (size_t)glim__matrix_row(m, r) * m->row_bytes;
}

#endif
