/* SPDX-License-Identifier: Apache-2.0 */
/*
 * row-parser.h: bytes that come in pieces become rows of cells, in the formats of
 * table.h. Tables in memory (table.c) and those that stream by (rows.c) are read by
 * this alone, so that they agree on every cell and every error.
 */
#ifndef GLIM_FILE_ROW_PARSER_H
#define GLIM_FILE_ROW_PARSER_H

#include "base/buffer.h"
#include "base/map.h"
#include "file/table.h"

#include <csv.h>

typedef struct glim_row_parser glim_row_parser;

/* Takes a row: cells (p->n_columns), in p->cells. */
typedef glim_status glim_row_taker(void *data, const glim_row_parser *p, const char *const *cells,
                                   glim_error *err);

struct glim_row_parser {
    glim_context *ctx;
    const char *path; /* for messages */
    glim_table_format format;
    bool nested;               /* lists and objects of JSON are cells, as JSON; else an error */
    glim_arena *names, *cells; /* where names of columns and cells are put */
    glim_row_taker *take;      /* NULL: the columns are all that is wanted */
    void *data;
    const char **columns; /* so far; JSON lines may bring more */
    size_t n_columns;
    size_t row;      /* of the row that is handed out, from 1 */
    uint64_t begins; /* the byte where it does, or a blank line before it */
    uint64_t at;     /* bytes that have been read */
    /* inside */
    glim_map known; /* JSON: names of columns */
    bool started, header;
    glim_buffer held; /* a line, or a header, whose end has not come yet */
    const char **cell;
    size_t n, room;
    struct csv_parser csv;
    bool csv_open;
    unsigned char delimiter; /* 0: not known yet */
    size_t semicolons, tabs;
    bool quoted;
    glim_status status; /* of a callback of libcsv */
    glim_error *err;
};

void glim__row_parser_init(glim_row_parser *p, glim_context *ctx, glim_table_format format,
                           const char *path);
void glim__row_parser_release(glim_row_parser *p);
/* The first piece has a byte order mark whole, if there is one. Errors: EFORMAT (with the
   row), ELIMIT, ENOMEM, EBUDGET, ECANCELLED, and those of `take`. */
glim_status glim__row_parser_feed(glim_row_parser *p, const char *bytes, size_t n, glim_error *err);
/* After the last piece: the last row may have no line end. */
glim_status glim__row_parser_end(glim_row_parser *p, glim_error *err);
/* The next piece is from byte `at`, where a row begins, `rows` rows before it. The columns
   stay as they are known. */
void glim__row_parser_seek(glim_row_parser *p, uint64_t at, size_t rows);
/* Names are there, and differ. */
glim_status glim__row_parser_check(const glim_row_parser *p, size_t rows, glim_error *err);

/* The format by the end of a name. Errors: EUSAGE. */
glim_status glim__table_format_of(const char *path, glim_table_format *out, glim_error *err);
/* The column with this name. Errors: EUSAGE, with the names that there are. */
glim_status glim__columns_find(const char *const *columns, size_t n, const char *path,
                               const char *name, size_t *out, glim_error *err);

#endif
