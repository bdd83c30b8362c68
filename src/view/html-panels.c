/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Panels in the report: each a section with its title, its picture, a legend and what must
 * not be read from it. They are whole without a script. Titles, axes and heads of columns
 * are told in the page's language where there are words for them; tokens never are.
 */
#include "view/html-panel.h"

enum { MOST_ROWS = 1000, INPUT = 600 };

/* ---- numbers ---- */

void glim__html_panel_number(const html_panel *m, glim_buffer *b, double x, bool brief) {
    glim_panel_scale scale = m->panel->scale;
    if (!isfinite(x))
        glim__buffer_puts(b, "\xc3\x97");
    else if (scale == GLIM_SCALE_SHARE && fabs(x) < 1e4)
        glim__buffer_printf(b, "%s%.*f%s", x < 0 ? "\xe2\x88\x92" : "", brief ? 0 : 1,
                            100 * fabs(x), brief ? "" : "\xc2\xa0%");
    else if (scale == GLIM_SCALE_RANK && fabs(x) < 1e9)
        glim__buffer_printf(b, x == floor(x) ? "%.0f" : "%.1f", x);
    else if (brief && m->range.limit >= 0.1 && fabs(x) < 0.995) /* as much as a cell has room for */
        glim__buffer_printf(b, "%s%.2f",
                            fabs(x) < 0.005      ? ""
                            : x < 0              ? "\xe2\x88\x92"
                            : m->range.is_signed ? "+"
                                                 : "",
                            fabs(x));
    else
        glim__html_number(b, x, m->range.limit, m->range.is_signed);
}

void glim__html_panel_interval(const html_panel *m, glim_buffer *b, size_t i) {
    const glim_panel *panel = m->panel;
    if (!panel->low || !panel->high || !isfinite(panel->low[i]) || !isfinite(panel->high[i]))
        return;
    glim__buffer_puts(b, " (");
    glim__html_panel_number(m, b, panel->low[i], false);
    glim__buffer_puts(b, " \xe2\x80\xa6 ");
    glim__html_panel_number(m, b, panel->high[i], false);
    glim__buffer_putc(b, ')');
}

void glim__html_panel_class(const html_panel *m, glim_buffer *b, double x) {
    int step = glim__panel_step(m->panel, &m->range, x);
    if (!isfinite(x))
        glim__buffer_putc(b, 'x');
    else if (m->range.is_signed)
        glim__buffer_printf(b, "s%d", step + GLIM_STEPS);
    else
        glim__buffer_printf(b, "a%d", step);
    if (glim__panel_beyond(m->panel, x))
        glim__buffer_puts(b, " over");
}

/* ---- words ---- */

void glim__html_panel_word(html_page *p, const char *open, const char *name) {
    char key[48];
    snprintf(key, sizeof key, "axis.%.40s", name);
    if (*name)
        glim__html_told(p, open, key, name);
    else
        glim__buffer_printf(p->b, "<%s></%.*s>", open, (int)strcspn(open, " "), open);
}

void glim__html_panel_term(html_page *p, glim_buffer *b, const char *name) {
    char key[48];
    snprintf(key, sizeof key, "axis.%.40s", name);
    if (glim__html_has(key))
        glim__html_term(p, b, key);
    else
        glim__html_label(b, name, strlen(name), 40);
}

/* ---- legend ---- */

static void put_swatches(const html_panel *m, bool ranks) {
    glim_buffer *b = m->p->b;
    int last = m->range.is_signed ? 2 * GLIM_STEPS : GLIM_AMOUNTS;
    glim__buffer_puts(b, "<span class=\"swatches\">");
    for (int s = 0; s <= last; s++) {
        glim__buffer_printf(b, "<span class=\"w %c%d\">", m->range.is_signed ? 's' : 'a', s);
        if (s == last / 2 && m->range.is_signed)
            glim__buffer_putc(b, '0');
        else if (s == last / 2 && !ranks)
            glim__html_panel_number(m, b, m->range.limit / 2, true);
        glim__buffer_puts(b, "</span>");
    }
    glim__buffer_puts(b, "</span>");
}

static void put_key(const html_panel *m, const char *key) {
    glim__buffer_puts(m->p->b, "<span class=\"key\">");
    glim__html_say(m->p, "span", key);
    glim__buffer_puts(m->p->b, "</span> ");
}

