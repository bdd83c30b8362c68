/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Explanations from files. What other tools write is matched with the units of the input
 * by text and in order, so that a tool that leaves units out, or cuts spaces off, is read,
 * and one that saw another text is refused.
 */
#include "cli/given.h"
#include "file/table.h"
#include "predict/predictor.h"

#include <math.h>
#include <string.h>

enum { MOST_EXPLANATION = 1 << 28 };

/* One line of another tool. */
struct line {
    const char *text;
    size_t len, number; /* number: of the line, for messages */
    size_t unit;        /* as it says itself; SIZE_MAX: by its text */
    double score;       /* NaN: none */
};

struct reading {
    cli_run *run;
    const glim_predictor *p;
    glim_document *doc; /* of the predictor, without scores */
    const char *name;
    struct line *lines;
    size_t n;
    bool is_signed;
};

static glim_status wrong(struct reading *r, const char *what) {
    return glim_fail(&r->run->err, GLIM_EFORMAT, "'%s' %s", r->name, what);
}

static glim_status make_lines(struct reading *r, size_t n) {
    r->n = n;
    r->lines = glim__calloc(r->run->ctx, n + 1, sizeof *r->lines);
    return r->lines ? GLIM_OK
                    : glim__oom(r->run->ctx, &r->run->err, "the scores", n * sizeof *r->lines);
}

/* ---- two forms ---- */

static glim_status read_lists(struct reading *r, const json_t *all) {
    const json_t *units = json_object_get(all, "units"), *scores = json_object_get(all, "scores");
    if (!json_is_array(units) || json_array_size(units) != json_array_size(scores))
        return wrong(r, "is no explanation (\"units\" and \"scores\", lists of one length, or a "
                        "document of glim explain --json)");
    glim_status status = make_lines(r, json_array_size(units));
    for (size_t i = 0; i < r->n && !status; i++) {
        const json_t *unit = json_array_get(units, i), *score = json_array_get(scores, i);
        if (!json_is_string(unit) || !(json_is_number(score) || json_is_null(score)))
            status =
                glim_fail(&r->run->err, GLIM_EFORMAT,
                          "entry %zu of '%s' is not a text with a number or null", i + 1, r->name);
        else
            r->lines[i] =
                (struct line){json_string_value(unit), json_string_length(unit), i + 1, SIZE_MAX,
                              json_is_number(score) ? json_number_value(score) : NAN};
    }
    r->is_signed = json_is_true(json_object_get(all, "signed"));
    r->doc->method.additive = json_is_true(json_object_get(all, "additive"));
    return status;
}

/* A number that says which unit is another thing than a unit that is a number: only
   glim's own tables, which have texts beside, are read by it. */
static glim_status read_row(struct reading *r, const glim_table *t, size_t i, struct line *out) {
    size_t text = glim__table_find(t, "text"), unit = glim__table_find(t, "unit");
    const char *score = glim__table_cell(t, i, glim__table_find(t, "score"));
    const char *name = glim__table_cell(t, i, text < SIZE_MAX ? text : unit);
    double number = NAN, at = NAN;
    if (!glim__table_missing(score) && !glim__table_number(score, &number))
        return glim_fail(&r->run->err, GLIM_EFORMAT, "row %zu of '%s': '%.40s' is no number", i + 1,
                         r->name, score);
    if (text < SIZE_MAX && unit < SIZE_MAX &&
        !(glim__table_number(glim__table_cell(t, i, unit), &at) && at >= 0 && at < 1e9))
        return glim_fail(&r->run->err, GLIM_EFORMAT, "row %zu of '%s': '%.40s' counts no unit",
                         i + 1, r->name, glim__table_cell(t, i, unit));
    *out = (struct line){name, strlen(name), i + 1, isnan(at) ? SIZE_MAX : (size_t)at, number};
    return GLIM_OK;
}

/* Of a table with levels the lines of its first, which are the units'. */
static glim_status read_table(struct reading *r, const glim_table *t) {
    size_t level = glim__table_find(t, "level"), n = 0;
    if (glim__table_find(t, "score") == SIZE_MAX ||
        (glim__table_find(t, "unit") == SIZE_MAX && glim__table_find(t, "text") == SIZE_MAX))
        return wrong(r, "lacks the columns unit and score");
    if (glim__table_find(t, "row") < SIZE_MAX)
        return wrong(r, "has a row for each written token (save it with --json)");
    glim_status status = make_lines(r, t->n_rows);
    for (size_t i = 0; i < t->n_rows && !status; i++)
        if (level == SIZE_MAX ||
            !strcmp(glim__table_cell(t, i, level), glim__table_cell(t, 0, level)))
            status = read_row(r, t, i, &r->lines[n++]);
    r->n = n;
    return status;
}

