/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gguf-part.c: one pass over a mapped GGUF file (the GGUF specification of
 * ggml, versions 2 and 3): header and metadata here, then the tensor table
 * (gguf-tensors.c). Counts are held against the file's size before a table is
 * made, so none is larger than the file allows, and each is sized once; strings
 * and arrays stay where they are. Stricter than the reference where a file
 * cannot be meant so: a bool is 0 or 1, a key occurs once.
 */
#include "file/gguf-part.h"

#include "file/gguf-cursor.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    HEADER_BYTES = 24,
    MIN_VALUE_BYTES = 13,  /* empty key, type, one byte */
    MIN_TENSOR_BYTES = 24, /* empty name, no dimensions, type, offset */
    MAX_ENTRIES = 1 << 20,
    MAX_KEY = 65535,
    MAX_ALIGNMENT = 65536
};

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
    if (n >= 9 && p[8] == '{' && glim__gguf_load_u64(p) < n)
        return "this looks like a safetensors file (convert it)";
    return NULL;
}

static glim_status check_magic(const glim_gguf_cursor *c) {
    const unsigned char *p = c->data;
    if (c->size >= 4 && memcmp(p, "GGUF", 4) == 0) {
        if (c->size >= HEADER_BYTES)
            return GLIM_OK;
    } else if (c->size >= 4) {
        const char *guess = guess_format(p, c->size);
        return glim__gguf_bad(
            c, 0, GLIM_EFORMAT,
            "not a GGUF file: it begins with %02X %02X %02X %02X instead of 'GGUF'%s%s", p[0], p[1],
            p[2], p[3], guess ? "; " : "", guess ? guess : "");
    }
    return glim__gguf_bad(
        c, c->size, GLIM_EFORMAT,
        "the file ends here; a GGUF file has at least %d bytes (download it again)",
        (int)HEADER_BYTES);
}

static glim_status check_version(const glim_gguf_cursor *c, uint32_t version) {
    if (version == 2 || version == 3)
        return GLIM_OK;
    if ((version & 0xFFFF) == 0 && version != 0)
        return glim__gguf_bad(c, 4, GLIM_EUNSUPPORTED,
                              "this is a big-endian file, which glim does not read (convert it)");
    return glim__gguf_bad(c, 4, GLIM_EUNSUPPORTED,
                          "GGUF version %" PRIu32 "; glim reads versions 2 and 3%s", version,
                          version < 2 ? " (convert the model again)" : "");
}

static glim_status check_count(const glim_gguf_cursor *c, uint64_t at, const char *what, uint64_t n,
                               uint64_t min_bytes) {
    uint64_t left = c->size - HEADER_BYTES;
    if (n > left / min_bytes)
        return glim__gguf_bad(c, at, GLIM_EFORMAT,
                              "the header promises %" PRIu64 " %s, more than fit into the %" PRIu64
                              " bytes that follow",
                              n, what, left);
    if (n > MAX_ENTRIES)
        return glim__gguf_bad(c, at, GLIM_ELIMIT, "%" PRIu64 " %s; at most %d are read", n, what,
                              (int)MAX_ENTRIES);
    return GLIM_OK;
}

