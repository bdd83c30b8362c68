/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table in the terminal: words to the left, numbers to the right of their columns. What is
 * too wide gives way from the widest column on; what still does not fit stands below, with
 * the names of the rows again.
 */
#include "view/panels-page.h"

#include <math.h>
#include <stdio.h>

enum { CELL = 32, NARROW = 4, HEAD = 8, GAP = 2, MOST_ROWS = 60 };

struct table {
    const glim_panel_page *m;
    int *widths;          /* of the columns; the label's before them */
    int *least;           /* the same: numbers are never cut, and heads can be told apart */
    bool *words, *counts; /* of the columns: words are on the left, counts are whole */
};

/* What a cell says, for people. */
static const char *cell_text(const struct table *t, char out[32], size_t r, size_t c) {
    const glim_panel_cell *cell = &t->m->panel->cells[r * t->m->panel->columns.n + c];
    if (cell->text || isnan(cell->number))
        return cell->text ? cell->text : "";
    if (!t->counts[c])
        return glim__panel_number(t->m, out, cell->number, false);
    snprintf(out, 32, "%s%.0f",
             cell->number < 0 ? glim__page_pick(t->m->p, "\xe2\x88\x92", "-") : "",
             fabs(cell->number));
    return out;
}

static void measure(struct table *t) {
    const glim_panel *panel = t->m->panel;
    glim_page *p = t->m->p;
    size_t rows = panel->rows.n < MOST_ROWS ? panel->rows.n : MOST_ROWS;
    char text[32];
    t->widths[0] = glim__panel_axis_width(p, &panel->rows, CELL);
    if (t->widths[0] && panel->rows.name) {
        int name = glim__panel_label_width(p, panel->rows.name, CELL);
        t->widths[0] = name > t->widths[0] ? name : t->widths[0];
    }
    for (size_t c = 0; c < panel->columns.n; c++) {
        int width = glim__panel_label_width(p, glim__axis_label(&panel->columns, c), CELL);
        t->counts[c] = glim__table_counts(panel, c);
        t->least[c + 1] = width < HEAD ? width : HEAD;
        for (size_t r = 0; r < rows; r++) {
            int w = glim__panel_label_width(p, cell_text(t, text, r, c), CELL);
            width = w > width ? w : width;
            if (!panel->cells[r * panel->columns.n + c].text && w > t->least[c + 1])
                t->least[c + 1] = w;
            t->words[c] = t->words[c] || panel->cells[r * panel->columns.n + c].text;
        }
        t->widths[c + 1] = width < 1 ? 1 : width;
    }
}

/* Takes columns from the widest until the line fits, or all are as narrow as they may be. */
static void squeeze(struct table *t) {
    size_t n = t->m->panel->columns.n + 1;
    for (;;) {
        int sum = 0, widest = NARROW;
        size_t which = SIZE_MAX;
        for (size_t i = 0; i < n; i++) {
            sum += t->widths[i] + (t->widths[i] ? GAP : 0);
            if (t->widths[i] > widest && t->widths[i] > t->least[i]) {
                widest = t->widths[i];
                which = i;
            }
        }
        if (sum - GAP <= t->m->p->width || which == SIZE_MAX)
            return;
        t->widths[which]--;
    }
}

static void put_cell(const struct table *t, const char *s, int width, bool left) {
    glim_page *p = t->m->p;
    if (!left)
        glim__panel_pad(p, width - glim__panel_label_width(p, s, width));
    glim__panel_label(p, &p->b, s, width, left ? width : 0);
}

/* A line of columns from .. to; the heads for r = SIZE_MAX. */
static void put_table_row(const struct table *t, size_t r, size_t from, size_t to) {
    const glim_panel *panel = t->m->panel;
    glim_page *p = t->m->p;
    char text[32];
    bool head = r == SIZE_MAX;
    if (t->widths[0]) {
        const char *name = panel->rows.name ? panel->rows.name : "";
        put_cell(t, head ? name : glim__axis_label(&panel->rows, r), t->widths[0], true);
        glim__panel_pad(p, GAP);
    }
    for (size_t c = from; c < to; c++) {
        const char *s = head ? glim__axis_label(&panel->columns, c) : cell_text(t, text, r, c);
        put_cell(t, s, t->widths[c + 1], t->words[c]);
        glim__panel_pad(p, c + 1 < to ? GAP : 0);
    }
    glim__page_end_line(p);
}

/* As many columns as fit a line; the others stand below, with the labels again. */
static size_t band_end(const struct table *t, size_t from) {
    int used = t->widths[0] ? t->widths[0] + GAP : 0;
    size_t to = from;
    for (; to < t->m->panel->columns.n; to++) {
        int need = t->widths[to + 1] + (to > from ? GAP : 0);
        if (to > from && used + need > t->m->p->width)
            break;
        used += need;
    }
    return to;
}

void glim__panel_table(const glim_panel_page *m) {
    const glim_panel *panel = m->panel;
    glim_context *ctx = m->p->b.ctx;
    size_t n = panel->columns.n, rows = panel->rows.n < MOST_ROWS ? panel->rows.n : MOST_ROWS;
    struct table t = {
        m, glim__calloc(ctx, n + 1, sizeof *t.widths), glim__calloc(ctx, n + 1, sizeof *t.least),
        glim__calloc(ctx, n + 1, sizeof *t.words), glim__calloc(ctx, n + 1, sizeof *t.counts)};
    bool ready = t.widths && t.least && t.words && t.counts;
    if (ready) {
        measure(&t);
        squeeze(&t);
        for (size_t from = 0, to; from < n; from = to) {
            to = band_end(&t, from);
            put_table_row(&t, SIZE_MAX, from, to);
            for (size_t r = 0; r < rows; r++)
                put_table_row(&t, r, from, to);
        }
    }
    m->p->b.failed = m->p->b.failed || !ready;
    glim__free(ctx, t.widths);
    glim__free(ctx, t.least);
    glim__free(ctx, t.words);
    glim__free(ctx, t.counts);
    glim_buffer b;
    glim__buffer_init(&b, ctx);
    if (panel->rows.n > rows)
        glim__buffer_printf(&b, "%zu more rows: --html, --csv", panel->rows.n - rows);
    glim__panel_say(m->p, &b);
}
