/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables as text. All cells are kept as they are written, so that whoever reads
 * them decides what is a number; a table is as large as its file and a pointer a
 * cell. The first row of CSV is the header: a file of numbers alone would lose a row
 * silently, so a header that is all numbers is refused.
 */
#include "file/table.h"
#include "base/json.h"
#include "base/map.h"
#include "base/utf8.h"

#include <csv.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 1 << 30 };

/* ---- growing ---- */

static glim_status oom(const glim_table *t, glim_error *err) {
    return glim__oom(t->ctx, err, "the table", t->n_rows * t->n_columns * sizeof(char *));
}

/* A new row of empty cells, or NULL. */
static const char **add_row(glim_table *t) {
    if (t->n_rows == t->room) {
        size_t room = t->room ? 2 * t->room : 64, bytes;
        const char **cells = NULL;
        if (!__builtin_mul_overflow(room, t->n_columns * sizeof *cells, &bytes))
            cells = glim__realloc(t->ctx, t->cells, bytes);
        if (!cells)
            return NULL;
        t->cells = cells;
        t->room = room;
    }
    const char **row = t->cells + t->n_rows++ * t->n_columns;
    for (size_t c = 0; c < t->n_columns; c++)
        row[c] = "";
    return row;
}

static glim_status copy_cell(glim_table *t, const char *s, size_t n, size_t row, const char **out,
                             glim_error *err) {
    if (n && s && (glim__utf8_check(s, n) != n || memchr(s, 0, n)))
        return glim_fail(err, GLIM_EFORMAT, "'%s': row %zu holds a cell that is no UTF-8 text",
                         t->path, row);
    *out = n && s ? glim__arena_strndup(&t->arena, s, n) : "";
    return *out ? GLIM_OK : oom(t, err);
}

/* ---- CSV ---- */

struct csv_reading {
    glim_table *t;
    glim_error *err;
    glim_status status;
    const char **header; /* names so far, while the first row is read */
    size_t n, records, room;
    const char **row;
};

static bool grow_header(struct csv_reading *r) {
    size_t room = r->room ? 2 * r->room : 64;
    const char **header = glim__realloc(r->t->ctx, r->header, room * sizeof *header);
    if (!header)
        return false;
    r->header = header;
    r->room = room;
    return true;
}

static void on_cell(void *s, size_t len, void *data) {
    struct csv_reading *r = data;
    glim_table *t = r->t;
    if (r->status)
        return;
    if (!r->records) {
        if (r->n == GLIM_MOST_COLUMNS)
            r->status = glim_fail(r->err, GLIM_ELIMIT, "'%s' has more than %d columns", t->path,
                                  GLIM_MOST_COLUMNS);
        else if (r->n == r->room && !grow_header(r))
            r->status = oom(t, r->err);
        else
            r->status = copy_cell(t, s, len, 0, &r->header[r->n++], r->err);
        return;
    }
    if (!r->n && !(r->row = add_row(t))) {
        r->status = oom(t, r->err);
        return;
    }
    if (r->n < t->n_columns)
        r->status = copy_cell(t, s, len, r->records, &r->row[r->n], r->err);
    r->n++;
}

static glim_status take_header(struct csv_reading *r) {
    double x;
    size_t numbers = 0;
    r->t->columns = r->header;
    r->t->n_columns = r->n;
    r->header = NULL;
    for (size_t c = 0; c < r->n; c++)
        numbers += glim__table_number(r->t->columns[c], &x);
    if (numbers == r->n)
        return glim_fail(r->err, GLIM_EFORMAT,
                         "'%s' has no header: its first row is all numbers (put the names of the "
                         "columns there)",
                         r->t->path);
    return GLIM_OK;
}

static void on_record(int end, void *data) {
    struct csv_reading *r = data;
    if (r->status)
        return;
    if (!r->records)
        r->status = take_header(r);
    else if (r->n != r->t->n_columns)
        r->status =
            glim_fail(r->err, GLIM_EFORMAT, "'%s': row %zu has %zu cells; the header has %zu",
                      r->t->path, r->records, r->n, r->t->n_columns);
    r->records++;
    r->n = 0;
}

