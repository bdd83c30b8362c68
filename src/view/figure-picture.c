/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The picture as the model saw it; the same with its units coloured; and with only those
 * left that raise or lower the target most, their rank in them. Pixels are never smoothed.
 */
#include "view/sheet-parts.h"

#include <math.h>
#include <string.h>

enum { KEPT = 5, GROWN = 768 };

static const svg_font SMALL = {12, false, false, false};

/* A place on the page that shows the picture. */
struct tile {
    double x, y, scale;
};

static void put_picture(sheet *t, const struct tile *p, const uint8_t *rgb) {
    const glim_document *d = t->page.d;
    svg_image(&t->s, p->x, p->y, d->input.image.width * p->scale, d->input.image.height * p->scale,
              rgb, d->input.image.width, d->input.image.height, GROWN);
}

/* Shapes are in pixels of the picture. */
static void open_pixels(sheet *t, const struct tile *p) {
    svg_note(&t->s, "transform=\"translate(%.2f %.2f) scale(%.5f)\"", p->x, p->y, p->scale);
    svg_group(&t->s);
}

static void put_heat(sheet *t, const struct tile *p, uint8_t *seen) {
    const glim_document *d = t->page.d;
    bool both = d->method.is_signed;
    glim_buffer path;
    glim__buffer_init(&path, t->s.body.ctx);
    put_picture(t, p, d->input.image.rgb);
    open_pixels(t, p);
    for (size_t u = 0; u < d->input.n_units; u++) {
        double x = t->page.scores[u], size = t->page.limit > 0 ? fabs(x) / t->page.limit : 0;
        if (!isfinite(x))
            continue;
        int step = both ? glim__step(x, t->page.limit) : glim__amount(x, t->page.limit);
        glim__buffer_clear(&path);
        glim__regions_outline(&path, d, u, seen);
        svg_note(&t->s, "data-unit=\"%zu\"", u);
        svg_value(&t->s, "score", x);
        svg_path(&t->s, path.data, sheet_shade(both, step)->back, fmin(0.85 * size, 0.85), SVG_NONE,
                 1, NULL);
    }
    svg_end(&t->s);
    t->s.body.failed = t->s.body.failed || path.failed;
    glim__buffer_release(&path);
}

/* The picture with what is not kept paled to a quarter of its grey. */
static uint8_t *paled(const glim_document *d, const size_t *units, size_t n) {
    size_t W = (size_t)d->input.image.width, H = (size_t)d->input.image.height;
    uint8_t *out = glim__alloc(d->ctx, W * H * 3 + 1);
    for (size_t i = 0; i < W * H && out; i++) {
        const uint8_t *in = d->input.image.rgb + 3 * i;
        bool kept = false;
        for (size_t k = 0; k < n && !kept; k++) {
            const glim_document_unit *u = &d->input.units[units[k]];
            int x = (int)(i % W), y = (int)(i / W);
            kept = d->input.image.label
                       ? d->input.image.label[i] == units[k]
                       : x >= u->x && y >= u->y && x < u->x + u->width && y < u->y + u->height;
        }
        double grey = 0.299 * in[0] + 0.587 * in[1] + 0.114 * in[2];
        for (int c = 0; c < 3; c++)
            out[3 * i + (size_t)c] = kept ? in[c] : (uint8_t)(191 + grey / 4);
    }
    return out;
}

static void put_rank(sheet *t, const struct tile *p, size_t unit, size_t rank) {
    const glim_document *d = t->page.d;
    char text[24];
    double x, y, r = 8;
    glim__regions_middle(d, unit, &x, &y);
    x = fmin(fmax(p->x + x * p->scale, p->x + r), p->x + d->input.image.width * p->scale - r);
    y = fmin(fmax(p->y + y * p->scale, p->y + r), p->y + d->input.image.height * p->scale - r);
    snprintf(text, sizeof text, "%zu", rank);
    svg_circle(&t->s, x, y, r, 0xffffff, SHEET_INK);
    svg_text(&t->s, x, y + 3.6, (svg_font){SVG_TINY, true}, SHEET_INK, SVG_MIDDLE, text,
             strlen(text));
}