void glim__html_panel_legend(const html_panel *m) {
    html_page *p = m->p;
    const glim_panel_range *r = &m->range;
    bool ranks = m->panel->scale == GLIM_SCALE_RANK;
    glim__buffer_puts(p->b, "<p class=\"legend\"><span class=\"scale\"><b class=\"least\">");
    glim__html_panel_number(m, p->b, ranks ? r->limit : r->is_signed ? -r->limit : 0, false);
    glim__buffer_puts(p->b, "</b> ");
    put_swatches(m, ranks);
    glim__buffer_puts(p->b, " <b class=\"most\">");
    glim__html_panel_number(m, p->b, ranks ? 1 : r->limit, false);
    glim__buffer_puts(p->b, "</b></span> <span class=\"keys\">");
    if (m->panel->unit) {
        glim__html_panel_term(p, glim__html_arg(p), m->panel->unit);
        put_key(m, "panel.unit");
    }
    if (ranks)
        put_key(m, "panel.rank");
    if (m->panel->scale == GLIM_SCALE_EFFECT) {
        put_key(m, "panel.zero");
        put_key(m, "panel.one");
    }
    glim__html_key(p, "marked", "panel.marked", r->marked);
    glim__html_key(p, "s10 over", "panel.beyond", r->beyond);
    glim__html_key(p, "s7 h", "legend.hollow", r->unsure);
    glim__html_key(p, "x", "legend.missing", r->missing);
    glim__buffer_puts(p->b, "</span></p>\n");
}

void glim__html_panel_unfold(const html_panel *m, bool begin) {
    if (!begin) {
        glim__buffer_puts(m->p->b, "</table></div></details>\n");
        return;
    }
    glim__buffer_puts(m->p->b, "<details class=\"numbers\"><summary>");
    glim__html_say(m->p, "span", "panel.numbers");
    glim__buffer_puts(m->p->b, "</summary><div class=\"scroll\" tabindex=\"0\"><table>");
}

/* ---- tables ---- */

static void put_cell(const html_panel *m, const glim_panel_cell *cell, bool counts) {
    glim_buffer *b = m->p->b;
    if (cell->text) {
        glim__buffer_puts(b, "<td class=\"said\">");
        if (*cell->text)
            glim__html_label(b, cell->text, strlen(cell->text), 0);
    } else {
        glim__buffer_puts(b, "<td>");
        if (isfinite(cell->number) && counts)
            glim__buffer_printf(b, "%s%.0f", cell->number < 0 ? "\xe2\x88\x92" : "",
                                fabs(cell->number));
        else if (isfinite(cell->number))
            glim__html_panel_number(m, b, cell->number, false);
    }
    glim__buffer_puts(b, "</td>");
}

/* A head is to the left where its column has words. */
static bool has_words(const glim_panel *panel, size_t column) {
    for (size_t r = 0; r < panel->rows.n; r++)
        if (panel->cells[r * panel->columns.n + column].text)
            return true;
    return false;
}

static void put_table(const html_panel *m) {
    html_page *p = m->p;
    const glim_panel *panel = m->panel;
    bool named = glim__axis_named(&panel->rows);
    size_t rows = panel->rows.n < MOST_ROWS ? panel->rows.n : MOST_ROWS;
    bool *counts = glim__calloc(p->b->ctx, panel->columns.n + 1, sizeof *counts);
    if (!panel->columns.n || !counts) {
        p->b->failed = p->b->failed || !counts;
        glim__free(p->b->ctx, counts);
        return;
    }
    for (size_t c = 0; c < panel->columns.n; c++)
        counts[c] = glim__table_counts(panel, c);
    glim__buffer_puts(p->b, "<div class=\"scroll\" tabindex=\"0\"><table class=\"cells\"><thead>"
                            "<tr>");
    if (named)
        glim__html_panel_word(p, "td class=\"said\"", panel->rows.name ? panel->rows.name : "");
    for (size_t c = 0; c < panel->columns.n; c++)
        glim__html_panel_word(
            p, has_words(panel, c) ? "th scope=\"col\" class=\"said\"" : "th scope=\"col\"",
            glim__axis_label(&panel->columns, c));
    glim__buffer_puts(p->b, "</tr></thead>\n<tbody>");
    for (size_t r = 0; r < rows; r++) {
        glim__buffer_puts(p->b, "<tr>");
        if (named) {
            const char *label = glim__axis_label(&panel->rows, r);
            glim__buffer_puts(p->b, "<th scope=\"row\">");
            if (*label)
                glim__html_label(p->b, label, strlen(label), 0);
            glim__buffer_puts(p->b, "</th>");
        }
        for (size_t c = 0; c < panel->columns.n; c++)
            put_cell(m, &panel->cells[r * panel->columns.n + c], counts[c]);
        glim__buffer_puts(p->b, "</tr>\n");
    }
    glim__free(p->b->ctx, counts);
    glim__buffer_puts(p->b, "</tbody></table></div>\n");
    if (panel->rows.n > rows) {
        glim__buffer_printf(glim__html_arg(p), "%zu", panel->rows.n - rows);
        glim__html_say(p, "p class=\"note\"", "panel.more-rows");
    }
}

