/* SPDX-License-Identifier: Apache-2.0 */
/* Panels of a document, made in its arena. */
#include <glim/document.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static bool make_axis(glim_document *doc, glim_panel_axis *axis, size_t n) {
    const char **labels = glim_document_alloc(doc, n * sizeof *labels);
    for (size_t i = 0; i < n && labels; i++)
        labels[i] = "";
    *axis = (glim_panel_axis){.name = "", .n = n, .labels = labels};
    return labels != NULL;
}

static bool make_arrays(glim_document *doc, glim_panel *p, size_t n) {
    if (p->kind == GLIM_PANEL_TEXTS) {
        p->strings = glim_document_alloc(doc, p->rows.n * sizeof *p->strings);
        for (size_t i = 0; i < p->rows.n && p->strings; i++)
            p->strings[i] = (glim_panel_text){.value = NAN, .best = SIZE_MAX};
        return p->strings != NULL;
    }
    if (p->kind == GLIM_PANEL_TABLE) {
        p->cells = glim_document_alloc(doc, n * sizeof *p->cells);
        for (size_t i = 0; i < n && p->cells; i++)
            p->cells[i].number = NAN;
        return p->cells != NULL;
    }
    p->values = glim_document_alloc(doc, n * sizeof *p->values);
    for (size_t i = 0; i < n && p->values; i++)
        p->values[i] = NAN;
    return p->values != NULL;
}

glim_panel *glim_document_panel_add(glim_document *doc, glim_panel_kind kind, const char *name,
                                    const char *title, size_t rows, size_t columns) {
    /* A list for each addition; documents have a few panels. */
    glim_panel *list = glim_document_alloc(doc, (doc->n_panels + 1) * sizeof *list);
    if (!list)
        return NULL;
    if (doc->n_panels)
        memcpy(list, doc->panels, doc->n_panels * sizeof *list);
    glim_panel *p = &list[doc->n_panels];
    p->kind = kind;
    p->name = glim_document_text(doc, name, strlen(name));
    p->title = glim_document_text(doc, title, strlen(title));
    if (!p->name || !p->title || !make_axis(doc, &p->rows, rows) ||
        !make_axis(doc, &p->columns, columns) || !make_arrays(doc, p, rows * columns))
        return NULL;
    doc->panels = list;
    doc->n_panels++;
    return p;
}

const glim_panel *glim_document_panel(const glim_document *doc, const char *name) {
    for (size_t i = 0; i < doc->n_panels; i++)
        if (!strcmp(doc->panels[i].name, name))
            return &doc->panels[i];
    return NULL;
}

bool glim_document_label(glim_document *doc, glim_panel_axis *axis, size_t i, const char *format,
                         ...) {
    char text[256];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const char *copy =
        glim_document_text(doc, text, n < (int)sizeof text ? (size_t)n : sizeof text - 1);
    if (!copy || n < 0)
        return false;
    ((const char **)axis->labels)[i] = copy;
    return true;
}

/* ---- copies ---- */

static const char *copy_text(glim_document *doc, const char *s, bool *ok) {
    const char *copy = s ? glim_document_text(doc, s, strlen(s)) : NULL;
    *ok = *ok && (copy || !s);
    return copy;
}

static double *copy_numbers(glim_document *doc, const double *x, size_t n, bool *ok) {
    double *copy = x ? glim_document_alloc(doc, n * sizeof *copy) : NULL;
    if (copy)
        memcpy(copy, x, n * sizeof *copy);
    *ok = *ok && (copy || !x);
    return copy;
}

static void copy_axis(glim_document *doc, glim_panel_axis *to, const glim_panel_axis *from,
                      bool *ok) {
    to->name = copy_text(doc, from->name, ok);
    for (size_t i = 0; i < from->n && *ok; i++)
        ((const char **)to->labels)[i] = copy_text(doc, from->labels[i], ok);
}

static const char **copy_texts(glim_document *doc, const char *const *from, size_t n, bool *ok) {
    const char **copy = from ? glim_document_alloc(doc, n * sizeof *copy) : NULL;
    *ok = *ok && (copy || !from);
    for (size_t i = 0; i < n && copy && *ok; i++)
        copy[i] = copy_text(doc, from[i], ok);
    return copy;
}

static void copy_string(glim_document *doc, glim_panel_text *to, const glim_panel_text *from,
                        bool *ok) {
    *to = *from;
    to->label = copy_text(doc, from->label, ok);
    to->values = copy_numbers(doc, from->values, from->n, ok);
    to->pieces = copy_texts(doc, from->pieces, from->n, ok);
}

bool glim_document_panel_copy(glim_document *doc, const glim_panel *from) {
    size_t n = from->rows.n * from->columns.n;
    bool ok = true;
    glim_panel *to = glim_document_panel_add(doc, from->kind, from->name, from->title, from->rows.n,
                                             from->columns.n);
    if (!to)
        return false;
    to->caption = copy_text(doc, from->caption, &ok);
    to->unit = copy_text(doc, from->unit, &ok);
    to->scale = from->scale;
    copy_axis(doc, &to->rows, &from->rows, &ok);
    copy_axis(doc, &to->columns, &from->columns, &ok);
    to->values = copy_numbers(doc, from->values, n, &ok);
    to->low = copy_numbers(doc, from->low, n, &ok);
    to->high = copy_numbers(doc, from->high, n, &ok);
    to->texts = copy_texts(doc, from->texts, n, &ok);
    to->marked = from->marked ? glim_document_alloc(doc, n) : NULL;
    if (to->marked)
        memcpy(to->marked, from->marked, n);
    for (size_t i = 0; i < n && from->cells && ok; i++)
        to->cells[i] =
            (glim_panel_cell){copy_text(doc, from->cells[i].text, &ok), from->cells[i].number};
    for (size_t i = 0; i < from->rows.n && from->strings && ok; i++)
        copy_string(doc, &to->strings[i], &from->strings[i], &ok);
    return ok && (to->marked || !from->marked);
}
