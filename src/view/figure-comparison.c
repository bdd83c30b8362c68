/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Models or methods side by side: what is told of each as a table, their scores on the same
 * units one under the other, what changes from the first, and how alike every two are.
 */
#include "view/figure-json.h"

#include <math.h>
#include <string.h>

struct compared {
    const json_t *all, *runs, *models, *units;
    size_t n;
    bool models_too;
    const char *const *keys; /* columns of a table */
};

/* ---- names ---- */

static const char *name_of(const struct compared *c, sheet *t, size_t i, int most) {
    const char *s = c->models_too ? figure_text(json_array_get(c->models, i), "name")
                                  : figure_text(json_array_get(c->runs, i), "method");
    return sheet_label(t, s, strlen(s), most);
}

static const char *axis_name(void *data, sheet *t, size_t i) {
    return name_of(data, t, i, HTML_LABEL);
}

/* ---- the tables of models ---- */

static const char *const speed[] = {"file_bytes",   "bits_per_weight", "pass_rate", "pass_ratio",
                                    "explain_rate", "explain_ratio",   NULL};
static const char *const quality[] = {"kl", "flips", "logprob", "accuracy", "drift_last", NULL};
static const char *const explanation[] = {"kendall", "jaccard", "rbo", "sign_flips", NULL};

static bool is_told(const struct compared *c, const char *key) {
    for (size_t i = 0; i < c->n; i++)
        if (isfinite(figure_real(json_array_get(c->models, i), key)))
            return true;
    return false;
}

/* The k-th of the columns that have a number. */
static const char *key_at(const struct compared *c, size_t k) {
    for (size_t i = 0; c->keys[i]; i++)
        if (is_told(c, c->keys[i]) && !k--)
            return c->keys[i];
    return NULL;
}

static const char *model_head(void *data, sheet *t, size_t column) {
    char key[48];
    if (!column)
        return sheet_word(t, "compare.model");
    snprintf(key, sizeof key, "compare.%.30s", key_at(data, column - 1));
    return sheet_word(t, key);
}

static const char *model_cell(void *data, sheet *t, size_t row, size_t column) {
    const struct compared *c = data;
    if (!column)
        return name_of(c, t, row, 40);
    const char *key = key_at(c, column - 1);
    double x = figure_real(json_array_get(c->models, row), key);
    if (!isfinite(x))
        return NULL;
    if (!strcmp(key, "file_bytes")) {
        glim__buffer_printf(&t->markup, x < 1e6 ? "%.1f KiB" : "%.1f MiB",
                            x / (x < 1e6 ? 1 << 10 : 1 << 20));
        return sheet_taken(t);
    }
    return figure_number_text(t, x);
}

static bool first_words(void *data, size_t column) {
    return !column;
}

static void put_table(sheet *t, struct compared *c, const char *title, const char *const *keys) {
    size_t n = 0;
    c->keys = keys;
    while (key_at(c, n))
        n++;
    if (!n || !sheet_enter(t, strchr(title, '.') + 1))
        return;
    sheet_heading(t, sheet_word(t, title));
    sheet_table_draw(t, &(sheet_table){.rows = c->n,
                                       .columns = n + 1,
                                       .data = c,
                                       .head = model_head,
                                       .cell = model_cell,
                                       .words = first_words});
    sheet_leave(t);
}

/* ---- strips ---- */

/* A run's scores; of several targets the sums over them. NaN where there is none. */
static double score_of(const struct compared *c, size_t run, size_t unit) {
    const json_t *scores = figure_get(json_array_get(c->runs, run), "scores");
    double sum = NAN;
    if (!json_is_array(json_array_get(scores, 0)))
        return figure_real_at(scores, unit);
    for (size_t r = 0; r < json_array_size(scores); r++) {
        double x = figure_real_at(json_array_get(scores, r), unit);
        if (isfinite(x))
            sum = (isfinite(sum) ? sum : 0) + x;
    }
    return sum;
}

static double change_of(const struct compared *c, size_t run, size_t unit) {
    return score_of(c, run, unit) - score_of(c, 0, unit);
}

static double largest(const struct compared *c, size_t run,
                      double value(const struct compared *, size_t, size_t)) {
    double most = 0;
    for (size_t u = 0; u < json_array_size(c->units); u++) {
        double x = value(c, run, u);
        most = isfinite(x) ? fmax(most, fabs(x)) : most;
    }
    return most;
}

