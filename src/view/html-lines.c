/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines in the report, as shapes with classes that the page's style colours: a band for the
 * interval of each series, its line with dashes and marks of its own, so that no line is
 * known by its colour alone. All numbers stand in a table below.
 */
#include "view/html-panel.h"

enum { WIDTH = 720, HEIGHT = 300, LEFT = 58, RIGHT = 14, TOP = 14, BOTTOM = 40 };
enum { INNER = WIDTH - LEFT - RIGHT, TALL = HEIGHT - TOP - BOTTOM };
enum { COLOURS = 6, DRAWN = 2 * COLOURS, MARKED = 60, POINTS = 700, LETTER = 7 };

struct plot {
    const html_panel *m;
    const glim_panel *panel;
    double from, to; /* of y; of ranks their logarithms, the first on top */
    size_t by;       /* columns to a point */
};

double glim__html_tick(double range) {
    double power = pow(10, floor(log10(range / 4))), by = range / 4 / power;
    return power * (by < 1.5 ? 1 : by < 3.5 ? 2 : by < 7.5 ? 5 : 10);
}

static bool ranks(const struct plot *f) {
    return f->panel->scale == GLIM_SCALE_RANK;
}

static double across(const struct plot *f, size_t column) {
    size_t n = f->panel->columns.n;
    return n < 2 ? LEFT + INNER / 2.0 : LEFT + (double)INNER * (double)column / (double)(n - 1);
}

static double down(const struct plot *f, double x) {
    double y = ranks(f) ? -log10(fmax(x, 1)) : x;
    return TOP + TALL * (f->to - y) / (f->to - f->from);
}

static double value_at(const struct plot *f, const double *all, size_t series, size_t column) {
    if (all == f->panel->values)
        return glim__panel_pooled(f->panel, series, column, 1, f->by);
    return all[series * f->panel->columns.n + column];
}

/* Everything is inside, intervals too; shares and effects have their ends besides. */
static void lay_out(struct plot *f) {
    const glim_panel *panel = f->panel;
    const double *all[] = {panel->values, panel->low, panel->high};
    size_t n = panel->rows.n * panel->columns.n;
    if (ranks(f)) {
        f->from = -log10(f->m->range.limit);
        return;
    }
    f->to = panel->scale == GLIM_SCALE_SHARE || panel->scale == GLIM_SCALE_EFFECT;
    for (int k = 0; k < 3; k++)
        for (size_t i = 0; all[k] && i < n; i++)
            if (isfinite(all[k][i])) {
                f->from = fmin(f->from, all[k][i]);
                f->to = fmax(f->to, all[k][i]);
            }
    if (!(f->to > f->from) || !isfinite(f->to - f->from))
        f->to = f->from + 1;
    if (f->to != 1)
        f->to += (f->to - f->from) * 0.04;
    if (f->from < 0)
        f->from -= (f->to - f->from) * 0.04;
}

/* ---- axes ---- */

static void put_y_tick(const struct plot *f, double x) {
    glim_buffer *b = f->m->p->b;
    glim__buffer_printf(b, "<path class=\"tick\" d=\"M%d %.1fh%d\"/>", LEFT, down(f, x), INNER);
    glim__buffer_printf(b, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">", LEFT - 6,
                        down(f, x) + 4);
    if (f->panel->scale == GLIM_SCALE_SHARE)
        glim__buffer_printf(b, "%.4g\xc2\xa0%%", 100 * x);
    else if (ranks(f) && x > 99999)
        glim__buffer_printf(b, "1e%d", (int)round(log10(x)));
    else
        glim__buffer_printf(b, ranks(f) ? "%s%.0f" : "%s%.4g", x < 0 ? "\xe2\x88\x92" : "",
                            fabs(x));
    glim__buffer_puts(b, "</text>\n");
}

static void put_y_axis(const struct plot *f) {
    if (ranks(f)) {
        for (int k = 0; pow(10, k) <= f->m->range.limit; k++)
            put_y_tick(f, pow(10, k));
        return;
    }
    double step = glim__html_tick(f->to - f->from);
    for (int k = (int)ceil(f->from / step); k * step <= f->to * (1 + 1e-9); k++)
        put_y_tick(f, k * step);
}

