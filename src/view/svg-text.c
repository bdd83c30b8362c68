/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How wide text is, and where it may be cut. Pango shapes any script; hinting is off, so that
 * widths do not depend on the size of a pixel. A ruler has a font map of its own, because the
 * one that Pango keeps for a thread would outlive it.
 */
#include "view/svg.h"
#include "view/width.h"

#include <pango/pangocairo.h>

struct svg_ruler {
    glim_context *ctx;
    PangoFontMap *fonts;
    PangoContext *pango;
    PangoLayout *layout;
    svg_font now;
};

static const char *const families[] = {"Noto Sans, Noto Sans CJK SC, DejaVu Sans, sans-serif",
                                       "Noto Sans Mono CJK SC, DejaVu Sans Mono, monospace"};

const char *svg_families(bool mono) {
    return families[mono];
}

static void choose(svg_ruler *r, svg_font font) {
    if (r->now.size == font.size && r->now.bold == font.bold && r->now.italic == font.italic &&
        r->now.mono == font.mono)
        return;
    PangoFontDescription *d = pango_font_description_new();
    pango_font_description_set_family_static(d, families[font.mono]);
    pango_font_description_set_absolute_size(d, font.size * PANGO_SCALE);
    pango_font_description_set_weight(d, font.bold ? PANGO_WEIGHT_BOLD : PANGO_WEIGHT_NORMAL);
    pango_font_description_set_style(d, font.italic ? PANGO_STYLE_ITALIC : PANGO_STYLE_NORMAL);
    pango_layout_set_font_description(r->layout, d);
    pango_font_description_free(d);
    r->now = font;
}

svg_ruler *svg_ruler_new(glim_context *ctx) {
    svg_ruler *r = glim__calloc(ctx, 1, sizeof *r);
    if (!r)
        return NULL;
    r->ctx = ctx;
    r->fonts = pango_cairo_font_map_new();
    r->pango = pango_font_map_create_context(r->fonts);
    cairo_font_options_t *options = cairo_font_options_create();
    cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_NONE);
    cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_OFF);
    pango_cairo_context_set_font_options(r->pango, options);
    cairo_font_options_destroy(options);
    pango_context_set_round_glyph_positions(r->pango, FALSE);
    r->layout = pango_layout_new(r->pango);
    pango_layout_set_single_paragraph_mode(r->layout, TRUE);
    return r;
}

void svg_ruler_free(svg_ruler *r) {
    if (!r)
        return;
    g_object_unref(r->layout);
    g_object_unref(r->pango);
    g_object_unref(r->fonts);
    glim__free(r->ctx, r);
}

double svg_text_width(svg_ruler *r, svg_font font, const char *s, size_t n) {
    int w = 0;
    choose(r, font);
    pango_layout_set_width(r->layout, -1);
    pango_layout_set_text(r->layout, s, (int)n);
    pango_layout_get_size(r->layout, &w, NULL);
    return (double)w / PANGO_SCALE;
}

size_t svg_text_line(svg_ruler *r, svg_font font, double width, bool within, const char *s,
                     size_t n) {
    enum { AHEAD = 4096 }; /* no line has more bytes */
    size_t take = n < AHEAD ? n : AHEAD, len;
    while (take < n && ((unsigned char)s[take] & 0xc0) == 0x80)
        take--;
    choose(r, font);
    pango_layout_set_width(r->layout, (int)(width * PANGO_SCALE));
    pango_layout_set_wrap(r->layout, within ? PANGO_WRAP_WORD_CHAR : PANGO_WRAP_WORD);
    pango_layout_set_text(r->layout, s, (int)take);
    const PangoLayoutLine *line = pango_layout_get_line_readonly(r->layout, 0);
    size_t done = line && line->length > 0 ? (size_t)line->length : 0;
    if (done)
        return done;
    glim__grapheme_width(s, n, &len, 1);
    return len;
}

/* Bytes of the graphemes from the front, or from the back, that fit into the width. */
static size_t front(svg_ruler *r, svg_font font, double width, const char *s, size_t n) {
    size_t done = 0, len;
    for (; done < n; done += len) {
        glim__grapheme_width(s + done, n - done, &len, 1);
        if (svg_text_width(r, font, s, done + len) > width)
            break;
    }
    return done;
}

static size_t back(svg_ruler *r, svg_font font, double width, const char *s, size_t n) {
    size_t from = 0, len;
    for (; from < n && svg_text_width(r, font, s + from, n - from) > width; from += len)
        glim__grapheme_width(s + from, n - from, &len, 1);
    return n - from;
}

void svg_text_fit(svg_ruler *r, svg_font font, double width, const char *s, size_t n,
                  glim_buffer *out) {
    static const char dots[] = "\xe2\x80\xa6";
    enum { LONGEST = 1024 };
    if (svg_text_width(r, font, s, n) <= width) {
        glim__buffer_append(out, s, n);
        return;
    }
    double room = width - svg_text_width(r, font, dots, sizeof dots - 1);
    size_t ends = n < LONGEST ? n : LONGEST, from = n - ends;
    while (ends < n && ((unsigned char)s[ends] & 0xc0) == 0x80)
        ends--;
    while (from && ((unsigned char)s[from] & 0xc0) == 0x80)
        from++;
    size_t head = front(r, font, room / 2, s, ends);
    double rest = room - svg_text_width(r, font, s, head);
    size_t tail = back(r, font, rest, s + from, n - from), start = out->len, len;
    for (;;) { /* letters that meet may be wider than apart */
        out->len = start;
        glim__buffer_append(out, s, head);
        glim__buffer_puts(out, dots);
        glim__buffer_append(out, s + n - tail, tail);
        if (out->failed || !tail ||
            svg_text_width(r, font, out->data + start, out->len - start) <= width)
            return;
        glim__grapheme_width(s + n - tail, tail, &len, 1);
        tail -= len;
    }
}
