/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A grid in the terminal. Words stand in their cells, in several bands when they do not fit
 * side by side; numbers too while there is room; else a cell is a shade, or a digit where
 * there are no colours, and what still does not fit is pooled. Whatever is left out or put
 * together is told.
 */
#include "view/panels-page.h"
#include "view/width.h"

#include <math.h>
#include <string.h>

enum { LABEL = 14, WORD = 10, NUMBER = 9, HEAD = 14, TALL = 6, TOP = 3 };
enum { MOST_LINES = 80, MOST_ROWS = 60 };

enum look { WORDS, NUMBERS, BLOCKS };

struct grid {
    const glim_panel_page *m;
    glim_page *p;
    const glim_panel *panel;
    enum look look;
    bool digits;              /* beside words, or in place of shades */
    int label, cell, gap;     /* columns of the screen; cells include their gap */
    size_t by_row, by_column; /* pooled; of words rows that are skipped */
    size_t from;              /* the first column shown */
    size_t band;              /* columns side by side */
};

/* ---- layout ---- */

static int widest_word(const struct grid *g) {
    int widest = 1;
    for (size_t i = 0; i < g->panel->rows.n * g->panel->columns.n && widest < WORD; i++) {
        const char *s = g->panel->texts[i] ? g->panel->texts[i] : "";
        int width = glim__panel_label_width(g->p, s, WORD);
        widest = width > widest ? width : widest;
    }
    return widest;
}

static int widest_number(const struct grid *g) {
    int widest = 1;
    char text[32];
    for (size_t i = 0; i < g->panel->rows.n * g->panel->columns.n && widest < NUMBER; i++) {
        const char *s = glim__panel_number(g->m, text, g->panel->values[i], true);
        int width = glim__text_width(s, strlen(s), 1);
        widest = width > widest ? width : widest;
    }
    return widest;
}

static size_t folds(size_t n, size_t most) {
    return n > most ? (n + most - 1) / most : 1;
}

/* Side by side and in bands below, the last columns when there are too many. */
static void lay_bands(struct grid *g, int room) {
    size_t C = g->panel->columns.n;
    g->cell = g->cell > room ? room : g->cell;
    g->band = (size_t)(room / g->cell);
    g->by_row = folds(g->panel->rows.n, C > g->band ? MOST_LINES / 2 : MOST_ROWS);
    size_t lines = (g->panel->rows.n + g->by_row - 1) / g->by_row + 2, bands = MOST_LINES / lines;
    size_t most = g->band * (bands ? bands : 1);
    g->from = C > most ? C - most : 0;
}

static void lay_blocks(struct grid *g, int room) {
    size_t C = g->panel->columns.n;
    int widest = g->digits ? g->m->range.is_signed ? 3 : 2 : 3,
        least = g->digits && g->m->range.is_signed ? 2 : 1;
    g->look = BLOCKS;
    for (g->cell = widest; g->cell > least && C * (size_t)g->cell > (size_t)room;)
        g->cell--;
    g->by_column = folds(C, (size_t)(room / g->cell));
    g->by_row = folds(g->panel->rows.n, MOST_ROWS);
    g->band = C;
}

static void lay_out(struct grid *g) {
    glim_page *p = g->p;
    size_t C = g->panel->columns.n;
    int most = p->width < 40 ? 6 : p->width < 60 ? 10 : LABEL;
    g->label = glim__panel_axis_width(p, &g->panel->rows, most);
    g->label += g->label > 0;
    int room = p->width - g->label,
        heads = glim__panel_axis_width(p, &g->panel->columns, g->panel->texts ? WORD : HEAD);
    g->digits = p->o->color == GLIM_COLOR_NONE || p->o->numbers;
    g->by_row = g->by_column = 1;
    g->gap = g->m->range.marked ? 2 : 1; /* a mark and a space */
    if (g->panel->texts) {
        int word = widest_word(g);
        g->look = WORDS;
        g->cell = (word > heads ? word : heads) + g->gap +
                  (g->digits ? g->m->range.is_signed ? 3 : 2 : 0);
        lay_bands(g, room);
        return;
    }
    int number = widest_number(g);
    g->look = NUMBERS;
    g->cell = (number > heads ? number : heads) + g->gap;
    while (g->cell > number + g->gap && C * (size_t)g->cell > (size_t)room)
        g->cell--;
    if (p->o->numbers || (g->panel->rows.n <= MOST_ROWS && C * (size_t)g->cell <= (size_t)room))
        lay_bands(g, room);
    else
        lay_blocks(g, room);
}

/* ---- heads ---- */

static void put_corner(const struct grid *g) {
    glim__panel_pad(g->p, g->label);
}

static void put_heads(const struct grid *g, size_t from, size_t to) {
    put_corner(g);
    for (size_t c = from; c < to; c++) {
        const char *s = glim__axis_label(&g->panel->columns, c);
        int width = g->cell - g->gap;
        if (g->look == NUMBERS)
            glim__panel_pad(g->p, width - glim__panel_label_width(g->p, s, width));
        glim__panel_label(g->p, &g->p->b, s, width, g->look == NUMBERS ? 0 : width);
        glim__panel_pad(g->p, g->gap);
    }
    glim__page_end_line(g->p);
}

