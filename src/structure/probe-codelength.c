/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Minimum description length by an online code (Voita, Titov 2020): the labels are sent in
 * pieces, each by the probabilities of a probe fitted on what was sent before,
 *
 *   L = - sum_i log2 p_i(labels t_i+1 .. t_i+1),  t = 0, 0.1, 0.2, 0.4, ... 100 %
 *   p_i = (t_i p_probe + 1 / K) / (t_i + 1)
 *
 * so the first piece has a flat code, and no label costs more than log2 K (t + 1) bits: what a
 * probe says for certain after three rows would else be the most of the code, and a class that
 * was not seen yet have none. This costs 14 bits in all at most. Rows come in the order of
 * groups that were shuffled once; a piece ends where a group does. A strength is chosen anew
 * for each piece, from what was sent.
 *
 * Numbers are sent to a hundredth of their standard deviation. What knows nothing has one normal
 * density, of all of them, in the place of 1 / K; a probe one around what it says, as wide as its
 * errors were on the piece before, which it had not seen (on the first, as what was sent).
 */
#include "base/rng.h"
#include "structure/probe-rows.h"

#include <math.h>

enum { PIECES = 11 };

static const double ENDS[PIECES] = {0.001,  0.002, 0.004, 0.008, 0.016, 0.032,
                                    0.0625, 0.125, 0.25,  0.5,   1};

struct code {
    const glim_probe_learner *l;
    uint32_t *rows; /* (n) in the order that they are sent */
    size_t *ends;   /* (n) 1 where a group ends */
    double *said;
    double bits;
    double mean, variance; /* numbers: of all of them */
    double wide;           /* variance of the probe's density */
};

static const double PRECISION = 0.01; /* of the standard deviation */

double glim__probe_flat_bits(const glim_probe_target *t) {
    return (double)t->n * (t->values ? log2(2 * M_PI * M_E / (PRECISION * PRECISION)) / 2
                                     : log2((double)t->n_classes));
}

static void moments(const struct code *c, size_t n, double *mean, double *variance) {
    const double *y = c->l->target.values;
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++)
        sum += y[c->rows[i]] / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += (y[c->rows[i]] - sum) * (y[c->rows[i]] - sum) / (double)n;
    *mean = sum;
    *variance = squares;
}

/* Of a step of PRECISION at y. */
static double chance(const struct code *c, double y, double mean, double variance) {
    double z = (y - mean) * (y - mean) / variance;
    return PRECISION * sqrt(c->variance / (2 * M_PI * variance)) * exp(-z / 2);
}

/* Rows by groups, the groups shuffled. */
static bool order_rows(struct code *c) {
    const glim_probe_target *t = &c->l->target;
    glim_context *ctx = c->l->ctx;
    size_t G = t->n_groups, *first = glim__calloc(ctx, G + 1, sizeof *first);
    uint32_t *order = glim__calloc(ctx, G + 1, sizeof *order);
    bool ok = first && order;
    for (size_t g = 0; g < G && ok; g++)
        order[g] = (uint32_t)g;
    for (size_t i = G; i > 1 && ok; i--) {
        uint32_t k = glim__rng_below(c->l->how->seed, 0x636f6465, i, (uint32_t)i);
        uint32_t swap = order[i - 1];
        order[i - 1] = order[k];
        order[k] = swap;
    }
    for (size_t i = 0; i < t->n && ok; i++) /* sizes, then where each begins */
        first[t->group[i]]++;
    for (size_t g = 0, at = 0; g < G && ok; g++) {
        size_t size = first[order[g]];
        first[order[g]] = at;
        at += size;
        c->ends[at - 1] = 1;
    }
    for (size_t i = 0; i < t->n && ok; i++)
        c->rows[first[t->group[i]]++] = (uint32_t)i;
    glim__free(ctx, first);
    glim__free(ctx, order);
    return ok;
}

/* Whether more than one class, or number, was sent. */
static bool can_fit(const struct code *c, size_t sent) {
    const glim_probe_target *t = &c->l->target;
    for (size_t i = 1; i < sent; i++)
        if (t->values ? t->values[c->rows[i]] != t->values[c->rows[0]]
                      : t->labels[c->rows[i]] != t->labels[c->rows[0]])
            return true;
    return false;
}

static void count_classes(struct code *c, size_t sent, size_t to, bool fits) {
    const glim_probe_target *t = &c->l->target;
    size_t K = t->n_classes;
    double before = (double)sent;
    for (size_t i = sent; i < to; i++) {
        int32_t y = t->labels[c->rows[i]];
        double p =
            fits ? exp(c->said[(i - sent) * K + (size_t)y]) : sent && y == t->labels[c->rows[0]];
        c->bits -= log2((before * p + 1 / (double)K) / (before + 1));
    }
}

static void count_numbers(struct code *c, size_t sent, size_t to, bool fits) {
    double least = PRECISION * PRECISION * c->variance / 12, errors = 0, mean,
           before = (double)sent;
    if (fits && !(c->wide > 0))
        moments(c, sent, &mean, &c->wide);
    c->wide = fits && c->wide < least ? least : c->wide; /* no less than rounding */
    for (size_t i = sent; i < to; i++) {
        double y = c->l->target.values[c->rows[i]], said = fits ? c->said[i - sent] : c->mean;
        double flat = chance(c, y, c->mean, c->variance);
        double p = fits ? chance(c, y, said, c->wide) : flat;
        c->bits -= log2((before * p + flat) / (before + 1));
        errors += (y - said) * (y - said) / (double)(to - sent);
    }
    if (fits)
        c->wide = errors;
}

static glim_status send(struct code *c, size_t sent, size_t to, uint64_t stream, glim_error *err) {
    double strength = 1;
    bool fits = can_fit(c, sent);
    glim_status status = GLIM_OK;
    if (fits)
        status = glim__probe_choose(c->l, c->rows, sent, 0x6d646c00 + stream, &strength, err);
    if (!status && fits)
        status = glim__probe_fit(c->l, c->rows, sent, strength, 0x6d646c00 + stream, c->rows + sent,
                                 to - sent, c->said, err);
    if (!status && c->l->target.values)
        count_numbers(c, sent, to, fits);
    else if (!status)
        count_classes(c, sent, to, fits);
    return status;
}

glim_status glim__probe_codelength(const glim_probe_learner *l, double *bits, glim_error *err) {
    const glim_probe_target *t = &l->target;
    size_t n = t->n, K = glim__probe_outputs(t), sent = 0;
    struct code c = {.l = l,
                     .rows = glim__calloc(l->ctx, n, sizeof *c.rows),
                     .ends = glim__calloc(l->ctx, n, sizeof *c.ends),
                     .said = glim__calloc(l->ctx, n, K * sizeof *c.said)};
    glim_status status = GLIM_OK;
    if (!c.rows || !c.ends || !c.said || !order_rows(&c))
        status = glim__oom(l->ctx, err, "the code", n * K * sizeof *c.said);
    if (!status && t->values)
        moments(&c, n, &c.mean, &c.variance);
    for (size_t i = 0; i < PIECES && !status; i++) {
        size_t to = (size_t)ceil(ENDS[i] * (double)n - 1e-9);
        to = to < n ? to : n;
        while (to && to < n && !c.ends[to - 1])
            to++;
        if (to <= sent)
            continue;
        status = send(&c, sent, to, i, err);
        sent = to;
    }
    *bits = c.bits;
    glim__free(l->ctx, c.rows);
    glim__free(l->ctx, c.ends);
    glim__free(l->ctx, c.said);
    return status;
}
