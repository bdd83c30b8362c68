/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sheet.h: a page of figures being drawn from top to bottom. Words and numbers are those of
 * the report: its functions write markup into a side buffer, of which a sheet takes the text,
 * so a figure says nothing that the report does not say, in both languages.
 */
#ifndef GLIM_VIEW_SHEET_H
#define GLIM_VIEW_SHEET_H

#include "view/figures.h"
#include "view/html-page.h"
#include "view/svg.h"

enum { SHEET_MARGIN = 16 };

/* Colours of what is no score. */
enum {
    SHEET_INK = 0x111111,
    SHEET_GREY = 0x595959,
    SHEET_FAINT = 0x8a8a8a,
    SHEET_RULE = 0xc8c8c8,
    SHEET_ABSENT = 0xe4e4e4,
    SHEET_PLUS = 0xd45f1d,
    SHEET_MINUS = 0x3687e7,
    SHEET_AMOUNT = 0x037f99
};

struct sheet {
    svg s;
    html_page page; /* words and numbers; writes into `markup` */
    glim_buffer markup, words, alt;
    const glim_view_options *o;
    double width, left, right, y; /* y: where the next thing begins */
    double flow;                  /* where the next piece of a legend begins */
    const char *chosen;           /* --figure, or NULL */
    size_t figures, drawn;        /* those met, and those that were drawn */
    char title[256], names[1024];
};

/* ---- sheet.c ---- */

/* Opens a sheet for a document's words. Errors: ENOMEM. Close in any case. */
glim_status sheet_open(sheet *t, const glim_document *d, const glim_view_options *o,
                       glim_error *err);
void sheet_close(sheet *t);
/* A name as an attribute bears it: ASCII that needs no escape. */
void sheet_plain(char out[64], const char *name);
/* Whether the figure of this name is wanted; begins its group. sheet_leave ends it. */
bool sheet_enter(sheet *t, const char *name);
void sheet_leave(sheet *t);

/* ---- words ---- */

/* What was written as markup since the last call, as text; lines end with '\n'. Lives until
   the next. */
const char *sheet_taken(sheet *t);
/* Words of the interface with the arguments of glim__html_arg. */
const char *sheet_word(sheet *t, const char *key);
/* Text made safe, cut in the middle to `most` columns (0: whole). */
const char *sheet_label(sheet *t, const char *s, size_t n, int most);
const char *sheet_value(sheet *t, double x, double scale, bool is_signed);
const char *sheet_share(sheet *t, double x);

/* ---- running text: each moves y ---- */

void sheet_gap(sheet *t, double height);
/* Lines of words, wrapped; `indent` from the left. */
void sheet_paragraph(sheet *t, svg_font font, uint32_t fill, double indent, const char *text);
/* What is in the markup. The title of the page is its first line. */
void sheet_lines(sheet *t, svg_font font, uint32_t fill);
void sheet_heading(sheet *t, const char *text);
/* A line's height. */
double sheet_line(svg_font font);
/* Text of at most a width at a place, shortened; returns its width. */
double sheet_text(sheet *t, double x, double y, double most, svg_font font, uint32_t fill,
                  svg_anchor anchor, const char *text);
/* The longest of n labels, at most `most`. */
double sheet_widest(sheet *t, svg_font font, double most, size_t n,
                    const char *label(void *data, sheet *t, size_t i), void *data);

/* Notes, caption, model and digest of a JSON document (figure-json.c). */
void sheet_json_foot(sheet *t, const json_t *all, const char *digest);
/* The verdict with its colour; what a figure adds to the page's description. */
void sheet_verdict(sheet *t, glim_verdict verdict, const char *words);
void sheet_alt(sheet *t, const char *words);

/* ---- legends: pieces flow and wrap ---- */

void sheet_legend(sheet *t); /* begins */
/* Swatches between what their ends mean and are; words may be "". */
void sheet_scale(sheet *t, bool both, const char *low_word, const char *low, const char *middle,
                 const char *high, const char *high_word);
/* The scale of scores; and the legend of a document's units. */
void sheet_signed_scale(sheet *t, bool both, double limit);
void sheet_score_legend(sheet *t);
typedef enum sheet_mark {
    SHEET_BARE,
    SHEET_CROSS,
    SHEET_HATCH,
    SHEET_HOLLOW,
    SHEET_FRAME,
    SHEET_NOTCH,
    SHEET_DOT,
    SHEET_DASHED
} sheet_mark;
void sheet_key(sheet *t, sheet_mark mark, const char *words);
/* A swatch of any colour. */
void sheet_colour_key(sheet *t, uint32_t fill, const char *words);
void sheet_legend_end(sheet *t);

/* ---- cells ---- */

/* A cell with its colour; a cross on grey for what is not there; hatched where nothing is due. */
void sheet_cell(sheet *t, double x, double y, double w, double h, bool both, int step);
void sheet_missing(sheet *t, double x, double y, double w, double h);
void sheet_hatch(sheet *t, double x, double y, double w, double h);
/* A corner: beyond the scale. */
void sheet_notch(sheet *t, double x, double y, double w, uint32_t ink);
const glim_shade *sheet_shade(bool both, int step);

#endif
