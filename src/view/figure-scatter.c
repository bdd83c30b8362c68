/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scores of one run against another's, a point a unit: how far they agree, and on which
 * units they do not. Those farthest from the line are named.
 */
#include "view/figure-json.h"
#include "view/scatter.h"

#include <math.h>
#include <string.h>

static const svg_font TINY = {10, false, false, false};

static const char *run_name(const json_t *all, size_t i) {
    const json_t *models = figure_get(all, "models");
    return json_is_array(models)
               ? figure_text(json_array_get(models, i), "name")
               : figure_text(json_array_get(figure_get(all, "runs"), i), "method");
}

/* Names that would lie on one another are left out. */
static void put_names(sheet *t, const sheet_plot *p, const scatter *s, const json_t *units) {
    size_t far[SCATTER_NAMED], n = scatter_far(s, far), placed = 0;
    double at[SCATTER_NAMED][2];
    for (size_t i = 0; i < n; i++) {
        const char *text = json_string_value(json_array_get(units, s->unit[far[i]]));
        double x = sheet_plot_x(p, s->x[far[i]]), y = sheet_plot_y(p, s->y[far[i]]);
        bool left = x > p->x + 0.7 * p->w;
        double line = y < p->y + 14 ? y + 12 : y - 4;
        bool free = true;
        for (size_t k = 0; k < placed; k++)
            free = free && (fabs(at[k][1] - line) > 14 || fabs(at[k][0] - x) > 130);
        if (!free)
            continue;
        at[placed][0] = x;
        at[placed++][1] = line;
        text = text ? text : "";
        text = sheet_label(t, text, strlen(text), 16);
        sheet_text(t, left ? x - 6 : x + 6, line, left ? x - 6 - p->x : p->x + p->w - x - 6, TINY,
                   SHEET_INK, left ? SVG_END : SVG_START, text);
    }
}

static void put_plot(sheet *t, const json_t *all, const scatter *s, size_t run) {
    char across[96], down[120], left[96];
    sheet_plot p = {.x0 = s->x0, .x1 = s->x1, .y0 = s->y0, .y1 = s->y1, .boxed = true};
    snprintf(across, sizeof across, "%s",
             sheet_label(t, run_name(all, 0), strlen(run_name(all, 0)), 40));
    snprintf(left, sizeof left, "%s",
             sheet_label(t, run_name(all, run), strlen(run_name(all, run)), 40));
    glim__buffer_printf(&t->markup, "%s \xc2\xb7 tau_b ", left);
    double tau =
        figure_real_at(json_array_get(figure_get(figure_get(all, "agreement"), "kendall"), 0), run);
    const char *number = isfinite(tau) ? figure_number_text(t, round(100 * tau) / 100) : "";
    snprintf(down, sizeof down, "%s", number);
    p.across = across;
    p.down = down;
    double right = t->right;
    t->right = fmin(right, t->left + 420);
    sheet_plot_open(t, &p, 240, true, true);
    if (s->x0 < 0 && s->x1 > 0)
        svg_line(&t->s, sheet_plot_x(&p, 0), p.y, sheet_plot_x(&p, 0), p.y + p.h, SHEET_RULE, 1,
                 NULL);
    if (s->y0 < 0 && s->y1 > 0)
        svg_line(&t->s, p.x, sheet_plot_y(&p, 0), p.x + p.w, sheet_plot_y(&p, 0), SHEET_RULE, 1,
                 NULL);
    if (s->same)
        svg_line(&t->s, sheet_plot_x(&p, s->x0), sheet_plot_y(&p, s->x0), sheet_plot_x(&p, s->x1),
                 sheet_plot_y(&p, s->x1), SHEET_FAINT, 1, "4 3");
    for (size_t i = 0; i < s->n; i++) {
        svg_note(&t->s, "data-unit=\"%zu\"", s->unit[i]);
        svg_value(&t->s, "x", s->x[i]);
        svg_value(&t->s, "y", s->y[i]);
        sheet_point(t, run - 1, sheet_plot_x(&p, s->x[i]), sheet_plot_y(&p, s->y[i]), 3.6);
    }
    put_names(t, &p, s, figure_get(all, "units"));
    sheet_plot_close(t, &p);
    t->right = right;
}

void glim__figure_scatter(sheet *t, const json_t *all) {
    size_t n = json_array_size(figure_get(all, "runs"));
    if (n < 2 || !json_array_size(figure_get(all, "units")) || !sheet_enter(t, "scatter"))
        return;
    bool same = json_is_array(figure_get(all, "models"));
    sheet_heading(t, sheet_word(t, "compare.scatter"));
    for (size_t i = 1; i < n && i <= SCATTER_MOST; i++) {
        scatter s;
        if (scatter_open(&s, t->s.body.ctx, all, i, same))
            put_plot(t, all, &s, i);
        t->s.body.failed = t->s.body.failed || s.failed;
        scatter_close(&s);
    }
    figure_note(t, sheet_word(t, same ? "compare.scatter-same" : "compare.scatter-own"));
    sheet_leave(t);
}