static void put_strip(sheet *t, const struct compared *c, size_t run, double limit, bool both,
                      double value(const struct compared *, size_t, size_t)) {
    double x = t->left;
    for (size_t u = 0; u < json_array_size(c->units); u++) {
        const char *s = json_string_value(json_array_get(c->units, u));
        double v = value(c, run, u);
        s = s ? s : "";
        size_t n = strlen(s);
        if (n > 1 && *s == ' ') {
            x += x > t->left ? 3 : 0;
            s++;
            n--;
        }
        const char *words = sheet_label(t, s, n, 0);
        svg_note(&t->s, "data-run=\"%zu\" data-unit=\"%zu\"", run, u);
        svg_value(&t->s, "score", v);
        x = figure_box(t, x, words,
                       isfinite(v)
                           ? sheet_shade(both, both ? glim__step(v, limit) : glim__amount(v, limit))
                           : NULL,
                       false);
    }
    *t->s.note = 0;
    sheet_gap(t, 24);
}

static void put_strip_name(sheet *t, const char *name, const char *limit) {
    char words[200];
    snprintf(words, sizeof words, "%.120s%s%.60s", name, *limit ? "   \xc2\xb1 " : "", limit);
    sheet_paragraph(t, (svg_font){12, true}, SHEET_INK, 0, words);
    sheet_gap(t, 2);
}

static bool is_signed(const struct compared *c, size_t run) {
    return json_is_true(figure_get(json_array_get(c->runs, run), "signed"));
}

static void put_strips(sheet *t, const struct compared *c) {
    char name[160], number[40];
    double limit = 0;
    if (!json_array_size(c->units) || !sheet_enter(t, "strips"))
        return;
    bool many = json_is_object(figure_get(c->all, "many"));
    sheet_heading(t, sheet_word(t, many ? "compare.first" : "compare.strips"));
    for (size_t i = 0; i < c->n; i++)
        limit = fmax(limit, largest(c, i, score_of));
    for (size_t i = 0; i < c->n; i++) {
        double own = c->models_too ? limit : largest(c, i, score_of);
        snprintf(number, sizeof number, "%s", c->models_too ? "" : figure_number_text(t, own));
        snprintf(name, sizeof name, "%zu  %s", i + 1, name_of(c, t, i, 60));
        put_strip_name(t, name, number);
        put_strip(t, c, i, own, is_signed(c, i), score_of);
    }
    if (c->models_too) {
        sheet_legend(t);
        sheet_signed_scale(t, is_signed(c, 0), limit);
        sheet_legend_end(t);
    }
    figure_note(t, sheet_word(t, c->models_too ? "compare.same-scale" : "compare.own-scale"));
    sheet_leave(t);
}

/* What changes from the first model, on a scale of its own. */
static void put_changes(sheet *t, const struct compared *c) {
    double limit = 0;
    char name[160];
    if (!c->models_too || c->n < 2 || !json_array_size(c->units) || !sheet_enter(t, "difference"))
        return;
    for (size_t i = 1; i < c->n; i++)
        limit = fmax(limit, largest(c, i, change_of));
    sheet_heading(t, sheet_word(t, "figure.changes"));
    for (size_t i = 1; i < c->n; i++) {
        snprintf(name, sizeof name, "%zu \xe2\x88\x92 1  %s", i + 1, name_of(c, t, i, 60));
        put_strip_name(t, name, "");
        put_strip(t, c, i, limit, true, change_of);
    }
    sheet_legend(t);
    sheet_signed_scale(t, true, limit);
    sheet_key(t, SHEET_BARE, sheet_word(t, "legend.own"));
    sheet_legend_end(t);
    sheet_leave(t);
}

/* ---- how alike ---- */

struct matrix {
    const struct compared *c;
    const json_t *rows;
};

static double pair_value(void *data, size_t r, size_t k, size_t by_row, size_t by_column) {
    const struct matrix *m = data;
    return figure_real_at(json_array_get(m->rows, r), k);
}

static int pair_step(void *data, double x) {
    return glim__step(x, 1);
}

static const char *pair_name(void *data, sheet *t, size_t i) {
    const struct matrix *m = data;
    return axis_name((void *)m->c, t, i);
}

