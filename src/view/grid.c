/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The patches of a picture in the terminal: a line of cells for each row of patches,
 * shaded, or with sign and tenths where there are no colours.
 */
#include "view/page.h"

#include <math.h>
#include <stdio.h>

enum { WIDE = 3, MARKED = 3 };

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
    int step = glim__step(score, limit);
    glim__page_shade(p, step);
    for (int i = 0; i < width; i++)
        glim__buffer_putc(&p->b, ' ');
    glim__page_plain(p, step != 0);
}

void glim__page_grid(glim_page *p, const double *scores, double limit) {
    const glim_document *d = p->d;
    size_t columns = columns_of(d);
    bool marks = p->o->color == GLIM_COLOR_NONE;
    int width = marks ? MARKED : WIDE;
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
        if ((u + 1) % columns == 0 && marks)
            glim__page_end_line(p);
        else if ((u + 1) % columns == 0)
            glim__buffer_putc(&p->b, '\n');
    }
}
