/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A document in the terminal: title, target, method, verdict, the text as a
 * strip of coloured units, a ranked list with bars, the sum. Nothing of a model
 * or an input is written raw; nothing is said by colour alone; no line is longer
 * than the width.
 */
#include "view/page.h"
#include "view/panels.h"
#include "view/width.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WIDEST = 120, NARROWEST = 20, TOP = 10, LABEL = 24, NUMBER = 8 };

static int columns(const char *s) {
    return glim__text_width(s, strlen(s), 1);
}

static void pad(glim_page *p, int from, int to) {
    for (; from < to; from++)
        glim__buffer_putc(&p->b, ' ');
}

/* ---- furniture ---- */

static void put_quoted(glim_page *p, const char *s, size_t n, int most) {
    glim__buffer_puts(&p->b, glim__page_pick(p, "\xe2\x80\x9c", "\""));
    glim__page_label(p, &p->b, s, n, most, 0);
    glim__buffer_puts(&p->b, glim__page_pick(p, "\xe2\x80\x9d", "\""));
}

/* "77.3 %", "<0.1 %". */
static void put_percent(glim_page *p, double share) {
    if (share > 0 && share < 0.0005)
        glim__buffer_puts(&p->b, "<0.1 %");
    else
        glim__buffer_printf(&p->b, "%.1f %%", 100 * share);
}

/* False: rows are of different targets (classes, rows of a table), which have no sum. */
static bool is_one(const glim_document *d) {
    return !d->rows || isfinite(d->target.value);
}

static void put_title(glim_page *p) {
    const glim_document *d = p->d;
    char value[32], base[32];
    glim_buffer page = p->b; /* the words first, then their lines */
    glim__buffer_init(&p->b, page.ctx);
    glim__buffer_puts(&p->b, "Why ");
    put_quoted(p, d->target.text, d->target.text_len, p->width / 3);
    if (d->target.against) {
        glim__buffer_puts(&p->b, " and not ");
        put_quoted(p, d->target.against, d->target.against_len, p->width / 4);
    }
    glim__buffer_printf(&p->b, ": %s\n", d->method.name);
    glim__buffer_printf(&p->b, "%s %s", d->target.against ? "difference," : "target",
                        d->target.output);
    if (is_one(d))
        glim__buffer_printf(&p->b, " %s", glim__page_number(p, value, d->target.value));
    else
        glim__buffer_printf(&p->b, " of each of %zu rows", d->n_rows);
    if (isfinite(d->target.baseline_value))
        glim__buffer_printf(&p->b, ", baseline %s",
                            glim__page_number(p, base, d->target.baseline_value));
    if (isfinite(d->target.prob)) {
        glim__buffer_puts(&p->b, ", probability ");
        put_percent(p, d->target.prob);
    }
    glim_buffer words = p->b;
    p->b = page;
    p->b.failed = p->b.failed || words.failed;
    glim__page_wrapped(p, words.data ? words.data : "");
    glim__buffer_release(&words);
}

static void put_verdict(glim_page *p) {
    static const char *const words[] = {"ok", "careful", "do not trust"};
    char text[640];
    const glim_document *d = p->d;
    const char *mark = d->verdict == GLIM_VERDICT_OK ? glim__page_pick(p, "\xe2\x9c\x93", "[ok]")
                       : d->verdict == GLIM_VERDICT_CAREFUL
                           ? glim__page_pick(p, "\xe2\x96\xb2", "[!]")
                           : glim__page_pick(p, "\xe2\x9c\x96", "[x]");
    snprintf(text, sizeof text, "%s %s%s%s", mark, words[d->verdict],
             *d->verdict_reason ? ": " : "", d->verdict_reason);
    glim__page_wrapped(p, text);
}

static double largest(const double *x, size_t n) {
    double most = 0;
    for (size_t i = 0; i < n; i++)
        if (isfinite(x[i]) && fabs(x[i]) > most)
            most = fabs(x[i]);
    return most;
}

/* What scores are in, for people. */
static const char *unit_of(const glim_document *d) {
    if (!d->method.unit)
        return d->target.output;
    return strcmp(d->method.unit, "share") != 0 ? "" : "share";
}

/* Both ends and the middle of the scale, as colours or as the tenths of the marks;
   and how many units have no score. */
