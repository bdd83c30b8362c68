/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table.h: rows of named columns, as text: what is fitted and what is explained.
 *
 *   .csv, .tsv   RFC 4180 with a header: quotes, CRLF, a byte order mark, line ends
 *                inside quotes (libcsv, strict: a stray quote is an error); a .csv whose
 *                header has no comma may be parted by semicolons or tabs
 *   .jsonl       an object a line; columns in the order in which they first appear
 *   .txt         "LABEL<tab>TEXT" a line, columns `label` and `text`
 *
 * A cell that is empty, or not there (jsonl), is "". Cells are UTF-8 without NUL.
 */
#ifndef GLIM_FILE_TABLE_H
#define GLIM_FILE_TABLE_H

#include "base/arena.h"

enum { GLIM_MOST_COLUMNS = 65536 };

typedef struct glim_table {
    glim_context *ctx;
    glim_arena arena; /* of names and cells */
    const char *path; /* as given, for messages */
    const char **columns;
    size_t n_columns;
    const char **cells; /* (n_rows, n_columns) */
    size_t n_rows, room;
} glim_table;

typedef enum glim_table_format {
    GLIM_TABLE_CSV,
    GLIM_TABLE_TSV,
    GLIM_TABLE_JSONL,
    GLIM_TABLE_LINES
} glim_table_format;

/* Reads a file, its format by the end of its name. Errors: EUSAGE (another end),
   EIO, EFORMAT (with the row), ELIMIT, ENOMEM, EBUDGET. */
glim_status glim__table_open(glim_table **out, glim_context *ctx, const char *path,
                             glim_error *err);
/* The same of bytes in memory, which need not outlive the call. */
glim_status glim__table_read(glim_table **out, glim_context *ctx, const char *bytes, size_t n,
                             glim_table_format format, const char *name, glim_error *err);
void glim__table_close(glim_table *t); /* NULL is fine */

/* The column with this name, or SIZE_MAX. */
size_t glim__table_find(const glim_table *t, const char *name);
/* The same as a call that fails: EUSAGE, with the names that there are. */
glim_status glim__table_column(const glim_table *t, const char *name, size_t *out, glim_error *err);
static inline const char *glim__table_cell(const glim_table *t, size_t row, size_t column) {
    return t->cells[row * t->n_columns + column];
}

/* True when the whole text is a finite decimal number, spaces around it allowed. */
bool glim__table_number(const char *text, double *out);
/* True for what stands for a missing number: nothing, NA, NaN, nan, null. */
bool glim__table_missing(const char *text);
/* True when all cells of the column are numbers or missing, and some is a number. */
bool glim__table_numeric(const glim_table *t, size_t column);

#endif
