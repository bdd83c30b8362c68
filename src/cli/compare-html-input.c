/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parts of a comparison's report: the explanations of the first input as strips of one
 * colour scale (of models the same numbers; of methods, which have units of their own, each
 * one's share of its largest), its targets one by one, and the drift by layer as lines.
 */
#include "cli/compare-html.h"

enum { WIDTH = 560, HEIGHT = 200, LEFT = 64, TOP = 10, BOTTOM = 34, MOST_ROWS = 400 };

/* ---- strips ---- */

static double limit_of(const cli_comparison *c, size_t from, size_t to) {
    double most = 0;
    for (size_t i = from * c->n_units; i < to * c->n_units; i++)
        most = isfinite(c->scores[i]) ? fmax(most, fabs(c->scores[i])) : most;
    return most;
}

/* p->d is the document of run i: a shade depends on whether its scores have a sign. */
static void put_units(html_page *p, const cli_comparison *c, size_t i, double limit) {
    const glim_document *d = c->docs[i];
    size_t n = 0;
    for (size_t u = 0; u < d->input.n_units; u++) {
        const glim_document_unit *unit = &d->input.units[u];
        if (unit->fixed)
            continue;
        double x = c->scores[i * c->n_units + n++];
        glim__buffer_puts(p->b, "<span class=\"u ");
        glim__html_shade(p->b, p, x, limit, NAN, SIZE_MAX, u);
        glim__buffer_puts(p->b, "\" data-n=\"");
        glim__html_number(p->b, x, limit, d->method.is_signed);
        glim__buffer_puts(p->b, "\">");
        glim__html_run(p->b, unit->text ? unit->text : "", unit->text ? unit->text_len : 0);
        glim__buffer_puts(p->b, "</span>");
    }
}

/* Parts of a picture as shapes; the picture itself is shown by glim explain. */
static void put_shapes(html_page *p, const cli_comparison *c, size_t i, double limit) {
    const glim_document *d = c->docs[i];
    size_t n = 0, pixels = (size_t)d->input.image.width * (size_t)d->input.image.height;
    uint8_t *seen = glim__calloc(d->ctx, pixels + 1, 1);
    p->b->failed = p->b->failed || !seen;
    glim__buffer_printf(p->b,
                        "<svg class=\"heat\" width=\"224\" viewBox=\"0 0 %d %d\" "
                        "aria-hidden=\"true\">",
                        d->input.image.width, d->input.image.height);
    for (size_t u = 0; u < d->input.n_units && seen; u++) {
        const glim_document_unit *unit = &d->input.units[u];
        double x = unit->fixed ? NAN : c->scores[i * c->n_units + n++];
        glim__buffer_puts(p->b, "<path class=\"u ");
        glim__html_shade(p->b, p, x, limit, NAN, SIZE_MAX, u);
        if (d->input.image.label) {
            glim__buffer_puts(p->b, "\" d=\"");
            glim__regions_outline(p->b, d, u, seen);
            glim__buffer_puts(p->b, "\"/>");
        } else {
            glim__buffer_printf(p->b, "\" d=\"M%d %dh%dv%dh-%dz\"/>", unit->x, unit->y, unit->width,
                                unit->height, unit->width);
        }
    }
    glim__buffer_puts(p->b, "</svg>\n");
    glim__free(d->ctx, seen);
}

static void put_strip(html_page *p, const cli_comparison *c, size_t i, double limit) {
    const glim_document *d = c->docs[i];
    static const char *const verdicts[] = {"verdict.ok", "verdict.careful", "verdict.distrust"};
    glim__buffer_puts(p->b, "<h3>");
    cli_html_name(p, c, i);
    glim__buffer_puts(p->b, " <small>");
    glim__html_term(p, p->b, verdicts[d->verdict]);
    glim__buffer_puts(p->b, "</small></h3>\n");
    if (d->verdict && d->verdict_reason)
        glim__html_told(p, "p class=\"note\"", NULL, d->verdict_reason);
    if (d->input.image.width) {
        put_shapes(p, c, i, limit);
        return;
    }
    glim__buffer_printf(p->b, "<div class=\"strip short\" dir=\"%s\"><div class=\"flow\">",
                        glim__html_direction(d));
    put_units(p, c, i, limit);
    glim__buffer_puts(p->b, "</div></div>\n");
}

static void put_scale(html_page *p, const cli_comparison *c, bool is_signed, double limit) {
    for (size_t i = 0; i < c->n; i++)
        if (c->docs[i]->method.is_signed == is_signed) {
            p->d = c->docs[i];
            glim__buffer_puts(p->b, "<p class=\"legend\">");
            glim__html_scale(p, limit);
            glim__buffer_puts(p->b, "</p>\n");
            return;
        }
}

void cli_html_strips(html_page *p, const cli_comparison *c) {
    const glim_document *kept = p->d;
    double all = limit_of(c, 0, c->n);
    glim__buffer_puts(p->b, "<section id=\"glim-strips\">");
    glim__html_say(p, "h2", c->many ? "compare.first" : "compare.strips");
    for (size_t i = 0; i < c->n; i++) {
        p->d = c->docs[i];
        put_strip(p, c, i, c->models ? all : limit_of(c, i, i + 1));
    }
    put_scale(p, c, true, c->models ? all : 1);
    put_scale(p, c, false, c->models ? all : 1);
    p->d = kept;
    glim__html_say(p, "p class=\"note\"", c->models ? "compare.same-scale" : "compare.own-scale");
    glim__buffer_puts(p->b, "</section>\n");
}

/* ---- targets ---- */

static void put_row_cell(html_page *p, const cli_comparison *c, size_t i, size_t r) {
    const cli_said *said = &c->inputs[0].said[i];
    glim_likeness l;
    glim__buffer_puts(p->b, "<td>");
    if (!glim__likeness_row(&l, c->docs[0], c->docs[i], r, NULL) && isfinite(l.tau))
        glim__buffer_printf(p->b, "%s%.2f", l.tau < -0.005 ? "\xe2\x88\x92" : "", fabs(l.tau));
    glim__buffer_puts(p->b, "</td>");
    if (!c->models)
        return;
    glim__buffer_puts(p->b, "<td>");
    if (said->row_kl)
        glim__html_number(p->b, said->row_kl[r], 0, false);
    glim__buffer_puts(p->b, "</td><td>");
    if (said->row_answers)
        glim__html_label(p->b, said->row_answers[r].text, said->row_answers[r].len, HTML_LABEL);
    glim__buffer_puts(p->b, "</td>");
}

static void put_rows_head(html_page *p, const cli_comparison *c) {
    glim__buffer_puts(p->b, "<thead><tr><th scope=\"col\">");
    glim__html_term(p, p->b, "column.row");
    glim__buffer_puts(p->b, "</th>");
    for (size_t i = 1; i < c->n; i++) {
        glim__buffer_printf(p->b, "<th scope=\"col\"><b>%zu</b> tau_b</th>", i + 1);
        if (!c->models)
            continue;
        glim__buffer_puts(p->b, "<th scope=\"col\">KL</th><th scope=\"col\">");
        glim__html_term(p, p->b, "compare.says");
        glim__buffer_puts(p->b, "</th>");
    }
    glim__buffer_puts(p->b, "</tr></thead>\n<tbody>");
}

void cli_html_rows(html_page *p, const cli_comparison *c) {
    const glim_document *d = c->docs[0];
    if (d->n_rows < 2 || !d->rows || c->partial)
        return;
    glim__buffer_puts(p->b, "<section id=\"glim-targets\">");
    glim__html_say(p, "h2", "compare.rows");
    cli_html_open(p, "ranks");
    put_rows_head(p, c);
    for (size_t r = 0; r < d->n_rows && r < MOST_ROWS; r++) {
        glim__buffer_puts(p->b, "<tr><th scope=\"row\">");
        glim__html_label(p->b, d->rows[r].text ? d->rows[r].text : "",
                         d->rows[r].text ? d->rows[r].text_len : 0, HTML_LABEL);
        glim__buffer_puts(p->b, "</th>");
        for (size_t i = 1; i < c->n; i++)
            put_row_cell(p, c, i, r);
        glim__buffer_puts(p->b, "</tr>\n");
    }
    cli_html_close(p);
    glim__html_say(p, "p class=\"note\"", c->models ? "compare.given" : "compare.to-first");
    glim__buffer_puts(p->b, "</section>\n");
}

/* ---- drift ---- */

static double most_drift(const cli_comparison *c, size_t *layers) {
    double most = 0;
    *layers = 0;
    for (size_t i = 1; i < c->n; i++) {
        const cli_compared *r = &c->runs[i];
        *layers = r->layers > *layers ? r->layers : *layers;
        for (size_t l = 0; l < r->layers; l++)
            most = fmax(most, cli_tally_mean(&r->drift[l]));
    }
    return most;
}

static double x_of(size_t layer, size_t layers) {
    double room = WIDTH - LEFT - 30;
    return layers > 1 ? LEFT + room * (double)layer / (double)(layers - 1) : LEFT + room / 2;
}

static double y_of(double x, double most) {
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - (most > 0 && isfinite(x) ? x / most : 0));
}

