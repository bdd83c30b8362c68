/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text as text, each unit in the colour of its step, with a legend and the
 * same in words. Colours are classes, because the policy forbids style
 * attributes: s0 .. s10 for signed scores (s5 is zero), a0 .. a8 for amounts,
 * x where a score is not there, h for one whose interval covers zero.
 */
#include "view/html-page.h"

#include <stdlib.h>

static const double WIDE = 1.96; /* standard errors to each side of a 95 % interval */

bool glim__html_counts(const html_page *p, size_t u) {
    const glim_document_unit *unit = &p->d->input.units[u];
    return !unit->fixed && !unit->generated;
}

double glim__html_largest(const double *x, size_t n) {
    double most = 0;
    for (size_t i = 0; i < n; i++)
        if (isfinite(x[i]) && fabs(x[i]) > most)
            most = fabs(x[i]);
    return most;
}

static bool hollow(double x, double error) {
    return isfinite(error) && error > 0 && fabs(x) < WIDE * error;
}

bool glim__html_later(const html_page *p, size_t r, size_t u) {
    const glim_document_unit *unit = &p->d->input.units[u];
    if (!p->d->rows)
        return false;
    return r == SIZE_MAX ? unit->generated : unit->start >= p->d->rows[r].start;
}

void glim__html_shade(glim_buffer *b, const html_page *p, double x, double limit, double error,
                      size_t r, size_t u) {
    if (!isfinite(x))
        glim__buffer_puts(b, glim__html_later(p, r, u) ? "nil" : "x");
    else if (p->d->method.is_signed)
        glim__buffer_printf(b, "s%d", glim__step(x, limit) + GLIM_STEPS);
    else
        glim__buffer_printf(b, "a%d", limit > 0 ? (int)fmin(8, round(8 * fabs(x) / limit)) : 0);
    if (hollow(x, error))
        glim__buffer_puts(b, " h");
}

static double error_of(const html_page *p, size_t u) {
    return p->d->error && !p->d->rows ? p->d->error[u] : NAN;
}

static void put_unit(html_page *p, size_t u) {
    const glim_document_unit *unit = &p->d->input.units[u];
    double score = p->scores[u];
    if (unit->fixed) {
        glim__buffer_printf(p->b, "<span class=\"u fixed\" data-u=\"%zu\">", u);
        glim__html_label(p->b, unit->text, unit->text_len, 0);
    } else {
        glim__buffer_puts(p->b, "<span class=\"u ");
        if (glim__html_counts(p, u))
            glim__html_shade(p->b, p, score, p->limit, error_of(p, u), SIZE_MAX, u);
        else
            glim__buffer_puts(p->b, "aside");
        glim__buffer_printf(p->b, "\" data-u=\"%zu\" data-n=\"", u);
        if (glim__html_counts(p, u))
            glim__html_number(p->b, score, p->limit, p->d->method.is_signed);
        glim__buffer_puts(p->b, "\">");
        glim__html_run(p->b, unit->text, unit->text_len);
    }
    glim__buffer_puts(p->b, "</span>");
    /* A line's end lies behind the box, or the box would go on in the next line. */
    if (!unit->fixed && unit->text_len && unit->text[unit->text_len - 1] == '\n')
        glim__buffer_putc(p->b, '\n');
}

/* Units of one turn stand in one block; template units between turns in blocks
   of their own, which are folded away. */
static void put_units(html_page *p) {
    const glim_document *d = p->d;
    int open = -2;
    for (size_t u = 0; u < d->input.n_units; u++) {
        const glim_document_unit *unit = &d->input.units[u];
        int turn = d->input.n_turns ? unit->turn : 0;
        if (turn != open) {
            glim__buffer_puts(p->b, open == -2 ? "" : "</div>");
            glim__buffer_printf(p->b, "<div class=\"%s\" role=\"group\"",
                                turn < 0           ? "template"
                                : d->input.n_turns ? "turn"
                                                   : "flow");
            if (turn >= 0 && d->input.n_turns) {
                bool given = (size_t)turn < d->input.n_turns;
                glim__buffer_puts(p->b, " aria-label=\"");
                const char *role = glim__turn_name(d, turn);
                glim__html_plain(p->b, role, strlen(role), HTML_LABEL);
                glim__buffer_puts(p->b, "\"><b class=\"role\" aria-hidden=\"true\">");
                if (given)
                    glim__html_label(p->b, role, strlen(role), HTML_LABEL);
                else
                    glim__html_term(p, p->b, "generated");
                glim__buffer_puts(p->b, "</b>");
            } else {
                glim__buffer_putc(p->b, '>');
            }
            open = turn;
        }
        put_unit(p, u);
    }
    glim__buffer_puts(p->b, open == -2 ? "" : "</div>");
}