static void put_kept(sheet *t, const struct tile *p, int sign, uint8_t *seen) {
    const glim_document *d = t->page.d;
    size_t units[KEPT], n = glim__regions_top(d, t->page.scores, sign, KEPT, units);
    uint8_t *rgb = paled(d, units, n);
    glim_buffer path;
    glim__buffer_init(&path, t->s.body.ctx);
    if (rgb)
        put_picture(t, p, rgb);
    open_pixels(t, p);
    for (size_t i = 0; i < n; i++) {
        glim__buffer_clear(&path);
        memset(seen, 0, (size_t)d->input.image.width * (size_t)d->input.image.height);
        glim__regions_outline(&path, d, units[i], seen);
        svg_path(&t->s, path.data, SVG_NONE, 1,
                 !d->method.is_signed ? SHEET_AMOUNT
                 : sign > 0           ? SHEET_PLUS
                                      : SHEET_MINUS,
                 1.5 / p->scale, NULL);
    }
    svg_end(&t->s);
    for (size_t i = 0; i < n; i++)
        put_rank(t, p, units[i], i + 1);
    t->s.body.failed = t->s.body.failed || path.failed || !rgb;
    glim__buffer_release(&path);
    glim__free(d->ctx, rgb);
}

static const char *kept_words(sheet *t, const char *key, int sign) {
    const glim_document *d = t->page.d;
    size_t units[KEPT], n = glim__regions_top(d, t->page.scores, sign, KEPT, units);
    char plural[40];
    glim__buffer_printf(glim__html_arg(&t->page), "%zu", n);
    snprintf(plural, sizeof plural, n == 1 && !t->page.zh ? "unit.%.20s" : "units.%.20s",
             d->input.unit ? d->input.unit : "patch");
    glim__html_term(&t->page, glim__html_arg(&t->page), plural);
    glim__html_percent(glim__html_arg(&t->page), glim__regions_share(d, units, n));
    return sheet_word(t, key);
}

static const char *words_of(sheet *t, int which) {
    const glim_document *d = t->page.d;
    char unit[40];
    if (which >= 2)
        return kept_words(t,
                          which == 3            ? "picture.against"
                          : d->method.is_signed ? "picture.for"
                                                : "picture.most",
                          which == 3 ? -1 : 1);
    const char *name = d->input.image.name ? d->input.image.name : "?";
    glim__html_plain(glim__html_arg(&t->page), name, strlen(name), 48);
    snprintf(unit, sizeof unit, "unit.%.20s", d->input.unit ? d->input.unit : "patch");
    glim__html_term(&t->page, glim__html_arg(&t->page), unit);
    return sheet_word(t, which ? "picture.heat" : "picture.seen");
}

/* Words below a tile, in its width. */
static double put_words(sheet *t, double x, double w, double y, const char *words) {
    double left = t->left, right = t->right;
    t->left = x;
    t->right = x + w;
    t->y = y;
    sheet_paragraph(t, SMALL, SHEET_GREY, 0, words);
    t->left = left;
    t->right = right;
    return t->y;
}

void glim__figure_picture(sheet *t) {
    const glim_document *d = t->page.d;
    size_t pixels = (size_t)d->input.image.width * (size_t)d->input.image.height, unit;
    bool both = d->method.is_signed;
    int order[4], n = 0;
    if (!sheet_enter(t, "picture"))
        return;
    uint8_t *seen = glim__calloc(d->ctx, pixels + 1, 1);
    t->s.body.failed = t->s.body.failed || !seen;
    order[n++] = 0;
    order[n++] = 1;
    if (glim__regions_top(d, t->page.scores, 1, 1, &unit))
        order[n++] = 2;
    if (both && glim__regions_top(d, t->page.scores, -1, 1, &unit))
        order[n++] = 3;
    double wide = (t->right - t->left - 12) / 2, top = t->y, end = top;
    double scale = fmin(wide / d->input.image.width, 420.0 / d->input.image.height);
    for (int i = 0; i < n && seen; i++) {
        struct tile p = {i % 2 ? t->left + wide + 12 : t->left, top, scale};
        memset(seen, 0, pixels);
        if (order[i] == 0)
            put_picture(t, &p, d->input.image.rgb);
        else if (order[i] == 1)
            put_heat(t, &p, seen);
        else
            put_kept(t, &p, order[i] == 2 ? 1 : -1, seen);
        end = fmax(end, put_words(t, p.x, wide, top + d->input.image.height * scale + 2,
                                  words_of(t, order[i])));
        if (i % 2)
            top = end + 8;
    }
    t->y = end + 4;
    glim__free(d->ctx, seen);
    sheet_score_legend(t);
    sheet_leave(t);
}

void glim__figure_seen(sheet *t) {
    const glim_document *d = t->page.d;
    if (!sheet_enter(t, "picture"))
        return;
    double wide = fmin(t->right - t->left, 360);
    struct tile p = {t->left, t->y,
                     fmin(wide / d->input.image.width, 360.0 / d->input.image.height)};
    put_picture(t, &p, d->input.image.rgb);
    t->y += d->input.image.height * p.scale + 2;
    sheet_paragraph(t, SMALL, SHEET_GREY, 0, words_of(t, 0));
    sheet_leave(t);
}
