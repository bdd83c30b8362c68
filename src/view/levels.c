/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sentences and turns as a reader takes them in: what each has, its share of the sizes,
 * and which of them supports the target most. What the model wrote itself is left out,
 * as in the picture of the text.
 */
#include "view/page.h"
#include "view/width.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_SHOWN = 8, ROLE = 10, LABEL = 40, NUMBER = 8, SHARE = 8 };

double glim__check_value(const glim_document *d, const char *name) {
    for (size_t i = 0; i < d->n_checks; i++)
        if (!strcmp(d->checks[i].name, name))
            return d->checks[i].value;
    return NAN;
}

bool glim__level_shown(const glim_document_level *level) {
    return strcmp(level->unit, "word") != 0;
}

static double over_rows(const glim_document *d, const glim_document_level *level, size_t group) {
    double sum = NAN;
    for (size_t r = 0; r < d->n_rows; r++) {
        double x = level->scores[r * level->n_groups + group];
        if (isfinite(x))
            sum = (isfinite(sum) ? sum : 0) + x;
    }
    return sum;
}

/* Of a question and its context, the context is asked. */
static bool may_support(const glim_document *d, const glim_document_group *g) {
    if (d->input.n_turns != 2 || strcmp(d->input.turns[1].role, "context") != 0)
        return true;
    return g->turn == 1;
}

static void find_top(glim_level_view *v, const glim_document *d, const glim_document_level *level) {
    v->top = SIZE_MAX;
    for (size_t i = 0; i < v->n; i++)
        if (may_support(d, &level->groups[v->group[i]]) &&
            (v->top == SIZE_MAX || v->score[i] > v->score[v->top]))
            v->top = i;
    v->raises = v->top != SIZE_MAX && v->score[v->top] > 0;
}

bool glim__level_open(glim_level_view *v, const glim_document *d,
                      const glim_document_level *level) {
    size_t n = level->n_groups;
    *v = (glim_level_view){.group = glim__calloc(d->ctx, n + 1, sizeof *v->group),
                           .score = glim__calloc(d->ctx, n + 1, sizeof *v->score)};
    if (!v->group || !v->score) {
        glim__level_close(v, d->ctx);
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        double x = over_rows(d, level, i);
        if (level->groups[i].generated || !isfinite(x))
            continue;
        v->group[v->n] = i;
        v->score[v->n++] = x;
        v->sizes += fabs(x);
    }
    find_top(v, d, level);
    return true;
}

void glim__level_close(glim_level_view *v, glim_context *ctx) {
    glim__free(ctx, v->group);
    glim__free(ctx, v->score);
    *v = (glim_level_view){0};
}

/* ---- the terminal ---- */

static const char *group_text(const glim_document *d, const glim_document_group *g, size_t *n) {
    size_t start = g->start, end = g->end <= d->input.text_len ? g->end : d->input.text_len;
    while (start < end && strchr(" \t\r\n", d->input.text[start]))
        start++;
    while (end > start && strchr(" \t\r\n", d->input.text[end - 1]))
        end--;
    *n = start < end ? end - start : 0;
    return d->input.text + start;
}

/* Of many groups the largest are shown: the least size among them. */
static double least_shown(const glim_level_view *v) {
    double largest[MOST_SHOWN] = {0};
    for (size_t i = 0; i < v->n; i++) {
        double size = fabs(v->score[i]);
        for (int k = 0; k < MOST_SHOWN; k++)
            if (size > largest[k]) {
                double smaller = largest[k];
                largest[k] = size;
                size = smaller;
            }
    }
    return v->n > MOST_SHOWN ? largest[MOST_SHOWN - 1] : 0;
}

static const char *rule_words(const glim_document *d, const char *rule) {
    if (!strcmp(rule, "l2"))
        return " (lengths)";
    if (!strcmp(rule, "max"))
        return " (the largest of each)";
    return d->method.additive ? "" : " (sums of single scores)";
}

