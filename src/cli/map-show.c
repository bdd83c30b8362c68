/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A map in the terminal: half blocks in colour, two places above each other in a cell; or letters
 * of the six largest groups where there is no colour, capital where points crowd. What lies
 * beside it says how far to trust it.
 */
#include "cli/map-ink.h"
#include "view/page.h"
#include "view/width.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

enum { WIDEST = 64, NARROWEST = 12, FACTS = 40, BESIDE = 78, MANY = 5 };

typedef struct showing {
    const cli_map *m;
    glim_page p;
    const cli_map_color *c; /* or NULL */
    size_t *order, *counts; /* (names) */
    size_t *place;          /* (names) by size */
    int columns, rows;      /* of places; a cell has two rows of them */
    uint32_t *count;        /* (rows, columns) points */
    uint32_t *votes;        /* (rows, columns, CLI_MAP_INKS + 1) */
    double *sum;            /* (rows, columns) of numbers */
    double least, most;     /* of numbers */
    glim_buffer facts;
} showing;

static void GLIM_PRINTF(2, 3) fact(showing *s, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    glim__buffer_puts(&s->facts, text);
    glim__buffer_putc(&s->facts, '\n');
}

static void fact_of(showing *s, const char *name, double value) {
    if (isfinite(value))
        fact(s, "%-22s%.3f", name, value);
}

/* ---- facts ---- */

static void put_facts(showing *s) {
    const cli_map *m = s->m;
    const glim_map_quality *q = &m->quality;
    fact(s, "%zu points, %zu dimensions", m->n, m->width);
    if (m->placed)
        fact(s, "%zu of them placed later", m->placed);
    if (m->site)
        fact(s, "%.60s, %.8s", m->site, m->pool ? m->pool : "");
    if (m->pca)
        fact(s, "PCA to %zu: %.0f %% of variance", m->pca, 100 * m->pca_explained);
    if (isfinite(m->variance[0]))
        fact(s, "variance: %.1f %% across, %.1f %% up", 100 * m->variance[0], 100 * m->variance[1]);
    if (isfinite(m->kl))
        fact(s, "KL %.4f after %zu of %zu", m->kl, m->done, m->asked);
    fact_of(s, "stay among 10 nearest", q->recall_10);
    fact_of(s, "stay among 50 nearest", q->recall_50);
    fact_of(s, "trustworthiness", q->trustworthiness);
    fact_of(s, "continuity", q->continuity);
    fact_of(s, "distances, Spearman", q->distance_correlation);
    if (isfinite(q->label_accuracy))
        fact(s, "%-22s%.3f, map %.3f", "labels of 10 nearest", q->label_accuracy,
             q->label_accuracy_map);
    if (isfinite(q->silhouette))
        fact(s, "%-22s%.3f, map %.3f", "silhouette", q->silhouette, q->silhouette_map);
    if (q->sample && q->sample < m->n)
        fact(s, "measured on %zu points", q->sample);
}

/* ---- counting ---- */

static double center(const float *xy, size_t n, int axis, double *span) {
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        low = fmin(low, xy[2 * i + (size_t)axis]);
        high = fmax(high, xy[2 * i + (size_t)axis]);
    }
    *span = fmax(*span, high - low);
    return (low + high) / 2;
}

static void count_points(showing *s) {
    const cli_map *m = s->m;
    double span = 0, x = center(m->xy, m->n, 0, &span), y = center(m->xy, m->n, 1, &span);
    double side = s->columns, by = span > 0 ? (side - 1e-6) / span : 0;
    s->least = INFINITY;
    s->most = -INFINITY;
    for (size_t i = 0; i < m->n; i++) {
        size_t column = (size_t)(side / 2 + (m->xy[2 * i] - x) * by);
        size_t row = (size_t)(side / 2 - (m->xy[2 * i + 1] - y) * by);
        column = column < (size_t)s->columns ? column : (size_t)s->columns - 1;
        row = row < (size_t)s->rows ? row : (size_t)s->rows - 1;
        size_t at = row * (size_t)s->columns + column, ink = CLI_MAP_INKS;
        s->count[at]++;
        if (s->c && s->c->number && isfinite(s->c->number[i])) {
            s->sum[at] += s->c->number[i];
            s->least = fmin(s->least, s->c->number[i]);
            s->most = fmax(s->most, s->c->number[i]);
        }
        if (s->c && s->c->category && s->c->category[i] >= 0 &&
            s->place[s->c->category[i]] < CLI_MAP_INKS)
            ink = s->place[s->c->category[i]];
        s->votes[at * (CLI_MAP_INKS + 1) + ink]++;
    }
}

