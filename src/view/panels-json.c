/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The member `panels` of a document. A number that is not there is null; labels and pieces
 * may be parts of characters and become valid UTF-8 as every text of a document does.
 */
#include "view/panels.h"

#include <math.h>
#include <string.h>

static json_t *word(const char *s) {
    return s ? glim__json_text(s, strlen(s)) : json_null();
}

static json_t *axis_json(bool *ok, const glim_panel_axis *axis) {
    json_t *o = json_object(), *labels = axis->labels ? json_array() : json_null();
    for (size_t i = 0; axis->labels && i < axis->n; i++)
        glim__json_add(ok, labels, word(axis->labels[i]));
    glim__json_set(ok, o, "name", word(axis->name));
    glim__json_set(ok, o, "labels", labels);
    return o;
}

/* The element at i as a JSON value. */
typedef json_t *cell_json(bool *ok, const glim_panel *p, const void *all, size_t i);

static json_t *number_cell(bool *ok, const glim_panel *p, const void *all, size_t i) {
    return glim__json_number(((const double *)all)[i]);
}

static json_t *text_cell(bool *ok, const glim_panel *p, const void *all, size_t i) {
    return word(((const char *const *)all)[i]);
}

static json_t *marked_cell(bool *ok, const glim_panel *p, const void *all, size_t i) {
    return json_boolean(((const uint8_t *)all)[i]);
}

static json_t *table_cell(bool *ok, const glim_panel *p, const void *all, size_t i) {
    const glim_panel_cell *c = (const glim_panel_cell *)all + i;
    return c->text ? word(c->text) : glim__json_number(c->number);
}

/* A list for each row; null when there is no such array. */
static json_t *cells_json(bool *ok, const glim_panel *p, const void *all, cell_json *one) {
    if (!all)
        return json_null();
    json_t *list = json_array();
    for (size_t r = 0; r < p->rows.n; r++) {
        json_t *row = json_array();
        for (size_t c = 0; c < p->columns.n; c++)
            glim__json_add(ok, row, one(ok, p, all, r * p->columns.n + c));
        glim__json_add(ok, list, row);
    }
    return list;
}

static json_t *string_json(bool *ok, const glim_panel *p, size_t i) {
    const glim_panel_text *t = &p->strings[i];
    json_t *o = json_object(), *pieces = json_array(), *values = json_array();
    const char *label = glim__string_label(p, i);
    for (size_t k = 0; k < t->n; k++) {
        glim__json_add(ok, pieces, word(t->pieces[k] ? t->pieces[k] : ""));
        glim__json_add(ok, values, glim__json_number(t->values[k]));
    }
    glim__json_set(ok, o, "label", *label ? word(label) : json_null());
    glim__json_set(ok, o, "value", glim__json_number(t->value));
    glim__json_set(ok, o, "best", t->best < t->n ? json_integer((json_int_t)t->best) : json_null());
    glim__json_set(ok, o, "pieces", pieces);
    glim__json_set(ok, o, "values", values);
    return o;
}

static void set_texts(bool *ok, json_t *o, const glim_panel *p) {
    json_t *list = json_array();
    for (size_t i = 0; i < p->rows.n; i++)
        glim__json_add(ok, list, string_json(ok, p, i));
    glim__json_set(ok, o, "texts", list);
}

static void set_numbers(bool *ok, json_t *o, const glim_panel *p) {
    glim__json_set(ok, o, "values", cells_json(ok, p, p->values, number_cell));
    glim__json_set(ok, o, "low", cells_json(ok, p, p->low, number_cell));
    glim__json_set(ok, o, "high", cells_json(ok, p, p->high, number_cell));
    if (p->kind == GLIM_PANEL_LINES)
        return;
    glim__json_set(ok, o, "texts", cells_json(ok, p, p->texts, text_cell));
    glim__json_set(ok, o, "marked", cells_json(ok, p, p->marked, marked_cell));
}

static json_t *panel_json(bool *ok, const glim_panel *p) {
    static const char *const kinds[] = {"grid", "lines", "table", "texts"};
    static const char *const scales[] = {"signed", "amount", "share", "effect", "rank"};
    json_t *o = json_object();
    glim__json_set(ok, o, "name", word(p->name));
    glim__json_set(ok, o, "title", word(p->title));
    glim__json_set(ok, o, "caption", word(p->caption));
    glim__json_set(ok, o, "unit", word(p->unit));
    glim__json_set(ok, o, "kind", json_string(kinds[p->kind]));
    glim__json_set(ok, o, "scale", json_string(scales[p->scale]));
    if (p->kind == GLIM_PANEL_TEXTS) {
        set_texts(ok, o, p);
        return o;
    }
    glim__json_set(ok, o, "rows", axis_json(ok, &p->rows));
    glim__json_set(ok, o, "columns", axis_json(ok, &p->columns));
    if (p->kind == GLIM_PANEL_TABLE)
        glim__json_set(ok, o, "cells", cells_json(ok, p, p->cells, table_cell));
    else
        set_numbers(ok, o, p);
    return o;
}

json_t *glim__panels_json(bool *ok, const glim_document *d) {
    json_t *list = json_array();
    for (size_t i = 0; i < d->n_panels; i++)
        glim__json_add(ok, list, panel_json(ok, &d->panels[i]));
    return list;
}
