/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention in the report: the map as a table while that is a page, each cell with its
 * number or at least its name; above that as shapes of pooled cells, which the legend
 * says. Behind it what each head does, as a table.
 */
#include "view/html-page.h"
#include "view/page.h"

enum { TABLE = 64, NUMBERED = 24, POOLED = 128, SIDE = 6, HEADS = 1024, NAMED = 24 };

/* ---- head of the page ---- */

static void put_number(glim_buffer *b, int x) {
    glim__buffer_printf(b, "%d", x);
}

void glim__html_attention_head(html_page *p) {
    const glim_document_attention *a = &p->d->attention;
    char side[48];
    bool links = p->d->links.rule;
    snprintf(side, sizeof side, "attention.side.%.20s", links ? "align" : a->side);
    if (!glim__html_has(side))
        snprintf(side, sizeof side, "attention.side.self");
    glim__html_term(p, glim__html_arg(p), side);
    put_number(glim__html_arg(p), a->layer < 0 ? a->layers : a->layer);
    put_number(glim__html_arg(p), a->head < 0 ? a->heads : a->head);
    glim__html_say(p, "h1",
                   a->layer < 0  ? "attention.mean"
                   : a->head < 0 ? "attention.layer"
                                 : "attention.head");
    glim__html_say(p, "p class=\"target\"",
                   links || !strcmp(a->side, "cross") ? "attention.across" : "attention.rows");
}

/* ---- the map as a table ---- */

static const char *row_text(const glim_document *d, size_t r, size_t *n) {
    const char *s = d->rows[r].text;
    *n = d->rows[r].text_len;
    for (; *n > 1 && (*s == ' ' || *s == '\n'); --*n)
        s++;
    return s;
}

static const char *unit_text(const glim_document *d, size_t u, size_t *n) {
    const char *s = d->input.units[u].text;
    *n = d->input.units[u].text_len;
    for (; *n > 1 && (*s == ' ' || *s == '\n'); --*n)
        s++;
    return s;
}

bool glim__html_linked(const glim_document_link *at, size_t n, size_t r, size_t u, bool *sure) {
    for (size_t i = 0; i < n; i++)
        if (at[i].row == r && at[i].unit == u) {
            *sure = at[i].sure;
            return true;
        }
    return false;
}

static void put_cell(html_page *p, double limit, size_t r, size_t u) {
    const glim_document *d = p->d;
    const glim_document_links *l = &d->links;
    double x = d->scores[r * d->input.n_units + u];
    bool sure = false, one, found = glim__html_linked(l->found, l->n_found, r, u, &one);
    bool gold = glim__html_linked(l->gold, l->n_gold, r, u, &sure);
    size_t n;
    glim__buffer_printf(p->b, "<td class=\"%s", gold && sure ? "sure " : gold ? "possible " : "");
    if (isfinite(x))
        glim__buffer_printf(p->b, "a%d\" title=\"", glim__amount(x, limit));
    else
        glim__buffer_puts(p->b, "nil\" title=\"");
    const char *row = row_text(d, r, &n);
    glim__html_plain(p->b, row, n, HTML_LABEL);
    glim__buffer_puts(p->b, " \xe2\x86\x92 ");
    const char *unit = unit_text(d, u, &n);
    glim__html_plain(p->b, unit, n, HTML_LABEL);
    if (isfinite(x))
        glim__buffer_printf(p->b, ": %.1f %%", 100 * x);
    glim__buffer_puts(p->b, "\">");
    if (isfinite(x) && d->input.n_units <= NUMBERED)
        glim__buffer_printf(p->b, "%.0f", 100 * x);
    glim__buffer_puts(p->b, found ? "<b>\xe2\x97\x8f</b></td>" : "</td>");
}