static size_t count_aside(const html_page *p) {
    size_t n = 0;
    for (size_t u = 0; u < p->d->input.n_units; u++)
        n += !p->d->input.units[u].fixed && !glim__html_counts(p, u);
    return n;
}

static size_t count_fixed(const glim_document *d) {
    size_t n = 0;
    for (size_t u = 0; u < d->input.n_units; u++)
        n += d->input.units[u].fixed;
    return n;
}

static void put_rows(html_page *p) {
    const glim_document *d = p->d;
    glim__html_say(p, "b", "rows");
    glim__buffer_puts(p->b, " <span class=\"row\" data-r=\"\">");
    glim__html_term(p, p->b, "rows.all");
    glim__buffer_puts(p->b, "</span>");
    for (size_t r = 0; r < d->n_rows; r++) {
        glim__buffer_printf(p->b, " <span class=\"row\" data-r=\"%zu\">", r);
        glim__html_row(p, p->b, &d->rows[r], HTML_LABEL);
        glim__buffer_puts(p->b, "</span>");
    }
}

static void put_swatches(html_page *p, bool both, double limit) {
    for (int s = 0; s <= (both ? 2 * GLIM_STEPS : 8); s++) {
        glim__buffer_printf(p->b, "<span class=\"w %c%d\">", both ? 's' : 'a', s);
        if (s == (both ? GLIM_STEPS : 4))
            glim__html_number(p->b, both ? 0 : limit / 2, limit, false);
        glim__buffer_puts(p->b, "</span>");
    }
}

void glim__html_scale(html_page *p, double limit) {
    bool both = p->d->method.is_signed;
    glim__buffer_puts(p->b, "<span class=\"scale\">");
    bool looks = p->d->attention.side;
    glim__html_say(p, "span", both ? "legend.lowers" : looks ? "attention.little" : "legend.weak");
    glim__buffer_puts(p->b, " <b class=\"least\">");
    glim__html_number(p->b, both ? -limit : 0, limit, both);
    glim__buffer_puts(p->b, "</b> <span class=\"swatches\">");
    put_swatches(p, both, limit);
    glim__buffer_puts(p->b, "</span> <b class=\"most\">");
    glim__html_number(p->b, limit, limit, both);
    glim__buffer_puts(p->b, "</b> ");
    glim__html_say(p, "span", both ? "legend.raises" : looks ? "attention.much" : "legend.strong");
    glim__buffer_puts(p->b, "</span> ");
}

static size_t count_hollow(const html_page *p) {
    size_t n = 0;
    for (size_t u = 0; u < p->d->input.n_units; u++)
        n += hollow(p->scores[u], error_of(p, u));
    return n;
}

static size_t count_absent(const html_page *p, bool later) {
    size_t n = 0;
    for (size_t u = 0; u < p->d->input.n_units; u++)
        n += glim__html_counts(p, u) && !isfinite(p->scores[u]) &&
             glim__html_later(p, SIZE_MAX, u) == later;
    return n;
}

void glim__html_key(html_page *p, const char *mark, const char *key, size_t n) {
    if (!n)
        return;
    glim__buffer_printf(p->b, " <span class=\"key\"><span class=\"w %s\"></span> ", mark);
    glim__buffer_printf(glim__html_arg(p), "%zu", n);
    glim__html_say(p, "span", key);
    glim__buffer_puts(p->b, "</span>");
}

/* What scores are in: the target's unit, shares, or nothing that has a name. */
static void put_unit_of_scores(html_page *p) {
    const char *unit = p->d->method.unit;
    char key[40];
    snprintf(key, sizeof key, "output.%.20s", unit ? unit : p->d->target.output);
    if (unit && !glim__html_has(key))
        return;
    glim__buffer_puts(p->b, "<span class=\"key\">");
    glim__html_say(p, "span", key);
    glim__buffer_puts(p->b, "</span>");
}

static void put_legend(html_page *p) {
    bool both = p->d->method.is_signed;
    glim__buffer_puts(p->b, "<p class=\"legend\" id=\"glim-legend\">");
    glim__html_scale(p, p->limit);
    glim__buffer_puts(p->b, "<span class=\"keys\">");
    put_unit_of_scores(p);
    if (p->d->rows) {
        glim__buffer_puts(p->b, " <span class=\"key\">");
        glim__buffer_printf(glim__html_arg(p), "%zu", p->d->n_rows);
        glim__html_say(p, "span", "legend.sum");
        glim__buffer_puts(p->b, "</span>");
    }
    size_t aside = count_aside(p);
    if (aside) {
        glim__buffer_puts(p->b, " <span class=\"key\">");
        glim__buffer_printf(glim__html_arg(p), "%zu", aside);
        glim__html_say(p, "span", "legend.given");
        glim__buffer_puts(p->b, "</span>");
    }
    glim__html_key(p, both ? "s7 h" : "a4 h", "legend.hollow", count_hollow(p));
    glim__html_key(p, "nil", "legend.none", count_absent(p, true));
    glim__html_key(p, "x", "legend.missing", count_absent(p, false));
    glim__buffer_puts(p->b, "</span></p>\n");
}

