/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gguf.c: a model file as a whole. Parts of a split model are found by the
 * first one's name (PREFIX-00001-of-00003.gguf) and read one after another;
 * metadata is the first part's, tensors are those of all. The digest is
 * computed when somebody asks: hashing a large vocabulary takes longer than
 * everything else about opening.
 */
#include "file/gguf-part.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

enum { MAX_PARTS = 99999, ARENA_BLOCK = 1 << 16 };

glim_status glim__gguf_new(glim_gguf **out, glim_context *ctx, int parts, glim_error *err) {
    glim_gguf *g = glim__calloc(ctx, 1, sizeof *g);
    *out = NULL;
    if (!g)
        return glim__oom(ctx, err, "a model file", sizeof *g);
    g->ctx = ctx;
    g->parts = glim__calloc(ctx, (size_t)parts, sizeof *g->parts);
    if (!g->parts) {
        glim__free(ctx, g);
        return glim__oom(ctx, err, "a model file", sizeof *g->parts);
    }
    glim__arena_init(&g->arena, ctx, ARENA_BLOCK);
    glim__map_init(&g->names, ctx);
    pthread_mutex_init(&g->digest_lock, NULL);
    *out = g;
    return GLIM_OK;
}

static glim_status open_part(glim_gguf *g, const char *path, glim_error *err) {
    glim_gguf_part *part = &g->parts[g->n_parts];
    glim_status status = glim__mapping_open(&part->map, g->ctx, path, err);
    if (status != GLIM_OK)
        return status;
    g->n_parts++;
    glim__map_init(&part->keys, g->ctx);
    g->bytes += part->map.size;
    return glim__gguf_part_parse(part, &g->arena, err);
}

/* Cuts "PREFIX-00002-of-00003.gguf" before the numbers; false for other names. */
static bool split_name(const char *path, size_t *prefix, int *number, int *count) {
    static const size_t tail = sizeof "-00001-of-00003.gguf" - 1;
    size_t n = strlen(path);
    int end = 0;
    if (n <= tail)
        return false;
    *prefix = n - tail;
    return sscanf(path + *prefix, "-%5d-of-%5d.gguf%n", number, count, &end) == 2 &&
           (size_t)end == tail && *number >= 1 && *count >= 1;
}

static void part_name(char *out, size_t size, const char *path, size_t prefix, int i, int count) {
    snprintf(out, size, "%.*s-%05d-of-%05d.gguf", (int)prefix, path, i + 1, count);
}

/* How many parts the first one belongs to. */
static glim_status count_parts(const glim_gguf *g, const char *path, int *count, glim_error *err) {
    const glim_gguf_part *first = &g->parts[0];
    int64_t n = 1, no = 0;
    size_t prefix;
    int name_no, name_count;
    glim_status status = glim__gguf_part_int(first, "split.count", 0, MAX_PARTS, &n, NULL, err);
    if (status == GLIM_OK)
        status = glim__gguf_part_int(first, "split.no", 0, MAX_PARTS, &no, NULL, err);
    *count = n > 1 ? (int)n : 1;
    if (status != GLIM_OK || (n <= 1 && no == 0))
        return status;
    bool named = split_name(path, &prefix, &name_no, &name_count);
    if (no != 0 && named) {
        char part1[1024];
        part_name(part1, sizeof part1, path, prefix, 0, name_count);
        return glim_fail(err, GLIM_EFORMAT, "'%s' is part %" PRId64 " of a split model; open '%s'",
                         path, no + 1, part1);
    }
    if (no != 0)
        return glim_fail(err, GLIM_EFORMAT,
                         "'%s' is part %" PRId64 " of a split model; open part 1", path, no + 1);
    if (!named || name_no != 1 || name_count != n)
        return glim_fail(err, GLIM_EFORMAT,
                         "'%s' is part 1 of %d of a split model, so its name must end in "
                         "-00001-of-%05d.gguf",
                         path, *count, *count);
    return GLIM_OK;
}

