/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A document in the terminal: title, target, method, verdict, the text as a
 * strip of coloured units, a ranked list with bars, the sum. Nothing of a model
 * or an input is written raw; nothing is said by colour alone; no line is longer
 * than the width.
 */
#include "base/utf8.h"
#include "view/palette.h"
#include "view/views.h"
#include "view/width.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WIDEST = 120, TOP = 10, STRIP_MOST = 400, LABEL = 24 };

struct page {
    glim_buffer b;
    const glim_document *d;
    const glim_view_options *o;
    int width, column;
};

static const char *pick(const struct page *p, const char *unicode, const char *ascii) {
    return p->o->ascii ? ascii : unicode;
}

/* ---- text for people ---- */

/* One grapheme, made safe; returns its columns. */
static int put_grapheme(struct page *p, glim_buffer *b, const char *s, size_t n, size_t *len) {
    uint32_t cp;
    int step = glim__utf8_decode(s, n, &cp), width = glim__grapheme_width(s, n, len, 1);
    size_t before = b->len;
    if (!step)
        glim__buffer_printf(b, "<%02X>", (unsigned char)*s);
    else if (cp == '\n')
        glim__buffer_puts(b, pick(p, "\xe2\x86\xb5", "\\n"));
    else if (cp == '\t')
        glim__buffer_puts(b, pick(p, "\xe2\x86\x92", "\\t"));
    else if (glim__hidden_character(cp) || (p->o->ascii && cp > 0x7e))
        glim__buffer_printf(b, "\\u%04x", (unsigned)cp);
    else {
        glim__buffer_append(b, s, *len);
        return width;
    }
    return b->data ? glim__text_width(b->data + before, b->len - before, 1) : 1;
}

/* Text cut in the middle to at most `most` columns; returns the columns. */
static int put_label(struct page *p, glim_buffer *b, const char *s, size_t n, int most) {
    glim_buffer all;
    glim__buffer_init(&all, p->b.ctx);
    for (size_t i = 0, len; i < n; i += len)
        put_grapheme(p, &all, s + i, n - i, &len);
    int width = all.data ? glim__text_width(all.data, all.len, 1) : 0, used = 0;
    const char *dots = pick(p, "\xe2\x80\xa6", "...");
    int room = most - (p->o->ascii ? 3 : 1), head = room - room / 2, skip = width - room / 2;
    bool cut = width > most;
    for (size_t i = 0, len; i < all.len; i += len) {
        int w = glim__grapheme_width(all.data + i, all.len - i, &len, 1);
        bool shown = !cut || used + w <= head || used >= skip;
        if (shown)
            glim__buffer_append(b, all.data + i, len);
        else if (dots) {
            glim__buffer_puts(b, dots);
            dots = NULL;
        }
        used += w;
    }
    glim__buffer_release(&all);
    return cut ? most : width;
}

static void put_quoted(struct page *p, const char *s, size_t n, int most) {
    glim__buffer_puts(&p->b, pick(p, "\xe2\x80\x9c", "\""));
    put_label(p, &p->b, s, n, most);
    glim__buffer_puts(&p->b, pick(p, "\xe2\x80\x9d", "\""));
}

static const char *signed_number(const struct page *p, char out[32], double x) {
    if (!isfinite(x))
        return pick(p, "\xc3\x97", "x");
    double a = fabs(x);
    const char *sign = x < 0 ? pick(p, "\xe2\x88\x92", "-") : "+";
    if (a != 0 && a < 0.0005)
        snprintf(out, 32, "%s<0.001", sign);
    else
        snprintf(out, 32, "%s%.*f", sign, a < 10 ? 2 + (a < 0.095) : a < 100 ? 1 : 0, a);
    return out;
}

/* ---- colour ---- */

static void shade_on(struct page *p, int step) {
    const glim_shade *s = &glim_shades[step + GLIM_STEPS];
    if (!step || p->o->color == GLIM_COLOR_NONE)
        return;
    if (p->o->color == GLIM_COLOR_TRUE)
        glim__buffer_printf(&p->b, "\x1b[38;2;%u;%u;%um\x1b[48;2;%u;%u;%um", s->text >> 16,
                            s->text >> 8 & 255, s->text & 255, s->back >> 16, s->back >> 8 & 255,
                            s->back & 255);
    else if (p->o->color == GLIM_COLOR_256)
        glim__buffer_printf(&p->b, "\x1b[38;5;%d;48;5;%dm", s->text == 0xffffff ? 15 : 16,
                            s->ansi256);
    else
        glim__buffer_printf(&p->b, "\x1b[%s%s;30m", abs(step) > 3 ? "1;" : "",
                            step > 0 ? "43" : "46");
}

