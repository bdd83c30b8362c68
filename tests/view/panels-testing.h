/* SPDX-License-Identifier: Apache-2.0 */
/* Documents of panels for the tests of views, made by hand: every kind and scale, sizes from
   none to many, and labels that want to steer a terminal or close an element. */
#ifndef GLIM_TESTS_PANELS_TESTING_H
#define GLIM_TESTS_PANELS_TESTING_H

#include "view-testing.h"

typedef struct panel_case {
    const char *name, *kind; /* of the document */
    glim_panel_kind panel;
    glim_panel_scale scale;
    size_t rows, columns;
    double size;                /* of the numbers; NaN: none is there */
    bool words, marked, bounds; /* as far as the kind has them */
} panel_case;

static const panel_case panel_cases[] = {
    {"words", "lens", GLIM_PANEL_GRID, GLIM_SCALE_SHARE, 6, 9, 1, .words = true, .marked = true},
    {"many words", "lens", GLIM_PANEL_GRID, GLIM_SCALE_SIGNED, 70, 90, 1, .words = true},
    {"ranks", "lens", GLIM_PANEL_GRID, GLIM_SCALE_RANK, 8, 12, 1000, .marked = true},
    {"effects", "patch", GLIM_PANEL_GRID, GLIM_SCALE_EFFECT, 12, 30, 1.4, .marked = true},
    {"folded", "patch", GLIM_PANEL_GRID, GLIM_SCALE_EFFECT, 130, 300, 1, .marked = true},
    {"one cell", "patch", GLIM_PANEL_GRID, GLIM_SCALE_SIGNED, 1, 1, 1e117, .bounds = true},
    {"no rows", "patch", GLIM_PANEL_GRID, GLIM_SCALE_AMOUNT, 0, 4, 1},
    {"no columns", "patch", GLIM_PANEL_GRID, GLIM_SCALE_AMOUNT, 3, 0, 1},
    {"nothing there", "patch", GLIM_PANEL_GRID, GLIM_SCALE_AMOUNT, 3, 5, NAN, .bounds = true},
    {"intervals", "patch", GLIM_PANEL_GRID, GLIM_SCALE_SIGNED, 5, 7, 30, .bounds = true},
    {"accuracy", "probe", GLIM_PANEL_LINES, GLIM_SCALE_SHARE, 2, 14, 1, .bounds = true},
    {"one series", "probe", GLIM_PANEL_LINES, GLIM_SCALE_AMOUNT, 1, 3, 5},
    {"many series", "probe", GLIM_PANEL_LINES, GLIM_SCALE_SIGNED, 15, 100, 12, .bounds = true},
    {"long", "probe", GLIM_PANEL_LINES, GLIM_SCALE_RANK, 3, 1500, 1e6},
    {"no number", "probe", GLIM_PANEL_LINES, GLIM_SCALE_EFFECT, 2, 4, NAN, .bounds = true},
    {"zeros", "probe", GLIM_PANEL_LINES, GLIM_SCALE_SIGNED, 2, 4, 0},
    {"table", "probe", GLIM_PANEL_TABLE, GLIM_SCALE_SHARE, 13, 4, 1},
    {"wide table", "probe", GLIM_PANEL_TABLE, GLIM_SCALE_SIGNED, 3, 40, 1e9},
    {"long table", "probe", GLIM_PANEL_TABLE, GLIM_SCALE_AMOUNT, 1100, 2, 1},
    {"no cells", "probe", GLIM_PANEL_TABLE, GLIM_SCALE_AMOUNT, 0, 3, 1},
    {"texts", "maximize", GLIM_PANEL_TEXTS, GLIM_SCALE_AMOUNT, 5, 0, 12},
    {"many texts", "maximize", GLIM_PANEL_TEXTS, GLIM_SCALE_SIGNED, 120, 0, 1},
    {"ranked texts", "maximize", GLIM_PANEL_TEXTS, GLIM_SCALE_RANK, 3, 0, 50},
    {"no texts", "maximize", GLIM_PANEL_TEXTS, GLIM_SCALE_SHARE, 0, 0, 1},
};
enum { N_PANEL_CASES = sizeof panel_cases / sizeof *panel_cases };

static const char *const panel_labels[] = {"The",
                                           " capital",
                                           "法国的首都",
                                           "\xe6\xa8",
                                           "\xa1",
                                           " ",
                                           "",
                                           "\x1b[2J",
                                           "</td>",
                                           "a\nb",
                                           "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7",
                                           "\xe2\x80\xae\xd7\xa9",
                                           "averyveryverylonglabelwithoutanyspaceinit",
                                           "\"q\", c",
                                           "L12"};
enum { N_PANEL_LABELS = sizeof panel_labels / sizeof *panel_labels };

static inline double panel_number(const panel_case *c, size_t i) {
    if (isnan(c->size) || i % 17 == 11)
        return NAN;
    double x = sin((double)i * 1.7 + 1) * c->size;
    if (c->scale == GLIM_SCALE_RANK)
        return 1 + floor(fabs(x));
    return c->scale == GLIM_SCALE_SHARE ? fabs(x) : x;
}

static inline void fill_axis(glim_panel_axis *axis, const char *name, size_t from) {
    axis->name = name;
    for (size_t i = 0; i < axis->n; i++)
        ((const char **)axis->labels)[i] = panel_labels[(i + from) % N_PANEL_LABELS];
}