static glim_status check_part(const glim_gguf_part *part, int i, int count, glim_error *err) {
    int64_t no = -1, n = -1;
    glim_status status = glim__gguf_part_int(part, "split.no", 0, MAX_PARTS, &no, NULL, err);
    if (status == GLIM_OK)
        status = glim__gguf_part_int(part, "split.count", 0, MAX_PARTS, &n, NULL, err);
    if (status != GLIM_OK)
        return status;
    if (no != i || n != count)
        return glim_fail(err, GLIM_EFORMAT,
                         "'%s': split.no is %" PRId64 " and split.count is %" PRId64
                         "; expected %d and %d",
                         part->map.path, no, n, i, count);
    return GLIM_OK;
}

static glim_status open_other_parts(glim_gguf *g, const char *path, int count, glim_error *err) {
    glim_gguf_part *parts = glim__realloc(g->ctx, g->parts, (size_t)count * sizeof *g->parts);
    if (!parts)
        return glim__oom(g->ctx, err, path, (size_t)count * sizeof *g->parts);
    g->parts = parts;
    memset(parts + 1, 0, (size_t)(count - 1) * sizeof *parts);
    size_t prefix = 0, size = strlen(path) + 1;
    int no, n;
    char *name = glim__alloc(g->ctx, size);
    if (!name)
        return glim__oom(g->ctx, err, path, size);
    split_name(path, &prefix, &no, &n);
    glim_status status = GLIM_OK;
    for (int i = 1; i < count && status == GLIM_OK; i++) {
        part_name(name, size, path, prefix, i, count);
        status = open_part(g, name, err);
        if (status != GLIM_OK)
            glim_prefix(err, status, "part %d of %d", i + 1, count);
        else
            status = check_part(&g->parts[i], i, count, err);
    }
    glim__free(g->ctx, name);
    return status;
}

/* One table of all tensors and one map of their names. */
static glim_status gather(glim_gguf *g, glim_error *err) {
    for (int p = 0; p < g->n_parts; p++)
        g->n_tensors += g->parts[p].n_tensors;
    g->tensors = g->parts[0].tensors;
    if (g->n_parts > 1)
        g->tensors = glim__arena_calloc(&g->arena, g->n_tensors, sizeof *g->tensors);
    if (!g->tensors || g->n_tensors > INT32_MAX || !glim__map_reserve(&g->names, g->n_tensors))
        return glim__oom(g->ctx, err, "the tensor table", g->n_tensors * sizeof *g->tensors);
    size_t i = 0;
    for (int p = 0; p < g->n_parts; p++) {
        const glim_gguf_part *part = &g->parts[p];
        for (size_t k = 0; k < part->n_tensors; k++, i++) {
            const char *name = part->tensors[k].name;
            int32_t old;
            g->tensors[i] = part->tensors[k];
            if (!glim__map_set(&g->names, name, strlen(name), (int32_t)i, &old))
                return glim__oom(g->ctx, err, "the tensor table", 0);
            if (old >= 0)
                return glim_fail(err, GLIM_EFORMAT, "'%s': tensor '%s' occurs twice",
                                 part->map.path, name);
        }
    }
    return GLIM_OK;
}

static glim_status check_total(const glim_gguf *g, glim_error *err) {
    int64_t total = -1;
    glim_status status =
        glim__gguf_part_int(&g->parts[0], "split.tensors.count", 0, INT32_MAX, &total, NULL, err);
    if (status == GLIM_OK && total >= 0 && (uint64_t)total != g->n_tensors)
        return glim_fail(err, GLIM_EFORMAT,
                         "'%s': split.tensors.count is %" PRId64 ", but the %d parts have %zu",
                         g->parts[0].map.path, total, g->n_parts, g->n_tensors);
    return status;
}

glim_status glim__gguf_open(glim_gguf **out, glim_context *ctx, const char *path, glim_error *err) {
    glim_gguf *g;
    int count = 1;
    *out = NULL;
    glim_status status = glim__gguf_new(&g, ctx, 1, err);
    if (status != GLIM_OK)
        return status;
    status = open_part(g, path, err);
    if (status == GLIM_OK)
        status = count_parts(g, path, &count, err);
    if (status == GLIM_OK && count > 1)
        status = open_other_parts(g, path, count, err);
    if (status == GLIM_OK)
        status = gather(g, err);
    if (status == GLIM_OK && count > 1)
        status = check_total(g, err);
    if (status == GLIM_OK)
        *out = g;
    else
        glim__gguf_close(g);
    return status;
}