/* Where the graphemes of a label begin, its middle left out when there are too many;
   returns how many. */
static int letters(const glim_page *p, const char *s, const char *at[TALL]) {
    const char *all[2 * TALL];
    int n = 0, kept = 0;
    size_t len;
    if (*s && !s[strspn(s, " ")])
        s = glim__page_pick(p, "\xc2\xb7", "_");
    for (s += strspn(s, " "); *s; s += len, n++) {
        glim__grapheme_width(s, strlen(s), &len, 1);
        if (n < TALL)
            all[n] = s;
        else {
            memmove(all + TALL / 2 + 1, all + TALL / 2 + 2, (TALL / 2 - 2) * sizeof *all);
            all[TALL - 1] = s;
        }
    }
    for (; kept < n && kept < TALL; kept++)
        at[kept] = all[kept];
    if (n > TALL)
        at[TALL / 2] = glim__page_pick(p, "\xe2\x80\xa6", "~");
    return kept;
}

/* One grapheme of a name that is written downwards; what is wider than a cell is a mark. */
static void put_letter(const struct grid *g, const char *s) {
    glim_page *p = g->p;
    glim_buffer b;
    size_t len;
    glim__buffer_init(&b, p->b.ctx);
    int width = s ? glim__page_grapheme(p, &b, s, strlen(s), &len) : 0;
    if (width > g->cell) {
        glim__buffer_putc(&p->b, '?');
        width = 1;
    } else if (width) {
        glim__buffer_puts(&p->b, b.data ? b.data : "");
    }
    glim__panel_pad(p, g->cell - width);
    p->b.failed = p->b.failed || b.failed;
    glim__buffer_release(&b);
}

static void put_upright_heads(const struct grid *g) {
    const char *at[TALL];
    int tallest = 0;
    size_t C = g->panel->columns.n;
    for (size_t c = 0; c < C; c++) {
        int n = letters(g->p, glim__axis_label(&g->panel->columns, c), at);
        tallest = n > tallest ? n : tallest;
    }
    for (int line = 0; line < tallest; line++) {
        put_corner(g);
        for (size_t c = 0; c < C; c++) {
            int n = letters(g->p, glim__axis_label(&g->panel->columns, c), at),
                i = line - (tallest - n);
            put_letter(g, i >= 0 ? at[i] : NULL);
        }
        glim__page_end_line(g->p);
    }
}

/* The number of every tenth column. */
static void put_numbered_heads(const struct grid *g) {
    glim_page *p = g->p;
    int column = g->label;
    put_corner(g);
    for (size_t i = 0; i * g->by_column < g->panel->columns.n; i += 10) {
        char text[24];
        int at = g->label + (int)i * g->cell;
        int len = snprintf(text, sizeof text, "%zu", i * g->by_column);
        if (at + len > p->width)
            break;
        glim__panel_pad(p, at - column);
        glim__buffer_puts(&p->b, text);
        column = at + len;
    }
    glim__page_end_line(p);
}

/* ---- cells ---- */

/* "+7", " .", "9". */
static void put_digit(const struct grid *g, double x) {
    glim_page *p = g->p;
    int digit = glim__panel_digit(g->panel, &g->m->range, x);
    const char *none =
        !isfinite(x) ? glim__page_pick(p, "\xc3\x97", "x") : glim__page_pick(p, "\xc2\xb7", ".");
    if (g->m->range.is_signed)
        glim__buffer_putc(&p->b, !digit ? ' ' : digit < 0 ? '-' : '+');
    if (digit)
        glim__buffer_printf(&p->b, "%d", digit < 0 ? -digit : digit);
    else
        glim__buffer_puts(&p->b, none);
}

static void put_cell(const struct grid *g, size_t r, size_t c) {
    glim_page *p = g->p;
    size_t by_row = g->look == BLOCKS ? g->by_row : 1;
    double x = glim__panel_pooled(g->panel, r, c, by_row, g->by_column);
    bool marked = glim__panel_marked(g->panel, r, c, by_row, g->by_column);
    int step = glim__panel_step(g->panel, &g->m->range, x);
    int room = g->cell - (g->look == BLOCKS ? 1 : g->gap);
    int digit = g->m->range.is_signed ? 2 : 1;
    bool shaded = p->o->color != GLIM_COLOR_NONE;
    glim__page_shade(p, step);
    if (g->look == WORDS) {
        const char *s = g->panel->texts[r * g->panel->columns.n + c];
        bool number = g->digits && room > digit + 1;
        room -= number ? digit + 1 : 0;
        glim__panel_label(p, &p->b, s ? s : "", room, room);
        if (number) {
            glim__buffer_putc(&p->b, ' ');
            put_digit(g, x);
        }
    } else if (g->look == NUMBERS) {
        char text[32];
        const char *s = glim__panel_number(g->m, text, x, true);
        glim__panel_pad(p, room - glim__text_width(s, strlen(s), 1));
        glim__page_label(p, &p->b, s, strlen(s), room, 0);
    } else if (shaded) {
        glim__panel_pad(p, room);
        glim__buffer_putc(&p->b, marked ? '*' : !isfinite(x) ? 'x' : ' ');
    } else {
        put_digit(g, x);
        if (g->cell > digit)
            glim__buffer_putc(&p->b, marked ? '*' : ' ');
    }
    glim__page_plain(p, step != 0);
    if (g->look == BLOCKS)
        return;
    glim__buffer_putc(&p->b, marked ? '*' : ' ');
    glim__panel_pad(p, g->gap - 1);
}