/* The group that most points of a place have; -1: no point. */
static int group_at(const showing *s, size_t at) {
    const uint32_t *votes = s->votes + at * (CLI_MAP_INKS + 1);
    int best = 0;
    for (int k = 1; k <= CLI_MAP_INKS; k++)
        best = votes[k] > votes[best] ? k : best;
    return s->count[at] ? best : -1;
}

/* ---- drawing ---- */

static void put_ink(showing *s, size_t at, bool back) {
    glim_buffer *b = &s->p.b;
    uint32_t rgb = s->c ? 0 : cli_map_inks[0].rgb;
    int ansi = s->c ? 0 : cli_map_inks[0].ansi256, plain = s->c ? 0 : cli_map_inks[0].ansi16;
    if (s->c && s->c->number) {
        double range = s->most - s->least, mean = s->sum[at] / s->count[at];
        int step = range > 0 ? glim__amount(mean - s->least + range / GLIM_AMOUNTS,
                                            range * (1 + 1.0 / GLIM_AMOUNTS))
                             : GLIM_AMOUNTS;
        const glim_shade *shade = &glim_amounts[step < 1 ? 1 : step];
        rgb = shade->back;
        ansi = shade->ansi256;
        plain = step > GLIM_AMOUNTS / 2 ? 34 : 36;
    } else if (s->c) {
        const cli_map_ink *ink = cli_map_ink_of((size_t)group_at(s, at));
        rgb = ink->rgb;
        ansi = ink->ansi256;
        plain = ink->ansi16;
    }
    if (s->p.o->color == GLIM_COLOR_TRUE)
        glim__buffer_printf(b, "\x1b[%d;2;%u;%u;%um", back ? 48 : 38, rgb >> 16, rgb >> 8 & 255,
                            rgb & 255);
    else if (s->p.o->color == GLIM_COLOR_256)
        glim__buffer_printf(b, "\x1b[%d;5;%dm", back ? 48 : 38, ansi);
    else
        glim__buffer_printf(b, "\x1b[%dm", plain + (back ? 10 : 0));
}

static void put_block(showing *s, size_t upper, size_t lower) {
    glim_buffer *b = &s->p.b;
    bool up = s->count[upper] > 0, down = s->count[lower] > 0;
    if (!up && !down) {
        glim__buffer_putc(b, ' ');
        return;
    }
    put_ink(s, up ? upper : lower, false);
    if (up && down)
        put_ink(s, lower, true);
    glim__buffer_puts(b, up ? "\xe2\x96\x80" : "\xe2\x96\x84");
    glim__buffer_puts(b, "\x1b[0m");
}

/* A letter of the group that most of both places have. */
static void put_letter(showing *s, size_t upper, size_t lower) {
    uint32_t all = s->count[upper] + s->count[lower], most = 0;
    size_t best = CLI_MAP_INKS;
    for (size_t k = 0; k <= CLI_MAP_INKS; k++) {
        uint32_t votes =
            s->votes[upper * (CLI_MAP_INKS + 1) + k] + s->votes[lower * (CLI_MAP_INKS + 1) + k];
        if (votes > most) {
            most = votes;
            best = k;
        }
    }
    char c = !all ? ' ' : *cli_map_ink_of(best)->letter;
    if (c == '.' && all >= MANY)
        c = ':';
    if (c >= 'a' && all >= MANY)
        c = (char)(c - 'a' + 'A');
    glim__buffer_putc(&s->p.b, c);
}

