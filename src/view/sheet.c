/* SPDX-License-Identifier: Apache-2.0 */
/* Words, wrapped lines, legends and cells of a page of figures. */
#include "view/sheet-parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double INCH = 25.4, PIXELS = 96, WIDTH = 720, NARROWEST = 200;

glim_status sheet_open(sheet *t, const glim_document *d, const glim_view_options *o,
                       glim_error *err) {
    memset(t, 0, sizeof *t);
    bool ok = svg_init(&t->s, d->ctx);
    glim__buffer_init(&t->markup, d->ctx);
    glim__buffer_init(&t->words, d->ctx);
    glim__buffer_init(&t->alt, d->ctx);
    t->page.b = &t->markup;
    glim_status status = glim__html_open(&t->page, d, o, err);
    if (!status && !ok)
        status = glim__oom(d->ctx, err, "the picture", sizeof *t);
    t->o = o;
    t->chosen = o->figure.name;
    t->width = o->figure.width_mm > 0 ? o->figure.width_mm / INCH * PIXELS
               : o->figure.width > 0  ? o->figure.width
                                      : WIDTH;
    t->width = fmax(t->width, NARROWEST);
    t->left = t->y = SHEET_MARGIN;
    t->right = t->width - SHEET_MARGIN;
    return status;
}

void sheet_close(sheet *t) {
    glim__html_close(&t->page);
    glim__buffer_release(&t->markup);
    glim__buffer_release(&t->words);
    glim__buffer_release(&t->alt);
    svg_release(&t->s);
}

void sheet_plain(char out[64], const char *name) {
    size_t n = 0;
    for (; *name && n < 63; name++)
        if (*name >= 0x20 && *name < 0x7f && !strchr("<>&\"", *name))
            out[n++] = *name;
    out[n] = 0;
}

bool sheet_enter(sheet *t, const char *name) {
    char number[24];
    snprintf(number, sizeof number, "%zu", ++t->figures);
    size_t have = strlen(t->names);
    snprintf(t->names + have, sizeof t->names - have, "%s %s %.60s", have ? "," : "", number, name);
    if (t->chosen && strcmp(t->chosen, name) != 0 && strcmp(t->chosen, number) != 0)
        return false;
    t->drawn++;
    char plain[64];
    sheet_plain(plain, name);
    svg_note(&t->s, "data-figure=\"%s\"", plain);
    svg_group(&t->s);
    sheet_gap(t, 10);
    return true;
}

void sheet_leave(sheet *t) {
    svg_end(&t->s);
}

/* ---- words ---- */

static void unescape(glim_buffer *out, const char *s, size_t n) {
    static const struct {
        const char *name;
        char c;
    } all[] = {{"&lt;", '<'}, {"&gt;", '>'}, {"&amp;", '&'}, {"&quot;", '"'}};
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        while (s[i] == '&' && k < 4 && strncmp(s + i, all[k].name, strlen(all[k].name)) != 0)
            k++;
        if (s[i] != '&' || k == 4) {
            glim__buffer_putc(out, s[i]);
            continue;
        }
        glim__buffer_putc(out, all[k].c);
        i += strlen(all[k].name) - 1;
    }
}

/* Quotation marks and apostrophes of our own words, which stand outside of labels, are as wide
   as a Chinese character in the fonts that have both: English has straight ones. Returns the
   bytes, 0 where there is none. */
static size_t straighten(glim_buffer *out, const char *s, size_t n) {
    if (n < 3 || memcmp(s, "\xe2\x80", 2) != 0 || ((unsigned char)s[2] & 0xf8) != 0x98)
        return 0;
    glim__buffer_putc(out, (unsigned char)s[2] < 0x9c ? '\'' : '"');
    return 3;
}

/* Ends of paragraphs and headings become line ends; other tags nothing. */
static void strip(glim_buffer *out, const char *s, size_t n, bool straight) {
    bool label = false;
    for (size_t i = 0; i < n;) {
        size_t marked = straight && !label ? straighten(out, s + i, n - i) : 0;
        if (marked) {
            i += marked;
            continue;
        }
        size_t text = 0;
        while (i + text < n && s[i + text] != '<' && s[i + text] != '\n' &&
               (!text || (unsigned char)s[i + text] != 0xe2))
            text++;
        unescape(out, s + i, text);
        i += text;
        if (i < n && s[i] == '<') {
            const char *end = memchr(s + i, '>', n - i);
            label = strncmp(s + i, "</bdi>", 6) != 0 && (label || !strncmp(s + i, "<bdi>", 5));
            if (!strncmp(s + i, "</p>", 4) || !strncmp(s + i, "</h1>", 5) ||
                !strncmp(s + i, "</h2>", 5) || !strncmp(s + i, "</footer>", 9))
                glim__buffer_putc(out, '\n');
            i = end ? (size_t)(end - s) + 1 : n;
        } else if (i < n && s[i] == '\n') {
            i++;
        }
    }
}

