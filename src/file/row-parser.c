/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of CSV (libcsv), of JSON lines and of labels before texts. The first row of CSV is
 * the header: a file of numbers alone would lose a row silently, so a header that is all
 * numbers is refused.
 *
 * libcsv does not tell where a row ends, so it is fed line by line: a record that ends
 * with a line begins the next one there, and who reads again may begin there too.
 */
#include "file/row-parser.h"
#include "base/json.h"
#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

enum { MOST_ROW_BYTES = 1 << 30 };

static glim_status oom(const glim_row_parser *p, glim_error *err) {
    return glim__oom(p->ctx, err, "the table", (p->n_columns + 1) * sizeof(char *));
}

/* The number of the row that is being read; the header has none. */
static size_t number(const glim_row_parser *p) {
    return p->header ? p->row + 1 : 0;
}

static bool reserve(glim_row_parser *p, size_t n) {
    if (n <= p->room)
        return true;
    size_t room = p->room ? 2 * p->room : 64;
    room = room > n ? room : n;
    const char **cell = glim__realloc(p->ctx, p->cell, room * sizeof *cell);
    if (!cell)
        return false;
    p->cell = cell;
    p->room = room;
    return true;
}

static glim_status copy_cell(const glim_row_parser *p, glim_arena *arena, const char *s, size_t n,
                             const char **out, glim_error *err) {
    if (n && s && (glim__utf8_check(s, n) != n || memchr(s, 0, n)))
        return glim_fail(err, GLIM_EFORMAT, "'%s': row %zu holds a cell that is no UTF-8 text",
                         p->path, number(p));
    *out = n && s ? glim__arena_strndup(arena, s, n) : "";
    return *out ? GLIM_OK : oom(p, err);
}

static glim_status too_many(const glim_row_parser *p, glim_error *err) {
    return glim_fail(err, GLIM_ELIMIT, "'%s' has more than %d columns", p->path, GLIM_MOST_COLUMNS);
}

static glim_status too_long(const glim_row_parser *p, uint64_t bytes, glim_error *err) {
    return bytes <= MOST_ROW_BYTES
               ? GLIM_OK
               : glim_fail(err, GLIM_ELIMIT, "'%s': row %zu is beyond 1 GiB", p->path, number(p));
}

static glim_status hand_out(glim_row_parser *p, glim_error *err) {
    p->row++;
    return p->take ? p->take(p->data, p, p->cell, err) : GLIM_OK;
}

/* ---- CSV ---- */

static void on_cell(void *s, size_t len, void *data) {
    glim_row_parser *p = data;
    glim_arena *arena = p->header ? p->cells : p->names;
    if (p->status)
        return;
    if (!p->header && p->n == GLIM_MOST_COLUMNS)
        p->status = too_many(p, p->err);
    else if (!reserve(p, p->n + 1))
        p->status = oom(p, p->err);
    else if (!p->header || p->n < p->n_columns)
        p->status = copy_cell(p, arena, s, len, &p->cell[p->n], p->err);
    p->n++;
}

static glim_status take_header(glim_row_parser *p) {
    double x;
    size_t numbers = 0;
    p->columns = glim__calloc(p->ctx, p->n + 1, sizeof *p->columns);
    if (!p->columns)
        return oom(p, p->err);
    for (size_t c = 0; c < p->n; c++)
        p->columns[c] = p->cell[c];
    p->n_columns = p->n;
    p->header = true;
    for (size_t c = 0; c < p->n; c++)
        numbers += glim__table_number(p->columns[c], &x);
    if (numbers == p->n)
        return glim_fail(p->err, GLIM_EFORMAT,
                         "'%s' has no header: its first row is all numbers (put the names of the "
                         "columns there)",
                         p->path);
    return GLIM_OK;
}

static void on_record(int end, void *data) {
    glim_row_parser *p = data;
    if (p->status)
        return;
    if (!p->header)
        p->status = take_header(p);
    else if (p->n != p->n_columns)
        p->status =
            glim_fail(p->err, GLIM_EFORMAT, "'%s': row %zu has %zu cells; the header has %zu",
                      p->path, number(p), p->n, p->n_columns);
    else
        p->status = hand_out(p, p->err);
    p->n = 0;
}

static int no_space(unsigned char c) {
    (void)c;
    return 0; /* spaces are the cell's */
}

