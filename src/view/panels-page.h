/* SPDX-License-Identifier: Apache-2.0 */
/* panels-page.h: what the files that draw panels in the terminal share. */
#ifndef GLIM_VIEW_PANELS_PAGE_H
#define GLIM_VIEW_PANELS_PAGE_H

#include "view/page.h"
#include "view/panels.h"

/* A panel being drawn. Its page has a document that stands in for the panel's own: shades
   and strips ask it whether numbers have signs, and which units there are. */
typedef struct glim_panel_page {
    glim_page *p;
    const glim_panel *panel;
    glim_panel_range range;
} glim_panel_page;

/* ---- panels-terminal.c ---- */

/* Words of a buffer as wrapped lines; the buffer is released. */
void glim__panel_say(glim_page *p, glim_buffer *b);
/* A label without the gap before it; what is nothing but a gap is a mark. Returns columns. */
int glim__panel_label(glim_page *p, glim_buffer *b, const char *s, int most, int least);
/* The columns that it would take. */
int glim__panel_label_width(glim_page *p, const char *s, int most);
/* The widest of an axis, at most `most`. */
int glim__panel_axis_width(glim_page *p, const glim_panel_axis *axis, int most);
/* A number as its scale has it: "+0.41", "63.0 %", "12"; `brief` where cells are narrow. */
const char *glim__panel_number(const glim_panel_page *m, char out[32], double x, bool brief);
/* The same at the right end of `width` columns. */
void glim__panel_number_right(const glim_panel_page *m, double x, bool brief, int width);
/* Spaces, none for n < 1. */
void glim__panel_pad(glim_page *p, int n);
/* What shades are, or digits, with the numbers of both ends; and what is not there. */
void glim__panel_legend(const glim_panel_page *m, bool shades, bool digits);

/* ---- panels-grid.c, panels-lines.c, panels-table.c ---- */

void glim__panel_grid(const glim_panel_page *m);
void glim__panel_lines(const glim_panel_page *m);
void glim__panel_table(const glim_panel_page *m);

#endif
