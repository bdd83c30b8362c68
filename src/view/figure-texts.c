/* SPDX-License-Identifier: Apache-2.0 */
/* Texts with a number for each of their pieces, all on the scale of their panel. */
#include "view/figure-json.h"
#include "view/figure-panels.h"

#include <math.h>
#include <string.h>

enum { MOST = 40, WHOLE = 120, LONG = 400 };

static const svg_font FONT = {12, false, false, false};
static const double LINE = 21;

static double put_left_out(sheet *t, double x, size_t n) {
    if (!n)
        return x;
    glim__buffer_printf(glim__html_arg(&t->page), "%zu", n);
    return figure_box(t, x, sheet_word(t, "panel.left-out"), NULL, false);
}

static void put_head(sheet *t, const html_panel *m, size_t i) {
    const glim_panel_text *text = &m->panel->strings[i];
    glim__html_text_head(m, i);
    sheet_gap(t, 4);
    sheet_lines(t, FONT, SHEET_GREY);
    if (i < 3 && text->n)
        sheet_gap(t, 1);
}

static void put_text(sheet *t, const html_panel *m, size_t i) {
    const glim_panel_text *text = &m->panel->strings[i];
    size_t from, to;
    glim_buffer bytes;
    glim__buffer_init(&bytes, t->s.body.ctx);
    glim__pieces_window(text, text->best < text->n ? WHOLE : LONG, &from, &to);
    put_head(t, m, i);
    double x = put_left_out(t, t->left, from);
    for (size_t k = from, end; k < to; k = end) {
        end = glim__pieces_end(text, k);
        end = end > to ? to : end;
        double v = glim__pieces_value(text, k, end);
        glim__buffer_clear(&bytes);
        glim__pieces_put(&bytes, text, k, end);
        const char *s = bytes.data ? bytes.data : "";
        size_t n = bytes.len;
        if (n > 1 && *s == ' ') {
            x += x > t->left ? 3 : 0;
            s++;
            n--;
        }
        const char *words = sheet_label(t, s, n, 0);
        svg_note(&t->s, "data-text=\"%zu\" data-piece=\"%zu\"", i, k);
        svg_value(&t->s, "value", v);
        x = figure_box(t, x, words,
                       sheet_shade(m->range.is_signed, glim__panel_step(m->panel, &m->range, v)),
                       text->best >= k && text->best < end);
    }
    put_left_out(t, x, text->n - to);
    t->y += LINE + 3;
    t->s.body.failed = t->s.body.failed || bytes.failed;
    glim__buffer_release(&bytes);
}

void figure_texts(sheet *t, const html_panel *m) {
    size_t n = m->panel->rows.n;
    if (!n)
        return;
    figure_panel_legend(t, m);
    for (size_t i = 0; i < n && i < MOST; i++)
        put_text(t, m, i);
    glim__html_text_head(m, 0);
    sheet_alt(t, sheet_taken(t));
    if (n > MOST) {
        glim__buffer_printf(glim__html_arg(&t->page), "%zu", n - MOST);
        sheet_paragraph(t, FONT, SHEET_GREY, 0, sheet_word(t, "panel.more-texts"));
    }
}
