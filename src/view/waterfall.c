/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The waterfall of an additive explanation: bars that each begin where the one below ends, from
 * the base value to the prediction. The smallest units share a step, and so do fixed tokens and
 * what the scores do not account for, so that both ends are those of the target.
 */
#include "view/waterfall.h"

enum { WIDTH = 720, ROW = 22, NAMES = 200, NUMBERS = 80, TOP = 34, BOTTOM = 34 };

static const double LEAST = 1e-3; /* of the effect: a residual worth a step */

static void add(waterfall *w, size_t unit, const char *word, size_t others, double size) {
    waterfall_step *s = &w->steps[w->n++];
    *s = (waterfall_step){unit, others, word, 0, size}; /* the size, until all are there */
}

/* From the base up: steps stand in the order in which they are drawn, the largest first. */
static void stack(waterfall *w) {
    double at = w->base;
    w->low = fmin(w->base, w->value);
    w->high = fmax(w->base, w->value);
    for (size_t i = w->n; i-- > 0;) {
        waterfall_step *s = &w->steps[i];
        s->from = at;
        at = s->to = at + s->to;
        w->low = fmin(w->low, at);
        w->high = fmax(w->high, at);
    }
}

bool waterfall_open(waterfall *w, html_page *p) {
    const glim_document *d = p->d;
    double effect = d->target.value - d->target.baseline_value, sum = 0, rest = 0;
    *w = (waterfall){.base = d->target.baseline_value, .value = d->target.value};
    if (!d->method.additive || !isfinite(effect) || d->rows || !d->scores || !d->input.n_units)
        return false;
    struct html_rank *ranks = glim__calloc(d->ctx, d->input.n_units + 1, sizeof *ranks);
    p->b->failed = p->b->failed || !ranks;
    size_t n = ranks ? glim__html_order(p, d->scores, true, ranks) : 0;
    for (size_t i = 0; i < n; i++) {
        sum += ranks[i].score;
        if (i < WATERFALL_UNITS)
            add(w, ranks[i].unit, NULL, 0, ranks[i].score);
        else
            rest += ranks[i].score;
    }
    if (n > WATERFALL_UNITS)
        add(w, SIZE_MAX, "waterfall.others", n - WATERFALL_UNITS, rest);
    double fixed = isfinite(d->fixed_total) ? d->fixed_total : 0;
    if (fixed != 0)
        add(w, SIZE_MAX, "waterfall.fixed", 0, fixed);
    if (fabs(effect - sum - fixed) > LEAST * fabs(effect))
        add(w, SIZE_MAX, "waterfall.residual", 0, effect - sum - fixed);
    stack(w);
    glim__free(d->ctx, ranks);
    return w->n > 0 && isfinite(w->low) && isfinite(w->high);
}

void waterfall_name(const waterfall *w, size_t i, html_page *p, glim_buffer *b) {
    const waterfall_step *s = &w->steps[i];
    if (s->unit != SIZE_MAX) {
        const glim_document_unit *u = &p->d->input.units[s->unit];
        size_t skip = u->text_len > 1 && *u->text == ' '; /* it stands for itself */
        glim__html_plain(b, u->text + skip, u->text_len - skip, HTML_LABEL);
        return;
    }
    glim_buffer *was = p->b;
    p->b = b;
    glim__html_say(p, "tspan", s->word);
    p->b = was;
    if (s->others)
        glim__buffer_printf(b, " (%zu)", s->others);
}

void waterfall_number(const waterfall *w, size_t i, glim_buffer *b) {
    double most = fmax(fabs(w->low), fabs(w->high));
    glim__html_number(b, w->steps[i].to - w->steps[i].from, most, true);
}

/* ---- the report ---- */

static double x_of(const waterfall *w, double v) {
    double room = WIDTH - NAMES - NUMBERS;
    return NAMES + (w->high > w->low ? room * (v - w->low) / (w->high - w->low) : room / 2);
}

static void put_end(html_page *p, const waterfall *w, double v, double y, const char *word) {
    double x = x_of(w, v);
    const char *anchor = x > WIDTH * 0.6 ? "end" : "start";
    glim__buffer_printf(p->b, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
    glim__html_say(p, "tspan", word);
    glim__buffer_putc(p->b, ' ');
    glim__html_number(p->b, v, fmax(fabs(w->low), fabs(w->high)), true);
    glim__buffer_puts(p->b, "</text>\n");
}

static void put_step(html_page *p, const waterfall *w, size_t i) {
    const waterfall_step *s = &w->steps[i];
    double y = TOP + ROW * (double)i, a = x_of(w, fmin(s->from, s->to));
    double b = x_of(w, fmax(s->from, s->to)), end = x_of(w, s->to);
    glim__buffer_printf(p->b, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">", NAMES - 8, y + 15);
    waterfall_name(w, i, p, p->b);
    glim__buffer_printf(p->b, "</text><rect class=\"%s\"", s->to < s->from ? "minus" : "plus");
    if (s->unit != SIZE_MAX)
        glim__buffer_printf(p->b, " data-u=\"%zu\"", s->unit);
    glim__buffer_printf(p->b, " x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"14\"/>", a, y + 4,
                        fmax(b - a, 0.5));
    if (i)
        glim__buffer_printf(p->b, "<path class=\"tick\" d=\"M%.1f %.1fV%.1f\"/>", end, y - 4,
                            y + 4);
    glim__buffer_printf(p->b, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">", WIDTH, y + 15);
    waterfall_number(w, i, p->b);
    glim__buffer_puts(p->b, "</text>\n");
}

void glim__html_waterfall(html_page *p) {
    waterfall w;
    if (!waterfall_open(&w, p))
        return;
    double height = TOP + ROW * (double)w.n + BOTTOM;
    glim__buffer_puts(p->b, "<section id=\"glim-waterfall\">");
    glim__html_say(p, "h2 id=\"glim-waterfall-name\"", "waterfall");
    glim__buffer_printf(p->b,
                        "\n<div class=\"figure\"><svg class=\"curves\" viewBox=\"0 0 %d %.0f\" "
                        "role=\"img\" aria-labelledby=\"glim-waterfall-name\">\n",
                        WIDTH, height);
    double base = x_of(&w, w.base), value = x_of(&w, w.value);
    glim__buffer_printf(p->b, "<path class=\"axis\" d=\"M%.1f %dV%.1f\"/>", base, TOP,
                        height - BOTTOM + 6);
    glim__buffer_printf(p->b, "<path class=\"axis\" d=\"M%.1f %dV%.1f\"/>\n", value, TOP - 10,
                        height - BOTTOM);
    put_end(p, &w, w.value, TOP - 16, "waterfall.value");
    for (size_t i = 0; i < w.n; i++)
        put_step(p, &w, i);
    put_end(p, &w, w.base, height - 10, "waterfall.base");
    glim__buffer_puts(p->b, "</svg></div>\n</section>\n");
}
