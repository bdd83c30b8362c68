/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention in the terminal: a map of cells, rows looking at columns. Where there is room
 * a cell has its number and columns have their words; else a cell is a shade, or a block
 * without colours, columns have numbers, and what still does not fit is pooled and told.
 * The scale leaves sinks out, or nothing else would be seen.
 */
#include "view/page.h"
#include "view/width.h"

#include <math.h>
#include <string.h>

enum { WIDE = 6, WIDEST = 12, LABEL = 14, MOST_LINES = 120, PERCENT = 4 };

/* ---- scale ---- */

static bool is_sink_unit(const glim_document *d, size_t u) {
    for (size_t i = 0; i < d->attention.n_sinks; i++)
        if (d->attention.sinks[i] >= d->input.units[u].first &&
            d->attention.sinks[i] < d->input.units[u].first + d->input.units[u].count)
            return true;
    return false;
}

double glim__heat_pooled(const glim_document *d, size_t r, size_t u, size_t by_row,
                         size_t by_column) {
    double sum = 0;
    size_t n = 0, U = d->input.n_units;
    for (size_t i = r; i < r + by_row && i < d->n_rows; i++)
        for (size_t k = u; k < u + by_column && k < U; k++)
            if (isfinite(d->scores[i * U + k])) {
                sum += d->scores[i * U + k];
                n++;
            }
    return n ? sum / (double)n : NAN;
}

double glim__heat_limit(const glim_document *d, size_t by_row, size_t by_column, bool *clipped) {
    double most = 0, all = 0;
    for (size_t u = 0; u < d->input.n_units; u += by_column) {
        bool sink = false;
        for (size_t k = u; k < u + by_column && k < d->input.n_units; k++)
            sink = sink || is_sink_unit(d, k);
        for (size_t r = 0; r < d->n_rows; r += by_row) {
            double x = glim__heat_pooled(d, r, u, by_row, by_column);
            all = isfinite(x) ? fmax(all, x) : all;
            most = isfinite(x) && !sink ? fmax(most, x) : most;
        }
    }
    most = most > 0 ? most : all;
    *clipped = all > most;
    return most;
}

/* ---- words ---- */

static const char *skip_space(const char *s, size_t *n) {
    while (*n > 1 && (*s == ' ' || *s == '\n')) {
        s++;
        --*n;
    }
    return s;
}

static int put_unit_name(glim_page *p, glim_buffer *b, size_t u, int most, int least) {
    size_t n = p->d->input.units[u].text_len;
    const char *s = skip_space(p->d->input.units[u].text, &n);
    return glim__page_label(p, b, s, n, most, least);
}

static int put_row_name(glim_page *p, glim_buffer *b, size_t r, int most, int least) {
    size_t n = p->d->rows[r].text_len;
    const char *s = skip_space(p->d->rows[r].text, &n);
    return glim__page_label(p, b, s, n, most, least);
}

static void put_quoted(glim_page *p, glim_buffer *b, bool row, size_t i) {
    glim__buffer_puts(b, glim__page_pick(p, "\xe2\x80\x98", "'"));
    if (row)
        put_row_name(p, b, i, 24, 0);
    else
        put_unit_name(p, b, i, 24, 0);
    glim__buffer_puts(b, glim__page_pick(p, "\xe2\x80\x99", "'"));
}

static void say(glim_page *p, glim_buffer *b) {
    p->b.failed = p->b.failed || b->failed;
    glim__page_wrapped(p, b->data ? b->data : "");
    glim__buffer_release(b);
}

/* ---- title ---- */

/* What is seen, in words. */
void glim__attention_title(glim_buffer *b, const glim_document *d) {
    const glim_document_attention *a = &d->attention;
    const char *name = !strcmp(a->side, "cross")     ? "Cross-attention"
                       : !strcmp(a->side, "encoder") ? "Attention of the encoder"
                       : !strcmp(a->side, "decoder") ? "Attention of the decoder"
                                                     : "Attention";
    if (d->links.rule)
        glim__buffer_printf(b, "Alignment by %s",
                            strcmp(a->side, "cross") ? "attention" : "cross-attention");
    else
        glim__buffer_puts(b, name);
    if (a->layer < 0)
        glim__buffer_printf(b, ", mean of %d layer%s and %d heads", a->layers,
                            a->layers == 1 ? "" : "s", a->heads);
    else if (a->head < 0)
        glim__buffer_printf(b, ", layer %d, mean of %d heads", a->layer, a->heads);
    else
        glim__buffer_printf(b, ", layer %d, head %d", a->layer, a->head);
}

