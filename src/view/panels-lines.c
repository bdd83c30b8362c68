/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines in the terminal: a line of the screen for each column of the panel, which is in
 * order (layers), with the numbers of every series, half the width of their intervals and a
 * bar for the first series. Where the series do not fit side by side, each is a curve of
 * blocks with its first, last and best number.
 */
#include "view/panels-page.h"
#include "view/width.h"

#include <math.h>
#include <string.h>

enum { LABEL = 16, HEAD = 14, GAP = 2, BAR = 8, MOST_LINES = 60, RAMP = 8 };

struct lines {
    const glim_panel_page *m;
    glim_page *p;
    const glim_panel *panel;
    int label, *number, *error; /* columns of the screen; of each series */
    size_t every;               /* columns of the panel to a line */
    double from, to;            /* of bars and curves */
};

static size_t cell_of(const struct lines *l, size_t series, size_t column) {
    return series * l->panel->columns.n + column;
}

static double half_width(const glim_panel *panel, size_t i) {
    return panel->low && panel->high ? (panel->high[i] - panel->low[i]) / 2 : NAN;
}

/* "±0.031" */
static int error_text(const struct lines *l, char out[48], size_t i) {
    char text[32];
    double half = half_width(l->panel, i);
    *out = '\0';
    if (!isfinite(half))
        return 0;
    const char *s = glim__panel_number(l->m, text, fabs(half), false);
    snprintf(out, 48, "%s%s", glim__page_pick(l->p, "\xc2\xb1", "+-"), s + (*s == '+'));
    return glim__text_width(out, strlen(out), 1);
}

/* Between where bars begin (0) and end (1); of ranks the first is the longest. */
static double height(const struct lines *l, double x) {
    double from = l->from, to = l->to;
    if (!isfinite(x))
        return 0;
    if (l->panel->scale == GLIM_SCALE_RANK) {
        double worst = log(l->m->range.limit);
        return worst > 0 ? fmax(0, fmin(1, 1 - log(fmax(x, 1)) / worst)) : 1;
    }
    return to > from ? fmax(0, fmin(1, (x - from) / (to - from))) : 0;
}

/* ---- side by side ---- */

static void measure(struct lines *l) {
    char text[48];
    for (size_t s = 0; s < l->panel->rows.n; s++) {
        for (size_t c = 0; c < l->panel->columns.n; c++) {
            const char *x =
                glim__panel_number(l->m, text, l->panel->values[cell_of(l, s, c)], false);
            int width = glim__text_width(x, strlen(x), 1);
            l->number[s] = width > l->number[s] ? width : l->number[s];
            width = error_text(l, text, cell_of(l, s, c));
            l->error[s] = width > l->error[s] ? width : l->error[s];
        }
        int head = glim__panel_label_width(l->p, glim__axis_label(&l->panel->rows, s), HEAD);
        int need = l->number[s] + (l->error[s] ? 1 + l->error[s] : 0);
        l->number[s] += head > need ? head - need : 0;
    }
}

static int wide(const struct lines *l) {
    int sum = l->label;
    for (size_t s = 0; s < l->panel->rows.n && sum < 1000; s++)
        sum += GAP + l->number[s] + (l->error[s] ? 1 + l->error[s] : 0);
    return sum;
}

static void put_heads(const struct lines *l) {
    glim_page *p = l->p;
    const char *name = l->panel->columns.name ? l->panel->columns.name : "";
    glim__panel_label(p, &p->b, name, l->label, l->label);
    for (size_t s = 0; s < l->panel->rows.n; s++) {
        int width = l->number[s] + (l->error[s] ? 1 + l->error[s] : 0);
        const char *head = glim__axis_label(&l->panel->rows, s);
        glim__panel_pad(p, GAP + width - glim__panel_label_width(p, head, width));
        glim__panel_label(p, &p->b, head, width, 0);
    }
    glim__page_end_line(p);
}

/* Solid to the number; of a negative one from where zero is. */
static void put_bar(const struct lines *l, double x, int most) {
    double at = height(l, x), zero = height(l, 0);
    bool ranks = l->panel->scale == GLIM_SCALE_RANK;
    int cells = (int)round(at * most), origin = ranks ? 0 : (int)round(zero * most);
    const char *full = glim__page_pick(l->p, "\xe2\x96\x88", x < 0 ? "-" : "+");
    int from = cells < origin ? cells : origin, to = cells < origin ? origin : cells;
    if (!isfinite(x))
        return;
    glim__panel_pad(l->p, from);
    for (int i = from; i < to; i++)
        glim__buffer_puts(&l->p->b, full);
}

static void put_line(const struct lines *l, size_t column) {
    glim_page *p = l->p;
    char error[48];
    glim__panel_label(p, &p->b, glim__axis_label(&l->panel->columns, column), l->label, l->label);
    for (size_t s = 0; s < l->panel->rows.n; s++) {
        size_t i = cell_of(l, s, column);
        glim__panel_pad(p, GAP);
        glim__panel_number_right(l->m, l->panel->values[i], false, l->number[s]);
        if (!l->error[s])
            continue;
        int width = error_text(l, error, i);
        glim__buffer_printf(&p->b, " %s", error);
        glim__panel_pad(p, l->error[s] - width);
    }
    int room = p->width - wide(l) - GAP;
    if (room >= BAR) {
        glim__panel_pad(p, GAP);
        put_bar(l, l->panel->values[cell_of(l, 0, column)], room);
    }
    glim__page_end_line(p);
}

