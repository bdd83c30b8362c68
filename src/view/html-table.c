/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The numbers as tables: the ranked list with bars, and every number. A matrix
 * of more than HTML_CELLS numbers shows the strongest units of each row instead
 * and says so: a page with a quarter of a million cells is no page any more.
 */
#include "view/html-page.h"

#include <stdlib.h>

enum { STRONGEST = 5, BAR = 160 };

static int by_size(const void *a, const void *b) {
    const struct html_rank *x = a, *y = b;
    double p = fabs(x->score), q = fabs(y->score);
    if (p != q)
        return p < q ? 1 : -1;
    return x->unit < y->unit ? -1 : x->unit > y->unit;
}

size_t glim__html_order(const html_page *p, const double *scores, bool written,
                        struct html_rank *out) {
    size_t n = 0;
    for (size_t u = 0; u < p->d->input.n_units; u++)
        if (isfinite(scores[u]) &&
            (written ? !p->d->input.units[u].fixed : glim__html_counts(p, u)))
            out[n++] = (struct html_rank){u, scores[u]};
    qsort(out, n, sizeof *out, by_size);
    return n;
}

void glim__html_head(html_page *p, const char *const *keys) {
    glim__buffer_puts(p->b, "<thead><tr>");
    for (; *keys; keys++) {
        glim__buffer_puts(p->b, "<th scope=\"col\">");
        glim__html_term(p, p->b, *keys);
        glim__buffer_puts(p->b, "</th>");
    }
    glim__buffer_puts(p->b, "</tr></thead>\n");
}

void glim__html_number_cell(html_page *p, double x, bool is_signed) {
    glim__buffer_puts(p->b, "<td>");
    glim__html_number(p->b, x, p->limit, is_signed);
    glim__buffer_puts(p->b, "</td>");
}

static void name_cell(html_page *p, size_t u) {
    const glim_document_unit *unit = &p->d->input.units[u];
    glim__buffer_puts(p->b, "<th scope=\"row\">");
    glim__html_label(p->b, unit->text, unit->text_len, HTML_LABEL);
    glim__buffer_puts(p->b, "</th>");
}

/* From the middle to both sides when some score is negative. */
void glim__html_bar_cell(html_page *p, double x, bool both) {
    double room = both ? BAR / 2 : BAR;
    double width = p->limit > 0 ? room * fabs(x) / p->limit : 0;
    double zero = both ? BAR / 2 : 0;
    glim__buffer_printf(p->b,
                        "<td class=\"size\"><svg width=\"%d\" height=\"12\" aria-hidden=\"true\">"
                        "<rect class=\"%s\" x=\"%.1f\" width=\"%.1f\" height=\"12\"/><path "
                        "d=\"M%.1f 0v12\"/></svg></td>",
                        BAR,
                        !p->d->method.is_signed ? "amount"
                        : x < 0                 ? "minus"
                                                : "plus",
                        x < 0 ? zero - width : zero, width, zero);
}

struct whole {
    double sizes;      /* sum of absolute scores */
    bool both, errors; /* some score is negative; standard errors are there */
};

static void unit_row(html_page *p, struct html_rank r, size_t rank, struct whole w) {
    glim__buffer_printf(p->b, "<tr data-u=\"%zu\"><td>%zu</td>", r.unit, rank);
    name_cell(p, r.unit);
    glim__html_number_cell(p, r.score, p->d->method.is_signed);
    if (w.errors)
        glim__html_number_cell(p, p->d->error[r.unit], false);
    glim__buffer_puts(p->b, "<td>");
    glim__html_percent(p->b, w.sizes > 0 ? fabs(r.score) / w.sizes : 0);
    glim__buffer_puts(p->b, "</td>");
    glim__html_bar_cell(p, r.score, w.both);
    glim__buffer_puts(p->b, "</tr>\n");
}