const char *sheet_taken(sheet *t) {
    glim__buffer_clear(&t->words);
    strip(&t->words, t->markup.data ? t->markup.data : "", t->markup.len, !t->page.zh);
    glim__buffer_clear(&t->markup);
    t->s.body.failed = t->s.body.failed || t->words.failed || t->markup.failed;
    return t->words.data ? t->words.data : "";
}

const char *sheet_word(sheet *t, const char *key) {
    glim__html_say(&t->page, "span", key);
    return sheet_taken(t);
}

const char *sheet_label(sheet *t, const char *s, size_t n, int most) {
    glim__html_plain(&t->markup, s ? s : "", s ? n : 0, most);
    return sheet_taken(t);
}

const char *sheet_value(sheet *t, double x, double scale, bool is_signed) {
    glim__html_number(&t->markup, x, scale, is_signed);
    return sheet_taken(t);
}

const char *sheet_share(sheet *t, double x) {
    if (isfinite(x))
        glim__html_percent(&t->markup, x);
    else
        glim__buffer_puts(&t->markup, "\xc3\x97");
    return sheet_taken(t);
}

/* ---- running text ---- */

double sheet_line(svg_font font) {
    return ceil(font.size * 1.4);
}

void sheet_gap(sheet *t, double height) {
    t->y += height;
}

static void put_line(sheet *t, svg_font font, uint32_t fill, double indent, const char *s,
                     size_t n) {
    double height = sheet_line(font);
    while (n && s[n - 1] == ' ')
        n--;
    svg_text(&t->s, t->left + indent, t->y + height - 0.4 * font.size, font, fill, SVG_START, s, n);
    t->y += height;
}

static void put_wrapped(sheet *t, svg_font font, uint32_t fill, double indent, const char *s,
                        size_t n) {
    while (n) {
        size_t len = svg_text_line(t->s.ruler, font, t->right - t->left - indent, true, s, n);
        put_line(t, font, fill, indent, s, len);
        s += len;
        n -= len;
        while (n && *s == ' ') {
            s++;
            n--;
        }
    }
}

void sheet_paragraph(sheet *t, svg_font font, uint32_t fill, double indent, const char *text) {
    while (*text) {
        size_t n = strcspn(text, "\n");
        put_wrapped(t, font, fill, indent, text, n);
        text += n + (text[n] == '\n');
    }
}

void sheet_lines(sheet *t, svg_font font, uint32_t fill) {
    sheet_paragraph(t, font, fill, 0, sheet_taken(t));
}

void sheet_heading(sheet *t, const char *text) {
    sheet_gap(t, 6);
    sheet_paragraph(t, (svg_font){SVG_TEXT, true}, SHEET_INK, 0, text);
    sheet_gap(t, 4);
}

double sheet_text(sheet *t, double x, double y, double most, svg_font font, uint32_t fill,
                  svg_anchor anchor, const char *text) {
    glim_buffer cut;
    glim__buffer_init(&cut, t->s.body.ctx);
    svg_text_fit(t->s.ruler, font, most, text, strlen(text), &cut);
    const char *s = cut.data ? cut.data : "";
    double width = svg_text_width(t->s.ruler, font, s, cut.len);
    svg_text(&t->s, x, y, font, fill, anchor, s, cut.len);
    t->s.body.failed = t->s.body.failed || cut.failed;
    glim__buffer_release(&cut);
    return width;
}

double sheet_widest(sheet *t, svg_font font, double most, size_t n,
                    const char *label(void *data, sheet *t, size_t i), void *data) {
    double widest = 0;
    for (size_t i = 0; i < n && widest < most; i++) {
        const char *s = label(data, t, i);
        widest = fmax(widest, svg_text_width(t->s.ruler, font, s, strlen(s)));
    }
    return fmin(widest, most);
}