/* As many names as do not touch. */
static void put_x_axis(const struct plot *f) {
    glim_buffer *b = f->m->p->b;
    const glim_panel_axis *axis = &f->panel->columns;
    size_t widest = 1;
    for (size_t c = 0; c < axis->n; c++) {
        size_t n = strlen(glim__axis_label(axis, c));
        widest = n > widest ? n : widest;
    }
    widest = widest > 12 ? 12 : widest;
    double step = axis->n > 1 ? (double)INNER / (double)(axis->n - 1) : INNER;
    size_t every = (size_t)ceil((double)(widest * LETTER + LETTER) / step);
    for (size_t c = 0; c < axis->n; c += every ? every : 1) {
        const char *label = glim__axis_label(axis, c);
        if (!*label)
            continue;
        glim__buffer_printf(b, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">", across(f, c),
                            TOP + TALL + 16);
        glim__html_plain(b, label, strlen(label), 12);
        glim__buffer_puts(b, "</text>\n");
    }
    char open[64];
    snprintf(open, sizeof open, "text x=\"%d\" y=\"%d\" text-anchor=\"end\"", LEFT + INNER,
             HEIGHT - 6);
    glim__html_panel_word(f->m->p, open, axis->name ? axis->name : "");
    glim__buffer_printf(b, "<path class=\"axis\" d=\"M%d %dV%dH%d\"/>\n", LEFT, TOP, TOP + TALL,
                        LEFT + INNER);
}

/* ---- a series ---- */

/* Runs of columns whose numbers are all there; a point by itself is a run too. */
static size_t run_end(const struct plot *f, const double *a, const double *b, size_t series,
                      size_t from) {
    size_t c = from;
    while (c < f->panel->columns.n && isfinite(value_at(f, a, series, c)) &&
           isfinite(value_at(f, b, series, c)))
        c += f->by;
    return c;
}

static void put_band(const struct plot *f, size_t series) {
    glim_buffer *b = f->m->p->b;
    const glim_panel *panel = f->panel;
    if (!panel->low || !panel->high)
        return;
    for (size_t from = 0, to; from < panel->columns.n; from = to + f->by) {
        to = run_end(f, panel->low, panel->high, series, from);
        if (to <= from + f->by)
            continue;
        glim__buffer_printf(b, "<path class=\"band c%zu\" data-s=\"%zu\" d=\"",
                            series % COLOURS + 1, series);
        for (size_t c = from; c < to; c += f->by)
            glim__buffer_printf(b, "%c%.1f %.1f", c > from ? 'L' : 'M', across(f, c),
                                down(f, value_at(f, panel->high, series, c)));
        for (size_t c = to; c > from; c -= f->by)
            glim__buffer_printf(b, "L%.1f %.1f", across(f, c - f->by),
                                down(f, value_at(f, panel->low, series, c - f->by)));
        glim__buffer_puts(b, "Z\"/>\n");
    }
}

/* A disc, triangle, square, diamond, cross or saltire around the point; hollow from the
   seventh series on. */
static void put_mark(glim_buffer *b, size_t series, double x, double y) {
    static const char *const shapes[COLOURS] = {
        "m-3.2 0a3.2 3.2 0 1 0 6.4 0a3.2 3.2 0 1 0 -6.4 0Z",
        "m0 -4l3.8 6.8h-7.6Z",
        "m-3 -3h6v6h-6Z",
        "m0 -4.2l4.2 4.2l-4.2 4.2l-4.2 -4.2Z",
        "m-1.2 -3.8h2.4v2.6h2.6v2.4h-2.6v2.6h-2.4v-2.6h-2.6v-2.4h2.6Z",
        "m-3.6 -2l1.6 -1.6l2 2l2 -2l1.6 1.6l-2 2l2 2l-1.6 1.6l-2 -2l-2 2l-1.6 -1.6l2 -2Z"};
    glim__buffer_printf(b, "<path class=\"dot c%zu%s\" data-s=\"%zu\" d=\"M%.1f %.1f%s\"",
                        series % COLOURS + 1, series >= COLOURS ? " open" : "", series, x, y,
                        shapes[series % COLOURS]);
}

