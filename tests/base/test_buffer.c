/* SPDX-License-Identifier: Apache-2.0 */
/* Growth, formatting, the sticky failure; reading whole files. */
#include "base-testing.h"

#include "base/buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void pieces_join_and_stay_terminated(void **state) {
    glim_context *ctx = make_context(1, 0);
    glim_buffer b;
    glim__buffer_init(&b, ctx);
    glim__buffer_append(&b, "", 0);
    assert_string_equal(b.data, "");
    glim__buffer_puts(&b, "one ");
    glim__buffer_putc(&b, '2');
    glim__buffer_append(&b, " three!", 6);
    glim__buffer_printf(&b, " %d %s", 4, "five");
    assert_string_equal(b.data, "one 2 three 4 five");
    assert_int_equal(b.len, 18);
    glim__buffer_clear(&b);
    assert_string_equal(b.data, "");
    assert_int_equal(b.len, 0);
    glim__buffer_release(&b);
    end_context(ctx);
}

static void growth_keeps_everything(void **state) {
    glim_context *ctx = make_context(1, 0);
    glim_buffer b;
    glim__buffer_init(&b, ctx);
    for (int i = 0; i < 20000; i++)
        glim__buffer_printf(&b, "%05d", i);
    assert_false(b.failed);
    assert_int_equal(b.len, 100000);
    for (int i = 0; i < 20000; i++) {
        char expected[12];
        snprintf(expected, sizeof expected, "%05d", i);
        assert_memory_equal(b.data + 5 * i, expected, 5);
    }
    glim__buffer_release(&b);
    end_context(ctx);
}

static void a_long_format_fits_at_once(void **state) {
    glim_context *ctx = make_context(1, 0);
    glim_buffer b;
    glim__buffer_init(&b, ctx);
    for (int width = 60; width < 70; width++) {
        glim__buffer_clear(&b);
        glim__buffer_printf(&b, "%*d", width, 7);
        assert_int_equal(b.len, width);
        assert_int_equal(b.data[width - 1], '7');
        assert_int_equal(b.data[width], 0);
    }
    glim__buffer_printf(&b, "%5000d", 7);
    assert_int_equal(b.len, 5069);
    glim__buffer_release(&b);
    end_context(ctx);
}

static void a_refused_allocation_sticks(void **state) {
    glim_context *ctx = make_context(1, 0);
    glim_buffer b;
    glim__buffer_init(&b, ctx);
    glim__buffer_puts(&b, "kept");
    glim__fail_allocation(ctx, 1);
    glim__buffer_printf(&b, "%5000d", 7);
    glim__fail_allocation(ctx, 0);
    assert_true(b.failed);
    glim__buffer_puts(&b, "lost");
    assert_string_equal(b.data, "kept");
    glim__buffer_release(&b);
    end_context(ctx);
}

static void files_are_read_whole_and_within_the_limit(void **state) {
    glim_context *ctx = make_context(1, 0);
    glim_error err;
    glim_buffer b;
    char path[] = "/tmp/glim-test-XXXXXX";
    int fd = mkstemp(path);
    glim__buffer_init(&b, ctx);
    assert_int_equal(glim__file_read(&b, path, 100, &err), GLIM_OK);
    assert_int_equal(b.len, 0);
    assert_string_equal(b.data, "");
    assert_int_equal(write(fd, "zero\0inside", 11), 11);
    assert_int_equal(glim__file_read(&b, path, 11, &err), GLIM_OK);
    assert_int_equal(b.len, 11);
    assert_memory_equal(b.data, "zero\0inside", 12);
    glim__buffer_clear(&b);
    assert_int_equal(glim__file_read(&b, path, 10, &err), GLIM_ELIMIT);
    assert_contains(err.message, "10 bytes");
    close(fd);
    unlink(path);
    assert_int_equal(glim__file_read(&b, path, 10, &err), GLIM_EIO);
    assert_contains(err.message, "No such file");
    assert_int_equal(glim__file_read(&b, "/tmp", 10, &err), GLIM_EIO);
    glim__buffer_release(&b);
    end_context(ctx);
}

static void pipes_and_devices_are_read_within_the_limit(void **state) {
    glim_context *ctx = make_context(1, 0);
    glim_error err;
    glim_buffer b;
    int ends[2];
    char path[32];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "through a pipe", 14), 14);
    close(ends[1]);
    snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    glim__buffer_init(&b, ctx);
    assert_int_equal(glim__file_read(&b, path, 100, &err), GLIM_OK);
    assert_string_equal(b.data, "through a pipe");
    close(ends[0]);
    glim__buffer_clear(&b);
    assert_int_equal(glim__file_read(&b, "/dev/zero", 200000, &err), GLIM_ELIMIT);
    glim__buffer_release(&b);
    end_context(ctx);
}

static void standard_input_is_a_file_named_dash(void **state) {
    glim_context *ctx = make_context(1, 0);
    glim_error err;
    glim_buffer b;
    int ends[2], saved = dup(STDIN_FILENO);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "typed", 5), 5);
    close(ends[1]);
    dup2(ends[0], STDIN_FILENO);
    glim__buffer_init(&b, ctx);
    assert_int_equal(glim__file_read(&b, "-", 100, &err), GLIM_OK);
    assert_string_equal(b.data, "typed");
    dup2(saved, STDIN_FILENO);
    close(saved);
    close(ends[0]);
    glim__buffer_release(&b);
    end_context(ctx);
}

static void reading_into_a_refused_buffer_is_out_of_memory(void **state) {
    glim_context *ctx = make_context(1, 1 << 16);
    glim_error err;
    glim_buffer b;
    glim__buffer_init(&b, ctx);
    assert_int_equal(glim__file_read(&b, "/dev/zero", 1 << 20, &err), GLIM_EBUDGET);
    glim__buffer_clear(&b);
    glim__fail_allocation(ctx, 1);
    assert_int_equal(glim__file_read(&b, "/dev/null", 10, &err), GLIM_ENOMEM);
    glim__buffer_release(&b);
    end_context(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_join_and_stay_terminated),
        cmocka_unit_test(growth_keeps_everything),
        cmocka_unit_test(a_long_format_fits_at_once),
        cmocka_unit_test(a_refused_allocation_sticks),
        cmocka_unit_test(files_are_read_whole_and_within_the_limit),
        cmocka_unit_test(pipes_and_devices_are_read_within_the_limit),
        cmocka_unit_test(standard_input_is_a_file_named_dash),
        cmocka_unit_test(reading_into_a_refused_buffer_is_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