static glim_status read_header(glim_gguf_cursor *c, glim_gguf_part *part) {
    glim_status status = check_magic(c);
    if (status != GLIM_OK)
        return status;
    part->version = glim__gguf_load_u32(c->data + 4);
    uint64_t n_tensors = glim__gguf_load_u64(c->data + 8),
             n_values = glim__gguf_load_u64(c->data + 16);
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

static glim_status read_key(glim_gguf_cursor *c, glim_gguf_string *key) {
    uint64_t start = c->at;
    glim_status status = glim__gguf_read_string(c, key, "its name");
    if (status != GLIM_OK)
        return status;
    if (key->len == 0 || key->len > MAX_KEY)
        return glim__gguf_bad(c, start, GLIM_EFORMAT, "its name has %zu bytes; 1 to %d are allowed",
                              key->len, (int)MAX_KEY);
    c->entry = *key;
    for (size_t i = 0; i < key->len; i++)
        if (key->data[i] < 0x20 || key->data[i] > 0x7E)
            return glim__gguf_bad(c, start + 8 + i, GLIM_EFORMAT,
                                  "byte %02X in its name, which must be printable ASCII",
                                  (unsigned char)key->data[i]);
    return GLIM_OK;
}

static glim_status read_type(glim_gguf_cursor *c, glim_gguf_type *type, const char *what) {
    uint32_t id;
    uint64_t start = c->at;
    glim_status status = glim__gguf_read_u32(c, &id, what);
    if (status == GLIM_OK && id > GLIM_GGUF_F64)
        return glim__gguf_bad(c, start, GLIM_EFORMAT, "%s is %" PRIu32 "; 0 to %d are known", what,
                              id, (int)GLIM_GGUF_F64);
    if (status == GLIM_OK)
        *type = (glim_gguf_type)id;
    return status;
}

static glim_status check_bools(glim_gguf_cursor *c, const unsigned char *p, uint64_t n) {
    for (uint64_t i = 0; i < n; i++)
        if (p[i] > 1)
            return glim__gguf_bad(c, (uint64_t)(p - c->data) + i, GLIM_EFORMAT,
                                  "a bool is 0 or 1, not %d", p[i]);
    return GLIM_OK;
}

/* Walks over n strings. The only loop whose length is the vocabulary's. */
static glim_status skip_strings(glim_gguf_cursor *c, uint64_t n) {
    for (uint64_t i = 0; i < n; i++) {
        uint64_t len;
        if (c->size - c->at >= 8 &&
            (len = glim__gguf_load_u64(c->data + c->at)) <= c->size - c->at - 8 &&
            len <= GLIM_GGUF_MAX_STRING) {
            c->at += 8 + len;
            continue;
        }
        glim_gguf_string unused;
        char what[64];
        snprintf(what, sizeof what, "string %" PRIu64 " of %" PRIu64, i + 1, n);
        return glim__gguf_read_string(c, &unused, what);
    }
    return GLIM_OK;
}

/* n elements of one type from here on. */
static glim_status read_elements(glim_gguf_cursor *c, glim_gguf_type type, uint64_t n,
                                 const char *what) {
    uint64_t size = type == GLIM_GGUF_STRING ? 8 : glim__gguf_type_size(type);
    if (n > (c->size - c->at) / size)
        return glim__gguf_cut_off(c, n * size, what);
    const unsigned char *p = c->data + c->at;
    if (type == GLIM_GGUF_STRING)
        return skip_strings(c, n);
    c->at += n * size;
    return type == GLIM_GGUF_BOOL ? check_bools(c, p, n) : GLIM_OK;
}

static glim_status read_array(glim_gguf_cursor *c, glim_gguf_value *v) {
    uint64_t start = c->at;
    glim_status status = read_type(c, &v->element, "its element type");
    if (status == GLIM_OK && v->element == GLIM_GGUF_ARRAY)
        status = glim__gguf_bad(c, start, GLIM_EUNSUPPORTED,
                                "an array of arrays, which glim does not read");
    if (status == GLIM_OK)
        status = glim__gguf_read_u64(c, &v->count, "its array length");
    if (status == GLIM_OK && v->count > GLIM_GGUF_MAX_STRING)
        status = glim__gguf_bad(c, c->at - 8, GLIM_EFORMAT,
                                "an array of %" PRIu64 " elements; at most %d are allowed",
                                v->count, (int)GLIM_GGUF_MAX_STRING);
    v->data = c->data + c->at;
    return status == GLIM_OK ? read_elements(c, v->element, v->count, "its array") : status;
}

static glim_status read_value(glim_gguf_cursor *c, glim_gguf_value *v) {
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
    return v->type == GLIM_GGUF_STRING ? glim__gguf_read_string(c, &unused, "its string")
                                       : read_elements(c, v->type, 1, "its value");
}

static glim_status read_values(glim_gguf_cursor *c, glim_gguf_part *part, glim_arena *arena) {
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
            return glim__gguf_bad(c, start, GLIM_EFORMAT, "this key occurs twice");
    }
    c->table = NULL;
    return GLIM_OK;
}

static glim_status read_alignment(const glim_gguf_cursor *c, glim_gguf_part *part) {
    const glim_gguf_value *v = glim__gguf_part_find(part, "general.alignment");
    part->alignment = 32;
    if (!v)
        return GLIM_OK;
    uint64_t at = (uint64_t)((const unsigned char *)v->data - c->data);
    if (v->type != GLIM_GGUF_U32)
        return glim__gguf_bad(c, at, GLIM_EFORMAT,
                              "key 'general.alignment' has type %s; expected u32",
                              glim__gguf_type_name(v->type));
    uint32_t a = glim__gguf_load_u32(v->data);
    if (a < 8 || a > MAX_ALIGNMENT || (a & (a - 1)))
        return glim__gguf_bad(c, at, GLIM_EFORMAT,
                              "general.alignment is %" PRIu32
                              "; expected a power of two from 8 to %d",
                              a, (int)MAX_ALIGNMENT);
    part->alignment = a;
    return GLIM_OK;
}

glim_status glim__gguf_part_parse(glim_gguf_part *part, glim_arena *arena, glim_error *err) {
    glim_gguf_cursor c = {
        .data = part->map.data, .size = part->map.size, .path = part->map.path, .err = err};
    glim_status status = read_header(&c, part);
    if (status == GLIM_OK)
        status = read_values(&c, part, arena);
    if (status == GLIM_OK)
        status = read_alignment(&c, part);
    if (status == GLIM_OK)
        status = glim__gguf_read_tensors(&c, part, arena);
    return status;
}
