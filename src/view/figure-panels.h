/* SPDX-License-Identifier: Apache-2.0 */
/* figure-panels.h: what the files that draw panels share. */
#ifndef GLIM_VIEW_FIGURE_PANELS_H
#define GLIM_VIEW_FIGURE_PANELS_H

#include "view/html-panel.h"
#include "view/sheet-parts.h"

const char *figure_number(sheet *t, const html_panel *m, double x, bool brief);
/* The scale with its keys; and the keys alone. */
void figure_panel_legend(sheet *t, const html_panel *m);
void figure_panel_keys(sheet *t, const html_panel *m);
void figure_lines(sheet *t, const html_panel *m); /* figure-lines.c */
void figure_texts(sheet *t, const html_panel *m); /* figure-texts.c */

#endif
