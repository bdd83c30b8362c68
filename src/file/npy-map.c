/* SPDX-License-Identifier: Apache-2.0 */
/*
 * npy-map.c: what NumPy Enhancement Proposal 1 says stands before the data, read without
 * Python: a magic, a version, the length of a literal, the literal. Only three members are
 * ever in it, so that each is looked for by name.
 */
#include "file/npy-map.h"
#include "tensor/dequantise.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_LITERAL = 4096 };

static glim_status wrong(const glim_npy *npy, const char *what, glim_error *err) {
    return glim_fail(err, GLIM_EFORMAT, "'%s': %s", npy->map.path, what);
}

/* What follows 'name': in the literal, or NULL. */
static const char *member(const char *literal, const char *name) {
    const char *at = strstr(literal, name);
    if (!at)
        return NULL;
    at += strlen(name);
    return at + strspn(at, "'\": ");
}

static glim_status read_shape(glim_npy *npy, const char *s, glim_error *err) {
    npy->count = 1;
    if (*s++ != '(')
        return wrong(npy, "its shape is no tuple", err);
    for (s += strspn(s, " "); *s != ')'; s += strspn(s, ", ")) {
        char *end;
        if (npy->n_dims == NPY_DIMS || *s < '0' || *s > '9')
            return wrong(npy, "its shape cannot be read (at most 8 dimensions)", err);
        uint64_t n = strtoull(s, &end, 10);
        npy->dims[npy->n_dims++] = n;
        if (__builtin_mul_overflow(npy->count, n, &npy->count))
            return wrong(npy, "its shape is too large", err);
        s = end;
    }
    return GLIM_OK;
}

static glim_status read_literal(glim_npy *npy, const char *literal, glim_error *err) {
    const char *type = member(literal, "descr"), *order = member(literal, "fortran_order"),
               *shape = member(literal, "shape");
    if (!type || !order || !shape)
        return wrong(npy, "its header lacks a member", err);
    bool whole = strlen(type) > 3 && (*type == '<' || *type == '|');
    npy->kind = whole ? type[1] : '?';
    npy->each = whole ? (size_t)(type[2] - '0') : 0;
    if (!strchr("fiu", npy->kind) || (type[3] != '\'' && type[3] != '"') ||
        (npy->each != 2 && npy->each != 4 && npy->each != 8 &&
         (npy->each != 1 || npy->kind == 'f')))
        return wrong(npy, "numbers are floats or whole ones (array.astype('float32'))", err);
    if (strncmp(order, "False", 5) != 0)
        return wrong(
            npy, "the array is in Fortran's order, not in C order (numpy.ascontiguousarray)", err);
    return read_shape(npy, shape, err);
}

static glim_status read_head(glim_npy *npy, glim_error *err) {
    static const char magic[6] = {'\x93', 'N', 'U', 'M', 'P', 'Y'};
    const uint8_t *d = npy->map.data;
    char literal[MOST_LITERAL + 1];
    if (npy->map.size < 12 || memcmp(d, magic, sizeof magic) != 0)
        return wrong(npy, "this is no .npy file", err);
    uint64_t before = d[6] == 1 ? 10 : 12, n = d[8] | (uint64_t)d[9] << 8;
    if (d[6] > 1)
        n |= (uint64_t)d[10] << 16 | (uint64_t)d[11] << 24;
    if (n > MOST_LITERAL || before + n > npy->map.size)
        return wrong(npy, "its header is damaged", err);
    memcpy(literal, d + before, n);
    literal[n] = 0;
    glim_status status = read_literal(npy, literal, err);
    uint64_t bytes;
    if (!status && (__builtin_mul_overflow(npy->count, npy->each, &bytes) ||
                    bytes > npy->map.size - before - n))
        status = wrong(npy, "the file is cut short: it ends before its numbers do", err);
    npy->data = d + before + n;
    return status;
}

static glim_status begin(glim_npy *npy, glim_error *err) {
    glim_status status = read_head(npy, err);
    if (status)
        glim__npy_close(npy);
    return status;
}

glim_status glim__npy_open(glim_npy *npy, glim_context *ctx, const char *path, glim_error *err) {
    *npy = (glim_npy){0};
    glim_status status = glim__mapping_open(&npy->map, ctx, path, err);
    return status ? status : begin(npy, err);
}

glim_status glim__npy_borrow(glim_npy *npy, glim_context *ctx, const void *bytes, size_t n,
                             const char *name, glim_error *err) {
    *npy = (glim_npy){0};
    glim_status status = glim__mapping_borrow(&npy->map, ctx, bytes, n, name, err);
    return status ? status : begin(npy, err);
}

void glim__npy_close(glim_npy *npy) {
    glim__mapping_close(&npy->map);
    *npy = (glim_npy){0};
}

static float number(const glim_npy *npy, const uint8_t *at) {
    if (npy->kind == 'f' && npy->each == 2) {
        uint16_t h;
        memcpy(&h, at, sizeof h);
        return glim__half_to_float(h);
    }
    if (npy->kind == 'f') {
        double d;
        memcpy(&d, at, sizeof d);
        return (float)d;
    }
    int64_t i = 0;
    memcpy(&i, at, npy->each);
    if (npy->kind == 'i' && npy->each < 8 && i >> (8 * npy->each - 1)) /* sign */
        i -= (int64_t)1 << (8 * npy->each);
    return (float)(npy->kind == 'u' ? (double)(uint64_t)i : (double)i);
}

void glim__npy_floats(const glim_npy *npy, uint64_t from, size_t n, float *out) {
    if (npy->kind == 'f' && npy->each == 4) {
        memcpy(out, npy->data + from * sizeof *out, n * sizeof *out);
        return;
    }
    for (size_t i = 0; i < n; i++)
        out[i] = number(npy, npy->data + (from + i) * npy->each);
}
