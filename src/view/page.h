/* SPDX-License-Identifier: Apache-2.0 */
/*
 * page.h: a page of the terminal view being written: text made safe and measured
 * in columns, numbers, and the shades of the palette. The strip of units is a
 * file of its own.
 */
#ifndef GLIM_VIEW_PAGE_H
#define GLIM_VIEW_PAGE_H

#include "view/palette.h"
#include "view/views.h"

typedef struct glim_page {
    glim_buffer b;
    const glim_document *d;
    const glim_view_options *o;
    int width, column;
} glim_page;

/* The mark for this page: Unicode, or ASCII when only that is wanted. */
const char *glim__page_pick(const glim_page *p, const char *unicode, const char *ascii);
/* Appends one grapheme of s, made safe, to b; *len gets its bytes; returns its columns. */
int glim__page_grapheme(const glim_page *p, glim_buffer *b, const char *s, size_t n, size_t *len);
/* Appends text, made safe and cut in the middle to at most `most` columns; returns the
   columns. Then pads with spaces up to `least`. */
int glim__page_label(const glim_page *p, glim_buffer *b, const char *s, size_t n, int most,
                     int least);
/* Swatches of all steps, `cell` columns wide, between the numbers of both ends, and what they are
   in; `used` are the columns of the rest. A line. */
void glim__page_swatches(glim_page *p, bool is_signed, int cell, int used, const char *low,
                         const char *high, const char *unit);
/* Ends the line, without the spaces at its end. */
void glim__page_end_line(glim_page *p);
/* Words wrapped to the width; a word longer than a line is cut by characters. */
void glim__page_wrapped(glim_page *p, const char *text);
/* "+0.41", three digits, a cross for what is not finite. */
const char *glim__page_number(const glim_page *p, char out[32], double x);
/* The same of a score: sizes without a sign carry none. */
const char *glim__page_score(const glim_page *p, char out[32], double x);
/* The shade of a score within [-limit, limit]: signed, or of its size. */
int glim__page_step(const glim_page *p, double score, double limit);
/* Begins a shade (0: none) or the look of fixed units; _plain ends either. */
void glim__page_shade(glim_page *p, int step);
void glim__page_grey(glim_page *p);
void glim__page_plain(glim_page *p, bool on);

/* Units in running text with their shades or marks, folded to the surroundings of
   the largest scores when there are very many. */
void glim__page_strip(glim_page *p, const double *scores, double limit);

/* Sentences and turns, what each has of the whole, and which supports the target most
   (levels.c). */
void glim__page_levels(glim_page *p);
/* A bar of at most `most` columns; hollow when its sign may be chance (terminal.c). */
void glim__page_bar(glim_page *p, double score, double limit, int most, bool hollow);

/* The units of a picture as a grid of cells (grid.c). */
void glim__page_grid(glim_page *p, const double *scores, double limit);
/* Of superpixels: the picture with only those left that matter most. */
void glim__page_kept(glim_page *p, const double *scores);

/* A document of attention: title, verdict, heads in words, the map (heat.c). */
void glim__page_attention(glim_page *p, void (*verdict)(glim_page *));
/* Which words belong together, with their error rate; nothing without links. */
void glim__page_links(glim_page *p);
/* What a document shows besides scores, and its head when it has none (panels-terminal.c). */
void glim__page_panels(glim_page *p);
void glim__page_panels_head(glim_page *p);
/* What the model says of the input (prediction.c). */
void glim__page_prediction(glim_page *p);
/* How good the explanation is; nothing when it was not judged (profile-terminal.c). */
void glim__page_profile(glim_page *p);
/* Mean of the numbers that begin at row r and unit u; NaN when there is none. */
double glim__heat_pooled(const glim_document *d, size_t r, size_t u, size_t by_row,
                         size_t by_column);
/* The top of the scale of such a map: the largest that is no sink's. */
double glim__heat_limit(const glim_document *d, size_t by_row, size_t by_column, bool *clipped);
/* "Attention, layer 3, head 7" */
void glim__attention_title(glim_buffer *b, const glim_document *d);

#endif
