/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Links in the report: the source above, the target below, a curve for each pair. What gold
 * says is told by the line (solid: right or not known, dashed: wrong, dotted: missed), and
 * the same stands in a table and as Pharaoh's text to copy.
 */
#include "view/html-page.h"
#include "view/width.h"

enum { LETTER = 9, GAP = 18, ABOVE = 20, BELOW = 130, LONGEST = 20, MOST_WORDS = 200 };

enum fate { RIGHT, WRONG, MISSED };
static const char *const fates[] = {"right", "wrong", "missed"};

static const char *trimmed(const char *s, size_t *n) {
    for (; *n > 1 && (*s == ' ' || *s == '\n'); --*n)
        s++;
    return s;
}

static const char *word_of(const glim_document *d, bool target, size_t i, size_t *n) {
    *n = target ? d->rows[i].text_len : d->input.units[i].text_len;
    return trimmed(target ? d->rows[i].text : d->input.units[i].text, n);
}

static bool takes_part(const glim_document *d, bool target, size_t i) {
    return target || (!d->input.units[i].fixed && !d->input.units[i].generated);
}

static int width_of(const glim_document *d, bool target, size_t i) {
    size_t n;
    const char *s = word_of(d, target, i, &n);
    int w = glim__text_width(s, n, 1);
    return LETTER * (w > LONGEST ? LONGEST : w) + GAP;
}

/* Where the middle of word i lies; with i = all, where the line ends. */
static int place_of(const glim_document *d, bool target, size_t i) {
    size_t all = target ? d->n_rows : d->input.n_units;
    int x = 0;
    for (size_t k = 0; k < i && k < all; k++)
        x += takes_part(d, target, k) ? width_of(d, target, k) : 0;
    return i < all ? x + width_of(d, target, i) / 2 : x;
}

static void put_words(html_page *p, bool target) {
    const glim_document *d = p->d;
    size_t all = target ? d->n_rows : d->input.n_units, n;
    for (size_t i = 0; i < all; i++) {
        if (!takes_part(d, target, i))
            continue;
        const char *s = word_of(d, target, i, &n);
        glim__buffer_printf(p->b, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">",
                            place_of(d, target, i), target ? BELOW + ABOVE - 4 : ABOVE - 6);
        glim__html_plain(p->b, s, n, LONGEST);
        glim__buffer_puts(p->b, "</text>\n");
    }
}

static void put_curve(html_page *p, const glim_document_link *l, enum fate fate) {
    int a = place_of(p->d, false, l->unit), b = place_of(p->d, true, l->row);
    int middle = (ABOVE + BELOW) / 2;
    glim__buffer_printf(p->b, "<path class=\"%s\" d=\"M%d %dC%d %d %d %d %d %d\"/>\n", fates[fate],
                        a, ABOVE, a, middle, b, middle, b, BELOW);
}

static bool in(const glim_document_link *at, size_t n, const glim_document_link *l) {
    for (size_t i = 0; i < n; i++)
        if (at[i].row == l->row && at[i].unit == l->unit)
            return true;
    return false;
}

static enum fate fate_of(const glim_document_links *l, const glim_document_link *one) {
    return l->has_gold && !in(l->gold, l->n_gold, one) ? WRONG : RIGHT;
}

static void put_curves(html_page *p) {
    const glim_document_links *l = &p->d->links;
    int above = place_of(p->d, false, p->d->input.n_units);
    int below = place_of(p->d, true, p->d->n_rows), width = above > below ? above : below;
    glim__buffer_printf(p->b,
                        "<div class=\"scroll\" tabindex=\"0\"><svg class=\"links\" "
                        "id=\"glim-links\" role=\"img\" aria-labelledby=\"glim-links-name\" "
                        "width=\"%d\" height=\"%d\">\n",
                        width + 1, BELOW + ABOVE);
    for (size_t i = 0; i < l->n_found; i++)
        put_curve(p, &l->found[i], fate_of(l, &l->found[i]));
    for (size_t i = 0; i < l->n_gold; i++)
        if (l->gold[i].sure && !in(l->found, l->n_found, &l->gold[i]))
            put_curve(p, &l->gold[i], MISSED);
    put_words(p, false);
    put_words(p, true);
    glim__buffer_puts(p->b, "</svg></div>\n");
}

