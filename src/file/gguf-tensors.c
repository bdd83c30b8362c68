/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gguf-tensors.c: the tensor table of one part. Offsets count from the end of
 * the table, so every row is checked by itself first, and the rows against the
 * file and each other once the end is known. Gaps between tensors are allowed,
 * as the format only recommends to have none; shared bytes and dimensions of
 * zero are refused, as no model can mean them.
 */
#include "file/gguf-part.h"

#include "file/gguf-cursor.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A copy with a NUL, as the tensor's name is used as a C string everywhere. */
static glim_status read_name(glim_gguf_cursor *c, glim_tensor *t, glim_arena *arena) {
    glim_gguf_string name;
    uint64_t start = c->at;
    glim_status status = glim__gguf_read_string(c, &name, "its name");
    if (status != GLIM_OK)
        return status;
    if (name.len == 0 || name.len > GLIM_GGUF_MAX_NAME)
        return glim__gguf_bad(c, start, GLIM_EFORMAT, "its name has %zu bytes; 1 to %d are allowed",
                              name.len, (int)GLIM_GGUF_MAX_NAME);
    c->entry = name;
    const char *nul = memchr(name.data, 0, name.len);
    if (nul)
        return glim__gguf_bad(c, start + 8 + (uint64_t)(nul - name.data), GLIM_EFORMAT,
                              "a zero byte in its name");
    t->name = glim__arena_strndup(arena, name.data, name.len);
    return t->name ? GLIM_OK : glim__oom(arena->ctx, c->err, "a tensor's name", name.len);
}

static glim_status read_dims(glim_gguf_cursor *c, glim_tensor *t) {
    uint32_t n_dims;
    uint64_t start = c->at, elements = 1;
    glim_status status = glim__gguf_read_u32(c, &n_dims, "its number of dimensions");
    if (status == GLIM_OK && n_dims > 4)
        status = glim__gguf_bad(c, start, GLIM_EFORMAT,
                                "%" PRIu32 " dimensions; at most 4 are allowed", n_dims);
    t->n_dims = (int)n_dims;
    for (uint32_t i = 0; i < 4 && status == GLIM_OK; i++) {
        t->dims[i] = 1;
        if (i >= n_dims)
            continue;
        start = c->at;
        status = glim__gguf_read_u64(c, &t->dims[i], "a dimension");
        if (status == GLIM_OK && (t->dims[i] == 0 || t->dims[i] > INT64_MAX))
            status = glim__gguf_bad(c, start, GLIM_EFORMAT, "dimension %" PRIu32 " is %" PRIu64, i,
                                    t->dims[i]);
        if (status == GLIM_OK &&
            (__builtin_mul_overflow(elements, t->dims[i], &elements) || elements > INT64_MAX))
            status = glim__gguf_bad(c, start, GLIM_EFORMAT,
                                    "the product of its dimensions does not fit 63 bits");
    }
    return status;
}

/* The tensor's bytes, from its type's blocks. */
static glim_status measure(const glim_gguf_cursor *c, uint64_t at, glim_tensor *t) {
    const glim_type_info *type = glim__type_info(t->type);
    if (!type)
        return glim__gguf_bad(
            c, at, GLIM_EUNSUPPORTED,
            "element type %" PRIu32
            " is unknown or was removed from GGUF (re-quantise the model to Q8_0 or F16)",
            t->type);
    if (t->dims[0] % type->block_len)
        return glim__gguf_bad(c, at, GLIM_EFORMAT,
                              "rows of %" PRIu64 " elements; %s has blocks of %d", t->dims[0],
                              type->name, type->block_len);
    uint64_t bytes = t->dims[0] / type->block_len;
    bool overflow = __builtin_mul_overflow(bytes, (uint64_t)type->block_bytes, &bytes);
    for (int i = 1; i < 4; i++)
        overflow |= __builtin_mul_overflow(bytes, t->dims[i], &bytes);
    if (overflow)
        return glim__gguf_bad(c, at, GLIM_EFORMAT, "its size does not fit 64 bits");
    t->bytes = bytes;
    return GLIM_OK;
}

/* One row of the tensor table. Its offset counts from the end of the table,
   which is not known yet. */
