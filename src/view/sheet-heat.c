/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers by row and column as coloured cells. Names above are level while they fit, then at
 * 45 degrees, then upright, then every so many with their number. Up to 4,096 cells are
 * shapes that carry their number; more are pixels, repeated whole, since renderers invent
 * values between the pixels that they stretch.
 */
#include "view/sheet-parts.h"

#include <math.h>
#include <string.h>

enum { TALL = 12, SHAPES = 4096, TALLEST = 1200, FRAMES = 1000 };

static const svg_font FONT = {12, false, false, false}, TINY = {10, false, false, false};
static const double NAME = 130, ABOVE = 90, WIDEST = 64, FEW = 110, LEAST_ROW = 14, APART = 20,
                    UPRIGHT = 13;

struct layout {
    double left, top, w, h; /* of the first cell */
    double names, sides;    /* widths */
    size_t rows, columns;   /* cells */
    size_t every, every_row;
    double turned; /* degrees */
};

static size_t cells(size_t n, size_t by) {
    return (n + by - 1) / by;
}

static double narrow(const sheet *t) {
    return fmin(NAME, (t->right - t->left) * 0.3);
}

bool sheet_heat_pool(sheet *t, sheet_heat *h) {
    size_t room = (size_t)((t->right - t->left) - narrow(t) - ABOVE);
    room = room < 16 ? 16 : room;
    h->by_column = cells(h->columns, room);
    h->by_row = cells(h->rows, TALLEST);
    if (h->by_column < 1)
        h->by_column = 1;
    if (h->by_row < 1)
        h->by_row = 1;
    return h->by_row > 1 || h->by_column > 1;
}

/* ---- layout ---- */

static double widest(sheet *t, const sheet_heat *h, svg_font font, size_t n, size_t by, double most,
                     const char *name(void *, sheet *, size_t)) {
    double w = 0;
    for (size_t i = 0; i < n && name && w < most; i++) {
        const char *s = name(h->data, t, i * by);
        w = fmax(w, svg_text_width(t->s.ruler, font, s, strlen(s)));
    }
    return fmin(w, most);
}

static struct layout lay_out(sheet *t, const sheet_heat *h) {
    struct layout l = {.every = 1, .every_row = 1};
    l.rows = cells(h->rows, h->by_row);
    l.columns = cells(h->columns, h->by_column);
    l.names = widest(t, h, FONT, l.rows, h->by_row, narrow(t), h->row);
    l.sides = widest(t, h, TINY, l.rows, h->by_row, 60, h->side);
    l.left = t->left + l.names + (l.sides > 0 ? l.sides + 8 : 0) + 6;
    double above = widest(t, h, FONT, l.columns, h->by_column, ABOVE, h->column);
    double room = t->right - l.left, most = l.columns <= 8 ? FEW : fmax(WIDEST, h->least);
    l.w = fmin(room / (double)l.columns, most);
    if (above + 4 > l.w) {
        double slanted = fmin((room - above * 0.75) / (double)l.columns, most);
        l.turned = slanted >= APART ? -45 : -90;
        l.w = l.turned == -45 ? slanted : l.w;
        if (l.w < UPRIGHT)
            l.every = (size_t)ceil(UPRIGHT / l.w);
    }
    l.h = h->text ? l.rows > TALL ? 16 : 20
                  : fmax(fmin(l.w, l.rows > TALL ? LEAST_ROW : 22), l.rows > 40 ? 1 : LEAST_ROW);
    if ((double)l.rows * l.h > TALLEST)
        l.h = fmax(TALLEST / (double)l.rows, 1);
    if (l.h < LEAST_ROW)
        l.every_row = (size_t)ceil(LEAST_ROW / l.h);
    double high = l.turned == 0 ? 16 : l.turned == -45 ? above * 0.75 + 10 : above + 6;
    l.top = t->y + high + (h->across ? 16 : 0);
    return l;
}

/* ---- names ---- */

static void put_names(sheet *t, const sheet_heat *h, const struct layout *l) {
    for (size_t c = 0; c < l->columns; c += l->every) {
        double x = l->left + l->w * ((double)c + 0.5);
        glim_buffer cut;
        glim__buffer_init(&cut, t->s.body.ctx);
        const char *name = h->column(h->data, t, c * h->by_column);
        svg_text_fit(t->s.ruler, FONT, l->turned == 0 ? l->w : ABOVE, name, strlen(name), &cut);
        const char *s = cut.data ? cut.data : "";
        if (l->turned == 0)
            svg_text(&t->s, x, l->top - 5, FONT, SHEET_INK, SVG_MIDDLE, s, cut.len);
        else
            svg_text_turned(&t->s, x + 4, l->top - 4, l->turned, FONT, SHEET_INK, SVG_START, s,
                            cut.len);
        glim__buffer_release(&cut);
    }
    for (size_t r = 0; r < l->rows; r += l->every_row) {
        double y = l->top + l->h * ((double)r + (l->every_row > 1 ? 0 : 0.5)) + 4;
        sheet_text(t, t->left + l->names, y, l->names, FONT, SHEET_INK, SVG_END,
                   h->row(h->data, t, r * h->by_row));
        if (!h->side)
            continue;
        const char *side = h->side(h->data, t, r * h->by_row);
        svg_text(&t->s, l->left - 6, y, TINY, SHEET_GREY, SVG_END, side, strlen(side));
    }
}

/* ---- cells ---- */

