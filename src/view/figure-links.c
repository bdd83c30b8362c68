/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words of the source above, of the target below, a curve for each link. Long pairs go on in
 * further lines: a link then leads from where its source word stands to where its target word
 * stands only when both are in one line, so long texts have their map alone.
 */
#include "view/sheet-parts.h"

#include <string.h>

static const svg_font FONT = {12, false, false, false};
static const double GAP = 10, TALL = 90;

struct side {
    double *x; /* [n] middles; negative: takes no part */
    size_t n;
    double width;
};

static bool takes_part(const glim_document *d, bool target, size_t i) {
    return target || (!d->input.units[i].fixed && !d->input.units[i].generated);
}

static const char *word_of(sheet *t, bool target, size_t i) {
    const glim_document *d = t->page.d;
    const char *s = target ? d->rows[i].text : d->input.units[i].text;
    glim__html_trimmed(&t->markup, s, target ? d->rows[i].text_len : d->input.units[i].text_len,
                       20);
    return sheet_taken(t);
}

static void measure(sheet *t, bool target, struct side *s) {
    double x = t->left;
    for (size_t i = 0; i < s->n && s->x; i++) {
        s->x[i] = -1;
        if (!takes_part(t->page.d, target, i))
            continue;
        const char *word = word_of(t, target, i);
        double w = svg_text_width(t->s.ruler, FONT, word, strlen(word));
        s->x[i] = x + w / 2;
        x += w + GAP;
    }
    s->width = x - GAP - t->left;
}

static void put_words(sheet *t, bool target, const struct side *s, double y) {
    for (size_t i = 0; i < s->n; i++)
        if (s->x[i] >= 0) {
            const char *word = word_of(t, target, i);
            svg_text(&t->s, s->x[i], y, FONT, SHEET_INK, SVG_MIDDLE, word, strlen(word));
        }
}

static void put_curve(sheet *t, const struct side *from, const struct side *to,
                      const glim_document_link *l, double y, const char *dash, uint32_t colour) {
    char d[160];
    double a = from->x[l->unit], b = to->x[l->row], m = y + TALL / 2;
    if (a < 0 || b < 0)
        return;
    snprintf(d, sizeof d, "M%.2f %.2fC%.2f %.2f %.2f %.2f %.2f %.2f", a, y, a, m, b, m, b,
             y + TALL);
    svg_note(&t->s, "data-link=\"%zu-%zu\"", l->unit, l->row);
    svg_path(&t->s, d, SVG_NONE, 1, colour, 1.5, dash);
}

static void put_curves(sheet *t, const struct side *from, const struct side *to) {
    const glim_document_links *l = &t->page.d->links;
    double y = t->y + 20;
    bool sure;
    put_words(t, false, from, t->y + 13);
    for (size_t i = 0; i < l->n_found; i++) {
        bool wrong = l->has_gold && !glim__html_linked(l->gold, l->n_gold, l->found[i].row,
                                                       l->found[i].unit, &sure);
        put_curve(t, from, to, &l->found[i], y, wrong ? "5 3" : NULL,
                  wrong ? SHEET_PLUS : SHEET_AMOUNT);
    }
    for (size_t i = 0; i < l->n_gold; i++)
        if (l->gold[i].sure &&
            !glim__html_linked(l->found, l->n_found, l->gold[i].row, l->gold[i].unit, &sure))
            put_curve(t, from, to, &l->gold[i], y, "1.5 3", SHEET_GREY);
    put_words(t, true, to, y + TALL + 14);
    t->y = y + TALL + 22;
}

void glim__figure_links(sheet *t) {
    const glim_document *d = t->page.d;
    char rule[48];
    if (!d->links.rule || !sheet_enter(t, "links"))
        return;
    struct side from = {glim__calloc(d->ctx, d->input.n_units + 1, sizeof(double)),
                        d->input.n_units, 0};
    struct side to = {glim__calloc(d->ctx, d->n_rows + 1, sizeof(double)), d->n_rows, 0};
    bool ok = from.x && to.x;
    t->s.body.failed = t->s.body.failed || !ok;
    snprintf(rule, sizeof rule, "%.40s", d->links.rule);
    glim__html_plain(glim__html_arg(&t->page), rule, strlen(rule), 0);
    sheet_heading(t, sheet_word(t, "links"));
    if (ok) {
        measure(t, false, &from);
        measure(t, true, &to);
        if (fmax(from.width, to.width) <= t->right - t->left)
            put_curves(t, &from, &to);
    }
    if (d->links.has_gold)
        sheet_paragraph(t, FONT, SHEET_GREY, 0, sheet_word(t, "links.lines"));
    glim__html_rates(&t->page);
    sheet_lines(t, FONT, SHEET_INK);
    glim__free(d->ctx, from.x);
    glim__free(d->ctx, to.x);
    sheet_leave(t);
}
