/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table of numbers as NumPy writes it: format 1 to 3, two dimensions (one: a column), C order,
 * little-endian floats, doubles or integers. The header is a Python literal; only what NumPy's
 * own writer makes of it is understood.
 */
#include "file/npy-read.h"

#include "base/buffer.h"
#include "tensor/types.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PREAMBLE = 10 };

static glim_status bad(const char *path, const char *why, glim_error *err) {
    return glim_fail(err, GLIM_EFORMAT, "'%.300s': %s", path, why);
}

static const char *value_of(const char *header, const char *key) {
    const char *at = strstr(header, key);
    at = at ? strchr(at, ':') : NULL;
    for (at = at ? at + 1 : NULL; at && *at == ' ';)
        at++;
    return at;
}

static glim_status read_shape(const char *at, size_t dims[2], const char *path, glim_error *err) {
    int n = 0;
    dims[0] = dims[1] = 1;
    if (!at || *at != '(')
        return bad(path, "the header has no shape", err);
    for (at++; *at && *at != ')';) {
        char *end;
        if (!isdigit((unsigned char)*at))
            return bad(path, "a dimension is no number", err);
        unsigned long long v = strtoull(at, &end, 10);
        if (n == 2)
            return bad(path, "a table has two dimensions, not more", err);
        dims[n++] = (size_t)v;
        for (at = end; *at == ',' || *at == ' ';)
            at++;
    }
    if (n == 0 || !dims[0] || !dims[1])
        return bad(path, "the table is empty", err);
    return GLIM_OK;
}

static double number(const char *at, char kind, size_t size) {
    double d;
    float f;
    int64_t i = 0;
    if (kind == 'f' && size == 8) {
        memcpy(&d, at, 8);
        return d;
    }
    if (kind == 'f' && size == 4) {
        memcpy(&f, at, 4);
        return f;
    }
    memcpy(&i, at, size);
    if (kind == 'i' && size < 8 && i >> (8 * size - 1)) /* sign */
        i -= (int64_t)1 << (8 * size);
    return kind == 'u' ? (double)(uint64_t)i : (double)i;
}

static glim_status take(const glim_buffer *b, float **out, size_t dims[2], glim_context *ctx,
                        const char *path, glim_error *err) {
    const unsigned char *u = (const unsigned char *)b->data;
    if (b->len < PREAMBLE + 2 || memcmp(b->data, "\x93NUMPY", 6) != 0)
        return bad(path, "this is no .npy file", err);
    size_t start = u[6] == 1 ? PREAMBLE : PREAMBLE + 2;
    size_t len = u[8] | (size_t)u[9] << 8;
    if (u[6] > 1)
        len |= (size_t)u[10] << 16 | (size_t)u[11] << 24;
    if (len > b->len - start)
        return bad(path, "the header is cut off", err);
    char header[1024] = {0};
    memcpy(header, b->data + start, len < sizeof header - 1 ? len : sizeof header - 1);
    const char *type = value_of(header, "'descr'"), *order = value_of(header, "'fortran_order'");
    glim_status status = read_shape(value_of(header, "'shape'"), dims, path, err);
    if (status)
        return status;
    if (!order || strncmp(order, "False", 5) != 0)
        return bad(path, "the array is in Fortran's order (numpy.ascontiguousarray)", err);
    size_t size = type && strlen(type) > 4 ? (size_t)(type[3] - '0') : 0, n, bytes;
    char kind = size ? type[2] : 0;
    if (!type || *type != '\'' || !strchr("<|", type[1]) || !strchr("fiu", kind) ||
        type[4] != '\'' || (size != 1 && size != 2 && size != 4 && size != 8) ||
        (kind == 'f' && size < 4))
        return bad(path, "numbers are float32, float64 or integers (array.astype('float32'))", err);
    if (__builtin_mul_overflow(dims[0], dims[1], &n) || __builtin_mul_overflow(n, size, &bytes) ||
        bytes > b->len - start - len)
        return bad(path, "the file ends before its numbers do", err);
    float *x = *out = glim__alloc(ctx, n * sizeof *x);
    if (!x)
        return glim__oom(ctx, err, "a table of numbers", n * sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)number(b->data + start + len + i * size, kind, size);
    return GLIM_OK;
}

glim_status glim__npy_read(float **out, size_t dims[2], glim_context *ctx, const char *path,
                           size_t limit, glim_error *err) {
    glim_buffer b;
    *out = NULL;
    glim__buffer_init(&b, ctx);
    glim_status status = glim__file_read(&b, path, limit, err);
    if (!status)
        status = b.len ? take(&b, out, dims, ctx, path, err) : bad(path, "the file is empty", err);
    glim__buffer_release(&b);
    return status;
}
