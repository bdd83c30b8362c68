/* SPDX-License-Identifier: Apache-2.0 */
/* influence-figures.h: the pictures of a report of `glim influence`, as SVG. */
#ifndef GLIM_CLI_INFLUENCE_FIGURES_H
#define GLIM_CLI_INFLUENCE_FIGURES_H

#include "cli/influence-told.h"
#include "view/html-page.h"

/* Cook's distance of every sample as a stem, with the threshold; of more than can be told
   apart the largest of every column of pixels. */
void cli_figure_stems(html_page *p, const cli_told *t);
/* Leverage against studentised residual, with lines of equal Cook's distance; the samples with
   the largest distances. */
void cli_figure_plane(html_page *p, const cli_told *t);

/* How the scores of all samples lie, of the first columns. */
void cli_figure_histogram(html_page *p, const cli_told *t);

#endif
