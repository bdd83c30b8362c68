/* SPDX-License-Identifier: Apache-2.0 */
/* map-testing.h: contexts, made-up groups of points, and the recorded digits. */
#ifndef GLIM_TESTS_MAP_TESTING_H
#define GLIM_TESTS_MAP_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/context.h"
#include "base/rng.h"
#include "file/safetensors.h"

#include <glim/map.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static inline glim_context *make_context(int threads) {
    glim_context *ctx;
    glim_error err;
    assert_int_equal(glim_context_new(&ctx, &(glim_context_options){.threads = threads}, &err),
                     GLIM_OK);
    return ctx;
}

/* A leak is found by the sanitised build; the scratch of workers stays with a context. */
static inline void end_context(glim_context *ctx) {
    glim_context_free(ctx);
}

/* n points of `width` numbers in `groups` clouds, point i in cloud i % groups. */
static inline float *make_groups(size_t n, size_t width, size_t groups, double apart) {
    float *x = malloc(n * width * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < width; k++)
            x[i * width + k] =
                (float)(glim__rng_normal(1, i, k) + apart * glim__rng_normal(2, i % groups, k));
    return x;
}

static inline void assert_near(double got, double expected, double bound, const char *what) {
    if (!(fabs(got - expected) <= bound))
        fail_msg("%s: %.9g, expected %.9g", what, got, expected);
}

/* Tensors of tests/golden/map/digits-300.safetensors. */
static inline const void *recorded(const glim_safetensors *file, const char *name) {
    const glim_st_tensor *t = glim__safetensors_find(file, name);
    assert_non_null(t);
    return t->data;
}

static inline glim_safetensors *open_digits(glim_context *ctx) {
    glim_safetensors *file;
    glim_error err;
    if (glim__safetensors_open(&file, ctx, GLIM_TESTS "/golden/map/digits-300.safetensors", &err))
        fail_msg("%s", err.message);
    return file;
}

#endif
