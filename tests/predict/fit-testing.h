/* SPDX-License-Identifier: Apache-2.0 */
/* fit-testing.h: contexts and made-up data for the tests of fitting. A context keeps
   the scratch of its workers, so leaks are found by the sanitiser. */
#ifndef GLIM_TESTS_FIT_TESTING_H
#define GLIM_TESTS_FIT_TESTING_H

#include "../base/base-testing.h"

#include "base/rng.h"
#include "predict/fit.h"

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

/* Normal features, classes that depend on them unless `mixed`. */
typedef struct made {
    double *x, *y;
    float *f;
    int32_t *labels;
    glim_fit_data data;
} made;

static const char *const made_classes[] = {"zero", "one", "two", "three"};

static inline made make_data(size_t n, size_t P, size_t K, uint64_t seed) {
    made m = {malloc(n * P * sizeof(double)),
              malloc(n * sizeof(double)),
              malloc(n * P * sizeof(float)),
              malloc(n * sizeof(int32_t)),
              {0}};
    for (size_t i = 0; i < n; i++) {
        double best = -1e9;
        m.y[i] = 0.5 * glim__rng_normal(seed, i, 1 << 20);
        for (size_t j = 0; j < P; j++) {
            m.x[i * P + j] = m.f[i * P + j] = (float)glim__rng_normal(seed, i, j);
            m.y[i] += m.x[i * P + j] * glim__rng_normal(seed, 1 << 22, j);
        }
        for (size_t k = 0; k < K; k++) {
            double z = 2 * glim__rng_normal(seed, i, (1 << 21) + k);
            for (size_t j = 0; j < P; j++)
                z += m.x[i * P + j] * glim__rng_normal(seed, (1 << 23) + k, j);
            if (z > best)
                m.labels[i] = (int32_t)k;
            best = z > best ? z : best;
        }
    }
    m.data = (glim_fit_data){.f64 = m.x,
                             .n = n,
                             .width = P,
                             .labels = K ? m.labels : NULL,
                             .classes = made_classes,
                             .n_classes = K,
                             .values = K ? NULL : m.y};
    return m;
}

static inline void free_data(made *m) {
    free(m->x);
    free(m->y);
    free(m->f);
    free(m->labels);
}

#endif
