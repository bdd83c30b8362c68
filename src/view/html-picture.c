/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The picture with its units over it, and with only those left that matter most. The
 * policy allows images from the page itself and no style attributes, so everything is an
 * SVG whose shapes take their colour from the step's class and their strength from an
 * attribute: what does not matter stays clear. The picture is in the page once for what
 * is grey and once for what is not; other panels refer to it.
 */
#include "view/html-page.h"

enum { KEPT = 5 };

static void put_image(html_page *p, const char *id, const char *png, size_t n) {
    const glim_document *d = p->d;
    glim__buffer_printf(p->b,
                        "<image%s width=\"%d\" height=\"%d\" preserveAspectRatio=\"none\" "
                        "href=\"data:image/png;base64,",
                        id, d->input.image.width, d->input.image.height);
    glim__buffer_append(p->b, png, n);
    glim__buffer_puts(p->b, "\"/>");
}

/* An SVG of the picture's size, named by words that only readers aloud see. */
static void open_svg(html_page *p, const char *class, const char *word) {
    const glim_document *d = p->d;
    const char *name = d->input.image.name ? d->input.image.name : "?";
    char open[80], unit[40];
    glim__html_plain(glim__html_arg(p), name, strlen(name), 48);
    snprintf(unit, sizeof unit, "unit.%.20s", d->input.unit ? d->input.unit : "patch");
    glim__html_term(p, glim__html_arg(p), unit);
    snprintf(open, sizeof open, "span class=\"unseen\" id=\"glim-%.10s-name\"", class);
    glim__html_say(p, open, word);
    glim__buffer_printf(p->b,
                        "<svg class=\"%s\" viewBox=\"0 0 %d %d\" role=\"img\" "
                        "aria-labelledby=\"glim-%s-name\">",
                        class, d->input.image.width, d->input.image.height, class);
}

/* ---- all units ---- */

static void put_shape(html_page *p, size_t u, uint8_t *seen) {
    const glim_document_unit *unit = &p->d->input.units[u];
    double x = p->scores[u], size = p->limit > 0 && isfinite(x) ? fabs(x) / p->limit : 0;
    glim__buffer_puts(p->b, p->d->input.image.label ? "<path class=\"u " : "<rect class=\"u ");
    glim__html_shade(p->b, p, x, p->limit, p->d->error ? p->d->error[u] : NAN, SIZE_MAX, u);
    glim__buffer_printf(p->b, "\" data-u=\"%zu\" ", u);
    if (p->d->input.image.label) {
        glim__buffer_puts(p->b, "d=\"");
        glim__regions_outline(p->b, p->d, u, seen);
    } else {
        glim__buffer_printf(p->b, "x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d", unit->x, unit->y,
                            unit->width, unit->height);
    }
    glim__buffer_printf(p->b, "\" fill-opacity=\"%.2f\" data-n=\"", fmin(0.85 * size, 0.85));
    glim__html_number(p->b, x, p->limit, p->d->method.is_signed);
    glim__buffer_puts(p->b, "\"><title>");
    glim__html_plain(p->b, unit->text, unit->text_len, HTML_LABEL);
    glim__buffer_puts(p->b, ": ");
    glim__html_number(p->b, x, p->limit, p->d->method.is_signed);
    glim__buffer_puts(p->b, p->d->input.image.label ? "</title></path>\n" : "</title></rect>\n");
}

/* ---- those that matter most ---- */

static void put_edges(html_page *p, const size_t *units, size_t n, uint8_t *seen) {
    double size = fmax(p->d->input.image.width, p->d->input.image.height) / 18.0;
    for (size_t i = 0; i < n; i++) {
        double x, y;
        glim__buffer_puts(p->b, "<path class=\"edge\" d=\"");
        memset(seen, 0, (size_t)p->d->input.image.width * (size_t)p->d->input.image.height);
        glim__regions_outline(p->b, p->d, units[i], seen);
        glim__regions_middle(p->d, units[i], &x, &y);
        x = fmin(fmax(x, size / 2), p->d->input.image.width - size / 2);
        y = fmin(fmax(y, size / 2), p->d->input.image.height - size / 2);
        glim__buffer_printf(p->b,
                            "\"/><text x=\"%.1f\" y=\"%.1f\" font-size=\"%.1f\" "
                            "stroke-width=\"%.1f\">%zu</text>\n",
                            x, y, size, size / 5, i + 1);
    }
}

