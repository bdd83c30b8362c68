/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The strip: units in running text. With colours a unit is shaded; without, a
 * second line has sign and tenths under every unit. More than some hundred units
 * fold to windows around the largest scores, and what is left out is counted.
 */
#include "base/utf8.h"
#include "view/page.h"
#include "view/width.h"

#include <math.h>
#include <string.h>

enum { STRIP_MOST = 400, WINDOWS = 3, WINDOW = 60, NUMBER_CELLS = 6, MARK_CELLS = 2 };

struct strip {
    glim_page *p;
    const double *scores;
    double limit;
    glim_buffer marks; /* the line under the units */
    int marks_column;
    uint8_t *shown; /* of each unit */
    int turn;
};

static void end_line(struct strip *s) {
    glim__page_end_line(s->p);
    if (s->marks_column) {
        glim__buffer_append(&s->p->b, s->marks.data, s->marks.len);
        glim__buffer_putc(&s->p->b, '\n');
    }
    s->p->b.failed = s->p->b.failed || s->marks.failed;
    glim__buffer_clear(&s->marks);
    s->marks_column = s->p->column = 0;
}

static bool wants_marks(const glim_page *p) {
    return p->o->color == GLIM_COLOR_NONE || p->o->numbers;
}

/* Sign and tenths of the largest, or the number itself. */
static void mark_unit(struct strip *s, int column, int width, double score) {
    char number[32], tenth[16];
    const glim_page *p = s->p;
    if (!wants_marks(p) || !isfinite(score))
        return;
    int tenths = s->limit > 0 ? (int)round(9 * fabs(score) / s->limit) : 0;
    const char *plus = p->d->method.is_signed ? "+" : "";
    snprintf(tenth, sizeof tenth, "%s%d", score < 0 ? "-" : plus, tenths);
    const char *text = p->o->numbers ? glim__page_score(p, number, score)
                       : tenths      ? tenth
                                     : glim__page_pick(p, "\xc2\xb7", ".");
    int need = glim__text_width(text, strlen(text), 1);
    int at = column + (width > need ? (width - need) / 2 : 0);
    if (at < s->marks_column + (s->marks_column > 0))
        at = s->marks_column + (s->marks_column > 0);
    if (at + need > p->width)
        return;
    for (; s->marks_column < at; s->marks_column++)
        glim__buffer_putc(&s->marks, ' ');
    glim__buffer_puts(&s->marks, text);
    s->marks_column += need;
}

/* ---- one unit ---- */

/* Leading spaces are a gap outside the shade. */
static size_t gap_of(const glim_document_unit *u) {
    size_t n = 0;
    while (n < u->text_len && u->text[n] == ' ')
        n++;
    return n;
}

/* Columns of a unit's text behind its gap, as it is shown. */
static int shown_width(glim_page *p, const glim_document_unit *u) {
    glim_buffer safe;
    glim__buffer_init(&safe, p->b.ctx);
    int sum = 0;
    for (size_t i = gap_of(u), len; i < u->text_len && sum <= p->width; i += len) {
        p->b.failed = p->b.failed || safe.failed;
        glim__buffer_clear(&safe);
        sum += glim__page_grapheme(p, &safe, u->text + i, u->text_len - i, &len);
    }
    glim__buffer_release(&safe);
    return sum;
}

/* Punctuation that may not begin a line. */
static bool closes(const glim_document_unit *u) {
    static const char marks[] = ",.;:!?)]}\xef\xbc\x8c\xe3\x80\x82\xe3\x80\x81\xef\xbc\x9b"
                                "\xef\xbc\x9a\xef\xbc\x9f\xef\xbc\x81\xef\xbc\x89\xe3\x80\x8d"
                                "\xe3\x80\x8f\xe3\x80\x8b\xe3\x80\x91\xe2\x80\x9d\xe2\x80\x99";
    uint32_t cp, mark;
    if (!u->text_len || !glim__utf8_decode(u->text, u->text_len, &cp))
        return false;
    for (size_t i = 0; marks[i]; i += (size_t)glim__utf8_decode(marks + i, 4, &mark))
        if (glim__utf8_decode(marks + i, 4, &mark) && mark == cp)
            return true;
    return false;
}

/* Columns that a unit takes, its mark included. */
static int unit_width(const struct strip *s, size_t unit) {
    glim_page *p = s->p;
    int width = shown_width(p, &p->d->input.units[unit]), least = 0;
    if (p->o->numbers && isfinite(s->scores[unit]))
        least = NUMBER_CELLS;
    else if (wants_marks(p) && glim__step(s->scores[unit], s->limit))
        least = MARK_CELLS;
    return width < least ? least : width;
}

/* The unit and the closing punctuation that must stay with it. */
static int together(const struct strip *s, size_t unit) {
    const glim_document *d = s->p->d;
    int width = unit_width(s, unit);
    for (size_t next = unit + 1; next < d->input.n_units && next < unit + 3; next++) {
        if (!s->shown[next] || !closes(&d->input.units[next]))
            break;
        width += unit_width(s, next);
    }
    return width;
}

static void begin_look(glim_page *p, const glim_document_unit *u, int step) {
    if (u->fixed)
        glim__page_grey(p);
    else
        glim__page_shade(p, step);
}

