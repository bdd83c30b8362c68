/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the colours of panels mean, and their numbers by block and piece. Scales do not bend
 * to the numbers where numbers have a meaning by themselves: shares end at 1, effects have
 * 0 and 1 at fixed places, so that two panels may be held side by side.
 */
#include "view/panels.h"
#include "base/utf8.h"
#include "view/palette.h"

#include <math.h>
#include <string.h>

static const double LEAST_EFFECT = -0.2, MOST_EFFECT = 1.2, WORST_RANK = 10;

bool glim__panel_document(const char *kind) {
    static const char *const kinds[] = {"lens", "patch", "probe", "maximize", "structure", NULL};
    for (size_t i = 0; kinds[i]; i++)
        if (!strcmp(kinds[i], kind))
            return true;
    return false;
}

bool glim__of_panels(const glim_document *d) {
    return !d->scores && glim__panel_document(d->kind);
}

/* ---- what colours mean ---- */

bool glim__panel_beyond(const glim_panel *panel, double x) {
    return panel->scale == GLIM_SCALE_EFFECT && (x < LEAST_EFFECT || x > MOST_EFFECT);
}

bool glim__panel_unsure(const glim_panel *panel, size_t i) {
    return panel->scale == GLIM_SCALE_SIGNED && panel->low && panel->high && panel->low[i] < 0 &&
           panel->high[i] > 0;
}

static void add(const glim_panel *panel, glim_panel_range *r, double x) {
    if (!isfinite(x)) {
        r->missing++;
        return;
    }
    r->least = isnan(r->least) ? x : fmin(r->least, x);
    r->most = isnan(r->most) ? x : fmax(r->most, x);
    r->beyond += glim__panel_beyond(panel, x);
}

glim_panel_range glim__panel_range(const glim_panel *panel) {
    glim_panel_range r = {.least = NAN, .most = NAN};
    r.is_signed = panel->scale == GLIM_SCALE_SIGNED || panel->scale == GLIM_SCALE_EFFECT;
    size_t n = panel->values ? panel->rows.n * panel->columns.n : 0;
    for (size_t i = 0; i < n; i++) {
        add(panel, &r, panel->values[i]);
        r.marked += panel->marked && panel->marked[i];
        r.unsure += glim__panel_unsure(panel, i);
    }
    for (size_t i = 0; panel->strings && i < panel->rows.n; i++)
        for (size_t k = 0; k < panel->strings[i].n; k++)
            add(panel, &r, panel->strings[i].values[k]);
    if (panel->scale == GLIM_SCALE_SHARE || panel->scale == GLIM_SCALE_EFFECT)
        r.limit = 1;
    else if (panel->scale == GLIM_SCALE_RANK)
        r.limit = r.most > WORST_RANK ? r.most : WORST_RANK;
    else if (isfinite(r.most))
        r.limit = r.is_signed ? fmax(fabs(r.least), fabs(r.most)) : fmax(r.most, 0);
    return r;
}

/* From 0 to 1; of signed scales from -1. */
static double part(const glim_panel *panel, const glim_panel_range *r, double x) {
    if (!isfinite(x) || !(r->limit > 0))
        return 0;
    if (panel->scale == GLIM_SCALE_RANK)
        return x > 1 ? fmax(0, 1 - log(x) / log(r->limit)) : 1;
    double share = fmin(x / r->limit, 1);
    return r->is_signed ? fmax(share, -1) : fmax(share, 0);
}

int glim__panel_step(const glim_panel *panel, const glim_panel_range *range, double x) {
    double share = part(panel, range, x);
    return (int)round(share * (range->is_signed ? GLIM_STEPS : GLIM_AMOUNTS));
}

int glim__panel_digit(const glim_panel *panel, const glim_panel_range *range, double x) {
    return (int)round(9 * part(panel, range, x));
}

/* ---- cells ---- */

double glim__panel_pooled(const glim_panel *panel, size_t row, size_t column, size_t by_row,
                          size_t by_column) {
    size_t R = panel->rows.n, C = panel->columns.n, n = 0;
    bool ranks = panel->scale == GLIM_SCALE_RANK;
    double sum = 0;
    if (by_row == 1 && by_column == 1)
        return panel->values[row * C + column];
    for (size_t r = row; r < row + by_row && r < R; r++)
        for (size_t c = column; c < column + by_column && c < C; c++) {
            double x = panel->values[r * C + c];
            if (!isfinite(x))
                continue;
            sum += ranks ? log(fmax(x, 1)) : x;
            n++;
        }
    double mean = sum / (double)n;
    return !n ? NAN : ranks ? exp(mean) : mean;
}

