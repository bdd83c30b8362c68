/* SPDX-License-Identifier: Apache-2.0 */
/* Plain shapes with classes, so that the page's style colours them in light and dark; every
   mark has a title with its row and numbers. */
#include "cli/influence-figures.h"

enum { WIDTH = 720, HEIGHT = 300, LEFT = 58, RIGHT = 12, TOP = 14, BOTTOM = 34 };
enum { INNER = WIDTH - LEFT - RIGHT, TALL = HEIGHT - TOP - BOTTOM, NAMED = 10 };

struct axes {
    double x0, x1, y0, y1;
};

static double across(const struct axes *a, double x) {
    return LEFT + INNER * (x - a->x0) / (a->x1 - a->x0);
}

static double down(const struct axes *a, double y) {
    return TOP + TALL * (a->y1 - y) / (a->y1 - a->y0);
}

static void put_axes(glim_buffer *b, const struct axes *a, const char *x, const char *y) {
    glim__buffer_printf(b, "<path d=\"M%d %dV%dH%d\"/>", LEFT, TOP, TOP + TALL, LEFT + INNER);
    double step = glim__html_tick(a->x1 - a->x0);
    for (int k = (int)ceil(a->x0 / step); k * step <= a->x1; k++)
        glim__buffer_printf(b, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.4g</text>",
                            across(a, k * step), TOP + TALL + 14, k * step);
    step = glim__html_tick(a->y1 - a->y0);
    for (int k = (int)ceil(a->y0 / step); k * step <= a->y1; k++)
        glim__buffer_printf(b, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.4g</text>",
                            LEFT - 5, down(a, k * step) + 4, k * step);
    glim__buffer_printf(b, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>", LEFT + INNER,
                        HEIGHT - 4, x);
    glim__buffer_printf(b, "<text x=\"4\" y=\"10\">%s</text>", y);
}

static void open_figure(html_page *p, const char *name) {
    glim__buffer_printf(p->b,
                        "<div class=\"figure\"><svg viewBox=\"0 0 %d %d\" role=\"img\" "
                        "aria-label=\"%s\">",
                        WIDTH, HEIGHT, name);
}

/* ---- stems ---- */

size_t cli_figure_column(const cli_influence *c) {
    enum { EACH = 5000, COLUMNS = INNER };
    return c->done <= EACH ? 1 : (c->done + COLUMNS - 1) / COLUMNS;
}

static void put_stem(html_page *p, const cli_influence *c, const struct axes *a, size_t i) {
    double v = (double)c->marks[i].score;
    bool over = v > c->score_limit;
    glim__buffer_printf(p->b, "<path class=\"stem%s\" d=\"M%.1f %.1fV%d\"><title>row %zu: %.4g",
                        over ? " over" : "", across(a, (double)i), down(a, v), TOP + TALL,
                        cli_sample_row(&c->train, i), v);
    glim__buffer_puts(p->b, "</title></path>\n");
}

void cli_figure_stems(html_page *p, const cli_influence *c) {
    struct axes a = {-0.5, (double)c->done - 0.5, 0, c->score_limit * 1.2};
    size_t column = cli_figure_column(c), named = 0;
    const glim_influence_ends *e = glim_extremes_column(c->ends, c->score);
    for (size_t i = 0; i < c->done; i++)
        a.y1 = (double)c->marks[i].score > a.y1 ? (double)c->marks[i].score : a.y1;
    a.y1 *= 1.05;
    open_figure(p, "Cook's distance");
    put_axes(p->b, &a, "sample", "Cook's distance");
    for (size_t at = 0; at < c->done; at += column) {
        size_t best = at;
        for (size_t i = at; i < at + column && i < c->done; i++)
            best = c->marks[i].score > c->marks[best].score ? i : best;
        put_stem(p, c, &a, best);
    }
    glim__buffer_printf(p->b, "<path class=\"limit\" d=\"M%d %.1fH%d\"/>", LEFT,
                        down(&a, c->score_limit), LEFT + INNER);
    double taken[NAMED];
    for (size_t k = 0; k < e->n_high && named < NAMED; k++) { /* names that do not overlap */
        double x = across(&a, (double)e->high[k].sample);
        bool free = e->high[k].value > c->score_limit;
        for (size_t j = 0; j < named; j++)
            free = free && fabs(x - taken[j]) > 34;
        if (!free)
            continue;
        taken[named++] = x;
        glim__buffer_printf(p->b,
                            "<text class=\"name\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%zu"
                            "</text>",
                            x, down(&a, e->high[k].value) - 3,
                            cli_sample_row(&c->train, e->high[k].sample));
    }
    glim__buffer_puts(p->b, "</svg></div>\n");
}