static void put_legend(glim_page *p, const double *scores, double limit) {
    const glim_document *d = p->d;
    char a[32], b[32], text[200];
    size_t missing = 0;
    for (size_t u = 0; u < d->input.n_units; u++)
        missing += !d->input.units[u].fixed && !isfinite(scores[u]) && !d->input.units[u].generated;
    const char *low = d->method.is_signed ? glim__page_number(p, a, -limit) : "0";
    const char *high = glim__page_score(p, b, limit);
    int used = columns(low) + columns(high) + 5,
        steps = d->method.is_signed ? 2 * GLIM_STEPS : GLIM_AMOUNTS;
    const char *unit = unit_of(d);
    int name = columns(unit) + 1;
    int cell = used + 2 * steps + (name < 12 ? name : 12) > p->width ? 1 : 2;
    if (limit > 0 && p->o->color != GLIM_COLOR_NONE && used + steps <= p->width) {
        glim__page_swatches(p, d->method.is_signed, cell, used, low, high, unit);
    } else if (limit > 0 && p->o->color == GLIM_COLOR_NONE && !p->o->numbers) {
        bool share = d->method.unit && *unit;
        snprintf(text, sizeof text, "9 is %s%s%s%.40s, %s rounds to 0", share ? "a share of " : "",
                 high + (*high == '+'), *unit && !share ? " " : "", share ? "" : unit,
                 glim__page_pick(p, "\xc2\xb7", "."));
        glim__page_wrapped(p, text);
    }
    if (missing) {
        snprintf(text, sizeof text, "%zu of %zu units have no score", missing, d->input.n_units);
        glim__page_wrapped(p, text);
    }
}

/* ---- ranked list ---- */

struct rank {
    size_t unit;
    double score;
};

static int by_size(const void *a, const void *b) {
    const struct rank *x = a, *y = b;
    double p = fabs(x->score), q = fabs(y->score);
    if (p != q)
        return p < q ? 1 : -1;
    return x->unit < y->unit ? -1 : x->unit > y->unit;
}

static size_t rank_units(const glim_page *p, const double *scores, struct rank *out) {
    size_t n = 0;
    for (size_t u = 0; u < p->d->input.n_units; u++)
        if (isfinite(scores[u]))
            out[n++] = (struct rank){u, scores[u]};
    qsort(out, n, sizeof *out, by_size);
    return n;
}

/* A score that its error may turn around is drawn hollow. */
static bool unsure(double score, double error) {
    return isfinite(error) && fabs(score) < 1.96 * error;
}

void glim__page_bar(glim_page *p, double score, double limit, int most, bool hollow) {
    static const char *const eighths[] = {"",
                                          "\xe2\x96\x8f",
                                          "\xe2\x96\x8e",
                                          "\xe2\x96\x8d",
                                          "\xe2\x96\x8c",
                                          "\xe2\x96\x8b",
                                          "\xe2\x96\x8a",
                                          "\xe2\x96\x89"};
    int cells = limit > 0 ? (int)round(8.0 * most * fabs(score) / limit) : 0;
    const char *full = p->o->ascii ? (hollow      ? "."
                                      : score < 0 ? "-"
                                                  : "+")
                       : hollow    ? "\xe2\x96\x91"
                                   : "\xe2\x96\x88";
    for (int i = 0; i < (hollow ? (cells + 4) / 8 : cells / 8); i++)
        glim__buffer_puts(&p->b, full);
    if (!p->o->ascii && !hollow)
        glim__buffer_puts(&p->b, eighths[cells % 8]);
}

/* A unit's text without the gap before it. */
static int put_name(glim_page *p, size_t unit, int most, int least) {
    const glim_document_unit *u = &p->d->input.units[unit];
    size_t skip = 0;
    while (skip + 1 < u->text_len && u->text[skip] == ' ')
        skip++;
    return glim__page_label(p, &p->b, u->text + skip, u->text_len - skip, most, least);
}

static void put_rank(glim_page *p, size_t place, const struct rank *r, const double *error,
                     double limit) {
    int label = p->width < 60 ? p->width / 3 : LABEL, at = 4 + label;
    char value[32], off[48] = "";
    double e = error ? error[r->unit] : NAN;
    error = p->width < 40 ? NULL : error;
    glim__buffer_printf(&p->b, "%3zu ", place);
    put_name(p, r->unit, label, label);
    const char *shown = glim__page_score(p, value, r->score);
    pad(p, columns(shown), NUMBER);
    glim__buffer_puts(&p->b, shown);
    at += columns(shown) > NUMBER ? columns(shown) : NUMBER;
    if (error) {
        if (isfinite(e))
            snprintf(off, sizeof off, " %s%.2g", glim__page_pick(p, "\xc2\xb1", "+-"), e);
        glim__buffer_puts(&p->b, off);
        pad(p, columns(off), NUMBER);
        at += columns(off) > NUMBER ? columns(off) : NUMBER;
    }
    if (p->width - at - 2 >= 4 && fabs(r->score) > 0) {
        glim__buffer_puts(&p->b, "  ");
        glim__page_bar(p, r->score, limit, p->width - at - 2, unsure(r->score, e));
    }
    glim__page_end_line(p);
}