static void grey_on(struct page *p) {
    if (p->o->color != GLIM_COLOR_NONE)
        glim__buffer_puts(&p->b, "\x1b[2;3m");
}

static void shade_off(struct page *p, bool on) {
    if (on && p->o->color != GLIM_COLOR_NONE)
        glim__buffer_puts(&p->b, "\x1b[0m");
}

/* ---- furniture ---- */

/* Words wrapped to the width; a word longer than a line is cut by characters. */
static void put_wrapped(struct page *p, const char *text) {
    int column = 0;
    while (*text) {
        size_t n = strcspn(text, " \n");
        int w = glim__text_width(text, n, 1);
        bool fresh = text[n] == '\n';
        if (column && column + 1 + w > p->width) {
            glim__buffer_putc(&p->b, '\n');
            column = 0;
        } else if (column) {
            glim__buffer_putc(&p->b, ' ');
            column++;
        }
        for (size_t i = 0, len; i < n; i += len) {
            int need = glim__grapheme_width(text + i, n - i, &len, 1);
            if (column + need > p->width) {
                glim__buffer_putc(&p->b, '\n');
                column = 0;
            }
            column += put_grapheme(p, &p->b, text + i, n - i, &len);
        }
        text += n + strspn(text + n, " \n");
        if (fresh && *text) {
            glim__buffer_putc(&p->b, '\n');
            column = 0;
        }
    }
    glim__buffer_putc(&p->b, '\n');
}

static void put_title(struct page *p) {
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
    glim__buffer_printf(&p->b, " %s", signed_number(p, value, d->target.value));
    if (isfinite(d->target.baseline_value))
        glim__buffer_printf(&p->b, ", baseline %s",
                            signed_number(p, base, d->target.baseline_value));
    if (isfinite(d->target.prob))
        glim__buffer_printf(&p->b, ", probability %.1f %%", 100 * d->target.prob);
    glim_buffer words = p->b;
    p->b = page;
    put_wrapped(p, words.data ? words.data : "");
    glim__buffer_release(&words);
}

static void put_verdict(struct page *p) {
    static const char *const words[] = {"ok", "careful", "do not trust"};
    char text[640];
    const glim_document *d = p->d;
    const char *mark = d->verdict == GLIM_VERDICT_OK        ? pick(p, "\xe2\x9c\x93", "[ok]")
                       : d->verdict == GLIM_VERDICT_CAREFUL ? pick(p, "\xe2\x96\xb2", "[!]")
                                                            : pick(p, "\xe2\x9c\x96", "[x]");
    snprintf(text, sizeof text, "%s %s%s%s", mark, words[d->verdict],
             *d->verdict_reason ? ": " : "", d->verdict_reason);
    put_wrapped(p, text);
}

static double largest(const double *x, size_t n) {
    double most = 0;
    for (size_t i = 0; i < n; i++)
        if (isfinite(x[i]) && fabs(x[i]) > most)
            most = fabs(x[i]);
    return most;
}

static void put_legend(struct page *p, double limit) {
    char a[32], b[32];
    if (p->o->color == GLIM_COLOR_NONE)
        return;
    glim__buffer_printf(&p->b, "%s ", p->d->method.is_signed ? signed_number(p, a, -limit) : "0");
    for (int step = p->d->method.is_signed ? -GLIM_STEPS : 0; step <= GLIM_STEPS; step++) {
        shade_on(p, step);
        glim__buffer_puts(&p->b, "  ");
        shade_off(p, step != 0);
    }
    glim__buffer_printf(&p->b, " %s %s\n", signed_number(p, b, limit), p->d->target.output);
}

/* ---- strip ---- */

struct strip {
    struct page *p;
    double limit;
    glim_buffer marks; /* the line under the units */
    int marks_column;
};