static void put_point(const struct plot *f, size_t series, size_t column) {
    glim_buffer *b = f->m->p->b;
    const char *name = glim__axis_label(&f->panel->rows, series),
               *at = glim__axis_label(&f->panel->columns, column);
    double x = value_at(f, f->panel->values, series, column);
    put_mark(b, series, across(f, column), down(f, x));
    glim__buffer_puts(b, "><title>");
    glim__html_plain(b, name, strlen(name), 40);
    glim__buffer_puts(b, ", ");
    glim__html_plain(b, at, strlen(at), 40);
    glim__buffer_puts(b, ": ");
    glim__html_panel_number(f->m, b, x, false);
    glim__html_panel_interval(f->m, b, series * f->panel->columns.n + column);
    glim__buffer_puts(b, "</title></path>\n");
}

static void put_series(const struct plot *f, size_t series) {
    glim_buffer *b = f->m->p->b;
    const double *x = f->panel->values;
    size_t C = f->panel->columns.n;
    for (size_t from = 0, to; from < C; from = to + f->by) {
        to = run_end(f, x, x, series, from);
        if (to <= from + f->by)
            continue;
        glim__buffer_printf(b, "<path class=\"line c%zu\" data-s=\"%zu\" d=\"",
                            series % COLOURS + 1, series);
        for (size_t c = from; c < to; c += f->by)
            glim__buffer_printf(b, "%c%.1f %.1f", c > from ? 'L' : 'M', across(f, c),
                                down(f, value_at(f, x, series, c)));
        glim__buffer_puts(b, "\"/>\n");
    }
    bool alone = false;
    for (size_t c = 0; c < C; c += f->by)
        if (isfinite(value_at(f, x, series, c))) {
            alone = run_end(f, x, x, series, c) == c + f->by &&
                    (c < f->by || !isfinite(value_at(f, x, series, c - f->by)));
            if (C <= MARKED || alone)
                put_point(f, series, c);
        }
}

/* ---- around it ---- */

static void put_legend(const struct plot *f, size_t drawn) {
    html_page *p = f->m->p;
    glim__buffer_puts(p->b, "<p class=\"legend\"><span class=\"keys\">");
    for (size_t s = 0; s < drawn; s++) {
        glim__buffer_printf(
            p->b,
            "<span class=\"key\" data-s=\"%zu\"><svg class=\"curves\" width=\"34\" "
            "height=\"14\" aria-hidden=\"true\"><path class=\"line c%zu\" d=\"M1 7h32\"/>",
            s, s % COLOURS + 1);
        put_mark(p->b, s, 17, 7);
        glim__buffer_puts(p->b, "/></svg> ");
        glim__html_panel_word(p, "span", glim__axis_label(&f->panel->rows, s));
        glim__buffer_puts(p->b, "</span> ");
    }
    if (f->panel->unit) {
        glim__html_panel_term(p, glim__html_arg(p), f->panel->unit);
        glim__html_say(p, "span class=\"key\"", "panel.unit");
    }
    if (f->panel->scale == GLIM_SCALE_EFFECT) {
        glim__html_say(p, "span class=\"key\"", "panel.zero");
        glim__html_say(p, "span class=\"key\"", "panel.one");
    }
    if (ranks(f))
        glim__html_say(p, "span class=\"key\"", "panel.rank-line");
    if (f->panel->low && f->panel->high)
        glim__html_say(p, "span class=\"key\"", "panel.band");
    glim__html_key(p, "x", "legend.missing", f->m->range.missing);
    glim__buffer_puts(p->b, "</span></p>\n");
    if (drawn < f->panel->rows.n) {
        glim__buffer_printf(glim__html_arg(p), "%zu", f->panel->rows.n - drawn);
        glim__html_say(p, "p class=\"note\"", "panel.more-lines");
    }
    if (f->by > 1) {
        glim__buffer_printf(glim__html_arg(p), "%zu", f->by);
        glim__html_say(p, "p class=\"note\"", "panel.thinned");
    }
}

