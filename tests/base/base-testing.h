/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base-testing.h: what the tests of base and file share: cmocka's includes in
 * the order that it wants, and contexts without kernels.
 */
#ifndef GLIM_TESTS_BASE_TESTING_H
#define GLIM_TESTS_BASE_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/context.h"

#include <string.h>

static inline glim_context *make_context(int threads, uint64_t memory) {
    glim_context *ctx;
    glim_error err;
    glim_context_options options = {.threads = threads, .memory = memory};
    assert_int_equal(glim__context_new(&ctx, &options, &err), GLIM_OK);
    return ctx;
}

/* Frees the context; everything made in it must be gone. */
static inline void end_context(glim_context *ctx) {
    assert_int_equal(glim_context_bytes(ctx), 0);
    glim_context_free(ctx);
}

static inline void assert_contains(const char *text, const char *part) {
    if (!strstr(text, part))
        fail_msg("'%s' does not contain '%s'", text, part);
}

#endif