static void put_ranks(glim_page *p, const double *scores, const double *error, double limit) {
    const glim_document *d = p->d;
    struct rank *ranks = glim__calloc(p->b.ctx, d->input.n_units + 1, sizeof *ranks);
    size_t n = ranks ? rank_units(p, scores, ranks) : 0, hollow = 0;
    size_t shown = p->o->top > 0 ? (size_t)p->o->top : TOP;
    double rest = 0;
    char value[32], text[160];
    p->b.failed = p->b.failed || !ranks;
    for (size_t i = 0; i < n && i < shown; i++) {
        put_rank(p, i + 1, &ranks[i], error, limit);
        hollow += error && unsure(ranks[i].score, error[ranks[i].unit]);
    }
    for (size_t i = shown; i < n; i++)
        rest += ranks[i].score;
    if (n > shown) {
        snprintf(text, sizeof text, "%zu others together %s", n - shown,
                 glim__page_score(p, value, rest));
        pad(p, 0, p->width < 40 ? 0 : 4);
        glim__page_wrapped(p, text);
    }
    if (hollow) {
        snprintf(text, sizeof text, "%s bars: the sign may be chance",
                 glim__page_pick(p, "\xe2\x96\x91", "..."));
        glim__page_wrapped(p, text);
    }
    glim__free(p->b.ctx, ranks);
}

static void put_sum(glim_page *p, const double *scores) {
    const glim_document *d = p->d;
    double sum = isfinite(d->fixed_total) ? d->fixed_total : 0;
    double effect = d->target.value - d->target.baseline_value;
    char a[32], b[32], c[32], text[120];
    if (!d->method.additive || !isfinite(effect))
        return;
    for (size_t u = 0; u < d->input.n_units; u++)
        sum += isfinite(scores[u]) ? scores[u] : 0;
    snprintf(text, sizeof text, "sum %s of %s, residual %s", glim__page_number(p, a, sum),
             glim__page_number(p, b, effect), glim__page_number(p, c, sum - effect));
    glim__page_wrapped(p, text);
}

/* What went to tokens that no unit shows. */
static void put_fixed(glim_page *p) {
    double share = glim__check_value(p->d, "template_share");
    char total[32], text[160];
    if (!isfinite(share))
        return;
    int n = snprintf(text, sizeof text, "fixed tokens (template, special): %.1f %% of the sizes",
                     100 * share);
    if (isfinite(p->d->fixed_total))
        snprintf(text + n, sizeof text - (size_t)n, ", together %s",
                 glim__page_number(p, total, p->d->fixed_total));
    glim__page_wrapped(p, text);
}

/* ---- matrix: the three strongest units of every row ---- */

/* "  unit +7.43"; returns the columns. */
static int put_cell(glim_page *p, const struct rank *r, double limit, int width) {
    char value[32];
    const char *shown = glim__page_score(p, value, r->score);
    int step = glim__page_step(p, r->score, limit);
    glim__buffer_puts(&p->b, "  ");
    glim__page_shade(p, step);
    int number = columns(shown) > NUMBER ? columns(shown) : NUMBER;
    int used = put_name(p, r->unit, width - number - 3, 0);
    glim__page_plain(p, step != 0);
    glim__buffer_printf(&p->b, " %s", shown);
    return used + 3 + columns(shown);
}

static void put_matrix_row(glim_page *p, size_t row, struct rank *ranks, int label) {
    enum { PROB = 8, WIDE = 22, NARROW = 16 };
    const glim_document *d = p->d;
    size_t U = d->input.n_units;
    const double *scores = d->scores + row * U;
    size_t n = rank_units(p, scores, ranks);
    bool prob = p->width >= 40;
    int rest = p->width - label - (prob ? PROB : 0), cells = rest / (p->width < 60 ? NARROW : WIDE);
    cells = cells < 1 ? 1 : cells > 3 ? 3 : cells;
    glim__page_label(p, &p->b, d->rows[row].text, d->rows[row].text_len, label, label);
    if (prob && isfinite(d->rows[row].prob))
        glim__buffer_printf(&p->b, " %5.1f %%", 100 * d->rows[row].prob);
    else if (prob)
        pad(p, 0, PROB);
    for (int i = 0; i < cells && (size_t)i < n; i++) {
        int used = put_cell(p, &ranks[i], largest(scores, U), rest / cells);
        if (i + 1 < cells && (size_t)i + 1 < n)
            pad(p, used, rest / cells);
    }
    glim__page_end_line(p);
}