static inline void fill_cells(glim_document *d, glim_panel *p, const panel_case *c) {
    size_t n = p->rows.n * p->columns.n;
    if (c->bounds) {
        p->low = glim_document_alloc(d, n * sizeof *p->low);
        p->high = glim_document_alloc(d, n * sizeof *p->high);
    }
    p->texts = c->words ? glim_document_alloc(d, n * sizeof *p->texts) : NULL;
    p->marked = c->marked ? glim_document_alloc(d, n) : NULL;
    for (size_t i = 0; i < n; i++) {
        p->values[i] = panel_number(c, i);
        if (p->low) {
            p->low[i] = i % 5 == 3 ? NAN : p->values[i] - 0.1 * fabs(c->size);
            p->high[i] = p->values[i] + 0.1 * fabs(c->size);
        }
        if (p->texts)
            p->texts[i] = i % 7 == 6 ? NULL : panel_labels[i * 7 % N_PANEL_LABELS];
        if (p->marked)
            p->marked[i] = i % 9 == 4;
    }
}

static inline void fill_string(glim_document *d, glim_panel_text *t, const panel_case *c,
                               size_t at) {
    size_t n = at % 4 == 3 ? 0 : at % 4 == 1 ? 150 : 9;
    const char **pieces = glim_document_alloc(d, n * sizeof *pieces);
    double *values = glim_document_alloc(d, n * sizeof *values);
    for (size_t i = 0; i < n; i++) {
        pieces[i] = panel_labels[(i + at) % N_PANEL_LABELS];
        values[i] = panel_number(c, i + at);
    }
    *t = (glim_panel_text){.label = at % 3 ? panel_labels[at % N_PANEL_LABELS] : NULL,
                           .value = at % 2 ? NAN : c->size,
                           .n = n,
                           .pieces = pieces,
                           .values = values,
                           .best = n && at % 5 ? n / 2 : SIZE_MAX};
}

static inline void add_panel(glim_document *d, const panel_case *c) {
    glim_panel *p = glim_document_panel_add(d, c->panel, c->name, c->name, c->rows, c->columns);
    assert_non_null(p);
    p->scale = c->scale;
    p->caption = c->rows % 2 ? NULL : "Read \x1b[1m with </script> care.";
    p->unit = c->rows % 3 ? NULL : "logit";
    fill_axis(&p->rows, c->panel == GLIM_PANEL_LINES ? "series" : "layer", 0);
    fill_axis(&p->columns, "position", 1);
    if (c->panel == GLIM_PANEL_TABLE && c->rows % 2)
        p->rows.labels = NULL;
    if (c->panel == GLIM_PANEL_GRID || c->panel == GLIM_PANEL_LINES)
        fill_cells(d, p, c);
    for (size_t i = 0; c->panel == GLIM_PANEL_TABLE && i < c->rows * c->columns; i++) {
        p->cells[i].number = panel_number(c, i);
        if (i % c->columns == 1)
            p->cells[i].text = panel_labels[i % N_PANEL_LABELS];
    }
    for (size_t i = 0; c->panel == GLIM_PANEL_TEXTS && i < c->rows; i++)
        fill_string(d, &p->strings[i], c, i);
}

/* With a target every other time, and an input every third. */
static inline glim_document *bare_document(glim_context *ctx, const char *kind, size_t at) {
    glim_document *d = NULL;
    assert_int_equal(glim_document_new(&d, ctx, NULL), GLIM_OK);
    d->kind = kind;
    d->version = "0.0.0";
    d->n_rows = 1;
    d->model.file = "model.gguf";
    d->method.name = "made-up";
    d->method.params = "{}";
    d->cost.seconds = 0.5;
    if (at % 2) {
        d->target.text = " Paris\x1b[1m";
        d->target.text_len = strlen(d->target.text);
        d->target.against = "法国";
        d->target.against_len = strlen(d->target.against);
        d->target.output = "logit";
        d->target.value = 2.5;
        d->target.prob = 0.25;
    }
    if (at % 3 == 0) {
        d->input.text = "The capital\n of 法国 is";
        d->input.text_len = strlen(d->input.text);
    }
    return d;
}

static inline glim_document *panel_document(glim_context *ctx, size_t at) {
    glim_document *d = bare_document(ctx, panel_cases[at].kind, at);
    add_panel(d, &panel_cases[at]);
    return d;
}

/* ---- what is looked for ---- */

static inline void contains(const char *text, const char *part) {
    if (!strstr(text, part))
        fail_msg("'%s' is not in:\n%s", part, text);
}

static inline size_t count(const char *text, const char *part) {
    size_t n = 0;
    for (; (text = strstr(text, part)); text++)
        n++;
    return n;
}

static inline size_t length_before(const char *text, const char *part) {
    size_t n = 0;
    while (text[n] && strncmp(text + n, part, strlen(part)) != 0)
        n++;
    return n;
}

static inline size_t case_named(const char *name) {
    for (size_t i = 0; i < N_PANEL_CASES; i++)
        if (!strcmp(panel_cases[i].name, name))
            return i;
    fail_msg("there is no case '%s'", name);
    return 0;
}

#endif
