/* SPDX-License-Identifier: Apache-2.0 */
/* figure-influence.h: what the files that draw training samples share. */
#ifndef GLIM_VIEW_FIGURE_INFLUENCE_H
#define GLIM_VIEW_FIGURE_INFLUENCE_H

#include "view/figure-json.h"

/* figure-plane.c: Cook's distance as stems; leverage against residual. */
void figure_stems(sheet *t, const json_t *all);
void figure_plane(sheet *t, const json_t *all);
/* What tokens or parts have of a sample's score. */
void figure_shares(sheet *t, const json_t *share);

void figure_histogram(sheet *t, const json_t *all); /* figure-histogram.c */

#endif
