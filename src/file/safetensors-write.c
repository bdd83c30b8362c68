/* SPDX-License-Identifier: Apache-2.0 */
/*
 * safetensors-write.c: the writer. Shapes come first, so that the header can
 * be written once and every tensor's place is known: a capture then streams
 * each layer to its place, and a file larger than memory is no matter. The
 * header is padded with spaces to eight bytes, which aligns the data.
 */
#include "file/safetensors.h"

#include "base/arena.h"
#include "base/map.h"
#include "base/outfile.h"

#include <inttypes.h>
#include <string.h>

typedef struct entry {
    struct entry *next;
    const char *name, *dtype;
    size_t element; /* bytes */
    uint64_t begin; /* in the data */
    uint64_t count, written;
} entry;

struct glim_st_writer {
    glim_context *ctx;
    glim_arena arena;
    const char *path;
    glim_map names;
    entry *first, **last;
    entry **entries; /* by number, once begun */
    size_t n_entries;
    json_t *header, *metadata;
    uint64_t data_bytes, data_start;
    bool begun;
    glim_outfile file;
};

static glim_status misuse(glim_error *err, const char *name, const char *why) {
    return glim_fail(err, GLIM_EINTERNAL, "writing tensor '%s': %s", name, why);
}

static glim_status no_memory(const glim_st_writer *w, glim_error *err, uint64_t bytes) {
    return glim__oom(w->ctx, err, w->path ? w->path : "a safetensors file", bytes);
}

glim_status glim__st_writer_new(glim_st_writer **out, glim_context *ctx, const char *path,
                                glim_error *err) {
    glim_st_writer *w = glim__calloc(ctx, 1, sizeof *w);
    *out = NULL;
    if (!w)
        return glim__oom(ctx, err, path, sizeof *w);
    w->ctx = ctx;
    w->last = &w->first;
    w->file.fd = -1;
    glim__arena_init(&w->arena, ctx, 1 << 14);
    glim__map_init(&w->names, ctx);
    w->path = glim__arena_strdup(&w->arena, path);
    w->header = json_object();
    w->metadata = json_object();
    if (!w->path || !w->header || !w->metadata) {
        glim_status status = no_memory(w, err, 0);
        glim__st_writer_free(w);
        return status;
    }
    *out = w;
    return GLIM_OK;
}

/* {"dtype": ..., "shape": [...], "data_offsets": [begin, end]}, or NULL. */
static json_t *describe(const entry *e, int n_dims, const uint64_t *dims) {
    json_t *shape = json_array();
    for (int i = 0; i < n_dims; i++)
        if (json_array_append_new(shape, json_integer((json_int_t)dims[i])) != 0) {
            json_decref(shape);
            return NULL;
        }
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", e->dtype, "shape", shape, "data_offsets",
                     (json_int_t)e->begin,
                     (json_int_t)e->begin + (json_int_t)(e->count * e->element));
}

static glim_status measure(entry *e, const char *name, int n_dims, const uint64_t *dims,
                           uint64_t begin, glim_error *err) {
    uint64_t bytes, end;
    e->element = strcmp(e->dtype, "F32") == 0 ? 4 : strcmp(e->dtype, "I64") == 0 ? 8 : 0;
    if (e->element == 0)
        return misuse(err, name, "its dtype is neither F32 nor I64");
    if (n_dims < 0 || n_dims > 8)
        return misuse(err, name, "it has more than 8 dimensions");
    bool overflow = false;
    e->count = 1;
    for (int i = 0; i < n_dims; i++)
        overflow |= __builtin_mul_overflow(e->count, dims[i], &e->count) || dims[i] > INT64_MAX;
    overflow |= __builtin_mul_overflow(e->count, (uint64_t)e->element, &bytes);
    overflow |= __builtin_add_overflow(begin, bytes, &end) || end > INT64_MAX;
    e->begin = begin;
    return overflow ? misuse(err, name, "its size does not fit 63 bits") : GLIM_OK;
}

