/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The member `panels` read back. The file is anybody's: shapes are checked before memory is
 * asked for, so that a panel is never larger than the text that holds it.
 */
#include "view/panels.h"

#include <math.h>
#include <string.h>

struct reader {
    glim_document *doc;
    const char *file;
    size_t panel; /* which one is read */
    glim_error *err;
    glim_status status; /* sticky */
};

static void wrong(struct reader *r, const char *member, const char *want) {
    if (!r->status)
        r->status = glim_fail(r->err, GLIM_EFORMAT, "'%s': member 'panels[%zu].%s' is not %s",
                              r->file, r->panel, member, want);
}

static void no_memory(struct reader *r) {
    if (!r->status)
        r->status = glim__oom(r->doc->ctx, r->err, "a panel", 0);
}

static void *room(struct reader *r, size_t n, size_t size) {
    void *p = r->status ? NULL : glim_document_alloc(r->doc, n * size);
    if (!p)
        no_memory(r);
    return p;
}

/* NULL for what is null or, but for a needed one, not there. */
static const char *text_of(struct reader *r, const json_t *v, const char *member, bool need) {
    if (!json_is_string(v)) {
        if (need || (v && !json_is_null(v)))
            wrong(r, member, need ? "a string" : "a string or null");
        return NULL;
    }
    const char *s = glim_document_text(r->doc, json_string_value(v), json_string_length(v));
    if (!s)
        no_memory(r);
    return s;
}

static const char *string(struct reader *r, const json_t *o, const char *member, bool need) {
    return text_of(r, json_object_get(o, member), member, need);
}

static double number(struct reader *r, const json_t *v, const char *member) {
    if (!json_is_number(v) && v && !json_is_null(v))
        wrong(r, member, "of numbers and nulls");
    return json_is_number(v) ? json_number_value(v) : NAN;
}

/* One of the words; which. */
static int choice(struct reader *r, const json_t *o, const char *member, const char *const *words,
                  const char *want) {
    const char *s = json_string_value(json_object_get(o, member));
    for (int i = 0; s && words[i]; i++)
        if (!strcmp(words[i], s))
            return i;
    wrong(r, member, want);
    return 0;
}

/* ---- shapes ---- */

struct shape {
    size_t rows, columns;
};

/* How many labels an axis has; `free`: where they may be null, what stands for them. */
static size_t axis_size(struct reader *r, const json_t *panel, const char *member, size_t free) {
    const json_t *axis = json_object_get(panel, member), *labels = json_object_get(axis, "labels");
    if (!json_is_object(axis))
        wrong(r, member, "an object");
    else if (json_is_array(labels))
        return json_array_size(labels);
    else if (free == SIZE_MAX || (labels && !json_is_null(labels)))
        wrong(r, member, "an object with a list of labels");
    return free == SIZE_MAX ? 0 : free;
}

/* A list of as many lists as there are rows, with as many elements as there are columns. */
static void check_cells(struct reader *r, const json_t *cells, const char *member, struct shape s) {
    bool fits = json_is_array(cells) && json_array_size(cells) == s.rows;
    for (size_t i = 0; fits && i < s.rows; i++) {
        const json_t *row = json_array_get(cells, i);
        fits = json_is_array(row) && json_array_size(row) == s.columns;
    }
    if (!fits)
        wrong(r, member, "a list of lists, one element for each row and column");
}

/* Whether an array that may be null is there, in its shape. */
static bool has(struct reader *r, const json_t *o, const char *member, struct shape s) {
    const json_t *cells = json_object_get(o, member);
    if (!cells || json_is_null(cells))
        return false;
    check_cells(r, cells, member, s);
    return !r->status;
}

/* ---- parts ---- */

static void read_axis(struct reader *r, const json_t *panel, const char *member,
                      glim_panel_axis *axis) {
    const json_t *o = json_object_get(panel, member), *labels = json_object_get(o, "labels");
    const char *name = text_of(r, json_object_get(o, "name"), member, false);
    axis->name = name ? name : "";
    if (!json_is_array(labels)) {
        axis->labels = NULL;
        return;
    }
    for (size_t i = 0; i < axis->n && !r->status; i++)
        ((const char **)axis->labels)[i] = text_of(r, json_array_get(labels, i), member, false);
}

static const json_t *cell_at(const json_t *cells, struct shape s, size_t i) {
    return json_array_get(json_array_get(cells, i / s.columns), i % s.columns);
}

static void read_numbers(struct reader *r, const json_t *o, const char *member, struct shape s,
                         double *out) {
    const json_t *cells = json_object_get(o, member);
    for (size_t i = 0; out && i < s.rows * s.columns && !r->status; i++)
        out[i] = number(r, cell_at(cells, s, i), member);
}

static double *read_bound(struct reader *r, const json_t *o, const char *member, struct shape s) {
    if (!has(r, o, member, s))
        return NULL;
    double *out = room(r, s.rows * s.columns, sizeof *out);
    read_numbers(r, o, member, s, out);
    return out;
}

static void read_words(struct reader *r, const json_t *o, struct shape s, glim_panel *p) {
    const json_t *texts = json_object_get(o, "texts"), *marked = json_object_get(o, "marked");
    size_t n = s.rows * s.columns;
    if (has(r, o, "texts", s)) {
        p->texts = room(r, n, sizeof *p->texts);
        for (size_t i = 0; i < n && !r->status; i++)
            p->texts[i] = text_of(r, cell_at(texts, s, i), "texts", false);
    }
    if (!has(r, o, "marked", s))
        return;
    p->marked = room(r, n, sizeof *p->marked);
    for (size_t i = 0; i < n && !r->status; i++) {
        const json_t *v = cell_at(marked, s, i);
        if (!json_is_boolean(v))
            wrong(r, "marked", "of true and false");
        p->marked[i] = json_is_true(v);
    }
}

