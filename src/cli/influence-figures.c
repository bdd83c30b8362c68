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

/* x and y: keys of what they are called. */
static void put_axes(html_page *p, const struct axes *a, const char *x, const char *y) {
    glim_buffer *b = p->b;
    char open[80];
    glim__buffer_printf(b, "<path d=\"M%d %dV%dH%d\"/>", LEFT, TOP, TOP + TALL, LEFT + INNER);
    double step = glim__html_tick(a->x1 - a->x0);
    for (int k = (int)ceil(a->x0 / step); k * step <= a->x1; k++)
        glim__buffer_printf(b, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.4g</text>",
                            across(a, k * step), TOP + TALL + 14, k * step);
    step = glim__html_tick(a->y1 - a->y0);
    for (int k = (int)ceil(a->y0 / step); k * step <= a->y1; k++)
        glim__buffer_printf(b, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.4g</text>",
                            LEFT - 5, down(a, k * step) + 4, k * step);
    snprintf(open, sizeof open, "text x=\"%d\" y=\"%d\" text-anchor=\"end\"", LEFT + INNER,
             HEIGHT - 4);
    glim__html_say(p, open, x);
    glim__html_say(p, "text x=\"4\" y=\"10\"", y);
}

static void open_figure(html_page *p, const char *key) {
    glim__buffer_printf(p->b,
                        "<div class=\"figure\" tabindex=\"0\"><svg viewBox=\"0 0 %d %d\" "
                        "role=\"img\">",
                        WIDTH, HEIGHT);
    glim__html_say(p, "title", key);
}

