/* SPDX-License-Identifier: Apache-2.0 */
/* The elements of a picture as text, and the file around them. */
#include "file/base64.h"
#include "view/svg.h"
#include "base/utf8.h"
#include "file/image.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool svg_init(svg *s, glim_context *ctx) {
    memset(s, 0, sizeof *s);
    glim__buffer_init(&s->body, ctx);
    s->ruler = svg_ruler_new(ctx);
    return s->ruler;
}

void svg_release(svg *s) {
    glim__buffer_release(&s->body);
    svg_ruler_free(s->ruler);
    s->ruler = NULL;
}

/* ---- pieces ---- */

void svg_number(glim_buffer *b, double x) {
    char text[40];
    snprintf(text, sizeof text, "%.2f", isfinite(x) ? x : 0);
    size_t n = strlen(text);
    while (text[n - 1] == '0')
        n--;
    n -= text[n - 1] == '.';
    if (n == 2 && !strncmp(text, "-0", 2))
        glim__buffer_putc(b, '0');
    else
        glim__buffer_append(b, text, n);
}

/* XML 1.0 has no place for control characters and two others. */
static bool allowed(uint32_t cp) {
    return (cp >= 0x20 || cp == '\t' || cp == '\n') && cp != 0xfffe && cp != 0xffff;
}

void svg_escape(glim_buffer *b, const char *s, size_t n) {
    uint32_t cp;
    for (size_t i = 0; i < n;) {
        int len = glim__utf8_decode(s + i, n - i, &cp);
        if (!len || !allowed(cp))
            glim__buffer_puts(b, "\xef\xbf\xbd");
        else if (cp == '<')
            glim__buffer_puts(b, "&lt;");
        else if (cp == '>')
            glim__buffer_puts(b, "&gt;");
        else if (cp == '&')
            glim__buffer_puts(b, "&amp;");
        else if (cp == '"')
            glim__buffer_puts(b, "&quot;");
        else
            glim__buffer_append(b, s + i, (size_t)len);
        i += len ? (size_t)len : 1;
    }
}

static void attribute(svg *s, const char *name, double x) {
    glim__buffer_printf(&s->body, " %s=\"", name);
    svg_number(&s->body, x);
    glim__buffer_putc(&s->body, '"');
}

static void colour(svg *s, const char *name, uint32_t c) {
    if (c == SVG_NONE)
        glim__buffer_printf(&s->body, " %s=\"none\"", name);
    else
        glim__buffer_printf(&s->body, " %s=\"#%06x\"", name, (unsigned)c & 0xffffff);
}

/* Opens an element with the attributes that were noted. */
static void element(svg *s, const char *name) {
    glim__buffer_printf(&s->body, "<%s%s", name, s->note);
    *s->note = 0;
}

void svg_note(svg *s, const char *format, ...) {
    va_list args;
    size_t have = strlen(s->note);
    if (have + 2 > sizeof s->note)
        return;
    s->note[have++] = ' ';
    va_start(args, format);
    int n = vsnprintf(s->note + have, sizeof s->note - have, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof s->note - have) /* half an attribute is none */
        s->note[have - 1] = 0;
}

void svg_value(svg *s, const char *name, double x) {
    if (isfinite(x))
        svg_note(s, "data-%s=\"%.9g\"", name, x);
}

static void stroke(svg *s, uint32_t c, double width, const char *dash) {
    if (c == SVG_NONE)
        return;
    colour(s, "stroke", c);
    if (width != 1)
        attribute(s, "stroke-width", width);
    if (dash)
        glim__buffer_printf(&s->body, " stroke-dasharray=\"%s\"", dash);
}

/* ---- shapes ---- */

void svg_rect(svg *s, double x, double y, double w, double h, uint32_t fill, uint32_t edge) {
    element(s, "rect");
    attribute(s, "x", x);
    attribute(s, "y", y);
    attribute(s, "width", fmax(w, 0));
    attribute(s, "height", fmax(h, 0));
    colour(s, "fill", fill);
    stroke(s, edge, 1, NULL);
    glim__buffer_puts(&s->body, "/>\n");
}

void svg_line(svg *s, double x0, double y0, double x1, double y1, uint32_t c, double width,
              const char *dash) {
    element(s, "line");
    attribute(s, "x1", x0);
    attribute(s, "y1", y0);
    attribute(s, "x2", x1);
    attribute(s, "y2", y1);
    stroke(s, c, width, dash);
    glim__buffer_puts(&s->body, "/>\n");
}

void svg_path(svg *s, const char *d, uint32_t fill, double opacity, uint32_t c, double width,
              const char *dash) {
    element(s, "path");
    glim__buffer_puts(&s->body, " d=\"");
    glim__buffer_puts(&s->body, d ? d : "");
    glim__buffer_putc(&s->body, '"');
    colour(s, "fill", fill);
    if (fill != SVG_NONE && opacity < 1)
        attribute(s, "fill-opacity", opacity);
    stroke(s, c, width, dash);
    glim__buffer_puts(&s->body, "/>\n");
}

void svg_circle(svg *s, double x, double y, double r, uint32_t fill, uint32_t edge) {
    element(s, "circle");
    attribute(s, "cx", x);
    attribute(s, "cy", y);
    attribute(s, "r", r);
    colour(s, "fill", fill);
    stroke(s, edge, 1, NULL);
    glim__buffer_puts(&s->body, "/>\n");
}

