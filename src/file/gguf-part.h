/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gguf-part.h: one file of a model, for the gguf files alone. A part is parsed
 * into values and tensors; gguf.c puts parts together.
 */
#ifndef GLIM_FILE_GGUF_PART_H
#define GLIM_FILE_GGUF_PART_H

#include "base/arena.h"
#include "base/map.h"
#include "file/gguf.h"
#include "file/mapping.h"

#include <pthread.h>

typedef struct glim_gguf_part {
    glim_mapping map;
    uint32_t version;
    uint32_t alignment;
    size_t n_values;
    size_t n_tensors;
    glim_gguf_value *values; /* of the arena */
    glim_map keys;
    glim_tensor *tensors; /* of the arena */
    uint64_t tables_end;  /* bytes of header, metadata and tensor table */
} glim_gguf_part;

struct glim_gguf {
    glim_context *ctx;
    glim_arena arena;
    glim_gguf_part *parts;
    int n_parts;
    size_t n_tensors;
    glim_tensor *tensors; /* of all parts, in their order */
    glim_map names;
    uint64_t bytes;
    const char *path; /* of tables that stand for a directory; NULL = the first part's */
    pthread_mutex_t digest_lock;
    char digest[65]; /* "" until somebody asks */
};

/* An empty one with room for that many parts. */
glim_status glim__gguf_new(glim_gguf **out, glim_context *ctx, int parts, glim_error *err);
/* Parses part->map. What was made before an error stays in the part, for its
   owner to release. */
glim_status glim__gguf_part_parse(glim_gguf_part *part, glim_arena *arena, glim_error *err);
/* The second half of it: the table from c on. */
struct glim_gguf_cursor;
glim_status glim__gguf_read_tensors(struct glim_gguf_cursor *c, glim_gguf_part *part,
                                    glim_arena *arena);
const glim_gguf_value *glim__gguf_part_find(const glim_gguf_part *part, const char *key);
/* glim__gguf_int for one part. */
glim_status glim__gguf_part_int(const glim_gguf_part *part, const char *key, int64_t min,
                                int64_t max, int64_t *out, bool *found, glim_error *err);
/* Bytes of a value type, 0 for strings and arrays; "u32" and so on. */
size_t glim__gguf_type_size(glim_gguf_type type);
const char *glim__gguf_type_name(glim_gguf_type type);

#endif