static void put_title(glim_page *p) {
    glim_buffer b;
    glim__buffer_init(&b, p->b.ctx);
    glim__attention_title(&b, p->d);
    say(p, &b);
    glim__buffer_init(&b, p->b.ctx);
    bool across = p->d->links.rule || !strcmp(p->d->attention.side, "cross");
    glim__buffer_puts(&b, across ? "words written (down) look at words of the source (across)"
                                 : "words that look (down) at words (across); rows add up to 1");
    say(p, &b);
}

/* ---- heads in words ---- */

static double of_head(const glim_document_head *h, int what) {
    const double all[] = {h->previous, h->first, h->self, h->induction};
    return all[what];
}

static const char *const whats[] = {"on the previous token", "on the first token", "on itself",
                                    "on what followed the same token before (induction)"};
enum { WHATS = sizeof whats / sizeof *whats };

static void put_link(glim_page *p, glim_buffer *b, const glim_document_head *h) {
    if (!(h->strongest >= 0.01))
        return;
    glim__buffer_puts(b, "; strongest single link ");
    put_quoted(p, b, true, h->strongest_row);
    glim__buffer_puts(b, glim__page_pick(p, " \xe2\x86\x92 ", " -> "));
    put_quoted(p, b, false, h->strongest_unit);
    glim__buffer_printf(b, " %.0f %%", 100 * h->strongest);
}

/* "L3 H7: 62 % on the previous token; strongest single link 'is' -> 'France' 41 %" */
static void put_head(glim_page *p, const glim_document_head *h, int what) {
    glim_buffer b;
    glim__buffer_init(&b, p->b.ctx);
    glim__buffer_printf(&b, "L%d H%d:", h->layer, h->head);
    for (int i = 0; i < WHATS; i++)
        if ((what < 0 || what == i) && isfinite(of_head(h, i)))
            glim__buffer_printf(&b, "%s%.0f %% %s", what < 0 && i ? ", " : " ", 100 * of_head(h, i),
                                whats[i]);
    if (what < 0) {
        glim__buffer_printf(&b, "; entropy %.2f nats", h->entropy);
        if (isfinite(h->distance))
            glim__buffer_printf(&b, ", mean distance %.1f tokens", h->distance);
    }
    put_link(p, &b, h);
    say(p, &b);
}

/* The shown head; of a mean the best of its heads at each of the things that heads do. */
static void put_heads(glim_page *p) {
    const glim_document_attention *a = &p->d->attention;
    const double least = 0.3;
    for (int what = 0; what < WHATS; what++) {
        const glim_document_head *best = NULL;
        for (size_t i = 0; i < a->n_stats; i++) {
            const glim_document_head *h = &a->stats[i];
            if (a->head >= 0 && h->layer == a->layer && h->head == a->head && !what)
                put_head(p, h, -1);
            bool mine = a->head < 0 && (a->layer < 0 || a->layer == h->layer);
            if (mine && of_head(h, what) >= least &&
                (!best || of_head(h, what) > of_head(best, what)))
                best = h;
        }
        if (best)
            put_head(p, best, what);
    }
}

/* ---- cells ---- */

struct map {
    glim_page *p;
    double limit;
    int label, cell;          /* columns of the screen */
    size_t by_row, by_column; /* pooled */
    bool numbers;
};

static const char *link_mark(const struct map *m, size_t r, size_t u) {
    const glim_document_links *l = &m->p->d->links;
    for (size_t i = 0; i < l->n_found; i++)
        if (l->found[i].row == r && l->found[i].unit == u)
            return glim__page_pick(m->p, "\xe2\x97\x8f", "*");
    return " ";
}

static void put_number_cell(const struct map *m, size_t r, size_t u, double x) {
    glim_page *p = m->p;
    int step = glim__page_step(p, x, m->limit), used = 0;
    glim__page_shade(p, step);
    for (; used < m->cell - PERCENT - 1; used++)
        glim__buffer_putc(&p->b, ' ');
    if (isfinite(x))
        glim__buffer_printf(&p->b, "%*.0f", PERCENT - 1, 100 * x);
    else
        glim__buffer_printf(&p->b, "%*s", PERCENT - 1, "");
    glim__buffer_printf(&p->b, "%s", link_mark(m, r, u));
    glim__page_plain(p, step != 0);
    glim__buffer_putc(&p->b, ' ');
}

static void put_block(const struct map *m, double x) {
    static const char *const blocks[] = {" ", "\xe2\x96\x91", "\xe2\x96\x92", "\xe2\x96\x93",
                                         "\xe2\x96\x88"};
    static const char *const plain[] = {" ", ".", ":", "*", "#"};
    glim_page *p = m->p;
    int step = glim__page_step(p, x, m->limit);
    bool colours = p->o->color != GLIM_COLOR_NONE;
    int block = isfinite(x) && m->limit > 0 ? (int)fmin(4, round(4 * x / m->limit)) : 0;
    glim__page_shade(p, step);
    for (int i = 0; i < m->cell; i++)
        glim__buffer_puts(&p->b, colours ? " " : glim__page_pick(p, blocks[block], plain[block]));
    glim__page_plain(p, step != 0);
}

