/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the model says of the input, beside why: bars of probabilities, the explained class
 * marked, and of a row its values in the order of the scores; in the terminal and the report.
 */
#include "view/html-page.h"
#include "view/page.h"
#include "view/width.h"

#include <string.h>

enum { NAME = 24, BAR = 160 };

/* ---- the terminal ---- */

static void put_share(glim_page *p, const char *name, size_t n, double prob, bool marked) {
    int most = p->width < 60 ? p->width / 3 : NAME;
    glim__buffer_puts(&p->b, marked ? glim__page_pick(p, "\xe2\x96\xb8", ">") : " ");
    glim__page_label(p, &p->b, name, n, most, most);
    glim__buffer_printf(&p->b, " %5.1f %%", 100 * prob);
    int room = p->width - most - 12;
    if (room >= 4 && prob > 0) {
        glim__buffer_puts(&p->b, "  ");
        glim__page_bar(p, prob, 1, room > 30 ? 30 : room, false);
    }
    glim__page_end_line(p);
}

void glim__page_prediction(glim_page *p) {
    const glim_document *d = p->d;
    const glim_document *was = d;
    glim_document unsigned_one = *d; /* bars have one side */
    if (!d->prediction.n_classes)
        return;
    unsigned_one.method.is_signed = false;
    glim__page_wrapped(p, "what it says");
    p->d = &unsigned_one;
    for (size_t i = 0; i < d->prediction.n_classes; i++) {
        const glim_document_class *c = &d->prediction.classes[i];
        put_share(p, c->text, c->text_len, c->prob, glim__document_explains(d, c));
    }
    if (d->prediction.other > 0)
        put_share(p, "other classes", strlen("other classes"), d->prediction.other, false);
    p->d = was;
}

/* ---- the report ---- */

static void put_class(html_page *p, const glim_document_class *c) {
    bool marked = glim__document_explains(p->d, c);
    glim__buffer_puts(p->b, marked ? "<tr class=\"top\"><th scope=\"row\"><strong>"
                                   : "<tr><th scope=\"row\">");
    glim__html_label(p->b, c->text, c->text_len, HTML_LABEL);
    glim__buffer_puts(p->b, marked ? "</strong> \xe2\x97\x82 " : "");
    if (marked)
        glim__html_term(p, p->b, "prediction.explained");
    glim__buffer_puts(p->b, "</th><td>");
    glim__html_percent(p->b, c->prob);
    glim__buffer_printf(p->b,
                        "</td><td class=\"size\"><svg width=\"%d\" height=\"12\" "
                        "aria-hidden=\"true\"><rect class=\"amount\" width=\"%.1f\" "
                        "height=\"12\"/><path d=\"M0 0v12\"/></svg></td></tr>\n",
                        BAR, BAR * c->prob);
}

static void put_classes(html_page *p) {
    const char *const keys[] = {"column.class", "column.prob", "column.bar", NULL};
    const glim_document *d = p->d;
    glim__buffer_puts(p->b, "<div class=\"scroll\" tabindex=\"0\"><table class=\"ranks\" "
                            "id=\"glim-classes\">");
    glim__html_head(p, keys);
    glim__buffer_puts(p->b, "<tbody>");
    for (size_t i = 0; i < d->prediction.n_classes; i++)
        put_class(p, &d->prediction.classes[i]);
    if (d->prediction.other > 0) {
        glim__buffer_puts(p->b, "<tr class=\"rest\">");
        glim__html_say(p, "th scope=\"row\"", "prediction.other");
        glim__buffer_puts(p->b, "<td>");
        glim__html_percent(p->b, d->prediction.other);
        glim__buffer_puts(p->b, "</td><td></td></tr>\n");
    }
    glim__buffer_puts(p->b, "</tbody></table></div>\n");
}

/* In the order of the scores, each value on the colour of its score. */
static void put_row(html_page *p) {
    const char *const keys[] = {"column.column", "column.value", "column.score", NULL};
    const glim_document *d = p->d;
    struct html_rank *ranks = glim__calloc(d->ctx, d->input.n_units + 1, sizeof *ranks);
    p->b->failed = p->b->failed || !ranks;
    size_t n = ranks ? glim__html_order(p, p->scores, false, ranks) : 0;
    glim__html_say(p, "h3", "prediction.row");
    glim__buffer_puts(p->b, "<div class=\"scroll\" tabindex=\"0\"><table class=\"ranks heat\" "
                            "id=\"glim-row\">");
    glim__html_head(p, keys);
    glim__buffer_puts(p->b, "<tbody>");
    for (size_t i = 0; i < n && i < GLIM_VALUES_SHOWN; i++) {
        size_t u = ranks[i].unit;
        const char *name = d->prediction.columns[u], *value = d->prediction.values[u];
        glim__buffer_printf(p->b, "<tr data-u=\"%zu\"><th scope=\"row\">", u);
        glim__html_label(p->b, name, strlen(name), HTML_LABEL);
        glim__buffer_puts(p->b, "</th><td class=\"");
        glim__html_shade(p->b, p, ranks[i].score, p->limit, NAN, SIZE_MAX, u);
        glim__buffer_puts(p->b, "\">");
        glim__html_label(p->b, value, strlen(value), HTML_LABEL);
        glim__buffer_puts(p->b, "</td>");
        glim__html_number_cell(p, ranks[i].score, d->method.is_signed);
        glim__buffer_puts(p->b, "</tr>\n");
    }
    glim__buffer_puts(p->b, "</tbody></table></div>\n");
    if (n > GLIM_VALUES_SHOWN) {
        glim__buffer_printf(glim__html_arg(p), "%zu", n - GLIM_VALUES_SHOWN);
        glim__html_say(p, "p class=\"note\"", "prediction.more");
    }
    glim__free(d->ctx, ranks);
}

void glim__html_prediction(html_page *p) {
    if (!glim__document_predicts(p->d))
        return;
    glim__buffer_puts(p->b, "<section id=\"glim-prediction\">");
    glim__html_say(p, "h2", "prediction");
    glim__buffer_putc(p->b, '\n');
    if (p->d->prediction.n_classes)
        put_classes(p);
    if (p->d->prediction.values && p->d->input.n_units)
        put_row(p);
    glim__buffer_puts(p->b, "</section>\n");
}
