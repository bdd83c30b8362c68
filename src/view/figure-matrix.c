/* SPDX-License-Identifier: Apache-2.0 */
/* Every explained row down and every unit across: which of them mattered for which token. */
#include "view/sheet-parts.h"

#include <string.h>

struct matrix {
    const html_page *page;
    const glim_document *d;
    size_t *units; /* the columns: what is scored */
    double limit;
};

static double score_of(const struct matrix *m, size_t r, size_t c) {
    return m->d->scores[r * m->d->input.n_units + m->units[c]];
}

static double value(void *data, size_t r, size_t c, size_t by_row, size_t by_column) {
    const struct matrix *m = data;
    double sum = 0;
    size_t n = 0;
    size_t columns = 0;
    while (m->units[columns] != SIZE_MAX)
        columns++;
    for (size_t i = r; i < r + by_row && i < m->d->n_rows; i++)
        for (size_t k = c; k < c + by_column && k < columns; k++)
            if (isfinite(score_of(m, i, k))) {
                sum += score_of(m, i, k);
                n++;
            }
    return n ? sum / (double)n : NAN;
}

static bool hatched(void *data, size_t r, size_t c) {
    const struct matrix *m = data;
    return glim__html_later(m->page, r, m->units[c]);
}

static int step(void *data, double x) {
    const struct matrix *m = data;
    return m->d->method.is_signed ? glim__step(x, m->limit) : glim__amount(x, m->limit);
}

static const char *row_name(void *data, sheet *t, size_t r) {
    const struct matrix *m = data;
    glim__html_row(&t->page, &t->markup, &m->d->rows[r], HTML_LABEL);
    return sheet_taken(t);
}

static const char *column_name(void *data, sheet *t, size_t c) {
    const struct matrix *m = data;
    const glim_document_unit *u = &m->d->input.units[m->units[c]];
    return sheet_label(t, u->text, u->text_len, HTML_LABEL);
}

static const char *side(void *data, sheet *t, size_t r) {
    const struct matrix *m = data;
    return isfinite(m->d->rows[r].prob) ? sheet_share(t, m->d->rows[r].prob) : "";
}

static const char *text(void *data, sheet *t, size_t r, size_t c) {
    const struct matrix *m = data;
    return sheet_value(t, score_of(m, r, c), m->limit, m->d->method.is_signed);
}

static void put_legend(sheet *t, const struct matrix *m, const sheet_heat *h) {
    const glim_document *d = m->d;
    size_t n[2] = {0, 0};
    static const char *const keys[] = {"legend.missing", "legend.none"};
    static const sheet_mark marks[] = {SHEET_CROSS, SHEET_HATCH};
    for (size_t r = 0; r < d->n_rows; r++)
        for (size_t c = 0; c < h->columns; c++)
            if (!isfinite(score_of(m, r, c)))
                n[hatched((void *)m, r, c)]++;
    sheet_legend(t);
    sheet_signed_scale(t, d->method.is_signed, m->limit);
    sheet_key(t, SHEET_BARE, sheet_word(t, "legend.cells"));
    for (int i = 0; i < 2; i++)
        if (n[i]) {
            glim__buffer_printf(glim__html_arg(&t->page), "%zu", n[i]);
            sheet_key(t, marks[i], sheet_word(t, keys[i]));
        }
    if (h->by_row > 1 || h->by_column > 1) {
        glim__buffer_printf(glim__html_arg(&t->page), "%zu", h->by_row);
        glim__buffer_printf(glim__html_arg(&t->page), "%zu", h->by_column);
        sheet_key(t, SHEET_BARE, sheet_word(t, "figure.pooled"));
    }
    sheet_legend_end(t);
}

void glim__figure_matrix(sheet *t) {
    enum { NUMBERED = 12 };
    const glim_document *d = t->page.d;
    size_t U = d->input.n_units, n = 0;
    if (!d->rows || !d->n_rows || !sheet_enter(t, "matrix"))
        return;
    size_t *units = glim__calloc(d->ctx, U + 1, sizeof *units);
    struct matrix m = {&t->page, d, units, glim__html_largest(d->scores, d->n_rows * U)};
    t->s.body.failed = t->s.body.failed || !units;
    for (size_t u = 0; u < U && units; u++)
        if (!d->input.units[u].fixed)
            units[n++] = u;
    if (units) {
        units[n] = SIZE_MAX;
        sheet_heat h = {.rows = d->n_rows,
                        .columns = n,
                        .data = &m,
                        .both = d->method.is_signed,
                        .value = value,
                        .hatched = hatched,
                        .step = step,
                        .row = row_name,
                        .column = column_name,
                        .side = side,
                        .text = n <= NUMBERED ? text : NULL};
        sheet_heading(t, sheet_word(t, "matrix"));
        sheet_heat_pool(t, &h);
        sheet_heat_draw(t, &h);
        put_legend(t, &m, &h);
    }
    glim__free(d->ctx, units);
    sheet_leave(t);
}
