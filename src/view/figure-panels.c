/* SPDX-License-Identifier: Apache-2.0 */
/* Panels: what a lens, a patch, a probe, a search or steering shows, each under its title. */
#include "view/figure-panels.h"

#include <math.h>
#include <string.h>

enum { MOST_ROWS = 60 };

static const svg_font SMALL = {12, false, false, false};

/* ---- numbers and legend ---- */

const char *figure_number(sheet *t, const html_panel *m, double x, bool brief) {
    glim__html_panel_number(m, &t->markup, x, brief);
    return sheet_taken(t);
}

static void put_key(sheet *t, sheet_mark mark, const char *key, size_t n) {
    if (!n)
        return;
    glim__buffer_printf(glim__html_arg(&t->page), "%zu", n);
    sheet_key(t, mark, sheet_word(t, key));
}

void figure_panel_keys(sheet *t, const html_panel *m) {
    const glim_panel_range *r = &m->range;
    if (m->panel->unit) {
        glim__html_panel_term(&t->page, glim__html_arg(&t->page), m->panel->unit);
        sheet_key(t, SHEET_BARE, sheet_word(t, "panel.unit"));
    }
    if (m->panel->scale == GLIM_SCALE_EFFECT) {
        sheet_key(t, SHEET_BARE, sheet_word(t, "panel.zero"));
        sheet_key(t, SHEET_BARE, sheet_word(t, "panel.one"));
    }
    put_key(t, SHEET_CROSS, "legend.missing", r->missing);
}

static void put_scale(sheet *t, const html_panel *m) {
    const glim_panel_range *r = &m->range;
    bool ranks = m->panel->scale == GLIM_SCALE_RANK;
    char low[40], middle[40] = "", high[40];
    snprintf(low, sizeof low, "%s",
             figure_number(t, m,
                           ranks          ? r->limit
                           : r->is_signed ? -r->limit
                                          : 0,
                           false));
    if (r->is_signed)
        snprintf(middle, sizeof middle, "0");
    else if (!ranks)
        snprintf(middle, sizeof middle, "%s", figure_number(t, m, r->limit / 2, true));
    snprintf(high, sizeof high, "%s", figure_number(t, m, ranks ? 1 : r->limit, false));
    sheet_scale(t, r->is_signed, "", low, middle, high, "");
}

void figure_panel_legend(sheet *t, const html_panel *m) {
    const glim_panel_range *r = &m->range;
    sheet_legend(t);
    put_scale(t, m);
    if (m->panel->scale == GLIM_SCALE_RANK)
        sheet_key(t, SHEET_BARE, sheet_word(t, "panel.rank"));
    figure_panel_keys(t, m);
    put_key(t, SHEET_FRAME, "panel.marked", r->marked);
    put_key(t, SHEET_NOTCH, "panel.beyond", r->beyond);
    put_key(t, SHEET_HOLLOW, "figure.hollow", r->unsure);
    sheet_legend_end(t);
}

/* ---- grids ---- */

struct grid {
    const html_panel *m;
    const glim_panel *panel;
    sheet_heat heat;
};

static double grid_value(void *data, size_t r, size_t c, size_t by_row, size_t by_column) {
    const struct grid *g = data;
    return glim__panel_pooled(g->panel, r, c, by_row, by_column);
}

static int grid_step(void *data, double x) {
    const struct grid *g = data;
    return glim__panel_step(g->panel, &g->m->range, x);
}

static int grid_marks(void *data, size_t r, size_t c) {
    const struct grid *g = data;
    const sheet_heat *h = &g->heat;
    bool one = h->by_row == 1 && h->by_column == 1;
    size_t i = r * g->panel->columns.n + c;
    int marks = glim__panel_marked(g->panel, r, c, h->by_row, h->by_column) ? HEAT_FRAMED : 0;
    if (one && glim__panel_beyond(g->panel, g->panel->values[i]))
        marks |= HEAT_NOTCHED;
    return one && glim__panel_unsure(g->panel, i) ? marks | HEAT_UNSURE : marks;
}

