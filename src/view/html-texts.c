/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts in the report: strips whose pieces are shaded, all by the one scale of their panel,
 * around the piece that counts most, which has a frame and is named. Numbers come out by a
 * box to tick, so that none of them is seen under a pointer only.
 */
#include "view/html-panel.h"

enum { MOST = 100, WHOLE = 120, LONG = 400 };

static void put_pieces(const html_panel *m, const glim_panel_text *t, size_t from, size_t to) {
    html_page *p = m->p;
    glim_buffer bytes;
    bool best = t->best >= from && t->best < to;
    double x = glim__pieces_value(t, from, to);
    glim__buffer_init(&bytes, p->b->ctx);
    glim__pieces_put(&bytes, t, from, to);
    glim__buffer_puts(p->b, "<span class=\"u ");
    glim__html_panel_class(m, p->b, x);
    glim__buffer_printf(p->b, "%s\" data-k=\"%zu\" data-e=\"%zu\" data-n=\"", best ? " now" : "",
                        from, to);
    glim__html_panel_number(m, p->b, x, true);
    glim__buffer_puts(p->b, "\">");
    glim__html_run(p->b, bytes.data ? bytes.data : "", bytes.len);
    glim__buffer_puts(p->b, "</span>");
    if (bytes.len && bytes.data && bytes.data[bytes.len - 1] == '\n')
        glim__buffer_putc(p->b, '\n');
    p->b->failed = p->b->failed || bytes.failed;
    glim__buffer_release(&bytes);
}

static void put_left_out(html_page *p, size_t n) {
    if (!n)
        return;
    glim__buffer_printf(glim__html_arg(p), "%zu", n);
    glim__html_say(p, "span class=\"rest\"", "panel.left-out");
}

void glim__html_text_head(const html_panel *m, size_t i) {
    html_page *p = m->p;
    const glim_panel_text *t = &m->panel->strings[i];
    const char *label = glim__string_label(m->panel, i);
    glim__buffer_puts(p->b, "<p class=\"of\">");
    if (*label) {
        glim__html_label(p->b, label, strlen(label), 0);
        glim__buffer_putc(p->b, ' ');
    }
    if (isfinite(t->value)) {
        glim__buffer_puts(p->b, "<b>");
        glim__html_panel_number(m, p->b, t->value, false);
        glim__buffer_puts(p->b, "</b> ");
    }
    if (t->best < t->n) {
        glim_buffer bytes;
        glim__buffer_init(&bytes, p->b->ctx);
        glim__pieces_put(&bytes, t, t->best, glim__pieces_end(t, t->best));
        glim__html_quote(glim__html_arg(p), bytes.data ? bytes.data : "", bytes.len, HTML_LABEL);
        glim__html_panel_number(m, glim__html_arg(p), t->values[t->best], false);
        glim__html_say(p, "small", "panel.best");
        p->b->failed = p->b->failed || bytes.failed;
        glim__buffer_release(&bytes);
    }
    glim__buffer_puts(p->b, "</p>\n");
}

static void put_text(const html_panel *m, size_t i) {
    html_page *p = m->p;
    const glim_panel_text *t = &m->panel->strings[i];
    size_t from, to;
    glim__pieces_window(t, t->best < t->n ? WHOLE : LONG, &from, &to);
    glim__buffer_puts(p->b, "<li>");
    glim__html_text_head(m, i);
    glim__buffer_puts(p->b, "<div class=\"strip\">");
    put_left_out(p, from);
    for (size_t k = from, end; k < to; k = end) {
        end = glim__pieces_end(t, k);
        end = end > to ? to : end;
        put_pieces(m, t, k, end);
    }
    put_left_out(p, t->n - to);
    glim__buffer_puts(p->b, "</div></li>\n");
}

void glim__html_texts(const html_panel *m) {
    html_page *p = m->p;
    size_t n = m->panel->rows.n;
    if (!n)
        return;
    glim__html_panel_legend(m);
    glim__buffer_printf(p->b,
                        "<input type=\"checkbox\" class=\"show\" id=\"glim-panel-%zu-show\"> "
                        "<label for=\"glim-panel-%zu-show\">",
                        m->at, m->at);
    glim__html_say(p, "span", "panel.show");
    glim__buffer_puts(p->b, "</label>\n<ol class=\"texts\">\n");
    for (size_t i = 0; i < n && i < MOST; i++)
        put_text(m, i);
    glim__buffer_puts(p->b, "</ol>\n");
    if (n > MOST) {
        glim__buffer_printf(glim__html_arg(p), "%zu", n - MOST);
        glim__html_say(p, "p class=\"note\"", "panel.more-texts");
    }
}
