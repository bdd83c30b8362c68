/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The score of tokens, its gradient, and swaps. A swap of token t for w gains to the first
 * order <E_w - E_t, dscore/dE_t> (HotFlip, Ebrahimi et al. 2018); of what the model finds
 * likely the part that w has itself as a prediction is known exactly and added. Steps are
 * those of greedy coordinate gradient (Zou et al. 2023): the best swaps by gain and random
 * ones among the best of each place, all run, the best kept if it is better than what there
 * is. Rejected: keeping the best of a step even if it is worse; it loses what was found, and
 * restarts leave local tops as well.
 */
#include "structure/token-search.h"
#include "base/rng.h"
#include "predict/lm.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PATIENCE = 10 };
static const double BETTER = 1e-7; /* less is rounding */

static glim_status oom(const glim_search *s, uint64_t bytes, glim_error *err) {
    return glim__oom(s->ctx, err, "a search", bytes);
}

/* ---- the score ---- */

static bool predicted(const glim_search *s, size_t t) {
    return t > 0 && s->is_free[t];
}

static double mean_of(const glim_search *s, const double *terms) {
    double sum = 0;
    size_t n = 0;
    for (size_t t = 0; t < s->T; t++)
        if (predicted(s, t)) {
            sum += terms[t];
            n++;
        }
    return n ? sum / (double)n : 0;
}

static size_t n_predicted(const glim_search *s) {
    size_t n = 0;
    for (size_t t = 0; t < s->T; t++)
        n += predicted(s, t);
    return n;
}

static double pooled(const glim_search *s, const float *values) {
    size_t at;
    return s->a->whole_text ? (double)values[0]
                            : glim__text_value(values, 1, s->is_free, s->T, s->pool, &at);
}

static double less_log(const float *logits, size_t V, int32_t id) {
    return glim__log_sum_exp(logits, V) - (double)logits[id];
}

/* The score of what was run, row 0 of the session's sequence 0 being the first. */
static void take_score(glim_search *s) {
    size_t V = (size_t)s->m->outputs;
    s->value = pooled(s, s->values);
    for (size_t t = 0; t < s->T; t++)
        s->terms[t] = s->lambda > 0 && predicted(s, t)
                          ? less_log(glim_session_logits(s->a->s, 0, t - 1), V, s->ids[t])
                          : 0;
    s->nll = s->lambda > 0 ? mean_of(s, s->terms) : 0;
    s->score = s->value - s->lambda * s->nll;
}

glim_status glim__search_gradient(glim_search *s, glim_error *err) {
    size_t n = 0, rows = s->a->whole_text ? 1 : s->T;
    glim_sequence q = {.ids = s->ids, .count = s->T, .types = s->types};
    double *weights = glim__calloc(s->ctx, rows, sizeof *weights);
    glim_seed *seeds = glim__calloc(s->ctx, s->T, sizeof *seeds);
    float weight = (float)(s->lambda / (double)(n_predicted(s) ? n_predicted(s) : 1));
    glim_status status = weights && seeds ? GLIM_OK : oom(s, s->T * sizeof *seeds, err);
    if (!status)
        status = glim__activation_run_kept(s->a, &q, s->values, err);
    if (!status) {
        take_score(s);
        s->forward += s->T;
        s->asked++;
        if (s->a->whole_text)
            weights[0] = 1;
        else
            glim__text_slope(s->values, 1, s->is_free, s->T, s->pool, weights);
        for (size_t t = 0; t < s->T && s->lambda > 0; t++)
            if (predicted(s, t))
                seeds[n++] = (glim_seed){.wanted = t - 1,
                                         .ids = &s->ids[t],
                                         .weights = &weight,
                                         .n = 1,
                                         .log_softmax = true};
        status = glim__activation_gradient(s->a, 0, weights, seeds, n, s->d, err);
        s->backward += s->T;
    }
    glim__free(s->ctx, weights);
    glim__free(s->ctx, seeds);
    return status;
}

/* ---- gains ---- */

static const glim_model *reader(const glim_search *s) {
    return s->m->encoder ? s->m->encoder : s->m;
}

