/* SPDX-License-Identifier: Apache-2.0 */
/* What is learnt of one column of a table: a pass over its cells, a sort of its numbers. */
#include "explain/columns.h"
#include "base/map.h"
#include "base/normal.h"

#include <math.h>
#include <string.h>

/* Bits in the order of the numbers, and back. */
static uint64_t ordered(uint64_t bits) {
    return bits >> 63 ? ~bits : bits | (uint64_t)1 << 63;
}

static uint64_t numbered(uint64_t bits) {
    return bits >> 63 ? bits & ~((uint64_t)1 << 63) : ~bits;
}

/* By bytes, from the last to the first; room (n). No number is compared with another, which
   is what sorting spends its time on: half of all comparisons are foreseen wrongly. */
static void sort(double *numbers, double *spare, size_t n) {
    uint64_t *x = (uint64_t *)(void *)numbers, *room = (uint64_t *)(void *)spare;
    size_t count[8][256] = {{0}};
    for (size_t i = 0; i < n; i++) {
        uint64_t bits;
        memcpy(&bits, &numbers[i], sizeof bits);
        x[i] = ordered(bits);
        for (int byte = 0; byte < 8; byte++)
            count[byte][x[i] >> 8 * byte & 255]++;
    }
    for (int byte = 0; byte < 8; byte++) {
        size_t at = 0;
        for (int k = 0; k < 256; k++) {
            size_t here = count[byte][k];
            count[byte][k] = at;
            at += here;
        }
        for (size_t i = 0; i < n; i++)
            room[count[byte][x[i] >> 8 * byte & 255]++] = x[i];
        uint64_t *swap = x;
        x = room;
        room = swap;
    }
    for (size_t i = 0; i < n; i++) { /* eight swaps: it is back where it began */
        uint64_t bits = numbered(x[i]);
        memcpy(&numbers[i], &bits, sizeof bits);
    }
}

/* numpy's percentile: straight between the two nearest of the sorted values. */
static double percentile(const double *sorted, size_t n, double q) {
    double at = q / 100 * (double)(n - 1), low = floor(at), t = at - low;
    double a = sorted[(size_t)low], b = sorted[(size_t)low + 1 < n ? (size_t)low + 1 : n - 1];
    return t >= 0.5 ? b - (b - a) * (1 - t) : a + (b - a) * t;
}

size_t glim__column_bin(const glim_column *c, double x) {
    size_t b = 0;
    while (b < c->n_cuts && c->cuts[b] < x)
        b++;
    return b;
}

static void keep_different(glim_column *c) {
    size_t n = 0;
    for (size_t i = 0; i < c->n_cuts; i++)
        if (!n || c->cuts[i] != c->cuts[n - 1])
            c->cuts[n++] = c->cuts[i];
    c->n_cuts = n;
}

static void even_cuts(glim_column *c, const double *sorted, size_t parts) {
    c->n_cuts = parts - 1;
    for (size_t i = 1; i < parts; i++)
        c->cuts[i - 1] = percentile(sorted, c->there, 100.0 * (double)i / (double)parts);
    keep_different(c);
}

/* Bins of sorted values: shares, means, deviations; ends as lime has them. */
static void fill_bins(glim_column *c, const double *sorted) {
    size_t at = 0;
    for (size_t b = 0; b <= c->n_cuts; b++) {
        glim_bin *bin = &c->bins[b];
        size_t from = at;
        double sum = 0, squares = 0;
        for (; at < c->there && (b == c->n_cuts || sorted[at] <= c->cuts[b]); at++)
            sum += sorted[at];
        double n = (double)(at - from);
        bin->start = (double)from / (double)c->there;
        bin->share = n / (double)c->there;
        bin->mean = n > 0 ? sum / n : 0;
        for (size_t i = from; i < at; i++)
            squares += (sorted[i] - bin->mean) * (sorted[i] - bin->mean);
        bin->deviation = (n > 0 ? sqrt(squares / n) : 0) + 1e-11;
        bin->least = b ? c->cuts[b - 1] : c->least;
        bin->most = b < c->n_cuts ? c->cuts[b] : c->most;
        bin->below = glim__normal_share((bin->least - bin->mean) / bin->deviation);
        bin->gain = glim__normal_share((bin->most - bin->mean) / bin->deviation) - bin->below;
        bin->gain /= n > 0 ? bin->share : 1;
    }
}

static void describe_numbers(glim_column *c, const double *sorted) {
    double sum = 0, squares = 0;
    size_t n = c->there;
    c->least = sorted[0];
    c->most = sorted[n - 1];
    c->values = 1;
    for (size_t i = 0; i < n; i++) {
        sum += sorted[i];
        c->values += i && sorted[i] != sorted[i - 1];
    }
    c->mean = sum / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += (sorted[i] - c->mean) * (sorted[i] - c->mean);
    c->deviation = c->values > 1 ? sqrt(squares / (double)n) : 1;
}

