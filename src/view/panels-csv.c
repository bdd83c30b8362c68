/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Panels as one long table, a line for each number: of a grid and of lines the cells, of a
 * table too, of texts their pieces behind a line for the whole. Labels may repeat, so rows
 * and columns have their numbers as well.
 */
#include "view/panels.h"

#include <math.h>
#include <string.h>

struct line {
    const char *panel, *row, *column, *text; /* column, text: NULL = empty */
    double value, low, high;
    size_t r, c;
    int marked; /* -1: it cannot be */
};

static void field(glim_buffer *b, const char *s) {
    glim__csv_field(b, s, strlen(s));
}

static void number(glim_buffer *b, double x) {
    glim__buffer_putc(b, ',');
    if (isfinite(x))
        glim__buffer_printf(b, "%.9g", x);
}

static void put(glim_buffer *b, const struct line *l) {
    field(b, l->panel);
    glim__buffer_putc(b, ',');
    field(b, l->row);
    glim__buffer_putc(b, ',');
    if (l->column)
        field(b, l->column);
    number(b, l->value);
    number(b, l->low);
    number(b, l->high);
    glim__buffer_putc(b, ',');
    if (l->text)
        field(b, l->text);
    glim__buffer_printf(b, ",%zu,", l->r);
    if (l->c != SIZE_MAX)
        glim__buffer_printf(b, "%zu", l->c);
    glim__buffer_puts(b, l->marked < 0 ? "," : l->marked ? ",1" : ",0");
    glim__buffer_puts(b, "\r\n");
}

static void put_cell(glim_buffer *b, const glim_panel *p, size_t r, size_t c) {
    size_t i = r * p->columns.n + c;
    struct line l = {.panel = p->name,
                     .row = glim__axis_label(&p->rows, r),
                     .column = glim__axis_label(&p->columns, c),
                     .low = p->low ? p->low[i] : NAN,
                     .high = p->high ? p->high[i] : NAN,
                     .r = r,
                     .c = c,
                     .marked = p->marked ? p->marked[i] : -1};
    if (p->kind == GLIM_PANEL_TABLE) {
        l.text = p->cells[i].text;
        l.value = l.text ? NAN : p->cells[i].number;
    } else {
        l.text = p->texts ? p->texts[i] : NULL;
        l.value = p->values[i];
    }
    put(b, &l);
}

static void put_string(glim_buffer *b, const glim_panel *p, size_t r) {
    const glim_panel_text *t = &p->strings[r];
    struct line l = {.panel = p->name,
                     .row = glim__string_label(p, r),
                     .value = t->value,
                     .low = NAN,
                     .high = NAN,
                     .r = r,
                     .c = SIZE_MAX,
                     .marked = -1};
    put(b, &l);
    for (size_t k = 0; k < t->n; k++) {
        l.text = t->pieces[k];
        l.value = t->values[k];
        l.c = k;
        l.marked = k == t->best;
        put(b, &l);
    }
}

void glim__panels_csv(glim_buffer *b, const glim_document *d) {
    glim__buffer_puts(b,
                      "panel,row,column,value,low,high,text,row_number,column_number,marked\r\n");
    for (size_t i = 0; i < d->n_panels; i++)
        if (d->panels[i].kind == GLIM_PANEL_TEXTS)
            for (size_t r = 0; r < d->panels[i].rows.n; r++)
                put_string(b, &d->panels[i], r);
        else
            for (size_t k = 0; k < d->panels[i].rows.n * d->panels[i].columns.n; k++)
                put_cell(b, &d->panels[i], k / d->panels[i].columns.n, k % d->panels[i].columns.n);
}
