/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the scores of all samples lie: counts by logarithm, so that the few at the ends are seen
 * beside the many near zero.
 */
#include "view/figure-influence.h"
#include "view/figure-json.h"

#include <glim/influence.h>
#include <math.h>
#include <string.h>

enum { MOST = 4, BINS = GLIM_INFLUENCE_BINS };

static void put_bins(sheet *t, const json_t *bins, double reach, bool is_signed) {
    sheet_plot p = {.x0 = 0, .x1 = 0, .y0 = 0};
    size_t from = BINS, to = 0;
    double counts[BINS];
    for (size_t i = 0; i < BINS; i++) {
        counts[i] = figure_real_at(bins, i);
        if (!(counts[i] > 0))
            continue;
        from = i < from ? i : from;
        to = i + 1;
        p.y1 = fmax(p.y1, log10(1 + counts[i]));
    }
    if (from >= to || !isfinite(p.y1))
        return;
    double width = 2 * reach / BINS;
    p.x0 = -reach + width * (double)from;
    p.x1 = -reach + width * (double)to;
    sheet_plot_open(t, &p, 150, true, false);
    for (size_t i = from; i < to; i++) {
        double x = -reach + width * (double)i, top = sheet_plot_y(&p, log10(1 + counts[i]));
        double a = sheet_plot_x(&p, x), b = sheet_plot_x(&p, x + width);
        uint32_t colour = !is_signed ? SHEET_AMOUNT : x < 0 ? SHEET_MINUS : SHEET_PLUS;
        if (!(counts[i] > 0))
            continue;
        svg_value(&t->s, "count", counts[i]);
        svg_rect(&t->s, a, top, fmax(b - a - 1, 0.5), p.y + p.h - top, colour, SVG_NONE);
    }
    sheet_plot_close(t, &p);
}

void figure_histogram(sheet *t, const json_t *all) {
    const json_t *columns = figure_get(all, "columns");
    size_t drawn = 0;
    bool any = false;
    for (size_t i = 0; i < json_array_size(columns); i++)
        any = any || json_is_object(figure_get(json_array_get(columns, i), "histogram"));
    if (!any || !sheet_enter(t, "histogram"))
        return;
    sheet_heading(t, sheet_word(t, "influence.histogram"));
    for (size_t i = 0; i < json_array_size(columns) && drawn < MOST; i++) {
        const json_t *c = json_array_get(columns, i), *h = figure_get(c, "histogram");
        double reach = figure_real(h, "reach");
        char name[96];
        if (!(reach > 0) || !isfinite(reach))
            continue;
        size_t query = figure_count(c, "query");
        snprintf(name, sizeof name, query ? "%.60s, %zu" : "%.60s", figure_text(c, "name"), query);
        sheet_paragraph(t, (svg_font){12, true}, SHEET_INK, 0,
                        sheet_label(t, name, strlen(name), 0));
        put_bins(t, figure_get(h, "bins"), reach, json_is_true(figure_get(c, "signed")));
        drawn++;
    }
    figure_note(t, sheet_word(t, "influence.histogram-legend"));
    sheet_leave(t);
}