static const char *grid_row(void *data, sheet *t, size_t i) {
    const struct grid *g = data;
    const char *s = glim__axis_label(&g->panel->rows, i);
    return sheet_label(t, s, strlen(s), *s ? HTML_LABEL : 0);
}

static const char *grid_column(void *data, sheet *t, size_t i) {
    const struct grid *g = data;
    const char *s = glim__axis_label(&g->panel->columns, i);
    if (g->heat.by_column > 1 || g->panel->columns.n > 64)
        glim__buffer_printf(&t->markup, "%zu ", i);
    if (*s)
        glim__html_plain(&t->markup, s, strlen(s), HTML_LABEL);
    return sheet_taken(t);
}

static const char *grid_text(void *data, sheet *t, size_t r, size_t c) {
    const struct grid *g = data;
    size_t i = r * g->panel->columns.n + c;
    const char *s = g->panel->texts ? g->panel->texts[i] : NULL;
    return s ? sheet_label(t, s, strlen(s), 16) : figure_number(t, g->m, g->panel->values[i], true);
}

static void put_part(sheet *t, struct grid *g, const glim_panel *part) {
    g->panel = part;
    g->heat = (sheet_heat){.rows = part->rows.n,
                           .columns = part->columns.n,
                           .data = g,
                           .both = g->m->range.is_signed,
                           .value = grid_value,
                           .step = grid_step,
                           .marks = grid_marks,
                           .row = grid_row,
                           .column = grid_column,
                           .text = part->texts || part->columns.n <= 24 ? grid_text : NULL,
                           .least = part->texts ? 44 : 0};
    sheet_heat_pool(t, &g->heat);
    sheet_heat_draw(t, &g->heat);
}

/* Words need room: a wide grid of them goes on below, as many columns at a time as fit. */
static void put_parts(sheet *t, struct grid *g) {
    const glim_panel *panel = g->m->panel;
    size_t C = panel->columns.n, most = (size_t)((t->right - t->left - 90) / 52);
    for (size_t from = 0; from < C; from += most) {
        glim_panel part = *panel;
        size_t n = C - from < most ? C - from : most, cells = panel->rows.n * n;
        double *values = glim__calloc(t->s.body.ctx, cells + 1, sizeof *values);
        const char **texts = glim__calloc(t->s.body.ctx, cells + 1, sizeof *texts);
        uint8_t *marked = glim__calloc(t->s.body.ctx, cells + 1, 1);
        bool ok = values && texts && marked;
        for (size_t i = 0; i < cells && ok; i++) {
            size_t k = i / n * C + from + i % n;
            values[i] = panel->values[k];
            texts[i] = panel->texts[k];
            marked[i] = panel->marked && panel->marked[k];
        }
        part.columns.n = n;
        part.columns.labels = panel->columns.labels ? panel->columns.labels + from : NULL;
        part.values = values;
        part.texts = texts;
        part.marked = marked;
        part.low = part.high = NULL;
        if (ok)
            put_part(t, g, &part);
        t->s.body.failed = t->s.body.failed || !ok;
        glim__free(t->s.body.ctx, values);
        glim__free(t->s.body.ctx, (void *)texts);
        glim__free(t->s.body.ctx, marked);
    }
}

static void put_grid(sheet *t, const html_panel *m) {
    enum { WORDS = 4096 };
    struct grid g = {.m = m, .panel = m->panel};
    const glim_panel *panel = m->panel;
    if (!panel->rows.n || !panel->columns.n)
        return;
    glim__html_grid_axes(m);
    sheet_lines(t, SMALL, SHEET_GREY);
    glim__html_grid_say(m);
    sheet_alt(t, sheet_taken(t));
    if (panel->texts && panel->rows.n * panel->columns.n <= WORDS) {
        put_parts(t, &g);
    } else {
        glim_panel bare = *panel;
        bare.texts = NULL;
        put_part(t, &g, &bare);
    }
    if (g.heat.by_row > 1 || g.heat.by_column > 1) {
        glim__buffer_printf(glim__html_arg(&t->page), "%zu", panel->rows.n * panel->columns.n);
        glim__buffer_printf(glim__html_arg(&t->page), "%zu", g.heat.by_row);
        glim__buffer_printf(glim__html_arg(&t->page), "%zu", g.heat.by_column);
        sheet_paragraph(t, SMALL, SHEET_GREY, 0, sheet_word(t, "panel.pooled"));
    }
    figure_panel_legend(t, m);
}

