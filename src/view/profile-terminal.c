/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A profile in the terminal: the verdict in words, each quality with its mark as a bar and
 * its metrics under it, plausibility apart from the others, and what was left out with the
 * reason. No line is longer than the width.
 */
#include "view/page.h"
#include "view/profile.h"
#include "view/width.h"

#include <math.h>
#include <string.h>

enum {
    WIDEST = 120,
    NARROWEST = 20,
    NAME = 26,
    CELL = 9,
    WIDE = 76,
    MIDDLE = 50,
    INTERVAL = 21,
    FEW = 7,
    EVERY = 5 /* points of a curve */
};

static const char *plain(const glim_page *p, char out[32], double x) {
    if (isnan(x))
        return glim__page_pick(p, "\xe2\x80\x93", "-");
    const char *text = glim__page_number(p, out, x);
    return *text == '+' ? text + 1 : text;
}

/* Right-aligned in its columns; returns them. */
static int put_cell(glim_page *p, const char *text, int columns) {
    int used = glim__text_width(text, strlen(text), 1);
    for (int i = used; i < columns; i++)
        glim__buffer_putc(&p->b, ' ');
    glim__buffer_puts(&p->b, text);
    return used > columns ? used : columns;
}

static int put_number(glim_page *p, double x) {
    char text[32];
    return put_cell(p, plain(p, text, x), CELL);
}

static void put_bar(glim_page *p, double share, int at) {
    int room = p->width - at - 2;
    if (room >= 4 && share > 0) {
        glim__buffer_puts(&p->b, "  ");
        glim__page_bar(p, share, 1, room > 30 ? 30 : room, false);
    }
    glim__page_end_line(p);
}

static int name_columns(const glim_page *p) {
    int most = p->width < WIDE ? p->width / 2 : NAME;
    return most > NAME ? NAME : most;
}

/* "low .. high" and how many inputs it is of. */
static int put_interval(glim_page *p, double low, double high, size_t inputs) {
    char text[80], a[32], b[32], n[24];
    snprintf(text, sizeof text, "%s .. %s", plain(p, a, low), plain(p, b, high));
    snprintf(n, sizeof n, "%zu", inputs);
    int at = put_cell(p, isnan(low) ? plain(p, a, NAN) : text, INTERVAL);
    return at + put_cell(p, n, FEW);
}

/* "metric  value  random +-se  best  skill", what there is room for. */
static void put_measure(glim_page *p, const glim_measure *m, bool many) {
    int at = name_columns(p);
    char se[32], skill[16] = "";
    const char *better = m->metric->higher ? glim__page_pick(p, "\xe2\x86\x91", "^")
                                           : glim__page_pick(p, "\xe2\x86\x93", "v");
    glim__buffer_puts(&p->b, "  ");
    glim__page_label(p, &p->b, m->metric->name, strlen(m->metric->name), at - 3, at - 2);
    if (p->width >= MIDDLE) {
        glim__buffer_puts(&p->b, better);
        at++;
    }
    at += put_number(p, m->value);
    if (p->width >= WIDE && many) {
        at += put_interval(p, m->low, m->high, m->inputs) + put_number(p, m->random);
    } else if (p->width >= WIDE) {
        at += put_number(p, m->random);
        if (isfinite(m->random_se))
            snprintf(se, sizeof se, " %s%.1g", glim__page_pick(p, "\xc2\xb1", "+-"), m->random_se);
        else
            se[0] = 0;
        glim__buffer_puts(&p->b, se);
        int used = glim__text_width(se, strlen(se), 1);
        for (; used < CELL; used++)
            glim__buffer_putc(&p->b, ' ');
        at += used + put_number(p, m->best);
    }
    if (p->width >= MIDDLE) {
        if (isfinite(m->skill))
            snprintf(skill, sizeof skill, "%.2f", m->skill + 0.0); /* of -0, 0 */
        at += put_cell(p, skill, 7);
    }
    put_bar(p, m->skill, at);
    char text[120];
    if (m->failed) {
        snprintf(text, sizeof text, "%s failed: its limit is %.3g",
                 glim__page_pick(p, "\xe2\x9c\x96", "[x]"), m->metric->limit);
        glim__page_wrapped(p, text);
    }
}