/* ---- lines to units ---- */

/* Bytes of a text, which has no end of its own, that a message quotes. */
static int shown(size_t n) {
    return n > 40 ? 40 : (int)n;
}

static void trim(const char **s, size_t *n) {
    for (; *n && strchr(" \t\r\n", **s); (*n)--)
        (*s)++;
    while (*n && strchr(" \t\r\n", (*s)[*n - 1]))
        (*n)--;
}

/* What tokenizers write where a word begins, goes on or ends. */
static void strip_marks(const char **s, size_t *n) {
    static const char *const begins[] = {"\xe2\x96\x81", "\xc4\xa0", "##"};
    static const char end[] = "</w>";
    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++) {
        size_t len = strlen(begins[i]);
        if (*n > len && !memcmp(*s, begins[i], len)) {
            *s += len;
            *n -= len;
        }
    }
    if (*n > sizeof end - 1 && !memcmp(*s + *n - (sizeof end - 1), end, sizeof end - 1))
        *n -= sizeof end - 1;
}

static bool is_unit(const struct reading *r, const struct line *line, size_t u) {
    const glim_document_unit *unit = &r->doc->input.units[u];
    const char *a = line->text, *b = unit->text;
    size_t n = line->len, m = unit->text_len;
    trim(&a, &n);
    trim(&b, &m);
    if (n == m && !memcmp(a, b, n))
        return true;
    strip_marks(&a, &n);
    if (n == m && !memcmp(a, b, n))
        return true;
    a = line->text; /* with its marks */
    n = line->len;
    trim(&a, &n);
    const char *column = r->p->columns && r->p->column_names ? r->p->column_names[u] : NULL;
    return column && strlen(column) == n && !memcmp(column, a, n);
}

static size_t find_unit(const struct reading *r, const struct line *line, size_t from) {
    size_t n = r->doc->input.n_units;
    if (line->unit < SIZE_MAX)
        return line->unit >= from && line->unit < n && is_unit(r, line, line->unit) ? line->unit
                                                                                    : n;
    while (from < n && !is_unit(r, line, from))
        from++;
    return from;
}

static glim_status no_unit(struct reading *r, const struct line *line, size_t next) {
    const glim_document *d = r->doc;
    size_t n = d->input.n_units, before = 0;
    while (before < next && !is_unit(r, line, before))
        before++;
    while (next < n && d->input.units[next].fixed)
        next++;
    if (before < next && before < n && is_unit(r, line, before))
        return glim_fail(&r->run->err, GLIM_EFORMAT,
                         "row %zu of '%s': '%.40s' is behind its place; units come in the input's "
                         "order, each once",
                         line->number, r->name, line->text);
    if (next == n)
        return glim_fail(&r->run->err, GLIM_EFORMAT,
                         "row %zu of '%s': '%.40s' is one too many; the input has no unit left",
                         line->number, r->name, line->text);
    const char *text = d->input.units[next].text;
    size_t len = d->input.units[next].text_len;
    trim(&text, &len);
    return glim_fail(&r->run->err, GLIM_EFORMAT,
                     "row %zu of '%s': '%.40s' is no unit of the input, whose next is '%.*s'%s",
                     line->number, r->name, line->text, shown(len), text,
                     r->p->columns ? " (or the column's name)"
                                   : " (--units takes smaller or larger ones)");
}

/* Equal scores are kept in the order of the text, which says nothing. */
static bool note_ties(struct reading *r, size_t known) {
    const glim_document *d = r->doc;
    size_t ties = 0;
    for (size_t u = 0; u < d->input.n_units; u++)
        for (size_t k = 0; k < d->input.n_units; k++)
            if (k != u && d->scores[k] == d->scores[u]) {
                ties++;
                break;
            }
    return !ties || glim_document_note(r->doc,
                                       "%zu of %zu scores are equal to another one; such units are "
                                       "taken in the order of the text",
                                       ties, known);
}

