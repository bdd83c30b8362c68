/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A grid in the report: a table of shaded cells, with words and numbers while they can be
 * read, then shades alone whose numbers a reader's tools still find, and the strongest cells
 * as a table besides. More cells than a page bears are pooled, and the page says so.
 */
#include "view/html-panel.h"

enum { WORDS = 8192, READ = 24, TURNED = 12, TOP = 10 };

struct grid {
    const html_panel *m;
    const glim_panel *panel;
    size_t by_row, by_column; /* pooled */
    bool words, dense;
};

static size_t parts(size_t n, size_t by) {
    return (n + by - 1) / by;
}

/* From the longer side, until the cells are few enough. */
static void lay_out(struct grid *g) {
    size_t R = g->panel->rows.n, C = g->panel->columns.n;
    g->by_row = g->by_column = 1;
    g->words = g->panel->texts && R * C <= WORDS;
    if (!g->words)
        while (parts(R, g->by_row) * parts(C, g->by_column) > HTML_CELLS)
            *(parts(R, g->by_row) > parts(C, g->by_column) ? &g->by_row : &g->by_column) += 1;
    g->dense = !g->words && parts(C, g->by_column) > READ;
}

static bool pooled(const struct grid *g) {
    return g->by_row > 1 || g->by_column > 1;
}

/* ---- heads ---- */

/* "L8–L11": the names at both ends of a pool; of columns, which are many, their numbers. */
static void put_name(const struct grid *g, const glim_panel_axis *axis, size_t i, size_t by) {
    glim_buffer *b = g->m->p->b;
    const char *first = glim__axis_label(axis, i);
    size_t last = (i + by < axis->n ? i + by : axis->n) - 1;
    if (by > 1 && axis == &g->panel->columns) {
        glim__buffer_printf(b, last > i ? "%zu\xe2\x80\x93%zu" : "%zu", i, last);
        return;
    }
    if (*first)
        glim__html_label(b, first, strlen(first), HTML_LABEL);
    if (last > i) {
        const char *other = glim__axis_label(axis, last);
        glim__buffer_puts(b, "\xe2\x80\x93");
        glim__html_label(b, other, strlen(other), HTML_LABEL);
    }
}

static void put_heads(const struct grid *g) {
    glim_buffer *b = g->m->p->b;
    bool turned = !g->words && parts(g->panel->columns.n, g->by_column) > TURNED;
    glim__buffer_printf(b,
                        "<div class=\"scroll\" tabindex=\"0\"><table class=\"heat grid%s%s%s\" "
                        "aria-labelledby=\"glim-panel-%zu-name\"><thead><tr><td></td>",
                        turned ? " turned" : "", g->words ? " words" : "", g->dense ? " dense" : "",
                        g->m->at);
    for (size_t c = 0; c < g->panel->columns.n; c += g->by_column) {
        glim__buffer_puts(b, "<th scope=\"col\">");
        put_name(g, &g->panel->columns, c, g->by_column);
        glim__buffer_puts(b, "</th>");
    }
    glim__buffer_puts(b, "</tr></thead>\n<tbody>");
}

/* ---- cells ---- */

static void put_cell(const struct grid *g, size_t r, size_t c) {
    const html_panel *m = g->m;
    glim_buffer *b = m->p->b;
    size_t i = r * g->panel->columns.n + c;
    double x = glim__panel_pooled(g->panel, r, c, g->by_row, g->by_column);
    bool marked = glim__panel_marked(g->panel, r, c, g->by_row, g->by_column);
    glim__buffer_puts(b, "<td class=\"");
    glim__html_panel_class(m, b, x);
    glim__buffer_puts(b, !pooled(g) && glim__panel_unsure(g->panel, i) ? " h" : "");
    glim__buffer_puts(b, marked ? " marked" : "");
    if (g->dense || (g->panel->low && !pooled(g))) {
        glim__buffer_puts(b, "\" title=\"");
        glim__html_panel_number(m, b, x, false);
        if (!pooled(g))
            glim__html_panel_interval(m, b, i);
    }
    glim__buffer_puts(b, "\">");
    if (g->words && g->panel->texts[i])
        glim__html_label(b, g->panel->texts[i], strlen(g->panel->texts[i]), HTML_LABEL);
    glim__buffer_puts(b, g->words ? "<small>" : "");
    glim__html_panel_number(m, b, x, true);
    glim__buffer_puts(b, g->words ? "</small>" : "");
    if (marked)
        glim__html_say(m->p, "span class=\"unseen\"", "panel.is-marked");
    glim__buffer_puts(b, "</td>");
}

