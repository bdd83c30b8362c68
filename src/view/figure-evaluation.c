/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How good an explanation is: a row a metric, each on its own axis from random scores to the
 * best that is known, better to the right; no total, no radar. The mark of a quality is the
 * mean of its skills.
 */
#include "view/figure-json.h"
#include "view/profile.h"

#include <glim/evaluate.h>
#include <math.h>
#include <string.h>

static const svg_font FONT = {12, false, false, false}, TINY = {10, false, false, false};
static const double LINE = 20, NUMBER = 64;

struct columns {
    double name, from, to; /* width of names; ends of the axes */
    size_t numbers;        /* columns of them, from the right */
    bool many;
};

static struct columns lay_out(const sheet *t, bool many) {
    struct columns c = {.many = many, .numbers = 3};
    double w = t->right - t->left;
    if (w < 480)
        c.numbers = 1;
    c.name = w * 0.32;
    c.from = t->left + c.name + 26;
    c.to = t->right - NUMBER * (double)c.numbers - 16;
    return c;
}

static double place(const struct columns *c, double skill) {
    return c->from + (c->to - c->from) * fmin(fmax(skill, -0.1), 1.02);
}

static void put_axis(sheet *t, const struct columns *c) {
    double y = t->y + LINE / 2;
    svg_line(&t->s, c->from, y, c->to, y, SHEET_RULE, 1, NULL);
    svg_line(&t->s, c->from, y - 4, c->from, y + 4, SHEET_FAINT, 1, NULL);
    svg_line(&t->s, c->to, y - 4, c->to, y + 4, SHEET_FAINT, 1, NULL);
}

static void put_number(sheet *t, const struct columns *c, size_t column, double x) {
    if (column >= c->numbers || !isfinite(x))
        return;
    double right = t->right - NUMBER * (double)(c->numbers - 1 - column);
    const char *s = figure_number_text(t, x);
    sheet_text(t, right, t->y + 14, NUMBER - 6, FONT, SHEET_INK, SVG_END, s);
}

static void put_heads(sheet *t, const struct columns *c) {
    static const char *const keys[] = {"column.value", "column.random", "column.best"};
    sheet_text(t, c->from, t->y + 11, 80, TINY, SHEET_GREY, SVG_MIDDLE,
               sheet_word(t, "column.random"));
    sheet_text(t, c->to, t->y + 11, 80, TINY, SHEET_GREY, SVG_MIDDLE, sheet_word(t, "column.best"));
    for (size_t i = 0; i < c->numbers; i++)
        sheet_text(t, t->right - NUMBER * (double)(c->numbers - 1 - i), t->y + 11, NUMBER - 6, TINY,
                   SHEET_GREY, SVG_END, sheet_word(t, keys[i]));
    sheet_gap(t, 16);
}

static void put_mark(sheet *t, const struct columns *c, double mark, double low, double high) {
    char text[24];
    sheet_text(t, t->left + 8, t->y + 14, c->name - 8, (svg_font){12, true}, SHEET_INK, SVG_START,
               sheet_word(t, "profile.mark"));
    put_axis(t, c);
    if (isfinite(mark)) {
        svg_value(&t->s, "mark", mark);
        svg_rect(&t->s, c->from, t->y + 4, fmax(place(c, mark) - c->from, 1), LINE - 8,
                 SHEET_AMOUNT, SVG_NONE);
        if (isfinite(low) && isfinite(high))
            svg_line(&t->s, place(c, low), t->y + LINE / 2, place(c, high), t->y + LINE / 2,
                     SHEET_INK, 1.5, NULL);
        snprintf(text, sizeof text, "%.2f", mark);
        svg_text(&t->s, t->right - NUMBER * (double)(c->numbers - 1), t->y + 14,
                 (svg_font){12, true}, SHEET_INK, SVG_END, text, strlen(text));
    }
    sheet_gap(t, LINE);
}

static double skill_of(const json_t *m, double x) {
    double random = figure_real(m, "random"), best = figure_real(m, "best");
    return best != random ? (x - random) / (best - random) : NAN;
}

static void put_measure(sheet *t, const struct columns *c, const json_t *m) {
    const char *name = figure_text(m, "metric");
    char plain[64];
    bool higher = !strcmp(figure_text(m, "better"), "higher");
    bool failed = json_is_true(figure_get(m, "failed"));
    double skill = figure_real(m, "skill"), y = t->y + LINE / 2;
    double low = skill_of(m, figure_real(m, "low")), high = skill_of(m, figure_real(m, "high"));
    glim__html_plain(&t->markup, name, strlen(name), 40);
    glim__buffer_puts(&t->markup, higher ? " \xe2\x86\x91" : " \xe2\x86\x93");
    if (failed)
        glim__buffer_puts(&t->markup, " \xe2\x9c\x96");
    sheet_text(t, t->left + 8, t->y + 14, c->name - 8, FONT, failed ? 0xa04001 : SHEET_INK,
               SVG_START, sheet_taken(t));
    if (isfinite(skill)) {
        put_axis(t, c);
        if (isfinite(low) && isfinite(high))
            svg_line(&t->s, place(c, fmin(low, high)), y, place(c, fmax(low, high)), y, SHEET_INK,
                     1.5, NULL);
        sheet_plain(plain, name);
        svg_note(&t->s, "data-metric=\"%s\"", plain);
        svg_value(&t->s, "skill", skill);
        svg_circle(&t->s, place(c, skill), y, 4, failed ? 0xffffff : SHEET_AMOUNT,
                   failed ? 0xa04001 : SHEET_AMOUNT);
    }
    put_number(t, c, 0, figure_real(m, "value"));
    put_number(t, c, 1, figure_real(m, "random"));
    put_number(t, c, 2, figure_real(m, "best"));
    sheet_gap(t, LINE);
}