void glim__html_strip(html_page *p) {
    const glim_document *d = p->d;
    size_t fixed = count_fixed(d);
    char unit[40];
    bool flows =
        !d->input.unit || !strcmp(d->input.unit, "token") || !strcmp(d->input.unit, "word");
    glim__buffer_puts(p->b, "<section class=\"figure\" id=\"glim-figure\">\n");
    if (d->rows) {
        glim__buffer_puts(p->b, "<div class=\"rows\" id=\"glim-rows\" role=\"group\">");
        put_rows(p);
        glim__buffer_puts(p->b, "</div>\n");
    }
    if (fixed) {
        glim__buffer_puts(p->b, "<input type=\"checkbox\" id=\"glim-template\"> ");
        glim__buffer_puts(p->b, "<label for=\"glim-template\">");
        glim__buffer_printf(glim__html_arg(p), "%zu", fixed);
        glim__html_say(p, "span", "template");
        glim__buffer_puts(p->b, "</label>");
    }
    snprintf(unit, sizeof unit, "unit.%.20s", d->input.unit ? d->input.unit : "token");
    if (d->input.image.rgb) {
        glim__html_picture(p);
        put_legend(p);
        glim__html_description(p);
        glim__buffer_puts(p->b, "</section>\n");
        return;
    }
    glim__html_term(p, glim__html_arg(p), unit);
    glim__html_say(p, "span class=\"unseen\" id=\"glim-strip-name\"", "strip");
    glim__buffer_printf(p->b, "\n<div class=\"strip %s\" id=\"glim-strip\" dir=\"%s\">",
                        flows ? "short" : "long", glim__html_direction(d));
    put_units(p);
    if (!d->rows) {
        glim__buffer_puts(p->b, "<div class=\"to\"><span class=\"arrow\">\xe2\x86\x92</span> "
                                "<span class=\"goal\">");
        glim__html_label(p->b, d->target.text, d->target.text_len, 48);
        glim__buffer_puts(p->b, "</span>");
        if (d->target.against) {
            glim__buffer_puts(p->b, " <s><span class=\"goal\">");
            glim__html_label(p->b, d->target.against, d->target.against_len, 48);
            glim__buffer_puts(p->b, "</span></s>");
        }
        glim__buffer_puts(p->b, "</div>");
    }
    glim__buffer_puts(p->b, "</div>\n");
    put_legend(p);
    glim__html_description(p);
    glim__buffer_puts(p->b, "</section>\n");
}

/* ---- the same in words ---- */

static void put_ranked(html_page *p, struct html_rank rank) {
    const glim_document_unit *u = &p->d->input.units[rank.unit];
    glim__html_quote(glim__html_arg(p), u->text, u->text_len, HTML_LABEL);
    glim__html_number(glim__html_arg(p), rank.score, p->limit, p->d->method.is_signed);
}

void glim__html_description(html_page *p) {
    struct html_rank *ranks = glim__calloc(p->b->ctx, p->d->input.n_units + 1, sizeof *ranks);
    size_t n = ranks ? glim__html_order(p, p->scores, false, ranks) : 0;
    double rest = 0;
    char units[40];
    p->b->failed = p->b->failed || !ranks;
    glim__buffer_puts(p->b, "<p class=\"say\" id=\"glim-say\">");
    if (!n || ranks[0].score == 0) {
        glim__html_say(p, "span", n ? "say.none" : "say.empty");
    } else {
        glim__buffer_printf(glim__html_arg(p), "%zu", n);
        put_ranked(p, ranks[0]);
        snprintf(units, sizeof units, "units.%.20s", p->d->input.unit ? p->d->input.unit : "token");
        glim__html_term(p, glim__html_arg(p), units);
        glim__html_say(p, "span", "say.first");
        for (size_t i = 1; i < n && (i == 1 || n == 3); i++) {
            glim__buffer_putc(p->b, ' ');
            put_ranked(p, ranks[i]);
            glim__html_say(p, "span", "say.second");
        }
        for (size_t i = 2; i < n; i++)
            rest += ranks[i].score;
        if (n > 3) {
            glim__buffer_putc(p->b, ' ');
            glim__buffer_printf(glim__html_arg(p), "%zu", n - 2);
            glim__html_number(glim__html_arg(p), rest, p->limit, p->d->method.is_signed);
            glim__html_say(p, "span", "say.rest");
        }
    }
    glim__buffer_puts(p->b, "</p>\n");
    glim__html_support(p);
    glim__free(p->b->ctx, ranks);
}
