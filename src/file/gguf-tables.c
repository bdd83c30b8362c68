/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values lie in the arena as a GGUF file would hold them, so every typed read of
 * gguf.c serves both. The first part carries the values, as in a split file.
 */
#include "file/gguf-tables.h"
#include "file/gguf-part.h"

#include <string.h>

glim_status glim__gguf_begin(glim_gguf **out, glim_context *ctx, const char *path, size_t tensors,
                             int parts, glim_error *err) {
    glim_status status = glim__gguf_new(out, ctx, parts, err);
    glim_gguf *g = *out;
    if (status)
        return status;
    g->path = glim__arena_strdup(&g->arena, path);
    g->tensors = glim__arena_calloc(&g->arena, tensors + 1, sizeof *g->tensors);
    g->parts[0].values =
        glim__arena_calloc(&g->arena, GLIM_TABLES_VALUES, sizeof *g->parts[0].values);
    if (g->path && g->tensors && g->parts[0].values && glim__map_reserve(&g->names, tensors))
        return GLIM_OK;
    glim__gguf_close(g);
    *out = NULL;
    return glim__oom(ctx, err, path, tensors * sizeof *g->tensors);
}

void glim__gguf_part(glim_gguf *g, glim_mapping *map, uint64_t tables) {
    glim_gguf_part *part = &g->parts[g->n_parts++];
    part->map = *map;
    part->tables_end = tables;
    glim__map_init(&part->keys, g->ctx);
    g->bytes += map->size;
    *map = (glim_mapping){.ctx = map->ctx};
}

static bool put(glim_gguf *g, const char *key, glim_gguf_value v, const void *data, size_t n) {
    glim_gguf_part *first = &g->parts[0];
    void *copy = glim__arena_alloc(&g->arena, n + 1);
    v.key = (glim_gguf_string){glim__arena_strdup(&g->arena, key), strlen(key)};
    if (!copy || !v.key.data || first->n_values == GLIM_TABLES_VALUES)
        return false;
    memcpy(copy, data, n);
    v.data = copy;
    first->values[first->n_values++] = v;
    return true;
}

bool glim__gguf_put_int(glim_gguf *g, const char *key, int64_t value) {
    return put(g, key, (glim_gguf_value){.type = GLIM_GGUF_I64, .count = 1}, &value, sizeof value);
}

bool glim__gguf_put_real(glim_gguf *g, const char *key, double value) {
    return put(g, key, (glim_gguf_value){.type = GLIM_GGUF_F64, .count = 1}, &value, sizeof value);
}

bool glim__gguf_put_bool(glim_gguf *g, const char *key, bool value) {
    uint8_t byte = value;
    return put(g, key, (glim_gguf_value){.type = GLIM_GGUF_BOOL, .count = 1}, &byte, 1);
}

bool glim__gguf_put_text(glim_gguf *g, const char *key, const char *value) {
    char head[8];
    uint64_t n = strlen(value);
    char *text = glim__arena_alloc(&g->arena, n + sizeof head);
    if (!text)
        return false;
    memcpy(text, &n, sizeof n);
    memcpy(text + sizeof n, value, n);
    return put(g, key, (glim_gguf_value){.type = GLIM_GGUF_STRING, .count = 1}, text, n + sizeof n);
}

bool glim__gguf_put_bools(glim_gguf *g, const char *key, const bool *values, size_t n) {
    return put(g, key,
               (glim_gguf_value){.type = GLIM_GGUF_ARRAY, .element = GLIM_GGUF_BOOL, .count = n},
               values, n * sizeof *values);
}

bool glim__gguf_put_texts(glim_gguf *g, const char *key, const char *const *values, size_t n) {
    size_t size = 0;
    for (size_t i = 0; i < n; i++)
        size += strlen(values[i]) + sizeof(uint64_t);
    char *all = glim__arena_alloc(&g->arena, size + 1), *at = all;
    for (size_t i = 0; i < n && all; i++) {
        uint64_t len = strlen(values[i]);
        memcpy(at, &len, sizeof len);
        memcpy(at + sizeof len, values[i], len);
        at += sizeof len + len;
    }
    const glim_gguf_value v = {.type = GLIM_GGUF_ARRAY, .element = GLIM_GGUF_STRING, .count = n};
    return all && put(g, key, v, all, size);
}

bool glim__gguf_put_tensor(glim_gguf *g, const char *name, const glim_tensor *tensor) {
    glim_tensor *t = &g->tensors[g->n_tensors];
    *t = *tensor;
    t->name = glim__arena_strdup(&g->arena, name);
    g->n_tensors += t->name != NULL;
    return t->name != NULL;
}

bool glim__gguf_put_floats(glim_gguf *g, const char *name, const float *values, size_t n) {
    float *copy = glim__arena_alloc(&g->arena, n * sizeof *copy);
    if (!copy)
        return false;
    memcpy(copy, values, n * sizeof *copy);
    const glim_tensor t = {.type = GLIM_TYPE_F32,
                           .n_dims = 1,
                           .dims = {n, 1, 1, 1},
                           .bytes = n * sizeof *copy,
                           .data = copy};
    return glim__gguf_put_tensor(g, name, &t);
}

glim_status glim__gguf_end(glim_gguf *g, glim_error *err) {
    glim_gguf_part *first = &g->parts[0];
    int32_t old = -1;
    for (size_t i = 0; i < first->n_values; i++)
        if (!glim__map_set(&first->keys, first->values[i].key.data, first->values[i].key.len,
                           (int32_t)i, NULL))
            return glim__oom(g->ctx, err, "the keys", 0);
    for (size_t i = 0; i < g->n_tensors; i++) {
        const char *name = g->tensors[i].name;
        if (!glim__map_set(&g->names, name, strlen(name), (int32_t)i, &old))
            return glim__oom(g->ctx, err, "the tensor table", 0);
        if (old >= 0)
            return glim_fail(err, GLIM_EFORMAT, "'%s' has the tensor '%s' twice", g->path, name);
    }
    return GLIM_OK;
}
