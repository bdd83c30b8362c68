/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Diagnostics of a fit: Cook's distance of every sample as a stem with its threshold, and
 * leverage against studentised residual with lines of equal distance. And what a sample's
 * tokens or layers have of its score.
 */
#include "view/figure-influence.h"

#include <math.h>
#include <string.h>

enum { NAMED = 10, STRIP = 400, BARS = 12 };

static const svg_font TINY = {10, false, false, false};

/* ---- stems ---- */

static const json_t *cook_of(const json_t *all) {
    const json_t *columns = figure_get(all, "columns");
    for (size_t i = 0; i < json_array_size(columns); i++) {
        const json_t *c = json_array_get(columns, i);
        const char *name = figure_text(c, "name");
        if (!strcmp(name, "cook") || !strcmp(name, "cooks-distance") || strstr(name, "cook"))
            return c;
    }
    return NULL;
}

/* Rows of the highest stems, where their names do not meet. */
static void put_names(sheet *t, const sheet_plot *p, const json_t *stems, double limit) {
    const json_t *place = figure_get(stems, "place"), *row = figure_get(stems, "row"),
                 *value = figure_get(stems, "value");
    double taken[NAMED], below = INFINITY;
    char text[24];
    for (size_t named = 0, tries = 0; tries < 4 * NAMED && named < NAMED; tries++) {
        size_t best = SIZE_MAX;
        for (size_t k = 0; k < json_array_size(value); k++) {
            double v = figure_real_at(value, k);
            if (v > limit && v < below && (best == SIZE_MAX || v > figure_real_at(value, best)))
                best = k;
        }
        if (best == SIZE_MAX)
            return;
        below = figure_real_at(value, best);
        double x = sheet_plot_x(p, figure_real_at(place, best));
        bool free = true;
        for (size_t j = 0; j < named; j++)
            free = free && fabs(x - taken[j]) > 34;
        if (!free)
            continue;
        taken[named++] = x;
        snprintf(text, sizeof text, "%.0f", figure_real_at(row, best));
        double w = svg_text_width(t->s.ruler, TINY, text, strlen(text));
        svg_text(&t->s, fmin(fmax(x - w / 2, p->x + 2), t->right - w), sheet_plot_y(p, below) - 4,
                 TINY, SHEET_INK, SVG_START, text, strlen(text));
    }
}

void figure_stems(sheet *t, const json_t *all) {
    const json_t *stems = figure_get(figure_get(all, "figures"), "stems");
    const json_t *place = figure_get(stems, "place"), *value = figure_get(stems, "value");
    const json_t *column = cook_of(all);
    double limit = figure_real(figure_get(all, "flags"), "score_limit");
    double done = fmax((double)figure_count(figure_get(all, "train"), "done"), 1);
    sheet_plot p = {.x0 = -0.5, .x1 = done - 0.5, .whole = true};
    char across[64], down[64];
    if (!json_array_size(value) || !sheet_enter(t, "stems"))
        return;
    for (size_t k = 0; k < json_array_size(value); k++)
        if (isfinite(figure_real_at(value, k)))
            p.y1 = fmax(p.y1, figure_real_at(value, k));
    p.y1 = 1.08 * fmax(p.y1, isfinite(limit) ? 1.2 * limit : 0);
    p.y1 = p.y1 > 0 ? p.y1 : 1;
    figure_arg_count(t, figure_count(column, "beyond"));
    figure_arg_count(t, figure_count(column, "defined"));
    figure_arg_real(t, limit);
    sheet_heading(t, sheet_word(t, "influence.stems"));
    snprintf(across, sizeof across, "%s", sheet_word(t, "influence.words"));
    snprintf(down, sizeof down, "%s", sheet_word(t, "influence.cook"));
    p.across = across;
    p.down = down;
    sheet_plot_open(t, &p, 220, true, true);
    for (size_t k = 0; k < json_array_size(value); k++) {
        double x = sheet_plot_x(&p, figure_real_at(place, k)), v = figure_real_at(value, k);
        if (!isfinite(x) || !isfinite(v) || x < p.x || x > p.x + p.w)
            continue;
        svg_value(&t->s, "row", figure_real_at(figure_get(stems, "row"), k));
        svg_value(&t->s, "value", v);
        svg_line(&t->s, x, sheet_plot_y(&p, v), x, p.y + p.h, v > limit ? SHEET_PLUS : SHEET_AMOUNT,
                 1.2, NULL);
    }
    if (isfinite(limit) && limit < p.y1)
        svg_line(&t->s, p.x, sheet_plot_y(&p, limit), p.x + p.w, sheet_plot_y(&p, limit), SHEET_INK,
                 1, "4 3");
    put_names(t, &p, stems, limit);
    sheet_plot_close(t, &p);
    if (figure_count(stems, "each") > 1) {
        figure_arg_count(t, figure_count(stems, "each"));
        figure_note(t, sheet_word(t, "influence.band"));
    }
    sheet_leave(t);
}

/* ---- leverage and residual ---- */

/* r = sqrt(D p (1 - h) / h) for one D, above and below. */
static void put_contour(sheet *t, const sheet_plot *p, double distance, double free) {
    for (int side = -1; side <= 1; side += 2) {
        glim_buffer d;
        glim__buffer_init(&d, t->s.body.ctx);
        for (int i = 1; i <= 100; i++) {
            double h = p->x1 * i / 100, r = side * sqrt(distance * free * (1 - h) / h);
            if (!(h < 1) || !(r < p->y1) || !(r > p->y0))
                continue;
            glim__buffer_putc(&d, d.len ? 'L' : 'M');
            svg_number(&d, sheet_plot_x(p, h));
            glim__buffer_putc(&d, ' ');
            svg_number(&d, sheet_plot_y(p, r));
        }
        if (d.len)
            svg_path(&t->s, d.data, SVG_NONE, 1, SHEET_FAINT, 1, "1.5 3");
        t->s.body.failed = t->s.body.failed || d.failed;
        glim__buffer_release(&d);
    }
}