/* ---- curves ---- */

static void put_curve(const struct lines *l, size_t series, int room) {
    static const char *const blocks[RAMP] = {"\xe2\x96\x81", "\xe2\x96\x82", "\xe2\x96\x83",
                                             "\xe2\x96\x84", "\xe2\x96\x85", "\xe2\x96\x86",
                                             "\xe2\x96\x87", "\xe2\x96\x88"};
    size_t C = l->panel->columns.n,
           by = C > (size_t)room ? (C + (size_t)room - 1) / (size_t)room : 1;
    for (size_t c = 0; c < C; c += by) {
        double x = glim__panel_pooled(l->panel, series, c, 1, by);
        int step = (int)round(height(l, x) * (RAMP - 1));
        char digit[2] = {(char)('1' + step), '\0'};
        glim__buffer_puts(&l->p->b, isfinite(x) ? glim__page_pick(l->p, blocks[step], digit) : " ");
    }
    glim__page_end_line(l->p);
}

static void put_summary(const struct lines *l, size_t series) {
    size_t C = l->panel->columns.n, best = SIZE_MAX;
    const double *x = l->panel->values + series * C;
    bool ranks = l->panel->scale == GLIM_SCALE_RANK;
    char text[32];
    glim_buffer b;
    for (size_t c = 0; c < C; c++)
        if (isfinite(x[c]) && (best == SIZE_MAX || (ranks ? x[c] < x[best] : x[c] > x[best])))
            best = c;
    glim__buffer_init(&b, l->p->b.ctx);
    glim__panel_label(l->p, &b, glim__axis_label(&l->panel->rows, series), 2 * LABEL, 0);
    glim__buffer_printf(&b, ": %s", glim__panel_number(l->m, text, x[0], false));
    glim__buffer_printf(&b, " to %s", glim__panel_number(l->m, text, x[C - 1], false));
    if (best != SIZE_MAX) {
        glim__buffer_printf(&b, ", %s %s at ", ranks ? "first" : "most",
                            glim__panel_number(l->m, text, x[best], false));
        glim__panel_label(l->p, &b, glim__axis_label(&l->panel->columns, best), 24, 0);
    }
    glim__panel_say(l->p, &b);
}

/* ---- both ---- */

static void put_scale(const struct lines *l, bool curves) {
    char a[32], b[32];
    bool ranks = l->panel->scale == GLIM_SCALE_RANK;
    glim_buffer text;
    glim__buffer_init(&text, l->p->b.ctx);
    if (l->every > 1)
        glim__buffer_printf(&text, "one of every %zu columns is shown: --html, --csv for all; ",
                            l->every);
    if (l->panel->low && l->panel->high)
        glim__buffer_printf(&text, "%s is half the interval; ",
                            glim__page_pick(l->p, "\xc2\xb1", "+-"));
    glim__buffer_puts(&text, curves ? "curves" : "bars");
    if (!curves && l->panel->rows.n > 1) {
        glim__buffer_puts(&text, " of ");
        glim__panel_label(l->p, &text, glim__axis_label(&l->panel->rows, 0), 24, 0);
    }
    glim__buffer_printf(&text, " go from %s to %s",
                        glim__panel_number(l->m, a, ranks ? l->m->range.limit : l->from, false),
                        glim__panel_number(l->m, b, ranks ? 1 : l->to, false));
    glim__panel_say(l->p, &text);
}

static void draw(struct lines *l) {
    size_t C = l->panel->columns.n;
    int most = l->p->width < 40 ? 8 : LABEL;
    const char *name = l->panel->columns.name ? l->panel->columns.name : "";
    int head = glim__panel_label_width(l->p, name, most);
    l->label = glim__panel_axis_width(l->p, &l->panel->columns, most);
    l->label = head > l->label ? head : l->label;
    measure(l);
    bool curves = wide(l) > l->p->width;
    if (!curves) {
        l->every = C > MOST_LINES ? (C + MOST_LINES - 1) / MOST_LINES : 1;
        put_heads(l);
        for (size_t c = 0; c < C; c += l->every)
            put_line(l, c);
    } else {
        for (size_t s = 0; s < l->panel->rows.n; s++) {
            put_summary(l, s);
            put_curve(l, s, l->p->width);
        }
    }
    put_scale(l, curves);
}

void glim__panel_lines(const glim_panel_page *m) {
    struct lines l = {.m = m, .p = m->p, .panel = m->panel, .every = 1};
    const glim_panel_range *r = &m->range;
    size_t n = m->panel->rows.n;
    glim_context *ctx = m->p->b.ctx;
    if (!n || !m->panel->columns.n)
        return;
    l.from = fmin(0, isfinite(r->least) ? r->least : 0);
    l.to = fmax(0, isfinite(r->most) ? r->most : 0);
    if (m->panel->scale == GLIM_SCALE_SHARE || m->panel->scale == GLIM_SCALE_EFFECT)
        l.to = fmax(1, l.to);
    l.number = glim__calloc(ctx, n, sizeof *l.number);
    l.error = glim__calloc(ctx, n, sizeof *l.error);
    if (l.number && l.error)
        draw(&l);
    m->p->b.failed = m->p->b.failed || !l.number || !l.error;
    glim__free(ctx, l.number);
    glim__free(ctx, l.error);
    glim__panel_legend(m, false, false);
}