/* values (2 there): the numbers, in the order of rows, and room; classes: of their labels. */
static glim_status cut(glim_column *c, glim_context *ctx, double *values, const int32_t *classes,
                       glim_discretizer how, glim_error *err) {
    glim_status status = GLIM_OK;
    if (how == GLIM_BINS_ENTROPY)
        c->n_cuts = glim__entropy_cuts(ctx, values, classes, c->there, c->cuts, err, &status);
    sort(values, values + c->there, c->there);
    describe_numbers(c, values);
    if (how == GLIM_BINS_QUARTILE || how == GLIM_BINS_DECILE)
        even_cuts(c, values, how == GLIM_BINS_DECILE ? 10 : 4);
    else if (how == GLIM_BINS_ENTROPY && !c->n_cuts)
        even_cuts(c, values, 2);
    fill_bins(c, values);
    return status;
}

/* The numbers of a column and the classes of their rows; false: it has something else. */
static bool read_numbers(glim_column *c, const glim_table *t, const int32_t *labels, double *values,
                         int32_t *classes) {
    size_t n = 0;
    for (size_t i = 0; i < t->n_rows; i++) {
        const char *cell = glim__table_cell(t, i, c->at);
        if (glim__table_number(cell, &values[n]))
            classes[n++] = labels ? labels[i] : 0;
        else if (!glim__table_missing(cell))
            return false;
    }
    c->there = n;
    return n > 0;
}

static glim_status learn_numbers(glim_column *c, const glim_table *t, glim_discretizer how,
                                 const int32_t *labels, glim_error *err) {
    double *values = glim__alloc(t->ctx, (2 * t->n_rows + 1) * sizeof *values);
    int32_t *classes = glim__alloc(t->ctx, (t->n_rows + 1) * sizeof *classes);
    glim_status status =
        values && classes ? GLIM_OK : glim__oom(t->ctx, err, "a column", t->n_rows * 20);
    if (!status) {
        c->numeric = read_numbers(c, t, labels, values, classes);
        c->category = c->category || !c->numeric;
    }
    if (!status && !c->category)
        status = cut(c, t->ctx, values, classes, how, err);
    glim__free(t->ctx, values);
    glim__free(t->ctx, classes);
    return status;
}

static glim_status count_words(glim_column *c, const glim_table *t, glim_error *err) {
    glim_map seen;
    glim_status status = GLIM_OK;
    glim__map_init(&seen, t->ctx);
    for (size_t i = 0; i < t->n_rows && !status; i++) {
        const char *cell = glim__table_cell(t, i, c->at);
        if (!glim__table_missing(cell) && !glim__map_set(&seen, cell, strlen(cell), 0, NULL))
            status = glim__oom(t->ctx, err, "the values of a column", t->n_rows);
    }
    c->values = seen.count;
    glim__map_release(&seen);
    return status;
}

/* Which rows have a cell there; a list only when some have none. */
static glim_status find_rows(glim_column *c, const glim_table *t, glim_arena *arena,
                             glim_error *err) {
    c->there = 0;
    for (size_t i = 0; i < t->n_rows; i++)
        c->there += !glim__table_missing(glim__table_cell(t, i, c->at));
    if (c->there == t->n_rows)
        return GLIM_OK;
    c->rows = glim__arena_alloc(arena, (c->there + 1) * sizeof *c->rows);
    if (!c->rows)
        return glim__oom(t->ctx, err, "a column", c->there * sizeof *c->rows);
    for (size_t i = 0, n = 0; i < t->n_rows; i++)
        if (!glim__table_missing(glim__table_cell(t, i, c->at)))
            c->rows[n++] = (uint32_t)i;
    return GLIM_OK;
}

glim_status glim__column_learn(glim_column *c, const glim_table *t, glim_arena *arena,
                               glim_discretizer how, const int32_t *labels, glim_error *err) {
    c->name = t->columns[c->at];
    glim_status status = learn_numbers(c, t, how, labels, err);
    if (!status && c->category)
        status = find_rows(c, t, arena, err);
    if (!status && c->category)
        status = count_words(c, t, err);
    c->constant = c->values < 2;
    return status ? status : glim__check_cancel(t->ctx, err);
}

void glim__column_rule(glim_buffer *out, const glim_column *c, glim_discretizer how,
                       const char *cell) {
    double x;
    if (glim__table_missing(cell)) {
        glim__buffer_printf(out, "%s is missing", c->name);
    } else if (c->category || c->constant || !glim__table_number(cell, &x)) {
        glim__buffer_printf(out, "%s = %s", c->name, cell);
    } else if (how == GLIM_BINS_NONE) {
        glim__buffer_printf(out, "%s per %.3g", c->name, c->deviation);
    } else {
        size_t b = glim__column_bin(c, x);
        if (!b)
            glim__buffer_printf(out, "%s <= %.6g", c->name, c->cuts[0]);
        else if (b == c->n_cuts)
            glim__buffer_printf(out, "%s > %.6g", c->name, c->cuts[b - 1]);
        else
            glim__buffer_printf(out, "%s in (%.6g, %.6g]", c->name, c->cuts[b - 1], c->cuts[b]);
    }
}
