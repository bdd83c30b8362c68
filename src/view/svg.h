/* SPDX-License-Identifier: Apache-2.0 */
/*
 * svg.h: a small writer of SVG. Text stays text, colours are resolved into attributes, and
 * there is neither style, script nor filter: what librsvg, Inkscape, browsers and printers
 * draw alike. Lengths are CSS pixels (96 an inch). A picture that says how wide it is has its
 * height when it is closed, so shapes gather in a buffer and the head comes last.
 *
 * Pango measures text, with the families that the file names. Its memory and that of librsvg
 * is their own and not the context's: the context cannot count it, so a picture ends at
 * SVG_MOST bytes and what is rendered at the pixels of render.h.
 */
#ifndef GLIM_VIEW_SVG_H
#define GLIM_VIEW_SVG_H

#include "base/buffer.h"

enum { SVG_MOST = 64 << 20 };

static const uint32_t SVG_NONE = 0xff000000; /* no colour; others are 0xrrggbb */

/* Sizes of text: 14, 11, 9 and 7.5 points. */
static const double SVG_TITLE = 56 / 3.0, SVG_TEXT = 44 / 3.0, SVG_SMALL = 12, SVG_TINY = 10;

typedef struct svg_font {
    double size;
    bool bold, italic, mono;
} svg_font;

/* ---- svg-text.c ---- */

typedef struct svg_ruler svg_ruler;

/* Measures text; of one thread. NULL when memory is refused. */
svg_ruler *svg_ruler_new(glim_context *ctx);
void svg_ruler_free(svg_ruler *r);
double svg_text_width(svg_ruler *r, svg_font font, const char *s, size_t n);
/* Bytes of the first line of s that is at most `width` wide, broken where the script allows;
   a word that is wider is cut at a grapheme when `within`, else taken whole. At least one
   grapheme. */
size_t svg_text_line(svg_ruler *r, svg_font font, double width, bool within, const char *s,
                     size_t n);
/* Appends s, shortened in the middle at graphemes to fit the width. */
void svg_text_fit(svg_ruler *r, svg_font font, double width, const char *s, size_t n,
                  glim_buffer *out);
/* The families that a file names. */
const char *svg_families(bool mono);

/* ---- svg.c ---- */

typedef struct svg {
    glim_buffer body;
    svg_ruler *ruler;
    char note[256]; /* attributes of the next element */
} svg;

/* False when memory is refused. */
bool svg_init(svg *s, glim_context *ctx);
void svg_release(svg *s);

/* Attributes of the next element: data-*, nothing that needs an escape. */
void svg_note(svg *s, const char *format, ...) GLIM_PRINTF(2, 3);
/* data-NAME with a number, unless it is none. */
void svg_value(svg *s, const char *name, double x);
void svg_rect(svg *s, double x, double y, double w, double h, uint32_t fill, uint32_t edge);
/* dash: "3 2", or NULL. */
void svg_line(svg *s, double x0, double y0, double x1, double y1, uint32_t c, double width,
              const char *dash);
/* A path whose commands are d; `opacity` of its fill. */
void svg_path(svg *s, const char *d, uint32_t fill, double opacity, uint32_t c, double width,
              const char *dash);
void svg_circle(svg *s, double x, double y, double r, uint32_t fill, uint32_t edge);

typedef enum svg_anchor { SVG_START, SVG_MIDDLE, SVG_END } svg_anchor;
/* One line on its baseline. Bytes that XML has no place for become U+FFFD. */
void svg_text(svg *s, double x, double y, svg_font font, uint32_t fill, svg_anchor anchor,
              const char *text, size_t n);
/* The same, turned by degrees around (x, y). */
void svg_text_turned(svg *s, double x, double y, double degrees, svg_font font, uint32_t fill,
                     svg_anchor anchor, const char *text, size_t n);
/* Pixels (ph, pw, 3) in the place; grown to at least `least` pixels each way by whole
   repetition, since renderers smooth what they stretch. */
void svg_image(svg *s, double x, double y, double w, double h, const uint8_t *rgb, int pw, int ph,
               int least);
void svg_group(svg *s); /* with the attributes that were noted */
void svg_end(svg *s);
/* Appends a number with at most two decimals; and text escaped. */
void svg_number(glim_buffer *b, double x);
void svg_escape(glim_buffer *b, const char *s, size_t n);

typedef struct svg_head {
    double width, height;
    double millimetres; /* width on paper, or 0 */
    const char *lang, *title, *description;
    const char *source; /* the document's digest */
    const char *version;
    bool transparent;
} svg_head;

/* The whole file, appended. Errors: ELIMIT, ENOMEM. */
glim_status svg_close(svg *s, const svg_head *head, glim_buffer *out, glim_error *err);

#endif
