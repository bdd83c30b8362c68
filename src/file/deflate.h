/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deflate.h: long arrays inside JSON. Bytes are compressed as zlib does (RFC 1950, which
 * browsers unpack by themselves) and written in base64, which no JSON or HTML can mistake.
 */
#ifndef GLIM_FILE_DEFLATE_H
#define GLIM_FILE_DEFLATE_H

#include "base/buffer.h"

/* Appends base64 of the n bytes, compressed. Errors: ENOMEM, EBUDGET. */
glim_status glim__deflate(glim_buffer *out, const void *data, size_t n, glim_error *err);
/* Fills exactly `size` bytes of `out` from such a text. Errors: EFORMAT (damaged, or of another
   length), ENOMEM, EBUDGET. `name` is for messages. */
glim_status glim__inflate(glim_context *ctx, void *out, size_t size, const char *text, size_t n,
                          const char *name, glim_error *err);
/* Whether so short a text can hold so many bytes at all: asked before room is made for them. */
bool glim__inflate_fits(uint64_t size, size_t text);

#endif
