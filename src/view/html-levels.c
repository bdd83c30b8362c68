/* SPDX-License-Identifier: Apache-2.0 */
/* Sentences and turns of a report: a table each, in reading order, and the sentence that
   names what supports the target most. */
#include "view/html-page.h"

enum { TEXT = 60 };

void glim__html_trimmed(glim_buffer *b, const char *s, size_t n, int most) {
    for (; n && strchr(" \t\r\n", *s); n--)
        s++;
    while (n && strchr(" \t\r\n", s[n - 1]))
        n--;
    glim__html_label(b, s, n, most);
}

static void put_text(html_page *p, glim_buffer *b, const glim_document_group *g, int most) {
    const glim_document *d = p->d;
    size_t end = g->end <= d->input.text_len ? g->end : d->input.text_len;
    glim__html_trimmed(b, d->input.text + g->start, g->start < end ? end - g->start : 0, most);
}

const char *glim__html_level_rule(const html_page *p, const glim_document_level *level) {
    if (!strcmp(level->rule, "l2"))
        return "levels.l2";
    if (!strcmp(level->rule, "max"))
        return "levels.max";
    return p->d->method.additive ? "levels.exact" : "levels.sum";
}

static void put_row(html_page *p, const glim_document_level *level, const glim_level_view *v,
                    size_t i, bool both) {
    const glim_document *d = p->d;
    const glim_document_group *g = &level->groups[v->group[i]];
    double error = level->error && !d->rows ? level->error[v->group[i]] : NAN;
    glim__buffer_printf(p->b, "<tr%s>", i == v->top && v->raises ? " class=\"top\"" : "");
    if (d->input.n_turns) {
        const char *role = g->turn >= 0 ? glim__turn_name(d, g->turn) : "";
        glim__buffer_puts(p->b, "<td class=\"who\">");
        glim__html_label(p->b, role, strlen(role), HTML_LABEL);
        glim__buffer_puts(p->b, "</td>");
    }
    glim__buffer_puts(p->b, "<th scope=\"row\">");
    put_text(p, p->b, g, TEXT);
    glim__buffer_puts(p->b, "</th>");
    glim__html_number_cell(p, v->score[i], d->method.is_signed);
    if (level->error && !d->rows)
        glim__html_number_cell(p, error, false);
    glim__buffer_puts(p->b, "<td>");
    glim__html_percent(p->b, v->sizes > 0 ? fabs(v->score[i]) / v->sizes : 0);
    glim__buffer_puts(p->b, "</td>");
    glim__html_bar_cell(p, v->score[i], both);
    glim__buffer_puts(p->b, "</tr>\n");
}

static void put_level(html_page *p, const glim_document_level *level, const glim_level_view *v) {
    const char *keys[8] = {NULL};
    char name[32], unit[32];
    size_t n = 0;
    bool both = false;
    double limit = p->limit;
    snprintf(name, sizeof name, "levels.%.16s", level->unit);
    snprintf(unit, sizeof unit, "unit.%.16s", level->unit);
    if (p->d->input.n_turns)
        keys[n++] = "column.role";
    keys[n++] = glim__html_has(unit) ? unit : "column.unit";
    keys[n++] = "column.score";
    if (level->error && !p->d->rows)
        keys[n++] = "column.error";
    keys[n++] = "column.share";
    keys[n] = "column.bar";
    glim__buffer_printf(p->b, "<section class=\"level\" id=\"glim-by-%zu\">",
                        (size_t)(level - p->d->levels));
    glim__html_say(p, "h2", glim__html_has(name) ? name : "column.unit");
    glim__buffer_puts(p->b, "\n<div class=\"scroll\" tabindex=\"0\"><table class=\"ranks\">");
    glim__html_head(p, keys);
    glim__buffer_puts(p->b, "<tbody>");
    p->limit = 0;
    for (size_t i = 0; i < v->n; i++) {
        p->limit = fmax(p->limit, fabs(v->score[i]));
        both = both || v->score[i] < 0;
    }
    for (size_t i = 0; i < v->n; i++)
        put_row(p, level, v, i, both);
    p->limit = limit;
    glim__buffer_puts(p->b, "</tbody></table></div>\n");
    glim__html_say(p, "p class=\"note\"", glim__html_level_rule(p, level));
    if (p->d->rows)
        glim__html_say(p, "p class=\"note\"", "levels.written");
    glim__buffer_puts(p->b, "</section>\n");
}

void glim__html_levels(html_page *p) {
    for (size_t k = p->d->n_levels; k-- > 0;) {
        glim_level_view v;
        if (!glim__level_shown(&p->d->levels[k]))
            continue;
        if (!glim__level_open(&v, p->d, &p->d->levels[k])) {
            p->b->failed = true;
            return;
        }
        if (v.n > 1)
            put_level(p, &p->d->levels[k], &v);
        glim__level_close(&v, p->d->ctx);
    }
}

/* Of the finest level that is shown. */
void glim__html_support(html_page *p) {
    const glim_document *d = p->d;
    glim_level_view v;
    size_t k = 0;
    char unit[32];
    while (k < d->n_levels && !glim__level_shown(&d->levels[k]))
        k++;
    if (k == d->n_levels)
        return;
    if (!glim__level_open(&v, d, &d->levels[k])) {
        p->b->failed = true;
        return;
    }
    if (v.n > 1 && v.top != SIZE_MAX && (v.raises || !d->method.is_signed)) {
        glim__buffer_puts(p->b, "<p class=\"say\" id=\"glim-support\">");
        glim_buffer *arg = glim__html_arg(p);
        glim__buffer_puts(arg, "\xe2\x80\x9c");
        put_text(p, arg, &d->levels[k].groups[v.group[v.top]], TEXT);
        glim__buffer_puts(arg, "\xe2\x80\x9d");
        snprintf(unit, sizeof unit, "units.%.16s", d->levels[k].unit);
        glim__html_term(p, glim__html_arg(p), unit);
        glim__html_percent(glim__html_arg(p), v.score[v.top] / v.sizes);
        glim__html_say(p, "span", d->method.is_signed ? "say.support" : "say.strongest");
        glim__buffer_puts(p->b, "</p>\n");
    }
    glim__level_close(&v, d->ctx);
}
