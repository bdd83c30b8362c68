/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables as text: all rows of a file in memory. All cells are kept as they are written, so
 * that whoever reads them decides what is a number; a table is as large as its file and a
 * pointer a cell.
 */
#include "file/table.h"
#include "file/row-parser.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 1 << 30 };

/* ---- reading ---- */

static glim_status oom(const glim_table *t, glim_error *err) {
    return glim__oom(t->ctx, err, "the table", t->n_rows * t->n_columns * sizeof(char *));
}

/* Cells are in the table's arena already. */
static glim_status keep_row(void *data, const glim_row_parser *p, const char *const *cells,
                            glim_error *err) {
    glim_table *t = data;
    t->n_columns = p->n_columns;
    if (t->n_rows == t->room) {
        size_t room = t->room ? 2 * t->room : 64, bytes;
        const char **grown = NULL;
        if (!__builtin_mul_overflow(room, t->n_columns * sizeof *grown, &bytes))
            grown = glim__realloc(t->ctx, t->cells, bytes);
        if (!grown)
            return oom(t, err);
        t->cells = grown;
        t->room = room;
    }
    memcpy(t->cells + t->n_rows++ * t->n_columns, cells, t->n_columns * sizeof *cells);
    return GLIM_OK;
}

static glim_status sweep(glim_row_parser *p, const char *bytes, size_t n, glim_error *err) {
    glim__row_parser_seek(p, 0, 0);
    glim_status status = glim__row_parser_feed(p, bytes, n, err);
    return status ? status : glim__row_parser_end(p, err);
}

/* JSON lines take two sweeps: the columns first, because a row has a cell for every one. */
static glim_status read_rows(glim_table *t, glim_row_parser *p, const char *bytes, size_t n,
                             glim_error *err) {
    glim_status status = GLIM_OK;
    bool json = p->format == GLIM_TABLE_JSONL;
    p->names = p->cells = &t->arena;
    p->data = t;
    if (json)
        status = sweep(p, bytes, n, err);
    p->take = keep_row;
    if (!status && (!json || p->n_columns))
        status = sweep(p, bytes, n, err);
    if (!status)
        status = glim__row_parser_check(p, t->n_rows, err);
    t->columns = p->columns;
    t->n_columns = p->n_columns;
    p->columns = NULL;
    return status;
}

glim_status glim__table_read(glim_table **out, glim_context *ctx, const char *bytes, size_t n,
                             glim_table_format format, const char *name, glim_error *err) {
    glim_row_parser p;
    *out = NULL;
    glim_table *t = glim__calloc(ctx, 1, sizeof *t);
    if (!t)
        return glim__oom(ctx, err, "the table", sizeof *t);
    t->ctx = ctx;
    glim__arena_init(&t->arena, ctx, 1 << 16);
    t->path = glim__arena_strdup(&t->arena, name);
    glim__row_parser_init(&p, ctx, format, t->path);
    glim_status status = t->path ? read_rows(t, &p, bytes, n, err) : oom(t, err);
    glim__row_parser_release(&p);
    if (status) {
        glim__table_close(t);
        return status;
    }
    *out = t;
    return GLIM_OK;
}

glim_status glim__table_format_of(const char *path, glim_table_format *out, glim_error *err) {
    static const struct {
        const char *end;
        glim_table_format format;
    } ends[] = {{".csv", GLIM_TABLE_CSV},
                {".tsv", GLIM_TABLE_TSV},
                {".jsonl", GLIM_TABLE_JSONL},
                {".txt", GLIM_TABLE_LINES}};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        size_t n = strlen(path), m = strlen(ends[i].end);
        *out = ends[i].format;
        if (n > m && !strcmp(path + n - m, ends[i].end))
            return GLIM_OK;
    }
    return glim_fail(err, GLIM_EUSAGE,
                     "'%s' is no table by its name (.csv, .tsv, .jsonl, or .txt with a label, a "
                     "tab and a text a line)",
                     path);
}