static int no_space(unsigned char c) {
    (void)c;
    return 0; /* spaces are the cell's */
}

static glim_status read_csv(glim_table *t, const char *bytes, size_t n, unsigned char delimiter,
                            glim_error *err) {
    struct csv_reading r = {.t = t, .err = err};
    struct csv_parser p;
    if (csv_init(&p, CSV_STRICT | CSV_STRICT_FINI))
        return oom(t, err);
    csv_set_delim(&p, delimiter);
    csv_set_space_func(&p, no_space);
    for (size_t at = 0; at < n && !r.status;) { /* in pieces: an error ends it soon */
        size_t piece = n - at < 65536 ? n - at : 65536;
        if (csv_parse(&p, bytes + at, piece, on_cell, on_record, &r) != piece)
            break;
        at += piece;
    }
    if (!r.status && !csv_error(&p))
        csv_fini(&p, on_cell, on_record, &r);
    if (!r.status && csv_error(&p) == CSV_ENOMEM)
        r.status = oom(t, err);
    else if (!r.status && csv_error(&p))
        r.status = glim_fail(err, GLIM_EFORMAT,
                             "'%s': the quotes of row %zu do not match (a quote inside a cell is "
                             "written twice, in quotes)",
                             t->path, r.records);
    csv_free(&p);
    glim__free(t->ctx, r.header);
    return r.status;
}

/* What parts the cells of a header: where numbers have a decimal comma, spreadsheets write
   a semicolon; some write tabs under the name .csv. */
static unsigned char delimiter_of(const char *bytes, size_t n) {
    size_t semicolons = 0, tabs = 0;
    bool quoted = false;
    for (size_t i = 0; i < n && (quoted || bytes[i] != '\n'); i++) {
        quoted ^= bytes[i] == '"';
        if (!quoted && bytes[i] == ',')
            return ',';
        semicolons += !quoted && bytes[i] == ';';
        tabs += !quoted && bytes[i] == '\t';
    }
    return tabs > semicolons ? '\t' : semicolons ? ';' : ',';
}

/* ---- JSON lines ---- */

static glim_status json_cell(glim_table *t, const json_t *v, size_t row, const char *name,
                             const char **out, glim_error *err) {
    char number[40];
    if (json_is_string(v))
        return copy_cell(t, json_string_value(v), json_string_length(v), row, out, err);
    if (json_is_integer(v))
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(v));
    else if (json_is_boolean(v))
        snprintf(number, sizeof number, "%s", json_is_true(v) ? "true" : "false");
    else if (json_is_null(v))
        number[0] = 0;
    else if (!json_is_real(v))
        return glim_fail(err, GLIM_EFORMAT,
                         "'%s': column '%.60s' of row %zu is a list or an object", t->path, name,
                         row);
    if (json_is_real(v)) {
        glim_buffer text;
        glim__buffer_init(&text, t->ctx);
        json_t *copy = json_real(json_real_value(v));
        glim_status status = glim__json_write(&text, copy, 0, false, err);
        json_decref(copy);
        if (!status)
            status = copy_cell(t, text.data ? text.data : "", text.len, row, out, err);
        glim__buffer_release(&text);
        return status;
    }
    return copy_cell(t, number, strlen(number), row, out, err);
}

/* The columns of a line that are not known yet. */
static glim_status add_columns(glim_table *t, glim_map *names, json_t *line, glim_error *err) {
    const char *key;
    json_t *value;
    json_object_foreach(line, key, value) {
        size_t n = strlen(key);
        if (glim__map_get(names, key, n) >= 0)
            continue;
        if (t->n_columns == GLIM_MOST_COLUMNS)
            return glim_fail(err, GLIM_ELIMIT, "'%s' has more than %d columns", t->path,
                             GLIM_MOST_COLUMNS);
        if (!(t->n_columns & (t->n_columns - 1))) { /* room doubles */
            size_t room = t->n_columns ? 2 * t->n_columns : 1;
            const char **columns = glim__realloc(t->ctx, t->columns, room * sizeof *columns);
            if (!columns)
                return oom(t, err);
            t->columns = columns;
        }
        const char *copy = glim__arena_strndup(&t->arena, key, n);
        if (!copy || !glim__map_set(names, copy, n, (int32_t)t->n_columns, NULL))
            return oom(t, err);
        t->columns[t->n_columns++] = copy;
    }
    return GLIM_OK;
}

