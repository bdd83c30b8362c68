/* SPDX-License-Identifier: Apache-2.0 */
/* Tables: numbers to the right, words to the left and shortened when there is no room. */
#include "view/sheet-parts.h"

#include <math.h>
#include <string.h>

static const svg_font FONT = {12, false, false, false}, HEAD = {10, true, false, false};
static const double GAP = 12, LINE = 19, LEAST = 48;

/* Widths that are wanted; when they are too wide together, the widest columns give way. */
static void lay_out(sheet *t, const sheet_table *b, double *w) {
    double all = 0, room = t->right - t->left - GAP * (double)(b->columns - 1);
    for (size_t c = 0; c < b->columns; c++) {
        const char *s = b->head(b->data, t, c);
        w[c] = svg_text_width(t->s.ruler, HEAD, s, strlen(s));
        for (size_t r = 0; r < b->rows; r++) {
            s = b->cell(b->data, t, r, c);
            if (s)
                w[c] = fmax(w[c], svg_text_width(t->s.ruler, FONT, s, strlen(s)));
        }
        all += w[c] = ceil(w[c]) + 1;
    }
    while (all > room) {
        size_t widest = 0;
        double next = LEAST;
        for (size_t c = 1; c < b->columns; c++)
            widest = w[c] > w[widest] ? c : widest;
        for (size_t c = 0; c < b->columns; c++)
            if (c != widest)
                next = fmax(next, fmin(w[c], w[widest] - 1));
        double to = fmax(next, w[widest] - (all - room));
        if (w[widest] <= LEAST)
            to = room / (double)b->columns;
        all -= w[widest] - to;
        bool done = w[widest] <= to + 1e-9;
        w[widest] = to;
        if (done)
            break;
    }
}

static void put_cell(sheet *t, const sheet_table *b, size_t r, size_t c, double x, double w) {
    const glim_shade *shade = b->shade ? b->shade(b->data, r, c) : NULL;
    bool words = b->words && b->words(b->data, c);
    if (shade)
        svg_rect(&t->s, x - 3, t->y + 1, w + 6, LINE - 2, shade->back, SVG_NONE);
    const char *s = b->cell(b->data, t, r, c);
    if (s && *s)
        sheet_text(t, words ? x : x + w, t->y + 14, w, FONT, shade ? shade->text : SHEET_INK,
                   words ? SVG_START : SVG_END, s);
}

void sheet_table_draw(sheet *t, const sheet_table *b) {
    double *w = glim__calloc(t->s.body.ctx, b->columns + 1, sizeof *w);
    t->s.body.failed = t->s.body.failed || !w;
    if (!w || !b->columns) {
        glim__free(t->s.body.ctx, w);
        return;
    }
    lay_out(t, b, w);
    double x = t->left;
    bool headed = false;
    for (size_t c = 0; c < b->columns; x += w[c++] + GAP) {
        bool words = b->words && b->words(b->data, c);
        const char *s = b->head(b->data, t, c);
        headed = headed || *s;
        if (*s)
            sheet_text(t, words ? x : x + w[c], t->y + 12, w[c], HEAD, SHEET_GREY,
                       words ? SVG_START : SVG_END, s);
    }
    double end = x - GAP;
    sheet_gap(t, headed ? LINE : 0);
    if (headed)
        svg_line(&t->s, t->left, t->y - 1, end, t->y - 1, SHEET_RULE, 1, NULL);
    for (size_t r = 0; r < b->rows; r++) {
        x = t->left;
        for (size_t c = 0; c < b->columns; x += w[c++] + GAP)
            put_cell(t, b, r, c, x, w[c]);
        sheet_gap(t, LINE);
    }
    sheet_gap(t, 4);
    glim__free(t->s.body.ctx, w);
}
