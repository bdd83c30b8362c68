/* SPDX-License-Identifier: Apache-2.0 */
/* html-panel.h: what the files that write panels of the report share. */
#ifndef GLIM_VIEW_HTML_PANEL_H
#define GLIM_VIEW_HTML_PANEL_H

#include "view/html-page.h"
#include "view/panels.h"

typedef struct html_panel {
    html_page *p;
    const glim_panel *panel;
    glim_panel_range range;
    size_t at; /* which of the document's, for the names of elements */
} html_panel;

/* ---- html-panels.c ---- */

/* A number as its scale has it; `brief` without what the legend says anyway. */
void glim__html_panel_number(const html_panel *m, glim_buffer *b, double x, bool brief);
/* " (88.0 % to 94.1 %)", nothing without an interval. */
void glim__html_panel_interval(const html_panel *m, glim_buffer *b, size_t i);
/* The class of a number's colour: "s7", "a3", "x". */
void glim__html_panel_class(const html_panel *m, glim_buffer *b, double x);
/* Swatches with the numbers of both ends, what they are in, and what marks mean. */
void glim__html_panel_legend(const html_panel *m);
/* The name of an axis or a column, in the page's language when there is a word for it. */
void glim__html_panel_word(html_page *p, const char *open, const char *name);
/* The same inside of an argument. */
void glim__html_panel_term(html_page *p, glim_buffer *b, const char *name);
/* A table of numbers that may be folded away. */
void glim__html_panel_unfold(const html_panel *m, bool begin);

void glim__html_panel_title(const html_panel *m);

/* ---- html-grid.c, html-lines.c, html-texts.c ---- */

/* What lies down and across; the strongest cells, a line and a text in words. */
void glim__html_grid_axes(const html_panel *m);
void glim__html_grid_say(const html_panel *m);
void glim__html_line_say(const html_panel *m, size_t series);
void glim__html_text_head(const html_panel *m, size_t i);

void glim__html_grid(const html_panel *m);
void glim__html_lines(const html_panel *m);
void glim__html_texts(const html_panel *m);

#endif
