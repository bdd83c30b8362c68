/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gguf.h: one GGUF file or a set of split files, memory-mapped and checked.
 * Layout and checks: the GGUF specification of ggml; versions 2 and 3.
 * Nothing is copied but the tables; strings point into the map.
 */
#ifndef GLIM_FILE_GGUF_H
#define GLIM_FILE_GGUF_H

#include "tensor/types.h"

typedef struct glim_gguf glim_gguf;

typedef enum glim_gguf_type {
    GLIM_GGUF_U8,
    GLIM_GGUF_I8,
    GLIM_GGUF_U16,
    GLIM_GGUF_I16,
    GLIM_GGUF_U32,
    GLIM_GGUF_I32,
    GLIM_GGUF_F32,
    GLIM_GGUF_BOOL,
    GLIM_GGUF_STRING,
    GLIM_GGUF_ARRAY,
    GLIM_GGUF_U64,
    GLIM_GGUF_I64,
    GLIM_GGUF_F64
} glim_gguf_type;

typedef struct glim_gguf_string {
    const char *data; /* in the map, no terminator */
    size_t len;
} glim_gguf_string;

typedef struct glim_gguf_value {
    glim_gguf_string key;
    glim_gguf_type type;
    glim_gguf_type element; /* of an array */
    uint64_t count;         /* of an array, else 1 */
    const void *data;       /* unaligned, in the map */
} glim_gguf_value;

/* Opens, maps and checks PATH; a split file is opened by its first part and
   brings the others. The mapped bytes count against the budget. Errors: EIO,
   EFORMAT, EUNSUPPORTED, ELIMIT, ENOMEM, EBUDGET. */
glim_status glim__gguf_open(glim_gguf **out, glim_context *ctx, const char *path, glim_error *err);
/* The same over bytes in memory (tests, fuzzing); `bytes` is borrowed. */
glim_status glim__gguf_open_memory(glim_gguf **out, glim_context *ctx, const void *bytes, size_t n,
                                   const char *name, glim_error *err);
void glim__gguf_close(glim_gguf *g);
/* Lets go of the pages that have been read. */
void glim__gguf_forget(const glim_gguf *g);

const char *glim__gguf_path(const glim_gguf *g);
uint32_t glim__gguf_version(const glim_gguf *g); /* 0 = tables of another format */
int glim__gguf_parts(const glim_gguf *g);        /* files */
uint64_t glim__gguf_bytes(const glim_gguf *g);   /* of all files */
/* SHA-256 over header, metadata and tensor table of every part, as 64 hex
   digits: cheap, and changes with anything but the weights' own bytes. */
const char *glim__gguf_digest(const glim_gguf *g);

size_t glim__gguf_value_count(const glim_gguf *g);
const glim_gguf_value *glim__gguf_value_at(const glim_gguf *g, size_t i);
const glim_gguf_value *glim__gguf_find(const glim_gguf *g, const char *key); /* or NULL */

/* Typed reads. *found (may be NULL) tells whether the key is there; an absent
   key leaves *out as it was and is no error. Any integer type of sufficient
   range serves an integer key, f32 and f64 a real key. Errors: EFORMAT. */
glim_status glim__gguf_int(const glim_gguf *g, const char *key, int64_t min, int64_t max,
                           int64_t *out, bool *found, glim_error *err);
glim_status glim__gguf_real(const glim_gguf *g, const char *key, double *out, bool *found,
                            glim_error *err);
glim_status glim__gguf_bool(const glim_gguf *g, const char *key, bool *out, bool *found,
                            glim_error *err);
glim_status glim__gguf_text(const glim_gguf *g, const char *key, glim_gguf_string *out, bool *found,
                            glim_error *err);
/* Element i of an array of integers or reals as double; of strings: walk them
   with the cursor (start with *cursor = NULL). */
double glim__gguf_element(const glim_gguf_value *v, uint64_t i);
glim_gguf_string glim__gguf_next_string(const glim_gguf_value *v, const void **cursor);

size_t glim__gguf_tensor_count(const glim_gguf *g);
const glim_tensor *glim__gguf_tensor_at(const glim_gguf *g, size_t i);
const glim_tensor *glim__gguf_tensor(const glim_gguf *g, const char *name); /* or NULL */
/* Checks that the file has not changed (size, time) since it was opened. */
glim_status glim__gguf_unchanged(const glim_gguf *g, glim_error *err);

#endif