static void end_line(struct strip *s) {
    glim__buffer_putc(&s->p->b, '\n');
    if (s->marks_column) {
        glim__buffer_append(&s->p->b, s->marks.data, s->marks.len);
        glim__buffer_putc(&s->p->b, '\n');
    }
    glim__buffer_clear(&s->marks);
    s->marks_column = s->p->column = 0;
}

static bool wants_marks(const struct page *p) {
    return p->o->color == GLIM_COLOR_NONE || p->o->numbers;
}

/* Sign and tenths of the largest, or the number itself. */
static void mark_unit(struct strip *s, int column, int width, double score) {
    char text[32];
    if (!wants_marks(s->p) || !isfinite(score))
        return;
    int tenths = s->limit > 0 ? (int)round(9 * fabs(score) / s->limit) : 0;
    if (s->p->o->numbers)
        signed_number(s->p, text, score);
    else if (tenths)
        snprintf(text, sizeof text, "%s%d", score < 0 ? "-" : "+", tenths);
    else
        snprintf(text, sizeof text, "%s", pick(s->p, "\xc2\xb7", "."));
    int need = glim__text_width(text, strlen(text), 1);
    int at = column + (width > need ? (width - need) / 2 : 0);
    if (at < s->marks_column + (s->marks_column > 0))
        at = s->marks_column + (s->marks_column > 0);
    if (at + need > s->p->width)
        return;
    for (; s->marks_column < at; s->marks_column++)
        glim__buffer_putc(&s->marks, ' ');
    glim__buffer_puts(&s->marks, text);
    s->marks_column += need;
}

/* Pieces of a unit flow like text; a unit is broken only when it is longer than
   a line. A leading space is a gap outside the colour. */
static void put_unit(struct strip *s, const glim_document_unit *u, double score) {
    struct page *p = s->p;
    const char *t = u->text;
    size_t n = u->text_len, skip = 0;
    int step = glim__step(score, s->limit);
    while (skip < n && t[skip] == ' ')
        skip++;
    int width = glim__text_width(t + skip, n - skip, 1);
    if (p->o->numbers || (wants_marks(p) && step))
        width = width < (p->o->numbers ? 6 : 2) ? (p->o->numbers ? 6 : 2) : width;
    if (p->column && p->column + (int)skip + width > p->width)
        end_line(s);
    for (size_t i = 0; i < skip && p->column; i++, p->column++)
        glim__buffer_putc(&p->b, ' ');
    int start = p->column;
    bool styled = u->fixed || step;
    if (u->fixed)
        grey_on(p);
    else
        shade_on(p, step);
    for (size_t i = skip, len; i < n; i += len) {
        uint32_t cp = 0;
        glim__utf8_decode(t + i, n - i, &cp);
        p->column += put_grapheme(p, &p->b, t + i, n - i, &len);
        if (p->column >= p->width || (cp == '\n' && i + len < n)) {
            shade_off(p, styled);
            mark_unit(s, start, p->column - start, score);
            score = NAN;
            end_line(s);
            start = 0;
            if (!u->fixed)
                shade_on(p, step);
        }
    }
    shade_off(p, styled);
    mark_unit(s, start, p->column - start, score);
    for (; wants_marks(p) && p->column < s->marks_column; p->column++)
        glim__buffer_putc(&p->b, ' ');
}

