/* SPDX-License-Identifier: Apache-2.0 */
/*
 * panel.h: what a document shows besides scores of units: lenses, patches, probes, inputs
 * that activate. A panel is one of four plain things, so that every view can draw all of them
 * and a new method needs no view of its own. All it points to lives as long as its document
 * (glim_document_alloc, glim_document_text). NaN = not there.
 */
#ifndef GLIM_PANEL_H
#define GLIM_PANEL_H

#include <glim/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum glim_panel_kind {
    GLIM_PANEL_GRID,  /* a number, and perhaps words, for each row and column: heat */
    GLIM_PANEL_LINES, /* the same with a curve for each row: columns are in order (layers) */
    GLIM_PANEL_TABLE, /* rows of cells under named columns */
    GLIM_PANEL_TEXTS  /* texts with a number for each of their pieces: strips */
} glim_panel_kind;

/* What the numbers of a panel are, which says how they are coloured and written. */
typedef enum glim_panel_scale {
    GLIM_SCALE_SIGNED, /* both signs mean something; 0 is neutral */
    GLIM_SCALE_AMOUNT, /* from 0 to the largest */
    GLIM_SCALE_SHARE,  /* from 0 to 1 */
    GLIM_SCALE_EFFECT, /* signed, and 1 is a whole: normalised effects of patches */
    GLIM_SCALE_RANK    /* 1 is the best; by logarithm */
} glim_panel_scale;

typedef struct glim_panel_axis {
    const char *name; /* "layer", "position"; of lines the rows are "series" */
    size_t n;
    const char *const *labels; /* [n] NUL-terminated; a token's own bytes, which need not be
                                  whole characters */
} glim_panel_axis;

typedef struct glim_panel_cell {
    const char *text; /* or NULL: the number */
    double number;
} glim_panel_cell;

typedef struct glim_panel_text {
    const char *label; /* "reviews.csv, row 7"; may be NULL */
    double value;      /* of the whole, NaN = none */
    size_t n;          /* pieces */
    const char *const *pieces;
    const double *values; /* [n] */
    size_t best;          /* the piece that counts most; SIZE_MAX = none */
} glim_panel_text;

typedef struct glim_panel {
    glim_panel_kind kind;
    const char *name;    /* "rank": by this programs find it; unique in its document */
    const char *title;   /* "Rank of the answer", English; views look for words of theirs under
                            "panel.DOCUMENT-KIND.NAME" */
    const char *caption; /* what must not be read from it, or NULL */
    const char *unit;    /* "nats", "logit"; NULL = none */
    glim_panel_scale scale;
    /* GRID, LINES: (rows, columns). TABLE: rows.n rows, whose labels may be NULL. */
    glim_panel_axis rows, columns;
    double *values;           /* GRID, LINES */
    double *low, *high;       /* interval of each value, or NULL */
    const char **texts;       /* GRID: words of each cell, or NULL */
    uint8_t *marked;          /* GRID: 1 = outlined, or NULL */
    glim_panel_cell *cells;   /* TABLE */
    glim_panel_text *strings; /* TEXTS: rows.n of them */
} glim_panel;

#ifdef __cplusplus
}
#endif
#endif