/* A digit for the mean of numbers, 0 the least and 9 the most. */
static void put_digit(showing *s, size_t upper, size_t lower) {
    uint32_t all = s->count[upper] + s->count[lower];
    double range = s->most - s->least;
    double mean = all ? (s->sum[upper] + s->sum[lower]) / all : 0;
    int digit = range > 0 ? (int)(10 * (mean - s->least) / range) : 9;
    digit = digit < 0 ? 0 : digit > 9 ? 9 : digit;
    glim__buffer_putc(&s->p.b, all ? (char)('0' + digit) : ' ');
}

static void put_cell(showing *s, size_t upper, size_t lower) {
    if (s->p.o->color != GLIM_COLOR_NONE && !s->p.o->ascii)
        put_block(s, upper, lower);
    else if (s->c && s->c->number)
        put_digit(s, upper, lower);
    else
        put_letter(s, upper, lower);
}

/* The next line of the facts, cut to what is free. */
static const char *put_fact(showing *s, const char *at, int room) {
    size_t n = strcspn(at, "\n");
    if (n) {
        glim__buffer_puts(&s->p.b, "  ");
        glim__page_label(&s->p, &s->p.b, at, n, room - 2, 0);
    }
    return at + n + (at[n] == '\n');
}

static bool is_empty(const showing *s, int row) {
    for (int at = row * s->columns; at < (row + 2) * s->columns; at++)
        if (s->count[at])
            return false;
    return true;
}

static void put_plot(showing *s, bool beside) {
    const char *at = s->facts.data ? s->facts.data : "";
    int first = 0, last = s->rows - 2;
    while (first < last && is_empty(s, first))
        first += 2;
    while (last > first && is_empty(s, last))
        last -= 2;
    for (int row = first; row <= last; row += 2) {
        for (int column = 0; column < s->columns; column++) {
            size_t upper = (size_t)row * (size_t)s->columns + (size_t)column;
            put_cell(s, upper, upper + (size_t)s->columns);
        }
        if (beside)
            at = put_fact(s, at, s->p.width - s->columns);
        glim__page_end_line(&s->p);
    }
    while (*at) {
        size_t n = strcspn(at, "\n");
        glim__page_label(&s->p, &s->p.b, at, n, s->p.width, 0);
        glim__page_end_line(&s->p);
        at += n + (at[n] == '\n');
    }
}

/* ---- legend ---- */

static void put_group(showing *s, size_t k, int *column) {
    const cli_map_ink *ink = cli_map_ink_of(k);
    const char *name = s->c->names[s->order[k]];
    bool color = s->p.o->color != GLIM_COLOR_NONE && !s->p.o->ascii;
    glim_buffer one;
    glim__buffer_init(&one, s->p.b.ctx);
    char count[32];
    snprintf(count, sizeof count, " %zu", s->counts[s->order[k]]);
    int width = 2 + glim__page_label(&s->p, &one, name, strlen(name), 24, 0) + (int)strlen(count);
    if (*column && *column + 2 + width > s->p.width) {
        glim__page_end_line(&s->p);
        *column = 0;
    } else if (*column) {
        glim__buffer_puts(&s->p.b, "  ");
        *column += 2;
    }
    if (color) {
        if (s->p.o->color == GLIM_COLOR_TRUE)
            glim__buffer_printf(&s->p.b, "\x1b[38;2;%u;%u;%um", ink->rgb >> 16, ink->rgb >> 8 & 255,
                                ink->rgb & 255);
        else if (s->p.o->color == GLIM_COLOR_256)
            glim__buffer_printf(&s->p.b, "\x1b[38;5;%dm", ink->ansi256);
        else
            glim__buffer_printf(&s->p.b, "\x1b[%dm", ink->ansi16);
    }
    glim__buffer_puts(&s->p.b, color ? "\xe2\x96\xa0" : ink->letter);
    glim__page_plain(&s->p, color);
    glim__buffer_putc(&s->p.b, ' ');
    if (one.data)
        glim__buffer_puts(&s->p.b, one.data);
    glim__buffer_puts(&s->p.b, count);
    *column += width;
    glim__buffer_release(&one);
}