static void put_heads(glim_page *p, bool many) {
    int at = name_columns(p);
    glim__page_label(p, &p->b, "", 0, at, p->width >= MIDDLE ? at + 1 : at);
    put_cell(p, "value", CELL);
    if (p->width >= WIDE && many) {
        put_cell(p, "95 % interval", INTERVAL);
        put_cell(p, "inputs", FEW);
        put_cell(p, "random", CELL);
    } else if (p->width >= WIDE) {
        put_cell(p, "random", CELL);
        put_cell(p, "", CELL);
        put_cell(p, "best", CELL);
    }
    if (p->width >= MIDDLE)
        put_cell(p, "skill", 7);
    glim__page_end_line(p);
}

static bool is_told(const glim_measure *m) {
    return !m->why;
}

static void put_quality(glim_page *p, const glim_profile *f, glim_quality q) {
    double mark = f->e->marks[q];
    char text[32];
    int at = name_columns(p) < 18 ? 18 : name_columns(p);
    size_t told = 0;
    for (size_t i = 0; i < f->e->n_measures; i++)
        told += f->e->measures[i].metric->quality == q && is_told(&f->e->measures[i]);
    if (!told)
        return;
    glim__buffer_putc(&p->b, '\n');
    if (q == GLIM_PLAUSIBILITY)
        glim__page_wrapped(p, "Apart from these: what people would point at, which a wrong model's "
                              "true explanation need not be.");
    const char *name = glim_quality_name(q);
    at = p->width < 40 ? 14 : at;
    glim__page_label(p, &p->b, name, strlen(name), at - 1, at);
    if (isfinite(mark))
        snprintf(text, sizeof text, "%.2f", mark);
    at += put_cell(p, isfinite(mark) ? text : glim__page_pick(p, "\xe2\x80\x93", "-"), 6);
    if (p->width >= MIDDLE && isfinite(f->e->low[q]) && isfinite(f->e->high[q])) {
        snprintf(text, sizeof text, "(%.2f .. %.2f)", f->e->low[q], f->e->high[q]);
        at += put_cell(p, text, 16);
    }
    put_bar(p, mark, at);
    for (size_t i = 0; i < f->e->n_measures; i++)
        if (f->e->measures[i].metric->quality == q && is_told(&f->e->measures[i]))
            put_measure(p, &f->e->measures[i], f->inputs != NULL);
}

/* Why a metric says nothing, or what else to know of what it says; or NULL. */
static const char *remark(const glim_measure *m, bool left_out) {
    return left_out ? m->why : is_told(m) ? m->note : NULL;
}

/* Metrics with one remark together. */
static void put_remarks(glim_page *p, const glim_evaluation *e, bool left_out) {
    for (size_t i = 0; i < e->n_measures; i++) {
        const char *text = remark(&e->measures[i], left_out);
        bool first = text != NULL;
        for (size_t k = 0; k < i && first; k++) {
            const char *other = remark(&e->measures[k], left_out);
            first = !other || strcmp(other, text) != 0;
        }
        if (!first)
            continue;
        glim_buffer line;
        glim__buffer_init(&line, p->b.ctx);
        glim__buffer_printf(&line, "%s%s:", left_out ? "not told, " : "", text);
        for (size_t k = i; k < e->n_measures; k++) {
            const char *other = remark(&e->measures[k], left_out);
            if (other && !strcmp(other, text))
                glim__buffer_printf(&line, "%s %s", k > i ? "," : "", e->measures[k].metric->name);
        }
        p->b.failed = p->b.failed || line.failed;
        glim__page_wrapped(p, line.data ? line.data : "");
        glim__buffer_release(&line);
    }
}

