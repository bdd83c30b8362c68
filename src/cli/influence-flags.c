/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Samples that want a look: likely mislabelled (the fit leans on them, and says another
 * class), far from the others (leverage), influential; and samples that are the same to
 * the model.
 */
#include "cli/influence.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

unsigned cli_sample_flags(cli_influence *c, size_t i) {
    const cli_mark *m = &c->marks[i];
    unsigned flags = 0;
    bool strong = (double)m->score > c->score_limit;
    if (!isnan(m->leverage) && (double)m->leverage > c->columns[c->leverage].threshold)
        flags |= CLI_FAR;
    if (strong)
        flags |= CLI_INFLUENTIAL;
    if (strong && c->head.logistic && m->loss > 0.69f && /* below a half: maybe another class */
        cli_sample_says(c, &c->train, i) != c->train.y[i])
        flags |= CLI_MISLABELLED;
    return flags;
}

static int first_larger(float x, float y, size_t i, size_t k) {
    return x != y ? (x > y ? -1 : 1) : i < k ? -1 : i > k;
}

static int by_mark(const void *a, const void *b, void *data) {
    const cli_mark *m = data;
    size_t i = *(const size_t *)a, k = *(const size_t *)b;
    return first_larger(m[i].score, m[k].score, i, k);
}

static int by_leverage(const void *a, const void *b, void *data) {
    const cli_mark *m = data;
    size_t i = *(const size_t *)a, k = *(const size_t *)b;
    return first_larger(m[i].leverage, m[k].leverage, i, k);
}

size_t cli_flagged(cli_influence *c, unsigned kinds, size_t most, size_t *out) {
    size_t n = 0, *all = glim__calloc(c->run->ctx, c->done + 1, sizeof *all);
    for (size_t i = 0; i < c->done && all; i++)
        if (cli_sample_flags(c, i) & kinds)
            all[n++] = i;
    if (all)
        qsort_r(all, n, sizeof *all, kinds == CLI_FAR ? by_leverage : by_mark, c->marks);
    for (size_t i = 0; i < n && i < most; i++)
        out[i] = all[i];
    glim__free(c->run->ctx, all);
    return n;
}

size_t cli_largest(cli_influence *c, size_t most, size_t *out) {
    size_t n = 0, *all = glim__calloc(c->run->ctx, c->done + 1, sizeof *all);
    for (size_t i = 0; i < c->done && all; i++)
        if (!isnan(c->marks[i].score))
            all[n++] = i;
    if (all)
        qsort_r(all, n, sizeof *all, by_mark, c->marks);
    n = n < most ? n : most;
    for (size_t i = 0; i < n; i++)
        out[i] = all[i];
    glim__free(c->run->ctx, all);
    return n;
}

/* ---- twins ---- */

static int by_features(const void *a, const void *b, void *data) {
    const cli_samples *s = data;
    size_t i = *(const size_t *)a, k = *(const size_t *)b;
    size_t bytes = s->width * (s->x ? sizeof *s->x : sizeof *s->x32);
    const char *x = s->x ? (const char *)s->x : (const char *)s->x32;
    int order = memcmp(x + i * bytes, x + k * bytes, bytes);
    return order ? order : i < k ? -1 : i > k;
}

static bool same_features(const cli_samples *s, size_t i, size_t k) {
    size_t n = s->width;
    return s->x ? !memcmp(s->x + i * n, s->x + k * n, n * sizeof *s->x)
                : !memcmp(s->x32 + i * n, s->x32 + k * n, n * sizeof *s->x32);
}

static glim_status find_twins(cli_influence *c) {
    cli_samples *s = &c->train;
    cli_twins *t = &c->twins;
    glim_context *ctx = c->run->ctx;
    size_t *order = glim__calloc(ctx, s->n + 1, sizeof *order);
    t->first = glim__calloc(ctx, 2 * CLI_TWINS, sizeof *t->first);
    if (!order || !t->first) {
        glim__free(ctx, order);
        return glim__oom(ctx, &c->run->err, "the order of samples", s->n * sizeof *order);
    }
    t->other = t->first + CLI_TWINS;
    for (size_t i = 0; i < s->n; i++)
        order[i] = i;
    qsort_r(order, s->n, sizeof *order, by_features, s);
    for (size_t i = 1, begun = 0; i < s->n; i++) {
        if (!same_features(s, order[i], order[begun])) {
            begun = i;
            continue;
        }
        bool differs = s->y[order[i]] != s->y[order[begun]];
        t->pairs++;
        t->groups += i == begun + 1;
        t->differing += differs;
        if (t->n < CLI_TWINS && (differs || t->n < CLI_TWINS / 2)) {
            t->first[t->n] = order[begun];
            t->other[t->n++] = order[i];
        }
    }
    glim__free(ctx, order);
    return GLIM_OK;
}

glim_status cli_influence_flags(cli_influence *c) {
    c->score_limit = NAN;
    if (c->score != SIZE_MAX) {
        const glim_influence_ends *e = glim_extremes_column(c->ends, c->score);
        c->score_limit = c->columns[c->score].threshold;
        if (isnan(c->score_limit)) /* self-influence has no convention */
            c->score_limit = e->mean + 3 * e->deviation;
    }
    return c->streams ? GLIM_OK : find_twins(c);
}
