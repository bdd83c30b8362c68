/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gguf-builder.h: GGUF files byte by byte, right or wrong, for tests. Nothing
 * is checked and the counts in the header are the caller's.
 */
#ifndef GLIM_TESTS_GGUF_BUILDER_H
#define GLIM_TESTS_GGUF_BUILDER_H

#include "file/gguf.h"

#include <stdio.h>
#include <string.h>

typedef struct builder {
    unsigned char at[32768];
    size_t n;
} builder;

static inline void put(builder *b, const void *data, size_t n) {
    memcpy(b->at + b->n, data, n);
    b->n += n;
}

static inline void put_u32(builder *b, uint32_t x) {
    put(b, &x, 4);
}

static inline void put_u64(builder *b, uint64_t x) {
    put(b, &x, 8);
}

static inline void put_string(builder *b, const char *s) {
    put_u64(b, strlen(s));
    put(b, s, strlen(s));
}

static inline void put_header(builder *b, uint32_t version, uint64_t n_tensors, uint64_t n_values) {
    b->n = 0;
    put(b, "GGUF", 4);
    put_u32(b, version);
    put_u64(b, n_tensors);
    put_u64(b, n_values);
}

static inline void put_key(builder *b, const char *key, glim_gguf_type type) {
    put_string(b, key);
    put_u32(b, type);
}

static inline void put_array(builder *b, const char *key, glim_gguf_type element, uint64_t n) {
    put_key(b, key, GLIM_GGUF_ARRAY);
    put_u32(b, element);
    put_u64(b, n);
}

static inline void put_key_u32(builder *b, const char *key, uint32_t x) {
    put_key(b, key, GLIM_GGUF_U32);
    put_u32(b, x);
}

static inline void put_key_u16(builder *b, const char *key, uint16_t x) {
    put_key(b, key, GLIM_GGUF_U16);
    put(b, &x, 2);
}

static inline void put_key_string(builder *b, const char *key, const char *s) {
    put_key(b, key, GLIM_GGUF_STRING);
    put_string(b, s);
}

/* A row of the tensor table with two dimensions, or one when rows is 0. */
static inline void put_tensor(builder *b, const char *name, uint32_t type, uint64_t cols,
                              uint64_t rows, uint64_t offset) {
    put_string(b, name);
    put_u32(b, rows ? 2 : 1);
    put_u64(b, cols);
    if (rows)
        put_u64(b, rows);
    put_u32(b, type);
    put_u64(b, offset);
}

/* Zeros up to a multiple of the alignment. */
static inline void pad(builder *b, size_t alignment) {
    while (b->n % alignment)
        b->at[b->n++] = 0;
}

/* n bytes of tensor data: 1, 2, 3, ... */
static inline void put_data(builder *b, size_t n) {
    for (size_t i = 0; i < n; i++)
        b->at[b->n++] = (unsigned char)(i + 1);
}

static inline void save(const builder *b, const char *path) {
    FILE *f = fopen(path, "wb");
    fwrite(b->at, 1, b->n, f);
    fclose(f);
}

#endif
