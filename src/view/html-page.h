/* SPDX-License-Identifier: Apache-2.0 */
/*
 * html-page.h: what the parts of the HTML report share. Text of a model or an
 * input goes through glim__html_label or glim__html_run only, words of the
 * interface through glim__html_say, numbers through glim__html_number.
 */
#ifndef GLIM_VIEW_HTML_PAGE_H
#define GLIM_VIEW_HTML_PAGE_H

#include "view/html.h"
#include "view/palette.h"
#include "view/views.h"

#include <math.h>
#include <string.h>

enum { HTML_ARGS = 6, HTML_LABEL = 24, HTML_BARS = 30, HTML_CELLS = 4096 };

typedef struct html_page {
    glim_buffer *b;
    const glim_document *d;
    bool zh;
    double *scores;   /* of the picture: the document's, or their sums over its rows */
    double limit;     /* the largest size among them */
    uint8_t *starts;  /* 1 where a grapheme of the input text begins; NULL without rows */
    glim_buffer args; /* what stands for {0}, {1}, ... in the next words */
    size_t at[HTML_ARGS];
    int n_args;
    size_t panels; /* whose numbers are taken, for the names of elements */
} html_page;

/* ---- html.c ---- */

/* The page's numbers, from the document; p->b is the caller's. Close in any case. */
glim_status glim__html_open(html_page *p, const glim_document *d, const glim_view_options *o,
                            glim_error *err);
void glim__html_close(html_page *p);
/* Its parts: title and target; method; verdict; sums, notes and caption; model and digest. */
void glim__html_heading(html_page *p);
void glim__html_method(html_page *p);
void glim__html_verdict(html_page *p);
void glim__html_remarks(html_page *p);
void glim__html_footer(html_page *p, const char *digest);
/* Up to the page's header, which it opens; and from its foot on: the document, and the viewer
   where it was built in. */
void glim__html_begin(html_page *p);
void glim__html_end(html_page *p, const char *json, size_t n);
/* The first eight digits of the document's digest. */
void glim__html_digest(char out[9], const char *json, size_t n);

/* ---- html-text.c ---- */

/* Markup of plain text: nothing in it can open or close an element. */
void glim__html_escape(glim_buffer *b, const char *s, size_t n);
/* Text as a label, isolated, of at most `most` columns (0 = whole): cut in the
   middle, white space at its ends and what has no glyph as marks. */
void glim__html_label(glim_buffer *b, const char *s, size_t n, int most);
/* The same without its element. */
void glim__html_plain(glim_buffer *b, const char *s, size_t n, int most);
/* A label in quotation marks. */
void glim__html_quote(glim_buffer *b, const char *s, size_t n, int most);
/* A unit's text as it runs: a gap for leading spaces, then the word's box. */
void glim__html_run(glim_buffer *b, const char *s, size_t n);
/* What a row is called: a token that is a part of a character shows the whole
   character and its own bytes. */
void glim__html_row(html_page *p, glim_buffer *b, const glim_document_row *row, int most);
/* "rtl" when the first letter with a direction is written from right to left. */
const char *glim__html_direction(const glim_document *d);
/* Three digits; below a thousandth of ones "<0.001" when the picture's largest
   number, `scale`, makes it nothing. A sign for signed numbers. */
void glim__html_number(glim_buffer *b, double x, double scale, bool is_signed);
void glim__html_percent(glim_buffer *b, double share);
/* The next argument of the words to come: write into what is returned. */
glim_buffer *glim__html_arg(html_page *p);
/* <open data-w="key">words with the arguments</tag>; `open` is a tag and its
   attributes. The arguments are used up. */
void glim__html_say(html_page *p, const char *open, const char *key);
/* Whether there are words for a key. */
bool glim__html_has(const char *key);
/* One word without arguments, into a buffer. */
void glim__html_term(html_page *p, glim_buffer *b, const char *key);
/* A sentence of the document: in the page's language when key's English is it. */
void glim__html_told(html_page *p, const char *open, const char *key, const char *text);

/* ---- html-strip.c ---- */

/* The class of unit u's score x in row r; SIZE_MAX: of its sum over rows. */
void glim__html_shade(glim_buffer *b, const html_page *p, double x, double limit, double error,
                      size_t r, size_t u);
/* A unit that the row's token could not see: no score is due. */
bool glim__html_later(const html_page *p, size_t r, size_t u);
/* Whether a unit is coloured and ranked: neither the template's nor the model's own.
   What a model wrote always leans on what it wrote before: beside that, nothing of
   the prompt would show. The viewer has a switch for it. */
bool glim__html_counts(const html_page *p, size_t u);
/* The scale: swatches with the numbers of both ends and of the middle. */
void glim__html_scale(html_page *p, double limit);
/* A mark that the legend explains, with how many there are; nothing for none. */
void glim__html_key(html_page *p, const char *mark, const char *key, size_t n);
void glim__html_strip(html_page *p);
/* The sentences that say the picture's largest numbers. */
void glim__html_description(html_page *p);

/* ---- html-picture.c ---- */

/* In the place of the text: the picture, and the same with its patches coloured. */
void glim__html_picture(html_page *p);
/* The picture alone. */
void glim__html_seen(html_page *p);

/* ---- html-table.c ---- */

struct html_rank {
    size_t unit;
    double score;
};
/* Units with a score, the largest first, with or without what the model wrote;
   returns their number. */
size_t glim__html_order(const html_page *p, const double *scores, bool written,
                        struct html_rank *out);
void glim__html_tables(html_page *p);

/* Cells of such tables: a number, and its size as a bar against p->limit, from the middle
   when some are negative. */
void glim__html_number_cell(html_page *p, double x, bool is_signed);
void glim__html_bar_cell(html_page *p, double x, bool both);
void glim__html_head(html_page *p, const char *const *keys);

/* ---- html-levels.c ---- */

/* Sentences and turns as tables, and the sentence that says which supports the target. */
void glim__html_levels(html_page *p);
void glim__html_support(html_page *p);
/* Text without the white space around it, as a label; and the words for a level's rule. */
void glim__html_trimmed(glim_buffer *b, const char *s, size_t n, int most);
const char *glim__html_level_rule(const html_page *p, const glim_document_level *level);
/* ---- html-attention.c ---- */

/* Heading and what rows and columns are. */
void glim__html_attention_head(html_page *p);
/* The map with its legend, and what each head does. */
void glim__html_attention(html_page *p);

/* ---- html-links.c ---- */

/* Which words belong together; nothing without links. And the error rates alone. */
void glim__html_links(html_page *p);
void glim__html_rates(html_page *p);
/* Whether a row and a unit are among the links, and how sure that one is. */
bool glim__html_linked(const glim_document_link *at, size_t n, size_t r, size_t u, bool *sure);

/* ---- html-panels.c ---- */

/* What a document shows besides scores; and the head of one that has nothing else. */
void glim__html_panels(html_page *p);
void glim__html_panels_head(html_page *p);

/* ---- html-lines.c ---- */

/* 1, 2 or 5 times a power of ten, some four to a range. */
double glim__html_tick(double range);

/* ---- profile-html.c ---- */

/* How good the explanation is; nothing when it was not judged. */
void glim__html_profile(html_page *p);
/* From the base value to the prediction, of scores that add up (waterfall.c). */
void glim__html_waterfall(html_page *p);
/* What the model says; nothing when the document does not hold it (prediction.c). */
void glim__html_prediction(html_page *p);

double glim__html_largest(const double *x, size_t n);

#endif
