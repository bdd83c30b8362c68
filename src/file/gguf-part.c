/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gguf-part.c: one pass over a mapped GGUF file (the GGUF specification of
 * ggml, versions 2 and 3). No length is believed before it is compared with
 * the bytes that are left, so no table is larger than the file allows; strings
 * and arrays stay where they are, and the tables are sized once. Stricter than
 * the reference where a file cannot be meant so: bools other than 0 and 1,
 * empty dimensions, overlapping tensors. Gaps between tensors are allowed.
 */
#include "file/gguf-part.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are read as they lie");

enum {
    HEADER_BYTES = 24,
    MIN_VALUE_BYTES = 13,  /* empty key, type, one byte */
    MIN_TENSOR_BYTES = 24, /* empty name, no dimensions, type, offset */
    MAX_ENTRIES = 1 << 20,
    MAX_STRING = 1 << 30,
    MAX_KEY = 65535,
    MAX_NAME = 64,
    MAX_ALIGNMENT = 65536
};

/* Where we are in the file, and in which entry of which table. */
typedef struct cursor {
    const unsigned char *data;
    uint64_t size, at;
    const char *table; /* "key", "tensor", or NULL in the header */
    uint64_t index, count;
    glim_gguf_string entry; /* its name once known */
    const char *path;
    glim_error *err;
} cursor;

/* "'FILE': byte N: key 3 of 20 ('NAME'): ..." */
__attribute__((format(printf, 4, 5))) static glim_status
bad_at(const cursor *c, uint64_t at, glim_status status, const char *format, ...) {
    if (!c->err)
        return status;
    char text[300], where[128] = "";
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    int n = c->entry.len < MAX_NAME ? (int)c->entry.len : MAX_NAME;
    if (c->table && n)
        snprintf(where, sizeof where, "%s '%.*s': ", c->table, n, c->entry.data);
    else if (c->table)
        snprintf(where, sizeof where, "%s %" PRIu64 " of %" PRIu64 ": ", c->table, c->index + 1,
                 c->count);
    size_t len = strlen(c->path);
    const char *cut = len > 160 ? "..." : "";
    return glim_fail(c->err, status, "'%s%s': byte %" PRIu64 ": %s%s", cut,
                     c->path + (len > 160 ? len - 157 : 0), at, where, text);
}

static glim_status cut_off(const cursor *c, uint64_t needed, const char *what) {
    return bad_at(c, c->at, GLIM_EFORMAT,
                  "%s needs %" PRIu64 " bytes, but %" PRIu64
                  " are left in the file (truncated or damaged)",
                  what, needed, c->size - c->at);
}

static uint32_t load_u32(const void *p) {
    uint32_t x;
    memcpy(&x, p, sizeof x);
    return x;
}

static uint64_t load_u64(const void *p) {
    uint64_t x;
    memcpy(&x, p, sizeof x);
    return x;
}

static glim_status read_u32(cursor *c, uint32_t *out, const char *what) {
    *out = 0;
    if (c->size - c->at < 4)
        return cut_off(c, 4, what);
    *out = load_u32(c->data + c->at);
    c->at += 4;
    return GLIM_OK;
}

static glim_status read_u64(cursor *c, uint64_t *out, const char *what) {
    *out = 0;
    if (c->size - c->at < 8)
        return cut_off(c, 8, what);
    *out = load_u64(c->data + c->at);
    c->at += 8;
    return GLIM_OK;
}

static glim_status read_string(cursor *c, glim_gguf_string *out, const char *what) {
    uint64_t n, start = c->at;
    glim_status status = read_u64(c, &n, what);
    if (status != GLIM_OK)
        return status;
    if (n > MAX_STRING)
        return bad_at(c, start, GLIM_EFORMAT,
                      "%s is %" PRIu64 " bytes long; at most %d are allowed", what, n,
                      (int)MAX_STRING);
    if (n > c->size - c->at)
        return cut_off(c, n, what);
    *out = (glim_gguf_string){(const char *)c->data + c->at, (size_t)n};
    c->at += n;
    return GLIM_OK;
}