static void close_csv(glim_row_parser *p) {
    if (p->csv_open)
        csv_free(&p->csv);
    p->csv_open = false;
    p->n = 0;
}

static glim_status open_csv(glim_row_parser *p, glim_error *err) {
    if (csv_init(&p->csv, CSV_STRICT | CSV_STRICT_FINI))
        return oom(p, err);
    csv_set_delim(&p->csv, p->delimiter);
    csv_set_space_func(&p->csv, no_space);
    p->csv_open = true;
    return GLIM_OK;
}

/* What parts the cells of a header: where numbers have a decimal comma, spreadsheets write
   a semicolon; some write tabs under the name .csv. True when that is known. */
static bool find_delimiter(glim_row_parser *p, const char *bytes, size_t n, bool end) {
    for (size_t i = 0; i < n; i++) {
        if (!p->quoted && bytes[i] == '\n') {
            end = true;
            break;
        }
        p->quoted ^= bytes[i] == '"';
        if (!p->quoted && bytes[i] == ',') {
            p->delimiter = ',';
            return true;
        }
        p->semicolons += !p->quoted && bytes[i] == ';';
        p->tabs += !p->quoted && bytes[i] == '\t';
    }
    if (end)
        p->delimiter = p->tabs > p->semicolons ? '\t' : p->semicolons ? ';' : ',';
    return end;
}

/* With its end, "\n" or "\r". */
static size_t line_length(const char *s, size_t n) {
    const char *feed = memchr(s, '\n', n);
    n = feed ? (size_t)(feed - s) + 1 : n;
    const char *turn = memchr(s, '\r', n);
    return turn ? (size_t)(turn - s) + 1 : n;
}

static glim_status csv_ended(glim_row_parser *p, glim_error *err) {
    if (p->status || !csv_error(&p->csv))
        return p->status;
    if (csv_error(&p->csv) == CSV_ENOMEM)
        return oom(p, err);
    return glim_fail(err, GLIM_EFORMAT,
                     "'%s': the quotes of row %zu do not match (a quote inside a cell is "
                     "written twice, in quotes)",
                     p->path, number(p));
}

static glim_status parse_csv(glim_row_parser *p, const char *bytes, size_t n, glim_error *err) {
    glim_status status = p->csv_open ? GLIM_OK : open_csv(p, err);
    p->err = err;
    for (size_t at = 0; at < n && !status;) {
        size_t len = line_length(bytes + at, n - at), row = p->row;
        bool header = p->header;
        csv_parse(&p->csv, bytes + at, len, on_cell, on_record, p);
        at += len;
        p->at += len;
        if (p->row != row || p->header != header)
            p->begins = p->at;
        status = csv_ended(p, err);
        if (!status)
            status = too_long(p, p->at - p->begins, err);
    }
    return status;
}

/* Until the delimiter is known, bytes are held. */
static glim_status feed_csv(glim_row_parser *p, const char *bytes, size_t n, bool end,
                            glim_error *err) {
    if (!p->delimiter && !find_delimiter(p, bytes, n, end)) {
        glim__buffer_append(&p->held, bytes, n);
        return p->held.failed ? oom(p, err) : too_long(p, p->held.len, err);
    }
    glim_status status = GLIM_OK;
    if (p->held.len)
        status = parse_csv(p, p->held.data, p->held.len, err);
    glim__buffer_clear(&p->held);
    return status ? status : parse_csv(p, bytes, n, err);
}

/* ---- JSON lines ---- */

/* What has no plainer form: as JSON writes it. */
static glim_status written_cell(glim_row_parser *p, const json_t *v, const char **out,
                                glim_error *err) {
    glim_buffer text;
    glim__buffer_init(&text, p->ctx);
    json_t *copy = json_deep_copy(v);
    glim_status status = glim__json_write(&text, copy, 0, false, err);
    json_decref(copy);
    if (!status)
        status = copy_cell(p, p->cells, text.data ? text.data : "", text.len, out, err);
    glim__buffer_release(&text);
    return status;
}