static void put_ranks(html_page *p, const struct html_rank *ranks, size_t n) {
    const char *keys[] = {
        "column.rank", "column.unit", "column.score", "column.error", "column.share",
        "column.bar",  NULL};
    struct whole w = {.errors = p->d->error && !p->d->rows};
    size_t rank = 1;
    double rest = 0;
    for (size_t i = 0; i < n; i++) {
        w.sizes += fabs(ranks[i].score);
        w.both = w.both || ranks[i].score < 0;
    }
    if (!w.errors)
        memmove(keys + 3, keys + 4, 3 * sizeof *keys);
    glim__buffer_puts(p->b, "<section>");
    glim__html_say(p, "h2", "ranks");
    glim__buffer_puts(
        p->b, "\n<div class=\"scroll\" tabindex=\"0\"><table class=\"ranks\" id=\"glim-ranks\">");
    glim__html_head(p, keys);
    glim__buffer_puts(p->b, "<tbody>");
    for (size_t i = 0; i < n && i < HTML_BARS; i++) {
        if (i && fabs(ranks[i].score) != fabs(ranks[i - 1].score))
            rank = i + 1; /* equal numbers share a rank */
        unit_row(p, ranks[i], rank, w);
    }
    for (size_t i = HTML_BARS; i < n; i++)
        rest += ranks[i].score;
    if (n > HTML_BARS) {
        glim__buffer_puts(p->b, "<tr class=\"rest\"><td></td>");
        glim__buffer_printf(glim__html_arg(p), "%zu", n - HTML_BARS);
        glim__html_say(p, "th scope=\"row\"", "ranks.rest");
        glim__html_number_cell(p, rest, p->d->method.is_signed);
        glim__buffer_puts(p->b, w.errors ? "<td></td><td></td><td></td>" : "<td></td><td></td>");
        glim__buffer_puts(p->b, "</tr>\n");
    }
    glim__buffer_puts(p->b, "</tbody></table></div></section>\n");
}

/* ---- every number ---- */

static void put_units(html_page *p) {
    const glim_document *d = p->d;
    const char *keys[] = {"column.unit", "column.score", d->error ? "column.error" : NULL, NULL};
    glim__html_head(p, keys);
    glim__buffer_puts(p->b, "<tbody>");
    for (size_t u = 0; u < d->input.n_units; u++) {
        if (d->input.units[u].fixed && !isfinite(d->scores[u]))
            continue;
        glim__buffer_printf(p->b, "<tr data-u=\"%zu\">", u);
        name_cell(p, u);
        glim__html_number_cell(p, d->scores[u], d->method.is_signed);
        if (d->error)
            glim__html_number_cell(p, d->error[u], false);
        glim__buffer_puts(p->b, "</tr>\n");
    }
    glim__buffer_puts(p->b, "</tbody>");
}

static void row_head(html_page *p, size_t r) {
    const glim_document_row *row = &p->d->rows[r];
    glim__buffer_printf(p->b, "<tr data-r=\"%zu\"><th scope=\"row\">", r);
    glim__html_row(p, p->b, row, HTML_LABEL);
    glim__buffer_puts(p->b, "</th><td>");
    if (isfinite(row->prob))
        glim__html_percent(p->b, row->prob);
    glim__buffer_puts(p->b, "</td>");
}

static void put_matrix(html_page *p, double limit) {
    const glim_document *d = p->d;
    size_t U = d->input.n_units;
    glim__buffer_puts(p->b, "<thead><tr><th scope=\"col\">");
    glim__html_term(p, p->b, "column.row");
    glim__buffer_puts(p->b, "</th><th scope=\"col\">");
    glim__html_term(p, p->b, "column.prob");
    for (size_t u = 0; u < U; u++)
        if (!d->input.units[u].fixed) {
            glim__buffer_puts(p->b, "</th><th scope=\"col\">");
            glim__html_label(p->b, d->input.units[u].text, d->input.units[u].text_len, HTML_LABEL);
        }
    glim__buffer_puts(p->b, "</th></tr></thead>\n<tbody>");
    for (size_t r = 0; r < d->n_rows; r++) {
        row_head(p, r);
        for (size_t u = 0; u < U; u++) {
            double x = d->scores[r * U + u];
            if (d->input.units[u].fixed)
                continue;
            glim__buffer_puts(p->b, "<td data-c=\"");
            glim__html_plain(p->b, d->input.units[u].text, d->input.units[u].text_len, HTML_LABEL);
            glim__buffer_puts(p->b, "\" class=\"");
            glim__html_shade(p->b, p, x, limit, d->error ? d->error[r * U + u] : NAN, r, u);
            glim__buffer_puts(p->b, "\">");
            if (isfinite(x) || !glim__html_later(p, r, u))
                glim__html_number(p->b, x, limit, d->method.is_signed);
            glim__buffer_puts(p->b, "</td>");
        }
        glim__buffer_puts(p->b, "</tr>\n");
    }
    glim__buffer_puts(p->b, "</tbody>");
}