static glim_status spread(struct reading *r) {
    glim_document *d = r->doc;
    size_t n = d->input.n_units, next = 0, known = 0, free = 0;
    for (size_t i = 0; i < r->n; i++) {
        size_t u = find_unit(r, &r->lines[i], next);
        if (u == n)
            return no_unit(r, &r->lines[i], next);
        bool counts = !d->input.units[u].fixed && u < r->p->row_end[0];
        d->scores[u] = counts ? r->lines[i].score : NAN;
        known += !isnan(d->scores[u]);
        d->method.is_signed = d->method.is_signed || d->scores[u] < 0;
        next = u + 1;
    }
    for (size_t u = 0; u < n && u < r->p->row_end[0]; u++)
        free += !d->input.units[u].fixed;
    if (!known)
        return wrong(r, "has no score for any unit of the input");
    if (known < free && !glim_document_note(d,
                                            "%zu of %zu units have no score in the file; they "
                                            "count as 0",
                                            free - known, free))
        return glim__oom(r->run->ctx, &r->run->err, "a note", 0);
    return note_ties(r, known) ? GLIM_OK : glim__oom(r->run->ctx, &r->run->err, "a note", 0);
}

static glim_status from_tool(struct reading *r, const json_t *all, const glim_table *t) {
    glim_document *d = r->doc;
    if (d->rows || r->p->n_rows != 1)
        return wrong(r, "has scores for one target, and there are several here");
    d->method.name = "given";
    d->method.summary = "scores of another tool";
    d->method.params = "{}";
    d->fixed_total = NAN;
    d->scores = glim_document_alloc(d, d->input.n_units * sizeof *d->scores);
    if (!d->scores)
        return glim__oom(r->run->ctx, &r->run->err, "the scores", 0);
    for (size_t u = 0; u < d->input.n_units; u++)
        d->scores[u] = NAN;
    glim_status status = all ? read_lists(r, all) : t ? read_table(r, t) : wrong(r, "is empty");
    d->method.is_signed = r->is_signed;
    if (!status)
        status = spread(r);
    glim__free(r->run->ctx, r->lines);
    return status;
}

/* ---- glim's own ---- */

/* Bytes that are no UTF-8 are lost in a document: a is as it was read there. */
static bool same(const char *a, size_t n, const char *b, size_t m) {
    json_t *clean = glim__json_text(b ? b : "", b ? m : 0);
    bool yes =
        clean && json_string_length(clean) == n && !memcmp(a ? a : "", json_string_value(clean), n);
    json_decref(clean);
    return yes;
}

/* Of a row, `name = cell`: LIME says of the same column `name > 3`, and the row in a note. */
static bool same_row(const glim_document *d, const glim_document *here) {
    for (size_t i = 0; i < d->n_notes; i++) {
        const char *row = strstr(d->notes[i], "the row: ");
        if (row)
            return here->input.text && !strcmp(row + strlen("the row: "), here->input.text);
    }
    return false;
}

static bool same_column(const glim_document_unit *a, const glim_document_unit *b) {
    size_t name = 0;
    while (name < b->text_len && strncmp(b->text + name, " = ", 3) != 0)
        name++;
    return name < b->text_len && a->text_len > name && a->text[name] == ' ' &&
           !memcmp(a->text, b->text, name);
}

/* What an explanation that was read says of how it was made is no longer about what is asked. */
static glim_status mark_notes(glim_document *d, glim_error *err) {
    size_t n = d->n_notes;
    const char **old = glim__calloc(d->ctx, n + 1, sizeof *old);
    bool ok = old != NULL;
    if (ok && n)
        memcpy(old, d->notes, n * sizeof *old);
    d->n_notes = ok ? 0 : n;
    for (size_t i = 0; i < n && ok; i++)
        ok = glim_document_note(d, "of the explanation: %s", old[i]);
    glim__free(d->ctx, old);
    return ok ? GLIM_OK : glim__oom(d->ctx, err, "a note", n * sizeof *old);
}

