/* SPDX-License-Identifier: Apache-2.0 */
/* influence-apart.h: what tokens, layers or modules have of a score, as pictures. */
#ifndef GLIM_CLI_INFLUENCE_APART_H
#define GLIM_CLI_INFLUENCE_APART_H

#include "cli/influence-told.h"
#include "view/html-page.h"
#include "view/page.h"

/* Under a sample's line: its tokens in the colours of their shares, or the largest parts.
   NULL is fine. */
void cli_share_show(glim_page *p, const cli_told *t, const cli_share *s);
/* The same in a report, all parts. */
void cli_share_html(html_page *p, const cli_told *t, const cli_share *s);
/* What the colours mean; nothing without tokens. */
void cli_share_legend(html_page *p, const cli_told *t);

#endif
