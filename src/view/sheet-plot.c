/* SPDX-License-Identifier: Apache-2.0 */
/* Axes, and the marks of categories: no category is known by its colour alone. */
#include "view/sheet-parts.h"

#include <math.h>
#include <string.h>

static const svg_font TINY = {10, false, false, false};

uint32_t sheet_category(size_t i) {
    static const uint32_t colours[] = {0x3d55ce, 0xa98f04, 0x7895c5, 0x8d524a, 0x1f2274, 0x4a2501};
    return colours[i % 6];
}

void sheet_point(sheet *t, size_t category, double x, double y, double r) {
    /* disc, triangle, square, diamond, cross, saltire */
    static const double shapes[6][25] = {
        {0},
        {3, 0, -1.2, 1.1, 0.85, -1.1, 0.85},
        {4, -0.9, -0.9, 0.9, -0.9, 0.9, 0.9, -0.9, 0.9},
        {4, 0, -1.25, 1.25, 0, 0, 1.25, -1.25, 0},
        {12,  -0.4, -1.25, 0.4,  -1.25, 0.4, -0.4,  1.25, -0.4,  1.25, 0.4,  0.4, 0.4,
         0.4, 1.25, -0.4,  1.25, -0.4,  0.4, -1.25, 0.4,  -1.25, -0.4, -0.4, -0.4},
        {12,   -1.17, -0.6, -0.6, -1.17, 0,    -0.57, 0.6,  -1.17, 1.17, -0.6,  0.57, 0,
         1.17, 0.6,   0.6,  1.17, 0,     0.57, -0.6,  1.17, -1.17, 0.6,  -0.57, 0}};
    const double *shape = shapes[category % 6];
    uint32_t colour = sheet_category(category), fill = category < 6 ? colour : 0xffffff;
    if (!shape[0]) {
        svg_circle(&t->s, x, y, r, fill, category < 6 ? SVG_NONE : colour);
        return;
    }
    char d[320];
    int n = 0;
    for (int i = 0; i < (int)shape[0]; i++)
        n += snprintf(d + n, sizeof d - (size_t)n, "%c%.2f %.2f", i ? 'L' : 'M',
                      x + r * shape[1 + 2 * i], y + r * shape[2 + 2 * i]);
    snprintf(d + n, sizeof d - (size_t)n, "Z");
    svg_path(&t->s, d, fill, 1, category < 6 ? SVG_NONE : colour, 1, NULL);
}

double sheet_plot_x(const sheet_plot *p, double x) {
    return p->x1 > p->x0 ? p->x + p->w * (x - p->x0) / (p->x1 - p->x0) : p->x + p->w / 2;
}

double sheet_plot_y(const sheet_plot *p, double y) {
    return p->y1 > p->y0 ? p->y + p->h * (p->y1 - y) / (p->y1 - p->y0) : p->y + p->h / 2;
}

/* "0.25", "25 %", with a true minus. */
static void tick_text(char out[40], double x, double step, bool percent) {
    double size = fabs(x) < step / 1e6 ? 0 : fabs(x);
    if (percent)
        snprintf(out, 40, "%.4g\xc2\xa0%%", 100 * size);
    else
        snprintf(out, 40, "%s%.4g", x < 0 && size > 0 ? "\xe2\x88\x92" : "", size);
}

/* The first and the last multiple of the step in a range; none where numbers are so large that
   their differences are lost. */
static void ticks(double low, double high, double step, int *from, int *to) {
    enum { MOST = 1000000 };
    double first = ceil(low / step - 1e-9), last = floor(high / step + 1e-9);
    bool good = fabs(first) < MOST && fabs(last) < MOST && last - first < 100;
    *from = good ? (int)first : 0;
    *to = good ? (int)last : -1;
}

void sheet_plot_open(sheet *t, sheet_plot *p, double height, bool x_ticks, bool y_ticks) {
    char text[40];
    double step = glim__html_tick(p->y1 - p->y0), names = 0;
    int from, to;
    ticks(p->y0, p->y1, step, &from, &to);
    for (int k = from; y_ticks && k <= to; k++) {
        tick_text(text, k * step, step, p->percent);
        names = fmax(names, svg_text_width(t->s.ruler, TINY, text, strlen(text)));
    }
    if (p->down && *p->down) {
        sheet_text(t, t->left, t->y + 10, t->right - t->left, TINY, SHEET_GREY, SVG_START, p->down);
        sheet_gap(t, 16);
    } else {
        sheet_gap(t, 6);
    }
    p->x = t->left + names + 8;
    p->y = t->y;
    p->w = t->right - p->x - 8;
    p->h = height;
    for (int k = from; y_ticks && k <= to; k++) {
        double y = sheet_plot_y(p, k * step);
        tick_text(text, k * step, step, p->percent);
        svg_line(&t->s, p->x, y, p->x + p->w, y, 0xe6e6e6, 1, NULL);
        svg_text(&t->s, p->x - 6, y + 3.5, TINY, SHEET_GREY, SVG_END, text, strlen(text));
    }
    step = glim__html_tick(p->x1 - p->x0);
    if (p->whole)
        step = fmax(1, step);
    ticks(p->x0, p->x1, step, &from, &to);
    double end = 0;
    for (int k = from; x_ticks && k <= to; k++) {
        double x = sheet_plot_x(p, k * step);
        tick_text(text, k * step, step, false);
        double w = svg_text_width(t->s.ruler, TINY, text, strlen(text));
        svg_line(&t->s, x, p->y + p->h, x, p->y + p->h + 4, SHEET_GREY, 1, NULL);
        if (x - w / 2 < end)
            continue;
        svg_text(&t->s, x, p->y + p->h + 15, TINY, SHEET_GREY, SVG_MIDDLE, text, strlen(text));
        end = x + w / 2 + 6;
    }
    if (p->boxed) {
        svg_rect(&t->s, p->x, p->y, p->w, p->h, SVG_NONE, 0xe6e6e6);
        return;
    }
    char d[120];
    snprintf(d, sizeof d, "M%.2f %.2fV%.2fH%.2f", p->x, p->y, p->y + p->h, p->x + p->w);
    svg_path(&t->s, d, SVG_NONE, 1, SHEET_GREY, 1, NULL);
}

void sheet_plot_close(sheet *t, sheet_plot *p) {
    t->y = p->y + p->h + 18;
    if (p->across && *p->across) {
        sheet_text(t, p->x + p->w, t->y + 10, p->w, TINY, SHEET_GREY, SVG_END, p->across);
        sheet_gap(t, 14);
    }
    sheet_gap(t, 4);
}
