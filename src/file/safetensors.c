/* SPDX-License-Identifier: Apache-2.0 */
/*
 * safetensors.c: the reader. The header is JSON and small beside the data;
 * what it promises is held against the file before anything is believed: the
 * tensors must cover the buffer exactly, without holes or overlap, as the
 * reference implementation demands. That leaves no byte of the file without a
 * meaning, and none with two.
 */
#include "file/safetensors.h"

#include "base/arena.h"
#include "base/map.h"
#include "file/mapping.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_HEADER = 100000000, MAX_DIMS = 8, JSON_GROWTH = 32 };

struct glim_safetensors {
    glim_context *ctx;
    glim_mapping map;
    glim_arena arena;
    glim_map names;
    size_t count;
    glim_st_tensor *tensors;
    json_t *metadata; /* an object, or NULL */
};

static const struct {
    const char *name;
    unsigned bits;
} dtypes[] = {
    {"F64", 64},    {"F32", 32},        {"F16", 16}, {"BF16", 16},       {"I64", 64},
    {"I32", 32},    {"I16", 16},        {"I8", 8},   {"U64", 64},        {"U32", 32},
    {"U16", 16},    {"U8", 8},          {"BOOL", 8}, {"F8_E4M3", 8},     {"F8_E5M2", 8},
    {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"C64", 64}, {"F8_E5M2FNUZ", 8}, {"F6_E2M3", 6},
    {"F6_E3M2", 6}, {"F4", 4},
};

/* Bits of an element; 0 for a dtype from after this list. */
static unsigned dtype_bits(const char *name) {
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (strcmp(dtypes[i].name, name) == 0)
            return dtypes[i].bits;
    return 0;
}

static uint64_t header_bytes(const glim_safetensors *st) {
    uint64_t n;
    memcpy(&n, st->map.data, sizeof n);
    return n;
}

/* An integer as JSON has it, not a real that happens to be whole. */
static bool read_uint(const json_t *value, uint64_t *out) {
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *out = (uint64_t)json_integer_value(value);
    return true;
}

static glim_status bad_tensor(const glim_safetensors *st, const char *name, const char *why,
                              glim_error *err) {
    return glim_fail(err, GLIM_EFORMAT, "'%s': tensor '%s': %s", st->map.path, name, why);
}

static glim_status read_shape(const glim_safetensors *st, glim_st_tensor *t, const json_t *shape,
                              uint64_t *elements, glim_error *err) {
    if (!json_is_array(shape) || json_array_size(shape) > MAX_DIMS)
        return bad_tensor(st, t->name, "its shape is no array of at most 8 numbers", err);
    t->n_dims = (int)json_array_size(shape);
    *elements = 1;
    bool overflow = false;
    for (int i = 0; i < t->n_dims; i++) {
        if (!read_uint(json_array_get(shape, (size_t)i), &t->dims[i]))
            return bad_tensor(st, t->name, "a dimension is no integer from 0 up", err);
        overflow |= __builtin_mul_overflow(*elements, t->dims[i], elements);
    }
    return overflow
               ? bad_tensor(st, t->name, "the product of its dimensions does not fit 64 bits", err)
               : GLIM_OK;
}

static glim_status read_offsets(const glim_safetensors *st, glim_st_tensor *t,
                                const json_t *offsets, glim_error *err) {
    uint64_t begin, end, start = 8 + header_bytes(st), room = st->map.size - start;
    if (json_array_size(offsets) != 2 || !read_uint(json_array_get(offsets, 0), &begin) ||
        !read_uint(json_array_get(offsets, 1), &end))
        return bad_tensor(st, t->name, "its data_offsets are no two integers", err);
    if (begin > end)
        return bad_tensor(st, t->name, "its data_offsets end before they begin", err);
    if (end > room)
        return glim_fail(err, GLIM_EFORMAT,
                         "'%s': tensor '%s' ends at byte %" PRIu64
                         " of the data, which has %" PRIu64
                         " (the file is truncated; fetch it again)",
                         st->map.path, t->name, end, room);
    t->data = st->map.data + start + begin;
    t->bytes = end - begin;
    return GLIM_OK;
}

static glim_status check_bytes(const glim_safetensors *st, const glim_st_tensor *t,
                               uint64_t elements, glim_error *err) {
    uint64_t bits = dtype_bits(t->dtype);
    if (bits == 0)
        return GLIM_OK;
    if (__builtin_mul_overflow(elements, bits, &bits))
        return bad_tensor(st, t->name, "its size does not fit 64 bits", err);
    if (bits % 8)
        return bad_tensor(st, t->name, "its elements do not fill whole bytes", err);
    if (bits / 8 != t->bytes)
        return glim_fail(err, GLIM_EFORMAT,
                         "'%s': tensor '%s': its shape needs %" PRIu64
                         " bytes, but its data_offsets span %" PRIu64,
                         st->map.path, t->name, bits / 8, t->bytes);
    return GLIM_OK;
}