static const char *pair_text(void *data, sheet *t, size_t r, size_t k) {
    glim__buffer_printf(&t->markup, "%.2f", pair_value(data, r, k, 1, 1) + 0.0);
    return sheet_taken(t);
}

static void put_agreement(sheet *t, const struct compared *c) {
    static const char *const keys[][2] = {
        {"kendall", "compare.tau"}, {"jaccard", "compare.five"}, {"rbo", "compare.overlap"}};
    const json_t *agreement = figure_get(c->all, "agreement");
    if (c->n < 2 || (c->models_too && c->n == 2) || !sheet_enter(t, "agreement"))
        return;
    sheet_heading(t, sheet_word(t, "compare.alike"));
    for (int k = 0; k < 3; k++) {
        struct matrix m = {c, figure_get(agreement, keys[k][0])};
        sheet_paragraph(t, (svg_font){12, true}, SHEET_INK, 0, sheet_word(t, keys[k][1]));
        sheet_heat_draw(t, &(sheet_heat){.rows = c->n,
                                         .columns = c->n,
                                         .data = &m,
                                         .both = true,
                                         .by_row = 1,
                                         .by_column = 1,
                                         .value = pair_value,
                                         .step = pair_step,
                                         .row = pair_name,
                                         .column = pair_name,
                                         .text = pair_text});
        sheet_gap(t, 4);
    }
    figure_note(t, sheet_word(t, "compare.sizes"));
    sheet_leave(t);
}

/* ---- drift ---- */

static void put_drift(sheet *t, const struct compared *c) {
    sheet_plot p = {.x0 = 0, .x1 = 1, .whole = true};
    char name[160];
    for (size_t i = 1; i < c->n; i++) {
        const json_t *drift = figure_get(json_array_get(c->models, i), "drift");
        p.x1 = fmax(p.x1, (double)json_array_size(drift) - 1);
        for (size_t l = 0; l < json_array_size(drift); l++)
            if (isfinite(figure_real_at(drift, l)))
                p.y1 = fmax(p.y1, figure_real_at(drift, l));
    }
    if (!(p.y1 > 0) || !sheet_enter(t, "drift"))
        return;
    sheet_heading(t, sheet_word(t, "compare.drift"));
    sheet_legend(t);
    for (size_t i = 1; i < c->n; i++) {
        snprintf(name, sizeof name, "%s", name_of(c, t, i, 40));
        sheet_curve_key(t, i - 1, NULL, name);
    }
    sheet_legend_end(t);
    sheet_plot_open(t, &p, 180, true, true);
    for (size_t i = 1; i < c->n; i++) {
        const json_t *drift = figure_get(json_array_get(c->models, i), "drift");
        double x0 = NAN, y0 = NAN;
        for (size_t l = 0; l < json_array_size(drift); l++) {
            double v = figure_real_at(drift, l), x = sheet_plot_x(&p, (double)l),
                   y = sheet_plot_y(&p, v);
            if (!isfinite(v))
                continue;
            if (isfinite(x0))
                svg_line(&t->s, x0, y0, x, y, sheet_category(i - 1), 2, NULL);
            svg_note(&t->s, "data-run=\"%zu\" data-layer=\"%zu\"", i, l);
            svg_value(&t->s, "value", v);
            sheet_point(t, i - 1, x, y, 3.2);
            x0 = x;
            y0 = y;
        }
    }
    sheet_plot_close(t, &p);
    figure_note(t, sheet_word(t, "compare.drift-legend"));
    sheet_leave(t);
}

/* ---- which describes the model better ---- */

struct judged {
    const struct compared *c;
    const json_t *one;
};

static sheet_bar judged_row(void *data, size_t i) {
    const struct judged *j = data;
    const json_t *mean = json_array_get(figure_get(j->one, "means"), i);
    double x = figure_real(mean, "mean"), low = figure_real(mean, "low"),
           high = figure_real(mean, "high");
    return (sheet_bar){x, isfinite(high - low) ? (high - low) / 2 : 0, i, false};
}

static const char *judged_name(void *data, sheet *t, size_t i) {
    const struct judged *j = data;
    return name_of(j->c, t, i, 40);
}