/* The value tells models apart that are asked the same. */
static glim_status check_document(struct reading *r, glim_document *d) {
    const glim_document *here = r->doc;
    glim_error *err = &r->run->err;
    if (d->attention.side)
        return wrong(r, "is a map of attention, not an explanation of a target");
    if (!d->scores)
        return wrong(r, "has no scores of units");
    if (d->input.n_units != here->input.n_units || d->n_rows != here->n_rows)
        return glim_fail(err, GLIM_EFORMAT,
                         "'%s' has %zu units in %zu rows, the input %zu in %zu (the same text and "
                         "--units?)",
                         r->name, d->input.n_units, d->n_rows, here->input.n_units, here->n_rows);
    for (size_t u = 0; u < d->input.n_units; u++) {
        const glim_document_unit *a = &d->input.units[u], *b = &here->input.units[u];
        if (!same(a->text, a->text_len, b->text, b->text_len) &&
            !(r->p->columns && same_column(a, b) && same_row(d, here)))
            return glim_fail(err, GLIM_EFORMAT, "unit %zu of '%s' is '%.40s', of the input '%.*s'",
                             u, r->name, a->text, shown(b->text_len), b->text);
    }
    if (!same(d->target.text, d->target.text_len, here->target.text, here->target.text_len))
        return glim_fail(err, GLIM_EUSAGE,
                         "'%s' explains '%.40s', and the target here is '%.*s' (--target)", r->name,
                         d->target.text, shown(here->target.text_len),
                         here->target.text ? here->target.text : "");
    if (strcmp(d->target.output, here->target.output) != 0)
        return glim_fail(err, GLIM_EUSAGE,
                         "'%s' explains a %.20s, and here it is a %.20s (--output)", r->name,
                         d->target.output, here->target.output);
    double off = fabs(d->target.value - here->target.value);
    if (off > 1e-3 * (1 + fabs(here->target.value)) &&
        !glim_document_note(d,
                            "the target was %.4g where this was made, and is %.4g here: another "
                            "model?",
                            d->target.value, here->target.value))
        return glim__oom(r->run->ctx, err, "a note", 0);
    return GLIM_OK;
}

static glim_status read_json(struct reading *r, const glim_buffer *in, glim_document **out) {
    json_t *all = NULL;
    glim_error *err = &r->run->err;
    glim_status status = glim__json_parse(&all, in->data, in->len, r->name, err);
    if (status && strstr(in->data, "NaN")) /* as Python writes it */
        return glim_fail(err, GLIM_EFORMAT, "'%s' has NaN, which JSON has not (null: no score)",
                         r->name);
    if (!status && !json_is_object(all))
        status = wrong(r, "is no explanation (an object with \"units\" and \"scores\", or a "
                          "document of glim explain --json)");
    if (!status && !json_object_get(all, "schema")) {
        status = from_tool(r, all, NULL);
        *out = status ? NULL : r->doc;
    } else if (!status) {
        status = glim_document_parse(out, r->run->ctx, in->data, in->len, r->name, err);
        if (!status)
            status = mark_notes(*out, err);
        if (!status)
            status = check_document(r, *out);
        if (!status) { /* with all its bytes */
            (*out)->target.text =
                r->doc->target.text
                    ? glim_document_text(*out, r->doc->target.text, r->doc->target.text_len)
                    : "";
            (*out)->target.text_len = r->doc->target.text_len;
            if (!(*out)->target.text)
                status = glim__oom(r->run->ctx, err, "the target", r->doc->target.text_len);
        }
    }
    json_decref(all);
    return status;
}

glim_status cli_given(cli_run *run, const glim_predictor *p, glim_document **out) {
    struct reading r = {.run = run, .p = p, .name = run->o.explanation};
    glim_buffer in;
    glim_table *t = NULL;
    *out = NULL;
    glim__buffer_init(&in, run->ctx);
    glim_status status = glim__file_read(&in, r.name, MOST_EXPLANATION, &run->err);
    if (!status)
        status = glim_document_new(&r.doc, run->ctx, &run->err);
    if (!status)
        status = p->describe(p, r.doc, &run->err);
    size_t at = 0;
    while (at < in.len && strchr(" \t\r\n", in.data[at]))
        at++;
    if (!status && at < in.len && strchr("{[", in.data[at])) {
        status = read_json(&r, &in, out);
    } else if (!status) {
        status = glim__table_read(&t, run->ctx, in.data ? in.data : "", in.len, GLIM_TABLE_CSV,
                                  r.name, &run->err);
        if (!status)
            status = from_tool(&r, NULL, t);
        *out = status ? NULL : r.doc;
    }
    glim__table_close(t);
    glim__buffer_release(&in);
    if (*out != r.doc)
        glim_document_free(r.doc);
    if (status) {
        glim_document_free(*out);
        *out = NULL;
    }
    return status;
}
