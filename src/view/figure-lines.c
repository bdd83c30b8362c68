/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A curve for each series over columns in order, its interval as a band. Lines have dashes
 * and marks of their own, so none is known by its colour alone.
 */
#include "view/figure-panels.h"

#include <math.h>
#include <string.h>

enum { MOST = 12, MARKED = 60, POINTS = 700 };

static const char *const dashes[] = {NULL, "7 3", "2 2", "9 3 2 3", "5 2", "1 3"};
static const svg_font SMALL = {12, false, false, false}, TINY = {10, false, false, false};

struct lines {
    sheet *t;
    const glim_panel *panel;
    sheet_plot plot;
    size_t by;
    bool ranks;
};

static double height_of(const struct lines *f, double x) {
    return sheet_plot_y(&f->plot, f->ranks ? -log10(fmax(x, 1)) : x);
}

static double value_at(const struct lines *f, const double *all, size_t s, size_t c) {
    if (all == f->panel->values)
        return glim__panel_pooled(f->panel, s, c, 1, f->by);
    return all[s * f->panel->columns.n + c];
}

/* Everything is inside; shares and effects have their ends besides. */
static void lay_out(struct lines *f, const html_panel *m) {
    const glim_panel *panel = f->panel;
    const double *all[] = {panel->values, panel->low, panel->high};
    sheet_plot *p = &f->plot;
    p->x0 = 0;
    p->x1 = fmax((double)panel->columns.n - 1, 1);
    p->percent = panel->scale == GLIM_SCALE_SHARE;
    if (f->ranks) {
        p->y0 = -log10(m->range.limit);
        return;
    }
    p->y1 = panel->scale == GLIM_SCALE_SHARE || panel->scale == GLIM_SCALE_EFFECT;
    for (int k = 0; k < 3; k++)
        for (size_t i = 0; all[k] && i < panel->rows.n * panel->columns.n; i++)
            if (isfinite(all[k][i])) {
                p->y0 = fmin(p->y0, all[k][i]);
                p->y1 = fmax(p->y1, all[k][i]);
            }
    if (!(p->y1 > p->y0) || !isfinite(p->y1 - p->y0))
        p->y1 = p->y0 + 1;
}

static void put_names(struct lines *f) {
    sheet *t = f->t;
    const glim_panel_axis *axis = &f->panel->columns;
    double end = 0;
    for (size_t c = 0; c < axis->n; c++) {
        const char *s = glim__axis_label(axis, c);
        if (!*s)
            continue;
        s = sheet_label(t, s, strlen(s), 12);
        double x = sheet_plot_x(&f->plot, (double)c);
        double w = svg_text_width(t->s.ruler, TINY, s, strlen(s));
        double from = fmin(fmax(x - w / 2, t->left), t->right - w);
        if (from < end)
            continue;
        svg_text(&t->s, from, f->plot.y + f->plot.h + 15, TINY, SHEET_GREY, SVG_START, s,
                 strlen(s));
        end = from + w + 8;
    }
}

static void put_rank_ticks(struct lines *f) {
    sheet *t = f->t;
    char text[24];
    for (int k = 0; k <= -f->plot.y0 + 1e-9; k++) {
        double y = height_of(f, pow(10, k));
        if (k > 5)
            snprintf(text, sizeof text, "1e%d", k);
        else
            snprintf(text, sizeof text, "%.0f", pow(10, k));
        svg_line(&t->s, f->plot.x, y, f->plot.x + f->plot.w, y, 0xe6e6e6, 1, NULL);
        svg_text(&t->s, f->plot.x - 6, y + 3.5, TINY, SHEET_GREY, SVG_END, text, strlen(text));
    }
}

static void put_to(const struct lines *f, glim_buffer *d, char letter, size_t c, double x) {
    glim__buffer_putc(d, letter);
    svg_number(d, sheet_plot_x(&f->plot, (double)c));
    glim__buffer_putc(d, ' ');
    svg_number(d, height_of(f, x));
}

static size_t run_end(const struct lines *f, const double *a, const double *b, size_t s, size_t c) {
    while (c < f->panel->columns.n && isfinite(value_at(f, a, s, c)) &&
           isfinite(value_at(f, b, s, c)))
        c += f->by;
    return c;
}

