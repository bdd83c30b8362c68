/* SPDX-License-Identifier: Apache-2.0 */
/* told-html.h: what reports of commands share that are more than an explanation's. */
#ifndef GLIM_CLI_TOLD_HTML_H
#define GLIM_CLI_TOLD_HTML_H

#include "cli/cli.h"
#include "view/html-page.h"

/* The next argument of the words to come, as plain text of 255 bytes at most. */
void cli_html_argument(html_page *p, const char *format, ...) GLIM_PRINTF(2, 3);
/* The verdict with its reason, "" for none. */
void cli_html_verdict(html_page *p, glim_verdict verdict, const char *reason);
/* Notes, and which glim made it. */
void cli_html_foot(html_page *p, const char *const *notes, size_t n, const char *version);
/* Ends the page with the document inside, which is released. */
glim_status cli_html_data(html_page *p, json_t *all, bool ok, glim_error *err);
/* Writes the page to --html unless it is too long; `less` says what would make it shorter besides
   a higher limit, or "". */
glim_status cli_html_write(cli_run *run, const glim_buffer *page, const char *less);

#endif
