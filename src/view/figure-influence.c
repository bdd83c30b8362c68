/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which training samples a model leans on: for each query those that raised and those that
 * lowered its value, and which samples a fit leans on by themselves.
 */
#include "view/figure-influence.h"

#include <math.h>
#include <string.h>

enum { MOST_QUERIES = 10, TEXT = 120 };

/* ---- lists ---- */

struct list {
    const json_t *entries;
    size_t n;
};

static sheet_bar entry_row(void *data, size_t i) {
    const struct list *l = data;
    const json_t *e = json_array_get(l->entries, i);
    return (sheet_bar){figure_real(e, "value"), 0, figure_count(e, "row"), false};
}

/* "12 [world] Stocks fall ..." */
static const char *entry_name(void *data, sheet *t, size_t i) {
    const struct list *l = data;
    const json_t *e = json_array_get(l->entries, i);
    const char *label = figure_text(e, "label"), *text = figure_text(e, "text");
    glim__buffer_printf(&t->markup, "%zu ", figure_count(e, "row"));
    if (*label) {
        glim__buffer_putc(&t->markup, '[');
        glim__html_trimmed(&t->markup, label, strlen(label), 24);
        glim__buffer_puts(&t->markup, "] ");
    }
    if (*text)
        glim__html_trimmed(&t->markup, text, strlen(text), TEXT);
    return sheet_taken(t);
}

static void put_entries(sheet *t, const json_t *entries, size_t n) {
    struct list l = {entries, n};
    double limit = 0;
    bool both = false;
    for (size_t i = 0; i < n; i++) {
        double x = entry_row(&l, i).value;
        limit = isfinite(x) ? fmax(limit, fabs(x)) : limit;
        both = both || x < 0;
    }
    if (!n) {
        figure_note(t, sheet_word(t, "influence.none"));
        return;
    }
    sheet_bar_rows(t, &(sheet_bars){.n = n,
                                    .data = &l,
                                    .row = entry_row,
                                    .label = entry_name,
                                    .limit = limit,
                                    .names = 0.62,
                                    .both = true,
                                    .ragged = true});
    sheet_gap(t, 4);
}

/* How many of the entries, which are sorted, have this sign. */
static size_t of_sign(const json_t *entries, int sign) {
    size_t n = 0;
    while (n < json_array_size(entries) &&
           figure_real(json_array_get(entries, n), "value") * sign > 0)
        n++;
    return n;
}

/* ---- queries ---- */

static const json_t *column_of(const json_t *all, const char *name, size_t query) {
    const json_t *columns = figure_get(all, "columns");
    for (size_t i = 0; i < json_array_size(columns); i++) {
        const json_t *c = json_array_get(columns, i);
        if (!strcmp(figure_text(c, "name"), name) && figure_count(c, "query") == query)
            return c;
    }
    return NULL;
}

static void put_parts(sheet *t, const json_t *all, size_t query, const json_t *entries, size_t n) {
    const json_t *shares = figure_get(all, "shares");
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < json_array_size(shares); k++) {
            const json_t *s = json_array_get(shares, k);
            size_t row = figure_count(json_array_get(entries, i), "row");
            if (figure_count(s, "query") != query || figure_count(s, "row") != row)
                continue;
            figure_shares(t, s);
        }
}

static void put_query(sheet *t, const json_t *all, size_t q) {
    const json_t *one = json_array_get(figure_get(all, "queries"), q);
    const json_t *c = column_of(all, "influence", q + 1);
    const json_t *alike = column_of(all, "similarity", q + 1);
    bool streams = !strcmp(figure_text(figure_get(all, "model"), "kind"), "model");
    const char *output = figure_text(all, "output"),
               *of = figure_text(one, streams ? "label" : "of");
    char name[24];
    snprintf(name, sizeof name, "query-%zu", q + 1);
    if (!sheet_enter(t, name))
        return;
    figure_arg_count(t, q + 1);
    figure_arg_text(t, figure_text(one, "text"), TEXT);
    sheet_heading(t, sheet_word(t, "influence.query"));
    figure_arg_text(t, *output ? output : "logprob", 40);
    figure_arg_text(t, *of ? of : "\xe2\x80\xa6", 40);
    figure_arg_real(t, figure_real(one, "value"));
    figure_note(t, sheet_word(t, "influence.value"));
    if (c) {
        const json_t *high = figure_get(c, "high"), *low = figure_get(c, "low");
        size_t n = of_sign(high, 1), m = of_sign(low, -1);
        sheet_paragraph(t, (svg_font){12, true}, SHEET_INK, 0, sheet_word(t, "influence.helpful"));
        put_entries(t, high, n);
        put_parts(t, all, q + 1, high, n);
        sheet_paragraph(t, (svg_font){12, true}, SHEET_INK, 0, sheet_word(t, "influence.harmful"));
        put_entries(t, low, m);
        put_parts(t, all, q + 1, low, m);
    } else if (alike) {
        sheet_paragraph(t, (svg_font){12, true}, SHEET_INK, 0, sheet_word(t, "influence.alike"));
        put_entries(t, figure_get(alike, "high"), json_array_size(figure_get(alike, "high")));
    }
    sheet_leave(t);
}

