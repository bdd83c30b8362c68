/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What reads no layer. Of texts: how often each of the 1,000 most common tokens is in them,
 * in a linear probe (a bag of words, in the model's own). Of words: the tag that a spelling had
 * most often among the rows that are fitted; for one that was not there the most frequent tag.
 */
#include "structure/probe-baseline.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 1000 };

/* ---- texts ---- */

struct token {
    int32_t id;
    uint32_t texts, last; /* how many have it; 1 + the last of them */
};

static int by_use(const void *a, const void *b) {
    const struct token *x = a, *y = b;
    if (x->texts != y->texts)
        return x->texts > y->texts ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

/* Columns of ids: place[id] is 1 + the column, or 0. */
static size_t choose(const glim_probe_inputs *in, struct token *all, size_t V, uint32_t *place) {
    for (size_t v = 0; v < V; v++)
        all[v].id = (int32_t)v;
    for (size_t i = 0; i < in->n; i++)
        for (size_t k = 0; k < in->at[i].n; k++) {
            struct token *t = &all[in->at[i].ids[k]];
            t->texts += t->last != i + 1;
            t->last = (uint32_t)i + 1;
        }
    qsort(all, V, sizeof *all, by_use);
    size_t n = 0;
    while (n < V && n < MOST && all[n].texts > 1)
        n++;
    for (size_t c = 0; c < n; c++)
        place[all[c].id] = (uint32_t)c + 1;
    return n;
}

static glim_status probe_bag(const glim_probe_learner *l, const glim_probe_folds *folds,
                             const glim_probe_inputs *in, const uint32_t *place, size_t width,
                             glim_probe_layer *out, glim_error *err) {
    glim_probe_how how = *l->how;
    glim_probe_learner bag = *l;
    float *x = glim__calloc(l->ctx, l->target.n, width * sizeof *x);
    if (!x)
        return glim__oom(l->ctx, err, "the bags of words", l->target.n * width * sizeof *x);
    for (size_t i = 0; i < in->n; i++) {
        float *row = x + i * width;
        for (size_t k = 0; k < in->at[i].n; k++)
            if (place[in->at[i].ids[k]])
                row[place[in->at[i].ids[k]] - 1]++;
        for (size_t c = 0; c < width; c++)
            row[c] = log1pf(row[c]);
    }
    how.kind = GLIM_PROBE_LINEAR;
    bag.how = &how;
    bag.x = x;
    bag.width = width;
    glim_status status = glim__probe_layer(&bag, folds, true, out, err);
    glim__free(l->ctx, x);
    return status;
}

uint64_t glim__probe_baseline_plan(const glim_probe_target *t, const glim_probe_how *how) {
    return t->type ? 4 * (uint64_t)t->n_types * t->n_classes
                   : 4 * (uint64_t)t->n * MOST + glim__probe_layer_plan(t, how, MOST);
}

/* ---- words ---- */

struct usual {
    const glim_probe_target *t;
    uint32_t *counts; /* (n_types + 1, K); the last row: of all */
    glim_probe_sums *sums;
};

static size_t most_frequent(const uint32_t *counts, size_t K) {
    size_t best = 0;
    for (size_t k = 1; k < K; k++)
        best = counts[k] > counts[best] ? k : best;
    return counts[best] ? best : SIZE_MAX;
}

static void count_fold(struct usual *u, const int32_t *fold, int32_t f, double share) {
    const glim_probe_target *t = u->t;
    size_t K = t->n_classes;
    memset(u->counts, 0, (t->n_types + 1) * K * sizeof *u->counts);
    for (size_t i = 0; i < t->n; i++)
        if (fold[i] != f) {
            u->counts[t->type[i] * K + (size_t)t->labels[i]]++;
            u->counts[t->n_types * K + (size_t)t->labels[i]]++;
        }
    size_t usual = most_frequent(u->counts + t->n_types * K, K);
    for (size_t i = 0; i < t->n; i++) {
        if (fold[i] != f)
            continue;
        size_t best = most_frequent(u->counts + t->type[i] * K, K);
        best = best == SIZE_MAX ? usual : best;
        u->sums[t->group[i]].n += share;
        u->sums[t->group[i]].wrong += best == (size_t)t->labels[i] ? 0 : share;
    }
}

static glim_status probe_types(const glim_probe_learner *l, const glim_probe_folds *folds,
                               glim_probe_layer *out, glim_error *err) {
    const glim_probe_target *t = &l->target;
    const glim_probe_how *how = l->how;
    struct usual u = {.t = t,
                      .counts = glim__calloc(l->ctx, t->n_types + 1, t->n_classes * 4),
                      .sums = glim__calloc(l->ctx, t->n_groups, sizeof *u.sums)};
    glim_status status = u.counts && u.sums
                             ? GLIM_OK
                             : glim__oom(l->ctx, err, "the words", t->n_types * t->n_classes * 4);
    for (size_t r = 0; r < how->repeats && !status; r++)
        for (size_t f = 0; f < how->folds; f++)
            count_fold(&u, folds->fold + r * t->n, (int32_t)f, 1 / (double)how->repeats);
    glim_probe_sums all = {0};
    for (size_t g = 0; g < t->n_groups && !status; g++) {
        all.n += u.sums[g].n;
        all.wrong += u.sums[g].wrong;
    }
    if (!status) {
        out->task.value = glim__probe_value(&all, false, false);
        status =
            glim__probe_intervals(l->ctx, u.sums, t->n_groups, false, false, how->seed, out, err);
    }
    out->done = !status;
    glim__progress_add(l->ctx, how->repeats * how->folds);
    glim__free(l->ctx, u.counts);
    glim__free(l->ctx, u.sums);
    return status;
}

glim_status glim__probe_baseline(const glim_probe_learner *l, const glim_probe_folds *folds,
                                 const glim_probe_inputs *in, size_t vocabulary,
                                 glim_probe_layer *out, glim_error *err) {
    if (l->target.type)
        return probe_types(l, folds, out, err);
    struct token *all = glim__calloc(l->ctx, vocabulary, sizeof *all);
    uint32_t *place = glim__calloc(l->ctx, vocabulary, sizeof *place);
    glim_status status = GLIM_OK;
    size_t width = 0;
    if (all && place)
        width = choose(in, all, vocabulary, place);
    else
        status = glim__oom(l->ctx, err, "the words", vocabulary * sizeof *all);
    glim__free(l->ctx, all);
    if (!status && width)
        status = probe_bag(l, folds, in, place, width, out, err);
    glim__free(l->ctx, place);
    return status;
}
