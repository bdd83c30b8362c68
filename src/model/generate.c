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

enum { PIECE = 512 };

static int32_t greedy(const float *logits, int V) {
    int32_t best = 0;
    for (int i = 1; i < V; i++)
        if (logits[i] > logits[best])
            best = i;
    return best;
}

/* The largest logit not above (after, id): a selection in order without a sort
   of the vocabulary. Equal logits go by id. */
static int32_t next_best(const float *logits, int V, float after, int32_t id) {
    int32_t best = -1;
    for (int i = 0; i < V; i++)
        if ((logits[i] < after || (logits[i] == after && i > id)) &&
            (best < 0 || logits[i] > logits[best]))
            best = i;
    return best;
}

static double total_weight(const float *logits, int V, double temperature, float top) {
    double sum = 0;
    for (int i = 0; i < V; i++)
        sum += exp((logits[i] - top) / temperature);
    return sum;
}

/* Walks the tokens from the most likely on: first to learn how much weight the
   allowed ones have, then to the drawn one. */
int32_t glim_sample(const float *logits, int V, const glim_sampling *how, uint64_t position) {
    int32_t first = greedy(logits, V);
    if (!how || how->temperature <= 0 || how->top_k == 1)
        return first;
    float top = logits[first];
    double all = total_weight(logits, V, how->temperature, top);
    double limit = how->top_p > 0 && how->top_p < 1 ? how->top_p * all : all;
    double u = glim__rng_uniform(how->seed, 0, position);
    if (how->top_k <= 0 && limit == all) { /* nothing is cut: one pass in order of ids */
        double at = u * all, sum = 0;
        for (int i = 0; i < V; i++)
            if ((sum += exp((logits[i] - top) / how->temperature)) > at)
                return i;
        return first;
    }
    double allowed = 0;
    int32_t id = first, count = 0, drawn = first;
    for (; id >= 0; id = next_best(logits, V, logits[id], id)) {
        allowed += exp((logits[id] - top) / how->temperature);
        if (++count == how->top_k || allowed >= limit)
            break;
    }
    double at = u * allowed, sum = 0;
    id = first;
    for (int32_t i = 0; i < count && id >= 0; i++) {
        drawn = id;
        if ((sum += exp((logits[id] - top) / how->temperature)) > at)
            break;
        id = next_best(logits, V, logits[id], id);
    }
    return drawn;
}

static double probability(const float *logits, int V, int32_t id) {
    float top = logits[greedy(logits, V)];
    return exp(logits[id] - top) / total_weight(logits, V, 1, top);
}

/* Runs tokens [s's length, count) into the cache; the last one's logits stay. */
static glim_status feed(glim_session *s, const int32_t *ids, size_t count, glim_error *err) {
    while (glim_session_length(s) < count) {
        size_t at = glim_session_length(s), n = count - at < PIECE ? count - at : PIECE;
        uint32_t last = (uint32_t)(n - 1);
        glim_sequence q = {.ids = ids + at,
                           .count = n,
                           .prefix = at,
                           .wanted = &last,
                           .n_wanted = at + n == count};
        glim_batch b = {.sequences = &q, .count = 1, .append = true, .decode = n == 1 && at};
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
    glim_status status = feed(c->s, c->ids, count, err);
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
