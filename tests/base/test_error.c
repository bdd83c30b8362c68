/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages end on terminals: whatever a file or a prompt puts into them must
 * arrive as text.
 */
#include "base-testing.h"

#include "base/utf8.h"

#include <ctype.h>

static const char *message_of(const char *subject) {
    static glim_error err;
    assert_int_equal(glim_fail(&err, GLIM_EFORMAT, "tensor '%s' is odd", subject), GLIM_EFORMAT);
    assert_int_equal(err.status, GLIM_EFORMAT);
    return err.message;
}

static void fail_escapes_control_bytes(void **state) {
    assert_string_equal(message_of("a\x1b[31m\nb\t\r\x7f"),
                        "tensor 'a\\x1B[31m\\nb\\t\\r\\x7F' is odd");
}

static void fail_escapes_broken_utf8(void **state) {
    assert_string_equal(message_of("\xff\xc3"), "tensor '\\xFF\\xC3' is odd");
    assert_string_equal(message_of("\xed\xa0\x80"), "tensor '\\xED\\xA0\\x80' is odd");
}

static void fail_escapes_marks_that_reorder_text(void **state) {
    assert_string_equal(message_of("a\u202Eb\u2066c\u200Fd\u061C"),
                        "tensor 'a\\u202Eb\\u2066c\\u200Fd\\u061C' is odd");
    assert_string_equal(message_of("\xC2\x85\u2028\uFEFF"),
                        "tensor '\\u0085\\u2028\\uFEFF' is odd");
}

static void fail_keeps_other_scripts(void **state) {
    assert_string_equal(message_of("巴黎 é 🙂"), "tensor '巴黎 é 🙂' is odd");
}

static void fail_cuts_long_messages_at_a_character(void **state) {
    char text[3001];
    for (size_t shift = 0; shift < 3; shift++) {
        memset(text, 'x', shift);
        for (size_t i = 0; i < 300; i++)
            memcpy(text + shift + 3 * i, "黎", 3);
        text[shift + 900] = '\0';
        const char *m = message_of(text);
        size_t n = strlen(m);
        assert_true(n < 512 && n > 500);
        assert_string_equal(m + n - 3, "...");
        assert_int_equal(glim__utf8_check(m, n), n);
    }
}

static void fail_keeps_a_message_that_just_fits(void **state) {
    glim_error err;
    char text[512];
    memset(text, 'y', 511);
    text[511] = '\0';
    glim_fail(&err, GLIM_EIO, "%s", text);
    assert_string_equal(err.message, text);
}

static void prefix_goes_before_the_message_and_keeps_it(void **state) {
    glim_error err;
    glim_fail(&err, GLIM_EIO, "cannot read '%s'", "x");
    assert_int_equal(glim_prefix(&err, GLIM_EIO, "part %d", 2), GLIM_EIO);
    assert_string_equal(err.message, "part 2: cannot read 'x'");
}

static void fail_may_quote_its_own_former_message(void **state) {
    glim_error err;
    glim_fail(&err, GLIM_EIO, "inner");
    glim_fail(&err, GLIM_EFORMAT, "outer: %s", err.message);
    assert_string_equal(err.message, "outer: inner");
}

static void a_missing_error_is_no_harm(void **state) {
    assert_int_equal(glim_fail(NULL, GLIM_EIO, "%s", "x"), GLIM_EIO);
    assert_int_equal(glim_prefix(NULL, GLIM_EIO, "%s", "x"), GLIM_EIO);
}

static void every_status_has_words_and_an_exit_status(void **state) {
    assert_int_equal(glim_status_exit(GLIM_OK), 0);
    assert_int_equal(glim_status_exit(GLIM_EUSAGE), 2);
    assert_int_equal(glim_status_exit(GLIM_EFORMAT), 3);
    assert_int_equal(glim_status_exit(GLIM_EBUDGET), 4);
    assert_int_equal(glim_status_exit(GLIM_ECANCELLED), 130);
    for (int s = GLIM_OK; s <= GLIM_EINTERNAL; s++)
        assert_true(islower(glim_status_text((glim_status)s)[0]));
    assert_string_equal(glim_status_text((glim_status)999), "unknown status");
    assert_int_equal(glim_status_exit((glim_status)-1), 1);
}

static void version_is_told(void **state) {
    assert_string_equal(glim_version(), GLIM_VERSION);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fail_escapes_control_bytes),
        cmocka_unit_test(fail_escapes_broken_utf8),
        cmocka_unit_test(fail_escapes_marks_that_reorder_text),
        cmocka_unit_test(fail_keeps_other_scripts),
        cmocka_unit_test(fail_cuts_long_messages_at_a_character),
        cmocka_unit_test(fail_keeps_a_message_that_just_fits),
        cmocka_unit_test(prefix_goes_before_the_message_and_keeps_it),
        cmocka_unit_test(fail_may_quote_its_own_former_message),
        cmocka_unit_test(a_missing_error_is_no_harm),
        cmocka_unit_test(every_status_has_words_and_an_exit_status),
        cmocka_unit_test(version_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