glim_status glim__table_open(glim_table **out, glim_context *ctx, const char *path,
                             glim_error *err) {
    glim_table_format format;
    glim_buffer bytes;
    *out = NULL;
    glim_status status = glim__table_format_of(path, &format, err);
    if (status)
        return status;
    glim__buffer_init(&bytes, ctx);
    status = glim__file_read(&bytes, path, MOST_BYTES, err);
    if (!status)
        status =
            glim__table_read(out, ctx, bytes.data ? bytes.data : "", bytes.len, format, path, err);
    glim__buffer_release(&bytes);
    return status;
}

void glim__table_close(glim_table *t) {
    if (!t)
        return;
    glim_context *ctx = t->ctx;
    glim__free(ctx, t->columns);
    glim__free(ctx, t->cells);
    glim__arena_release(&t->arena);
    glim__free(ctx, t);
}

/* ---- looking up ---- */

size_t glim__table_find(const glim_table *t, const char *name) {
    for (size_t c = 0; c < t->n_columns; c++)
        if (!strcmp(t->columns[c], name))
            return c;
    return SIZE_MAX;
}

glim_status glim__columns_find(const char *const *columns, size_t n, const char *path,
                               const char *name, size_t *out, glim_error *err) {
    char all[240] = "";
    size_t used = 0;
    for (*out = 0; *out < n; ++*out)
        if (!strcmp(columns[*out], name))
            return GLIM_OK;
    *out = SIZE_MAX;
    for (size_t c = 0; c < n && used + 1 < sizeof all; c++) {
        int k = snprintf(all + used, sizeof all - used, "%s%.40s", c ? ", " : "", columns[c]);
        used += k > 0 ? (size_t)k : 0;
    }
    return glim_fail(err, GLIM_EUSAGE, "'%s' has no column '%.60s' (there are %s)", path, name,
                     all);
}

glim_status glim__table_column(const glim_table *t, const char *name, size_t *out,
                               glim_error *err) {
    return glim__columns_find(t->columns, t->n_columns, t->path, name, out, err);
}

/* "-12.75": few enough digits for one exact division, which then rounds as it should
   (Clinger 1990). Most cells are like that. */
static bool short_number(const char *s, double *out) {
    static const double powers[] = {1,   1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    bool negative = *s == '-';
    uint64_t whole = 0;
    int digits = 0, behind = 0;
    s += negative;
    for (bool point = false; *s && digits <= 15; s++) {
        if (*s >= '0' && *s <= '9') {
            whole = 10 * whole + (uint64_t)(*s - '0');
            digits++;
            behind += point;
        } else if (*s == '.' && !point && digits) {
            point = true;
        } else {
            return false;
        }
    }
    double x = (double)whole / powers[behind < 15 ? behind : 15];
    *out = negative ? -x : x;
    return digits && digits <= 15;
}

bool glim__table_number(const char *text, double *out) {
    char *end;
    if (short_number(text, out))
        return true;
    text += strspn(text, " \t");
    size_t n = strspn(text, "0123456789+-.eE");
    if (!n || text[n + strspn(text + n, " \t")])
        return false; /* no hexadecimal numbers, infinities or NaN */
    if (!strcmp(localeconv()->decimal_point, ".")) {
        *out = strtod(text, &end);
    } else { /* a program that uses the library has set its own locale */
        locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
        if (!plain)
            return false;
        *out = strtod_l(text, &end, plain);
        freelocale(plain);
    }
    return end == text + n && isfinite(*out);
}

bool glim__table_missing(const char *text) {
    static const char *const words[] = {"", "NA", "NaN", "nan", "null"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcmp(text, words[i]))
            return true;
    return false;
}

bool glim__table_numeric(const glim_table *t, size_t column) {
    size_t numbers = 0;
    double x;
    for (size_t i = 0; i < t->n_rows; i++) {
        const char *cell = glim__table_cell(t, i, column);
        bool number = glim__table_number(cell, &x);
        if (!number && !glim__table_missing(cell))
            return false;
        numbers += number;
    }
    return numbers > 0;
}