static glim_status read_tensor(glim_safetensors *st, glim_st_tensor *t, const char *name,
                               const json_t *entry, glim_error *err) {
    const char *dtype = json_string_value(json_object_get(entry, "dtype"));
    uint64_t elements = 0;
    t->name = glim__arena_strdup(&st->arena, name);
    t->dtype = glim__arena_strdup(&st->arena, dtype ? dtype : "");
    if (!t->name || !t->dtype)
        return glim__oom(st->ctx, err, st->map.path, 0);
    if (!dtype || json_object_size(entry) != 3)
        return bad_tensor(st, name, "it must have dtype, shape and data_offsets, and no more", err);
    glim_status status = read_shape(st, t, json_object_get(entry, "shape"), &elements, err);
    if (status == GLIM_OK)
        status = read_offsets(st, t, json_object_get(entry, "data_offsets"), err);
    return status == GLIM_OK ? check_bytes(st, t, elements, err) : status;
}

static int compare_data(const void *a, const void *b) {
    const glim_st_tensor *s = *(glim_st_tensor *const *)a, *t = *(glim_st_tensor *const *)b;
    if (s->data != t->data)
        return s->data < t->data ? -1 : 1;
    return s->bytes < t->bytes ? -1 : s->bytes > t->bytes;
}

/* Every byte of the data belongs to exactly one tensor. */
static glim_status check_cover(const glim_safetensors *st, glim_error *err) {
    const glim_st_tensor **sorted = glim__calloc(st->ctx, st->count, sizeof *sorted);
    if (!sorted)
        return glim__oom(st->ctx, err, st->map.path, st->count * sizeof *sorted);
    for (size_t i = 0; i < st->count; i++)
        sorted[i] = &st->tensors[i];
    qsort(sorted, st->count, sizeof *sorted, compare_data);
    const char *at = (const char *)st->map.data + 8 + header_bytes(st);
    const char *end = (const char *)st->map.data + st->map.size;
    glim_status status = GLIM_OK;
    for (size_t i = 0; i < st->count && status == GLIM_OK; i++) {
        const char *data = sorted[i]->data;
        if (data != at)
            status = bad_tensor(st, sorted[i]->name,
                                data < at ? "its bytes overlap those of another tensor"
                                          : "there is a hole in the data before it",
                                err);
        at = data + sorted[i]->bytes;
    }
    glim__free(st->ctx, sorted);
    if (status == GLIM_OK && at != end)
        return glim_fail(err, GLIM_EFORMAT, "'%s': %zu bytes after the last tensor's data",
                         st->map.path, (size_t)(end - at));
    return status;
}

static glim_status read_metadata(glim_safetensors *st, json_t *object, glim_error *err) {
    if (!json_is_object(object))
        return glim_fail(err, GLIM_EFORMAT, "'%s': __metadata__ is no JSON object", st->map.path);
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) {
        if (!json_is_string(value))
            return glim_fail(err, GLIM_EFORMAT, "'%s': __metadata__ '%s' is no string",
                             st->map.path, key);
    }
    st->metadata = json_incref(object);
    return GLIM_OK;
}

static glim_status read_entries(glim_safetensors *st, json_t *header, glim_error *err) {
    size_t n = json_object_size(header);
    st->tensors = glim__arena_calloc(&st->arena, n, sizeof *st->tensors);
    if (!st->tensors || !glim__map_reserve(&st->names, n))
        return glim__oom(st->ctx, err, st->map.path, n * sizeof *st->tensors);
    const char *key;
    json_t *value;
    json_object_foreach(header, key, value) {
        glim_status status;
        if (strcmp(key, "__metadata__") == 0) {
            status = read_metadata(st, value, err);
        } else {
            glim_st_tensor *t = &st->tensors[st->count];
            status = read_tensor(st, t, key, value, err);
            if (status == GLIM_OK &&
                !glim__map_set(&st->names, t->name, strlen(t->name), (int32_t)st->count++, NULL))
                status = glim__oom(st->ctx, err, st->map.path, 0);
        }
        if (status != GLIM_OK)
            return status;
    }
    return check_cover(st, err);
}