static bool told(const json_t *m, const char *quality) {
    return !strcmp(figure_text(m, "quality"), quality) && !json_is_string(figure_get(m, "why"));
}

static void put_quality(sheet *t, const json_t *all, const char *quality) {
    const json_t *list = figure_get(all, "measures"), *inputs = figure_get(all, "inputs");
    const json_t *interval = figure_get(figure_get(inputs, "intervals"), quality);
    struct columns c = lay_out(t, json_is_object(inputs));
    size_t n = 0;
    char key[48];
    for (size_t i = 0; i < json_array_size(list); i++)
        n += told(json_array_get(list, i), quality);
    if (!n || !sheet_enter(t, quality))
        return;
    snprintf(key, sizeof key, "quality.%.24s", quality);
    sheet_heading(t, sheet_word(t, key));
    if (!strcmp(quality, "plausibility"))
        figure_note(t, sheet_word(t, "profile.apart"));
    put_heads(t, &c);
    put_mark(t, &c, figure_real(figure_get(all, "marks"), quality), figure_real_at(interval, 0),
             figure_real_at(interval, 1));
    for (size_t i = 0; i < json_array_size(list); i++)
        if (told(json_array_get(list, i), quality))
            put_measure(t, &c, json_array_get(list, i));
    sheet_leave(t);
}

/* Curves and ranks; a document that cannot be read has none. */
static void put_panels(sheet *t, const json_t *all) {
    glim_document *panels = NULL;
    const glim_document *was = t->page.d;
    if (glim__profile_panels_of(&panels, t->s.body.ctx, all, NULL) == GLIM_ENOMEM)
        t->s.body.failed = true;
    if (!panels)
        return;
    sheet_gap(t, 8);
    t->page.d = panels;
    glim__figure_panels(t);
    t->page.d = was;
    glim_document_free(panels);
}

void glim__figure_profile(sheet *t, const json_t *all, bool inside) {
    const json_t *list = figure_get(all, "measures");
    if (inside) {
        figure_arg_quote(t, t->page.d->target.text ? t->page.d->target.text : "", 48);
        figure_arg_text(t, t->page.d->method.name, 40);
        sheet_gap(t, 8);
        if (t->chosen == NULL) {
            sheet_heading(t, sheet_word(t, "profile.title"));
            figure_verdict(t, all, figure_text(all, "reason"));
        } else {
            sheet_word(t, "profile.title");
        }
    }
    for (int q = 0; q < GLIM_QUALITIES; q++)
        put_quality(t, all, glim_quality_name((glim_quality)q));
    put_panels(t, all);
    sheet_gap(t, 6);
    figure_arg_count(t, figure_count(all, "draws"));
    figure_note(t, sheet_word(t, "profile.legend"));
    bool first = true;
    for (size_t i = 0; i < json_array_size(list) && !inside; i++) {
        const json_t *m = json_array_get(list, i);
        const char *why = figure_text(m, "why");
        char line[400];
        if (!*why)
            continue;
        if (first)
            figure_note(t, sheet_word(t, "profile.left"));
        first = false;
        snprintf(line, sizeof line, "%.60s: %.300s", figure_text(m, "metric"), why);
        figure_note(t, sheet_label(t, line, strlen(line), 0));
    }
    figure_arg_count(t, figure_count(all, "asked"));
    figure_arg_text(t, figure_text(all, "absent"), HTML_LABEL);
    figure_arg_count(t, figure_count(all, "seed"));
    figure_arg_real(t, figure_real(all, "seconds"));
    figure_note(t, sheet_word(t, "profile.cost"));
}

void glim__figure_evaluation(sheet *t, const json_t *all) {
    const json_t *explained = figure_get(all, "explanation");
    const json_t *target = figure_get(explained, "target");
    bool many = json_is_object(figure_get(all, "inputs"));
    figure_arg_quote(t, figure_text(target, "text"), 48);
    figure_arg_text(t, figure_text(explained, "method"), 40);
    figure_title(t, sheet_word(t, many ? "profile.many" : "profile.title"));
    figure_verdict(t, all, figure_text(all, "reason"));
    glim__figure_profile(t, all, false);
}
