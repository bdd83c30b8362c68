/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gguf-tables.h: a glim_gguf made of tables instead of parsed from a file, so that
 * another format can be presented as the file that its converter would write.
 * Order: begin, parts, values and tensors in any order, end.
 */
#ifndef GLIM_FILE_GGUF_TABLES_H
#define GLIM_FILE_GGUF_TABLES_H

#include "file/gguf.h"
#include "file/mapping.h"

enum { GLIM_TABLES_VALUES = 96 };

/* Room for that many tensors and parts. Errors: ENOMEM, EBUDGET. */
glim_status glim__gguf_begin(glim_gguf **out, glim_context *ctx, const char *path, size_t tensors,
                             int parts, glim_error *err);
/* Takes over a mapped file; its first `tables` bytes count for the digest. */
void glim__gguf_part(glim_gguf *g, glim_mapping *map, uint64_t tables);
/* Values; keys and texts are copied. False when memory is refused. */
bool glim__gguf_put_int(glim_gguf *g, const char *key, int64_t value);
bool glim__gguf_put_real(glim_gguf *g, const char *key, double value);
bool glim__gguf_put_bool(glim_gguf *g, const char *key, bool value);
bool glim__gguf_put_text(glim_gguf *g, const char *key, const char *value);
bool glim__gguf_put_bools(glim_gguf *g, const char *key, const bool *values, size_t n);
bool glim__gguf_put_texts(glim_gguf *g, const char *key, const char *const *values, size_t n);
/* A tensor whose data lies in a part; its name is copied. */
bool glim__gguf_put_tensor(glim_gguf *g, const char *name, const glim_tensor *tensor);
/* A vector of floats, copied. */
bool glim__gguf_put_floats(glim_gguf *g, const char *name, const float *values, size_t n);
/* Makes the tables searchable. Errors: EFORMAT (a tensor twice), ENOMEM. */
glim_status glim__gguf_end(glim_gguf *g, glim_error *err);

#endif
