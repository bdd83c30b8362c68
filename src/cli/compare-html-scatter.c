/* SPDX-License-Identifier: Apache-2.0 */
/* Scores of each run against the first's in a comparison's report, a point a unit. */
#include "cli/compare-html.h"
#include "view/scatter.h"

enum { WIDTH = 720, HEIGHT = 340, LEFT = 52, RIGHT = 8, TOP = 8, BOTTOM = 36 };

static double x_of(const scatter *s, double x) {
    return LEFT + (WIDTH - LEFT - RIGHT) * (x - s->x0) / (s->x1 - s->x0);
}

static double y_of(const scatter *s, double y) {
    return TOP + (HEIGHT - TOP - BOTTOM) * (s->y1 - y) / (s->y1 - s->y0);
}

static void put_tick(html_page *p, double x, double y, const char *anchor, double v) {
    glim__buffer_printf(p->b, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s%.3g</text>", x, y,
                        anchor, v < 0 ? "\xe2\x88\x92" : "", fabs(v));
}

static void put_axes(html_page *p, const scatter *s) {
    double step = glim__html_tick(s->x1 - s->x0);
    for (int k = (int)ceil(s->x0 / step); k * step <= s->x1 && k < 1000; k++)
        put_tick(p, x_of(s, k * step), HEIGHT - BOTTOM + 15, "middle", k * step);
    step = glim__html_tick(s->y1 - s->y0);
    for (int k = (int)ceil(s->y0 / step); k * step <= s->y1 && k < 1000; k++)
        put_tick(p, LEFT - 6, y_of(s, k * step) + 4, "end", k * step);
    glim__buffer_printf(p->b, "<path class=\"tick\" d=\"M%.1f %dV%dM%d %.1fH%d\"/>", x_of(s, 0),
                        TOP, HEIGHT - BOTTOM, LEFT, y_of(s, 0), WIDTH - RIGHT);
    if (s->same) /* both scales are one */
        glim__buffer_printf(p->b, "<path class=\"contour\" d=\"M%d %dL%d %d\"/>", LEFT,
                            HEIGHT - BOTTOM, WIDTH - RIGHT, TOP);
    glim__buffer_printf(p->b, "<path class=\"axis\" d=\"M%d %dV%dH%d\"/>\n", LEFT, TOP,
                        HEIGHT - BOTTOM, WIDTH - RIGHT);
}

static void put_point(html_page *p, const cli_comparison *c, const scatter *s, size_t i,
                      size_t run) {
    const glim_document_unit *u = &c->docs[0]->input.units[c->units[s->unit[i]]];
    glim__buffer_printf(p->b, "<circle class=\"dot c%zu\" cx=\"%.1f\" cy=\"%.1f\" r=\"4\"><title>",
                        (run - 1) % 6 + 1, x_of(s, s->x[i]), y_of(s, s->y[i]));
    glim__html_plain(p->b, u->text ? u->text : "", u->text ? u->text_len : 0, HTML_LABEL);
    glim__buffer_printf(p->b, ": %.4g, %.4g</title></circle>\n", s->x[i], s->y[i]);
}

static void put_named(html_page *p, const cli_comparison *c, const scatter *s) {
    size_t far[SCATTER_NAMED], n = scatter_far(s, far);
    for (size_t i = 0; i < n; i++) {
        const glim_document_unit *u = &c->docs[0]->input.units[c->units[s->unit[far[i]]]];
        double x = x_of(s, s->x[far[i]]);
        bool left = x > WIDTH * 0.7;
        glim__buffer_printf(p->b, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">",
                            left ? x - 7 : x + 7, y_of(s, s->y[far[i]]) - 4,
                            left ? "end" : "start");
        glim__html_plain(p->b, u->text ? u->text : "", u->text ? u->text_len : 0, 16);
        glim__buffer_puts(p->b, "</text>");
    }
}

static void put_scatter(html_page *p, const cli_comparison *c, const scatter *s, size_t run) {
    double tau = cli_pair_value(&c->pairs[run], 0);
    glim__buffer_printf(p->b, "<h3 id=\"glim-scatter-%zu\">", run);
    cli_html_name(p, c, run);
    if (isfinite(tau))
        glim__buffer_printf(p->b, " <small>tau_b %s%.2f</small>",
                            tau < -0.005 ? "\xe2\x88\x92" : "", fabs(tau));
    glim__buffer_printf(p->b,
                        "</h3>\n<div class=\"figure\"><svg class=\"curves\" width=\"%d\" "
                        "height=\"%d\" viewBox=\"0 0 %d "
                        "%d\" role=\"img\" aria-labelledby=\"glim-scatter-%zu\">",
                        WIDTH, HEIGHT, WIDTH, HEIGHT, run);
    put_axes(p, s);
    for (size_t i = 0; i < s->n; i++)
        put_point(p, c, s, i, run);
    put_named(p, c, s);
    const char *first = cli_compared_name(c, 0);
    glim__buffer_printf(p->b, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">", WIDTH - RIGHT,
                        HEIGHT - 4);
    glim__html_plain(p->b, first, strlen(first), 40);
    glim__buffer_puts(p->b, "</text></svg></div>\n");
}

void cli_html_scatter(html_page *p, const cli_comparison *c, const json_t *all) {
    if (c->n < 2 || !c->n_units)
        return;
    glim__buffer_puts(p->b, "<section id=\"glim-scatter\">");
    glim__html_say(p, "h2", "compare.scatter");
    for (size_t i = 1; i < c->n && i <= SCATTER_MOST; i++) {
        scatter s;
        if (scatter_open(&s, c->run->ctx, all, i, c->models))
            put_scatter(p, c, &s, i);
        p->b->failed = p->b->failed || s.failed;
        scatter_close(&s);
    }
    glim__html_say(p, "p class=\"note\"",
                   c->models ? "compare.scatter-same" : "compare.scatter-own");
    glim__buffer_puts(p->b, "</section>\n");
}