static void put_strip(struct page *p, const double *scores, double limit) {
    struct strip s = {.p = p, .limit = limit};
    const glim_document *d = p->d;
    int turn = -2;
    size_t hidden = 0;
    glim__buffer_init(&s.marks, p->b.ctx);
    p->column = 0;
    for (size_t u = 0; u < d->input.n_units; u++) {
        const glim_document_unit *unit = &d->input.units[u];
        bool template = unit->fixed && unit->end == unit->start && d->input.n_turns;
        if (u >= STRIP_MOST && d->input.n_units > STRIP_MOST + 20 &&
            fabs(isfinite(scores[u]) ? scores[u] : 0) < limit / 10) {
            hidden++;
            continue;
        }
        if (template)
            continue;
        if (d->input.n_turns && unit->turn >= 0 && unit->turn != turn) {
            if (p->column)
                end_line(&s);
            turn = unit->turn;
            glim__buffer_printf(&p->b, "%s %s\n", pick(p, "\xe2\x96\xb8", ">"),
                                glim__turn_name(d, turn));
        }
        put_unit(&s, unit, scores[u]);
    }
    end_line(&s);
    if (hidden)
        glim__buffer_printf(&p->b,
                            "(%zu units with less than a tenth of the largest score are not "
                            "shown)\n",
                            hidden);
    glim__buffer_release(&s.marks);
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

static size_t rank_units(const struct page *p, const double *scores, struct rank *out) {
    size_t n = 0;
    for (size_t u = 0; u < p->d->input.n_units; u++)
        if (isfinite(scores[u]))
            out[n++] = (struct rank){u, scores[u]};
    qsort(out, n, sizeof *out, by_size);
    return n;
}

static void put_bar(struct page *p, double score, double limit, int most) {
    static const char *const eighths[] = {"",
                                          "\xe2\x96\x8f",
                                          "\xe2\x96\x8e",
                                          "\xe2\x96\x8d",
                                          "\xe2\x96\x8c",
                                          "\xe2\x96\x8b",
                                          "\xe2\x96\x8a",
                                          "\xe2\x96\x89"};
    int cells = limit > 0 ? (int)round(8.0 * most * fabs(score) / limit) : 0;
    for (int i = 0; i < cells / 8; i++)
        glim__buffer_puts(&p->b, p->o->ascii ? (score < 0 ? "-" : "+") : "\xe2\x96\x88");
    if (!p->o->ascii)
        glim__buffer_puts(&p->b, eighths[cells % 8]);
}

static void put_ranks(struct page *p, const double *scores, const double *error, double limit) {
    const glim_document *d = p->d;
    struct rank *ranks = glim__calloc(p->b.ctx, d->input.n_units + 1, sizeof *ranks);
    size_t n = ranks ? rank_units(p, scores, ranks) : 0;
    size_t shown = p->o->top > 0 ? (size_t)p->o->top : TOP;
    int label = p->width < 60 ? p->width / 3 : LABEL, bar = p->width - label - 24;
    double rest = 0;
    char value[32], off[48] = "";
    for (size_t i = 0; i < n && i < shown; i++) {
        const glim_document_unit *u = &d->input.units[ranks[i].unit];
        size_t skip = 0;
        while (skip + 1 < u->text_len && u->text[skip] == ' ')
            skip++;
        glim__buffer_printf(&p->b, "%3zu ", i + 1);
        int used = put_label(p, &p->b, u->text + skip, u->text_len - skip, label);
        for (; used < label; used++)
            glim__buffer_putc(&p->b, ' ');
        signed_number(p, value, ranks[i].score);
        for (int w = glim__text_width(value, strlen(value), 1); w < 8; w++)
            glim__buffer_putc(&p->b, ' ');
        if (error && isfinite(error[ranks[i].unit]))
            snprintf(off, sizeof off, " %s%.2g", pick(p, "\xc2\xb1", "+-"), error[ranks[i].unit]);
        glim__buffer_printf(&p->b, "%s%s  ", value, off);
        if (bar > 4)
            put_bar(p, ranks[i].score, limit, error ? bar - 8 : bar);
        glim__buffer_putc(&p->b, '\n');
    }
    for (size_t i = shown; i < n; i++)
        rest += ranks[i].score;
    if (n > shown)
        glim__buffer_printf(&p->b, "    %zu others together %s\n", n - shown,
                            signed_number(p, value, rest));
    glim__free(p->b.ctx, ranks);
}

static void put_sum(struct page *p, const double *scores) {
    const glim_document *d = p->d;
    double sum = isfinite(d->fixed_total) ? d->fixed_total : 0;
    double effect = d->target.value - d->target.baseline_value;
    char a[32], b[32], c[32];
    if (!d->method.additive || !isfinite(effect))
        return;
    for (size_t u = 0; u < d->input.n_units; u++)
        sum += isfinite(scores[u]) ? scores[u] : 0;
    glim__buffer_printf(&p->b, "sum %s of %s, residual %s\n", signed_number(p, a, sum),
                        signed_number(p, b, effect), signed_number(p, c, sum - effect));
}

/* ---- matrix: the three strongest units of every row ---- */

static void put_matrix(struct page *p) {
    const glim_document *d = p->d;
    size_t U = d->input.n_units;
    struct rank *ranks = glim__calloc(p->b.ctx, U + 1, sizeof *ranks);
    int label = p->width < 60 ? 10 : 14;
    char value[32];
    for (size_t r = 0; r < d->n_rows && ranks; r++) {
        const double *scores = d->scores + r * U;
        size_t n = rank_units(p, scores, ranks);
        double limit = largest(scores, U);
        int used = put_label(p, &p->b, d->rows[r].text, d->rows[r].text_len, label);
        for (; used < label; used++)
            glim__buffer_putc(&p->b, ' ');
        used += glim__text_width(value, 0, 1);
        glim__buffer_printf(&p->b, " %5.1f %% ", 100 * d->rows[r].prob);
        used += 9;
        for (size_t i = 0; i < n && i < 3; i++) {
            const glim_document_unit *u = &d->input.units[ranks[i].unit];
            size_t skip = 0;
            while (skip + 1 < u->text_len && u->text[skip] == ' ')
                skip++;
            signed_number(p, value, ranks[i].score);
            int most = (p->width - label - 9) / 3 - 10;
            if (used + most + 10 > p->width)
                break;
            glim__buffer_puts(&p->b, "  ");
            shade_on(p, glim__step(ranks[i].score, limit));
            int w = put_label(p, &p->b, u->text + skip, u->text_len - skip, most > 6 ? most : 6);
            shade_off(p, glim__step(ranks[i].score, limit) != 0);
            glim__buffer_printf(&p->b, " %s", value);
            used += 3 + w + glim__text_width(value, strlen(value), 1);
        }
        glim__buffer_putc(&p->b, '\n');
    }
    glim__free(p->b.ctx, ranks);
}

/* Sums over rows, where every row that sees a unit counts. */
static double *column_sums(const struct page *p) {
    const glim_document *d = p->d;
    size_t U = d->input.n_units;
    double *sum = glim__calloc(p->b.ctx, U + 1, sizeof *sum);
    for (size_t u = 0; u < U && sum; u++) {
        bool any = false;
        for (size_t r = 0; r < d->n_rows; r++)
            if (isfinite(d->scores[r * U + u])) {
                sum[u] += d->scores[r * U + u];
                any = true;
            }
        if (!any)
            sum[u] = NAN;
    }
    return sum;
}

static void put_foot(struct page *p) {
    const glim_document *d = p->d;
    for (size_t i = 0; i < d->n_notes; i++)
        put_wrapped(p, d->notes[i]);
    if (d->method.caption)
        put_wrapped(p, d->method.caption);
    char text[512];
    snprintf(text, sizeof text, "%.300s, glim %.40s, %.1f s", d->model.file ? d->model.file : "?",
             d->version, isfinite(d->cost.seconds) ? d->cost.seconds : 0);
    if (p->width >= 60)
        put_wrapped(p, text);
}

static glim_status render(const glim_document *d, const glim_view_options *o, char **out, size_t *n,
                          glim_error *err) {
    struct page p = {.d = d, .o = o};
    p.width = o->width > 0 ? o->width : 80;
    p.width = p.width > WIDEST ? WIDEST : p.width < 20 ? 20 : p.width;
    glim__buffer_init(&p.b, d->ctx);
    put_title(&p);
    put_verdict(&p);
    double *sums = d->rows ? column_sums(&p) : NULL;
    const double *scores = d->rows ? sums : d->scores;
    if (scores && d->input.n_units) {
        double limit = largest(scores, d->input.n_units);
        glim__buffer_putc(&p.b, '\n');
        put_strip(&p, scores, limit);
        put_legend(&p, limit);
        glim__buffer_putc(&p.b, '\n');
        if (d->rows)
            put_matrix(&p);
        else
            put_ranks(&p, scores, d->error, limit);
        if (!d->rows)
            put_sum(&p, scores);
    }
    put_foot(&p);
    glim__free(d->ctx, sums);
    return glim__view_finish(&p.b, out, n, err);
}

const glim_view glim__view_terminal = {
    .name = "terminal", .summary = "text for people, with colours", .render = render};