static glim_status check_start(const glim_safetensors *st, glim_error *err) {
    const char *path = st->map.path;
    if (st->map.size < 8)
        return glim_fail(err, GLIM_EFORMAT,
                         "'%s': a safetensors file has at least 8 bytes, this one has %" PRIu64,
                         path, st->map.size);
    uint64_t n = header_bytes(st), room = st->map.size - 8;
    if (room >= 1 && n >= 1 && n <= room && st->map.data[8] != '{')
        return glim_fail(err, GLIM_EFORMAT,
                         "'%s': not a safetensors file: its header begins with byte %02X instead "
                         "of '{'",
                         path, st->map.data[8]);
    if (n == 0 || n > room)
        return glim_fail(
            err, GLIM_EFORMAT,
            "'%s': not a safetensors file, or truncated: its header should have %" PRIu64
            " bytes, and %" PRIu64 " follow",
            path, n, room);
    if (n > MAX_HEADER)
        return glim_fail(err, GLIM_ELIMIT,
                         "'%s': a header of %" PRIu64 " bytes; at most %d are read", path, n,
                         (int)MAX_HEADER);
    return GLIM_OK;
}

/* Jansson's values are some 25 times as large as their text and escape the
   budget, so they are counted by an estimate while they live. */
static glim_status parse(glim_safetensors *st, glim_error *err) {
    json_t *header;
    glim_status status = check_start(st, err);
    if (status != GLIM_OK)
        return status;
    uint64_t n = header_bytes(st);
    if (!glim__reserve(st->ctx, JSON_GROWTH * n))
        return glim__oom(st->ctx, err, st->map.path, JSON_GROWTH * n);
    status =
        glim__json_parse(&header, (const char *)st->map.data + 8, (size_t)n, st->map.path, err);
    if (status == GLIM_OK) {
        status = read_entries(st, header, err);
        json_decref(header);
    }
    glim__unreserve(st->ctx, JSON_GROWTH * n);
    return status;
}

static glim_status new_safetensors(glim_safetensors **out, glim_context *ctx, glim_error *err) {
    glim_safetensors *st = glim__calloc(ctx, 1, sizeof *st);
    *out = st;
    if (!st)
        return glim__oom(ctx, err, "a safetensors file", sizeof *st);
    st->ctx = st->map.ctx = ctx;
    glim__arena_init(&st->arena, ctx, 1 << 14);
    glim__map_init(&st->names, ctx);
    return GLIM_OK;
}

static glim_status finish_open(glim_safetensors **out, glim_safetensors *st, glim_status status,
                               glim_error *err) {
    if (status == GLIM_OK)
        status = parse(st, err);
    if (status == GLIM_OK)
        *out = st;
    else
        glim__safetensors_close(st);
    return status;
}

glim_status glim__safetensors_open(glim_safetensors **out, glim_context *ctx, const char *path,
                                   glim_error *err) {
    glim_safetensors *st;
    *out = NULL;
    glim_status status = new_safetensors(&st, ctx, err);
    if (status != GLIM_OK)
        return status;
    return finish_open(out, st, glim__mapping_open(&st->map, ctx, path, err), err);
}

glim_status glim__safetensors_open_memory(glim_safetensors **out, glim_context *ctx,
                                          const void *bytes, size_t n, const char *name,
                                          glim_error *err) {
    glim_safetensors *st;
    *out = NULL;
    glim_status status = new_safetensors(&st, ctx, err);
    if (status != GLIM_OK)
        return status;
    return finish_open(out, st, glim__mapping_borrow(&st->map, ctx, bytes, n, name, err), err);
}

void glim__safetensors_close(glim_safetensors *st) {
    if (!st)
        return;
    json_decref(st->metadata);
    glim__map_release(&st->names);
    glim__arena_release(&st->arena);
    glim__mapping_close(&st->map);
    glim__free(st->ctx, st);
}

void glim__safetensors_move(glim_safetensors *st, glim_mapping *out, uint64_t *header) {
    *header = 8 + header_bytes(st);
    *out = st->map;
    st->map = (glim_mapping){.ctx = st->ctx};
}

size_t glim__safetensors_count(const glim_safetensors *st) {
    return st->count;
}

const glim_st_tensor *glim__safetensors_at(const glim_safetensors *st, size_t i) {
    return &st->tensors[i];
}

const glim_st_tensor *glim__safetensors_find(const glim_safetensors *st, const char *name) {
    int32_t i = glim__map_get(&st->names, name, strlen(name));
    return i < 0 ? NULL : &st->tensors[i];
}

const char *glim__safetensors_metadata(const glim_safetensors *st, const char *key) {
    return json_string_value(json_object_get(st->metadata, key));
}
