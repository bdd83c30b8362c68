/* SPDX-License-Identifier: Apache-2.0 */
/*
 * figure-json.h: what the figures of documents with a schema of their own share. A document
 * is anybody's: a member that is missing or of another type reads as nothing.
 */
#ifndef GLIM_VIEW_FIGURE_JSON_H
#define GLIM_VIEW_FIGURE_JSON_H

#include "view/sheet-parts.h"

const json_t *figure_get(const json_t *o, const char *key);
double figure_real(const json_t *o, const char *key); /* NaN when it is no number */
double figure_real_at(const json_t *list, size_t i);
size_t figure_count(const json_t *o, const char *key);     /* 0 likewise */
const char *figure_text(const json_t *o, const char *key); /* "" likewise */

/* Arguments of the words to come. */
void figure_arg_count(sheet *t, size_t n);
void figure_arg_text(sheet *t, const char *s, int most);
void figure_arg_quote(sheet *t, const char *s, int most);
void figure_arg_real(sheet *t, double x);
/* Four digits with a true minus; a cross for what is not there. */
const char *figure_number_text(sheet *t, double x);

/* The first line of the page, which is its title; a line of small print; the verdict. */
void figure_title(sheet *t, const char *words);
void figure_note(sheet *t, const char *words);
void figure_verdict(sheet *t, const json_t *all, const char *reason);
/* Words in a box at x, on a new line when it does not fit; returns where the next begins. */
double figure_box(sheet *t, double x, const char *words, const glim_shade *shade, bool framed);

#endif
