/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Minimum description length by an online code (Voita, Titov 2020): the labels are sent in
 * pieces, each by the probabilities of a probe fitted on what was sent before,
 *
 *   L = t_1 log2 K - sum_i log2 p_i(labels t_i+1 .. t_i+1),  t = 0.1, 0.2, 0.4, ... 100 %
 *
 * Rows come in the order of groups that were shuffled once; a piece ends where a group does.
 * A strength is chosen anew for each piece, from what was sent. Classes that were not seen
 * yet share the probability unseen / (t + K), each the same, and the others what is left:
 * without that the code of a first sight would be as long as the fit is exact.
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
    uint8_t *seen;  /* (K) */
    double *said;
    double bits;
};

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

/* The bits of a row's label after `sent` rows. */
static double row_bits(const struct code *c, const double *logs, size_t y, size_t sent,
                       size_t unseen) {
    size_t K = c->l->target.n_classes;
    double escape = (double)unseen / (double)(sent + K), known = 0;
    if (!c->seen[y])
        return log2((double)(sent + K));
    if (!unseen)
        return -logs[y] / log(2);
    for (size_t k = 0; k < K; k++)
        known += c->seen[k] ? exp(logs[k]) : 0;
    return -(logs[y] - log(known) + log1p(-escape)) / log(2);
}

static glim_status send(struct code *c, size_t sent, size_t to, uint64_t stream, glim_error *err) {
    const glim_probe_target *t = &c->l->target;
    size_t K = t->n_classes, unseen = K;
    double strength = 1;
    for (size_t i = 0; i < sent; i++)
        c->seen[t->labels[c->rows[i]]] = 1;
    for (size_t k = 0; k < K; k++)
        unseen -= c->seen[k];
    glim_status status = GLIM_OK;
    if (unseen + 1 < K) { /* with one class there is nothing to fit */
        status = glim__probe_choose(c->l, c->rows, sent, 0x6d646c00 + stream, &strength, err);
        if (!status)
            status = glim__probe_fit(c->l, c->rows, sent, strength, 0x6d646c00 + stream,
                                     c->rows + sent, to - sent, c->said, err);
    }
    for (size_t i = sent; i < to && !status; i++) {
        double *logs = c->said + (i - sent) * K;
        for (size_t k = 0; k < K && unseen + 1 == K; k++)
            logs[k] = c->seen[k] ? 0 : -INFINITY;
        c->bits += row_bits(c, logs, (size_t)t->labels[c->rows[i]], sent, unseen);
    }
    return status;
}

glim_status glim__probe_codelength(const glim_probe_learner *l, double *bits, glim_error *err) {
    const glim_probe_target *t = &l->target;
    size_t n = t->n, K = t->n_classes, sent = 0;
    struct code c = {.l = l,
                     .rows = glim__calloc(l->ctx, n, sizeof *c.rows),
                     .ends = glim__calloc(l->ctx, n, sizeof *c.ends),
                     .seen = glim__calloc(l->ctx, K, 1),
                     .said = glim__calloc(l->ctx, n, K * sizeof *c.said)};
    glim_status status = GLIM_OK;
    if (!c.rows || !c.ends || !c.seen || !c.said || !order_rows(&c))
        status = glim__oom(l->ctx, err, "the code", n * K * sizeof *c.said);
    for (size_t i = 0; i < PIECES && !status; i++) {
        size_t to = (size_t)ceil(ENDS[i] * (double)n - 1e-9);
        to = to < n ? to : n;
        while (to && to < n && !c.ends[to - 1])
            to++;
        if (to <= sent)
            continue;
        if (!sent)
            c.bits = (double)to * log2((double)K);
        else
            status = send(&c, sent, to, i, err);
        sent = to;
    }
    *bits = c.bits;
    glim__free(l->ctx, c.rows);
    glim__free(l->ctx, c.ends);
    glim__free(l->ctx, c.seen);
    glim__free(l->ctx, c.said);
    return status;
}
