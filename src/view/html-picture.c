/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The picture with its patches over it. The policy allows images from the page itself
 * and no style attributes, so everything is an SVG whose rectangles take their colour from
 * the step's class and their strength from an attribute: what does not matter stays
 * clear. Beside it stands the picture as it is.
 */
#include "view/html-page.h"

static void put_image(html_page *p, const char *png, size_t n) {
    const glim_document *d = p->d;
    glim__buffer_printf(p->b,
                        "<image width=\"%d\" height=\"%d\" preserveAspectRatio=\"none\" "
                        "href=\"data:image/png;base64,",
                        d->input.image.width, d->input.image.height);
    glim__buffer_append(p->b, png, n);
    glim__buffer_puts(p->b, "\"/>");
}

/* An SVG of the picture's size, named by words that only readers aloud see. */
static void open_svg(html_page *p, const char *class, const char *word) {
    const glim_document *d = p->d;
    const char *name = d->input.image.name ? d->input.image.name : "?";
    char open[80];
    glim__html_plain(glim__html_arg(p), name, strlen(name), 48);
    snprintf(open, sizeof open, "span class=\"unseen\" id=\"glim-%.10s-name\"", class);
    glim__html_say(p, open, word);
    glim__buffer_printf(p->b,
                        "<svg class=\"%s\" viewBox=\"0 0 %d %d\" role=\"img\" "
                        "aria-labelledby=\"glim-%s-name\">",
                        class, d->input.image.width, d->input.image.height, class);
}

static void put_patch(html_page *p, size_t u) {
    const glim_document_unit *unit = &p->d->input.units[u];
    double x = p->scores[u], size = p->limit > 0 && isfinite(x) ? fabs(x) / p->limit : 0;
    glim__buffer_puts(p->b, "<rect class=\"u ");
    glim__html_shade(p->b, p, x, p->limit, p->d->error ? p->d->error[u] : NAN, SIZE_MAX, u);
    glim__buffer_printf(p->b,
                        "\" data-u=\"%zu\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" "
                        "fill-opacity=\"%.2f\" data-n=\"",
                        u, unit->x, unit->y, unit->width, unit->height, fmin(0.85 * size, 0.85));
    glim__html_number(p->b, x, p->limit, p->d->method.is_signed);
    glim__buffer_puts(p->b, "\"><title>");
    glim__html_plain(p->b, unit->text, unit->text_len, HTML_LABEL);
    glim__buffer_puts(p->b, ": ");
    glim__html_number(p->b, x, p->limit, p->d->method.is_signed);
    glim__buffer_puts(p->b, "</title></rect>\n");
}

void glim__html_picture(html_page *p) {
    size_t n = 0;
    char *png = glim__document_png(p->d, &n);
    p->b->failed = p->b->failed || !png;
    glim__buffer_puts(p->b, "<div class=\"picture\" id=\"glim-strip\">");
    open_svg(p, "seen", "picture.seen");
    if (png)
        put_image(p, png, n);
    glim__buffer_puts(p->b, "</svg>\n");
    open_svg(p, "heat", "picture.heat");
    if (png)
        put_image(p, png, n);
    glim__buffer_putc(p->b, '\n');
    for (size_t u = 0; u < p->d->input.n_units; u++)
        put_patch(p, u);
    glim__buffer_puts(p->b, "</svg></div>\n");
    glim__free(p->d->ctx, png);
}