static void read_cells(struct reader *r, const json_t *o, struct shape s, glim_panel *p) {
    const json_t *cells = json_object_get(o, "cells");
    for (size_t i = 0; i < s.rows * s.columns && !r->status; i++) {
        const json_t *v = cell_at(cells, s, i);
        if (json_is_string(v))
            p->cells[i].text = text_of(r, v, "cells", true);
        else
            p->cells[i].number = number(r, v, "cells");
    }
}

static void read_string(struct reader *r, const json_t *o, glim_panel_text *t) {
    const json_t *pieces = json_object_get(o, "pieces"), *values = json_object_get(o, "values"),
                 *best = json_object_get(o, "best");
    size_t n = json_array_size(pieces);
    if (!json_is_array(pieces) || !json_is_array(values) || json_array_size(values) != n) {
        wrong(r, "texts", "a list of objects with as many values as pieces");
        return;
    }
    const char **list = room(r, n, sizeof *list);
    double *numbers = room(r, n, sizeof *numbers);
    for (size_t i = 0; i < n && !r->status; i++) {
        list[i] = text_of(r, json_array_get(pieces, i), "texts", true);
        numbers[i] = number(r, json_array_get(values, i), "texts");
    }
    if (r->status)
        return;
    *t = (glim_panel_text){.n = n, .pieces = list, .values = numbers, .best = SIZE_MAX};
    t->label = string(r, o, "label", false);
    t->value = number(r, json_object_get(o, "value"), "texts");
    if (json_is_integer(best) && json_integer_value(best) >= 0 &&
        (uint64_t)json_integer_value(best) < n)
        t->best = (size_t)json_integer_value(best);
    else if (best && !json_is_null(best))
        wrong(r, "texts", "a list of objects whose best is one of their pieces");
}

/* ---- a panel ---- */

static struct shape shape_of(struct reader *r, const json_t *o, glim_panel_kind kind) {
    struct shape s = {0};
    const char *member = kind == GLIM_PANEL_TABLE ? "cells" : "values";
    const json_t *texts = json_object_get(o, "texts");
    if (kind == GLIM_PANEL_TEXTS) {
        if (!json_is_array(texts))
            wrong(r, "texts", "a list");
        s.rows = json_array_size(texts);
        return s;
    }
    const json_t *cells = json_object_get(o, member);
    s.rows = axis_size(r, o, "rows", kind == GLIM_PANEL_TABLE ? json_array_size(cells) : SIZE_MAX);
    s.columns = axis_size(r, o, "columns", SIZE_MAX);
    if (!r->status)
        check_cells(r, cells, member, s);
    return s;
}

static void read_parts(struct reader *r, const json_t *o, struct shape s, glim_panel *p) {
    if (p->kind == GLIM_PANEL_TEXTS) {
        const json_t *texts = json_object_get(o, "texts");
        for (size_t i = 0; i < s.rows && !r->status; i++)
            read_string(r, json_array_get(texts, i), &p->strings[i]);
        return;
    }
    read_axis(r, o, "rows", &p->rows);
    read_axis(r, o, "columns", &p->columns);
    if (p->kind == GLIM_PANEL_TABLE) {
        read_cells(r, o, s, p);
        return;
    }
    read_numbers(r, o, "values", s, p->values);
    p->low = read_bound(r, o, "low", s);
    p->high = read_bound(r, o, "high", s);
    if (p->kind == GLIM_PANEL_GRID)
        read_words(r, o, s, p);
}

static void read_panel(struct reader *r, const json_t *o) {
    static const char *const kinds[] = {"grid", "lines", "table", "texts", NULL};
    static const char *const scales[] = {"signed", "amount", "share", "effect", "rank", NULL};
    const char *name = string(r, o, "name", true), *title = string(r, o, "title", true);
    glim_panel_kind kind =
        (glim_panel_kind)choice(r, o, "kind", kinds, "'grid', 'lines', 'table' or 'texts'");
    glim_panel_scale scale = (glim_panel_scale)choice(
        r, o, "scale", scales, "'signed', 'amount', 'share', 'effect' or 'rank'");
    struct shape s = shape_of(r, o, kind);
    if (!r->status && glim_document_panel(r->doc, name))
        wrong(r, "name", "another one than those before");
    if (r->status)
        return;
    glim_panel *p = glim_document_panel_add(r->doc, kind, name, title, s.rows, s.columns);
    if (!p) {
        no_memory(r);
        return;
    }
    p->scale = scale;
    p->caption = string(r, o, "caption", false);
    p->unit = string(r, o, "unit", false);
    read_parts(r, o, s, p);
}

glim_status glim__panels_parse(glim_document *d, const json_t *panels, const char *name,
                               glim_error *err) {
    struct reader r = {.doc = d, .file = name, .err = err};
    if (!json_is_array(panels) || json_array_size(panels) > GLIM_PANELS_MOST)
        return glim_fail(err, GLIM_EFORMAT, "'%s': member 'panels' is not a list of at most %d",
                         name, (int)GLIM_PANELS_MOST);
    for (; r.panel < json_array_size(panels) && !r.status; r.panel++)
        read_panel(&r, json_array_get(panels, r.panel));
    return r.status;
}
