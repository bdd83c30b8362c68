/* SPDX-License-Identifier: Apache-2.0 */
/* sheet-parts.h: the parts that several figures are made of: bars, heat, plots, tables. */
#ifndef GLIM_VIEW_SHEET_PARTS_H
#define GLIM_VIEW_SHEET_PARTS_H

#include "view/sheet.h"

/* ---- sheet-bars.c ---- */

typedef struct sheet_bar {
    double value, error; /* half of the interval; 0: none */
    size_t unit;         /* SIZE_MAX: none */
    bool aside;          /* what others have together */
} sheet_bar;

typedef struct sheet_bars {
    size_t n;
    void *data;
    sheet_bar (*row)(void *data, size_t i);
    const char *(*label)(void *data, sheet *t, size_t i);
    double limit; /* for the digits of numbers */
    double names; /* share of the width that names may take */
    bool both, share, ragged;
} sheet_bars;

void sheet_bar_rows(sheet *t, const sheet_bars *b);

/* ---- sheet-heat.c ---- */

enum { HEAT_FRAMED = 1, HEAT_DASHED = 2, HEAT_DOT = 4, HEAT_NOTCHED = 8, HEAT_UNSURE = 16 };

typedef struct sheet_heat {
    size_t rows, columns;
    void *data;
    bool both;                /* colours with a sign */
    size_t by_row, by_column; /* numbers a cell stands for; sheet_heat_pool */
    /* Number of a cell's block; NaN: missing, or hatched when `hatched` says so. */
    double (*value)(void *data, size_t r, size_t c, size_t by_row, size_t by_column);
    bool (*hatched)(void *data, size_t r, size_t c);
    int (*step)(void *data, double x);
    int (*marks)(void *data, size_t r, size_t c); /* or NULL */
    const char *(*row)(void *data, sheet *t, size_t i);
    const char *(*column)(void *data, sheet *t, size_t i);
    const char *(*text)(void *data, sheet *t, size_t r, size_t c); /* words of a cell, or NULL */
    const char *(*side)(void *data, sheet *t, size_t r); /* a number behind a row's name, or NULL */
    const char *across, *down;                           /* names of the axes, or NULL */
    double least;                                        /* least width of a cell with words */
} sheet_heat;

/* Pools until cells fit; returns whether they had to be. */
bool sheet_heat_pool(sheet *t, sheet_heat *h);
void sheet_heat_draw(sheet *t, const sheet_heat *h);

/* ---- sheet-plot.c ---- */

typedef struct sheet_plot {
    double x, y, w, h;         /* the frame, on the page */
    double x0, x1, y0, y1;     /* what its edges are */
    const char *across, *down; /* names of the axes */
    bool percent;              /* ticks of y */
    bool whole;                /* ticks of x */
    bool boxed;                /* a light frame instead of axes */
} sheet_plot;

/* Makes room for a plot `height` tall: frame, ticks and names. x0 .. y1 are given; without
   ticks across when x_ticks is false. */
void sheet_plot_open(sheet *t, sheet_plot *p, double height, bool x_ticks, bool y_ticks);
double sheet_plot_x(const sheet_plot *p, double x);
double sheet_plot_y(const sheet_plot *p, double y);
void sheet_plot_close(sheet *t, sheet_plot *p);

/* ---- sheet-table.c ---- */

typedef struct sheet_table {
    size_t rows, columns;
    void *data;
    const char *(*head)(void *data, sheet *t, size_t c);
    const char *(*cell)(void *data, sheet *t, size_t r, size_t c); /* NULL: nothing */
    bool (*words)(void *data, size_t c);                           /* to the left */
    const glim_shade *(*shade)(void *data, size_t r, size_t c);    /* or NULL */
} sheet_table;

/* Columns take what they need; words are shortened when all do not fit. */
void sheet_table_draw(sheet *t, const sheet_table *b);

/* Colours of categories, each with a mark of its own (0 .. 5; from 6 on hollow). */
uint32_t sheet_category(size_t i);
void sheet_point(sheet *t, size_t category, double x, double y, double r);
/* A key of a legend: a line with its dashes (NULL: none, a mark alone) and its mark. */
void sheet_curve_key(sheet *t, size_t category, const char *dash, const char *words);
void sheet_point_key(sheet *t, size_t category, const char *words);

#endif
