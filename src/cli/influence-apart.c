/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shares of a score. Tokens are a strip, as explanations have it, and each sample has a scale
 * of its own: what is compared are the tokens of one sample. Layers and modules are a table.
 */
#include "cli/influence-apart.h"

#include <stdlib.h>

static double largest(const cli_share *s) {
    double most = 0;
    for (size_t i = 0; i < s->n; i++)
        most = isfinite(s->values[i]) ? fmax(most, fabs(s->values[i])) : most;
    return most;
}

static double sizes(const cli_share *s) {
    double sum = isfinite(s->rest) ? fabs(s->rest) : 0;
    for (size_t i = 0; i < s->n; i++)
        sum += isfinite(s->values[i]) ? fabs(s->values[i]) : 0;
    return sum;
}

static bool of_tokens(const cli_told *t) {
    return t->by && !strcmp(t->by, "token");
}

/* Units for what draws strips; NULL when memory is refused. Free with glim__free. */
static glim_document_unit *units_of(glim_context *ctx, const cli_share *s, glim_document *out) {
    glim_document_unit *units = glim__calloc(ctx, s->n + 1, sizeof *units);
    *out = (glim_document){.ctx = ctx};
    for (size_t i = 0; i < s->n && units; i++)
        units[i] =
            (glim_document_unit){.text = s->names[i], .text_len = strlen(s->names[i]), .turn = -1};
    out->method.is_signed = true;
    out->input.units = units;
    out->input.n_units = units ? s->n : 0;
    return units;
}

/* ---- terminal ---- */

static void show_strip(glim_page *p, const cli_share *s) {
    const glim_document *kept = p->d;
    glim_document d;
    glim_document_unit *units = units_of(p->b.ctx, s, &d);
    p->b.failed = p->b.failed || !units;
    p->d = &d;
    if (units)
        glim__page_strip(p, s->values, largest(s));
    p->d = kept;
    glim__free(p->b.ctx, units);
}

static void show_part(glim_page *p, const char *name, double value, double all) {
    char text[48];
    snprintf(text, sizeof text, "%+.4g", value);
    glim__buffer_printf(&p->b, "%19s %4.0f %%  ", text, all > 0 ? 100 * fabs(value) / all : 0);
    glim__page_label(p, &p->b, name, strlen(name), p->width - 28, 0);
    glim__page_end_line(p);
}

/* The largest; equal ones in their order. */
static void show_parts(glim_page *p, const cli_share *s) {
    enum { MOST = 8 };
    double all = sizes(s), before = INFINITY;
    size_t shown = 0;
    while (shown < MOST) {
        double next = -1;
        for (size_t i = 0; i < s->n; i++)
            if (fabs(s->values[i]) < before && fabs(s->values[i]) > next)
                next = fabs(s->values[i]);
        for (size_t i = 0; i < s->n && shown < MOST; i++)
            if (fabs(s->values[i]) == next) {
                show_part(p, s->names[i], s->values[i], all);
                shown++;
            }
        if (next < 0)
            break;
        before = next;
    }
    if (s->n > shown) {
        glim__buffer_printf(&p->b, "%28s%zu more (--json, --html)", "", s->n - shown);
        glim__page_end_line(p);
    }
}

void cli_share_show(glim_page *p, const cli_told *t, const cli_share *s) {
    if (!s)
        return;
    if (!of_tokens(t)) {
        show_parts(p, s);
        return;
    }
    show_strip(p, s);
    if (isfinite(s->rest) && s->rest != 0)
        show_part(p, "(no token's)", s->rest, sizes(s));
}

/* ---- report ---- */

static void put_row(html_page *p, const char *name, double value, double all, bool both) {
    glim__buffer_puts(p->b, "<tr><th scope=\"row\">");
    glim__html_plain(p->b, name, strlen(name), 0);
    glim__buffer_puts(p->b, "</th>");
    glim__html_number_cell(p, value, true);
    glim__buffer_puts(p->b, "<td>");
    glim__html_percent(p->b, all > 0 && isfinite(value) ? fabs(value) / all : 0);
    glim__buffer_puts(p->b, "</td>");
    glim__html_bar_cell(p, isfinite(value) ? value : 0, both);
    glim__buffer_puts(p->b, "</tr>\n");
}

static void put_parts(html_page *p, const cli_told *t, const cli_share *s) {
    const char *of = strcmp(t->by, "layer") ? "influence.module" : "influence.layer";
    const char *keys[] = {of, "influence.number", "column.share", "column.bar", NULL};
    bool both = false;
    for (size_t i = 0; i < s->n; i++)
        both = both || s->values[i] < 0;
    glim__buffer_puts(p->b, "<div class=\"scroll\" tabindex=\"0\"><table class=\"parts\">");
    glim__html_head(p, keys);
    glim__buffer_puts(p->b, "<tbody>\n");
    for (size_t i = 0; i < s->n; i++)
        put_row(p, s->names[i], s->values[i], sizes(s), both);
    glim__buffer_puts(p->b, "</tbody></table></div>\n");
}

static void put_strip(html_page *p, const cli_share *s) {
    glim__buffer_printf(p->b, "<div class=\"strip short\" dir=\"%s\"><div class=\"flow\">",
                        glim__html_direction(p->d));
    for (size_t i = 0; i < s->n; i++) {
        glim__buffer_puts(p->b, "<span class=\"u ");
        glim__html_shade(p->b, p, s->values[i], p->limit, NAN, SIZE_MAX, i);
        glim__buffer_puts(p->b, "\" data-n=\"");
        glim__html_number(p->b, s->values[i], p->limit, true);
        glim__buffer_puts(p->b, "\">");
        glim__html_run(p->b, s->names[i], strlen(s->names[i]));
        glim__buffer_puts(p->b, "</span>");
    }
    glim__buffer_puts(p->b, "</div></div>\n");
}

void cli_share_html(html_page *p, const cli_told *t, const cli_share *s) {
    const glim_document *kept = p->d;
    double limit = p->limit;
    glim_document d;
    if (!s || !t->by)
        return;
    glim_document_unit *units = units_of(p->b->ctx, s, &d);
    p->b->failed = p->b->failed || !units;
    p->d = &d;
    p->limit = largest(s);
    glim__buffer_printf(glim__html_arg(p), "%zu", s->sample);
    glim__html_number(glim__html_arg(p), s->score, fabs(s->score), true);
    glim__html_say(p, "h4", "influence.apart");
    if (of_tokens(t))
        put_strip(p, s);
    else
        put_parts(p, t, s);
    if (isfinite(s->rest) && s->rest != 0) {
        glim__html_number(glim__html_arg(p), s->rest, fabs(s->rest), true);
        glim__html_say(p, "p class=\"note\"", "influence.rest");
    }
    p->d = kept;
    p->limit = limit;
    glim__free(p->b->ctx, units);
}

void cli_share_legend(html_page *p, const cli_told *t) {
    const glim_document *kept = p->d;
    glim_document d = {.ctx = p->b->ctx};
    if (!of_tokens(t) || !t->n_shares)
        return;
    d.method.is_signed = true;
    p->d = &d;
    glim__buffer_puts(p->b, "<p class=\"legend\">");
    glim__html_scale(p, 1);
    glim__buffer_puts(p->b, "</p>\n");
    p->d = kept;
    glim__html_say(p, "p class=\"note\"", "influence.own-scale");
}