static glim_status read_tensor(glim_gguf_cursor *c, glim_tensor *t, uint64_t *offset,
                               uint32_t alignment, glim_arena *arena) {
    glim_status status = read_name(c, t, arena);
    if (status == GLIM_OK)
        status = read_dims(c, t);
    uint64_t type_at = c->at;
    if (status == GLIM_OK)
        status = glim__gguf_read_u32(c, &t->type, "its element type");
    if (status == GLIM_OK)
        status = measure(c, type_at, t);
    if (status == GLIM_OK)
        status = glim__gguf_read_u64(c, offset, "its offset");
    if (status == GLIM_OK && *offset % alignment)
        status = glim__gguf_bad(c, c->at - 8, GLIM_EFORMAT,
                                "offset %" PRIu64 " is no multiple of the alignment, %" PRIu32,
                                *offset, alignment);
    uint64_t end;
    if (status == GLIM_OK && __builtin_add_overflow(*offset, t->bytes, &end))
        status = glim__gguf_bad(c, c->at - 8, GLIM_EFORMAT,
                                "offset %" PRIu64 " with %" PRIu64 " bytes does not fit 64 bits",
                                *offset, t->bytes);
    return status;
}

/* Sets the tensors' data; the one that reaches furthest tells what is missing. */
static glim_status place(const glim_gguf_cursor *c, glim_gguf_part *part, const uint64_t *offsets) {
    uint64_t align = part->alignment, start = (c->at + align - 1) / align * align;
    uint64_t furthest = 0;
    const glim_tensor *last = NULL;
    for (size_t i = 0; i < part->n_tensors; i++) {
        if (offsets[i] + part->tensors[i].bytes >= furthest) {
            last = &part->tensors[i];
            furthest = offsets[i] + last->bytes;
        }
    }
    uint64_t room = start < c->size ? c->size - start : 0;
    if (furthest > room)
        return glim__gguf_bad(c, c->size, GLIM_EFORMAT,
                              "the file is truncated: %" PRIu64
                              " bytes are missing up to the end of tensor '%s' (download it again)",
                              furthest - room + (start > c->size ? start - c->size : 0),
                              last->name);
    for (size_t i = 0; i < part->n_tensors; i++)
        part->tensors[i].data = c->data + start + offsets[i];
    return GLIM_OK;
}

static int compare_data(const void *a, const void *b) {
    const glim_tensor *s = *(glim_tensor *const *)a, *t = *(glim_tensor *const *)b;
    return s->data < t->data ? -1 : s->data > t->data;
}

static glim_status overlap(const glim_gguf_cursor *c, const glim_tensor *a, const glim_tensor *b) {
    return glim__gguf_bad(c, (uint64_t)((const unsigned char *)b->data - c->data), GLIM_EFORMAT,
                          "the bytes of tensors '%s' and '%s' overlap", a->name, b->name);
}

static const char *end_of(const glim_tensor *t) {
    return (const char *)t->data + t->bytes;
}

/* Writers lay tensors out in the table's order; only others need a sort. */
static glim_status check_overlap(const glim_gguf_cursor *c, const glim_gguf_part *part) {
    size_t n = part->n_tensors, i = 1;
    while (i < n && (const char *)part->tensors[i].data >= end_of(&part->tensors[i - 1]))
        i++;
    if (i >= n)
        return GLIM_OK;
    const glim_tensor **sorted = glim__alloc(part->map.ctx, n * sizeof *sorted);
    if (!sorted)
        return glim__oom(part->map.ctx, c->err, "the tensor table", n * sizeof *sorted);
    for (i = 0; i < n; i++)
        sorted[i] = &part->tensors[i];
    qsort(sorted, n, sizeof *sorted, compare_data);
    glim_status status = GLIM_OK;
    for (i = 1; i < n && status == GLIM_OK; i++)
        if ((const char *)sorted[i]->data < end_of(sorted[i - 1]))
            status = overlap(c, sorted[i - 1], sorted[i]);
    glim__free(part->map.ctx, sorted);
    return status;
}

glim_status glim__gguf_read_tensors(glim_gguf_cursor *c, glim_gguf_part *part, glim_arena *arena) {
    size_t n = part->n_tensors;
    part->tensors = glim__arena_calloc(arena, n, sizeof *part->tensors);
    uint64_t *offsets = glim__arena_calloc(arena, n, sizeof *offsets);
    if (!part->tensors || !offsets)
        return glim__oom(arena->ctx, c->err, "the tensor table", n * sizeof *part->tensors);
    c->table = "tensor";
    c->count = n;
    for (c->index = 0; c->index < n; c->index++) {
        c->entry.len = 0;
        glim_status status =
            read_tensor(c, &part->tensors[c->index], &offsets[c->index], part->alignment, arena);
        if (status != GLIM_OK)
            return status;
    }
    c->table = NULL;
    part->tables_end = c->at;
    glim_status status = place(c, part, offsets);
    return status == GLIM_OK ? check_overlap(c, part) : status;
}
