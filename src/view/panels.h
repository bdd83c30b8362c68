/* SPDX-License-Identifier: Apache-2.0 */
/*
 * panels.h: what the views of panels share: what the colours of a panel mean, its numbers
 * by cell, block and piece, and whether a document has nothing else to show.
 */
#ifndef GLIM_VIEW_PANELS_H
#define GLIM_VIEW_PANELS_H

#include "view/views.h"

/* The largest piece of a broken character is three bytes, so one has four pieces at most. */
enum { GLIM_PIECES_JOINED = 4, GLIM_PANELS_MOST = 256, GLIM_WINDOW = 20 };

/* A document of panels has no scores of units: it is of a kind of its own. */
bool glim__of_panels(const glim_document *d);
/* Whether documents of this kind may do without scores. */
bool glim__panel_document(const char *kind);

/* ---- what colours mean ---- */

typedef struct glim_panel_range {
    double limit;   /* where the scale ends: the largest size, 1, or the worst rank */
    bool is_signed; /* steps from -5 to 5, else from 0 to 8 */
    size_t missing; /* numbers that are not there */
    size_t beyond;  /* effects outside of [-0.2, 1.2] */
    size_t unsure;  /* signed numbers whose interval has zero in it */
    size_t marked;
    double least, most; /* of all numbers; NaN when there are none */
} glim_panel_range;

/* Of a grid's and lines' values, or of all texts together. */
glim_panel_range glim__panel_range(const glim_panel *panel);
/* The step of a number's colour: -5 .. 5, or 0 .. 8. */
int glim__panel_step(const glim_panel *panel, const glim_panel_range *range, double x);
/* The same in ninths, for digits: -9 .. 9; of ranks 9 is the first. */
int glim__panel_digit(const glim_panel *panel, const glim_panel_range *range, double x);
/* Whether the interval of a signed number has zero in it. */
bool glim__panel_unsure(const glim_panel *panel, size_t i);
/* An effect that is more than the whole, or turns the answer the other way. */
bool glim__panel_beyond(const glim_panel *panel, double x);

/* ---- cells ---- */

/* Mean of the block of by_row x by_column numbers that begins there; of ranks that of their
   logarithms. NaN when there is none. */
double glim__panel_pooled(const glim_panel *panel, size_t row, size_t column, size_t by_row,
                          size_t by_column);
/* Whether the block has a marked cell. */
bool glim__panel_marked(const glim_panel *panel, size_t row, size_t column, size_t by_row,
                        size_t by_column);

typedef struct glim_panel_place {
    size_t row, column;
    double value;
} glim_panel_place;

/* The numbers that say most, at most n <= 16: the largest by size, of ranks the smallest.
   Returns how many. */
size_t glim__panel_top(const glim_panel *panel, size_t n, glim_panel_place *out);
/* "" where there is none. */
const char *glim__axis_label(const glim_panel_axis *axis, size_t i);
bool glim__axis_named(const glim_panel_axis *axis);

/* Whether a table's column counts something: its numbers are whole and no shares, and are
   written so whatever the scale of its panel. */
bool glim__table_counts(const glim_panel *panel, size_t column);

/* ---- pieces of texts ---- */

/* What a text is called; "" when it has no name. */
const char *glim__string_label(const glim_panel *panel, size_t i);
/* Where the pieces end that make whole characters from piece i on. */
size_t glim__pieces_end(const glim_panel_text *text, size_t i);
/* The number of joined pieces: the largest by size. */
double glim__pieces_value(const glim_panel_text *text, size_t from, size_t to);
/* The pieces shown of a text: a window around its best one, or its beginning. */
void glim__pieces_window(const glim_panel_text *text, size_t most, size_t *from, size_t *to);
/* The bytes of joined pieces, appended. */
void glim__pieces_put(glim_buffer *b, const glim_panel_text *text, size_t from, size_t to);

/* ---- the views ---- */

json_t *glim__panels_json(bool *ok, const glim_document *d); /* panels-json.c */
/* Reads the member `panels`, if any (panels-parse.c). Errors: EFORMAT, ENOMEM. */
glim_status glim__panels_parse(glim_document *d, const json_t *panels, const char *name,
                               glim_error *err);
/* All panels as one table (panels-csv.c). */
void glim__panels_csv(glim_buffer *b, const glim_document *d);

#endif
