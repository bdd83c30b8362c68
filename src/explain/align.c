/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Links from a matrix of scores. Rules work on flags (T, S), one byte a pair: sentences
 * are short, and so sets, neighbours and order cost nothing to think about.
 *
 *   argmax               best source word of each target word, if at least 1/S
 *   intersection         best both ways
 *   softmax-threshold    P = softmax of rows, Q = softmax of columns, P > c and Q > c
 *                        (Dou, Neubig 2021)
 *   grow-diag-final-and  the intersection grows through neighbours in the union; then
 *                        pairs of words that are both still alone (Koehn et al. 2005)
 */
#include "explain/align.h"

#include <math.h>
#include <string.h>

static const char *const names[] = {"argmax", "intersection", "softmax-threshold",
                                    "grow-diag-final-and"};

const char *glim__extract_name(glim_extract rule) {
    return names[rule];
}

glim_extract glim__extract_find(const char *name) {
    int i = 0;
    while (i < GLIM_EXTRACT_RULES && strcmp(names[i], name) != 0)
        i++;
    return (glim_extract)i;
}

void glim__links_free(glim_links *links) {
    if (!links)
        return;
    glim__free(links->ctx, links->at);
    *links = (glim_links){0};
}

struct grid {
    const double *m;
    size_t T, S;
    uint8_t *forward, *backward, *chosen; /* (T, S) each */
    uint8_t *row, *column;                /* words that have a link: [T], [S] */
};

/* ---- best ones ---- */

/* The index of the largest of n numbers with a step between them; n when none is. */
static size_t best(const double *x, size_t n, size_t step) {
    size_t at = n;
    for (size_t i = 0; i < n; i++)
        if (!isnan(x[i * step]) && (at == n || x[i * step] > x[at * step]))
            at = i;
    return at;
}

static void mark_best(struct grid *g) {
    for (size_t t = 0; t < g->T; t++) {
        size_t s = best(g->m + t * g->S, g->S, 1);
        if (s < g->S && g->m[t * g->S + s] * (double)g->S >= 1 - 1e-9)
            g->forward[t * g->S + s] = 1;
    }
    for (size_t s = 0; s < g->S; s++) {
        size_t t = best(g->m + s, g->T, g->S);
        if (t < g->T && g->m[t * g->S + s] > 0)
            g->backward[t * g->S + s] = 1;
    }
}

/* ---- softmax ---- */

/* log(sum(exp(x))) of those that are numbers. */
static double log_sum(const double *x, size_t n, size_t step) {
    size_t at = best(x, n, step);
    double sum = 0;
    if (at == n || isinf(x[at * step]))
        return at == n ? NAN : x[at * step];
    for (size_t i = 0; i < n; i++)
        sum += isnan(x[i * step]) ? 0 : exp(x[i * step] - x[at * step]);
    return x[at * step] + log(sum);
}

static void mark_softmax(struct grid *g, double threshold) {
    for (size_t t = 0; t < g->T; t++) {
        double of_row = log_sum(g->m + t * g->S, g->S, 1);
        for (size_t s = 0; s < g->S; s++)
            g->forward[t * g->S + s] = exp(g->m[t * g->S + s] - of_row) > threshold;
    }
    for (size_t s = 0; s < g->S; s++) {
        double of_column = log_sum(g->m + s, g->T, g->S);
        for (size_t t = 0; t < g->T; t++)
            g->chosen[t * g->S + s] =
                g->forward[t * g->S + s] && exp(g->m[t * g->S + s] - of_column) > threshold;
    }
}

/* ---- growing ---- */

static void take(struct grid *g, size_t t, size_t s) {
    g->chosen[t * g->S + s] = g->row[t] = g->column[s] = 1;
}

static void intersect(struct grid *g) {
    for (size_t t = 0; t < g->T; t++)
        for (size_t s = 0; s < g->S; s++)
            if (g->forward[t * g->S + s] && g->backward[t * g->S + s])
                take(g, t, s);
}

/* Takes the neighbours of a link that are in the union and link a word that has none;
   whether there was one. */