static void put_pair(html_page *p, const glim_document_link *one, enum fate fate) {
    char key[48];
    size_t n;
    const char *row = word_of(p->d, true, one->row, &n);
    glim__buffer_puts(p->b, "<tr><th scope=\"row\">");
    glim__html_label(p->b, row, n, HTML_LABEL);
    glim__buffer_puts(p->b, "</th><td>");
    const char *unit = word_of(p->d, false, one->unit, &n);
    glim__html_label(p->b, unit, n, HTML_LABEL);
    glim__buffer_puts(p->b, "</td><td>");
    if (p->d->links.has_gold) {
        snprintf(key, sizeof key, "links.%.10s", fates[fate]);
        glim__html_say(p, "span", key);
    }
    glim__buffer_puts(p->b, "</td></tr>\n");
}

static void put_pairs(html_page *p) {
    const glim_document_links *l = &p->d->links;
    glim__buffer_puts(p->b, "<details class=\"numbers\"><summary>");
    glim__buffer_printf(glim__html_arg(p), "%zu", l->n_found);
    glim__html_say(p, "span", "links.table");
    glim__buffer_puts(p->b, "</summary><p><code>");
    p->b->failed = p->b->failed || !glim__put_pharaoh(p->b, p->d);
    glim__buffer_puts(p->b, "</code></p><table><tbody>");
    for (size_t i = 0; i < l->n_found; i++)
        put_pair(p, &l->found[i], fate_of(l, &l->found[i]));
    for (size_t i = 0; i < l->n_gold; i++)
        if (l->gold[i].sure && !in(l->found, l->n_found, &l->gold[i]))
            put_pair(p, &l->gold[i], MISSED);
    glim__buffer_puts(p->b, "</tbody></table></details>\n");
}

void glim__html_rates(html_page *p) {
    const glim_document_links *l = &p->d->links;
    if (!l->has_gold)
        return;
    const double all[] = {l->aer, l->precision, l->recall};
    for (int i = 0; i < 3; i++) {
        glim_buffer *b = glim__html_arg(p);
        if (!isfinite(all[i]))
            glim__buffer_putc(b, '?');
        else if (i)
            glim__html_percent(b, all[i]);
        else
            glim__buffer_printf(b, "%.3f", all[i]);
    }
    glim__html_say(p, "p class=\"sum\"", "links.rates");
    if (!l->layer_aer)
        return;
    glim_buffer *b = glim__html_arg(p);
    for (size_t i = 0; i < l->n_layers; i++)
        glim__buffer_printf(b, "%s%zu: %.3f", i ? ", " : "", i, l->layer_aer[i]);
    glim__html_say(p, "p class=\"sum\"", "links.layers");
}

void glim__html_links(html_page *p) {
    const glim_document *d = p->d;
    if (!d->links.rule)
        return;
    char rule[48];
    snprintf(rule, sizeof rule, "%.40s", d->links.rule);
    glim__buffer_puts(p->b, "<section>");
    glim__html_plain(glim__html_arg(p), rule, strlen(rule), 0);
    glim__html_say(p, "h2 id=\"glim-links-name\"", "links");
    if (d->n_rows <= MOST_WORDS && d->input.n_units <= MOST_WORDS)
        put_curves(p);
    if (d->links.has_gold)
        glim__html_say(p, "p class=\"legend\"", "links.lines");
    glim__html_rates(p);
    put_pairs(p);
    glim__buffer_puts(p->b, "</section>\n");
}