/* ---- a panel, and all ---- */

/* The key of a panel's words, if the interface has them. An attribution may have panels of the
   inside behind its scores: they keep the words that they have by themselves. */
static bool find_words(const html_panel *m, const char *end, char key[96]) {
    const char *const kinds[] = {m->p->d->kind, "lens", "patch"};
    size_t n = strncmp(m->p->d->kind, "attribution", 11) ? 1 : 3;
    for (size_t i = 0; i < n; i++) {
        snprintf(key, 96, "panel.%.24s.%.48s%s", kinds[i], m->panel->name, end);
        if (glim__html_has(key))
            return true;
    }
    return false;
}

/* By its own words, if the interface has them, or as the document says it. */
void glim__html_panel_title(const html_panel *m) {
    char key[96], open[48];
    snprintf(open, sizeof open, "h2 id=\"glim-panel-%zu-name\"", m->at);
    if (find_words(m, "", key))
        glim__html_say(m->p, open, key);
    else
        glim__html_told(m->p, open, NULL, m->panel->title);
}

static void put_panel(html_page *p, size_t at) {
    const glim_panel *panel = &p->d->panels[at];
    html_panel m = {p, panel, glim__panel_range(panel), p->panels + at};
    char key[96];
    glim__buffer_printf(p->b, "<section class=\"panel\" id=\"glim-panel-%zu\">", m.at);
    glim__html_panel_title(&m);
    glim__buffer_putc(p->b, '\n');
    if (panel->kind == GLIM_PANEL_TABLE)
        put_table(&m);
    else if (panel->kind == GLIM_PANEL_TEXTS)
        glim__html_texts(&m);
    else if (panel->kind == GLIM_PANEL_LINES)
        glim__html_lines(&m);
    else
        glim__html_grid(&m);
    if (panel->caption)
        glim__html_told(p, "p class=\"caption\"", find_words(&m, ".caption", key) ? key : NULL,
                        panel->caption);
    glim__buffer_puts(p->b, "</section>\n");
}

void glim__html_panels(html_page *p) {
    for (size_t i = 0; i < p->d->n_panels; i++)
        put_panel(p, i);
}

/* ---- the head of a report that has nothing else ---- */

void glim__html_panels_head(html_page *p) {
    const glim_document *d = p->d;
    char key[48];
    snprintf(key, sizeof key, "title.%.20s", d->kind);
    glim__html_say(p, "h1", key);
    if (d->target.text && d->target.text_len) {
        glim__html_quote(glim__html_arg(p), d->target.text, d->target.text_len, INPUT);
        if (d->target.against)
            glim__html_quote(glim__html_arg(p), d->target.against, d->target.against_len, INPUT);
        glim__html_say(p, "p class=\"target\"",
                       d->target.against ? "target.of-against" : "target.of");
    }
    if (isfinite(d->target.value) || isfinite(d->target.prob)) {
        glim__buffer_puts(p->b, "<p class=\"target\">");
        if (isfinite(d->target.value)) {
            snprintf(key, sizeof key, "output.%.20s", d->target.output ? d->target.output : "");
            glim__html_term(p, p->b, glim__html_has(key) ? key : "column.value");
            glim__buffer_putc(p->b, ' ');
            glim__html_number(p->b, d->target.value, 1, true);
        }
        if (isfinite(d->target.baseline_value)) {
            glim__html_number(glim__html_arg(p), d->target.baseline_value, 1, true);
            glim__html_say(p, "span", "target.baseline");
        }
        if (isfinite(d->target.prob)) {
            glim__buffer_putc(p->b, ' ');
            glim__html_percent(glim__html_arg(p), d->target.prob);
            glim__html_say(p, "span", "target.prob");
        }
        glim__buffer_puts(p->b, "</p>\n");
    }
    if (d->input.text && d->input.text_len) {
        glim__html_quote(glim__html_arg(p), d->input.text, d->input.text_len, INPUT);
        glim__html_say(p, "p class=\"target\"", "panels.input");
    }
}