/* The picture dimmed but for the units of one sign that matter most. */
static void put_kept(html_page *p, const char *class, const char *key, int sign, uint8_t *seen) {
    size_t units[KEPT], n = glim__regions_top(p->d, p->scores, sign, KEPT, units);
    char plural[40];
    if (!n)
        return;
    glim__buffer_puts(p->b, "<figure class=\"kept\">");
    open_svg(p, class, "picture.kept");
    glim__buffer_printf(p->b, "<clipPath id=\"glim-%s-clip\"><path d=\"", class);
    memset(seen, 0, (size_t)p->d->input.image.width * (size_t)p->d->input.image.height);
    for (size_t i = 0; i < n; i++)
        glim__regions_outline(p->b, p->d, units[i], seen);
    glim__buffer_printf(p->b,
                        "\"/></clipPath><use class=\"dim\" href=\"#glim-picture\"/>"
                        "<use href=\"#glim-picture\" clip-path=\"url(#glim-%s-clip)\"/>\n",
                        class);
    put_edges(p, units, n, seen);
    glim__buffer_puts(p->b, "</svg>");
    glim__buffer_printf(glim__html_arg(p), "%zu", n);
    snprintf(plural, sizeof plural, n == 1 && !p->zh ? "unit.%.20s" : "units.%.20s",
             p->d->input.unit ? p->d->input.unit : "patch");
    glim__html_term(p, glim__html_arg(p), plural);
    glim__html_percent(glim__html_arg(p), glim__regions_share(p->d, units, n));
    glim__html_say(p, "figcaption", key);
    glim__buffer_puts(p->b, "</figure>\n");
}

void glim__html_seen(html_page *p) {
    size_t n = 0;
    char *png = glim__document_png(p->d, &n);
    p->b->failed = p->b->failed || !png;
    glim__buffer_puts(p->b, "<div class=\"picture\">");
    open_svg(p, "seen", "picture.seen");
    if (png)
        put_image(p, "", png, n);
    glim__buffer_puts(p->b, "</svg></div>\n");
    glim__free(p->d->ctx, png);
}

void glim__html_picture(html_page *p) {
    const glim_document *d = p->d;
    size_t n = 0, pixels = (size_t)d->input.image.width * (size_t)d->input.image.height;
    char *png = glim__document_png(d, &n);
    uint8_t *seen = glim__calloc(d->ctx, pixels, 1);
    p->b->failed = p->b->failed || !png || !seen;
    glim__buffer_puts(p->b, "<div class=\"picture\" id=\"glim-strip\">");
    open_svg(p, "seen", "picture.seen");
    if (png)
        put_image(p, " id=\"glim-picture\"", png, n);
    glim__buffer_puts(p->b, "</svg>\n");
    open_svg(p, "heat", "picture.heat");
    if (png)
        put_image(p, "", png, n);
    glim__buffer_putc(p->b, '\n');
    for (size_t u = 0; u < d->input.n_units && seen; u++)
        put_shape(p, u, seen);
    glim__buffer_puts(p->b, "</svg>\n");
    if (seen) {
        put_kept(p, "for", d->method.is_signed ? "picture.for" : "picture.most", 1, seen);
        if (d->method.is_signed)
            put_kept(p, "against", "picture.against", -1, seen);
    }
    glim__buffer_puts(p->b, "</div>\n");
    glim__free(d->ctx, png);
    glim__free(d->ctx, seen);
}
