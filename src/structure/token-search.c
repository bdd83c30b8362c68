/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps of greedy coordinate gradient (Zou et al. 2023): the best swaps by gain and random ones
 * among the best of each place, all run, the best kept if it is better than what there is.
 * Rejected: keeping the best of a step even if it is worse; it loses what was found, and
 * restarts leave local tops as well.
 */
#include "structure/token-search.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PATIENCE = 10 };
static const double BETTER = 1e-7; /* less is rounding */

static glim_status oom(const glim_search *s, uint64_t bytes, glim_error *err) {
    return glim__oom(s->ctx, err, "a search", bytes);
}

/* ---- candidates ---- */

struct swap {
    size_t at; /* of n */
    int32_t id;
    float gain;
    double term; /* -log p of it, where it stands */
    double score, value;
};

struct round {
    glim_search *s;
    struct swap *top; /* (n, choices), best of a place first; id -1: there are no more */
    struct swap *all; /* [n_all] candidates */
    size_t n_all, K;
    int32_t *ids; /* (candidates, T) */
    glim_sequence *q;
    float *out;          /* (candidates, T) values */
    double *terms;       /* (candidates, T) */
    size_t first, count; /* the batch */
};

/* The `K` best allowed tokens of a place. */
static void best_of_place(struct round *r, size_t at) {
    glim_search *s = r->s;
    size_t V = (size_t)glim__search_reader(s)->hyper.V, n = 0;
    struct swap *top = r->top + at * r->K;
    const float *gain = s->gain + at * V;
    for (size_t v = 0; v < V; v++) {
        if (!s->w->allowed[v] || (int32_t)v == s->ids[s->front + at] ||
            (n == r->K && !(gain[v] > top[n - 1].gain)))
            continue;
        size_t k = n < r->K ? n++ : n - 1;
        for (; k && gain[v] > top[k - 1].gain; k--)
            top[k] = top[k - 1];
        top[k] = (struct swap){.at = at, .id = (int32_t)v, .gain = gain[v]};
    }
    for (; n < r->K; n++)
        top[n].id = -1;
}

static void place_item(void *data, size_t item, int worker) {
    best_of_place(data, item);
}