static void put_row(const struct grid *g, size_t r, size_t from, size_t to) {
    if (g->label) {
        const char *s = glim__axis_label(&g->panel->rows, r);
        glim__panel_label(g->p, &g->p->b, s, g->label - 1, g->label);
    }
    for (size_t c = from; c < to; c += g->by_column)
        put_cell(g, r, c);
    glim__page_end_line(g->p);
}

/* ---- what is told ---- */

static void put_axes(const struct grid *g) {
    const char *down = g->panel->rows.name, *across = g->panel->columns.name;
    glim_buffer b;
    glim__buffer_init(&b, g->p->b.ctx);
    if (down && *down && across && *across)
        glim__buffer_printf(&b, "%.80s down, %.80s across", down, across);
    glim__panel_say(g->p, &b);
}

static void put_place(const struct grid *g, glim_buffer *b, const glim_panel_place *at) {
    char text[32];
    const char *row = glim__axis_label(&g->panel->rows, at->row),
               *column = glim__axis_label(&g->panel->columns, at->column);
    glim__buffer_printf(b, "%s at ", glim__panel_number(g->m, text, at->value, false));
    glim__panel_label(g->p, b, row, 24, 0);
    glim__buffer_puts(b, *row ? ", " : "");
    glim__buffer_puts(b, glim__page_pick(g->p, "\xe2\x80\x9c", "\""));
    glim__panel_label(g->p, b, column, 24, 0);
    glim__buffer_printf(b, "%s (%zu)", glim__page_pick(g->p, "\xe2\x80\x9d", "\""), at->column);
}

/* Where cells have no numbers, the strongest are named. */
static void put_top(const struct grid *g) {
    glim_panel_place top[TOP];
    size_t n = g->look == NUMBERS ? 0 : glim__panel_top(g->panel, TOP, top);
    glim_buffer b;
    glim__buffer_init(&b, g->p->b.ctx);
    for (size_t i = 0; i < n; i++) {
        bool ranks = g->panel->scale == GLIM_SCALE_RANK;
        glim__buffer_puts(&b, i ? "; " : ranks ? "first: " : "largest: ");
        put_place(g, &b, &top[i]);
    }
    glim__panel_say(g->p, &b);
}

/* Marked cells in rows and columns that are skipped. */
static size_t marks_left_out(const struct grid *g) {
    size_t n = g->look == BLOCKS ? 0 : g->m->range.marked, C = g->panel->columns.n;
    for (size_t r = 0; n && r < g->panel->rows.n; r += g->by_row)
        for (size_t c = g->from; c < C; c++)
            n -= g->panel->marked[r * C + c] != 0;
    return n;
}

static void put_folds(const struct grid *g) {
    size_t lost = marks_left_out(g);
    glim_buffer b;
    glim__buffer_init(&b, g->p->b.ctx);
    if (g->look == BLOCKS && (g->by_row > 1 || g->by_column > 1))
        glim__buffer_printf(&b, "a cell is the mean of %zu row%s and %zu column%s; ", g->by_row,
                            g->by_row > 1 ? "s" : "", g->by_column, g->by_column > 1 ? "s" : "");
    if (g->look != BLOCKS && g->by_row > 1)
        glim__buffer_printf(&b, "one row of every %zu; ", g->by_row);
    if (g->from)
        glim__buffer_printf(&b, "the last %zu of %zu columns; ", g->panel->columns.n - g->from,
                            g->panel->columns.n);
    if (lost)
        glim__buffer_printf(&b, "%zu of the marked cells %s among the others; ", lost,
                            lost > 1 ? "are" : "is");
    if (b.len)
        glim__buffer_puts(&b, "--html, --csv for all");
    glim__panel_say(g->p, &b);
}

void glim__panel_grid(const glim_panel_page *m) {
    struct grid g = {.m = m, .p = m->p, .panel = m->panel};
    size_t C = m->panel->columns.n;
    if (!m->panel->rows.n || !C)
        return;
    lay_out(&g);
    put_axes(&g);
    for (size_t from = g.from; from < C; from += g.band) {
        size_t to = from + g.band < C ? from + g.band : C;
        if (g.look != BLOCKS)
            put_heads(&g, from, to);
        else if (g.cell > 1 && g.by_column == 1)
            put_upright_heads(&g);
        else
            put_numbered_heads(&g);
        for (size_t r = 0; r < m->panel->rows.n; r += g.by_row)
            put_row(&g, r, from, to);
    }
    put_folds(&g);
    put_top(&g);
    glim__panel_legend(m, true, g.look != NUMBERS);
}
