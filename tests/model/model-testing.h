/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the model floor share: opening tiny models, running them. */
#ifndef GLIM_TESTS_MODEL_TESTING_H
#define GLIM_TESTS_MODEL_TESTING_H

#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "file/safetensors.h"
#include "model/session.h"

#define GOLDEN GLIM_TESTS "/golden/models/"

static inline glim_context *context_with(int threads, uint64_t memory) {
    glim_context *ctx = NULL;
    glim_error err = {0};
    glim_context_options options = {.threads = threads, .memory = memory};
    if (glim_context_new(&ctx, &options, &err))
        fail_msg("%s", err.message);
    return ctx;
}

static inline glim_model *open_model(glim_context *ctx, const char *file) {
    char path[512];
    glim_model *m = NULL;
    glim_error err = {0};
    snprintf(path, sizeof path, GOLDEN "%s", file);
    if (glim_model_open(&m, ctx, path, &err))
        fail_msg("%s", err.message);
    return m;
}

static inline glim_session *new_session(const glim_model *m, size_t positions) {
    glim_session *s = NULL;
    glim_error err = {0};
    if (glim_session_new(&s, m, positions, &err))
        fail_msg("%s", err.message);
    return s;
}

static inline void run_batch(glim_session *s, const glim_batch *b) {
    glim_error err = {0};
    if (glim_session_forward(s, b, &err))
        fail_msg("%s", err.message);
}

/* Fixed ids within a vocabulary, none of them special in the tiny models. */
static inline void some_ids(int32_t *ids, size_t n, int V, uint64_t stream) {
    for (size_t i = 0; i < n; i++)
        ids[i] = (int32_t)(8 + glim__rng_below(3, stream, i, (uint32_t)V - 16));
}

/* Calls fn for every file of the golden directory that ends in `end`. */
static inline int each_golden(const char *end, void (*fn)(const char *name)) {
    DIR *d = opendir(GOLDEN);
    int n = 0;
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        size_t len = strlen(e->d_name), tail = strlen(end);
        if (len > tail && !strcmp(e->d_name + len - tail, end)) {
            fn(e->d_name);
            n++;
        }
    }
    closedir(d);
    return n;
}

#endif