static void put_judged(sheet *t, const struct compared *c) {
    const json_t *list = figure_get(figure_get(c->all, "many"), "judged");
    char key[64];
    if (!json_array_size(list) || !sheet_enter(t, "judged"))
        return;
    sheet_heading(t, sheet_word(t, "compare.judged"));
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct judged j = {c, json_array_get(list, i)};
        const char *name = figure_text(j.one, "metric");
        bool higher = json_is_true(figure_get(j.one, "higher_is_better"));
        double limit = 0;
        snprintf(key, sizeof key, "%.40s.metric", name);
        glim__html_plain(&t->markup, name, strlen(name), 40);
        glim__buffer_puts(&t->markup, higher ? " \xe2\x86\x91  " : " \xe2\x86\x93  ");
        if (glim__html_has(key))
            glim__html_term(&t->page, &t->markup, key);
        sheet_lines(t, (svg_font){12, true}, SHEET_INK);
        for (size_t k = 0; k < c->n; k++)
            limit = fmax(limit, fabs(judged_row(&j, k).value));
        sheet_bar_rows(t, &(sheet_bars){.n = c->n,
                                        .data = &j,
                                        .row = judged_row,
                                        .label = judged_name,
                                        .limit = limit,
                                        .names = 0.36,
                                        .both = true});
        sheet_gap(t, 6);
    }
    figure_note(t, sheet_word(t, "compare.holm"));
    if (json_is_false(figure_get(figure_get(c->all, "many"), "enough_to_rank")))
        figure_note(t, sheet_word(t, "compare.few"));
    sheet_leave(t);
}

/* ---- the page ---- */

static void put_head(sheet *t, const struct compared *c) {
    const json_t *many = figure_get(c->all, "many"), *rows = figure_get(c->all, "rows");
    figure_arg_count(t, c->n);
    figure_title(t, sheet_word(t, c->models_too ? "compare.models" : "compare.methods"));
    if (json_is_object(many)) {
        figure_arg_count(t, figure_count(many, "compared"));
        figure_arg_count(t, figure_count(many, "available"));
        figure_arg_count(t, figure_count(many, "failed") + figure_count(many, "empty"));
        figure_note(t, sheet_word(t, "compare.many"));
    } else {
        figure_arg_quote(t, figure_text(figure_get(c->all, "target"), "text"), 48);
        figure_arg_count(t, json_array_size(rows));
        figure_note(t,
                    sheet_word(t, json_array_size(rows) > 1 ? "compare.targets" : "compare.one"));
    }
    if (c->models_too) {
        figure_arg_text(t, figure_text(json_array_get(c->runs, 0), "method"), 40);
        figure_note(t, sheet_word(t, "compare.by"));
    }
    if (json_is_true(figure_get(c->all, "partial")))
        sheet_verdict(t, GLIM_VERDICT_CAREFUL, sheet_word(t, "compare.partial"));
}

/* "F16 and Q4: Kendall 0.91." */
static void say(sheet *t, const struct compared *c) {
    const json_t *kendall = figure_get(figure_get(c->all, "agreement"), "kendall");
    for (size_t i = 1; i < c->n && i < 3; i++) {
        glim__buffer_printf(&t->markup, "%zu: tau_b ", i + 1);
        glim__html_number(&t->markup, figure_real_at(json_array_get(kendall, 0), i), 1, true);
        glim__buffer_putc(&t->markup, '.');
        sheet_alt(t, sheet_taken(t));
    }
}

void glim__figure_comparison(sheet *t, const json_t *all) {
    struct compared c = {.all = all,
                         .runs = figure_get(all, "runs"),
                         .models = figure_get(all, "models"),
                         .units = figure_get(all, "units")};
    c.n = json_array_size(c.runs);
    c.models_too = json_is_array(c.models);
    put_head(t, &c);
    put_table(t, &c, "compare.speed", speed);
    put_table(t, &c, "compare.quality", quality);
    put_table(t, &c, "compare.explanation", explanation);
    if (c.models_too && !t->chosen)
        figure_note(t, sheet_word(t, "compare.legend"));
    put_drift(t, &c);
    put_judged(t, &c);
    put_strips(t, &c);
    put_changes(t, &c);
    glim__figure_scatter(t, all);
    put_agreement(t, &c);
    say(t, &c);
}
