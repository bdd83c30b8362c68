/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gguf-cursor.c: the few reads that all tables are made of, and their errors.
 * No length is believed before it is compared with the bytes that are left.
 * Of a long path a message shows the end, where the names differ.
 */
#include "file/gguf-cursor.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

enum { MAX_SHOWN_PATH = 160 };

glim_status glim__gguf_bad(const glim_gguf_cursor *c, uint64_t at, glim_status status,
                           const char *format, ...) {
    if (!c->err)
        return status;
    char text[300], where[128] = "";
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    int n = c->entry.len < GLIM_GGUF_MAX_NAME ? (int)c->entry.len : GLIM_GGUF_MAX_NAME;
    if (c->table && n)
        snprintf(where, sizeof where, "%s '%.*s': ", c->table, n, c->entry.data);
    else if (c->table)
        snprintf(where, sizeof where, "%s %" PRIu64 " of %" PRIu64 ": ", c->table, c->index + 1,
                 c->count);
    size_t len = strlen(c->path);
    bool cut = len > MAX_SHOWN_PATH;
    return glim_fail(c->err, status, "'%s%s': byte %" PRIu64 ": %s%s", cut ? "..." : "",
                     cut ? c->path + len - MAX_SHOWN_PATH : c->path, at, where, text);
}

glim_status glim__gguf_cut_off(const glim_gguf_cursor *c, uint64_t needed, const char *what) {
    return glim__gguf_bad(c, c->at, GLIM_EFORMAT,
                          "%s needs %" PRIu64 " bytes, but %" PRIu64
                          " are left in the file (truncated or damaged)",
                          what, needed, c->size - c->at);
}

glim_status glim__gguf_read_u32(glim_gguf_cursor *c, uint32_t *out, const char *what) {
    *out = 0;
    if (c->size - c->at < 4)
        return glim__gguf_cut_off(c, 4, what);
    *out = glim__gguf_load_u32(c->data + c->at);
    c->at += 4;
    return GLIM_OK;
}

glim_status glim__gguf_read_u64(glim_gguf_cursor *c, uint64_t *out, const char *what) {
    *out = 0;
    if (c->size - c->at < 8)
        return glim__gguf_cut_off(c, 8, what);
    *out = glim__gguf_load_u64(c->data + c->at);
    c->at += 8;
    return GLIM_OK;
}

glim_status glim__gguf_read_string(glim_gguf_cursor *c, glim_gguf_string *out, const char *what) {
    uint64_t n, start = c->at;
    glim_status status = glim__gguf_read_u64(c, &n, what);
    if (status != GLIM_OK)
        return status;
    if (n > GLIM_GGUF_MAX_STRING)
        return glim__gguf_bad(c, start, GLIM_EFORMAT,
                              "%s is %" PRIu64 " bytes long; at most %d are allowed", what, n,
                              (int)GLIM_GGUF_MAX_STRING);
    if (n > c->size - c->at)
        return glim__gguf_cut_off(c, n, what);
    *out = (glim_gguf_string){(const char *)c->data + c->at, (size_t)n};
    c->at += n;
    return GLIM_OK;
}
