/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ends of columns that stream by: a heap of the highest and one of the lowest samples
 * of each, whose roots are the next to go. Mean and deviation by Welford's sums (1962), in
 * sample order, so that bits do not depend on the blocks.
 */
#include "base/context.h"
#include "influence/strongest.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct column {
    glim_strongest high, low;
    double mean, squares;
    glim_influence_ends ends;
};

struct glim_extremes {
    glim_context *ctx;
    const glim_influence_column *columns;
    size_t n, most;
    struct column *of;
    glim_influence_entry *entries; /* (n, 4, most): heaps, and what is handed out */
};

/* Two bins become one, so that values twice as large find room. */
static void widen(glim_influence_ends *e) {
    enum { HALF = GLIM_INFLUENCE_BINS / 2, QUARTER = HALF / 2 };
    uint64_t old[GLIM_INFLUENCE_BINS];
    memcpy(old, e->bins, sizeof old);
    memset(e->bins, 0, sizeof e->bins);
    for (size_t i = 0; i < GLIM_INFLUENCE_BINS; i++)
        e->bins[QUARTER + i / 2] += old[i];
    e->reach *= 2;
}

/* The edges of narrow bins are edges of none but themselves and wider ones: the counts are those
   that bins of the last width would have had from the beginning. */
static void count_value(glim_influence_ends *e, double value) {
    int power;
    if (!isfinite(value))
        return;
    if (e->reach == 0 && value != 0) { /* zeros so far lie where the upper half begins */
        frexp(value, &power);
        e->reach = ldexp(1, power < -1000 ? -1000 : power);
    }
    while (fabs(value) >= e->reach && e->reach > 0 && isfinite(2 * e->reach))
        widen(e);
    double at = e->reach > 0 ? floor((value / e->reach + 1) * (GLIM_INFLUENCE_BINS / 2.0))
                             : GLIM_INFLUENCE_BINS / 2.0;
    at = fmin(fmax(at, 0), GLIM_INFLUENCE_BINS - 1);
    e->bins[(size_t)at]++;
}

static void take_value(glim_extremes *e, size_t k, size_t sample, double value) {
    struct column *c = &e->of[k];
    const glim_influence_column *what = &e->columns[k];
    if (isnan(value))
        return;
    glim_influence_entry entry = {sample, value};
    glim__strongest_offer(&c->high, entry);
    glim__strongest_offer(&c->low, entry);
    c->ends.defined++;
    count_value(&c->ends, value);
    double off = value - c->mean;
    c->mean += off / (double)c->ends.defined;
    c->squares += off * (value - c->mean);
    c->ends.beyond += (what->is_signed ? fabs(value) : value) > what->threshold;
}

static glim_status take(void *data, const glim_influence_block *block, glim_error *err) {
    glim_extremes *e = data;
    for (size_t i = 0; i < block->count; i++)
        for (size_t k = 0; k < e->n; k++)
            take_value(e, k, block->first + i, block->values[i * e->n + k]);
    return GLIM_OK;
}

glim_status glim_extremes_new(glim_extremes **out, glim_context *ctx,
                              const glim_influence_column *columns, size_t n_columns, size_t most,
                              glim_error *err) {
    *out = NULL;
    if (!n_columns)
        return glim_fail(err, GLIM_EUSAGE, "there is no column to keep the ends of");
    glim_extremes *e = glim__calloc(ctx, 1, sizeof *e);
    size_t room = most ? most : 1;
    if (e) {
        *e = (glim_extremes){.ctx = ctx, .columns = columns, .n = n_columns, .most = most};
        e->of = glim__calloc(ctx, n_columns, sizeof *e->of);
        e->entries = glim__calloc(ctx, n_columns * 4 * room, sizeof *e->entries);
    }
    if (!e || !e->of || !e->entries) {
        glim_extremes_free(e);
        return glim__oom(ctx, err, "the ends of columns",
                         n_columns * 4 * room * sizeof *e->entries);
    }
    for (size_t k = 0; k < n_columns; k++) {
        glim_influence_entry *at = e->entries + k * 4 * room;
        e->of[k].high = (glim_strongest){.at = at, .most = most, .sign = 1};
        e->of[k].low = (glim_strongest){.at = at + room, .most = most, .sign = -1};
        e->of[k].ends.high = at + 2 * room;
        e->of[k].ends.low = at + 3 * room;
    }
    *out = e;
    return GLIM_OK;
}

void glim_extremes_free(glim_extremes *e) {
    if (!e)
        return;
    glim_context *ctx = e->ctx;
    glim__free(ctx, e->of);
    glim__free(ctx, e->entries);
    glim__free(ctx, e);
}

glim_influence_sink glim_extremes_sink(glim_extremes *e) {
    return (glim_influence_sink){.take = take, .data = e};
}

const glim_influence_ends *glim_extremes_column(glim_extremes *e, size_t column) {
    struct column *c = &e->of[column];
    glim_influence_ends *out = &c->ends;
    size_t n = out->defined, most = e->most;
    glim__strongest_sorted(&c->high, out->high);
    glim__strongest_sorted(&c->low, out->low);
    /* Fewer samples than both ends take: the upper half is high. */
    out->n_high = n >= 2 * most ? most : (n + 1) / 2 < most ? (n + 1) / 2 : most;
    out->n_low = n - out->n_high < most ? n - out->n_high : most;
    out->mean = n ? c->mean : NAN;
    out->deviation = n ? sqrt(c->squares / (double)n) : NAN;
    return out;
}