static glim_status json_cell(glim_row_parser *p, const json_t *v, const char *name,
                             const char **out, glim_error *err) {
    char text[40];
    if (json_is_string(v))
        return copy_cell(p, p->cells, json_string_value(v), json_string_length(v), out, err);
    if (json_is_real(v) || (p->nested && (json_is_array(v) || json_is_object(v))))
        return written_cell(p, v, out, err);
    if (json_is_integer(v))
        snprintf(text, sizeof text, "%lld", (long long)json_integer_value(v));
    else if (json_is_boolean(v))
        snprintf(text, sizeof text, "%s", json_is_true(v) ? "true" : "false");
    else if (json_is_null(v))
        text[0] = 0;
    else
        return glim_fail(err, GLIM_EFORMAT,
                         "'%s': column '%.60s' of row %zu is a list or an object", p->path, name,
                         number(p));
    return copy_cell(p, p->cells, text, strlen(text), out, err);
}

static glim_status add_column(glim_row_parser *p, const char *key, glim_error *err) {
    size_t n = strlen(key);
    if (p->n_columns == GLIM_MOST_COLUMNS)
        return too_many(p, err);
    if (!(p->n_columns & (p->n_columns - 1))) { /* room doubles */
        size_t room = p->n_columns ? 2 * p->n_columns : 1;
        const char **columns = glim__realloc(p->ctx, p->columns, room * sizeof *columns);
        if (!columns)
            return oom(p, err);
        p->columns = columns;
    }
    const char *copy = glim__arena_strndup(p->names, key, n);
    if (!copy || !glim__map_set(&p->known, copy, n, (int32_t)p->n_columns, NULL))
        return oom(p, err);
    p->columns[p->n_columns++] = copy;
    return GLIM_OK;
}

static glim_status fill_row(glim_row_parser *p, json_t *line, glim_error *err) {
    const char *key;
    json_t *value;
    glim_status status = GLIM_OK;
    json_object_foreach(line, key, value) {
        if (!status && glim__map_get(&p->known, key, strlen(key)) < 0)
            status = add_column(p, key, err);
    }
    if (!status && !reserve(p, p->n_columns + 1))
        status = oom(p, err);
    for (size_t c = 0; c < p->n_columns && !status; c++)
        p->cell[c] = "";
    json_object_foreach(line, key, value) {
        if (!status && p->take)
            status =
                json_cell(p, value, key, &p->cell[glim__map_get(&p->known, key, strlen(key))], err);
    }
    return status;
}

static bool blank(const char *s, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (s[i] != ' ' && s[i] != '\t' && s[i] != '\r')
            return false;
    return true;
}

static glim_status take_object(glim_row_parser *p, const char *s, size_t n, glim_error *err) {
    json_t *line = NULL;
    if (blank(s, n))
        return GLIM_OK;
    glim_status status = glim__json_parse(&line, s, n, p->path, err);
    if (status)
        status = glim_prefix(err, status, "row %zu", number(p));
    else if (!json_is_object(line))
        status =
            glim_fail(err, GLIM_EFORMAT, "'%s': row %zu is no JSON object", p->path, number(p));
    if (!status)
        status = fill_row(p, line, err);
    json_decref(line);
    return status ? status : hand_out(p, err);
}

/* ---- lines of a label and a text ---- */

static glim_status take_labelled(glim_row_parser *p, const char *s, size_t n, glim_error *err) {
    n -= n && s[n - 1] == '\r';
    const char *tab = memchr(s, '\t', n);
    size_t label = tab ? (size_t)(tab - s) : 0;
    if (!n)
        return GLIM_OK;
    if (!tab)
        return glim_fail(err, GLIM_EFORMAT, "'%s': row %zu has no tab between a label and a text",
                         p->path, number(p));
    if (!reserve(p, 2))
        return oom(p, err);
    glim_status status = copy_cell(p, p->cells, s, label, &p->cell[0], err);
    if (!status)
        status = copy_cell(p, p->cells, tab + 1, n - label - 1, &p->cell[1], err);
    return status ? status : hand_out(p, err);
}

static glim_status name_two(glim_row_parser *p, glim_error *err) {
    p->columns = glim__calloc(p->ctx, 2, sizeof *p->columns);
    if (!p->columns)
        return oom(p, err);
    p->columns[0] = "label";
    p->columns[1] = "text";
    p->n_columns = 2;
    return GLIM_OK;
}

/* ---- pieces ---- */

static glim_status take_line(glim_row_parser *p, const char *s, size_t n, glim_error *err) {
    bool json = p->format == GLIM_TABLE_JSONL;
    p->begins = p->at;
    return json ? take_object(p, s, n, err) : take_labelled(p, s, n, err);
}