static void put_marks(sheet *t, int marks, double x, double y, double w, double h, uint32_t ink) {
    if (marks & HEAT_FRAMED)
        svg_rect(&t->s, x + 1, y + 1, w - 2.5, h - 2.5, SVG_NONE, ink);
    if (marks & HEAT_DASHED) {
        char d[120];
        snprintf(d, sizeof d, "M%.2f %.2fh%.2fv%.2fh%.2fz", x + 1, y + 1, w - 2.5, h - 2.5,
                 2.5 - w);
        svg_path(&t->s, d, SVG_NONE, 1, ink, 1, "3 2");
    }
    if (marks & HEAT_DOT)
        svg_circle(&t->s, x + w / 2, y + h / 2, fmin(3.2, fmin(w, h) / 4), ink, SVG_NONE);
    if (marks & HEAT_NOTCHED)
        sheet_notch(t, x, y, w - 0.5, ink);
    if (marks & HEAT_UNSURE)
        svg_line(&t->s, x + 2, y + h - 2.5, x + w - 3, y + h - 2.5, ink, 1.2, "1.5 2");
}

static void put_cell(sheet *t, const sheet_heat *h, const struct layout *l, size_t r, size_t c) {
    double v = h->value(h->data, r * h->by_row, c * h->by_column, h->by_row, h->by_column);
    double x = l->left + l->w * (double)c, y = l->top + l->h * (double)r;
    double w = l->w - (l->w > 6 ? 0.5 : 0), high = l->h - (l->h > 6 ? 0.5 : 0);
    int marks = h->marks ? h->marks(h->data, r * h->by_row, c * h->by_column) : 0;
    uint32_t ink = SHEET_INK;
    if (isfinite(v)) {
        const glim_shade *shade = sheet_shade(h->both, h->step(h->data, v));
        ink = shade->text;
        svg_note(&t->s, "data-cell=\"%zu,%zu\"", r, c);
        svg_value(&t->s, "value", v);
        svg_rect(&t->s, x, y, w, high, shade->back, SVG_NONE);
    } else if (h->hatched && h->hatched(h->data, r * h->by_row, c * h->by_column)) {
        sheet_hatch(t, x, y, w, high);
    } else {
        sheet_missing(t, x, y, w, high);
    }
    bool dotted = marks & HEAT_DOT; /* in the place of a number */
    const char *words = h->text && isfinite(v) && !dotted ? h->text(h->data, t, r, c) : NULL;
    if (words && *words) {
        double need = svg_text_width(t->s.ruler, TINY, words, strlen(words));
        if (need <= w - 3 || h->least > 0)
            sheet_text(t, x + w / 2, y + high / 2 + 3.5, w - 3, TINY, ink, SVG_MIDDLE, words);
    }
    put_marks(t, marks, x, y, l->w, l->h, ink);
}

static void put_pixel(uint8_t *to, uint32_t colour) {
    for (int i = 0; i < 3; i++)
        to[i] = (uint8_t)(colour >> (16 - 8 * i));
}

static void put_pixels(sheet *t, const sheet_heat *h, const struct layout *l) {
    uint8_t *rgb = glim__alloc(t->s.body.ctx, l->rows * l->columns * 3);
    size_t framed = 0;
    t->s.body.failed = t->s.body.failed || !rgb;
    for (size_t i = 0; rgb && i < l->rows * l->columns; i++) {
        size_t r = i / l->columns * h->by_row, c = i % l->columns * h->by_column;
        double v = h->value(h->data, r, c, h->by_row, h->by_column);
        put_pixel(rgb + 3 * i, isfinite(v) ? sheet_shade(h->both, h->step(h->data, v))->back
                               : h->hatched && h->hatched(h->data, r, c) ? 0xf0f0f0
                                                                         : 0xc0c0c0);
    }
    if (rgb)
        svg_image(&t->s, l->left, l->top, l->w * (double)l->columns, l->h * (double)l->rows, rgb,
                  (int)l->columns, (int)l->rows, 1536);
    for (size_t i = 0; rgb && h->marks && i < l->rows * l->columns && framed < FRAMES; i++) {
        size_t r = i / l->columns, c = i % l->columns;
        int marks = h->marks(h->data, r * h->by_row, c * h->by_column);
        framed += marks != 0;
        put_marks(t, marks, l->left + l->w * (double)c, l->top + l->h * (double)r, l->w, l->h,
                  SHEET_INK);
    }
    glim__free(t->s.body.ctx, rgb);
}

void sheet_heat_draw(sheet *t, const sheet_heat *h) {
    if (!h->rows || !h->columns)
        return;
    struct layout l = lay_out(t, h);
    double w = l.w * (double)l.columns, high = l.h * (double)l.rows;
    if (h->across)
        sheet_text(t, l.left, t->y + 11, t->right - l.left, TINY, SHEET_GREY, SVG_START, h->across);
    if (h->down)
        sheet_text(t, t->left, l.top - 5, l.left - t->left - 4, TINY, SHEET_GREY, SVG_START,
                   h->down);
    put_names(t, h, &l);
    if (l.rows * l.columns > SHAPES)
        put_pixels(t, h, &l);
    for (size_t i = 0; i < l.rows * l.columns && l.rows * l.columns <= SHAPES; i++)
        put_cell(t, h, &l, i / l.columns, i % l.columns);
    svg_rect(&t->s, l.left - 0.5, l.top - 0.5, w + 0.5, high + 0.5, SVG_NONE, SHEET_RULE);
    t->y = l.top + high + 6;
}
