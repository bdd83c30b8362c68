/* SPDX-License-Identifier: Apache-2.0 */
/* Every code point there and back, and every way of being invalid. */
#include "base-testing.h"

#include "base/utf8.h"

static void every_code_point_survives_the_round_trip(void **state) {
    for (uint32_t cp = 0; cp <= 0x10FFFF; cp++) {
        if (cp >= 0xD800 && cp <= 0xDFFF)
            continue;
        char s[4];
        uint32_t back;
        int n = glim__utf8_encode(cp, s);
        assert_int_equal(glim__utf8_decode(s, (size_t)n, &back), n);
        assert_int_equal(back, cp);
        if (n > 1)
            assert_int_equal(glim__utf8_decode(s, (size_t)n - 1, &back), 0);
    }
}

static void invalid_sequences_are_refused(void **state) {
    static const char *const bad[] = {
        "\x80",         "\xBF",         "\xC0\x80",         "\xC1\xBF",         "\xE0\x9F\xBF",
        "\xED\xA0\x80", "\xED\xBF\xBF", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80",
        "\xFF",         "\xC3(",        "\xE2\x82(",        "\xF0\x9F\x99(",    "\xC3",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint32_t cp = 1;
        assert_int_equal(glim__utf8_decode(bad[i], strlen(bad[i]), &cp), 0);
        assert_int_equal(cp, 0xFFFD);
        assert_int_equal(glim__utf8_check(bad[i], strlen(bad[i])), 0);
    }
}

static void check_finds_the_first_invalid_byte(void **state) {
    const char *s = "plain ascii, 巴黎 and \xE5\xB7 more";
    size_t at = (size_t)(strstr(s, "\xE5\xB7 ") - s);
    assert_int_equal(glim__utf8_check(s, strlen(s)), at);
    assert_int_equal(glim__utf8_check(s, at), at);
    assert_int_equal(glim__utf8_check("", 0), 0);
}

static void boundaries_lie_between_code_points(void **state) {
    const char *s = "a黎\xF0\x9F\x99\x82z";
    static const bool expected[] = {1, 1, 0, 0, 1, 0, 0, 0, 1, 1};
    for (size_t i = 0; i <= 9; i++)
        assert_int_equal(glim__utf8_boundary(s, 9, i), expected[i]);
    assert_false(glim__utf8_boundary(s, 9, 10));
    assert_true(glim__utf8_boundary("\x80\x80", 2, 1));
    assert_true(glim__utf8_boundary("\xE5\xB7", 2, 1));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_point_survives_the_round_trip),
        cmocka_unit_test(invalid_sequences_are_refused),
        cmocka_unit_test(check_finds_the_first_invalid_byte),
        cmocka_unit_test(boundaries_lie_between_code_points),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