static glim_status fill_row(glim_table *t, const glim_map *names, json_t *line, size_t number,
                            glim_error *err) {
    const char *key;
    json_t *value;
    const char **row = add_row(t);
    glim_status status = row ? GLIM_OK : oom(t, err);
    json_object_foreach(line, key, value) {
        if (!status)
            status =
                json_cell(t, value, number, key, &row[glim__map_get(names, key, strlen(key))], err);
    }
    return status;
}

/* Two sweeps: the columns first, because a row has a cell for every one of them. */
static glim_status sweep(glim_table *t, glim_map *names, const char *bytes, size_t n, bool fill,
                         glim_error *err) {
    size_t number = 0;
    glim_status status = GLIM_OK;
    for (size_t at = 0; at < n && !status;) {
        const char *end = memchr(bytes + at, '\n', n - at);
        size_t len = end ? (size_t)(end - bytes) - at : n - at;
        size_t blank = strspn(bytes + at, " \t\r\n");
        json_t *line = NULL;
        if (blank < len) {
            number++;
            status = glim__json_parse(&line, bytes + at, len, t->path, err);
            if (!status && !json_is_object(line))
                status = glim_fail(err, GLIM_EFORMAT, "'%s': row %zu is no JSON object", t->path,
                                   number);
            else if (status)
                status = glim_prefix(err, status, "row %zu", number);
            if (!status)
                status =
                    fill ? fill_row(t, names, line, number, err) : add_columns(t, names, line, err);
            json_decref(line);
        }
        at += len + 1;
        if (!status)
            status = glim__check_cancel(t->ctx, err);
    }
    return status;
}

static glim_status read_jsonl(glim_table *t, const char *bytes, size_t n, glim_error *err) {
    glim_map names;
    glim__map_init(&names, t->ctx);
    glim_status status = sweep(t, &names, bytes, n, false, err);
    if (!status && t->n_columns)
        status = sweep(t, &names, bytes, n, true, err);
    glim__map_release(&names);
    return status;
}

/* ---- lines of a label and a text ---- */

static glim_status read_lines(glim_table *t, const char *bytes, size_t n, glim_error *err) {
    glim_status status = GLIM_OK;
    t->columns = glim__calloc(t->ctx, 2, sizeof *t->columns);
    if (!t->columns)
        return oom(t, err);
    t->columns[0] = "label";
    t->columns[1] = "text";
    t->n_columns = 2;
    for (size_t at = 0; at < n && !status;) {
        const char *end = memchr(bytes + at, '\n', n - at);
        size_t len = end ? (size_t)(end - bytes) - at : n - at, used = len;
        if (used && bytes[at + used - 1] == '\r')
            used--;
        const char *tab = memchr(bytes + at, '\t', used);
        size_t label = tab ? (size_t)(tab - bytes) - at : 0;
        const char **row = used ? add_row(t) : NULL;
        if (used && !row)
            status = oom(t, err);
        else if (used && !tab)
            status =
                glim_fail(err, GLIM_EFORMAT, "'%s': row %zu has no tab between a label and a text",
                          t->path, t->n_rows);
        if (row && !status)
            status = copy_cell(t, bytes + at, label, t->n_rows, &row[0], err);
        if (row && !status)
            status = copy_cell(t, tab + 1, used - label - 1, t->n_rows, &row[1], err);
        at += len + 1;
    }
    return status;
}

/* ---- reading ---- */

