/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are written are read back: metadata, dimensions, numbers, alignment. */
#include "../base/base-testing.h"
#include "file/gguf-write.h"
#include "file/gguf.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const float numbers[] = {1, -2.5f, 3e-8f, 4, 5, 6, 7};
static const glim_gguf_entry entries[] = {{"general.architecture", "tests", 0},
                                          {"tests.count", NULL, 4000000000u},
                                          {"tests.empty", "", 0}};
static const glim_gguf_floats tensors[] = {
    {"odd", 1, {7}, numbers}, {"one", 1, {1}, numbers}, {"square", 2, {3, 2}, numbers}};

static void what_is_written_is_read(void **state) {
    glim_context *ctx = make_context(1, 0);
    glim_gguf *g = NULL;
    glim_error err = {0};
    glim_gguf_string text;
    int64_t count = 0;
    char path[] = "/tmp/glim-write-XXXXXX";
    close(mkstemp(path));
    assert_int_equal(glim__gguf_write(ctx, path, entries, 3, tensors, 3, &err), GLIM_OK);
    if (glim__gguf_open(&g, ctx, path, &err))
        fail_msg("%s", err.message);
    assert_int_equal(glim__gguf_version(g), 3);
    assert_int_equal(glim__gguf_text(g, "general.architecture", &text, NULL, &err), GLIM_OK);
    assert_true(text.len == 5 && !memcmp(text.data, "tests", 5));
    assert_int_equal(glim__gguf_int(g, "tests.count", 0, INT64_MAX, &count, NULL, &err), GLIM_OK);
    assert_true(count == 4000000000);
    assert_int_equal(glim__gguf_tensor_count(g), 3);
    for (size_t i = 0; i < 3; i++) {
        const glim_tensor *t = glim__gguf_tensor(g, tensors[i].name);
        size_t bytes = i == 0 ? 28 : i == 1 ? 4 : 24;
        assert_non_null(t);
        assert_true(t->type == GLIM_TYPE_F32 && t->n_dims == tensors[i].n_dims);
        assert_true(t->bytes == bytes && t->dims[0] == tensors[i].dims[0]);
        assert_memory_equal(t->data, numbers, bytes);
        assert_int_equal((uintptr_t)t->data % 32, 0);
    }
    glim__gguf_close(g);
    unlink(path);
    const glim_gguf_floats wrong[] = {{"flat", 0, {0}, numbers}, {"none", 1, {0}, numbers}};
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(glim__gguf_write(ctx, path, entries, 1, &wrong[i], 1, &err),
                         GLIM_EINTERNAL);
    assert_int_equal(glim__gguf_write(ctx, "/nowhere/x.gguf", entries, 1, tensors, 1, &err),
                     GLIM_EIO);
    glim_context_free(ctx);
}

static void no_refused_allocation_leaves_a_file(void **state) {
    glim_context *ctx = make_context(1, 0);
    glim_error err = {0};
    const char *path = "/tmp/glim-write-never.gguf";
    glim_status status = GLIM_ENOMEM;
    for (uint64_t fail = 1; status; fail++) {
        unlink(path);
        glim__fail_allocation(ctx, fail);
        status = glim__gguf_write(ctx, path, entries, 3, tensors, 3, &err);
        glim__fail_allocation(ctx, 0);
        assert_true(!status == !access(path, F_OK));
        assert_true(!status || status == GLIM_ENOMEM);
    }
    unlink(path);
    glim_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(no_refused_allocation_leaves_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
