/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rows.h: rows of named columns that stream from a file: the formats and cells of table.h,
 * of files that need not fit into memory. One pass finds where blocks of rows begin; then
 * any rows can be read, in any order. What stays in memory is an entry for every block
 * (256 rows, or 256 KiB of them) and one block of cells.
 *
 * The file must stay as it was: each block is known by a digest, and a change of size or
 * time is refused.
 */
#ifndef GLIM_FILE_ROWS_H
#define GLIM_FILE_ROWS_H

#include "file/table.h"

typedef struct glim_rows glim_rows;

/* Reads the whole file once. Errors: EUSAGE (a name that is no table's; a pipe, which can
   be read only once), and those of glim__table_open; ECANCELLED. `nested`: a list or an
   object in JSON is a cell, as its JSON text; else an error, as in tables. */
glim_status glim__rows_open(glim_rows **out, glim_context *ctx, const char *path, bool nested,
                            glim_error *err);
void glim__rows_close(glim_rows *r); /* NULL is fine */
size_t glim__rows_count(const glim_rows *r);
const char *const *glim__rows_columns(const glim_rows *r, size_t *n);
/* The column with this name, or SIZE_MAX; and as a call that fails (EUSAGE). */
size_t glim__rows_find(const glim_rows *r, const char *name);
glim_status glim__rows_column(const glim_rows *r, const char *name, size_t *out, glim_error *err);
/* As given, and the SHA-256 of the bytes, hex; borrowed. */
const char *glim__rows_path(const glim_rows *r);
const char *glim__rows_digest(const glim_rows *r);
/* Cells (count, columns) of rows first .. first + count - 1, all in the arena; cheapest in
   order. Errors: EIO (the file has changed, or cannot be read), ENOMEM, EBUDGET. */
glim_status glim__rows_read(glim_rows *r, size_t first, size_t count, glim_arena *arena,
                            const char ***cells, glim_error *err);

#endif
