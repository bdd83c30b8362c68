/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who looks at whom, with the links that were read off and those that are right; and what
 * each head does, a map of layers by heads for each share.
 */
#include "view/page.h"
#include "view/sheet-parts.h"

#include <math.h>
#include <string.h>

enum { NUMBERED = 24 };

struct map {
    const glim_document *d;
    double limit;
};

static double value(void *data, size_t r, size_t u, size_t by_row, size_t by_column) {
    const struct map *m = data;
    return glim__heat_pooled(m->d, r, u, by_row, by_column);
}

static bool hatched(void *data, size_t r, size_t u) {
    return true; /* what a row cannot see */
}

static int step(void *data, double x) {
    const struct map *m = data;
    return glim__amount(x, m->limit);
}

static int marks(void *data, size_t r, size_t u) {
    const struct map *m = data;
    const glim_document_links *l = &m->d->links;
    bool sure = false, one, found = glim__html_linked(l->found, l->n_found, r, u, &one);
    bool gold = glim__html_linked(l->gold, l->n_gold, r, u, &sure);
    double x = m->d->scores[r * m->d->input.n_units + u];
    return (found ? HEAT_DOT : 0) | (gold ? sure ? HEAT_FRAMED : HEAT_DASHED : 0) |
           (isfinite(x) && x > m->limit * (1 + 1e-9) ? HEAT_NOTCHED : 0);
}

static const char *name(sheet *t, size_t i, size_t n, const char *s, size_t len) {
    if (n > 64)
        glim__buffer_printf(&t->markup, "%zu ", i);
    glim__html_trimmed(&t->markup, s, len, HTML_LABEL);
    return sheet_taken(t);
}

static const char *row_name(void *data, sheet *t, size_t i) {
    const struct map *m = data;
    return name(t, i, m->d->n_rows, m->d->rows[i].text, m->d->rows[i].text_len);
}

static const char *column_name(void *data, sheet *t, size_t i) {
    const struct map *m = data;
    const glim_document_unit *u = &m->d->input.units[i];
    return name(t, i, m->d->input.n_units, u->text, u->text_len);
}

static const char *text(void *data, sheet *t, size_t r, size_t u) {
    const struct map *m = data;
    glim__buffer_printf(&t->markup, "%.0f", 100 * m->d->scores[r * m->d->input.n_units + u]);
    return sheet_taken(t);
}

static void put_legend(sheet *t, const struct map *m, const sheet_heat *h, bool clipped) {
    const glim_document *d = m->d;
    size_t absent = 0;
    for (size_t i = 0; i < d->n_rows * d->input.n_units; i++)
        absent += !isfinite(d->scores[i]);
    sheet_legend(t);
    sheet_signed_scale(t, false, m->limit);
    if (absent) {
        glim__buffer_printf(glim__html_arg(&t->page), "%zu", absent);
        sheet_key(t, SHEET_HATCH, sheet_word(t, "legend.none"));
    }
    if (clipped)
        sheet_key(t, SHEET_NOTCH, sheet_word(t, "attention.clipped"));
    if (h->by_row > 1) {
        glim__buffer_printf(glim__html_arg(&t->page), "%zu", h->by_row);
        sheet_key(t, SHEET_BARE, sheet_word(t, "attention.pooled"));
    }
    if (d->links.rule)
        sheet_key(t, SHEET_BARE, sheet_word(t, "links.mark"));
    if (d->links.has_gold)
        sheet_key(t, SHEET_BARE, sheet_word(t, "links.frames"));
    sheet_legend_end(t);
}

/* The two strongest cells in words. */
static void say(sheet *t, const glim_document *d) {
    size_t U = d->input.n_units, best[2] = {SIZE_MAX, SIZE_MAX};
    for (size_t i = 0; i < d->n_rows * U; i++) {
        if (!isfinite(d->scores[i]))
            continue;
        if (best[0] == SIZE_MAX || d->scores[i] > d->scores[best[0]]) {
            best[1] = best[0];
            best[0] = i;
        } else if (best[1] == SIZE_MAX || d->scores[i] > d->scores[best[1]]) {
            best[1] = i;
        }
    }
    for (int k = 0; k < 2 && best[k] != SIZE_MAX; k++) {
        const glim_document_row *row = &d->rows[best[k] / U];
        const glim_document_unit *unit = &d->input.units[best[k] % U];
        glim__html_percent(glim__html_arg(&t->page), d->scores[best[k]]);
        glim__html_quote(glim__html_arg(&t->page), row->text, row->text_len, HTML_LABEL);
        glim__html_quote(glim__html_arg(&t->page), unit->text, unit->text_len, HTML_LABEL);
        sheet_alt(t, sheet_word(t, k ? "panel.say.then" : "panel.say.top"));
    }
}

