/* SPDX-License-Identifier: Apache-2.0 */
/* Buffers are used again, and what lies idle is given up before a refusal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "graph/workspace.h"

enum { FLOATS = 150 * 1024 }; /* 600 KiB */

static glim_context *one_mebibyte(void) {
    glim_context *ctx = NULL;
    glim_context_options options = {.threads = 1, .memory = 1 << 20};
    assert_int_equal(glim_context_new(&ctx, &options, NULL), GLIM_OK);
    return ctx;
}

static void a_buffer_given_back_is_taken_again(void **state) {
    glim_context *ctx = one_mebibyte();
    glim_workspace space;
    glim__workspace_init(&space, ctx);
    float *a = glim__workspace_take(&space, FLOATS);
    assert_non_null(a);
    assert_int_equal((uintptr_t)a % 64, 0);
    assert_null(glim__workspace_take(&space, FLOATS)); /* over the budget */
    glim__workspace_give(&space, a);
    assert_int_equal(glim__workspace_idle(&space), FLOATS * 4);
    assert_ptr_equal(glim__workspace_take(&space, FLOATS - 100), a);
    assert_int_equal(glim__workspace_idle(&space), 0);
    glim__workspace_release(&space);
    glim_context_free(ctx);
}

static void idle_buffers_are_given_up_for_others(void **state) {
    glim_context *ctx = one_mebibyte();
    glim_workspace first, second;
    glim__workspace_init(&first, ctx);
    glim__workspace_init(&second, ctx);
    float *a = glim__workspace_take(&first, FLOATS);
    assert_null(glim__alloc(ctx, FLOATS * 4)); /* in use */
    glim__workspace_give(&first, a);
    void *other = glim__alloc(ctx, FLOATS * 4);
    assert_non_null(other);
    assert_int_equal(glim__workspace_idle(&first), 0);
    glim__free(ctx, other);
    glim__workspace_give(&first, glim__workspace_take(&first, FLOATS));
    assert_non_null(glim__workspace_take(&second, FLOATS));
    glim__workspace_release(&first);
    glim__workspace_release(&second);
    assert_int_equal(glim_context_bytes(ctx) >> 10, 0);
    glim_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buffer_given_back_is_taken_again),
        cmocka_unit_test(idle_buffers_are_given_up_for_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