static void put_legend(showing *s) {
    enum { SHOWN = 12 };
    int column = 0;
    if (!s->c)
        return;
    if (s->c->number) {
        char text[200];
        snprintf(text, sizeof text, "%.60s from %.4g to %.4g%s", s->c->name, s->least, s->most,
                 s->p.o->color == GLIM_COLOR_NONE || s->p.o->ascii ? ", as digits 0 to 9" : "");
        glim__page_wrapped(&s->p, text);
        return;
    }
    for (size_t k = 0; k < s->c->n_names && k < SHOWN; k++)
        put_group(s, k, &column);
    if (column)
        glim__page_end_line(&s->p);
    if (s->c->n_names > SHOWN) {
        char text[64];
        snprintf(text, sizeof text, "and %zu more groups", s->c->n_names - SHOWN);
        glim__page_wrapped(&s->p, text);
    }
}

/* ---- the page ---- */

static void put_page(showing *s) {
    static const char *const marks[][2] = {{"\xe2\x9c\x93 ", "ok: "},
                                           {"\xe2\x96\xb2 careful: ", "careful: "},
                                           {"\xe2\x9c\x96 do not trust: ", "do not trust: "}};
    const cli_map *m = s->m;
    char text[640];
    snprintf(text, sizeof text, "%s of %.200s", cli_map_method_name(m), m->title);
    glim__page_wrapped(&s->p, text);
    count_points(s);
    put_facts(s);
    put_plot(s, s->p.width - s->columns >= FACTS);
    put_legend(s);
    snprintf(text, sizeof text, "%s%.400s", marks[m->trust][s->p.o->ascii], m->verdict);
    glim__page_wrapped(&s->p, text);
    glim__page_wrapped(&s->p, m->caption);
    for (size_t i = 0; i < m->n_notes; i++)
        glim__page_wrapped(&s->p, m->notes[i]);
}

static glim_status make_room(showing *s, cli_run *run, glim_arena *arena) {
    size_t cells = (size_t)s->columns * (size_t)s->rows, names = s->c ? s->c->n_names : 0;
    s->count = glim__arena_calloc(arena, cells, sizeof *s->count);
    s->votes = glim__arena_calloc(arena, cells, (CLI_MAP_INKS + 1) * sizeof *s->votes);
    s->sum = glim__arena_calloc(arena, cells, sizeof *s->sum);
    s->order = glim__arena_calloc(arena, names + 1, sizeof *s->order);
    s->counts = glim__arena_calloc(arena, names + 1, sizeof *s->counts);
    s->place = glim__arena_calloc(arena, names + 1, sizeof *s->place);
    if (!s->count || !s->votes || !s->sum || !s->order || !s->counts || !s->place)
        return glim__oom(run->ctx, &run->err, "the answer", cells * 40);
    if (s->c && s->c->category) {
        cli_map_sizes(s->m, s->c, s->order, s->counts);
        for (size_t k = 0; k < names; k++)
            s->place[s->order[k]] = k;
    }
    return GLIM_OK;
}

glim_status cli_map_show(cli_run *run, const cli_map *m) {
    glim_arena arena;
    glim_document *doc = NULL;
    glim_view_options o = {
        .width = cli_width(run), .color = cli_color(run), .ascii = cli_ascii(run)};
    glim_status status = glim_document_new(&doc, run->ctx, &run->err);
    if (status)
        return status;
    showing s = {.m = m, .c = cli_map_drawn(m), .p = {.d = doc, .o = &o, .width = o.width}};
    int plot = o.width >= BESIDE ? o.width - FACTS : o.width;
    plot = plot > WIDEST ? WIDEST : plot < NARROWEST ? NARROWEST : plot;
    s.columns = s.rows = plot / 2 * 2;
    glim__arena_init(&arena, run->ctx, 1 << 16);
    glim__buffer_init(&s.p.b, run->ctx);
    glim__buffer_init(&s.facts, run->ctx);
    status = make_room(&s, run, &arena);
    if (!status)
        put_page(&s);
    s.p.b.failed = s.p.b.failed || s.facts.failed;
    glim__buffer_release(&s.facts);
    glim__arena_release(&arena);
    glim_document_free(doc);
    if (!status)
        return cli_put_buffer(run, &s.p.b, "the answer");
    glim__buffer_release(&s.p.b);
    return status;
}