/* ---- legends ---- */

static const svg_font KEY = {12, false, false, false};
static const double KEY_GAP = 14, SWATCH = 14;

void sheet_legend(sheet *t) {
    sheet_gap(t, 4);
    t->flow = t->left;
}

static double key_height(void) {
    return sheet_line(KEY) + 2;
}

/* Room for a piece of this width; y of the line's top. */
static double flow(sheet *t, double width) {
    if (t->flow > t->left && t->flow + width > t->right) {
        t->flow = t->left;
        t->y += key_height();
    }
    double x = t->flow;
    t->flow += width + KEY_GAP;
    return x;
}

static double baseline(const sheet *t) {
    return t->y + key_height() - 6;
}

const glim_shade *sheet_shade(bool both, int step) {
    return both ? &glim_shades[step + GLIM_STEPS] : &glim_amounts[step];
}

/* Words of a key that are longer than a line go on below. */
static void put_words(sheet *t, double x, double indent, const char *words) {
    size_t n = strlen(words);
    while (n) {
        size_t len = svg_text_line(t->s.ruler, KEY, t->right - x, true, words, n), shown = len;
        while (shown && words[shown - 1] == ' ')
            shown--;
        svg_text(&t->s, x, baseline(t), KEY, SHEET_GREY, SVG_START, words, shown);
        words += len;
        n -= len;
        if (n) {
            t->y += key_height();
            x = t->left + indent;
            t->flow = t->right;
        }
    }
}

static double width_of(sheet *t, const char *s) {
    return svg_text_width(t->s.ruler, KEY, s, strlen(s));
}

void sheet_scale(sheet *t, bool both, const char *low_word, const char *low, const char *middle,
                 const char *high, const char *high_word) {
    int n = both ? 2 * GLIM_STEPS + 1 : GLIM_AMOUNTS + 1;
    double cell = both ? 20 : 24, bar = cell * n;
    double left = width_of(t, low) + (*low_word ? width_of(t, low_word) + 6 : 0);
    double right = width_of(t, high) + (*high_word ? width_of(t, high_word) + 6 : 0);
    while (left + bar + right + 12 > t->right - t->left && cell > 8)
        bar = --cell * n;
    double x = flow(t, left + bar + right + 12), y = t->y + 2, h = key_height() - 4;
    if (*low_word)
        x += sheet_text(t, x, baseline(t), t->right - x, KEY, SHEET_GREY, SVG_START, low_word) + 6;
    x += sheet_text(t, x, baseline(t), t->right - x, KEY, SHEET_INK, SVG_START, low) + 6;
    for (int i = 0; i < n; i++) {
        svg_note(&t->s, "data-step=\"%d\"", both ? i - GLIM_STEPS : i);
        svg_rect(&t->s, x + cell * i, y, cell, h,
                 sheet_shade(both, both ? i - GLIM_STEPS : i)->back, SHEET_RULE);
    }
    svg_font tiny = {SVG_TINY};
    if (svg_text_width(t->s.ruler, tiny, middle, strlen(middle)) < cell * (both ? 3 : 1))
        svg_text(&t->s, x + bar / 2, baseline(t), tiny, sheet_shade(both, both ? 0 : n / 2)->text,
                 SVG_MIDDLE, middle, strlen(middle));
    x += bar + 6;
    x += sheet_text(t, x, baseline(t), t->right - x, KEY, SHEET_INK, SVG_START, high) + 6;
    if (*high_word)
        sheet_text(t, x, baseline(t), t->right - x, KEY, SHEET_GREY, SVG_START, high_word);
}

static void put_mark(sheet *t, sheet_mark mark, double x, double y) {
    double w = SWATCH, h = SWATCH;
    switch (mark) {
    case SHEET_BARE:
        break;
    case SHEET_CROSS:
        sheet_missing(t, x, y, w, h);
        break;
    case SHEET_HATCH:
        sheet_hatch(t, x, y, w, h);
        break;
    case SHEET_HOLLOW:
        svg_rect(&t->s, x, y, w, h, 0xf9d5c6, SHEET_RULE);
        svg_line(&t->s, x, y + h - 1.5, x + w, y + h - 1.5, SHEET_INK, 2, "1.5 2");
        break;
    case SHEET_FRAME:
        svg_rect(&t->s, x + 1, y + 1, w - 2, h - 2, SVG_NONE, SHEET_INK);
        break;
    case SHEET_NOTCH:
        svg_rect(&t->s, x, y, w, h, SHEET_PLUS, SHEET_RULE);
        sheet_notch(t, x, y, w, SHEET_INK);
        break;
    case SHEET_DOT:
        svg_circle(&t->s, x + w / 2, y + h / 2, 3.5, SHEET_INK, SVG_NONE);
        break;
    case SHEET_DASHED:
        svg_line(&t->s, x, y + h / 2, x + w, y + h / 2, SHEET_INK, 1, "3 2");
        break;
    }
}