static void put_rows(const struct grid *g) {
    glim_buffer *b = g->m->p->b;
    for (size_t r = 0; r < g->panel->rows.n; r += g->by_row) {
        glim__buffer_puts(b, "<tr><th scope=\"row\">");
        put_name(g, &g->panel->rows, r, g->by_row);
        glim__buffer_puts(b, "</th>");
        for (size_t c = 0; c < g->panel->columns.n; c += g->by_column)
            put_cell(g, r, c);
        glim__buffer_puts(b, "</tr>\n");
    }
    glim__buffer_puts(b, "</tbody></table></div>\n");
}

/* ---- the strongest ---- */

static void put_axis_name(const struct grid *g, const glim_panel_axis *axis, const char *key) {
    html_page *p = g->m->p;
    if (axis->name && *axis->name) {
        glim__html_panel_word(p, "th scope=\"col\"", axis->name);
        return;
    }
    glim__html_say(p, "th scope=\"col\"", key);
}

static void put_top(const struct grid *g) {
    html_page *p = g->m->p;
    glim_panel_place top[TOP];
    size_t n = glim__panel_top(g->panel, TOP, top);
    if (!n || !g->dense)
        return;
    glim__html_say(p, "h3", g->panel->scale == GLIM_SCALE_RANK ? "panel.first" : "panel.top");
    glim__buffer_puts(p->b,
                      "<div class=\"scroll\" tabindex=\"0\"><table class=\"top\"><thead><tr>");
    put_axis_name(g, &g->panel->rows, "column.row");
    put_axis_name(g, &g->panel->columns, "column.column");
    glim__html_say(p, "th scope=\"col\"", "column.value");
    glim__buffer_puts(p->b, "</tr></thead>\n<tbody>");
    for (size_t k = 0; k < n; k++) {
        const char *row = glim__axis_label(&g->panel->rows, top[k].row),
                   *column = glim__axis_label(&g->panel->columns, top[k].column);
        glim__buffer_puts(p->b, "<tr><th scope=\"row\">");
        glim__html_label(p->b, row, strlen(row), 0);
        glim__buffer_printf(p->b, "</th><td class=\"said\">%zu ", top[k].column);
        glim__html_label(p->b, column, strlen(column), 0);
        glim__buffer_puts(p->b, "</td><td>");
        glim__html_panel_number(g->m, p->b, top[k].value, false);
        glim__html_panel_interval(g->m, p->b, top[k].row * g->panel->columns.n + top[k].column);
        glim__buffer_puts(p->b, "</td></tr>\n");
    }
    glim__buffer_puts(p->b, "</tbody></table></div>\n");
}

/* The same in a sentence, for those who do not see shades. */
void glim__html_grid_say(const html_panel *m) {
    html_page *p = m->p;
    glim_panel_place top[2];
    size_t n = glim__panel_top(m->panel, 2, top);
    bool ranks = m->panel->scale == GLIM_SCALE_RANK;
    glim__buffer_puts(p->b, "<p class=\"say\">");
    for (size_t k = 0; k < n; k++) {
        const char *row = glim__axis_label(&m->panel->rows, top[k].row),
                   *column = glim__axis_label(&m->panel->columns, top[k].column);
        glim__html_panel_number(m, glim__html_arg(p), top[k].value, false);
        glim__html_quote(glim__html_arg(p), row, strlen(row), HTML_LABEL);
        glim__html_quote(glim__html_arg(p), column, strlen(column), HTML_LABEL);
        glim__html_say(p, "span",
                       k       ? "panel.say.then"
                       : ranks ? "panel.say.first"
                               : "panel.say.top");
        glim__buffer_putc(p->b, ' ');
    }
    if (!n)
        glim__html_say(p, "span", "panel.say.none");
    glim__buffer_puts(p->b, "</p>\n");
}

void glim__html_grid_axes(const html_panel *m) {
    html_page *p = m->p;
    const char *down = m->panel->rows.name, *across = m->panel->columns.name;
    if (!down || !*down || !across || !*across)
        return;
    glim__html_panel_term(p, glim__html_arg(p), down);
    glim__html_panel_term(p, glim__html_arg(p), across);
    glim__html_say(p, "p class=\"note\"", "panel.axes");
}

static void put_folds(const struct grid *g) {
    html_page *p = g->m->p;
    if (!pooled(g))
        return;
    glim__buffer_printf(glim__html_arg(p), "%zu", g->panel->rows.n * g->panel->columns.n);
    glim__buffer_printf(glim__html_arg(p), "%zu", g->by_row);
    glim__buffer_printf(glim__html_arg(p), "%zu", g->by_column);
    glim__html_say(p, "p class=\"note\"", "panel.pooled");
}

void glim__html_grid(const html_panel *m) {
    struct grid g = {.m = m, .panel = m->panel};
    if (!m->panel->rows.n || !m->panel->columns.n)
        return;
    lay_out(&g);
    glim__html_grid_axes(m);
    glim__html_grid_say(m);
    put_folds(&g);
    glim__html_panel_legend(m);
    put_heads(&g);
    put_rows(&g);
    put_top(&g);
}
