/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ends of columns that stream by: a heap of the highest and one of the lowest samples
 * of each, whose roots are the next to go. Mean and deviation by Welford's sums (1962), in
 * sample order, so that bits do not depend on the blocks.
 */
#include "base/context.h"

#include <glim/influence.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct heap {
    glim_influence_entry *at;
    size_t n;
    double sign; /* 1: the highest values stay; -1: the lowest */
};

struct column {
    struct heap high, low;
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

/* Whether a is the first to go of the two: less extreme, and of equal ones the later. */
static bool weaker(const struct heap *h, glim_influence_entry a, glim_influence_entry b) {
    double d = h->sign * (a.value - b.value);
    return d < 0 || (d == 0 && a.sample > b.sample);
}

static void sift_down(struct heap *h) {
    size_t i = 0;
    for (;;) {
        size_t weakest = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < h->n; child++)
            if (weaker(h, h->at[child], h->at[weakest]))
                weakest = child;
        if (weakest == i)
            return;
        glim_influence_entry swap = h->at[i];
        h->at[i] = h->at[weakest];
        h->at[weakest] = swap;
        i = weakest;
    }
}

static void offer(struct heap *h, size_t most, glim_influence_entry e) {
    if (h->n == most) {
        if (!most || weaker(h, e, h->at[0]))
            return;
        h->at[0] = e;
        sift_down(h);
        return;
    }
    size_t i = h->n++;
    h->at[i] = e;
    for (size_t up = (i - 1) / 2; i && weaker(h, h->at[i], h->at[up]); up = (i - 1) / 2) {
        glim_influence_entry swap = h->at[i];
        h->at[i] = h->at[up];
        h->at[up] = swap;
        i = up;
    }
}

static void take_value(glim_extremes *e, size_t k, size_t sample, double value) {
    struct column *c = &e->of[k];
    const glim_influence_column *what = &e->columns[k];
    if (isnan(value))
        return;
    glim_influence_entry entry = {sample, value};
    offer(&c->high, e->most, entry);
    offer(&c->low, e->most, entry);
    c->ends.defined++;
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
        e->of[k].high = (struct heap){.at = at, .sign = 1};
        e->of[k].low = (struct heap){.at = at + room, .sign = -1};
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

static int by_strength(const void *a, const void *b, void *heap) {
    const glim_influence_entry *x = a, *y = b;
    return weaker(heap, *x, *y) ? 1 : weaker(heap, *y, *x) ? -1 : 0;
}

static void hand_out(struct heap *h, glim_influence_entry *out) {
    memcpy(out, h->at, h->n * sizeof *out);
    qsort_r(out, h->n, sizeof *out, by_strength, h);
}

const glim_influence_ends *glim_extremes_column(glim_extremes *e, size_t column) {
    struct column *c = &e->of[column];
    glim_influence_ends *out = &c->ends;
    size_t n = out->defined, most = e->most;
    hand_out(&c->high, out->high);
    hand_out(&c->low, out->low);
    /* Fewer samples than both ends take: the upper half is high. */
    out->n_high = n >= 2 * most ? most : (n + 1) / 2 < most ? (n + 1) / 2 : most;
    out->n_low = n - out->n_high < most ? n - out->n_high : most;
    out->mean = n ? c->mean : NAN;
    out->deviation = n ? sqrt(c->squares / (double)n) : NAN;
    return out;
}