/* What of a unit stands on this line: from which column, and the score that is
   marked below it, once. */
struct part {
    const glim_document_unit *u;
    int step, start;
    double score;
};

static void end_part(struct strip *s, const struct part *part) {
    glim__page_plain(s->p, part->u->fixed || part->step);
    mark_unit(s, part->start, s->p->column - part->start, part->score);
}

static void break_part(struct strip *s, struct part *part) {
    end_part(s, part);
    end_line(s);
    part->start = 0;
    part->score = NAN;
    begin_look(s->p, part->u, part->step);
}

/* Units flow like text; one is broken only when it is longer than a line. */
static void put_unit(struct strip *s, size_t unit) {
    glim_page *p = s->p;
    const glim_document_unit *u = &p->d->input.units[unit];
    const char *t = u->text;
    size_t n = u->text_len, skip = gap_of(u);
    double score = s->scores[unit];
    int step = glim__page_step(p, score, s->limit), width = together(s, unit);
    if (width > p->width)
        width = unit_width(s, unit);
    if (p->column && p->column + (int)skip + width > p->width)
        end_line(s);
    for (size_t i = 0; i < skip && p->column; i++, p->column++)
        glim__buffer_putc(&p->b, ' ');
    struct part part = {u, step, p->column, score};
    begin_look(p, u, step);
    for (size_t i = skip, len; i < n; i += len) {
        glim_buffer one;
        glim__buffer_init(&one, p->b.ctx);
        int need = glim__page_grapheme(p, &one, t + i, n - i, &len);
        if (p->column && p->column + need > p->width)
            break_part(s, &part);
        glim__buffer_append(&p->b, one.data ? one.data : "", one.len);
        p->b.failed = p->b.failed || one.failed;
        glim__buffer_release(&one);
        p->column += need;
        if (t[i] == '\n' && i + len < n)
            break_part(s, &part);
    }
    end_part(s, &part);
    for (; wants_marks(p) && p->column < s->marks_column; p->column++)
        glim__buffer_putc(&p->b, ' ');
}

/* ---- folding ---- */

static double size_of(double x) {
    return isfinite(x) ? fabs(x) : 0;
}

/* Shows windows around the largest scores that no window holds yet. */
static void choose(struct strip *s) {
    size_t n = s->p->d->input.n_units;
    if (n <= STRIP_MOST) {
        memset(s->shown, 1, n);
        return;
    }
    for (int w = 0; w < WINDOWS; w++) {
        size_t best = n;
        for (size_t u = 0; u < n; u++)
            if (!s->shown[u] && (best == n || size_of(s->scores[u]) > size_of(s->scores[best])))
                best = u;
        size_t from = best < WINDOW / 2 ? 0 : best - WINDOW / 2;
        from = from > n - WINDOW ? n - WINDOW : from;
        memset(s->shown + from, 1, WINDOW);
    }
}

/* Says what lies between two windows; returns the first unit behind it. */
static size_t put_gap(struct strip *s, size_t from) {
    glim_page *p = s->p;
    size_t to = from, n = p->d->input.n_units;
    double most = 0;
    char value[32], text[160];
    for (; to < n && !s->shown[to]; to++)
        most = size_of(s->scores[to]) > most ? size_of(s->scores[to]) : most;
    if (p->column)
        end_line(s);
    const char *dots = glim__page_pick(p, "\xe2\x80\xa6", "...");
    const char *number = glim__page_number(p, value, most);
    snprintf(text, sizeof text, "%s %zu units, none above %s %s", dots, to - from,
             *number == '+' ? number + 1 : number, dots);
    glim__page_wrapped(p, text);
    return to;
}

static void put_turn(struct strip *s, const glim_document_unit *unit) {
    glim_page *p = s->p;
    if (!p->d->input.n_turns || unit->turn < 0 || unit->turn == s->turn)
        return;
    if (p->column)
        end_line(s);
    s->turn = unit->turn;
    const char *role = glim__turn_name(p->d, s->turn);
    glim__buffer_printf(&p->b, "%s ", glim__page_pick(p, "\xe2\x96\xb8", ">"));
    glim__page_label(p, &p->b, role, strlen(role), p->width - 2, 0);
    glim__buffer_putc(&p->b, '\n');
}

void glim__page_strip(glim_page *p, const double *scores, double limit) {
    struct strip s = {.p = p, .scores = scores, .limit = limit, .turn = -2};
    const glim_document *d = p->d;
    s.shown = glim__calloc(p->b.ctx, d->input.n_units + 1, 1);
    if (!s.shown) {
        p->b.failed = true;
        return;
    }
    glim__buffer_init(&s.marks, p->b.ctx);
    p->column = 0;
    choose(&s);
    for (size_t u = 0; u < d->input.n_units; u++) {
        const glim_document_unit *unit = &d->input.units[u];
        bool template = unit->fixed && unit->end == unit->start && d->input.n_turns;
        if (!s.shown[u]) {
            u = put_gap(&s, u) - 1;
            continue;
        }
        if (template)
            continue;
        put_turn(&s, unit);
        put_unit(&s, u);
    }
    if (p->column)
        end_line(&s);
    p->b.failed = p->b.failed || s.marks.failed;
    glim__buffer_release(&s.marks);
    glim__free(p->b.ctx, s.shown);
}
