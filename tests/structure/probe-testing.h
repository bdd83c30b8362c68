/* SPDX-License-Identifier: Apache-2.0 */
/* probe-testing.h: contexts and made-up rows for the tests of probes. */
#ifndef GLIM_TESTS_PROBE_TESTING_H
#define GLIM_TESTS_PROBE_TESTING_H

#include "../base/base-testing.h"

#include "base/rng.h"
#include "structure/probe-rows.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static inline glim_context *begin(int threads) {
    glim_context *ctx;
    glim_error err;
    if (glim_context_new(&ctx, &(glim_context_options){.threads = threads}, &err))
        fail_msg("%s", err.message);
    return ctx;
}

static const char *const made_classes[] = {"zero", "one", "two", "three"};

/* Normal rows; `gap` parts the classes along the first column, by that many deviations from
   each to the next. Groups of `each` rows. */
typedef struct made {
    float *x;
    int32_t *labels;
    double *values;
    uint32_t *group, *type, *rows;
    glim_probe_how how;
    glim_probe_learner learner;
} made;

static inline made make_rows(glim_context *ctx, size_t n, size_t P, size_t K, double gap,
                             size_t each, uint64_t seed) {
    made m = {malloc(n * P * sizeof(float)),
              calloc(n, sizeof(int32_t)),
              calloc(n, sizeof(double)),
              calloc(n, sizeof(uint32_t)),
              calloc(n, sizeof(uint32_t)),
              calloc(n, sizeof(uint32_t)),
              {.strength = 1,
               .folds = 5,
               .repeats = 1,
               .inner = 3,
               .permutations = 20,
               .hidden = 16,
               .max_iterations = 1000,
               .controls = true,
               .codelength = true,
               .seed = 7},
              {0}};
    for (size_t i = 0; i < n; i++) {
        m.rows[i] = (uint32_t)i;
        m.group[i] = (uint32_t)(i / each);
        m.type[i] = glim__rng_below(seed, i, 1 << 21, 50);
        m.labels[i] = K ? (int32_t)glim__rng_below(seed, i, 1 << 20, (uint32_t)K) : 0;
        for (size_t j = 0; j < P; j++)
            m.x[i * P + j] = (float)glim__rng_normal(seed, i, j);
        m.values[i] = 2 * m.x[i * P] + glim__rng_normal(seed, i, 1 << 22);
        m.x[i * P] += (float)(gap * m.labels[i]);
    }
    m.learner = (glim_probe_learner){.ctx = ctx,
                                     .target = {.n = n,
                                                .labels = K ? m.labels : NULL,
                                                .classes = made_classes,
                                                .n_classes = K,
                                                .values = K ? NULL : m.values,
                                                .group = m.group,
                                                .n_groups = (n + each - 1) / each},
                                     .x = m.x,
                                     .width = P};
    return m;
}

static inline void free_rows(made *m) {
    free(m->x);
    free(m->labels);
    free(m->values);
    free(m->group);
    free(m->type);
    free(m->rows);
}

static inline glim_status try_layer(made *m, bool bare, glim_probe_layer *out, glim_error *err) {
    glim_probe_folds folds = {0};
    m->learner.how = &m->how;
    *out = (glim_probe_layer){0};
    glim_status status =
        glim__probe_folds_make(&folds, m->learner.ctx, &m->learner.target, &m->how, err);
    if (!status)
        status = glim__probe_layer(&m->learner, &folds, bare, out, err);
    glim__probe_folds_release(&folds, m->learner.ctx);
    return status;
}

static inline glim_probe_layer run_layer(made *m, bool bare) {
    glim_probe_layer out;
    glim_error err = {0};
    if (try_layer(m, bare, &out, &err))
        fail_msg("%s", err.message);
    return out;
}

#endif