glim_status glim__search_gains(glim_search *s, glim_error *err) {
    const glim_model *m = reader(s);
    size_t V = (size_t)m->hyper.V, C = (size_t)m->hyper.C;
    float scale = m->hyper.embed_scale;
    glim_status status = glim__linear(s->ctx, s->gain, V, s->d + s->front * C, C, (int64_t)s->n,
                                      &m->embedding, NULL, err);
    double weight = s->lambda / (double)(n_predicted(s) ? n_predicted(s) : 1);
    for (size_t k = 0; k < s->n && !status; k++) {
        float *row = s->gain + k * V, own = row[s->ids[s->front + k]];
        for (size_t v = 0; v < V; v++)
            row[v] = (row[v] - own) * scale;
        if (!(s->lambda > 0) || !predicted(s, s->front + k))
            continue;
        const float *logits = glim_session_logits(s->a->s, 0, s->front + k - 1);
        for (size_t v = 0; v < V; v++)
            row[v] += (float)(weight * ((double)logits[v] - logits[s->ids[s->front + k]]));
    }
    return status;
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
    size_t V = (size_t)reader(s)->hyper.V, n = 0;
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
    if (t <= from || !predicted(s, t))
        return;
    r->terms[c * s->T + t] = less_log(glim_session_logits(s->a->s, i, t - 1 - from),
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
        x->value = pooled(s, values);
        x->score = x->value;
        if (s->lambda > 0)
            x->score -= s->lambda * mean_of(s, r->terms + c * s->T);
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
        if (s->lambda > 0 && predicted(s, at))
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
        if (predicted(s, s->front + r->all[c].at)) /* the logits are still those of s->ids */
            r->all[c].term = less_log(glim_session_logits(s->a->s, 0, s->front + r->all[c].at - 1),
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
    s->nll = s->lambda > 0 ? mean_of(s, s->terms) : 0;
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

/* ---- whole texts ---- */

glim_status glim__search_values(glim_search *s, const int32_t *ids, size_t n, double *values,
                                glim_error *err) {
    size_t rows = s->a->whole_text ? 1 : s->T;
    glim_sequence *q = glim__calloc(s->ctx, n, sizeof *q);
    float *out = glim__alloc(s->ctx, n * rows * sizeof *out);
    glim_status status = q && out ? GLIM_OK : oom(s, n * rows * sizeof *out, err);
    for (size_t i = 0; i < n && !status; i++)
        q[i] = (glim_sequence){.ids = ids + i * s->T, .count = s->T, .types = s->types};
    for (size_t i = 0, k; i < n && !status; i += k) {
        k = glim__activation_take(s->a, q + i, n - i);
        status = glim__activation_run(s->a, q + i, k, false, out + i * rows, err);
        s->forward += k * s->T;
    }
    for (size_t i = 0; i < n && !status; i++)
        values[i] = pooled(s, out + i * rows);
    glim__free(s->ctx, q);
    glim__free(s->ctx, out);
    return status;
}

glim_status glim__search_likely(const glim_search *s, double *nll, glim_error *err) {
    size_t V = (size_t)s->m->outputs;
    glim_session *whole = NULL;
    *nll = NAN;
    if (s->m->task != GLIM_TASK_GENERATE || s->m->hyper.both_ways || !n_predicted(s))
        return GLIM_OK;
    uint32_t *every = glim__calloc(s->ctx, s->T, sizeof *every);
    double *terms = glim__calloc(s->ctx, s->T, sizeof *terms);
    glim_status status =
        every && terms ? glim_session_new(&whole, s->m, 0, err) : oom(s, s->T * sizeof *terms, err);
    for (size_t t = 0; t < s->T && !status; t++)
        every[t] = (uint32_t)t;
    glim_sequence q = {
        .ids = s->ids, .count = s->T, .types = s->types, .wanted = every, .n_wanted = s->T};
    if (!status)
        status = glim_session_forward(whole, &(glim_batch){.sequences = &q, .count = 1}, err);
    for (size_t t = 0; t < s->T && !status; t++)
        if (predicted(s, t))
            terms[t] = less_log(glim_session_logits(whole, 0, t - 1), V, s->ids[t]);
    if (!status)
        *nll = mean_of(s, terms);
    glim_session_free(whole);
    glim__free(s->ctx, every);
    glim__free(s->ctx, terms);
    return status;
}

/* ---- beginning ---- */

glim_status glim__search_init(glim_search *s, glim_maximized *r, glim_activation *a,
                              glim_wording *w, uint64_t stream, const int32_t *ids, size_t n,
                              glim_error *err) {
    size_t T = w->n_front + n + w->n_back;
    *s = (glim_search){.ctx = a->ctx,
                       .m = a->m,
                       .o = r->o,
                       .a = a,
                       .w = w,
                       .pool = r->pool,
                       .lambda = r->o->fluency,
                       .stream = stream,
                       .shares = !a->m->hyper.both_ways && !a->m->encoder,
                       .n = n,
                       .T = T,
                       .front = w->n_front};
    size_t C = (size_t)reader(s)->hyper.C, V = (size_t)reader(s)->hyper.V;
    s->ids = glim__calloc(s->ctx, T, sizeof *s->ids);
    s->is_free = glim__calloc(s->ctx, T, 1);
    s->types = a->m->types.data ? glim__calloc(s->ctx, T, 1) : NULL;
    s->values = glim__calloc(s->ctx, T, sizeof *s->values);
    s->terms = glim__calloc(s->ctx, T, sizeof *s->terms);
    s->d = glim__calloc(s->ctx, T * C, sizeof *s->d);
    s->gain = glim__calloc(s->ctx, n * V, sizeof *s->gain);
    if (!s->ids || !s->is_free || (a->m->types.data && !s->types) || !s->values || !s->terms ||
        !s->d || !s->gain)
        return oom(s, n * V * sizeof *s->gain, err);
    memcpy(s->ids, w->front, w->n_front * sizeof *s->ids);
    memcpy(s->ids + w->n_front, ids, n * sizeof *s->ids);
    memcpy(s->ids + w->n_front + n, w->back, w->n_back * sizeof *s->ids);
    memset(s->is_free + w->n_front, 1, n);
    return GLIM_OK;
}

void glim__search_release(glim_search *s) {
    glim__free(s->ctx, s->ids);
    glim__free(s->ctx, s->is_free);
    glim__free(s->ctx, s->types);
    glim__free(s->ctx, s->values);
    glim__free(s->ctx, s->terms);
    glim__free(s->ctx, s->d);
    glim__free(s->ctx, s->gain);
}