glim_status glim__st_writer_declare(glim_st_writer *w, const char *name, const char *dtype,
                                    int n_dims, const uint64_t *dims, glim_error *err) {
    if (w->begun)
        return misuse(err, name, "it is declared after the data began");
    if (strcmp(name, "__metadata__") == 0 || glim__map_get(&w->names, name, strlen(name)) >= 0)
        return misuse(err, name, "this name is taken");
    entry *e = glim__arena_calloc(&w->arena, 1, sizeof *e);
    if (!e)
        return no_memory(w, err, sizeof *e);
    e->name = glim__arena_strdup(&w->arena, name);
    e->dtype = glim__arena_strdup(&w->arena, dtype);
    if (!e->name || !e->dtype)
        return no_memory(w, err, strlen(name));
    glim_status status = measure(e, name, n_dims, dims, w->data_bytes, err);
    if (status != GLIM_OK)
        return status;
    if (!glim__map_set(&w->names, e->name, strlen(name), (int32_t)w->n_entries, NULL))
        return no_memory(w, err, 0);
    if (json_object_set_new(w->header, name, describe(e, n_dims, dims)) != 0)
        return misuse(err, name, "its name is not UTF-8");
    *w->last = e;
    w->last = &e->next;
    w->n_entries++;
    w->data_bytes += e->count * e->element;
    return GLIM_OK;
}

glim_status glim__st_writer_metadata(glim_st_writer *w, const char *key, const char *value,
                                     glim_error *err) {
    if (w->begun)
        return misuse(err, key, "metadata after the data began");
    json_t *text = glim__json_text(value, strlen(value));
    return json_object_set_new(w->metadata, key, text) == 0 ? GLIM_OK
                                                            : no_memory(w, err, strlen(value));
}

/* The length, the JSON and its padding, as bytes. */
static glim_status make_header(glim_st_writer *w, glim_buffer *b, glim_error *err) {
    uint64_t n = 0;
    json_t *whole = json_object();
    glim__buffer_append(b, &n, sizeof n);
    bool ok = whole != NULL;
    if (json_object_size(w->metadata))
        ok = ok && json_object_set(whole, "__metadata__", w->metadata) == 0;
    ok = ok && json_object_update(whole, w->header) == 0;
    glim_status status = ok ? glim__json_write(b, whole, 0, false, err) : no_memory(w, err, 0);
    json_decref(whole);
    while (status == GLIM_OK && b->len % 8 && !b->failed)
        glim__buffer_putc(b, ' ');
    if (status == GLIM_OK && b->failed)
        status = no_memory(w, err, b->len);
    if (status == GLIM_OK) {
        n = b->len - sizeof n;
        memcpy(b->data, &n, sizeof n);
    }
    return status;
}

glim_status glim__st_writer_begin(glim_st_writer *w, glim_error *err) {
    glim_buffer b;
    if (w->begun)
        return misuse(err, w->path, "it was begun before");
    w->entries = glim__arena_calloc(&w->arena, w->n_entries, sizeof *w->entries);
    if (!w->entries)
        return no_memory(w, err, w->n_entries * sizeof *w->entries);
    size_t i = 0;
    for (entry *e = w->first; e; e = e->next)
        w->entries[i++] = e;
    glim__buffer_init(&b, w->ctx);
    glim_status status = make_header(w, &b, err);
    if (status == GLIM_OK)
        status = glim__outfile_open(&w->file, w->path, err);
    if (status == GLIM_OK)
        status = glim__outfile_write(&w->file, b.data, b.len, err);
    w->data_start = b.len;
    w->begun = status == GLIM_OK;
    glim__buffer_release(&b);
    return status;
}

glim_status glim__st_writer_put(glim_st_writer *w, const char *name, uint64_t offset,
                                const void *data, uint64_t count, glim_error *err) {
    int32_t i = glim__map_get(&w->names, name, strlen(name));
    if (i < 0 || !w->begun)
        return misuse(err, name, i < 0 ? "it was not declared" : "the writer was not begun");
    entry *e = w->entries[i];
    if (offset > e->count || count > e->count - offset || count > e->count - e->written)
        return misuse(err, name, "more elements than its shape has");
    e->written += count;
    return glim__outfile_write_at(&w->file, w->data_start + e->begin + offset * e->element, data,
                                  (size_t)(count * e->element), err);
}

glim_status glim__st_writer_end(glim_st_writer *w, glim_error *err) {
    if (!w->begun)
        return misuse(err, w->path, "the writer was not begun");
    for (const entry *e = w->first; e; e = e->next)
        if (e->written != e->count)
            return misuse(err, e->name, "not all of its elements were written");
    w->begun = false;
    return glim__outfile_commit(&w->file, err);
}

void glim__st_writer_free(glim_st_writer *w) {
    if (!w)
        return;
    glim__outfile_abort(&w->file);
    json_decref(w->header);
    json_decref(w->metadata);
    glim__map_release(&w->names);
    glim__arena_release(&w->arena);
    glim__free(w->ctx, w);
}