/* ---- samples by themselves ---- */

static void put_columns(sheet *t, const json_t *all) {
    const json_t *columns = figure_get(all, "columns");
    for (size_t i = 0; i < json_array_size(columns); i++) {
        const json_t *c = json_array_get(columns, i), *high = figure_get(c, "high");
        const char *name = figure_text(c, "name");
        if (figure_count(c, "query") || !json_array_size(high) || !strcmp(name, "duplicate-of") ||
            !sheet_enter(t, name))
            continue;
        figure_arg_text(t, name, 60);
        sheet_heading(t, sheet_word(t, "influence.largest"));
        put_entries(t, high, json_array_size(high));
        sheet_leave(t);
    }
}

static void put_flags(sheet *t, const json_t *all) {
    static const char *const names[] = {"mislabelled", "far"};
    const json_t *flags = figure_get(all, "flags"), *twins = figure_get(flags, "duplicates");
    for (int i = 0; i < 2; i++) {
        const json_t *f = figure_get(flags, names[i]), *samples = figure_get(f, "samples");
        char key[48];
        if (!figure_count(f, "count") || !sheet_enter(t, names[i]))
            continue;
        figure_arg_count(t, figure_count(f, "count"));
        snprintf(key, sizeof key, "influence.%s", names[i]);
        sheet_heading(t, sheet_word(t, key));
        put_entries(t, samples, json_array_size(samples));
        sheet_leave(t);
    }
    if (figure_count(twins, "count")) {
        figure_arg_count(t, figure_count(twins, "count"));
        figure_arg_count(t, figure_count(twins, "other_label"));
        figure_note(t, sheet_word(t, "influence.same"));
    }
}

/* ---- the page ---- */

static void put_head(sheet *t, const json_t *all) {
    const json_t *model = figure_get(all, "model"), *train = figure_get(all, "train");
    const char *method = figure_text(figure_get(all, "method"), "name");
    bool streams = !strcmp(figure_text(model, "kind"), "model");
    figure_arg_count(t, figure_count(train, "samples"));
    figure_title(t, sheet_word(t, json_array_size(figure_get(all, "queries")) ? "influence.traced"
                                                                              : "influence.title"));
    if (streams) {
        figure_arg_text(t, figure_text(model, "file"), 80);
    } else {
        figure_arg_text(t, figure_text(model, "kind"), 20);
        figure_arg_count(t, figure_count(model, "features"));
        figure_arg_real(t, figure_real(model, "strength"));
    }
    figure_arg_text(t, figure_text(train, "file"), 80);
    figure_arg_text(t, method, 60);
    figure_note(t, sheet_word(t, streams ? "influence.whole-model" : "influence.model"));
    figure_verdict(t, all, figure_text(all, "verdict_reason"));
}

static void put_truth(sheet *t, const json_t *all) {
    const json_t *truth = figure_get(all, "truth");
    if (!json_is_object(truth))
        return;
    figure_arg_count(t, json_array_size(figure_get(truth, "left_out")));
    figure_arg_real(t, figure_real(truth, "spearman"));
    figure_arg_count(t, figure_count(truth, "halves"));
    figure_arg_real(t, figure_real(truth, "lds"));
    figure_note(t, sheet_word(t, "influence.loo"));
}

/* The strongest sample of the first query, or the first column. */
static void say(sheet *t, const json_t *all) {
    const json_t *columns = figure_get(all, "columns"), *c = column_of(all, "influence", 1);
    const json_t *high = figure_get(c ? c : json_array_get(columns, 0), "high");
    for (size_t i = 0; i < 2 && i < json_array_size(high); i++) {
        const json_t *e = json_array_get(high, i);
        glim__html_quote(glim__html_arg(&t->page), figure_text(e, "text"),
                         strlen(figure_text(e, "text")), 60);
        figure_arg_real(t, figure_real(e, "value"));
        sheet_alt(t, sheet_word(t, "say.second"));
    }
}

void glim__figure_influence(sheet *t, const json_t *all) {
    put_head(t, all);
    size_t n = json_array_size(figure_get(all, "queries"));
    for (size_t q = 0; q < n && q < MOST_QUERIES; q++)
        put_query(t, all, q);
    figure_histogram(t, all);
    figure_stems(t, all);
    figure_plane(t, all);
    put_columns(t, all);
    put_flags(t, all);
    put_truth(t, all);
    if (n)
        figure_note(t, sheet_word(t, "influence.sign"));
    say(t, all);
}