/* ---- tables ---- */

struct table {
    const html_panel *m;
    bool named;
};

static const char *table_head(void *data, sheet *t, size_t c) {
    const struct table *b = data;
    const char *rows = b->m->panel->rows.name;
    const char *name = !b->named ? glim__axis_label(&b->m->panel->columns, c)
                       : c       ? glim__axis_label(&b->m->panel->columns, c - 1)
                       : rows    ? rows
                                 : "";
    glim__html_panel_word(&t->page, "span", name);
    return sheet_taken(t);
}

static const char *table_cell(void *data, sheet *t, size_t r, size_t c) {
    const struct table *b = data;
    const glim_panel *panel = b->m->panel;
    if (b->named && !c) {
        const char *s = glim__axis_label(&panel->rows, r);
        return *s ? sheet_label(t, s, strlen(s), 60) : NULL;
    }
    c -= b->named;
    const glim_panel_cell *cell = &panel->cells[r * panel->columns.n + c];
    if (cell->text)
        return *cell->text ? sheet_label(t, cell->text, strlen(cell->text), 90) : NULL;
    if (!isfinite(cell->number))
        return NULL;
    if (!glim__table_counts(panel, c))
        return figure_number(t, b->m, cell->number, false);
    glim__buffer_printf(&t->markup, "%s%.0f", cell->number < 0 ? "\xe2\x88\x92" : "",
                        fabs(cell->number));
    return sheet_taken(t);
}

static bool table_words(void *data, size_t c) {
    const struct table *b = data;
    const glim_panel *panel = b->m->panel;
    if (b->named && !c)
        return true;
    for (size_t r = 0; r < panel->rows.n; r++)
        if (panel->cells[r * panel->columns.n + c - b->named].text)
            return true;
    return false;
}

static void put_table(sheet *t, const html_panel *m) {
    struct table b = {m, glim__axis_named(&m->panel->rows)};
    size_t rows = m->panel->rows.n < MOST_ROWS ? m->panel->rows.n : MOST_ROWS;
    if (!m->panel->columns.n)
        return;
    sheet_table_draw(t, &(sheet_table){.rows = rows,
                                       .columns = m->panel->columns.n + b.named,
                                       .data = &b,
                                       .head = table_head,
                                       .cell = table_cell,
                                       .words = table_words});
    if (rows < m->panel->rows.n) {
        glim__buffer_printf(glim__html_arg(&t->page), "%zu", m->panel->rows.n - rows);
        sheet_paragraph(t, SMALL, SHEET_GREY, 0, sheet_word(t, "panel.more-rows"));
    }
}

/* ---- all ---- */

static void put_panel(sheet *t, size_t at) {
    const glim_panel *panel = &t->page.d->panels[at];
    html_panel m = {&t->page, panel, glim__panel_range(panel), at};
    char key[96];
    if (!sheet_enter(t, panel->name))
        return;
    glim__html_panel_title(&m);
    sheet_heading(t, sheet_taken(t));
    if (panel->kind == GLIM_PANEL_TABLE)
        put_table(t, &m);
    else if (panel->kind == GLIM_PANEL_TEXTS)
        figure_texts(t, &m);
    else if (panel->kind == GLIM_PANEL_LINES)
        figure_lines(t, &m);
    else
        put_grid(t, &m);
    snprintf(key, sizeof key, "panel.%.20s.%.40s.caption", t->page.d->kind, panel->name);
    if (panel->caption) {
        glim__html_told(&t->page, "p", key, panel->caption);
        sheet_lines(t, SMALL, SHEET_GREY);
    }
    sheet_leave(t);
}

void glim__figure_panels(sheet *t) {
    for (size_t i = 0; i < t->page.d->n_panels; i++)
        put_panel(t, i);
}