static glim_status check_columns(const glim_table *t, glim_error *err) {
    glim_map names;
    glim_status status = GLIM_OK;
    glim__map_init(&names, t->ctx);
    for (size_t c = 0; c < t->n_columns && !status; c++) {
        int32_t old = -1;
        if (!*t->columns[c])
            status = glim_fail(err, GLIM_EFORMAT, "'%s': column %zu has no name", t->path, c + 1);
        else if (!glim__map_set(&names, t->columns[c], strlen(t->columns[c]), (int32_t)c, &old))
            status = oom(t, err);
        else if (old >= 0)
            status = glim_fail(err, GLIM_EFORMAT, "'%s' has two columns '%.60s'", t->path,
                               t->columns[c]);
    }
    glim__map_release(&names);
    if (!status && !t->n_rows)
        status = glim_fail(err, GLIM_EFORMAT, "'%s' has no rows", t->path);
    return status;
}

glim_status glim__table_read(glim_table **out, glim_context *ctx, const char *bytes, size_t n,
                             glim_table_format format, const char *name, glim_error *err) {
    *out = NULL;
    glim_table *t = glim__calloc(ctx, 1, sizeof *t);
    if (!t)
        return glim__oom(ctx, err, "the table", sizeof *t);
    t->ctx = ctx;
    glim__arena_init(&t->arena, ctx, 1 << 16);
    t->path = glim__arena_strdup(&t->arena, name);
    if (n >= 3 && !memcmp(bytes, "\xef\xbb\xbf", 3)) {
        bytes += 3;
        n -= 3;
    }
    glim_status status = t->path ? GLIM_OK : oom(t, err);
    if (!status)
        status = format == GLIM_TABLE_JSONL ? read_jsonl(t, bytes, n, err)
                 : format == GLIM_TABLE_LINES
                     ? read_lines(t, bytes, n, err)
                     : read_csv(t, bytes, n,
                                format == GLIM_TABLE_TSV ? '\t' : delimiter_of(bytes, n), err);
    if (!status)
        status = check_columns(t, err);
    if (status) {
        glim__table_close(t);
        return status;
    }
    *out = t;
    return GLIM_OK;
}

glim_status glim__table_open(glim_table **out, glim_context *ctx, const char *path,
                             glim_error *err) {
    static const struct {
        const char *end;
        glim_table_format format;
    } ends[] = {{".csv", GLIM_TABLE_CSV},
                {".tsv", GLIM_TABLE_TSV},
                {".jsonl", GLIM_TABLE_JSONL},
                {".txt", GLIM_TABLE_LINES}};
    glim_buffer bytes;
    *out = NULL;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        size_t n = strlen(path), m = strlen(ends[i].end);
        if (n <= m || strcmp(path + n - m, ends[i].end) != 0)
            continue;
        glim__buffer_init(&bytes, ctx);
        glim_status status = glim__file_read(&bytes, path, MOST_BYTES, err);
        if (!status)
            status = glim__table_read(out, ctx, bytes.data ? bytes.data : "", bytes.len,
                                      ends[i].format, path, err);
        glim__buffer_release(&bytes);
        return status;
    }
    return glim_fail(err, GLIM_EUSAGE,
                     "'%s' is no table by its name (.csv, .tsv, .jsonl, or .txt with a label, a "
                     "tab and a text a line)",
                     path);
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

glim_status glim__table_column(const glim_table *t, const char *name, size_t *out,
                               glim_error *err) {
    char all[240] = "";
    size_t used = 0;
    *out = glim__table_find(t, name);
    if (*out < SIZE_MAX)
        return GLIM_OK;
    for (size_t c = 0; c < t->n_columns && used + 1 < sizeof all; c++) {
        int n = snprintf(all + used, sizeof all - used, "%s%.40s", c ? ", " : "", t->columns[c]);
        used += n > 0 ? (size_t)n : 0;
    }
    return glim_fail(err, GLIM_EUSAGE, "'%s' has no column '%.60s' (there are %s)", t->path, name,
                     all);
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
