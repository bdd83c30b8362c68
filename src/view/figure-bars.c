/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The strongest units, their sign, size and uncertainty, and what all the others have
 * together; and the same of sentences and turns, in reading order.
 */
#include "view/sheet-parts.h"

#include <string.h>

static const double WIDE = 1.96; /* standard errors to each side of a 95 % interval */

static const svg_font SMALL = {12, false, false, false};

/* ---- units ---- */

struct ranked {
    const glim_document *d;
    const struct html_rank *ranks;
    size_t n, shown;
    double rest;
};

static sheet_bar ranked_row(void *data, size_t i) {
    const struct ranked *b = data;
    if (i >= b->shown)
        return (sheet_bar){b->rest, 0, SIZE_MAX, true};
    size_t u = b->ranks[i].unit;
    double error = b->d->error && !b->d->rows && isfinite(b->d->error[u]) ? b->d->error[u] : 0;
    return (sheet_bar){b->ranks[i].score, WIDE * error, u, false};
}

static const char *ranked_label(void *data, sheet *t, size_t i) {
    const struct ranked *b = data;
    if (i < b->shown) {
        const glim_document_unit *u = &b->d->input.units[b->ranks[i].unit];
        if (b->d->input.unit && !strcmp(b->d->input.unit, "column"))
            glim__html_trimmed(&t->markup, u->text, u->text_len, 48); /* it stands for itself */
        else
            glim__html_plain(&t->markup, u->text, u->text_len, 48);
        return sheet_taken(t);
    }
    glim__buffer_printf(glim__html_arg(&t->page), "%zu", b->n - b->shown);
    return sheet_word(t, "ranks.rest");
}

void glim__figure_bars(sheet *t) {
    const glim_document *d = t->page.d;
    struct html_rank *ranks = glim__calloc(t->s.body.ctx, d->input.n_units + 1, sizeof *ranks);
    struct ranked b = {.d = d, .ranks = ranks};
    b.n = ranks ? glim__html_order(&t->page, t->page.scores, false, ranks) : 0;
    t->s.body.failed = t->s.body.failed || !ranks;
    if (b.n && sheet_enter(t, "bars")) {
        size_t top = t->o->top > 0 ? (size_t)t->o->top : HTML_BARS;
        bool errors = false;
        b.shown = b.n < top ? b.n : top;
        for (size_t i = b.shown; i < b.n; i++)
            b.rest += ranks[i].score;
        for (size_t i = 0; i < b.shown; i++)
            errors = errors || ranked_row(&b, i).error > 0;
        sheet_heading(t, sheet_word(t, "ranks"));
        sheet_bar_rows(t, &(sheet_bars){.n = b.shown + (b.n > b.shown),
                                        .data = &b,
                                        .row = ranked_row,
                                        .label = ranked_label,
                                        .limit = t->page.limit,
                                        .names = 0.36,
                                        .both = d->method.is_signed});
        if (errors)
            sheet_paragraph(t, SMALL, SHEET_GREY, 0, sheet_word(t, "figure.whiskers"));
        sheet_leave(t);
    }
    glim__free(t->s.body.ctx, ranks);
}

/* ---- levels ---- */

struct level {
    const glim_document *d;
    const glim_document_level *level;
    const glim_level_view *v;
};

static sheet_bar level_row(void *data, size_t i) {
    const struct level *l = data;
    double error = l->level->error && !l->d->rows ? l->level->error[l->v->group[i]] : 0;
    return (sheet_bar){l->v->score[i], isfinite(error) ? WIDE * error : 0, SIZE_MAX, false};
}

static const char *level_label(void *data, sheet *t, size_t i) {
    const struct level *l = data;
    const glim_document_group *g = &l->level->groups[l->v->group[i]];
    size_t end = g->end <= l->d->input.text_len ? g->end : l->d->input.text_len;
    if (l->d->input.n_turns && g->turn >= 0) {
        const char *role = glim__turn_name(l->d, g->turn);
        glim__html_plain(&t->markup, role, strlen(role), 16);
        glim__buffer_puts(&t->markup, ": ");
    }
    if (g->start < end)
        glim__html_trimmed(t->page.b, l->d->input.text + g->start, end - g->start, 90);
    return sheet_taken(t);
}

static void put_level(sheet *t, const glim_document_level *level, glim_level_view *v) {
    struct level l = {t->page.d, level, v};
    char name[32];
    double limit = 0;
    snprintf(name, sizeof name, "levels.%.16s", level->unit);
    sheet_heading(t, sheet_word(t, glim__html_has(name) ? name : "column.unit"));
    for (size_t i = 0; i < v->n; i++)
        limit = fmax(limit, fabs(v->score[i]));
    sheet_bar_rows(t, &(sheet_bars){.n = v->n,
                                    .data = &l,
                                    .row = level_row,
                                    .label = level_label,
                                    .limit = limit,
                                    .names = 0.55,
                                    .both = t->page.d->method.is_signed,
                                    .ragged = true});
    sheet_paragraph(t, SMALL, SHEET_GREY, 0, sheet_word(t, glim__html_level_rule(&t->page, level)));
    if (t->page.d->rows)
        sheet_paragraph(t, SMALL, SHEET_GREY, 0, sheet_word(t, "levels.written"));
}

void glim__figure_levels(sheet *t) {
    const glim_document *d = t->page.d;
    for (size_t k = d->n_levels; k-- > 0;) {
        glim_level_view v;
        if (!glim__level_shown(&d->levels[k]))
            continue;
        if (!glim__level_open(&v, d, &d->levels[k])) {
            t->s.body.failed = true;
            return;
        }
        if (v.n > 1 && sheet_enter(t, d->levels[k].unit)) {
            put_level(t, &d->levels[k], &v);
            sheet_leave(t);
        }
        glim__level_close(&v, d->ctx);
    }
}
