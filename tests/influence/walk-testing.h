/* SPDX-License-Identifier: Apache-2.0 */
/* walk-testing.h: rows of token ids with given labels through a tiny model, as a walk of
   samples; some at a time. */
#ifndef GLIM_TESTS_WALK_TESTING_H
#define GLIM_TESTS_WALK_TESTING_H

#include "../model/model-testing.h"

#include "influence/queries.h"

enum { WALK_MOST = 64 };

typedef struct id_walk {
    const glim_model *m;
    const int32_t *ids, *drawn; /* (n, T), (n, T - 1) */
    size_t T, batch, first;
    size_t poison; /* 1 + a sample whose gradient is not finite */
    const glim_pass_visitor *visitor;
    const uint8_t *chosen;
} id_walk;

static inline glim_status walk_see(void *data, const glim_site *site, glim_error *err) {
    const id_walk *w = data;
    size_t n;
    const glim_weight *all = glim_model_weights(w->m, &n);
    float was = site->data[0];
    glim_status status = GLIM_OK;
    if (w->poison == w->first + site->sequence + 1)
        site->data[0] = NAN;
    for (size_t i = 0; i < n && !status; i++)
        if (!strcmp(all[i].name, site->name) && w->chosen[i])
            status = w->visitor->weight(w->visitor->data, w->first + site->sequence, i,
                                        site->dims[0], site->data, site->value, err);
    site->data[0] = was;
    return status;
}

static inline glim_status walk_ids(void *data, size_t first, size_t count, bool sampled,
                                   const uint8_t *chosen, const glim_pass_visitor *v,
                                   glim_error *err) {
    id_walk *w = data;
    static const float minus = -1;
    uint32_t wanted[WALK_MOST];
    size_t T = w->T, many = (T - 1) * w->batch;
    glim_sequence q[WALK_MOST];
    glim_seed *seeds = calloc(many, sizeof *seeds);
    float *d = malloc(T * w->batch * (size_t)glim_model_facts(w->m)->width * sizeof *d);
    glim_hook hook = {.pattern = "*", .actions = GLIM_HOOK_WEIGHT, .visit = walk_see, .data = w};
    glim_session *s = NULL;
    glim_status status = glim_session_new(&s, w->m, 0, err);
    w->visitor = v;
    w->chosen = chosen;
    for (uint32_t t = 0; t < T; t++)
        wanted[t] = t;
    for (size_t at = 0, n; at < count && !status; at += n) {
        n = count - at < w->batch ? count - at : w->batch;
        w->first = first + at;
        for (size_t i = 0; i < n; i++) {
            size_t row = w->first + i;
            q[i] = (glim_sequence){
                .ids = w->ids + row * T, .count = T, .wanted = wanted, .n_wanted = T - 1};
            for (size_t k = 0; k + 1 < T; k++)
                seeds[i * (T - 1) + k] = (glim_seed){.sequence = i,
                                                     .wanted = k,
                                                     .ids = sampled ? w->drawn + row * (T - 1) + k
                                                                    : w->ids + row * T + k + 1,
                                                     .weights = &minus,
                                                     .n = 1,
                                                     .log_softmax = true};
        }
        glim_batch b = {.sequences = q, .count = n, .hooks = &hook, .n_hooks = 1, .keep = true};
        status = glim_session_forward(s, &b, err);
        if (!status)
            status = glim_session_backward(s, seeds, n * (T - 1), d, err);
        if (!status && v->batch)
            status = v->batch(v->data, w->first, n, NULL, err);
    }
    glim_session_free(s);
    free(seeds);
    free(d);
    return status;
}

#endif