static void put_top(glim_page *p, const glim_profile *f) {
    static const char *const words[] = {"ok", "careful", "do not trust"};
    glim_verdict v = glim__profile_verdict(f).verdict;
    const char *mark = v == GLIM_VERDICT_OK        ? glim__page_pick(p, "\xe2\x9c\x93", "[ok]")
                       : v == GLIM_VERDICT_CAREFUL ? glim__page_pick(p, "\xe2\x96\xb2", "[!]")
                                                   : glim__page_pick(p, "\xe2\x9c\x96", "[x]");
    glim_buffer line;
    glim__buffer_init(&line, p->b.ctx);
    glim__buffer_printf(&line, "%s of %s",
                        f->inputs ? "How good are explanations" : "How good is this explanation",
                        glim__page_pick(p, "\xe2\x80\x9c", "\""));
    glim__page_label(p, &line, f->doc->target.text ? f->doc->target.text : "",
                     f->doc->target.text ? f->doc->target.text_len : 0, p->width / 3, 0);
    glim__buffer_printf(&line, "%s: %.60s\n", glim__page_pick(p, "\xe2\x80\x9d", "\""),
                        f->doc->method.name);
    glim__buffer_printf(&line, "%s %s: ", mark, words[v]);
    glim__profile_words(&line, f);
    p->b.failed = p->b.failed || line.failed;
    glim__page_wrapped(p, line.data ? line.data : "");
    glim__buffer_release(&line);
}

static void put_foot(glim_page *p, const glim_profile *f) {
    char text[300];
    glim__buffer_putc(&p->b, '\n');
    put_remarks(p, f->e, true);
    put_remarks(p, f->e, false);
    for (size_t i = 0; i < f->doc->n_notes && !f->inside; i++)
        glim__page_wrapped(p, f->doc->notes[i]);
    snprintf(text, sizeof text,
             "%s higher is better, %s lower. random: the same scores in %zu random orders. skill: "
             "0 is random, 1 the best known; marks are means of it.",
             glim__page_pick(p, "\xe2\x86\x91", "^"), glim__page_pick(p, "\xe2\x86\x93", "v"),
             f->draws);
    glim__page_wrapped(p, text);
    snprintf(text, sizeof text, "%llu masked inputs (absent: %.20s), seed %llu, %.1f s",
             (unsigned long long)f->e->asked, f->absent ? f->absent : "auto",
             (unsigned long long)f->seed, f->e->seconds);
    glim__page_wrapped(p, text);
}

static void put_panels(glim_page *p, const glim_profile *f) {
    glim_document *panels = NULL;
    const glim_document *was = p->d;
    if (glim__profile_panels(&panels, f, EVERY, NULL)) {
        p->b.failed = true;
        return;
    }
    p->d = panels;
    glim__page_panels(p);
    p->d = was;
    glim_document_free(panels);
}

static void put_all(glim_page *p, const glim_profile *f) {
    put_top(p, f);
    glim__buffer_putc(&p->b, '\n');
    put_heads(p, f->inputs != NULL);
    for (int q = 0; q < GLIM_QUALITIES; q++)
        put_quality(p, f, (glim_quality)q);
    put_panels(p, f);
    put_foot(p, f);
}

void glim__page_profile(glim_page *p) {
    glim_profile_kept kept;
    if (!p->d->evaluation)
        return;
    if (glim__profile_open(&kept, p->d, "the document", NULL)) {
        p->b.failed = true;
        return;
    }
    glim__buffer_putc(&p->b, '\n');
    put_all(p, &kept.profile);
    glim__profile_close(&kept);
}

glim_status glim__profile_terminal(const glim_profile *f, const glim_view_options *o, char **out,
                                   size_t *n, glim_error *err) {
    glim_page p = {.d = f->doc, .o = o, .width = o->width > 0 ? o->width : 80};
    p.width = p.width > WIDEST ? WIDEST : p.width < NARROWEST ? NARROWEST : p.width;
    glim__buffer_init(&p.b, f->doc->ctx);
    put_all(&p, f);
    return glim__view_finish(&p.b, out, n, err);
}