static void put_table(html_page *p, double limit) {
    const glim_document *d = p->d;
    size_t n;
    bool turned = d->input.n_units > 12;
    glim__buffer_printf(p->b,
                        "<div class=\"scroll\" tabindex=\"0\"><table class=\"heat%s\" "
                        "id=\"glim-heat\"><thead><tr><td></td>",
                        turned ? " turned" : "");
    for (size_t u = 0; u < d->input.n_units; u++) {
        const char *s = unit_text(d, u, &n);
        glim__buffer_puts(p->b, "<th scope=\"col\">");
        glim__html_label(p->b, s, n, HTML_LABEL);
        glim__buffer_puts(p->b, "</th>");
    }
    glim__buffer_puts(p->b, "</tr></thead>\n<tbody>");
    for (size_t r = 0; r < d->n_rows; r++) {
        const char *s = row_text(d, r, &n);
        glim__buffer_puts(p->b, "<tr><th scope=\"row\">");
        glim__html_label(p->b, s, n, HTML_LABEL);
        glim__buffer_puts(p->b, "</th>");
        for (size_t u = 0; u < d->input.n_units; u++)
            put_cell(p, limit, r, u);
        glim__buffer_puts(p->b, "</tr>\n");
    }
    glim__buffer_puts(p->b, "</tbody></table></div>\n");
}

/* ---- the map as shapes ---- */

/* Every so many a name, at both sides. */
static void put_axis(html_page *p, size_t cells, size_t by, bool rows, int left) {
    const glim_document *d = p->d;
    size_t every = cells > 40 ? 8 : 4, n;
    for (size_t i = 0; i < cells; i += every) {
        const char *s = rows ? row_text(d, i * by, &n) : unit_text(d, i * by, &n);
        int at = (int)i * SIDE + SIDE;
        if (rows)
            glim__buffer_printf(p->b, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">", left - 4,
                                left + at);
        else
            glim__buffer_printf(p->b, "<text transform=\"translate(%d %d) rotate(-60)\">",
                                left + at, left - 4);
        glim__buffer_printf(p->b, "%zu ", i * by);
        glim__html_plain(p->b, s, n, 12);
        glim__buffer_puts(p->b, "</text>\n");
    }
}

static void put_shapes(html_page *p, double limit, size_t by) {
    enum { LEFT = 96 };
    const glim_document *d = p->d;
    size_t rows = (d->n_rows + by - 1) / by, columns = (d->input.n_units + by - 1) / by;
    glim__buffer_printf(p->b,
                        "<div class=\"scroll\" tabindex=\"0\"><svg class=\"heat\" id=\"glim-heat\" "
                        "role=\"img\" aria-labelledby=\"glim-heat-name\" width=\"%d\" "
                        "height=\"%d\">\n",
                        LEFT + SIDE * (int)columns + LEFT / 2, LEFT + SIDE * (int)rows + SIDE);
    put_axis(p, rows, by, true, LEFT);
    put_axis(p, columns, by, false, LEFT);
    for (size_t r = 0; r < rows; r++)
        for (size_t u = 0; u < columns; u++) {
            double x = glim__heat_pooled(d, r * by, u * by, by, by);
            int step = glim__amount(x, limit);
            if (step)
                glim__buffer_printf(p->b,
                                    "<rect class=\"a%d\" x=\"%d\" y=\"%d\" width=\"%d\" "
                                    "height=\"%d\"/>\n",
                                    step, LEFT + (int)u * SIDE, LEFT + (int)r * SIDE, SIDE, SIDE);
        }
    glim__buffer_puts(p->b, "</svg></div>\n");
}

static size_t count_absent(const glim_document *d) {
    size_t n = 0;
    for (size_t i = 0; i < d->n_rows * d->input.n_units; i++)
        n += !isfinite(d->scores[i]);
    return n;
}

static void put_legend(html_page *p, double limit, size_t by, bool clipped) {
    const glim_document *d = p->d;
    glim__buffer_puts(p->b, "<p class=\"legend\" id=\"glim-legend\">");
    glim__html_scale(p, limit);
    glim__buffer_puts(p->b, "<span class=\"keys\">");
    glim__html_key(p, "nil", "legend.none", count_absent(d));
    if (clipped)
        glim__html_say(p, "span", "attention.clipped");
    if (by > 1) {
        glim__buffer_printf(glim__html_arg(p), "%zu", by);
        glim__html_say(p, "span", "attention.pooled");
    }
    if (d->links.rule)
        glim__html_say(p, "span", "links.mark");
    if (d->links.has_gold)
        glim__html_say(p, "span", "links.frames");
    glim__buffer_puts(p->b, "</span></p>\n");
}

/* ---- heads ---- */

static void put_share(html_page *p, double x) {
    glim__buffer_puts(p->b, "<td>");
    if (isfinite(x))
        glim__html_percent(p->b, x);
    glim__buffer_puts(p->b, "</td>");
}

