/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The units of a picture in the terminal: a line of cells for each row of patches, shaded,
 * or with sign and tenths where there are no colours. Superpixels have no rows: each
 * cell shows the unit that lies under its middle, and in full colour the picture
 * follows with only the units left that raise the target most, two pixels a character.
 */
#include "view/page.h"

#include <math.h>
#include <stdio.h>

enum { WIDE = 3, MARKED = 3, ACROSS = 24, MARKS_ACROSS = 16, KEPT = 5, PIXELS = 48 };

static size_t columns_of(const glim_document *d) {
    size_t n = 0;
    while (n < d->input.n_units && d->input.units[n].y == d->input.units[0].y)
        n++;
    return n;
}

/* "+7 ", " . ", " x ". */
static void put_mark(glim_page *p, double score, double limit) {
    int tenths = limit > 0 && isfinite(score) ? (int)round(9 * fabs(score) / limit) : 0;
    if (!isfinite(score))
        glim__buffer_printf(&p->b, " %s ", glim__page_pick(p, "\xc3\x97", "x"));
    else if (tenths)
        glim__buffer_printf(&p->b, "%c%d ", score < 0 ? '-' : '+', tenths);
    else
        glim__buffer_printf(&p->b, " %s ", glim__page_pick(p, "\xc2\xb7", "."));
}

static void put_cell(glim_page *p, double score, double limit, int width) {
    int step = glim__page_step(p, score, limit);
    glim__page_shade(p, step);
    for (int i = 0; i < width; i++)
        glim__buffer_putc(&p->b, ' ');
    glim__page_plain(p, step != 0);
}

static void end_row(glim_page *p, bool marks) {
    if (marks)
        glim__page_end_line(p);
    else
        glim__buffer_putc(&p->b, '\n');
}

/* The unit under the middle of cell (x, y) of a grid (across, down). */
static size_t unit_at(const glim_document *d, int x, int y, int across, int down) {
    int64_t W = d->input.image.width, H = d->input.image.height;
    int64_t px = (2 * x + 1) * W / (2 * across), py = (2 * y + 1) * H / (2 * down);
    return d->input.image.label[py * W + px];
}

/* Lines of `across` cells whose height is `tall` times their width. */
static int lines_for(const glim_document *d, int across, double tall) {
    double n = round(across * (double)d->input.image.height / d->input.image.width / tall);
    return n < 1 ? 1 : n > 4 * ACROSS ? 4 * ACROSS : (int)n;
}

static void put_superpixels(glim_page *p, const double *scores, double limit) {
    bool marks = p->o->color == GLIM_COLOR_NONE;
    int width = marks ? MARKED : 2, most = marks ? MARKS_ACROSS : ACROSS;
    int across = p->width / width < most ? p->width / width : most;
    int down = lines_for(p->d, across, 2.0 / width);
    for (int y = 0; y < down; y++) {
        for (int x = 0; x < across; x++) {
            double score = scores[unit_at(p->d, x, y, across, down)];
            if (marks)
                put_mark(p, score, limit);
            else
                put_cell(p, score, limit, width);
        }
        end_row(p, marks);
    }
}

/* The colour of a pixel that stands for a cell: dim and grey unless its unit is kept. */
static void pixel(const glim_document *d, int x, int y, int across, int down, const size_t *units,
                  size_t n, unsigned rgb[3]) {
    int64_t W = d->input.image.width, H = d->input.image.height;
    int64_t px = (2 * x + 1) * W / (2 * across), py = (2 * y + 1) * H / (2 * down);
    const uint8_t *at = d->input.image.rgb + 3 * (py * W + px);
    bool kept = false;
    for (size_t i = 0; i < n; i++)
        kept = kept || units[i] == unit_at(d, x, y, across, down);
    unsigned grey = (at[0] + 2u * at[1] + at[2]) / 4 / 4 + 96;
    for (int c = 0; c < 3; c++)
        rgb[c] = kept ? at[c] : grey;
}

void glim__page_kept(glim_page *p, const double *scores) {
    const glim_document *d = p->d;
    size_t units[KEPT], n = glim__regions_top(d, scores, 1, KEPT, units);
    int across = p->width < PIXELS ? p->width : PIXELS,
        down = 2 * ((lines_for(d, across, 1) + 1) / 2);
    char text[160];
    if (!d->input.image.label || !d->input.image.rgb || !n)
        return;
    if (p->o->color == GLIM_COLOR_TRUE && !p->o->ascii)
        for (int y = 0; y < down; y += 2) {
            for (int x = 0; x < across; x++) {
                unsigned a[3], b[3];
                pixel(d, x, y, across, down, units, n, a);
                pixel(d, x, y + 1, across, down, units, n, b);
                glim__buffer_printf(&p->b, "\x1b[38;2;%u;%u;%um\x1b[48;2;%u;%u;%um\xe2\x96\x80",
                                    a[0], a[1], a[2], b[0], b[1], b[2]);
            }
            glim__page_plain(p, true);
            glim__buffer_putc(&p->b, '\n');
        }
    snprintf(text, sizeof text, "what %s most: %zu superpixel%s, %.0f %% of the picture",
             d->method.is_signed ? "raises it" : "matters", n, n > 1 ? "s" : "",
             100 * glim__regions_share(d, units, n));
    glim__page_wrapped(p, text);
}

void glim__page_grid(glim_page *p, const double *scores, double limit) {
    const glim_document *d = p->d;
    size_t columns = columns_of(d);
    bool marks = p->o->color == GLIM_COLOR_NONE;
    int width = marks ? MARKED : WIDE;
    if (d->input.image.label) {
        put_superpixels(p, scores, limit);
        return;
    }
    while (!marks && width > 1 && (int)columns * width > p->width)
        width--;
    if ((int)columns * width > p->width) {
        char text[120];
        snprintf(text, sizeof text,
                 "%zu columns of patches do not fit %d columns (a larger --patch, or --html)",
                 columns, p->width);
        glim__page_wrapped(p, text);
        return;
    }
    for (size_t u = 0; u < d->input.n_units; u++) {
        if (marks)
            put_mark(p, scores[u], limit);
        else
            put_cell(p, scores[u], limit, width);
        if ((u + 1) % columns == 0)
            end_row(p, marks);
    }
}