/* What a line means, at its end; NAN: without a number. */
static void put_line_name(html_page *p, double x, double y, const char *name, double value) {
    glim__buffer_printf(p->b, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s", x, y, name);
    if (isfinite(value))
        glim__buffer_printf(p->b, " = %.3g", value);
    glim__buffer_puts(p->b, "</text>\n");
}

/* ---- stems ---- */

static void put_stem(html_page *p, const cli_told *t, const struct axes *a, size_t k) {
    const cli_told_figures *f = &t->figures;
    if (!isfinite(f->stem[k]) || !isfinite(f->place[k]))
        return;
    glim__buffer_printf(
        p->b, "<path class=\"stem%s\" data-p=\"%.0f\" d=\"M%.1f %.1fV%d\"><title>row %.0f: %.4g",
        f->stem[k] > t->score_limit ? " over" : "", f->row[k], across(a, f->place[k]),
        down(a, f->stem[k]), TOP + TALL, f->row[k], f->stem[k]);
    glim__buffer_puts(p->b, "</title></path>\n");
}

/* Rows of the highest stems, where their names do not overlap. */
static void put_names(html_page *p, const cli_told *t, const struct axes *a) {
    const cli_told_column *c = &t->columns[t->score];
    const cli_told_figures *f = &t->figures;
    double taken[NAMED];
    size_t named = 0;
    for (size_t k = 0; k < c->n_high && named < NAMED; k++) {
        size_t at = 0;
        while (at < f->n && f->row[at] != (double)c->high[k].sample->row)
            at++;
        bool free = at < f->n && c->high[k].value > t->score_limit;
        double x = free ? across(a, f->place[at]) : 0;
        for (size_t j = 0; j < named; j++)
            free = free && fabs(x - taken[j]) > 34;
        if (!free)
            continue;
        taken[named++] = x;
        glim__buffer_printf(p->b,
                            "<text class=\"name\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%zu"
                            "</text>",
                            x, down(a, c->high[k].value) - 3, c->high[k].sample->row);
    }
}

void cli_figure_stems(html_page *p, const cli_told *t) {
    const cli_told_figures *f = &t->figures;
    double done = (double)t->train.done;
    struct axes a = {-0.5, (done > 1 ? done : 1) - 0.5, 0, 0};
    for (size_t k = 0; k < f->n; k++)
        a.y1 = f->stem[k] > a.y1 ? f->stem[k] : a.y1;
    a.y1 = 1.05 * fmax(a.y1, 1.2 * t->score_limit);
    a.y1 = a.y1 > 0 ? a.y1 : 1;
    open_figure(p, "influence.cook");
    put_axes(p, &a, "influence.words", "influence.cook");
    for (size_t k = 0; k < f->n; k++)
        put_stem(p, t, &a, k);
    if (isfinite(t->score_limit)) {
        glim__buffer_printf(p->b, "<path class=\"limit\" d=\"M%d %.1fH%d\"/>", LEFT,
                            down(&a, t->score_limit), LEFT + INNER);
        put_line_name(p, LEFT + INNER, down(&a, t->score_limit) - 4, "4/n", t->score_limit);
    }
    put_names(p, t, &a);
    glim__buffer_puts(p->b, "</svg></div>\n");
}

/* ---- leverage and residual ---- */

/* r = sqrt(D p (1 - h) / h) for one D, above and below. */
static void put_contour(html_page *p, const struct axes *a, double distance, double free) {
    for (int side = -1; side <= 1; side += 2) {
        bool begun = false;
        double end_x = 0, end_y = 0;
        glim__buffer_puts(p->b, "<path class=\"contour\" d=\"");
        for (int i = 1; i <= 100; i++) {
            double h = a->x1 * i / 100, r = side * sqrt(distance * free * (1 - h) / h);
            if (!(h < 1) || !(r < a->y1) || !(r > a->y0))
                continue;
            glim__buffer_printf(p->b, "%c%.1f %.1f", begun ? 'L' : 'M', across(a, h), down(a, r));
            begun = true;
            end_x = across(a, h);
            end_y = down(a, r);
        }
        glim__buffer_puts(p->b, begun ? "\"/>" : "M0 0\"/>");
        if (begun && side > 0)
            put_line_name(p, end_x, end_y - 3, "D", distance);
    }
}

static void put_lines(html_page *p, const struct axes *a, double per) {
    for (int k = 2; k <= 3; k++) {
        if (k * per < a->x1) {
            glim__buffer_printf(p->b, "<path class=\"limit\" d=\"M%.1f %dV%d\"/>",
                                across(a, k * per), TOP, TOP + TALL);
            put_line_name(p, across(a, k * per) - 3, TOP + TALL - 5, k == 2 ? "2p/n" : "3p/n", NAN);
        }
        for (int side = -1; side <= 1; side += 2)
            if (side * k < a->y1 && side * k > a->y0) {
                glim__buffer_printf(p->b, "<path class=\"limit\" d=\"M%d %.1fH%d\"/>", LEFT,
                                    down(a, side * k), LEFT + INNER);
                put_line_name(p, LEFT + INNER, down(a, side * k) - 3,
                              side < 0 ? (k == 2 ? "\xe2\x88\x92"
                                                   "2"
                                                 : "\xe2\x88\x92"
                                                   "3")
                                       : (k == 2 ? "+2" : "+3"),
                              NAN);
            }
    }
}

/* Around all marks, and the lines that are always wanted. */
static struct axes plane_axes(const cli_told_figures *f, double per, double *largest) {
    struct axes a = {0, 3.2 * per, -3.3, 3.3};
    *largest = 0;
    for (size_t k = 0; k < f->drawn; k++) {
        a.x1 = fmax(a.x1, f->leverage[k] * 1.05);
        a.y1 = fmax(a.y1, f->residual[k] * 1.05);
        a.y0 = fmin(a.y0, f->residual[k] * 1.05);
        *largest = fmax(*largest, f->distance[k]);
    }
    a.x1 = a.x1 > 0 && isfinite(a.x1) ? a.x1 : 1;
    return a;
}

void cli_figure_plane(html_page *p, const cli_told *t) {
    const cli_told_figures *f = &t->figures;
    double per = 0, largest, n = (double)t->train.samples;
    for (size_t k = 0; k < t->n_columns; k++)
        if (!strcmp(t->columns[k].name, "leverage"))
            per = t->columns[k].threshold / 2;
    struct axes a = plane_axes(f, per, &largest);
    open_figure(p, "influence.plane");
    put_axes(p, &a, "influence.leverage", "influence.residual");
    put_lines(p, &a, per);
    put_contour(p, &a, 4 / n, per * n);
    put_contour(p, &a, 0.5, per * n);
    put_contour(p, &a, 1, per * n);
    for (size_t k = f->drawn; k-- > 0;) {
        if (!isfinite(f->leverage[k]) || !isfinite(f->residual[k]) || !isfinite(f->distance[k]))
            continue;
        double share = largest > 0 ? f->distance[k] / largest : 0;
        glim__buffer_printf(p->b,
                            "<circle class=\"%s\" data-p=\"%.0f\" cx=\"%.1f\" cy=\"%.1f\" "
                            "r=\"%.1f\"><title>row %.0f: "
                            "leverage %.4g, residual %.4g, Cook's distance %.4g</title></circle>\n",
                            f->distance[k] > t->score_limit ? "over" : "", f->mark[k],
                            across(&a, f->leverage[k]), down(&a, f->residual[k]),
                            1.5 + 10 * sqrt(share > 0 ? share : 0), f->mark[k], f->leverage[k],
                            f->residual[k], f->distance[k]);
    }
    glim__buffer_puts(p->b, "</svg></div>\n");
}

/* ---- histogram ---- */

enum { HISTOGRAMS = 4, LOW = 180 };

static void put_histogram(html_page *p, const cli_told_column *c) {
    size_t from = GLIM_INFLUENCE_BINS, to = 0;
    double most = 0, width = 2 * c->reach / GLIM_INFLUENCE_BINS;
    for (size_t i = 0; i < GLIM_INFLUENCE_BINS; i++)
        if (c->bins[i]) {
            from = i < from ? i : from;
            to = i + 1;
            most = fmax(most, log10(1 + (double)c->bins[i]));
        }
    if (from >= to)
        return;
    struct axes a = {-c->reach + width * (double)from, -c->reach + width * (double)to, 0, most};
    glim__buffer_puts(p->b, "<p><strong>");
    glim__html_plain(p->b, c->name, strlen(c->name), 40);
    if (c->query != GLIM_NO_QUERY)
        glim__buffer_printf(p->b, ", %zu", c->query + 1);
    glim__buffer_printf(p->b,
                        "</strong></p>\n<div class=\"figure\" tabindex=\"0\"><svg viewBox=\"0 0 %d "
                        "%d\" role=\"img\">",
                        WIDTH, LOW);
    glim__html_say(p, "title", "influence.histogram");
    double step = glim__html_tick(a.x1 - a.x0), tall = LOW - TOP - BOTTOM;
    for (int k = (int)ceil(a.x0 / step); k * step <= a.x1; k++)
        glim__buffer_printf(p->b, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s%.4g</text>",
                            across(&a, k * step), LOW - BOTTOM + 14, k < 0 ? "\xe2\x88\x92" : "",
                            fabs(k * step));
    for (size_t i = from; i < to; i++) {
        double x = -c->reach + width * (double)i;
        double h = tall * log10(1 + (double)c->bins[i]) / most;
        if (c->bins[i])
            glim__buffer_printf(
                p->b,
                "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"><title>"
                "%.4g \xe2\x80\xa6 %.4g: %llu</title></rect>\n",
                !c->is_signed ? "amount"
                : x < 0       ? "minus"
                              : "plus",
                across(&a, x), LOW - BOTTOM - h,
                fmax(across(&a, x + width) - across(&a, x) - 1, 0.5), h, x, x + width,
                (unsigned long long)c->bins[i]);
    }
    glim__buffer_printf(p->b, "<path d=\"M%d %dH%d\"/></svg></div>\n", LEFT, LOW - BOTTOM,
                        LEFT + INNER);
}

void cli_figure_histogram(html_page *p, const cli_told *t) {
    size_t drawn = 0;
    for (size_t k = 0; k < t->n_columns && drawn < HISTOGRAMS; k++) {
        if (!t->columns[k].bins || !(t->columns[k].reach > 0))
            continue;
        if (!drawn++) {
            glim__buffer_puts(p->b, "<section id=\"glim-histogram\">");
            glim__html_say(p, "h2", "influence.histogram");
        }
        put_histogram(p, &t->columns[k]);
    }
    if (drawn) {
        glim__html_say(p, "p class=\"note\"", "influence.histogram-legend");
        glim__buffer_puts(p->b, "</section>\n");
    }
}
