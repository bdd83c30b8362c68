/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Folds that keep groups whole. Groups come in random order, large ones before small ones, and
 * each goes where its classes are scarcest so far; of equal folds to the smallest. Groups of
 * one row are dealt out evenly by this, each class by itself.
 */
#include "base/rng.h"
#include "structure/probe-rows.h"

#include <stdlib.h>

struct place {
    size_t first, count; /* in `order` */
    uint32_t rank;       /* random */
};

struct split {
    uint32_t *local; /* (n_groups) 1 + index of its place; 0: not there */
    uint32_t *order; /* (n) indices into rows, by group */
    struct place *places;
    size_t n_places;
    double *counts; /* (folds, classes) */
    double *totals; /* (classes) */
    size_t *sizes;  /* (folds) */
};

static int by_size(const void *a, const void *b) {
    const struct place *x = a, *y = b;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return (x->rank > y->rank) - (x->rank < y->rank);
}

static size_t class_of(const glim_probe_target *t, uint32_t row) {
    return t->values ? 0 : (size_t)t->labels[row];
}

static void find_groups(struct split *s, const glim_probe_target *t, const uint32_t *rows,
                        size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint32_t *at = &s->local[t->group[rows[i]]];
        if (!*at)
            *at = (uint32_t)++s->n_places;
        s->places[*at - 1].count++;
    }
    for (size_t i = 1; i < s->n_places; i++)
        s->places[i].first = s->places[i - 1].first + s->places[i - 1].count;
    for (size_t i = 0; i < s->n_places; i++)
        s->places[i].count = 0;
    for (size_t i = 0; i < n; i++) {
        struct place *p = &s->places[s->local[t->group[rows[i]]] - 1];
        s->order[p->first + p->count++] = (uint32_t)i;
    }
}

static void shuffle(struct split *s, uint64_t seed, uint64_t stream) {
    for (size_t i = 0; i < s->n_places; i++)
        s->places[i].rank = (uint32_t)i;
    for (size_t i = s->n_places; i > 1; i--) {
        uint32_t k = glim__rng_below(seed, stream, i, (uint32_t)i), swap = s->places[i - 1].rank;
        s->places[i - 1].rank = s->places[k].rank;
        s->places[k].rank = swap;
    }
    qsort(s->places, s->n_places, sizeof *s->places, by_size);
}

static void deal(struct split *s, const glim_probe_target *t, const uint32_t *rows, size_t folds,
                 int32_t *fold) {
    size_t K = t->values ? 1 : t->n_classes;
    for (size_t g = 0; g < s->n_places; g++) {
        const uint32_t *own = s->order + s->places[g].first;
        size_t count = s->places[g].count, best = 0;
        double least = 0;
        for (size_t f = 0; f < folds; f++) {
            double cost = 0;
            for (size_t i = 0; i < count; i++) {
                size_t k = class_of(t, rows[own[i]]);
                cost += s->counts[f * K + k] / s->totals[k];
            }
            if (!f || cost < least || (cost <= least && s->sizes[f] < s->sizes[best])) {
                least = cost;
                best = f;
            }
        }
        for (size_t i = 0; i < count; i++) {
            fold[own[i]] = (int32_t)best;
            s->counts[best * K + class_of(t, rows[own[i]])]++;
        }
        s->sizes[best] += count;
    }
}

glim_status glim__probe_split(glim_context *ctx, const glim_probe_target *t, const uint32_t *rows,
                              size_t n, size_t folds, uint64_t seed, uint64_t stream, int32_t *fold,
                              glim_error *err) {
    size_t K = t->values ? 1 : t->n_classes;
    struct split s = {.local = glim__calloc(ctx, t->n_groups + 1, sizeof *s.local),
                      .order = glim__calloc(ctx, n + 1, sizeof *s.order),
                      .places = glim__calloc(ctx, n + 1, sizeof *s.places),
                      .counts = glim__calloc(ctx, folds * K + 1, sizeof *s.counts),
                      .totals = glim__calloc(ctx, K + 1, sizeof *s.totals),
                      .sizes = glim__calloc(ctx, folds + 1, sizeof *s.sizes)};
    bool ok = s.local && s.order && s.places && s.counts && s.totals && s.sizes;
    if (ok) {
        find_groups(&s, t, rows, n);
        shuffle(&s, seed, stream);
        for (size_t i = 0; i < n; i++)
            s.totals[class_of(t, rows[i])]++;
        deal(&s, t, rows, folds, fold);
    }
    glim_status status = ok ? GLIM_OK : glim__oom(ctx, err, "the folds", n * 32);
    glim__free(ctx, s.local);
    glim__free(ctx, s.order);
    glim__free(ctx, s.places);
    glim__free(ctx, s.counts);
    glim__free(ctx, s.totals);
    glim__free(ctx, s.sizes);
    return status;
}

size_t glim__probe_groups(glim_context *ctx, const glim_probe_target *t, const uint32_t *rows,
                          size_t n) {
    uint8_t *seen = glim__calloc(ctx, t->n_groups + 1, 1);
    size_t groups = 0;
    if (!seen)
        return SIZE_MAX;
    for (size_t i = 0; i < n; i++) {
        groups += !seen[t->group[rows[i]]];
        seen[t->group[rows[i]]] = 1;
    }
    glim__free(ctx, seen);
    return groups;
}
