/* SPDX-License-Identifier: Apache-2.0 */
/* What the model says: bars of probabilities with the explained class marked; and the values of a
   row, each on the colour of its score, in the order of the scores. */
#include "view/sheet-parts.h"

#include <string.h>

static const svg_font SMALL = {12, false, false, false};

/* ---- classes ---- */

static sheet_bar class_row(void *data, size_t i) {
    const glim_document *d = data;
    bool other = i >= d->prediction.n_classes;
    return (sheet_bar){other ? d->prediction.other : d->prediction.classes[i].prob, 0, SIZE_MAX,
                       other};
}

static const char *class_label(void *data, sheet *t, size_t i) {
    const glim_document *d = data;
    if (i >= d->prediction.n_classes)
        return sheet_word(t, "prediction.other");
    const glim_document_class *c = &d->prediction.classes[i];
    glim__buffer_puts(&t->markup, glim__document_explains(d, c) ? "\xe2\x96\xb8 " : "");
    glim__html_plain(&t->markup, c->text, c->text_len, 48);
    return sheet_taken(t);
}

/* ---- a row ---- */

struct values {
    const glim_document *d;
    const html_page *page;
    const struct html_rank *ranks;
};

static const char *value_head(void *data, sheet *t, size_t c) {
    static const char *const keys[] = {"column.column", "column.value", "column.score"};
    return sheet_word(t, keys[c]);
}

static const char *value_cell(void *data, sheet *t, size_t r, size_t c) {
    const struct values *v = data;
    size_t u = v->ranks[r].unit;
    if (c == 2)
        return sheet_value(t, v->ranks[r].score, v->page->limit, v->d->method.is_signed);
    const char *s = c ? v->d->prediction.values[u] : v->d->prediction.columns[u];
    return sheet_label(t, s, strlen(s), 32);
}

static bool value_words(void *data, size_t c) {
    return c < 2;
}

static const glim_shade *value_shade(void *data, size_t r, size_t c) {
    const struct values *v = data;
    double x = v->ranks[r].score;
    bool both = v->d->method.is_signed;
    if (c != 1 || !(v->page->limit > 0))
        return NULL;
    return sheet_shade(both, both ? glim__step(x, v->page->limit)
                                  : (int)fmin(8, round(8 * fabs(x) / v->page->limit)));
}

static void put_values(sheet *t) {
    const glim_document *d = t->page.d;
    struct html_rank *ranks = glim__calloc(t->s.body.ctx, d->input.n_units + 1, sizeof *ranks);
    struct values v = {d, &t->page, ranks};
    t->s.body.failed = t->s.body.failed || !ranks;
    size_t n = ranks ? glim__html_order(&t->page, t->page.scores, false, ranks) : 0;
    if (n && sheet_enter(t, "values")) {
        sheet_heading(t, sheet_word(t, "prediction.row"));
        sheet_table_draw(t, &(sheet_table){.rows = n < GLIM_VALUES_SHOWN ? n : GLIM_VALUES_SHOWN,
                                           .columns = 3,
                                           .data = &v,
                                           .head = value_head,
                                           .cell = value_cell,
                                           .words = value_words,
                                           .shade = value_shade});
        if (n > GLIM_VALUES_SHOWN) {
            glim__buffer_printf(glim__html_arg(&t->page), "%zu", n - GLIM_VALUES_SHOWN);
            sheet_paragraph(t, SMALL, SHEET_GREY, 0, sheet_word(t, "prediction.more"));
        }
        sheet_leave(t);
    }
    glim__free(t->s.body.ctx, ranks);
}

void glim__figure_prediction(sheet *t) {
    const glim_document *d = t->page.d;
    if (d->prediction.n_classes && sheet_enter(t, "prediction")) {
        sheet_heading(t, sheet_word(t, "prediction"));
        sheet_bar_rows(t, &(sheet_bars){.n = d->prediction.n_classes + (d->prediction.other > 0),
                                        .data = (void *)d,
                                        .row = class_row,
                                        .label = class_label,
                                        .limit = 1,
                                        .names = 0.36,
                                        .share = true});
        sheet_paragraph(t, SMALL, SHEET_GREY, 0, sheet_word(t, "prediction.mark"));
        sheet_leave(t);
    }
    if (d->prediction.values)
        put_values(t);
}