void svg_text_turned(svg *s, double x, double y, double degrees, svg_font font, uint32_t fill,
                     svg_anchor anchor, const char *text, size_t n) {
    static const char *const anchors[] = {"", " text-anchor=\"middle\"", " text-anchor=\"end\""};
    element(s, "text");
    if (degrees != 0) {
        glim__buffer_puts(&s->body, " transform=\"translate(");
        svg_number(&s->body, x);
        glim__buffer_putc(&s->body, ' ');
        svg_number(&s->body, y);
        glim__buffer_puts(&s->body, ") rotate(");
        svg_number(&s->body, degrees);
        glim__buffer_puts(&s->body, ")\"");
    } else {
        attribute(s, "x", x);
        attribute(s, "y", y);
    }
    attribute(s, "font-size", font.size);
    if (font.mono)
        glim__buffer_printf(&s->body, " font-family=\"%s\"", svg_families(true));
    glim__buffer_puts(&s->body, font.bold ? " font-weight=\"bold\"" : "");
    glim__buffer_puts(&s->body, font.italic ? " font-style=\"italic\"" : "");
    glim__buffer_puts(&s->body, anchors[anchor]);
    colour(s, "fill", fill);
    glim__buffer_putc(&s->body, '>');
    svg_escape(&s->body, text, n);
    glim__buffer_puts(&s->body, "</text>\n");
}

void svg_text(svg *s, double x, double y, svg_font font, uint32_t fill, svg_anchor anchor,
              const char *text, size_t n) {
    svg_text_turned(s, x, y, 0, font, fill, anchor, text, n);
}

void svg_group(svg *s) {
    element(s, "g");
    glim__buffer_puts(&s->body, ">\n");
}

void svg_end(svg *s) {
    glim__buffer_puts(&s->body, "</g>\n");
}

/* ---- pictures ---- */

static uint8_t *grown(glim_context *ctx, const uint8_t *rgb, int pw, int ph, int by) {
    size_t W = (size_t)pw * (size_t)by, H = (size_t)ph * (size_t)by;
    uint8_t *out = glim__alloc(ctx, W * H * 3);
    for (size_t y = 0; y < H && out; y++)
        for (size_t x = 0; x < W; x++)
            memcpy(out + 3 * (y * W + x), rgb + 3 * (y / (size_t)by * (size_t)pw + x / (size_t)by),
                   3);
    return out;
}

void svg_image(svg *s, double x, double y, double w, double h, const uint8_t *rgb, int pw, int ph,
               int least) {
    glim_context *ctx = s->body.ctx;
    int longest = pw > ph ? pw : ph, by = longest < least ? (least + longest - 1) / longest : 1;
    uint8_t *pixels = by > 1 ? grown(ctx, rgb, pw, ph, by) : NULL;
    glim_image image = {ctx, pw * by, ph * by, pixels ? pixels : (uint8_t *)rgb};
    glim_buffer png;
    glim__buffer_init(&png, ctx);
    bool bad = (by > 1 && !pixels) || glim__png_write(&png, ctx, &image, NULL) || png.failed;
    element(s, "image");
    attribute(s, "x", x);
    attribute(s, "y", y);
    attribute(s, "width", w);
    attribute(s, "height", h);
    glim__buffer_puts(&s->body,
                      " preserveAspectRatio=\"none\" xlink:href=\"data:image/png;base64,");
    glim__base64_write(&s->body, png.data, png.len);
    glim__buffer_puts(&s->body, "\"/>\n");
    s->body.failed = s->body.failed || bad;
    glim__free(ctx, pixels);
    glim__buffer_release(&png);
}

/* ---- the file ---- */

static void put_part(glim_buffer *b, const char *name, const char *text) {
    glim__buffer_printf(b, "<%s>", name);
    svg_escape(b, text ? text : "", text ? strlen(text) : 0);
    glim__buffer_printf(b, "</%s>\n", name);
}

static void put_length(glim_buffer *b, const char *name, double x, const char *unit) {
    glim__buffer_printf(b, " %s=\"", name);
    svg_number(b, x);
    glim__buffer_printf(b, "%s\"", unit);
}

glim_status svg_close(svg *s, const svg_head *h, glim_buffer *out, glim_error *err) {
    if (s->body.len > SVG_MOST)
        return glim_fail(err, GLIM_ELIMIT,
                         "the picture would have %.0f MiB (choose one with --figure, or larger "
                         "units)",
                         (double)s->body.len / (1 << 20));
    double scale = h->millimetres > 0 ? h->millimetres / h->width : 1;
    const char *unit = h->millimetres > 0 ? "mm" : "";
    glim__buffer_puts(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                           "<svg xmlns=\"http://www.w3.org/2000/svg\" "
                           "xmlns:xlink=\"http://www.w3.org/1999/xlink\" version=\"1.1\"");
    put_length(out, "width", h->width * scale, unit);
    put_length(out, "height", h->height * scale, unit);
    glim__buffer_puts(out, " viewBox=\"0 0 ");
    svg_number(out, h->width);
    glim__buffer_putc(out, ' ');
    svg_number(out, h->height);
    glim__buffer_printf(out, "\" xml:lang=\"%s\" xml:space=\"preserve\" font-family=\"%s\">\n",
                        h->lang, svg_families(false));
    put_part(out, "title", h->title);
    put_part(out, "desc", h->description);
    glim__buffer_printf(out, "<metadata data-source=\"%s\" data-version=\"%s\"/>\n", h->source,
                        h->version);
    if (!h->transparent) {
        glim__buffer_puts(out, "<rect fill=\"#ffffff\"");
        put_length(out, "width", h->width, "");
        put_length(out, "height", h->height, "");
        glim__buffer_puts(out, "/>\n");
    }
    glim__buffer_append(out, s->body.data ? s->body.data : "", s->body.len);
    glim__buffer_puts(out, "</svg>\n");
    out->failed = out->failed || s->body.failed;
    return out->failed ? glim__oom(out->ctx, err, "the picture", out->len) : GLIM_OK;
}
