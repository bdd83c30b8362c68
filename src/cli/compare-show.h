/* SPDX-License-Identifier: Apache-2.0 */
/* compare-show.h: what the terminal's pages of methods and of models share. */
#ifndef GLIM_CLI_COMPARE_SHOW_H
#define GLIM_CLI_COMPARE_SHOW_H

#include "cli/compare.h"
#include "view/page.h"

enum { CLI_NAME = 24 }; /* columns of a name */

/* Words of a line that grows, wrapped to the page; releases them. */
void cli_put_line(glim_page *p, glim_buffer *line);
/* Text at the right of so many columns. */
void cli_put_right(glim_page *p, const char *text, int columns);
/* What target row r of an explanation is called, as wide as a name. */
void cli_put_row_name(glim_page *p, const glim_document *d, size_t r);
/* Everything that is said of models (compare-show-models.c). */
void cli_put_models(glim_page *p, const cli_comparison *c);

#endif
