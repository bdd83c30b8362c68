/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buffer.c: bytes that grow by doubling. The failure is sticky, so that a
 * writer of some hundred pieces checks once, at the end. Whole files are read
 * into a buffer too, since pipes do not tell their size.
 */
#include "base/buffer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void glim__buffer_init(glim_buffer *b, glim_context *ctx) {
    *b = (glim_buffer){.ctx = ctx};
}

void glim__buffer_release(glim_buffer *b) {
    glim__free(b->ctx, b->data);
    *b = (glim_buffer){.ctx = b->ctx};
}

void glim__buffer_clear(glim_buffer *b) {
    b->len = 0;
    b->failed = false;
    if (b->data)
        b->data[0] = '\0';
}

/* Room for n more bytes and the NUL. */
static bool grow(glim_buffer *b, size_t n) {
    if (b->failed)
        return false;
    if (b->data && n < b->cap - b->len)
        return true;
    size_t need, cap = b->cap < 64 ? 64 : b->cap;
    if (__builtin_add_overflow(b->len, n, &need) || need >= SIZE_MAX / 2) {
        b->failed = true;
        return false;
    }
    while (cap <= need)
        cap *= 2;
    char *data = glim__realloc(b->ctx, b->data, cap);
    if (!data) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->cap = cap;
    return true;
}

void glim__buffer_append(glim_buffer *b, const void *data, size_t n) {
    if (!grow(b, n))
        return;
    if (n)
        memcpy(b->data + b->len, data, n);
    b->len += n;
    b->data[b->len] = '\0';
}

void glim__buffer_puts(glim_buffer *b, const char *s) {
    glim__buffer_append(b, s, strlen(s));
}

void glim__buffer_putc(glim_buffer *b, char c) {
    glim__buffer_append(b, &c, 1);
}

void glim__buffer_printf(glim_buffer *b, const char *format, ...) {
    if (!grow(b, 0))
        return;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(b->data + b->len, b->cap - b->len, format, args);
    va_end(args);
    if (n >= 0 && (size_t)n >= b->cap - b->len) {
        b->data[b->len] = '\0';
        if (!grow(b, (size_t)n))
            return;
        va_start(args, format);
        n = vsnprintf(b->data + b->len, b->cap - b->len, format, args);
        va_end(args);
    }
    if (n < 0) {
        b->data[b->len] = '\0';
        b->failed = true;
        return;
    }
    b->len += (size_t)n;
}

static glim_status cannot_read(glim_error *err, const char *name, int code) {
    return glim_fail(err, GLIM_EIO, "cannot read '%s': %s", name, strerror(code));
}

static glim_status too_long(glim_error *err, const char *name, size_t limit) {
    char text[24];
    return glim_fail(err, GLIM_ELIMIT, "'%s' is longer than %s, the most that is read here", name,
                     glim__size_text(limit, text));
}

/* Reads until the end; asks for one byte more than the limit to see it passed. */
static glim_status read_all(glim_buffer *out, int fd, const char *name, size_t limit, size_t hint,
                            glim_error *err) {
    size_t before = out->len;
    for (;;) {
        size_t got = out->len - before;
        size_t want = hint > got ? hint - got + 1 : 65536;
        if (!grow(out, want))
            return glim__oom(out->ctx, err, name, want);
        ssize_t n = read(fd, out->data + out->len, want);
        if (n < 0 && errno == EINTR) {
            glim_status status = glim__check_cancel(out->ctx, err);
            if (status)
                return status;
            continue;
        }
        if (n < 0)
            return cannot_read(err, name, errno);
        out->len += (size_t)n;
        out->data[out->len] = '\0';
        if (out->len - before > limit)
            return too_long(err, name, limit);
        if (n == 0)
            return GLIM_OK;
    }
}

glim_status glim__file_read(glim_buffer *out, const char *path, size_t limit, glim_error *err) {
    bool is_stdin = strcmp(path, "-") == 0;
    const char *name = is_stdin ? "standard input" : path;
    int fd;
    do /* opening a named pipe waits for its writer */
        fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    while (fd < 0 && errno == EINTR && !glim_context_cancelled(out->ctx));
    if (fd < 0 && errno == EINTR)
        return glim__check_cancel(out->ctx, err);
    if (fd < 0)
        return cannot_read(err, name, errno);
    struct stat st;
    glim_status status;
    if (fstat(fd, &st) != 0)
        status = cannot_read(err, name, errno);
    else if (S_ISREG(st.st_mode) && st.st_size > 0 && (uint64_t)st.st_size > limit)
        status = too_long(err, name, limit);
    else
        status = read_all(out, fd, name, limit, S_ISREG(st.st_mode) ? (size_t)st.st_size : 0, err);
    if (!is_stdin)
        close(fd);
    return status;
}
