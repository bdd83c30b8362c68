/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gguf-value.c: metadata by key, with types checked at the reader's wish.
 * Writers differ in the integer type of one and the same key (u32, i32, u64),
 * so any that holds the number will do; a string where a number belongs will
 * not. Values lie unaligned in the map and are copied out one by one.
 */
#include "file/gguf-part.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static const struct {
    const char *name;
    size_t size;
} types[] = {
    [GLIM_GGUF_U8] = {"u8", 1},         [GLIM_GGUF_I8] = {"i8", 1},
    [GLIM_GGUF_U16] = {"u16", 2},       [GLIM_GGUF_I16] = {"i16", 2},
    [GLIM_GGUF_U32] = {"u32", 4},       [GLIM_GGUF_I32] = {"i32", 4},
    [GLIM_GGUF_F32] = {"f32", 4},       [GLIM_GGUF_BOOL] = {"bool", 1},
    [GLIM_GGUF_STRING] = {"string", 0}, [GLIM_GGUF_ARRAY] = {"array", 0},
    [GLIM_GGUF_U64] = {"u64", 8},       [GLIM_GGUF_I64] = {"i64", 8},
    [GLIM_GGUF_F64] = {"f64", 8},
};

size_t glim__gguf_type_size(glim_gguf_type type) {
    return types[type].size;
}

const char *glim__gguf_type_name(glim_gguf_type type) {
    return types[type].name;
}

const glim_gguf_value *glim__gguf_part_find(const glim_gguf_part *part, const char *key) {
    int32_t i = glim__map_get(&part->keys, key, strlen(key));
    return i < 0 ? NULL : &part->values[i];
}

/* The key's value, or NULL with *found false. */
static const glim_gguf_value *look_up(const glim_gguf_part *part, const char *key, bool *found) {
    const glim_gguf_value *v = glim__gguf_part_find(part, key);
    if (found)
        *found = v != NULL;
    return v;
}

static glim_status wrong_type(const glim_gguf_part *part, const glim_gguf_value *v,
                              const char *expected, glim_error *err) {
    return glim_fail(err, GLIM_EFORMAT, "'%s': key '%.*s' has type %s; expected %s", part->map.path,
                     (int)v->key.len, v->key.data, types[v->type].name, expected);
}

/* An integer of any type; false for other types. *huge: above INT64_MAX. */
static bool load_int(glim_gguf_type type, const void *p, int64_t *out, bool *huge) {
    union {
        uint8_t u8;
        int8_t i8;
        uint16_t u16;
        int16_t i16;
        uint32_t u32;
        int32_t i32;
        uint64_t u64;
        int64_t i64;
    } x;
    memcpy(&x, p, types[type].size);
    *huge = false;
    switch (type) {
    case GLIM_GGUF_U8:
        *out = x.u8;
        return true;
    case GLIM_GGUF_I8:
        *out = (int64_t)x.i8;
        return true;
    case GLIM_GGUF_U16:
        *out = x.u16;
        return true;
    case GLIM_GGUF_I16:
        *out = x.i16;
        return true;
    case GLIM_GGUF_U32:
        *out = x.u32;
        return true;
    case GLIM_GGUF_I32:
        *out = x.i32;
        return true;
    case GLIM_GGUF_U64:
        *out = x.i64;
        *huge = x.u64 > INT64_MAX;
        return true;
    case GLIM_GGUF_I64:
        *out = x.i64;
        return true;
    default:
        return false;
    }
}

static bool load_real(glim_gguf_type type, const void *p, double *out) {
    float f;
    if (type == GLIM_GGUF_F32) {
        memcpy(&f, p, sizeof f);
        *out = (double)f;
    } else if (type == GLIM_GGUF_F64) {
        memcpy(out, p, sizeof *out);
    } else {
        return false;
    }
    return true;
}

glim_status glim__gguf_part_int(const glim_gguf_part *part, const char *key, int64_t min,
                                int64_t max, int64_t *out, bool *found, glim_error *err) {
    const glim_gguf_value *v = look_up(part, key, found);
    int64_t x;
    bool huge;
    if (!v)
        return GLIM_OK;
    if (!load_int(v->type, v->data, &x, &huge))
        return wrong_type(part, v, "an integer", err);
    if (huge)
        return glim_fail(err, GLIM_EFORMAT,
                         "'%s': key '%s' is %" PRIu64 "; expected %" PRId64 " to %" PRId64,
                         part->map.path, key, (uint64_t)x, min, max);
    if (x < min || x > max)
        return glim_fail(err, GLIM_EFORMAT,
                         "'%s': key '%s' is %" PRId64 "; expected %" PRId64 " to %" PRId64,
                         part->map.path, key, x, min, max);
    *out = x;
    return GLIM_OK;
}

glim_status glim__gguf_int(const glim_gguf *g, const char *key, int64_t min, int64_t max,
                           int64_t *out, bool *found, glim_error *err) {
    return glim__gguf_part_int(&g->parts[0], key, min, max, out, found, err);
}

glim_status glim__gguf_real(const glim_gguf *g, const char *key, double *out, bool *found,
                            glim_error *err) {
    const glim_gguf_part *part = &g->parts[0];
    const glim_gguf_value *v = look_up(part, key, found);
    double x;
    if (!v)
        return GLIM_OK;
    if (!load_real(v->type, v->data, &x))
        return wrong_type(part, v, "f32 or f64", err);
    if (!isfinite(x))
        return glim_fail(err, GLIM_EFORMAT, "'%s': key '%s' is not finite", part->map.path, key);
    *out = x;
    return GLIM_OK;
}

glim_status glim__gguf_bool(const glim_gguf *g, const char *key, bool *out, bool *found,
                            glim_error *err) {
    const glim_gguf_part *part = &g->parts[0];
    const glim_gguf_value *v = look_up(part, key, found);
    if (!v)
        return GLIM_OK;
    if (v->type != GLIM_GGUF_BOOL)
        return wrong_type(part, v, "bool", err);
    *out = *(const unsigned char *)v->data != 0;
    return GLIM_OK;
}

glim_status glim__gguf_text(const glim_gguf *g, const char *key, glim_gguf_string *out, bool *found,
                            glim_error *err) {
    const glim_gguf_part *part = &g->parts[0];
    const glim_gguf_value *v = look_up(part, key, found);
    const void *cursor = NULL;
    if (!v)
        return GLIM_OK;
    if (v->type != GLIM_GGUF_STRING)
        return wrong_type(part, v, "string", err);
    *out = glim__gguf_next_string(v, &cursor);
    return GLIM_OK;
}

double glim__gguf_element(const glim_gguf_value *v, uint64_t i) {
    size_t size = types[v->element].size;
    if (size == 0 || i >= v->count)
        return 0;
    const char *p = (const char *)v->data + i * size;
    int64_t x;
    bool huge;
    double real;
    if (load_real(v->element, p, &real))
        return real;
    if (load_int(v->element, p, &x, &huge))
        return huge ? (double)(uint64_t)x : (double)x;
    return *(const unsigned char *)p;
}

glim_gguf_string glim__gguf_next_string(const glim_gguf_value *v, const void **cursor) {
    const char *p = *cursor ? *cursor : v->data;
    uint64_t n;
    memcpy(&n, p, sizeof n);
    *cursor = p + 8 + n;
    return (glim_gguf_string){p + 8, (size_t)n};
}