void sheet_key(sheet *t, sheet_mark mark, const char *words) {
    double indent = mark == SHEET_BARE ? 0 : SWATCH + 5;
    double x = flow(t, indent + width_of(t, words));
    put_mark(t, mark, x, t->y + 2.5);
    put_words(t, x + indent, indent, words);
}

void sheet_colour_key(sheet *t, uint32_t fill, const char *words) {
    double x = flow(t, SWATCH + 5 + width_of(t, words));
    svg_rect(&t->s, x, t->y + 2.5, SWATCH, SWATCH, fill, SVG_NONE);
    put_words(t, x + SWATCH + 5, SWATCH + 5, words);
}

void sheet_curve_key(sheet *t, size_t category, const char *dash, const char *words) {
    enum { LONG = 34 };
    double x = flow(t, LONG + 5 + width_of(t, words)), y = t->y + key_height() / 2;
    svg_line(&t->s, x, y, x + LONG, y, sheet_category(category), 2, dash);
    sheet_point(t, category, x + LONG / 2.0, y, 3.4);
    put_words(t, x + LONG + 5, LONG + 5, words);
}

void sheet_point_key(sheet *t, size_t category, const char *words) {
    double x = flow(t, SWATCH + width_of(t, words));
    sheet_point(t, category, x + 5, t->y + key_height() / 2, 4);
    put_words(t, x + SWATCH, SWATCH, words);
}

void sheet_legend_end(sheet *t) {
    if (t->flow > t->left)
        t->y += key_height();
    sheet_gap(t, 4);
}

/* ---- cells ---- */

void sheet_cell(sheet *t, double x, double y, double w, double h, bool both, int step) {
    svg_rect(&t->s, x, y, w, h, sheet_shade(both, step)->back, SVG_NONE);
}

void sheet_missing(sheet *t, double x, double y, double w, double h) {
    double r = fmin(3.5, fmin(w, h) / 2);
    double cx = x + w / 2, cy = y + h / 2;
    svg_rect(&t->s, x, y, w, h, SHEET_ABSENT, SVG_NONE);
    svg_line(&t->s, cx - r, cy - r, cx + r, cy + r, SHEET_GREY, 1, NULL);
    svg_line(&t->s, cx - r, cy + r, cx + r, cy - r, SHEET_GREY, 1, NULL);
}

/* Lines from lower left to upper right, cut at the cell's edge. */
void sheet_hatch(sheet *t, double x, double y, double w, double h) {
    enum { APART = 6 };
    glim_buffer d;
    glim__buffer_init(&d, t->s.body.ctx);
    for (int line = 1; line * APART < w + h; line++) {
        double at = line * APART;
        double x0 = fmax(0, at - h), y0 = fmin(at, h), x1 = fmin(at, w), y1 = fmax(0, at - w);
        glim__buffer_putc(&d, 'M');
        svg_number(&d, x + x0);
        glim__buffer_putc(&d, ' ');
        svg_number(&d, y + y0);
        glim__buffer_putc(&d, 'L');
        svg_number(&d, x + x1);
        glim__buffer_putc(&d, ' ');
        svg_number(&d, y + y1);
    }
    svg_rect(&t->s, x, y, w, h, 0xf7f7f7, SVG_NONE);
    if (d.len)
        svg_path(&t->s, d.data, SVG_NONE, 1, 0xbdbdbd, 0.7, NULL);
    t->s.body.failed = t->s.body.failed || d.failed;
    glim__buffer_release(&d);
}

void sheet_notch(sheet *t, double x, double y, double w, uint32_t ink) {
    char d[96];
    double r = fmin(5, w / 2);
    snprintf(d, sizeof d, "M%.2f %.2fh%.2fv%.2fz", x + w - r, y, r, r);
    svg_path(&t->s, d, ink, 1, SVG_NONE, 1, NULL);
}