static void put_limits(sheet *t, const sheet_plot *p, double per) {
    for (int k = 2; k <= 3; k++) {
        double x = sheet_plot_x(p, k * per);
        if (k * per < p->x1 && per > 0)
            svg_line(&t->s, x, p->y, x, p->y + p->h, SHEET_GREY, 1, "4 3");
        for (int side = -1; side <= 1; side += 2)
            if (side * k < p->y1 && side * k > p->y0)
                svg_line(&t->s, p->x, sheet_plot_y(p, side * k), p->x + p->w,
                         sheet_plot_y(p, side * k), SHEET_GREY, 1, "4 3");
    }
}

/* Twice the mean leverage is the threshold of its column. */
static double leverage_per(const json_t *all) {
    const json_t *columns = figure_get(all, "columns");
    for (size_t i = 0; i < json_array_size(columns); i++)
        if (!strcmp(figure_text(json_array_get(columns, i), "name"), "leverage"))
            return figure_real(json_array_get(columns, i), "threshold") / 2;
    return NAN;
}

void figure_plane(sheet *t, const json_t *all) {
    const json_t *plane = figure_get(figure_get(all, "figures"), "plane");
    const json_t *leverage = figure_get(plane, "leverage"), *value = figure_get(plane, "value"),
                 *residual = figure_get(plane, "residual"), *row = figure_get(plane, "row");
    double per = leverage_per(all), most = 0;
    double n = fmax((double)figure_count(figure_get(all, "train"), "samples"), 1);
    double limit = figure_real(figure_get(all, "flags"), "score_limit");
    char across[64], down[64];
    per = isfinite(per) ? per : 0;
    sheet_plot p = {.x1 = 3.2 * per, .y0 = -3.3, .y1 = 3.3};
    if (!json_array_size(leverage) || !sheet_enter(t, "plane"))
        return;
    for (size_t k = 0; k < json_array_size(leverage); k++) {
        double h = figure_real_at(leverage, k), r = figure_real_at(residual, k);
        p.x1 = isfinite(h) ? fmax(p.x1, 1.08 * h) : p.x1;
        p.y1 = isfinite(r) ? fmax(p.y1, 1.08 * r) : p.y1;
        p.y0 = isfinite(r) ? fmin(p.y0, 1.08 * r) : p.y0;
        most = isfinite(figure_real_at(value, k)) ? fmax(most, figure_real_at(value, k)) : most;
    }
    p.x1 = p.x1 > 0 ? p.x1 : 1;
    sheet_heading(t, sheet_word(t, "influence.plane"));
    snprintf(across, sizeof across, "%s", sheet_word(t, "influence.leverage"));
    snprintf(down, sizeof down, "%s", sheet_word(t, "influence.residual"));
    p.across = across;
    p.down = down;
    sheet_plot_open(t, &p, 300, true, true);
    put_limits(t, &p, per);
    const double distances[] = {4 / n, 0.5, 1};
    for (int k = 0; k < 3; k++)
        put_contour(t, &p, distances[k], per * n);
    for (size_t k = json_array_size(leverage); k-- > 0;) {
        double h = figure_real_at(leverage, k), r = figure_real_at(residual, k),
               v = figure_real_at(value, k);
        if (!isfinite(h) || !isfinite(r) || !isfinite(v))
            continue;
        svg_value(&t->s, "row", figure_real_at(row, k));
        svg_value(&t->s, "value", v);
        svg_circle(&t->s, sheet_plot_x(&p, h), sheet_plot_y(&p, r),
                   1.5 + 8 * sqrt(most > 0 ? fmax(v, 0) / most : 0),
                   v > limit ? SHEET_PLUS : SHEET_AMOUNT, 0xffffff);
    }
    sheet_plot_close(t, &p);
    figure_arg_count(t, json_array_size(leverage));
    figure_note(t, sheet_word(t, "influence.plane-note"));
    sheet_leave(t);
}

/* ---- shares ---- */

void figure_shares(sheet *t, const json_t *share) {
    const json_t *names = figure_get(share, "names"), *values = figure_get(share, "values");
    double limit = 0, x = t->left;
    size_t n = json_array_size(names);
    for (size_t i = 0; i < n; i++) {
        double v = figure_real_at(values, i);
        limit = isfinite(v) ? fmax(limit, fabs(v)) : limit;
    }
    figure_arg_count(t, figure_count(share, "row"));
    figure_arg_real(t, figure_real(share, "score"));
    figure_note(t, sheet_word(t, "influence.apart"));
    for (size_t i = 0; i < n && i < STRIP; i++) {
        const char *s = json_string_value(json_array_get(names, i));
        double v = figure_real_at(values, i);
        s = s ? s : "";
        size_t len = strlen(s);
        if (len > 1 && *s == ' ') {
            x += x > t->left ? 3 : 0;
            s++;
            len--;
        }
        const char *words = sheet_label(t, s, len, 40);
        svg_note(&t->s, "data-part=\"%zu\"", i);
        svg_value(&t->s, "value", v);
        x = figure_box(t, x, words, sheet_shade(true, glim__step(v, limit)), false);
    }
    sheet_gap(t, 26);
}
