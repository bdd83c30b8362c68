/* SPDX-License-Identifier: Apache-2.0 */
/* compare-html.h: what the parts of a comparison's report share. */
#ifndef GLIM_CLI_COMPARE_HTML_H
#define GLIM_CLI_COMPARE_HTML_H

#include "cli/compare.h"
#include "view/html-page.h"

/* "1 occlusion": a run by its number and name. */
void cli_html_name(html_page *p, const cli_comparison *c, size_t i);
/* A table that scrolls when it is wide; the caller writes its head and <tbody>. */
void cli_html_open(html_page *p, const char *class);
void cli_html_close(html_page *p);

/* ---- compare-html-pairs.c ---- */

/* How alike every two runs are. */
void cli_html_matrices(html_page *p, const cli_comparison *c);
/* Methods judged over many inputs; nothing of one. */
void cli_html_judgements(html_page *p, const cli_comparison *c);

/* ---- compare-html-input.c ---- */

/* The first input's explanations under each other, in the same colours. */
void cli_html_strips(html_page *p, const cli_comparison *c);
/* Its targets one by one, when there are several. */
void cli_html_rows(html_page *p, const cli_comparison *c);
/* Drift by layer as lines. */
void cli_html_drift(html_page *p, const cli_comparison *c);

/* ---- compare-html-scatter.c ---- */

/* Scores against the first's; `all` is the comparison as JSON. */
void cli_html_scatter(html_page *p, const cli_comparison *c, const json_t *all);

#endif
