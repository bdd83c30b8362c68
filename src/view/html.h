/* SPDX-License-Identifier: Apache-2.0 */
/* html.h: style, script and words of the report, embedded at build from web/. The
   hash strings are `sha256-...` as a content policy wants them; an empty script
   means that this build has no viewer: the report is then static. */
#ifndef GLIM_VIEW_HTML_H
#define GLIM_VIEW_HTML_H

typedef struct glim_html_word {
    const char *key, *en, *zh; /* {0}, {1}, ... stand for what is put in */
} glim_html_word;

extern const char glim__html_style[], glim__html_style_hash[];
extern const char glim__html_script[], glim__html_script_hash[];
extern const char glim__html_missing[];         /* why there is no script; empty with one */
extern const glim_html_word glim__html_words[]; /* closed by a NULL key */

#endif