static void put_runs(const struct lines *f, size_t s, bool band) {
    const glim_panel *panel = f->panel;
    const double *a = band ? panel->low : panel->values, *b = band ? panel->high : panel->values;
    glim_buffer d;
    if (!a || !b)
        return;
    glim__buffer_init(&d, f->t->s.body.ctx);
    for (size_t from = 0, to; from < panel->columns.n; from = to + f->by) {
        to = run_end(f, a, b, s, from);
        if (to <= from + f->by)
            continue;
        glim__buffer_clear(&d);
        for (size_t c = from; c < to; c += f->by)
            put_to(f, &d, c > from ? 'L' : 'M', c, value_at(f, b, s, c));
        for (size_t c = to; band && c > from; c -= f->by)
            put_to(f, &d, 'L', c - f->by, value_at(f, a, s, c - f->by));
        glim__buffer_puts(&d, band ? "Z" : "");
        if (band)
            svg_path(&f->t->s, d.data, sheet_category(s), 0.18, SVG_NONE, 1, NULL);
        else
            svg_path(&f->t->s, d.data, SVG_NONE, 1, sheet_category(s), 2, dashes[s % 6]);
    }
    f->t->s.body.failed = f->t->s.body.failed || d.failed;
    glim__buffer_release(&d);
}

static void put_points(const struct lines *f, size_t s) {
    size_t C = f->panel->columns.n;
    const double *x = f->panel->values;
    for (size_t c = 0; c < C; c += f->by) {
        double v = value_at(f, x, s, c);
        bool alone = (c < f->by || !isfinite(value_at(f, x, s, c - f->by))) &&
                     (c + f->by >= C || !isfinite(value_at(f, x, s, c + f->by)));
        if (!isfinite(v) || (C > MARKED && !alone))
            continue;
        svg_note(&f->t->s, "data-series=\"%zu\" data-column=\"%zu\"", s, c);
        svg_value(&f->t->s, "value", v);
        sheet_point(f->t, s, sheet_plot_x(&f->plot, (double)c), height_of(f, v), 3.4);
    }
}

/* A key with its own line and mark. */
static void put_key(const struct lines *f, size_t s) {
    sheet *t = f->t;
    char name[160];
    glim__html_panel_word(&t->page, "span", glim__axis_label(&f->panel->rows, s));
    snprintf(name, sizeof name, "%s", sheet_taken(t));
    sheet_curve_key(t, s, dashes[s % 6], name);
}

void figure_lines(sheet *t, const html_panel *m) {
    const glim_panel *panel = m->panel;
    size_t C = panel->columns.n, drawn = panel->rows.n < MOST ? panel->rows.n : MOST;
    char across[96];
    struct lines f = {.t = t, .panel = panel, .by = C > POINTS ? (C + POINTS - 1) / POINTS : 1};
    if (!panel->rows.n || !C)
        return;
    f.ranks = panel->scale == GLIM_SCALE_RANK;
    lay_out(&f, m);
    sheet_legend(t);
    for (size_t s = 0; s < drawn; s++)
        put_key(&f, s);
    figure_panel_keys(t, m);
    if (f.ranks)
        sheet_key(t, SHEET_BARE, sheet_word(t, "panel.rank-line"));
    if (panel->low && panel->high)
        sheet_key(t, SHEET_BARE, sheet_word(t, "panel.band"));
    sheet_legend_end(t);
    glim__html_panel_word(&t->page, "span", panel->columns.name ? panel->columns.name : "");
    snprintf(across, sizeof across, "%s", sheet_taken(t));
    f.plot.across = across;
    double left = t->left;
    t->left += f.ranks ? 34 : 0;
    sheet_plot_open(t, &f.plot, 220, false, !f.ranks);
    t->left = left;
    if (f.ranks)
        put_rank_ticks(&f);
    for (size_t s = 0; s < drawn; s++)
        put_runs(&f, s, true);
    for (size_t s = 0; s < drawn; s++) {
        put_runs(&f, s, false);
        put_points(&f, s);
    }
    put_names(&f);
    sheet_plot_close(t, &f.plot);
    for (size_t s = 0; s < drawn && s < 4; s++) {
        glim__html_line_say(m, s);
        sheet_alt(t, sheet_taken(t));
    }
    if (drawn < panel->rows.n) {
        glim__buffer_printf(glim__html_arg(&t->page), "%zu", panel->rows.n - drawn);
        sheet_paragraph(t, SMALL, SHEET_GREY, 0, sheet_word(t, "panel.more-lines"));
    }
    if (f.by > 1) {
        glim__buffer_printf(glim__html_arg(&t->page), "%zu", f.by);
        sheet_paragraph(t, SMALL, SHEET_GREY, 0, sheet_word(t, "panel.thinned"));
    }
}
