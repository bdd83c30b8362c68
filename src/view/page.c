/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text, numbers and shades of the terminal view. Nothing of a model or an input
 * is written raw: what could steer a terminal or hide text becomes an escape, and
 * columns are counted after that.
 */
#include "view/page.h"
#include "view/width.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *glim__page_pick(const glim_page *p, const char *unicode, const char *ascii) {
    return p->o->ascii ? ascii : unicode;
}

/* ---- text ---- */

int glim__page_grapheme(const glim_page *p, glim_buffer *b, const char *s, size_t n, size_t *len) {
    *len = 1;
    if (*s != '\n' && *s != '\t')
        return glim__put_grapheme(b, s, n, len, p->o->ascii);
    bool line = *s == '\n';
    const char *mark = line ? glim__page_pick(p, "\xe2\x86\xb5", "\\n")
                            : glim__page_pick(p, "\xe2\x86\x92", "\\t");
    glim__buffer_puts(b, mark);
    return p->o->ascii ? 2 : 1;
}

int glim__page_label(const glim_page *p, glim_buffer *b, const char *s, size_t n, int most,
                     int least) {
    glim_buffer all;
    glim__buffer_init(&all, p->b.ctx);
    for (size_t i = 0, len; i < n; i += len)
        glim__page_grapheme(p, &all, s + i, n - i, &len);
    int width = all.data ? glim__text_width(all.data, all.len, 1) : 0, used = 0, shown = 0;
    const char *dots = glim__page_pick(p, "\xe2\x80\xa6", "...");
    int room = most - (p->o->ascii ? 3 : 1), head = room - room / 2, skip = width - room / 2;
    bool cut = width > most;
    if (room < 2) { /* no room for a middle */
        head = most;
        skip = width;
        dots = NULL;
    }
    for (size_t i = 0, len; i < all.len; i += len) {
        int w = glim__grapheme_width(all.data + i, all.len - i, &len, 1);
        if (!cut || used + w <= head || used >= skip) {
            glim__buffer_append(b, all.data + i, len);
            shown += w;
        } else if (dots) {
            glim__buffer_puts(b, dots);
            shown += p->o->ascii ? 3 : 1;
            dots = NULL;
        }
        used += w;
    }
    b->failed = b->failed || all.failed;
    glim__buffer_release(&all);
    for (; shown < least; shown++)
        glim__buffer_putc(b, ' ');
    return shown;
}

void glim__page_swatches(glim_page *p, bool is_signed, int cell, int used, const char *low,
                         const char *high, const char *unit) {
    int top = is_signed ? GLIM_STEPS : GLIM_AMOUNTS;
    glim__buffer_printf(&p->b, "%s ", low);
    for (int step = is_signed ? -GLIM_STEPS : 1; step <= top; step++) {
        glim__page_shade(p, step);
        glim__buffer_puts(&p->b, !step ? " 0 " : cell == 1 ? " " : "  ");
        glim__page_plain(p, step != 0);
    }
    glim__buffer_printf(&p->b, " %s", high);
    used += cell * (is_signed ? 2 * GLIM_STEPS : GLIM_AMOUNTS);
    if (*unit && p->width - used > 4) {
        glim__buffer_putc(&p->b, ' ');
        glim__page_label(p, &p->b, unit, strlen(unit), p->width - used - 1, 0);
    }
    glim__page_end_line(p);
}

void glim__page_end_line(glim_page *p) {
    while (p->b.len && p->b.data[p->b.len - 1] == ' ')
        p->b.data[--p->b.len] = '\0';
    glim__buffer_putc(&p->b, '\n');
}

