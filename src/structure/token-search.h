/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token-search.h: tokens that activate, found by gradients. What is climbed is a unit's value
 * of the text less lambda times the mean of -log p of its tokens, by the model itself.
 */
#ifndef GLIM_STRUCTURE_TOKEN_SEARCH_H
#define GLIM_STRUCTURE_TOKEN_SEARCH_H

#include "structure/maximize.h"
#include "structure/token-wording.h"

typedef struct glim_search {
    glim_context *ctx;
    const glim_model *m;
    const glim_maximize_options *o;
    glim_activation *a; /* of one unit; with lambda the whole model */
    glim_wording *w;
    glim_text_pool pool;
    double lambda;
    uint64_t stream;          /* of random numbers: which unit, which restart */
    bool shares;              /* candidates share what lies before their swap */
    size_t n, T, front;       /* tokens that are searched for; with those around them */
    int32_t *ids;             /* [T] */
    uint8_t *is_free, *types; /* [T] */
    float *values;            /* [T], or [1] of a whole text */
    double *terms;            /* [T] -log p of each token; NaN: of those that nothing precedes */
    double value, nll, score; /* score: what is climbed */
    float *d;                 /* (T, C) gradient of the score by embeddings */
    float *gain;              /* (n, V) first-order gain of a swap */
    size_t asked;
    uint64_t forward, backward;
} glim_search;

/* The search begins at n tokens (without those around). Errors: those of a pass. */
glim_status glim__search_init(glim_search *s, glim_maximized *r, glim_activation *a,
                              glim_wording *w, uint64_t stream, const int32_t *ids, size_t n,
                              glim_error *err);
void glim__search_release(glim_search *s);
/* Value, terms and score of s->ids, with its gradient. */
glim_status glim__search_gradient(glim_search *s, glim_error *err);
/* After it: the gain of every swap to the first order. */
glim_status glim__search_gains(glim_search *s, glim_error *err);
/* Steps of greedy coordinate gradient; best (steps + 1) is the score's value by step, *done
   how many there were. s is at the best of all. On ECANCELLED as well. */
glim_status glim__search_swaps(glim_search *s, double *best, size_t *done, glim_error *err);
/* Ascent of embeddings, as tokens read at each step. */
glim_status glim__search_ascend(glim_search *s, double *best, size_t *done, glim_error *err);
/* Whole sequences (n of T tokens): values (n). */
glim_status glim__search_values(glim_search *s, const int32_t *ids, size_t n, double *values,
                                glim_error *err);
/* Mean of -log p of the free tokens, by the whole model; NaN where there is none. */
glim_status glim__search_likely(const glim_search *s, double *nll, glim_error *err);

/* What its files share: whether a token's -log p counts, the mean of those that do, the value
   of a text's rows, -log p, and whose embeddings are read. */
bool glim__search_predicted(const glim_search *s, size_t t);
double glim__search_mean(const glim_search *s, const double *terms);
double glim__search_pooled(const glim_search *s, const float *values);
double glim__less_log(const float *logits, size_t V, int32_t id);
const glim_model *glim__search_reader(const glim_search *s);

#endif