static int by_gain(const void *a, const void *b) {
    const struct swap *x = a, *y = b;
    if (x->gain != y->gain)
        return x->gain > y->gain ? -1 : 1;
    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* Adds a swap if it is new and its text comes back. */
static glim_status add(struct round *r, const struct swap *x, glim_error *err) {
    glim_search *s = r->s;
    bool yes = false;
    if (x->id < 0)
        return GLIM_OK;
    for (size_t i = 0; i < r->n_all; i++)
        if (r->all[i].at == x->at && r->all[i].id == x->id)
            return GLIM_OK;
    int32_t *ids = r->ids + r->n_all * s->T;
    memcpy(ids, s->ids, s->T * sizeof *ids);
    ids[s->front + x->at] = x->id;
    glim_status status = glim__wording_survives(s->w, ids + s->front, s->n, &yes, err);
    if (yes)
        r->all[r->n_all++] = *x;
    return status;
}

/* A quarter of the candidates by their gain, the others at random; all if they are few. */
static glim_status choose(struct round *r, size_t step, glim_error *err) {
    glim_search *s = r->s;
    size_t B = s->o->candidates, all = s->n * r->K, tries = 0;
    bool few = all <= B;
    glim_status status = GLIM_OK;
    struct swap *sorted = glim__calloc(s->ctx, all, sizeof *sorted);
    if (!sorted)
        return oom(s, all * sizeof *sorted, err);
    memcpy(sorted, r->top, all * sizeof *sorted);
    qsort(sorted, all, sizeof *sorted, by_gain);
    r->n_all = 0;
    for (size_t i = 0; i < all && r->n_all < (few ? B : B / 4 + 1) && !status; i++)
        status = add(r, &sorted[i], err);
    for (; !few && r->n_all < B && tries < 8 * B && !status; tries++) {
        uint64_t sample = s->stream << 20 | step;
        size_t at = glim__rng_below(s->o->seed, sample, 2 * tries, (uint32_t)s->n);
        size_t k = glim__rng_below(s->o->seed, sample, 2 * tries + 1, (uint32_t)r->K);
        status = add(r, &r->top[at * r->K + k], err);
    }
    glim__free(s->ctx, sorted);
    return status;
}

/* -log p of the tokens behind a candidate's swap. */
static void term_item(void *data, size_t item, int worker) {
    struct round *r = data;
    glim_search *s = r->s;
    size_t i = item / s->T, t = item % s->T, c = r->first + i, from = r->q[c].prefix;
    if (t <= from || !glim__search_predicted(s, t))
        return;
    r->terms[c * s->T + t] = glim__less_log(glim_session_logits(s->a->s, i, t - 1 - from),
                                            (size_t)s->m->outputs, r->ids[c * s->T + t]);
}

/* Runs candidates; all before their swap is known. */
static glim_status run_batch(struct round *r, float *fresh, glim_error *err) {
    glim_search *s = r->s;
    size_t row = 0;
    glim_status status = glim__activation_run(s->a, r->q + r->first, r->count, false, fresh, err);
    if (!status && s->lambda > 0)
        glim__parallel(s->ctx, r->count * s->T, term_item, r);
    for (size_t c = r->first; c < r->first + r->count && !status; c++) {
        struct swap *x = &r->all[c];
        float *values = r->out + c * s->T;
        size_t from = r->q[c].prefix;
        if (s->a->whole_text) {
            values[0] = fresh[row++];
        } else {
            memcpy(values, s->values, from * sizeof *values);
            memcpy(values + from, fresh + row, (s->T - from) * sizeof *values);
            row += s->T - from;
        }
        x->value = glim__search_pooled(s, values);
        x->score = x->value;
        if (s->lambda > 0)
            x->score -= s->lambda * glim__search_mean(s, r->terms + c * s->T);
        s->forward += s->T - from;
        s->asked++;
    }
    return status;
}

static glim_status run_all(struct round *r, glim_error *err) {
    glim_search *s = r->s;
    glim_status status = GLIM_OK;
    for (size_t c = 0; c < r->n_all; c++) {
        size_t at = s->front + r->all[c].at, from = s->shares ? at : 0;
        r->q[c] = (glim_sequence){.ids = r->ids + c * s->T + from,
                                  .count = s->T - from,
                                  .prefix = from,
                                  .types = s->types};
        memcpy(r->terms + c * s->T, s->terms, s->T * sizeof *r->terms);
        if (s->lambda > 0 && glim__search_predicted(s, at))
            r->terms[c * s->T + at] = r->all[c].term;
    }
    float *fresh = glim__alloc(s->ctx, r->n_all * s->T * sizeof *fresh + 1);
    if (!fresh)
        return oom(s, r->n_all * s->T * sizeof *fresh, err);
    for (r->first = 0; r->first < r->n_all && !status; r->first += r->count) {
        r->count = glim__activation_take(s->a, r->q + r->first, r->n_all - r->first);
        status = run_batch(r, fresh, err);
        if (!status)
            status = glim__check_cancel(s->ctx, err);
    }
    glim__free(s->ctx, fresh);
    return status;
}

/* The tokens' keys and values, which candidates share. */
static glim_status fill_cache(glim_search *s, glim_error *err) {
    glim_sequence q = {.ids = s->ids, .count = s->T, .types = s->types};
    if (!s->shares)
        return GLIM_OK;
    glim_session_truncate(s->a->s, 0);
    s->forward += s->T;
    return glim__activation_run(s->a, &q, 1, true, s->values, err);
}

/* One step; *better: s has moved. */
static glim_status step(struct round *r, size_t number, bool *better, glim_error *err) {
    glim_search *s = r->s;
    size_t best = SIZE_MAX;
    glim_status status = glim__search_gradient(s, err);
    if (!status)
        status = glim__search_gains(s, err);
    if (status)
        return status;
    glim__parallel(s->ctx, s->n, place_item, r);
    status = choose(r, number, err);
    for (size_t c = 0; c < r->n_all && s->lambda > 0 && !status; c++)
        if (glim__search_predicted(s, s->front +
                                          r->all[c].at)) /* the logits are still those of s->ids */
            r->all[c].term =
                glim__less_log(glim_session_logits(s->a->s, 0, s->front + r->all[c].at - 1),
                               (size_t)s->m->outputs, r->all[c].id);
    if (!status)
        status = fill_cache(s, err);
    if (!status)
        status = run_all(r, err);
    for (size_t c = 0; c < r->n_all && !status; c++)
        if (best == SIZE_MAX || r->all[c].score > r->all[best].score)
            best = c;
    *better =
        !status && best < SIZE_MAX && r->all[best].score > s->score + BETTER * (1 + fabs(s->score));
    if (!*better)
        return status;
    memcpy(s->ids, r->ids + best * s->T, s->T * sizeof *s->ids);
    memcpy(s->values, r->out + best * s->T, (s->a->whole_text ? 1 : s->T) * sizeof *s->values);
    memcpy(s->terms, r->terms + best * s->T, s->T * sizeof *s->terms);
    s->value = r->all[best].value;
    s->score = r->all[best].score;
    s->nll = s->lambda > 0 ? glim__search_mean(s, s->terms) : 0;
    return status;
}

glim_status glim__search_swaps(glim_search *s, double *best, size_t *done, glim_error *err) {
    size_t B = s->o->candidates, idle = 0;
    struct round r = {.s = s, .K = s->o->choices < s->w->n_list ? s->o->choices : s->w->n_list};
    r.top = glim__calloc(s->ctx, s->n * r.K, sizeof *r.top);
    r.all = glim__calloc(s->ctx, B, sizeof *r.all);
    r.ids = glim__calloc(s->ctx, (B + 1) * s->T, sizeof *r.ids);
    r.q = glim__calloc(s->ctx, B, sizeof *r.q);
    r.out = glim__calloc(s->ctx, B * s->T, sizeof *r.out);
    r.terms = glim__calloc(s->ctx, B * s->T, sizeof *r.terms);
    glim_status status =
        r.top && r.all && r.ids && r.q && r.out && r.terms ? GLIM_OK : oom(s, B * s->T * 24, err);
    bool few = s->n * r.K <= B, over = false;
    best[0] = s->score;
    for (*done = 0; *done < s->o->steps && !over && !status;) {
        bool better = false;
        status = step(&r, *done, &better, err);
        if (status)
            break;
        best[++*done] = s->score;
        idle = better ? 0 : idle + 1;
        over = idle >= PATIENCE || (few && idle);
        glim__progress_add(s->ctx, 1);
    }
    if (!status)
        glim__progress_add(s->ctx, s->o->steps - *done);
    glim__free(s->ctx, r.top);
    glim__free(s->ctx, r.all);
    glim__free(s->ctx, r.ids);
    glim__free(s->ctx, r.q);
    glim__free(s->ctx, r.out);
    glim__free(s->ctx, r.terms);
    return status;
}