/* ---- leverage and residual ---- */

/* r = sqrt(D p (1 - h) / h) for one D, above and below. */
static void put_contour(html_page *p, const struct axes *a, double distance, double free) {
    for (int side = -1; side <= 1; side += 2) {
        bool begun = false;
        glim__buffer_puts(p->b, "<path class=\"contour\" d=\"");
        for (int i = 1; i <= 100; i++) {
            double h = a->x1 * i / 100, r = side * sqrt(distance * free * (1 - h) / h);
            if (!(h < 1) || !(r < a->y1) || !(r > a->y0))
                continue;
            glim__buffer_printf(p->b, "%c%.1f %.1f", begun ? 'L' : 'M', across(a, h), down(a, r));
            begun = true;
        }
        glim__buffer_puts(p->b, begun ? "\"/>" : "M0 0\"/>");
    }
}

static void put_lines(html_page *p, const struct axes *a, double per) {
    for (int k = 2; k <= 3; k++) {
        if (k * per < a->x1)
            glim__buffer_printf(p->b, "<path class=\"limit\" d=\"M%.1f %dV%d\"/>",
                                across(a, k * per), TOP, TOP + TALL);
        for (int side = -1; side <= 1; side += 2)
            if (side * k < a->y1 && side * k > a->y0)
                glim__buffer_printf(p->b, "<path class=\"limit\" d=\"M%d %.1fH%d\"/>", LEFT,
                                    down(a, side * k), LEFT + INNER);
    }
}

void cli_figure_plane(html_page *p, cli_influence *c, size_t most) {
    double per = c->columns[c->leverage].threshold / 2, free = per * (double)c->train.n, top = 0;
    struct axes a = {0, 3.2 * per, -3.3, 3.3};
    size_t *list = glim__calloc(c->run->ctx, most, sizeof *list), n = 0;
    if (list)
        n = cli_largest(c, most, list);
    for (size_t i = 0; i < c->done; i++) {
        double h = (double)c->marks[i].leverage, r = (double)c->marks[i].residual;
        a.x1 = h * 1.05 > a.x1 ? h * 1.05 : a.x1;
        a.y1 = r * 1.05 > a.y1 ? r * 1.05 : a.y1;
        a.y0 = r * 1.05 < a.y0 ? r * 1.05 : a.y0;
        top = (double)c->marks[i].score > top ? (double)c->marks[i].score : top;
    }
    open_figure(p, "leverage and residual");
    put_axes(p->b, &a, "leverage", "studentised residual");
    put_lines(p, &a, per);
    put_contour(p, &a, 4 / (double)c->train.n, free);
    put_contour(p, &a, 0.5, free);
    put_contour(p, &a, 1, free);
    for (size_t k = n; k-- > 0;) {
        const cli_mark *m = &c->marks[list[k]];
        if (isnan(m->score) || isnan(m->leverage) || isnan(m->residual))
            continue;
        glim__buffer_printf(
            p->b,
            "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"><title>row %zu: "
            "leverage %.4g, residual %.4g, Cook's distance %.4g</title></circle>\n",
            (double)m->score > c->score_limit ? "over" : "", across(&a, (double)m->leverage),
            down(&a, (double)m->residual), 1.5 + 10 * sqrt(top > 0 ? (double)m->score / top : 0),
            cli_sample_row(&c->train, list[k]), (double)m->leverage, (double)m->residual,
            (double)m->score);
    }
    glim__free(c->run->ctx, list);
    glim__buffer_puts(p->b, "</svg></div>\n");
}