static void put_map(sheet *t) {
    const glim_document *d = t->page.d;
    struct map m = {d, 0};
    bool clipped;
    sheet_heat h = {.rows = d->n_rows,
                    .columns = d->input.n_units,
                    .data = &m,
                    .value = value,
                    .hatched = hatched,
                    .step = step,
                    .marks = marks,
                    .row = row_name,
                    .column = column_name,
                    .text = d->input.n_units <= NUMBERED ? text : NULL};
    sheet_heat_pool(t, &h);
    h.by_row = h.by_column = h.by_row > h.by_column ? h.by_row : h.by_column;
    m.limit = glim__heat_limit(d, h.by_row, h.by_column, &clipped);
    if (h.by_row > 1)
        h.marks = NULL;
    sheet_heading(t, sheet_word(t, "attention.map"));
    sheet_heat_draw(t, &h);
    put_legend(t, &m, &h, clipped);
    say(t, d);
}

/* ---- heads ---- */

struct heads {
    const glim_document_attention *a;
    size_t share; /* which number */
};

static const char *const shares[] = {"heads.previous", "heads.first", "heads.self",
                                     "heads.induction"};

static const glim_document_head *find(const glim_document_attention *a, size_t layer, size_t head) {
    size_t i = layer * (size_t)a->heads + head;
    if (i < a->n_stats && (size_t)a->stats[i].layer == layer && (size_t)a->stats[i].head == head)
        return &a->stats[i];
    for (i = 0; i < a->n_stats; i++)
        if ((size_t)a->stats[i].layer == layer && (size_t)a->stats[i].head == head)
            return &a->stats[i];
    return NULL;
}

static double head_value(void *data, size_t r, size_t c, size_t by_row, size_t by_column) {
    const struct heads *s = data;
    const glim_document_head *h = find(s->a, r, c);
    if (!h)
        return NAN;
    const double all[] = {h->previous, h->first, h->self, h->induction};
    return all[s->share];
}

static int head_step(void *data, double x) {
    return glim__amount(x, 1);
}

static const char *layer_name(void *data, sheet *t, size_t i) {
    glim__buffer_printf(&t->markup, "L%zu", i);
    return sheet_taken(t);
}

static const char *head_name(void *data, sheet *t, size_t i) {
    glim__buffer_printf(&t->markup, "H%zu", i);
    return sheet_taken(t);
}

static const char *head_text(void *data, sheet *t, size_t r, size_t c) {
    glim__buffer_printf(&t->markup, "%.0f", 100 * head_value(data, r, c, 1, 1));
    return sheet_taken(t);
}

static bool is_told(struct heads *s) {
    for (size_t i = 0; i < s->a->n_stats; i++)
        if (isfinite(
                head_value(s, (size_t)s->a->stats[i].layer, (size_t)s->a->stats[i].head, 1, 1)))
            return true;
    return false;
}

/* Two maps beside each other. */
static void put_heads(sheet *t) {
    const glim_document_attention *a = &t->page.d->attention;
    double left = t->left, right = t->right, middle = (left + right) / 2;
    bool beside = right - left > 400;
    char name[128];
    glim__buffer_printf(glim__html_arg(&t->page), "%zu", a->n_stats);
    glim__buffer_printf(glim__html_arg(&t->page), "%zu", a->n_stats);
    sheet_heading(t, sheet_word(t, "heads"));
    double top = t->y, end = top;
    size_t drawn = 0;
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        struct heads s = {a, i};
        if (!is_told(&s))
            continue;
        if (beside) {
            t->left = drawn % 2 ? middle + 8 : left;
            t->right = drawn % 2 ? right : middle - 8;
            t->y = top;
        }
        snprintf(name, sizeof name, "%s", sheet_word(t, shares[i]));
        sheet_paragraph(t, (svg_font){12, true}, SHEET_INK, 0, name);
        sheet_heat h = {.rows = (size_t)a->layers,
                        .columns = (size_t)a->heads,
                        .data = &s,
                        .value = head_value,
                        .step = head_step,
                        .row = layer_name,
                        .column = head_name,
                        .text = a->heads <= (beside ? 9 : 16) && a->layers <= 16 ? head_text : NULL,
                        .by_row = 1,
                        .by_column = 1};
        sheet_heat_draw(t, &h);
        sheet_gap(t, 6);
        end = fmax(end, t->y);
        if (beside && drawn++ % 2)
            top = end;
    }
    t->left = left;
    t->right = right;
    t->y = end;
    char full[40], none[40];
    snprintf(none, sizeof none, "%s", sheet_share(t, 0));
    snprintf(full, sizeof full, "%s", sheet_share(t, 1));
    sheet_legend(t);
    sheet_scale(t, false, "", none, "", full, "");
    sheet_legend_end(t);
}

void glim__figure_attention(sheet *t) {
    const glim_document *d = t->page.d;
    if (d->n_rows && d->input.n_units && sheet_enter(t, "attention")) {
        put_map(t);
        sheet_leave(t);
    }
    if (d->attention.n_stats && d->attention.layers > 0 && d->attention.heads > 0 &&
        d->attention.heads <= 256 && d->attention.layers <= 256 && sheet_enter(t, "heads")) {
        put_heads(t);
        sheet_leave(t);
    }
}