static void put_line(html_page *p, const cli_comparison *c, size_t i, double most, size_t layers) {
    const cli_compared *r = &c->runs[i];
    glim__buffer_printf(p->b, "<path class=\"line l%zu\" d=\"", i);
    for (size_t l = 0; l < r->layers; l++)
        glim__buffer_printf(p->b, "%c%.1f %.1f", l ? 'L' : 'M', x_of(l, layers),
                            y_of(cli_tally_mean(&r->drift[l]), most));
    glim__buffer_puts(p->b, "\"/>");
    for (size_t l = 0; l < r->layers && r->layers <= 64; l++) {
        glim__buffer_printf(p->b, "<circle class=\"l%zu\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"><title>",
                            i, x_of(l, layers), y_of(cli_tally_mean(&r->drift[l]), most));
        glim__buffer_printf(p->b, "%zu, %zu: %.3g</title></circle>", i + 1, l,
                            cli_tally_mean(&r->drift[l]));
    }
    if (r->layers)
        glim__buffer_printf(p->b, "<text x=\"%d\" y=\"%.1f\">%zu</text>\n", WIDTH - 24,
                            y_of(cli_tally_mean(&r->drift[r->layers - 1]), most) + 4, i + 1);
}

static void put_axes(html_page *p, double most, size_t layers) {
    size_t every = layers > 16 ? layers / 8 : 1;
    glim__buffer_printf(p->b, "<path class=\"axis\" d=\"M%d %dV%dH%d\"/>", LEFT, TOP,
                        HEIGHT - BOTTOM, WIDTH - 30);
    glim__buffer_printf(p->b, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">0</text>", LEFT - 6,
                        HEIGHT - BOTTOM + 4);
    glim__buffer_printf(p->b, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%.2g</text>", LEFT - 6,
                        TOP + 6, most);
    for (size_t l = 0; l < layers; l += every)
        glim__buffer_printf(p->b, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%zu</text>",
                            x_of(l, layers), HEIGHT - BOTTOM + 18, l);
}

void cli_html_drift(html_page *p, const cli_comparison *c) {
    size_t layers;
    double most = most_drift(c, &layers);
    if (!layers)
        return;
    glim__buffer_puts(p->b, "<section id=\"glim-drift\">");
    glim__html_say(p, "h2", "compare.drift");
    glim__buffer_printf(p->b,
                        "<svg class=\"lines\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" "
                        "role=\"img\" aria-labelledby=\"glim-drift-name\">",
                        WIDTH, HEIGHT, WIDTH, HEIGHT);
    put_axes(p, most, layers);
    for (size_t i = 1; i < c->n; i++)
        put_line(p, c, i, most, layers);
    glim__buffer_puts(p->b, "</svg>\n");
    glim__html_say(p, "p class=\"note\" id=\"glim-drift-name\"", "compare.drift-legend");
    glim__buffer_puts(p->b, "</section>\n");
}