static glim_status feed_lines(glim_row_parser *p, const char *bytes, size_t n, glim_error *err) {
    glim_status status = GLIM_OK;
    for (size_t at = 0; at < n && !status;) {
        const char *end = memchr(bytes + at, '\n', n - at);
        size_t len = end ? (size_t)(end - bytes) - at : n - at;
        bool held = !end || p->held.len;
        if (held)
            glim__buffer_append(&p->held, bytes + at, len);
        status = p->held.failed ? oom(p, err) : too_long(p, p->held.len, err);
        at += len + 1;
        if (!end || status)
            break;
        size_t whole = held ? p->held.len : len;
        status = take_line(p, held ? p->held.data : bytes + at - len - 1, whole, err);
        glim__buffer_clear(&p->held);
        p->at += whole + 1;
        if (!status)
            status = glim__check_cancel(p->ctx, err);
    }
    return status;
}

static glim_status start(glim_row_parser *p, const char **bytes, size_t *n, glim_error *err) {
    p->started = true;
    if (!p->at && *n >= 3 && !memcmp(*bytes, "\xef\xbb\xbf", 3)) {
        *bytes += 3;
        *n -= 3;
        p->at = p->begins = 3;
    }
    return p->format == GLIM_TABLE_LINES && !p->columns ? name_two(p, err) : GLIM_OK;
}

glim_status glim__row_parser_feed(glim_row_parser *p, const char *bytes, size_t n,
                                  glim_error *err) {
    bool csv = p->format == GLIM_TABLE_CSV || p->format == GLIM_TABLE_TSV;
    glim_status status = p->started ? GLIM_OK : start(p, &bytes, &n, err);
    if (status)
        return status;
    return csv ? feed_csv(p, bytes, n, false, err) : feed_lines(p, bytes, n, err);
}

glim_status glim__row_parser_end(glim_row_parser *p, glim_error *err) {
    bool csv = p->format == GLIM_TABLE_CSV || p->format == GLIM_TABLE_TSV;
    if (!csv) {
        size_t n = p->held.len;
        glim_status status = n ? take_line(p, p->held.data, n, err) : GLIM_OK;
        p->at += n;
        glim__buffer_clear(&p->held);
        return status;
    }
    glim_status status = feed_csv(p, "", 0, true, err);
    if (status)
        return status;
    p->err = err;
    csv_fini(&p->csv, on_cell, on_record, p);
    return csv_ended(p, err);
}

void glim__row_parser_seek(glim_row_parser *p, uint64_t at, size_t rows) {
    close_csv(p);
    glim__buffer_clear(&p->held);
    p->status = GLIM_OK;
    p->at = p->begins = at;
    p->row = rows;
    p->started = at > 0;
}

void glim__row_parser_init(glim_row_parser *p, glim_context *ctx, glim_table_format format,
                           const char *path) {
    *p = (glim_row_parser){.ctx = ctx, .path = path, .format = format};
    p->delimiter = format == GLIM_TABLE_TSV ? '\t' : 0;
    p->header = format == GLIM_TABLE_JSONL || format == GLIM_TABLE_LINES;
    glim__map_init(&p->known, ctx);
    glim__buffer_init(&p->held, ctx);
}

void glim__row_parser_release(glim_row_parser *p) {
    close_csv(p);
    glim__map_release(&p->known);
    glim__buffer_release(&p->held);
    glim__free(p->ctx, p->cell);
    glim__free(p->ctx, p->columns);
}

glim_status glim__row_parser_check(const glim_row_parser *p, size_t rows, glim_error *err) {
    glim_map names;
    glim_status status = GLIM_OK;
    glim__map_init(&names, p->ctx);
    for (size_t c = 0; c < p->n_columns && !status; c++) {
        const char *name = p->columns[c];
        int32_t old = -1;
        if (!*name)
            status = glim_fail(err, GLIM_EFORMAT, "'%s': column %zu has no name", p->path, c + 1);
        else if (!glim__map_set(&names, name, strlen(name), (int32_t)c, &old))
            status = oom(p, err);
        else if (old >= 0)
            status = glim_fail(err, GLIM_EFORMAT, "'%s' has two columns '%.60s'", p->path, name);
    }
    glim__map_release(&names);
    if (!status && !rows)
        status = glim_fail(err, GLIM_EFORMAT, "'%s' has no rows", p->path);
    return status;
}
