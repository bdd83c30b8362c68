/* SPDX-License-Identifier: Apache-2.0 */
/* zlib with the context's memory, and base64 around it. */
#include "file/deflate.h"
#include "file/base64.h"

#include <limits.h>
#define ZLIB_CONST /* next_in points to const */
#include <zlib.h>

enum { LEVEL = 6, CHUNK = 3 << 13, RATIO = 1032 }; /* zlib's best: a run of one byte */

static void *take(void *ctx, uInt count, uInt size) {
    return glim__calloc(ctx, count, size);
}

static void give(void *ctx, void *p) {
    glim__free(ctx, p);
}

/* ---- packing ---- */

glim_status glim__deflate(glim_buffer *out, const void *data, size_t n, glim_error *err) {
    z_stream z = {.zalloc = take, .zfree = give, .opaque = out->ctx};
    uint8_t *chunk = glim__alloc(out->ctx, CHUNK);
    const uint8_t *at = data;
    bool made = chunk && deflateInit(&z, LEVEL) == Z_OK;
    int said = made ? Z_OK : Z_MEM_ERROR;
    z.next_out = chunk;
    z.avail_out = CHUNK;
    for (size_t left = n; said == Z_OK;) {
        if (!z.avail_in && left) {
            z.next_in = at;
            z.avail_in = left < INT_MAX ? (uInt)left : INT_MAX;
            at += z.avail_in;
            left -= z.avail_in;
        }
        said = deflate(&z, left ? Z_NO_FLUSH : Z_FINISH);
        if (!z.avail_out || said == Z_STREAM_END) {
            glim__base64_write(out, chunk, CHUNK - z.avail_out); /* whole threes until the end */
            z.next_out = chunk;
            z.avail_out = CHUNK;
        }
    }
    if (made)
        deflateEnd(&z);
    glim__free(out->ctx, chunk);
    return said == Z_STREAM_END && !out->failed ? GLIM_OK : glim__oom(out->ctx, err, "an array", n);
}

/* ---- unpacking ---- */

bool glim__inflate_fits(uint64_t size, size_t text) {
    return size / RATIO <= text;
}

glim_status glim__inflate(glim_context *ctx, void *out, size_t size, const char *text, size_t n,
                          const char *name, glim_error *err) {
    z_stream z = {.zalloc = take, .zfree = give, .opaque = ctx};
    uint8_t *chunk = glim__alloc(ctx, CHUNK), *to = out;
    bool made = chunk && inflateInit(&z) == Z_OK;
    int said = made ? Z_OK : Z_MEM_ERROR;
    size_t left = size;
    uint8_t beyond;
    for (size_t i = 0; said == Z_OK;) {
        if (!z.avail_in && i < n) {
            size_t letters = n - i < CHUNK / 3 * 4 ? n - i : CHUNK / 3 * 4;
            size_t len = glim__base64(text + i, letters, (char *)chunk);
            if (len == SIZE_MAX)
                break;
            i += letters;
            z.next_in = chunk;
            z.avail_in = (uInt)len;
        }
        uInt room = left < INT_MAX ? (uInt)left : INT_MAX;
        z.next_out = room ? to : &beyond;
        z.avail_out = room ? room : 1;
        said = inflate(&z, Z_NO_FLUSH);
        if (!room && !z.avail_out)
            said = Z_DATA_ERROR; /* more than there should be */
        to += room - (room ? z.avail_out : 0);
        left -= room - (room ? z.avail_out : 0);
    }
    if (made)
        inflateEnd(&z);
    glim__free(ctx, chunk);
    if (said == Z_MEM_ERROR)
        return glim__oom(ctx, err, "an array", size);
    if (said != Z_STREAM_END || left)
        return glim_fail(err, GLIM_EFORMAT, "%s: a packed array is damaged", name);
    return GLIM_OK;
}
