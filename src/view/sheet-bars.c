/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bars from a zero line, a row each, with whiskers and numbers. Columns are measured first,
 * so names, bars and numbers never meet.
 */
#include "view/sheet-parts.h"

#include <math.h>
#include <string.h>

static const double BAR = 14, LINE = 20;
static const svg_font FONT = {12, false, false, false};

struct layout {
    double name, number; /* widths of the columns */
    double zero, scale;  /* x of nothing; pixels of one */
};

static const char *number_of(sheet *t, const sheet_bars *b, sheet_bar r) {
    if (b->share)
        return sheet_share(t, r.value);
    glim__html_number(&t->markup, r.value, b->limit, b->both);
    if (r.error > 0) {
        glim__buffer_puts(&t->markup, " \xc2\xb1 ");
        glim__html_number(&t->markup, r.error, b->limit, false);
    }
    return sheet_taken(t);
}

static struct layout lay_out(sheet *t, const sheet_bars *b) {
    struct layout l = {0};
    double low = 0, high = b->share ? 1 : 0, most = (t->right - t->left) * b->names;
    for (size_t i = 0; i < b->n; i++) {
        sheet_bar r = b->row(b->data, i);
        const char *s = b->label(b->data, t, i);
        l.name = fmax(l.name, svg_text_width(t->s.ruler, FONT, s, strlen(s)));
        s = number_of(t, b, r);
        l.number = fmax(l.number, svg_text_width(t->s.ruler, FONT, s, strlen(s)));
        if (!isfinite(r.value))
            continue;
        low = fmin(low, r.value - r.error);
        high = fmax(high, r.value + r.error);
    }
    l.name = fmin(l.name, most);
    double from = t->left + l.name + 10, to = t->right - l.number - 10;
    l.scale = high > low ? fmax(to - from, 0) / (high - low) : 0;
    l.zero = from - low * l.scale;
    return l;
}

static void put_bar(sheet *t, const sheet_bars *b, const struct layout *l, sheet_bar r) {
    double y = t->y + (LINE - BAR) / 2, w = fabs(r.value) * l->scale, middle = y + BAR / 2;
    bool hollow = r.error > 0 && fabs(r.value) < r.error;
    uint32_t colour = r.aside       ? SHEET_FAINT
                      : !b->both    ? SHEET_AMOUNT
                      : r.value < 0 ? SHEET_MINUS
                                    : SHEET_PLUS;
    if (r.unit != SIZE_MAX)
        svg_note(&t->s, "data-unit=\"%zu\"", r.unit);
    svg_value(&t->s, "score", r.value);
    svg_rect(&t->s, r.value < 0 ? l->zero - w : l->zero, y, w, BAR, hollow ? 0xffffff : colour,
             colour);
    if (!(r.error > 0))
        return;
    double from = l->zero + (r.value - r.error) * l->scale;
    double to = l->zero + (r.value + r.error) * l->scale;
    svg_line(&t->s, from, middle, to, middle, SHEET_INK, 1, NULL);
    svg_line(&t->s, from, middle - 3, from, middle + 3, SHEET_INK, 1, NULL);
    svg_line(&t->s, to, middle - 3, to, middle + 3, SHEET_INK, 1, NULL);
}

void sheet_bar_rows(sheet *t, const sheet_bars *b) {
    struct layout l = lay_out(t, b);
    double top = t->y;
    for (size_t i = 0; i < b->n; i++) {
        sheet_bar r = b->row(b->data, i);
        const char *name = b->label(b->data, t, i);
        sheet_text(t, b->ragged ? t->left : t->left + l.name, t->y + 14, l.name, FONT,
                   r.aside ? SHEET_GREY : SHEET_INK, b->ragged ? SVG_START : SVG_END, name);
        if (isfinite(r.value))
            put_bar(t, b, &l, r);
        const char *number = number_of(t, b, r);
        svg_text(&t->s, t->right, t->y + 14, FONT, SHEET_INK, SVG_END, number, strlen(number));
        t->y += LINE;
    }
    svg_line(&t->s, l.zero, top, l.zero, t->y, SHEET_INK, 1, NULL);
}