bool glim__panel_marked(const glim_panel *panel, size_t row, size_t column, size_t by_row,
                        size_t by_column) {
    size_t R = panel->rows.n, C = panel->columns.n;
    for (size_t r = row; panel->marked && r < row + by_row && r < R; r++)
        for (size_t c = column; c < column + by_column && c < C; c++)
            if (panel->marked[r * C + c])
                return true;
    return false;
}

size_t glim__panel_top(const glim_panel *panel, size_t n, glim_panel_place *out) {
    size_t found = 0, C = panel->columns.n;
    bool ranks = panel->scale == GLIM_SCALE_RANK;
    for (size_t i = 0; i < panel->rows.n * C; i++) {
        double x = panel->values[i];
        if (!isfinite(x))
            continue;
        size_t at = found < n ? found : n;
        while (at && (ranks ? x < out[at - 1].value : fabs(x) > fabs(out[at - 1].value)))
            at--;
        if (at == n)
            continue;
        found += found < n;
        memmove(out + at + 1, out + at, (found - at - 1) * sizeof *out);
        out[at] = (glim_panel_place){i / C, i % C, x};
    }
    return found;
}

const char *glim__axis_label(const glim_panel_axis *axis, size_t i) {
    return axis->labels && axis->labels[i] ? axis->labels[i] : "";
}

bool glim__axis_named(const glim_panel_axis *axis) {
    for (size_t i = 0; i < axis->n; i++)
        if (*glim__axis_label(axis, i))
            return true;
    return false;
}

bool glim__table_counts(const glim_panel *panel, size_t column) {
    static const double most = 1e7;
    bool share = panel->scale == GLIM_SCALE_SHARE;
    for (size_t r = 0; r < panel->rows.n; r++) {
        const glim_panel_cell *cell = &panel->cells[r * panel->columns.n + column];
        if (cell->text || isnan(cell->number))
            continue;
        if (cell->number != floor(cell->number) || !(fabs(cell->number) < most))
            return false;
        share = share && fabs(cell->number) <= 1;
    }
    return !share;
}

/* ---- pieces of texts ---- */

const char *glim__string_label(const glim_panel *panel, size_t i) {
    const char *label = panel->strings[i].label;
    return label ? label : glim__axis_label(&panel->rows, i);
}

/* Bytes of a character that the text lacks at its end; 0 when it ends whole. */
static size_t lacking(const char *s, size_t n) {
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        unsigned char c = (unsigned char)s[n - back];
        size_t need = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 0;
        if (need)
            return need > back ? need - back : 0;
        if (c < 0x80)
            return 0;
    }
    return 0;
}

size_t glim__pieces_end(const glim_panel_text *text, size_t i) {
    char joined[64];
    size_t used = 0;
    for (size_t to = i; to < text->n && to < i + GLIM_PIECES_JOINED; to++) {
        const char *piece = text->pieces[to] ? text->pieces[to] : "";
        size_t n = strlen(piece);
        if (n > sizeof joined - used) /* no part of a character is so long */
            return i + 1;
        for (size_t k = 0; k < n; k++)
            joined[used++] = piece[k];
        if (!lacking(joined, used))
            return glim__utf8_check(joined, used) == used ? to + 1 : i + 1;
    }
    return i + 1;
}

double glim__pieces_value(const glim_panel_text *text, size_t from, size_t to) {
    double best = NAN;
    for (size_t i = from; i < to; i++)
        if (isfinite(text->values[i]) && (isnan(best) || fabs(text->values[i]) > fabs(best)))
            best = text->values[i];
    return best;
}

void glim__pieces_window(const glim_panel_text *text, size_t most, size_t *from, size_t *to) {
    bool some = text->best < text->n;
    *from = 0;
    *to = text->n < most ? text->n : most;
    if (text->n <= most || !some)
        return;
    *from = text->best > GLIM_WINDOW ? text->best - GLIM_WINDOW : 0;
    *to = text->best + GLIM_WINDOW + 1 < text->n ? text->best + GLIM_WINDOW + 1 : text->n;
}

void glim__pieces_put(glim_buffer *b, const glim_panel_text *text, size_t from, size_t to) {
    for (size_t i = from; i < to; i++)
        glim__buffer_puts(b, text->pieces[i] ? text->pieces[i] : "");
}