static void put_head(glim_page *p, const glim_document_level *level, const glim_level_view *v) {
    const glim_document *d = p->d;
    glim_buffer page = p->b; /* the words first, then their lines */
    glim__buffer_init(&p->b, page.ctx);
    glim__buffer_printf(&p->b, "by %s%s: ", level->unit, rule_words(d, level->rule));
    if (v->top == SIZE_MAX || (d->method.is_signed && !v->raises)) {
        glim__buffer_puts(&p->b, "none supports it");
    } else {
        size_t n;
        const char *text = group_text(d, &level->groups[v->group[v->top]], &n);
        glim__buffer_puts(&p->b, glim__page_pick(p, "\xe2\x80\x9c", "\""));
        glim__page_label(p, &p->b, text, n, p->width > 2 * LABEL ? 60 : p->width - 4, 0);
        glim__buffer_puts(&p->b, glim__page_pick(p, "\xe2\x80\x9d", "\""));
        glim__buffer_printf(&p->b, " %s most, %.1f %% of the sizes",
                            d->method.is_signed ? "supports it" : "matters",
                            100 * v->score[v->top] / v->sizes);
    }
    glim_buffer words = p->b;
    p->b = page;
    p->b.failed = p->b.failed || words.failed;
    glim__page_wrapped(p, words.data ? words.data : "");
    glim__buffer_release(&words);
}

static void put_group(glim_page *p, const glim_document_level *level, const glim_level_view *v,
                      size_t i) {
    const glim_document *d = p->d;
    const glim_document_group *g = &level->groups[v->group[i]];
    bool role = d->input.n_turns && g->turn >= 0 && p->width >= 60, wide = p->width >= 40;
    int label = p->width < 60 ? p->width / 3 : p->width - ROLE * role - 40, at = 4;
    char value[32];
    size_t n;
    label = label > LABEL ? LABEL : label;
    glim__buffer_puts(&p->b, "    ");
    if (role) {
        const char *name = glim__turn_name(d, g->turn);
        at += glim__page_label(p, &p->b, name, strlen(name), ROLE - 1, ROLE);
    }
    const char *text = group_text(d, g, &n);
    glim__page_label(p, &p->b, text, n, label, label);
    const char *shown = glim__page_score(p, value, v->score[i]);
    int used = glim__text_width(shown, strlen(shown), 1);
    for (; used < NUMBER; used++)
        glim__buffer_putc(&p->b, ' ');
    glim__buffer_puts(&p->b, shown);
    at += label + used;
    if (wide) {
        glim__buffer_printf(&p->b, " %5.1f %%",
                            v->sizes > 0 ? 100 * fabs(v->score[i]) / v->sizes : 0);
        at += SHARE;
    }
    if (p->width - at - 2 >= 4 && v->score[i] != 0) {
        double error = level->error && !d->rows ? level->error[v->group[i]] : NAN;
        glim__buffer_puts(&p->b, "  ");
        glim__page_bar(p, v->score[i], v->sizes, p->width - at - 2,
                       isfinite(error) && fabs(v->score[i]) < 1.96 * error);
    }
    glim__page_end_line(p);
}

static void put_level(glim_page *p, const glim_document_level *level, const glim_level_view *v) {
    double least = least_shown(v), rest = 0;
    size_t shown = 0, left = 0;
    char value[32], text[120];
    glim__buffer_putc(&p->b, '\n');
    put_head(p, level, v);
    for (size_t i = 0; i < v->n; i++) {
        if (fabs(v->score[i]) >= least && shown < MOST_SHOWN) {
            put_group(p, level, v, i);
            shown++;
        } else {
            rest += v->score[i];
            left++;
        }
    }
    if (!left)
        return;
    if (!strcmp(level->rule, "sum"))
        snprintf(text, sizeof text, "%zu others together %s", left,
                 glim__page_score(p, value, rest));
    else
        snprintf(text, sizeof text, "%zu others, each smaller", left);
    for (int i = 0; i < (p->width < 40 ? 0 : 4); i++)
        glim__buffer_putc(&p->b, ' ');
    glim__page_wrapped(p, text);
}

void glim__page_levels(glim_page *p) {
    bool any = false;
    for (size_t k = p->d->n_levels; k-- > 0;) { /* from turns to sentences */
        const glim_document_level *level = &p->d->levels[k];
        glim_level_view v;
        if (!glim__level_shown(level))
            continue;
        if (!glim__level_open(&v, p->d, level)) {
            p->b.failed = true;
            return;
        }
        if (v.n > 1)
            put_level(p, level, &v);
        any = any || v.n > 1;
        glim__level_close(&v, p->d->ctx);
    }
    if (any)
        glim__buffer_putc(&p->b, '\n');
}