static void put_matrix(glim_page *p) {
    const glim_document *d = p->d;
    struct rank *ranks = glim__calloc(p->b.ctx, d->input.n_units + 1, sizeof *ranks);
    p->b.failed = p->b.failed || !ranks;
    for (size_t r = 0; r < d->n_rows && ranks; r++)
        put_matrix_row(p, r, ranks, p->width < 40 ? 6 : p->width < 60 ? 10 : 14);
    glim__free(p->b.ctx, ranks);
}

/* Sums over rows, where every row that sees a unit counts. What was produced is not
   coloured: it would outshine the input, which is asked about. Rows still name it. */
static double *column_sums(const glim_page *p) {
    const glim_document *d = p->d;
    size_t U = d->input.n_units;
    double *sum = glim__calloc(p->b.ctx, U + 1, sizeof *sum);
    for (size_t u = 0; u < U && sum; u++) {
        bool any = false;
        for (size_t r = 0; r < d->n_rows; r++)
            if (isfinite(d->scores[r * U + u]) && !d->input.units[u].generated) {
                sum[u] += d->scores[r * U + u];
                any = true;
            }
        if (!any)
            sum[u] = NAN;
    }
    return sum;
}

static void put_foot(glim_page *p) {
    const glim_document *d = p->d;
    for (size_t i = 0; i < d->n_notes; i++)
        glim__page_wrapped(p, d->notes[i]);
    if (d->method.caption)
        glim__page_wrapped(p, d->method.caption);
    char text[512];
    snprintf(text, sizeof text, "%.300s, glim %.40s, %.1f s", d->model.file ? d->model.file : "?",
             d->version, isfinite(d->cost.seconds) ? d->cost.seconds : 0);
    if (p->width >= 60)
        glim__page_wrapped(p, text);
}

static glim_status render(const glim_document *d, const glim_view_options *o, char **out, size_t *n,
                          glim_error *err) {
    glim_page p = {.d = d, .o = o};
    p.width = o->width > 0 ? o->width : 80;
    p.width = p.width > WIDEST ? WIDEST : p.width < NARROWEST ? NARROWEST : p.width;
    glim__buffer_init(&p.b, d->ctx);
    if (glim__of_panels(d)) {
        glim__page_panels_head(&p);
        put_verdict(&p);
        glim__page_panels(&p);
        put_foot(&p);
        glim__page_profile(&p);
        return glim__view_finish(&p.b, out, n, err);
    }
    if (d->attention.side) {
        glim__page_attention(&p, put_verdict);
        glim__page_links(&p);
        glim__page_panels(&p);
        put_foot(&p);
        return glim__view_finish(&p.b, out, n, err);
    }
    put_title(&p);
    put_verdict(&p);
    glim__page_prediction(&p);
    double *sums = d->rows ? column_sums(&p) : NULL;
    const double *scores = d->rows ? sums : d->scores;
    p.b.failed = p.b.failed || (d->rows && !sums);
    if (scores && d->input.n_units) {
        double limit = largest(scores, d->input.n_units);
        glim__buffer_putc(&p.b, '\n');
        if (d->input.image.width)
            glim__page_grid(&p, scores, limit);
        else if (is_one(d))
            glim__page_strip(&p, scores, limit);
        if (is_one(d)) {
            put_legend(&p, scores, limit);
            glim__buffer_putc(&p.b, '\n');
        }
        if (d->input.image.label)
            glim__page_kept(&p, scores);
        if (d->rows)
            put_matrix(&p);
        else
            put_ranks(&p, scores, d->error, limit);
        if (!d->rows)
            put_sum(&p, scores);
        put_fixed(&p);
        glim__page_levels(&p);
    }
    glim__page_links(&p);
    glim__page_panels(&p);
    put_foot(&p);
    glim__page_profile(&p);
    glim__free(d->ctx, sums);
    return glim__view_finish(&p.b, out, n, err);
}

const glim_view glim__view_terminal = {
    .name = "terminal", .summary = "text for people, with colours", .render = render};
