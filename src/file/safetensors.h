/* SPDX-License-Identifier: Apache-2.0 */
/*
 * safetensors.h: recordings and captures. Reading maps the file and checks the
 * header strictly (holes, overlaps, sizes, duplicate keys); writing streams
 * tensors whose shapes were declared before, so nothing is held in memory.
 */
#ifndef GLIM_FILE_SAFETENSORS_H
#define GLIM_FILE_SAFETENSORS_H

#include "base/json.h"
#include "base/outfile.h"

typedef struct glim_safetensors glim_safetensors;

typedef struct glim_st_tensor {
    const char *name;
    const char *dtype; /* "F32", "I64", ... */
    int n_dims;
    uint64_t dims[8]; /* row-major, slowest first */
    const void *data; /* maybe unaligned */
    uint64_t bytes;
} glim_st_tensor;

/* The mapped bytes count against the budget. A dtype that is not known is no
   error; whoever uses the tensor refuses it.
   Errors: EIO, EFORMAT, ELIMIT, ENOMEM, EBUDGET. */
glim_status glim__safetensors_open(glim_safetensors **out, glim_context *ctx, const char *path,
                                   glim_error *err);
/* The same over bytes in memory (tests, fuzzing); `bytes` is borrowed. */
glim_status glim__safetensors_open_memory(glim_safetensors **out, glim_context *ctx,
                                          const void *bytes, size_t n, const char *name,
                                          glim_error *err);
void glim__safetensors_close(glim_safetensors *st);
/* Hands over the mapped file, which then outlives st; *header: bytes before the data. */
struct glim_mapping;
void glim__safetensors_move(glim_safetensors *st, struct glim_mapping *out, uint64_t *header);
size_t glim__safetensors_count(const glim_safetensors *st);
const glim_st_tensor *glim__safetensors_at(const glim_safetensors *st, size_t i);
const glim_st_tensor *glim__safetensors_find(const glim_safetensors *st, const char *name);
/* A string of __metadata__, or NULL. */
const char *glim__safetensors_metadata(const glim_safetensors *st, const char *key);

/* Writer: declare every tensor (F32 or I64), then begin, then write the data
   of each in any order with `put` (offset in elements, every element once),
   then end, which renames the temporary file; free without end removes it.
   Errors: EIO (the disk is full, ...), ENOMEM, EBUDGET; EINTERNAL when the
   caller breaks this order, or leaves elements unwritten. */
typedef struct glim_st_writer glim_st_writer;
glim_status glim__st_writer_new(glim_st_writer **out, glim_context *ctx, const char *path,
                                glim_error *err);
glim_status glim__st_writer_declare(glim_st_writer *w, const char *name, const char *dtype,
                                    int n_dims, const uint64_t *dims, glim_error *err);
glim_status glim__st_writer_metadata(glim_st_writer *w, const char *key, const char *value,
                                     glim_error *err);
glim_status glim__st_writer_begin(glim_st_writer *w, glim_error *err);
glim_status glim__st_writer_put(glim_st_writer *w, const char *name, uint64_t offset,
                                const void *data, uint64_t count, glim_error *err);
glim_status glim__st_writer_end(glim_st_writer *w, glim_error *err);
void glim__st_writer_free(glim_st_writer *w); /* aborts if not ended; NULL is fine */

/* A float32 C-order array as NumPy .npy, version 1.0, written whole or not at
   all; "-" is standard output. Errors: EIO, ELIMIT (above 32 dimensions). */
glim_status glim__npy_write(glim_context *ctx, const char *path, const float *data, int n_dims,
                            const uint64_t *dims, glim_error *err);
/* Opens f and writes what stands before the data (float32 or float16), which follows by
   glim__outfile_write and ends by glim__outfile_commit or _abort (which is fine after a failure,
   too). */
glim_status glim__npy_begin(glim_outfile *f, const char *path, bool half, int n_dims,
                            const uint64_t *dims, glim_error *err);

#endif
