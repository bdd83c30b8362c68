/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buffer.h: a growing run of bytes with a sticky failure, for text that is
 * built piece by piece (JSON, HTML, terminal lines). Always NUL-terminated
 * after the last byte; the NUL is not counted in `len`.
 */
#ifndef GLIM_BASE_BUFFER_H
#define GLIM_BASE_BUFFER_H

#include "base/context.h"

typedef struct glim_buffer {
    glim_context *ctx;
    char *data;
    size_t len, cap;
    bool failed; /* an allocation was refused: later appends do nothing */
} glim_buffer;

void glim__buffer_init(glim_buffer *b, glim_context *ctx);
void glim__buffer_release(glim_buffer *b);
void glim__buffer_clear(glim_buffer *b);
void glim__buffer_append(glim_buffer *b, const void *data, size_t n);
void glim__buffer_puts(glim_buffer *b, const char *s);
void glim__buffer_putc(glim_buffer *b, char c);
void glim__buffer_printf(glim_buffer *b, const char *format, ...) GLIM_PRINTF(2, 3);

/* Writes the bytes to a temporary name beside `path`, then renames it, so that
   a reader sees the old file or the whole new one, and a full disk leaves no
   half-written file. "-" is standard output. Errors: EIO. */
glim_status glim__file_write(const char *path, const void *data, size_t n, glim_error *err);
/* Reads a whole file ("-" = standard input) of at most `limit` bytes.
   Errors: EIO, ELIMIT, ENOMEM. */
glim_status glim__file_read(glim_buffer *out, const char *path, size_t limit, glim_error *err);

#endif