/* Puts a word at the column, cut where the line ends; returns the new column. */
static int put_word(glim_page *p, const char *word, size_t n, int column) {
    glim_buffer safe;
    glim__buffer_init(&safe, p->b.ctx);
    for (size_t i = 0, len; i < n; i += len)
        glim__page_grapheme(p, &safe, word + i, n - i, &len);
    int width = safe.data ? glim__text_width(safe.data, safe.len, 1) : 0;
    if (column && column + 1 + width > p->width) {
        glim__buffer_putc(&p->b, '\n');
        column = 0;
    } else if (column) {
        glim__buffer_putc(&p->b, ' ');
        column++;
    }
    for (size_t i = 0, len; i < safe.len; i += len) {
        int need = glim__grapheme_width(safe.data + i, safe.len - i, &len, 1);
        if (column + need > p->width) {
            glim__buffer_putc(&p->b, '\n');
            column = 0;
        }
        glim__buffer_append(&p->b, safe.data + i, len);
        column += need;
    }
    p->b.failed = p->b.failed || safe.failed;
    glim__buffer_release(&safe);
    return column;
}

void glim__page_wrapped(glim_page *p, const char *text) {
    int column = 0;
    while (*text) {
        size_t n = strcspn(text, " \n");
        bool fresh = text[n] == '\n';
        if (n)
            column = put_word(p, text, n, column);
        text += n + strspn(text + n, " \n");
        if (fresh && *text) {
            glim__buffer_putc(&p->b, '\n');
            column = 0;
        }
    }
    glim__buffer_putc(&p->b, '\n');
}

const char *glim__page_number(const glim_page *p, char out[32], double x) {
    if (!isfinite(x))
        return glim__page_pick(p, "\xc3\x97", "x");
    double a = fabs(x);
    const char *sign = x < 0 ? glim__page_pick(p, "\xe2\x88\x92", "-") : "+";
    if (a == 0)
        return "0";
    if (a < 0.0005)
        snprintf(out, 32, "%s<0.001", sign);
    else if (a < 99999.5)
        snprintf(out, 32, "%s%.*f", sign, a < 0.0995 ? 3 : a < 9.995 ? 2 : a < 99.95 ? 1 : 0, a);
    else
        snprintf(out, 32, "%s%.2g", sign, a);
    return out;
}

const char *glim__page_score(const glim_page *p, char out[32], double x) {
    const char *text = glim__page_number(p, out, x);
    return !p->d->method.is_signed && *text == '+' ? text + 1 : text;
}

/* ---- shades ---- */

int glim__page_step(const glim_page *p, double score, double limit) {
    return p->d->method.is_signed ? glim__step(score, limit) : glim__amount(score, limit);
}

/* What lowers the target is underlined too: colour alone says nothing. */
void glim__page_shade(glim_page *p, int step) {
    bool is_signed = p->d->method.is_signed;
    const glim_shade *s = is_signed ? &glim_shades[step + GLIM_STEPS] : &glim_amounts[step];
    const char *line = step < 0 ? "4;" : "";
    int strong = is_signed ? 3 : GLIM_AMOUNTS / 2;
    if (!step || p->o->color == GLIM_COLOR_NONE)
        return;
    if (p->o->color == GLIM_COLOR_TRUE)
        glim__buffer_printf(&p->b, "\x1b[%s38;2;%u;%u;%u;48;2;%u;%u;%um", line, s->text >> 16,
                            s->text >> 8 & 255, s->text & 255, s->back >> 16, s->back >> 8 & 255,
                            s->back & 255);
    else if (p->o->color == GLIM_COLOR_256)
        glim__buffer_printf(&p->b, "\x1b[%s38;5;%d;48;5;%dm", line, s->text == 0xffffff ? 15 : 16,
                            s->ansi256);
    else
        glim__buffer_printf(&p->b, "\x1b[%s%s30;%sm", line, abs(step) > strong ? "1;" : "",
                            !is_signed ? "42"
                            : step > 0 ? "43"
                                       : "46");
}

void glim__page_grey(glim_page *p) {
    if (p->o->color != GLIM_COLOR_NONE)
        glim__buffer_puts(&p->b, "\x1b[2;3m");
}

void glim__page_plain(glim_page *p, bool on) {
    if (on && p->o->color != GLIM_COLOR_NONE)
        glim__buffer_puts(&p->b, "\x1b[0m");
}