static void put_strongest(html_page *p, struct html_rank *ranks, double limit) {
    const glim_document *d = p->d;
    glim__buffer_puts(p->b, "<tbody>");
    for (size_t r = 0; r < d->n_rows; r++) {
        size_t n = glim__html_order(p, d->scores + r * d->input.n_units, true, ranks);
        row_head(p, r);
        for (size_t i = 0; i < n && i < STRONGEST; i++) {
            const glim_document_unit *u = &d->input.units[ranks[i].unit];
            glim__buffer_puts(p->b, "<td class=\"");
            glim__html_shade(p->b, p, ranks[i].score, limit, NAN, r, ranks[i].unit);
            glim__buffer_puts(p->b, "\">");
            glim__html_label(p->b, u->text, u->text_len, 12);
            glim__buffer_putc(p->b, ' ');
            glim__html_number(p->b, ranks[i].score, limit, d->method.is_signed);
            glim__buffer_puts(p->b, "</td>");
        }
        glim__buffer_puts(p->b, "</tr>\n");
    }
    glim__buffer_puts(p->b, "</tbody>");
}

/* What the cells without a number are. */
static void put_absent(html_page *p) {
    size_t U = p->d->input.n_units, n[2] = {0, 0};
    for (size_t i = 0; i < p->d->n_rows * U; i++)
        if (!isfinite(p->d->scores[i]) && !p->d->input.units[i % U].fixed)
            n[glim__html_later(p, i / U, i % U)]++;
    glim__html_key(p, "nil", "legend.none", n[1]);
    glim__html_key(p, "x", "legend.missing", n[0]);
}

static void open_details(html_page *p, bool open) {
    glim__buffer_printf(p->b, "<details class=\"numbers\" id=\"glim-table\"%s><summary>",
                        open ? " open" : "");
}

static void put_all(html_page *p, struct html_rank *ranks, size_t scored) {
    const glim_document *d = p->d;
    size_t cells = scored * d->n_rows;
    double limit = glim__html_largest(d->scores, d->n_rows * d->input.n_units);
    bool whole = !d->rows || cells <= HTML_CELLS;
    open_details(p, d->rows && cells <= HTML_CELLS / 4);
    if (!whole) {
        glim__buffer_printf(glim__html_arg(p), "%d", STRONGEST);
        glim__buffer_printf(glim__html_arg(p), "%zu", scored);
    }
    glim__html_say(p, "span", !d->rows ? "table" : whole ? "table.matrix" : "table.strongest");
    glim__buffer_puts(p->b, "</summary>");
    if (d->rows) {
        glim__buffer_puts(p->b, "<p class=\"legend\">");
        glim__html_scale(p, limit);
        glim__buffer_puts(p->b, "<span class=\"keys\">");
        glim__html_say(p, "span", "legend.cells");
        put_absent(p);
        glim__buffer_puts(p->b, "</span></p>");
    }
    glim__buffer_puts(p->b, "<div class=\"scroll\" tabindex=\"0\">");
    glim__buffer_puts(p->b, d->rows && whole ? "<table class=\"matrix-table\">" : "<table>");
    if (!d->rows)
        put_units(p);
    else if (whole)
        put_matrix(p, limit);
    else
        put_strongest(p, ranks, limit);
    glim__buffer_puts(p->b, "</table></div>");
    if (!whole) {
        glim__buffer_printf(glim__html_arg(p), "%zu", d->n_rows);
        glim__buffer_printf(glim__html_arg(p), "%zu", scored);
        glim__html_say(p, "p class=\"note\"", "table.csv");
    }
    glim__buffer_puts(p->b, "</details>\n");
}

void glim__html_tables(html_page *p) {
    struct html_rank *ranks = glim__calloc(p->b->ctx, p->d->input.n_units + 1, sizeof *ranks);
    size_t n = ranks ? glim__html_order(p, p->scores, false, ranks) : 0, scored = 0;
    p->b->failed = p->b->failed || !ranks;
    for (size_t u = 0; u < p->d->input.n_units; u++)
        scored += !p->d->input.units[u].fixed;
    if (n)
        put_ranks(p, ranks, n);
    if (ranks && scored)
        put_all(p, ranks, scored);
    glim__free(p->b->ctx, ranks);
}