/* ---- rows ---- */

static void put_names(const struct map *m) {
    glim_page *p = m->p;
    glim__buffer_printf(&p->b, "%*s", m->label, "");
    for (size_t u = 0; u < p->d->input.n_units; u++) {
        glim_buffer name;
        glim__buffer_init(&name, p->b.ctx);
        int width = put_unit_name(p, &name, u, m->cell - 1, 0);
        glim__buffer_printf(&p->b, "%*s%s ", m->cell - 1 - width, "", name.data ? name.data : "");
        p->b.failed = p->b.failed || name.failed;
        glim__buffer_release(&name);
    }
    glim__page_end_line(p);
}

/* Every tenth column's number where there is room for it. */
static void put_numbers(const struct map *m) {
    glim_page *p = m->p;
    size_t n = (p->d->input.n_units + m->by_column - 1) / m->by_column;
    glim__buffer_printf(&p->b, "%*s", m->label, "");
    int column = m->label;
    for (size_t i = 0; i < n; i += 10) {
        char text[24];
        int at = m->label + (int)i * m->cell;
        int len = snprintf(text, sizeof text, "%zu", i * m->by_column);
        if (at + len > p->width)
            break;
        for (; column < at; column++)
            glim__buffer_putc(&p->b, ' ');
        glim__buffer_puts(&p->b, text);
        column += len;
    }
    glim__page_end_line(p);
}

static void put_row(const struct map *m, size_t r) {
    glim_page *p = m->p;
    size_t U = p->d->input.n_units;
    if (!m->numbers) {
        glim__buffer_printf(&p->b, "%4zu ", r);
        put_row_name(p, &p->b, r, m->label - 6, m->label - 5);
    } else {
        put_row_name(p, &p->b, r, m->label - 1, m->label);
    }
    for (size_t u = 0; u < U; u += m->by_column)
        if (m->numbers)
            put_number_cell(m, r, u, glim__heat_pooled(p->d, r, u, m->by_row, m->by_column));
        else
            put_block(m, glim__heat_pooled(p->d, r, u, m->by_row, m->by_column));
    glim__page_end_line(p);
}

/* What a shade is, and what was pooled or left out of the scale. */
static void put_legend(const struct map *m, bool clipped) {
    glim_page *p = m->p;
    glim_buffer b;
    glim__buffer_init(&b, p->b.ctx);
    if (m->numbers)
        glim__buffer_puts(&b, "numbers are percent of a row");
    else
        glim__buffer_printf(&b, "darkest is %.0f %%", 100 * m->limit);
    if (m->by_row > 1 || m->by_column > 1)
        glim__buffer_printf(&b,
                            "; a cell is the mean of %zu rows and %zu columns (larger --units, "
                            "or --html)",
                            m->by_row, m->by_column);
    if (clipped)
        glim__buffer_puts(&b, "; sinks go beyond the scale");
    if (p->d->links.rule)
        glim__buffer_printf(&b, "; %s a link", glim__page_pick(p, "\xe2\x97\x8f", "*"));
    say(p, &b);
}

/* Columns by number, where they are not the rows again. */
static void put_column_list(const struct map *m) {
    const glim_document *d = m->p->d;
    enum { LISTED = 60 };
    glim_buffer b;
    if (m->numbers || m->by_column > 1 || d->input.n_units > LISTED ||
        (strcmp(d->attention.side, "cross") != 0 && !d->links.rule))
        return;
    glim__buffer_init(&b, m->p->b.ctx);
    glim__buffer_puts(&b, "columns:");
    for (size_t u = 0; u < d->input.n_units; u++) {
        glim__buffer_printf(&b, " %zu ", u);
        put_unit_name(m->p, &b, u, 24, 0);
    }
    say(m->p, &b);
}

static int widest_name(glim_page *p) {
    int most = 0;
    glim_buffer b;
    glim__buffer_init(&b, p->b.ctx);
    for (size_t u = 0; u < p->d->input.n_units; u++) {
        int w = put_unit_name(p, &b, u, WIDEST - 1, 0);
        most = w > most ? w : most;
    }
    p->b.failed = p->b.failed || b.failed;
    glim__buffer_release(&b);
    return most + 1;
}