static bool grow_from(struct grid *g, size_t t, size_t s) {
    bool grown = false;
    for (size_t i = t ? t - 1 : 0; i <= t + 1 && i < g->T; i++)
        for (size_t k = s ? s - 1 : 0; k <= s + 1 && k < g->S; k++) {
            size_t at = i * g->S + k;
            if (g->chosen[at] || (g->row[i] && g->column[k]) ||
                !(g->forward[at] || g->backward[at]))
                continue;
            take(g, i, k);
            grown = true;
        }
    return grown;
}

static void grow(struct grid *g) {
    for (bool grown = true; grown;) {
        grown = false;
        for (size_t t = 0; t < g->T; t++)
            for (size_t s = 0; s < g->S; s++)
                if (g->chosen[t * g->S + s])
                    grown = grow_from(g, t, s) || grown;
    }
}

static void final_and(struct grid *g, const uint8_t *way) {
    for (size_t t = 0; t < g->T; t++)
        for (size_t s = 0; s < g->S; s++)
            if (way[t * g->S + s] && !g->row[t] && !g->column[s])
                take(g, t, s);
}

static void choose(struct grid *g, glim_extract rule, double threshold) {
    if (rule == GLIM_EXTRACT_SOFTMAX) {
        mark_softmax(g, threshold);
        return;
    }
    mark_best(g);
    if (rule == GLIM_EXTRACT_ARGMAX) {
        memcpy(g->chosen, g->forward, g->T * g->S);
        return;
    }
    intersect(g);
    if (rule != GLIM_EXTRACT_GROW)
        return;
    grow(g);
    final_and(g, g->forward);
    final_and(g, g->backward);
}

static glim_status collect(glim_links *out, const struct grid *g, glim_error *err) {
    size_t n = 0;
    for (size_t i = 0; i < g->T * g->S; i++)
        n += g->chosen[i];
    out->at = glim__calloc(out->ctx, n + 1, sizeof *out->at);
    if (!out->at)
        return glim__oom(out->ctx, err, "the links", n * sizeof *out->at);
    for (size_t i = 0; i < g->T * g->S; i++)
        if (g->chosen[i])
            out->at[out->count++] = (glim_link){(uint32_t)(i % g->S), (uint32_t)(i / g->S), true};
    return GLIM_OK;
}

glim_status glim__extract_links(glim_links *out, glim_context *ctx, const double *m, size_t T,
                                size_t S, glim_extract rule, double threshold, glim_error *err) {
    size_t n = T * S;
    uint8_t *flags = glim__calloc(ctx, 3 * n + T + S + 1, 1);
    *out = (glim_links){.ctx = ctx};
    if (!flags)
        return glim__oom(ctx, err, "the links", 3 * n);
    struct grid g = {.m = m,
                     .T = T,
                     .S = S,
                     .forward = flags,
                     .backward = flags + n,
                     .chosen = flags + 2 * n,
                     .row = flags + 3 * n,
                     .column = flags + 3 * n + T};
    choose(&g, rule, threshold);
    glim_status status = collect(out, &g, err);
    glim__free(ctx, flags);
    return status;
}

/* ---- the error rate ---- */

void glim__aer_add(glim_aer *sum, const glim_links *gold, const glim_links *links) {
    sum->a += links->count;
    for (size_t i = 0; i < gold->count; i++)
        sum->s += gold->at[i].sure;
    for (size_t i = 0; i < links->count; i++)
        for (size_t k = 0; k < gold->count; k++)
            if (gold->at[k].source == links->at[i].source &&
                gold->at[k].target == links->at[i].target) {
                sum->a_and_p++;
                sum->a_and_s += gold->at[k].sure;
            }
}

static double share(size_t part, size_t all) {
    return all ? (double)part / (double)all : NAN;
}

double glim__aer(const glim_aer *sum) {
    return 1 - share(sum->a_and_p + sum->a_and_s, sum->a + sum->s);
}

double glim__aer_precision(const glim_aer *sum) {
    return share(sum->a_and_p, sum->a);
}

double glim__aer_recall(const glim_aer *sum) {
    return share(sum->a_and_s, sum->s);
}
