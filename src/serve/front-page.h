/* SPDX-License-Identifier: Apache-2.0 */
/* front-page.h: the page's files, embedded at build (scripts/embed-page.py); empty without. */
#ifndef GLIM_SERVE_FRONT_PAGE_H
#define GLIM_SERVE_FRONT_PAGE_H

extern const char serve_page_html[], serve_page_script[], serve_page_style[];
extern const char serve_page_hash[]; /* of all three, in hex */

#endif