glim_status glim__gguf_open_memory(glim_gguf **out, glim_context *ctx, const void *bytes, size_t n,
                                   const char *name, glim_error *err) {
    glim_gguf *g;
    *out = NULL;
    glim_status status = glim__gguf_new(&g, ctx, 1, err);
    if (status != GLIM_OK)
        return status;
    glim_gguf_part *part = &g->parts[0];
    status = glim__mapping_borrow(&part->map, ctx, bytes, n, name, err);
    g->n_parts = 1;
    g->bytes = n;
    glim__map_init(&part->keys, ctx);
    if (status == GLIM_OK)
        status = glim__gguf_part_parse(part, &g->arena, err);
    int64_t count = 1;
    if (status == GLIM_OK)
        status = glim__gguf_part_int(part, "split.count", 0, MAX_PARTS, &count, NULL, err);
    if (status == GLIM_OK && count > 1)
        status = glim_fail(err, GLIM_EUNSUPPORTED, "'%s': a split model cannot be read from memory",
                           name);
    if (status == GLIM_OK)
        status = gather(g, err);
    if (status == GLIM_OK)
        *out = g;
    else
        glim__gguf_close(g);
    return status;
}

void glim__gguf_close(glim_gguf *g) {
    if (!g)
        return;
    for (int p = 0; p < g->n_parts; p++) {
        glim__map_release(&g->parts[p].keys);
        glim__mapping_close(&g->parts[p].map);
    }
    glim__map_release(&g->names);
    glim__arena_release(&g->arena);
    pthread_mutex_destroy(&g->digest_lock);
    glim__free(g->ctx, g->parts);
    glim__free(g->ctx, g);
}

void glim__gguf_forget(const glim_gguf *g) {
    for (int p = 0; p < g->n_parts; p++)
        glim__mapping_forget(&g->parts[p].map);
}

const char *glim__gguf_path(const glim_gguf *g) {
    return g->path ? g->path : g->parts[0].map.path;
}

uint32_t glim__gguf_version(const glim_gguf *g) {
    return g->parts[0].version;
}

int glim__gguf_parts(const glim_gguf *g) {
    return g->n_parts;
}

uint64_t glim__gguf_bytes(const glim_gguf *g) {
    return g->bytes;
}

static void compute_digest(glim_gguf *g) {
    crypto_hash_sha256_state state;
    unsigned char hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_init(&state);
    for (int p = 0; p < g->n_parts; p++)
        crypto_hash_sha256_update(&state, g->parts[p].map.data, g->parts[p].tables_end);
    crypto_hash_sha256_final(&state, hash);
    sodium_bin2hex(g->digest, sizeof g->digest, hash, sizeof hash);
}

const char *glim__gguf_digest(const glim_gguf *g) {
    /* The text is a function of what is fixed: only the moment of computing it
       is hidden behind the const. */
    glim_gguf *self = (glim_gguf *)g;
    pthread_mutex_lock(&self->digest_lock);
    if (!self->digest[0])
        compute_digest(self);
    pthread_mutex_unlock(&self->digest_lock);
    return self->digest;
}

size_t glim__gguf_value_count(const glim_gguf *g) {
    return g->parts[0].n_values;
}

const glim_gguf_value *glim__gguf_value_at(const glim_gguf *g, size_t i) {
    return &g->parts[0].values[i];
}

const glim_gguf_value *glim__gguf_find(const glim_gguf *g, const char *key) {
    return glim__gguf_part_find(&g->parts[0], key);
}

size_t glim__gguf_tensor_count(const glim_gguf *g) {
    return g->n_tensors;
}

const glim_tensor *glim__gguf_tensor_at(const glim_gguf *g, size_t i) {
    return &g->tensors[i];
}

const glim_tensor *glim__gguf_tensor(const glim_gguf *g, const char *name) {
    int32_t i = glim__map_get(&g->names, name, strlen(name));
    return i < 0 ? NULL : &g->tensors[i];
}

glim_status glim__gguf_unchanged(const glim_gguf *g, glim_error *err) {
    glim_status status = GLIM_OK;
    for (int p = 0; p < g->n_parts && status == GLIM_OK; p++)
        status = glim__mapping_unchanged(&g->parts[p].map, err);
    return status;
}