/* What a file that is no GGUF seems to be, with what to do; NULL if unknown. */
static const char *guess_format(const unsigned char *p, uint64_t n) {
    static const struct {
        const char *start, *guess;
    } known[] = {
        {"PK\3\4", "this looks like a zip archive, perhaps a PyTorch checkpoint (convert it)"},
        {"{", "this looks like JSON (name the .gguf file beside it)"},
        {"version https://git-lfs", "this is a Git LFS pointer, not the model (run git lfs pull)"},
        {"<!", "this looks like a web page (download the file itself)"},
        {"<html", "this looks like a web page (download the file itself)"},
        {"lmgg", "this is a GGML file from before GGUF (convert it)"},
        {"fmgg", "this is a GGML file from before GGUF (convert it)"},
        {"tjgg", "this is a GGML file from before GGUF (convert it)"},
        {"\x1f\x8b", "this is compressed by gzip (unpack it)"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        size_t len = strlen(known[i].start);
        if (len <= n && memcmp(p, known[i].start, len) == 0)
            return known[i].guess;
    }
    if (n >= 2 && p[0] == 0x80 && p[1] >= 2 && p[1] <= 5)
        return "this looks like a Python pickle, perhaps a PyTorch checkpoint (convert it)";
    if (n >= 9 && p[8] == '{' && load_u64(p) < n)
        return "this looks like a safetensors file (convert it)";
    return NULL;
}

static glim_status check_magic(const cursor *c) {
    const unsigned char *p = c->data;
    if (c->size >= 4 && memcmp(p, "GGUF", 4) == 0) {
        if (c->size >= HEADER_BYTES)
            return GLIM_OK;
    } else if (c->size >= 4) {
        const char *guess = guess_format(p, c->size);
        return bad_at(c, 0, GLIM_EFORMAT,
                      "not a GGUF file: it begins with %02X %02X %02X %02X instead of 'GGUF'%s%s",
                      p[0], p[1], p[2], p[3], guess ? "; " : "", guess ? guess : "");
    }
    return bad_at(c, c->size, GLIM_EFORMAT,
                  "the file ends here; a GGUF file has at least %d bytes (download it again)",
                  (int)HEADER_BYTES);
}

static glim_status check_version(const cursor *c, uint32_t version) {
    if (version == 2 || version == 3)
        return GLIM_OK;
    if ((version & 0xFFFF) == 0 && version != 0)
        return bad_at(c, 4, GLIM_EUNSUPPORTED,
                      "this is a big-endian file, which glim does not read (convert it)");
    return bad_at(c, 4, GLIM_EUNSUPPORTED,
                  "GGUF version %" PRIu32 "; glim reads versions 2 and 3%s", version,
                  version < 2 ? " (convert the model again)" : "");
}

static glim_status check_count(const cursor *c, uint64_t at, const char *what, uint64_t n,
                               uint64_t min_bytes) {
    uint64_t left = c->size - HEADER_BYTES;
    if (n > left / min_bytes)
        return bad_at(c, at, GLIM_EFORMAT,
                      "the header promises %" PRIu64 " %s, more than fit into the %" PRIu64
                      " bytes that follow",
                      n, what, left);
    if (n > MAX_ENTRIES)
        return bad_at(c, at, GLIM_ELIMIT, "%" PRIu64 " %s; at most %d are read", n, what,
                      (int)MAX_ENTRIES);
    return GLIM_OK;
}

static glim_status read_header(cursor *c, glim_gguf_part *part) {
    glim_status status = check_magic(c);
    if (status != GLIM_OK)
        return status;
    part->version = load_u32(c->data + 4);
    uint64_t n_tensors = load_u64(c->data + 8), n_values = load_u64(c->data + 16);
    c->at = HEADER_BYTES;
    status = check_version(c, part->version);
    if (status == GLIM_OK)
        status = check_count(c, 16, "keys", n_values, MIN_VALUE_BYTES);
    if (status == GLIM_OK)
        status = check_count(c, 8, "tensors", n_tensors, MIN_TENSOR_BYTES);
    part->n_values = (size_t)n_values;
    part->n_tensors = (size_t)n_tensors;
    return status;
}

static glim_status read_key(cursor *c, glim_gguf_string *key) {
    uint64_t start = c->at;
    glim_status status = read_string(c, key, "its name");
    if (status != GLIM_OK)
        return status;
    if (key->len == 0 || key->len > MAX_KEY)
        return bad_at(c, start, GLIM_EFORMAT, "its name has %zu bytes; 1 to %d are allowed",
                      key->len, (int)MAX_KEY);
    c->entry = *key;
    for (size_t i = 0; i < key->len; i++)
        if (key->data[i] < 0x20 || key->data[i] > 0x7E)
            return bad_at(c, start + 8 + i, GLIM_EFORMAT,
                          "byte %02X in its name, which must be printable ASCII",
                          (unsigned char)key->data[i]);
    return GLIM_OK;
}

static glim_status read_type(cursor *c, glim_gguf_type *type, const char *what) {
    uint32_t id;
    uint64_t start = c->at;
    glim_status status = read_u32(c, &id, what);
    if (status == GLIM_OK && id > GLIM_GGUF_F64)
        return bad_at(c, start, GLIM_EFORMAT, "%s is %" PRIu32 "; 0 to %d are known", what, id,
                      (int)GLIM_GGUF_F64);
    if (status == GLIM_OK)
        *type = (glim_gguf_type)id;
    return status;
}

static glim_status check_bools(cursor *c, const unsigned char *p, uint64_t n) {
    for (uint64_t i = 0; i < n; i++)
        if (p[i] > 1)
            return bad_at(c, (uint64_t)(p - c->data) + i, GLIM_EFORMAT, "a bool is 0 or 1, not %d",
                          p[i]);
    return GLIM_OK;
}

/* Walks over n strings. The only loop whose length is the vocabulary's. */
static glim_status skip_strings(cursor *c, uint64_t n) {
    for (uint64_t i = 0; i < n; i++) {
        uint64_t len;
        if (c->size - c->at >= 8 && (len = load_u64(c->data + c->at)) <= c->size - c->at - 8 &&
            len <= MAX_STRING) {
            c->at += 8 + len;
            continue;
        }
        glim_gguf_string unused;
        char what[64];
        snprintf(what, sizeof what, "string %" PRIu64 " of %" PRIu64, i + 1, n);
        return read_string(c, &unused, what);
    }
    return GLIM_OK;
}

/* n elements of one type from here on. */
static glim_status read_elements(cursor *c, glim_gguf_type type, uint64_t n, const char *what) {
    uint64_t size = type == GLIM_GGUF_STRING ? 8 : glim__gguf_type_size(type);
    if (n > (c->size - c->at) / size)
        return cut_off(c, n * size, what);
    const unsigned char *p = c->data + c->at;
    if (type == GLIM_GGUF_STRING)
        return skip_strings(c, n);
    c->at += n * size;
    return type == GLIM_GGUF_BOOL ? check_bools(c, p, n) : GLIM_OK;
}

static glim_status read_array(cursor *c, glim_gguf_value *v) {
    uint64_t start = c->at;
    glim_status status = read_type(c, &v->element, "its element type");
    if (status == GLIM_OK && v->element == GLIM_GGUF_ARRAY)
        status =
            bad_at(c, start, GLIM_EUNSUPPORTED, "an array of arrays, which glim does not read");
    if (status == GLIM_OK)
        status = read_u64(c, &v->count, "its array length");
    if (status == GLIM_OK && v->count > MAX_STRING)
        status = bad_at(c, c->at - 8, GLIM_EFORMAT,
                        "an array of %" PRIu64 " elements; at most %d are allowed", v->count,
                        (int)MAX_STRING);
    v->data = c->data + c->at;
    return status == GLIM_OK ? read_elements(c, v->element, v->count, "its array") : status;
}

static glim_status read_value(cursor *c, glim_gguf_value *v) {
    glim_status status = read_key(c, &v->key);
    if (status == GLIM_OK)
        status = read_type(c, &v->type, "its type");
    if (status != GLIM_OK)
        return status;
    if (v->type == GLIM_GGUF_ARRAY)
        return read_array(c, v);
    v->element = v->type;
    v->count = 1;
    v->data = c->data + c->at;
    glim_gguf_string unused;
    return v->type == GLIM_GGUF_STRING ? read_string(c, &unused, "its string")
                                       : read_elements(c, v->type, 1, "its value");
}

static glim_status read_values(cursor *c, glim_gguf_part *part, glim_arena *arena) {
    glim_context *ctx = part->map.ctx;
    size_t n = part->n_values;
    part->values = glim__arena_calloc(arena, n, sizeof *part->values);
    if (!part->values || !glim__map_reserve(&part->keys, n))
        return glim__oom(ctx, c->err, "the metadata of the model", n * sizeof *part->values);
    c->table = "key";
    c->count = n;
    for (c->index = 0; c->index < n; c->index++) {
        glim_gguf_value *v = &part->values[c->index];
        uint64_t start = c->at;
        int32_t old;
        c->entry.len = 0;
        glim_status status = read_value(c, v);
        if (status != GLIM_OK)
            return status;
        if (!glim__map_set(&part->keys, v->key.data, v->key.len, (int32_t)c->index, &old))
            return glim__oom(ctx, c->err, "the metadata of the model", 0);
        if (old >= 0)
            return bad_at(c, start, GLIM_EFORMAT, "this key occurs twice");
    }
    c->table = NULL;
    return GLIM_OK;
}

static glim_status read_alignment(const cursor *c, glim_gguf_part *part) {
    const glim_gguf_value *v = glim__gguf_part_find(part, "general.alignment");
    part->alignment = 32;
    if (!v)
        return GLIM_OK;
    uint64_t at = (uint64_t)((const unsigned char *)v->data - c->data);
    if (v->type != GLIM_GGUF_U32)
        return bad_at(c, at, GLIM_EFORMAT, "key 'general.alignment' has type %s; expected u32",
                      glim__gguf_type_name(v->type));
    uint32_t a = load_u32(v->data);
    if (a < 8 || a > MAX_ALIGNMENT || (a & (a - 1)))
        return bad_at(c, at, GLIM_EFORMAT,
                      "general.alignment is %" PRIu32 "; expected a power of two from 8 to %d", a,
                      (int)MAX_ALIGNMENT);
    part->alignment = a;
    return GLIM_OK;
}

/* A copy with a NUL, as the tensor's name is used as a C string everywhere. */
static glim_status read_name(cursor *c, glim_tensor *t, glim_arena *arena) {
    glim_gguf_string name;
    uint64_t start = c->at;
    glim_status status = read_string(c, &name, "its name");
    if (status != GLIM_OK)
        return status;
    if (name.len == 0 || name.len > MAX_NAME)
        return bad_at(c, start, GLIM_EFORMAT, "its name has %zu bytes; 1 to %d are allowed",
                      name.len, (int)MAX_NAME);
    c->entry = name;
    const char *nul = memchr(name.data, 0, name.len);
    if (nul)
        return bad_at(c, start + 8 + (uint64_t)(nul - name.data), GLIM_EFORMAT,
                      "a zero byte in its name");
    t->name = glim__arena_strndup(arena, name.data, name.len);
    return t->name ? GLIM_OK : glim__oom(arena->ctx, c->err, "a tensor's name", name.len);
}

static glim_status read_dims(cursor *c, glim_tensor *t) {
    uint32_t n_dims;
    uint64_t start = c->at, elements = 1;
    glim_status status = read_u32(c, &n_dims, "its number of dimensions");
    if (status == GLIM_OK && n_dims > 4)
        status =
            bad_at(c, start, GLIM_EFORMAT, "%" PRIu32 " dimensions; at most 4 are allowed", n_dims);
    t->n_dims = (int)n_dims;
    for (uint32_t i = 0; i < 4 && status == GLIM_OK; i++) {
        t->dims[i] = 1;
        if (i >= n_dims)
            continue;
        start = c->at;
        status = read_u64(c, &t->dims[i], "a dimension");
        if (status == GLIM_OK && (t->dims[i] == 0 || t->dims[i] > INT64_MAX))
            status =
                bad_at(c, start, GLIM_EFORMAT, "dimension %" PRIu32 " is %" PRIu64, i, t->dims[i]);
        if (status == GLIM_OK &&
            (__builtin_mul_overflow(elements, t->dims[i], &elements) || elements > INT64_MAX))
            status = bad_at(c, start, GLIM_EFORMAT,
                            "the product of its dimensions does not fit 63 bits");
    }
    return status;
}

/* The tensor's bytes, from its type's blocks. */
static glim_status measure(const cursor *c, uint64_t at, glim_tensor *t) {
    const glim_type_info *type = glim__type_info(t->type);
    if (!type)
        return bad_at(c, at, GLIM_EUNSUPPORTED,
                      "element type %" PRIu32
                      " is unknown or was removed from GGUF (re-quantise the model to Q8_0 or F16)",
                      t->type);
    if (t->dims[0] % type->block_len)
        return bad_at(c, at, GLIM_EFORMAT, "rows of %" PRIu64 " elements; %s has blocks of %d",
                      t->dims[0], type->name, type->block_len);
    uint64_t bytes = t->dims[0] / type->block_len;
    bool overflow = __builtin_mul_overflow(bytes, (uint64_t)type->block_bytes, &bytes);
    for (int i = 1; i < 4; i++)
        overflow |= __builtin_mul_overflow(bytes, t->dims[i], &bytes);
    if (overflow)
        return bad_at(c, at, GLIM_EFORMAT, "its size does not fit 64 bits");
    t->bytes = bytes;
    return GLIM_OK;
}

/* One row of the tensor table. Its offset counts from the end of the table,
   which is not known yet. */
static glim_status read_tensor(cursor *c, glim_tensor *t, uint64_t *offset, uint32_t alignment,
                               glim_arena *arena) {
    glim_status status = read_name(c, t, arena);
    if (status == GLIM_OK)
        status = read_dims(c, t);
    uint64_t type_at = c->at;
    if (status == GLIM_OK)
        status = read_u32(c, &t->type, "its element type");
    if (status == GLIM_OK)
        status = measure(c, type_at, t);
    if (status == GLIM_OK)
        status = read_u64(c, offset, "its offset");
    if (status == GLIM_OK && *offset % alignment)
        status = bad_at(c, c->at - 8, GLIM_EFORMAT,
                        "offset %" PRIu64 " is no multiple of the alignment, %" PRIu32, *offset,
                        alignment);
    uint64_t end;
    if (status == GLIM_OK && __builtin_add_overflow(*offset, t->bytes, &end))
        status = bad_at(c, c->at - 8, GLIM_EFORMAT,
                        "offset %" PRIu64 " with %" PRIu64 " bytes does not fit 64 bits", *offset,
                        t->bytes);
    return status;
}

/* Sets the tensors' data; the one that reaches furthest tells what is missing. */
static glim_status place(const cursor *c, glim_gguf_part *part, const uint64_t *offsets) {
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
        return bad_at(c, c->size, GLIM_EFORMAT,
                      "the file is truncated: %" PRIu64
                      " bytes are missing up to the end of tensor '%s' (download it again)",
                      furthest - room + (start > c->size ? start - c->size : 0), last->name);
    for (size_t i = 0; i < part->n_tensors; i++)
        part->tensors[i].data = c->data + start + offsets[i];
    return GLIM_OK;
}

static int compare_data(const void *a, const void *b) {
    const glim_tensor *s = *(glim_tensor *const *)a, *t = *(glim_tensor *const *)b;
    return s->data < t->data ? -1 : s->data > t->data;
}

static glim_status overlap(const cursor *c, const glim_tensor *a, const glim_tensor *b) {
    return bad_at(c, (uint64_t)((const unsigned char *)b->data - c->data), GLIM_EFORMAT,
                  "the bytes of tensors '%s' and '%s' overlap", a->name, b->name);
}

static const char *end_of(const glim_tensor *t) {
    return (const char *)t->data + t->bytes;
}

/* Writers lay tensors out in the table's order; only others need a sort. */
static glim_status check_overlap(const cursor *c, const glim_gguf_part *part) {
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

static glim_status read_tensors(cursor *c, glim_gguf_part *part, glim_arena *arena) {
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

glim_status glim__gguf_part_parse(glim_gguf_part *part, glim_arena *arena, glim_error *err) {
    cursor c = {.data = part->map.data, .size = part->map.size, .path = part->map.path, .err = err};
    glim_status status = read_header(&c, part);
    if (status == GLIM_OK)
        status = read_values(&c, part, arena);
    if (status == GLIM_OK)
        status = read_alignment(&c, part);
    if (status == GLIM_OK)
        status = read_tensors(&c, part, arena);
    return status;
}
