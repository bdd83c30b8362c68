/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Continuing a text. The prompt goes through in pieces of PIECE tokens, so that
 * a long one needs no more memory than a short one; new tokens go one by one
 * through the packed dot kernels. A draw depends on seed and position alone.
 */
#include "model/model.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 512 };

static int32_t greedy(const float *logits, int V) {
    int32_t best = 0;
    for (int i = 1; i < V; i++)
        if (logits[i] > logits[best])
            best = i;
    return best;
}

/* A float's bits as a number of the same order. */
static uint32_t order_of(float x) {
    uint32_t u;
    x += 0.0f; /* -0 and 0 are equal */
    memcpy(&u, &x, sizeof u);
    return u >> 31 ? ~u : u | 0x80000000u;
}

/* What may be drawn: tokens above `cut`, and the first `ties` of those at it. */
struct allowed {
    uint32_t cut;
    int ties;
    double weight;
};

/* Weight and number of the tokens at or above `cut`. */
static double weigh(const float *logits, int V, double temperature, float top, uint32_t cut,
                    int *count) {
    double sum = 0;
    *count = 0;
    for (int i = 0; i < V; i++)
        if (order_of(logits[i]) >= cut) {
            sum += exp((logits[i] - top) / temperature);
            ++*count;
        }
    return sum;
}

/* The most likely tokens up to top_k of them or top_p of the weight, equal ones by
   id. The cut is found by halving: a sort of the vocabulary would cost more. */
static struct allowed find_allowed(const float *logits, int V, const glim_sampling *how,
                                   float top) {
    int count, most = how->top_k > 0 ? how->top_k : V;
    double all = weigh(logits, V, how->temperature, top, 0, &count);
    double limit = how->top_p > 0 && how->top_p < 1 ? how->top_p * all : all;
    if (most >= V && limit == all)
        return (struct allowed){0, V, all};
    uint32_t low = 0, high = order_of(top); /* `low` holds enough */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2 + 1;
        double weight = weigh(logits, V, how->temperature, top, middle, &count);
        if (count >= most || weight >= limit)
            low = middle;
        else
            high = middle - 1;
    }
    struct allowed a = {.cut = low};
    a.weight = low < UINT32_MAX ? weigh(logits, V, how->temperature, top, low + 1, &count) : 0;
    for (int i = 0; i < V && count < most && a.weight < limit; i++)
        if (order_of(logits[i]) == low) {
            a.weight += exp((logits[i] - top) / how->temperature);
            a.ties++;
            count++;
        }
    return a;
}

int32_t glim_sample(const float *logits, int V, const glim_sampling *how, uint64_t position) {
    int32_t drawn = greedy(logits, V);
    if (!how || how->temperature <= 0 || how->top_k == 1)
        return drawn;
    float top = logits[drawn];
    struct allowed a = find_allowed(logits, V, how, top);
    double at = glim__rng_uniform(how->seed, 0, position) * a.weight, sum = 0;
    for (int i = 0, ties = 0; i < V; i++) {
        uint32_t order = order_of(logits[i]);
        if (order < a.cut || (order == a.cut && ties++ >= a.ties))
            continue;
        if ((sum += exp((logits[i] - top) / how->temperature)) > at)
            return i;
    }
    return drawn;
}

static double probability(const float *logits, int V, int32_t id) {
    float top = logits[greedy(logits, V)];
    int count;
    return exp((double)(logits[id] - top)) / weigh(logits, V, 1, top, 0, &count);
}

/* Runs tokens [s's length, count) into the cache; the last one's logits stay. */
static glim_status feed(glim_session *s, const int32_t *ids, size_t count, const glim_sampling *how,
                        glim_error *err) {
    while (glim_session_length(s) < count) {
        size_t at = glim_session_length(s), n = count - at < PIECE ? count - at : PIECE;
        uint32_t last = (uint32_t)(n - 1);
        glim_sequence q = {.ids = ids + at,
                           .count = n,
                           .prefix = at,
                           .wanted = &last,
                           .n_wanted = at + n == count};
        glim_batch b = {.sequences = &q,
                        .count = 1,
                        .hooks = how ? how->hooks : NULL,
                        .n_hooks = how ? how->n_hooks : 0,
                        .append = true,
                        .decode = n == 1 && at};
        glim_status status = glim_session_forward(s, &b, err);
        if (status)
            return status;
    }
    return GLIM_OK;
}

struct continuation {
    const glim_model *m;
    glim_session *s;
    glim_tokens *tokens;
    int32_t *ids; /* prompt and produced */
    int turn;
};

static glim_status step(struct continuation *c, size_t count, const glim_sampling *how,
                        bool (*each)(void *, int32_t, double), void *data, bool *more,
                        glim_error *err) {
    glim_status status = feed(c->s, c->ids, count, how, err);
    if (status)
        return status;
    const float *logits = glim_session_logits(c->s, 0, 0);
    int V = c->m->hyper.V;
    int32_t id = glim_sample(logits, V, how, count);
    *more = !glim_model_token_ends(c->m, id) && id < glim__tokenizer_info(c->m->tokenizer)->vocab;
    if (!*more)
        return GLIM_OK;
    c->ids[count] = id;
    status = glim__tokens_append(c->tokens, c->m->tokenizer, &id, 1, c->turn, err);
    if (!status && each)
        *more = each(data, id, probability(logits, V, id));
    return status;
}

glim_status glim_generate(const glim_model *m, glim_tokens *tokens, size_t n,
                          const glim_sampling *how, bool (*each)(void *, int32_t, double),
                          void *data, glim_error *err) {
    if (m->task != GLIM_TASK_GENERATE)
        return glim_fail(err, GLIM_EUSAGE, "'%s' is an encoder and produces no text",
                         glim_model_facts(m)->path);
    size_t start = tokens->count, room = (size_t)m->hyper.context;
    if (start >= room || !start)
        return glim_fail(err, start ? GLIM_ELIMIT : GLIM_EUSAGE,
                         "%zu tokens leave no room in the context of %zu (shorten the input)",
                         start, room);
    n = n < room - start ? n : room - start;
    struct continuation c = {
        .m = m, .tokens = tokens, .turn = tokens->n_turns ? (int)tokens->n_turns : -1};
    glim_status status = glim_session_new(&c.s, m, start + n, err);
    c.ids = glim__calloc(m->ctx, start + n + 1, sizeof *c.ids);
    if (!status && !c.ids)
        status = glim__oom(m->ctx, err, "the tokens", (start + n) * sizeof *c.ids);
    for (size_t i = 0; i < start && !status; i++)
        c.ids[i] = tokens->at[i].id;
    bool more = true;
    for (size_t i = 0; i < n && more && !status; i++)
        status = step(&c, start + i, how, each, data, &more, err);
    glim__free(m->ctx, c.ids);
    glim_session_free(c.s);
    return status;
}
