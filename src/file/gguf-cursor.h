/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gguf-cursor.h: a place in a mapped GGUF file that knows the end of the file
 * and, for messages, the table entry that it is in; for the gguf files alone.
 * Reads fail instead of passing the end, and then name the byte, the entry and
 * what was expected.
 */
#ifndef GLIM_FILE_GGUF_CURSOR_H
#define GLIM_FILE_GGUF_CURSOR_H

#include "file/gguf.h"

#include <string.h>

enum { GLIM_GGUF_MAX_STRING = 1 << 30, GLIM_GGUF_MAX_NAME = 64 };

typedef struct glim_gguf_cursor {
    const unsigned char *data;
    uint64_t size, at;
    const char *table; /* "key", "tensor", or NULL in the header */
    uint64_t index, count;
    glim_gguf_string entry; /* its name once known */
    const char *path;
    glim_error *err;
} glim_gguf_cursor;

/* Fails with "'FILE': byte AT: key 3 of 20: ..."; a known name stands in place
   of the number. */
glim_status glim__gguf_bad(const glim_gguf_cursor *c, uint64_t at, glim_status status,
                           const char *format, ...) GLIM_PRINTF(4, 5);
glim_status glim__gguf_cut_off(const glim_gguf_cursor *c, uint64_t needed, const char *what);

glim_status glim__gguf_read_u32(glim_gguf_cursor *c, uint32_t *out, const char *what);
glim_status glim__gguf_read_u64(glim_gguf_cursor *c, uint64_t *out, const char *what);
glim_status glim__gguf_read_string(glim_gguf_cursor *c, glim_gguf_string *out, const char *what);

/* Numbers in the file are little-endian and lie at any address. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are read as they lie");

static inline uint32_t glim__gguf_load_u32(const void *p) {
    uint32_t x;
    memcpy(&x, p, sizeof x);
    return x;
}

static inline uint64_t glim__gguf_load_u64(const void *p) {
    uint64_t x;
    memcpy(&x, p, sizeof x);
    return x;
}

#endif
