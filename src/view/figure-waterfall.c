/* SPDX-License-Identifier: Apache-2.0 */
/* From the base value to the prediction: bars that each begin where the one below ends. */
#include "view/sheet-parts.h"
#include "view/waterfall.h"

#include <string.h>

static const double ROW = 20, BAR = 14;
static const svg_font FONT = {12, false, false, false};

struct falling {
    sheet *t;
    const waterfall *w;
    double from, to; /* of the bars, on the page */
};

static double x_of(const struct falling *f, double v) {
    double range = f->w->high - f->w->low;
    return range > 0 ? f->from + (f->to - f->from) * (v - f->w->low) / range
                     : (f->from + f->to) / 2;
}

static const char *step_name(void *data, sheet *t, size_t i) {
    const struct falling *f = data;
    waterfall_name(f->w, i, &t->page, &t->markup);
    return sheet_taken(t);
}

static const char *step_number(void *data, sheet *t, size_t i) {
    const struct falling *f = data;
    waterfall_number(f->w, i, &t->markup);
    return sheet_taken(t);
}

static void put_end(const struct falling *f, double v, const char *word) {
    sheet *t = f->t;
    double x = x_of(f, v);
    svg_anchor anchor = x > (t->left + t->right) / 2 ? SVG_END : SVG_START;
    glim__html_say(&t->page, "span", word);
    glim__buffer_putc(&t->markup, ' ');
    glim__html_number(&t->markup, v, fmax(fabs(f->w->low), fabs(f->w->high)), true);
    const char *s = sheet_taken(t);
    sheet_alt(t, s);
    sheet_text(t, x, t->y + 12, anchor == SVG_END ? x - t->left : t->right - x, FONT, SHEET_INK,
               anchor, s);
    sheet_gap(t, 18);
}

static void put_step(const struct falling *f, size_t i) {
    const waterfall_step *s = &f->w->steps[i];
    sheet *t = f->t;
    double a = x_of(f, fmin(s->from, s->to)), b = x_of(f, fmax(s->from, s->to));
    uint32_t colour = s->to < s->from ? SHEET_MINUS : SHEET_PLUS;
    sheet_text(t, f->from - 10, t->y + 14, f->from - 10 - t->left, FONT,
               s->unit == SIZE_MAX ? SHEET_GREY : SHEET_INK, SVG_END, step_name((void *)f, t, i));
    if (s->unit != SIZE_MAX)
        svg_note(&t->s, "data-unit=\"%zu\"", s->unit);
    svg_value(&t->s, "score", s->to - s->from);
    svg_rect(&t->s, a, t->y + (ROW - BAR) / 2, fmax(b - a, 0.5), BAR, colour, colour);
    if (i)
        svg_line(&t->s, x_of(f, s->to), t->y - 3, x_of(f, s->to), t->y + 3, SHEET_FAINT, 1, NULL);
    const char *number = step_number((void *)f, t, i);
    svg_text(&t->s, t->right, t->y + 14, FONT, SHEET_INK, SVG_END, number, strlen(number));
    t->y += ROW;
}

void glim__figure_waterfall(sheet *t) {
    waterfall w;
    if (!waterfall_open(&w, &t->page) || !sheet_enter(t, "waterfall"))
        return;
    struct falling f = {.t = t, .w = &w};
    sheet_heading(t, sheet_word(t, "waterfall"));
    f.from = t->left + 10 + sheet_widest(t, FONT, 0.36 * (t->right - t->left), w.n, step_name, &f);
    f.to = t->right - 10 - sheet_widest(t, FONT, 100, w.n, step_number, &f);
    put_end(&f, w.value, "waterfall.value");
    double top = t->y;
    for (size_t i = 0; i < w.n; i++)
        put_step(&f, i);
    svg_line(&t->s, x_of(&f, w.value), top - 4, x_of(&f, w.value), t->y, SHEET_FAINT, 1, "2 2");
    svg_line(&t->s, x_of(&f, w.base), top, x_of(&f, w.base), t->y + 4, SHEET_FAINT, 1, "2 2");
    sheet_gap(t, 4);
    put_end(&f, w.base, "waterfall.base");
    sheet_leave(t);
}