/* "accuracy: most 91.2 % at 9; last 88.0 %." */
void glim__html_line_say(const html_panel *m, size_t series) {
    html_page *p = m->p;
    bool by_rank = m->panel->scale == GLIM_SCALE_RANK;
    size_t C = m->panel->columns.n, best = C, last = C;
    const double *x = m->panel->values + series * C;
    for (size_t c = 0; c < C; c++)
        if (isfinite(x[c])) {
            best = best == C || (by_rank ? x[c] < x[best] : x[c] > x[best]) ? c : best;
            last = c;
        }
    if (best == C)
        return;
    glim__html_panel_term(p, glim__html_arg(p), glim__axis_label(&m->panel->rows, series));
    glim__html_panel_number(m, glim__html_arg(p), x[best], false);
    const char *at = glim__axis_label(&m->panel->columns, best);
    glim__html_label(glim__html_arg(p), at, strlen(at), HTML_LABEL);
    glim__html_panel_number(m, glim__html_arg(p), x[last], false);
    glim__html_say(p, "span", by_rank ? "panel.say.line-rank" : "panel.say.line");
    glim__buffer_putc(p->b, ' ');
}

static void put_numbers(const struct plot *f) {
    html_page *p = f->m->p;
    const glim_panel *panel = f->panel;
    if (panel->rows.n * panel->columns.n > HTML_CELLS) {
        glim__html_say(p, "p class=\"note\"", "panel.csv");
        return;
    }
    glim__html_panel_unfold(f->m, true);
    glim__buffer_puts(p->b, "<thead><tr>");
    glim__html_panel_word(p, "td", panel->columns.name ? panel->columns.name : "");
    for (size_t s = 0; s < panel->rows.n; s++)
        glim__html_panel_word(p, "th scope=\"col\"", glim__axis_label(&panel->rows, s));
    glim__buffer_puts(p->b, "</tr></thead>\n<tbody>");
    for (size_t c = 0; c < panel->columns.n; c++) {
        const char *label = glim__axis_label(&panel->columns, c);
        glim__buffer_puts(p->b, "<tr><th scope=\"row\">");
        glim__html_label(p->b, label, strlen(label), 0);
        glim__buffer_puts(p->b, "</th>");
        for (size_t s = 0; s < panel->rows.n; s++) {
            size_t i = s * panel->columns.n + c;
            glim__buffer_puts(p->b, "<td>");
            glim__html_panel_number(f->m, p->b, panel->values[i], false);
            glim__html_panel_interval(f->m, p->b, i);
            glim__buffer_puts(p->b, "</td>");
        }
        glim__buffer_puts(p->b, "</tr>\n");
    }
    glim__buffer_puts(p->b, "</tbody>");
    glim__html_panel_unfold(f->m, false);
}

void glim__html_lines(const html_panel *m) {
    struct plot f = {.m = m, .panel = m->panel, .by = 1};
    size_t C = m->panel->columns.n, drawn = m->panel->rows.n < DRAWN ? m->panel->rows.n : DRAWN;
    glim_buffer *b = m->p->b;
    if (!m->panel->rows.n || !C)
        return;
    f.by = C > POINTS ? (C + POINTS - 1) / POINTS : 1;
    lay_out(&f);
    glim__buffer_printf(b, "<p class=\"say\" id=\"glim-panel-%zu-say\">", m->at);
    for (size_t s = 0; s < drawn && s < 4; s++)
        glim__html_line_say(m, s);
    glim__buffer_puts(b, "</p>\n");
    put_legend(&f, drawn);
    glim__buffer_printf(b,
                        "<div class=\"figure\"><svg class=\"curves\" viewBox=\"0 0 %d %d\" "
                        "role=\"img\" aria-labelledby=\"glim-panel-%zu-name\" "
                        "aria-describedby=\"glim-panel-%zu-say\">\n",
                        WIDTH, HEIGHT, m->at, m->at);
    put_y_axis(&f);
    for (size_t s = 0; s < drawn; s++)
        put_band(&f, s);
    put_x_axis(&f);
    for (size_t s = 0; s < drawn; s++)
        put_series(&f, s);
    glim__buffer_puts(b, "</svg></div>\n");
    put_numbers(&f);
}