static void lay_out(struct map *m) {
    glim_page *p = m->p;
    size_t U = p->d->input.n_units, R = p->d->n_rows;
    int label = p->width < 40 ? 8 : LABEL, wanted = U <= 20 ? widest_name(p) : WIDEST;
    int room = p->width - label;
    wanted = wanted < WIDE ? WIDE : wanted;
    m->by_row = m->by_column = 1;
    m->label = label;
    while (wanted > WIDE && (int)U * wanted > room)
        wanted--;
    m->numbers = U <= 20 && (int)U * wanted <= room;
    m->cell = wanted;
    if (m->numbers && R <= MOST_LINES)
        return;
    m->numbers = false;
    if (label < LABEL && U < (size_t)(p->width - label)) /* names have what is left */
        m->label = p->width - (int)U < LABEL ? p->width - (int)U : LABEL;
    room = p->width - m->label;
    m->cell = (int)U * 2 <= room ? 2 : 1;
    m->by_column = U > (size_t)room ? (U + (size_t)room - 1) / (size_t)room : 1;
    m->by_row = R > MOST_LINES ? (R + MOST_LINES - 1) / MOST_LINES : 1;
    bool square = R == U && strcmp(p->d->attention.side, "cross") != 0;
    if (square && m->by_column > m->by_row)
        m->by_row = m->by_column;
}

static void put_map(glim_page *p) {
    struct map m = {.p = p};
    bool clipped;
    lay_out(&m);
    m.limit = glim__heat_limit(p->d, m.by_row, m.by_column, &clipped);
    if (m.numbers)
        put_names(&m);
    else
        put_numbers(&m);
    for (size_t r = 0; r < p->d->n_rows; r += m.by_row)
        put_row(&m, r);
    put_legend(&m, clipped);
    put_column_list(&m);
}

void glim__page_attention(glim_page *p, void (*verdict)(glim_page *)) {
    put_title(p);
    verdict(p);
    put_heads(p);
    glim__buffer_putc(&p->b, '\n');
    if (p->d->n_rows && p->d->input.n_units)
        put_map(p);
}

/* ---- links ---- */

static bool has(const glim_document_link *at, size_t n, size_t r, size_t u, bool *sure) {
    for (size_t i = 0; i < n; i++)
        if (at[i].row == r && at[i].unit == u) {
            *sure = at[i].sure;
            return true;
        }
    return false;
}

/* "ich  <- I" and what gold says of it: right, wrong, or a sure link that is missed. */
static void put_links_of(glim_page *p, glim_buffer *b, size_t r) {
    const glim_document_links *l = &p->d->links;
    size_t n = 0;
    for (size_t u = 0; u < p->d->input.n_units; u++) {
        bool sure = false, one;
        bool found = has(l->found, l->n_found, r, u, &one);
        bool right = has(l->gold, l->n_gold, r, u, &sure);
        if (!found && !(right && sure))
            continue;
        glim__buffer_puts(b, n++ ? ", " : glim__page_pick(p, " \xe2\x86\x90 ", " <- "));
        put_unit_name(p, b, u, 24, 0);
        if (l->has_gold)
            glim__buffer_puts(b, !found ? " (missed)" : !right ? " (wrong)" : "");
    }
    if (!n)
        glim__buffer_puts(b, glim__page_pick(p, " \xe2\x86\x90 \xe2\x88\x85", " <- nothing"));
}

static void put_rates(glim_page *p) {
    const glim_document_links *l = &p->d->links;
    glim_buffer b;
    size_t sure = 0;
    if (!l->has_gold)
        return;
    for (size_t i = 0; i < l->n_gold; i++)
        sure += l->gold[i].sure;
    glim__buffer_init(&b, p->b.ctx);
    glim__buffer_printf(&b, "AER %.3f", l->aer);
    if (isfinite(l->precision))
        glim__buffer_printf(&b, ", precision %.0f %%", 100 * l->precision);
    if (isfinite(l->recall))
        glim__buffer_printf(&b, ", recall %.0f %%", 100 * l->recall);
    glim__buffer_printf(&b, " (gold: %zu sure, %zu possible)", sure, l->n_gold - sure);
    say(p, &b);
    if (!l->layer_aer)
        return;
    glim__buffer_init(&b, p->b.ctx);
    glim__buffer_puts(&b, "AER by layer:");
    for (size_t i = 0; i < l->n_layers; i++)
        glim__buffer_printf(&b, " %zu: %.3f", i, l->layer_aer[i]);
    say(p, &b);
}

void glim__page_links(glim_page *p) {
    const glim_document *d = p->d;
    glim_buffer b;
    if (!d->links.rule)
        return;
    glim__buffer_putc(&p->b, '\n');
    for (size_t r = 0; r < d->n_rows; r++) {
        glim__buffer_init(&b, p->b.ctx);
        put_row_name(p, &b, r, 24, 0);
        put_links_of(p, &b, r);
        say(p, &b);
    }
    glim__buffer_init(&b, p->b.ctx);
    glim__buffer_printf(&b, "%zu links by %s: ", d->links.n_found, d->links.rule);
    p->b.failed = p->b.failed || !glim__put_pharaoh(&b, d);
    say(p, &b);
    put_rates(p);
}