static void put_head(html_page *p, const glim_document_head *h) {
    const glim_document *d = p->d;
    size_t n;
    glim__buffer_printf(p->b, "<tr><th scope=\"row\">L%d H%d</th><td>", h->layer, h->head);
    glim__html_number(p->b, h->entropy, 0, false);
    glim__buffer_puts(p->b, "</td><td>");
    if (isfinite(h->distance))
        glim__html_number(p->b, h->distance, 0, false);
    glim__buffer_puts(p->b, "</td>");
    put_share(p, h->previous);
    put_share(p, h->first);
    put_share(p, h->self);
    put_share(p, h->induction);
    put_share(p, h->strongest);
    glim__buffer_puts(p->b, "<td>");
    if (isfinite(h->strongest)) {
        const char *row = row_text(d, h->strongest_row, &n);
        glim__html_label(p->b, row, n, 16);
        glim__buffer_puts(p->b, " \xe2\x86\x92 ");
        const char *unit = unit_text(d, h->strongest_unit, &n);
        glim__html_label(p->b, unit, n, 16);
    }
    glim__buffer_puts(p->b, "</td></tr>\n");
}

static void put_heads(html_page *p) {
    static const char *const keys[] = {"heads.head",      "heads.entropy",   "heads.distance",
                                       "heads.previous",  "heads.first",     "heads.self",
                                       "heads.induction", "heads.strongest", "heads.link"};
    const glim_document_attention *a = &p->d->attention;
    size_t n = a->n_stats < HEADS ? a->n_stats : HEADS;
    if (!n)
        return;
    glim__buffer_puts(p->b, "<details class=\"numbers\" id=\"glim-heads\"><summary>");
    glim__buffer_printf(glim__html_arg(p), "%zu", n);
    glim__buffer_printf(glim__html_arg(p), "%zu", a->n_stats);
    glim__html_say(p, "span", "heads");
    glim__buffer_puts(p->b, "</summary><div class=\"scroll\" tabindex=\"0\"><table><thead><tr>");
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        glim__html_say(p, "th scope=\"col\"", keys[i]);
    glim__buffer_puts(p->b, "</tr></thead>\n<tbody>");
    for (size_t i = 0; i < n; i++)
        put_head(p, &a->stats[i]);
    glim__buffer_puts(p->b, "</tbody></table></div></details>\n");
}

/* Which heads' weights are here, and what is left out of them. */
static void put_kept(html_page *p) {
    const glim_document_patterns *k = &p->d->attention.patterns;
    double tail = 0;
    if (!k->T)
        return;
    glim__buffer_printf(glim__html_arg(p), "%zu", k->n_kept);
    glim__buffer_printf(glim__html_arg(p), "%zu", k->n_largest);
    glim_buffer *names = glim__html_arg(p);
    for (size_t i = 0; i < k->n_kept; i++) {
        double sum = 0;
        for (size_t t = 0; t < k->T; t++)
            sum += (double)k->kept[i].tail[t];
        tail += sum / (double)k->T / (double)k->n_kept;
        if (i < NAMED)
            glim__buffer_printf(names, "%sL%d H%d", i ? ", " : "", k->kept[i].layer,
                                k->kept[i].head);
    }
    if (k->n_kept > NAMED)
        glim__buffer_puts(names, ", \xe2\x80\xa6");
    glim__html_percent(glim__html_arg(p), tail);
    glim__buffer_printf(glim__html_arg(p), "%d", 1 << k->level);
    glim__html_say(p, "p class=\"note\" id=\"glim-kept\"", "heads.told");
}

void glim__html_attention(html_page *p) {
    const glim_document *d = p->d;
    size_t most = d->n_rows > d->input.n_units ? d->n_rows : d->input.n_units, by = 1;
    bool clipped;
    if (most > POOLED)
        by = (most + POOLED - 1) / POOLED;
    double limit = glim__heat_limit(d, by, by, &clipped);
    glim__html_say(p, "h2 id=\"glim-heat-name\"", "attention.map");
    put_legend(p, limit, by, clipped);
    if (most && most <= TABLE)
        put_table(p, limit);
    else if (most)
        put_shapes(p, limit, by);
    put_heads(p);
    put_kept(p);
}
