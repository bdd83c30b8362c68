/* SPDX-License-Identifier: Apache-2.0 */
/* Defaults, every type's values, and what each refuses. */
#include "base-testing.h"

#include <glim/param.h>

#include <stdio.h>

typedef struct options {
    bool quiet;
    int64_t steps, any;
    double sigma;
    const char *file, *baseline;
    uint64_t memory;
} options;

static const glim_param table[] = {
    {"quiet", GLIM_BOOL, offsetof(options, quiet)},
    {"steps", GLIM_INT, offsetof(options, steps), .def.i = 32, .min = 1, .max = 4096},
    {"any", GLIM_INT, offsetof(options, any), .def.i = -5},
    {"sigma", GLIM_REAL, offsetof(options, sigma), .def.r = 0.15, .min = 0, .max = 10},
    {"file", GLIM_STRING, offsetof(options, file), .def.s = "out", .optional_value = true},
    {"baseline", GLIM_CHOICE, offsetof(options, baseline), .def.s = "mean",
     .choices = "zero|mean|token"},
    {"memory", GLIM_SIZE, offsetof(options, memory), .def.i = 4096},
    {NULL, GLIM_PARAM_END},
};

static glim_error err;

static glim_status set(options *o, const char *name, const char *value) {
    return glim_param_set(glim_param_find(table, name), o, value, &err);
}

static void defaults_fill_every_field(void **state) {
    options o;
    memset(&o, 0xFF, sizeof o);
    glim_param_defaults(table, &o);
    assert_false(o.quiet);
    assert_int_equal(o.steps, 32);
    assert_int_equal(o.any, -5);
    assert_true(o.sigma == 0.15);
    assert_string_equal(o.file, "out");
    assert_string_equal(o.baseline, "mean");
    assert_int_equal(o.memory, 4096);
}

static void rows_are_found_by_name(void **state) {
    assert_ptr_equal(glim_param_find(table, "sigma"), &table[3]);
    assert_null(glim_param_find(table, "sigm"));
    assert_null(glim_param_find(table, ""));
}

static void whole_numbers_are_parsed_whole(void **state) {
    options o = {0};
    assert_int_equal(set(&o, "steps", "4096"), GLIM_OK);
    assert_int_equal(o.steps, 4096);
    assert_int_equal(set(&o, "any", "-9223372036854775808"), GLIM_OK);
    assert_true(o.any == INT64_MIN);
    static const char *const bad[] = {"", "x", "12x", " 5", "5 ", "1e3", "0x10", "1.5", "-", "--5"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(set(&o, "steps", bad[i]), GLIM_EUSAGE);
    assert_int_equal(set(&o, "any", "9223372036854775808"), GLIM_EUSAGE);
    assert_contains(err.message, "64 bits");
    assert_int_equal(set(&o, "steps", "0"), GLIM_EUSAGE);
    assert_string_equal(err.message, "--steps: '0' is out of range (1 to 4096)");
    assert_int_equal(set(&o, "steps", NULL), GLIM_EUSAGE);
    assert_string_equal(err.message, "--steps needs a value");
    assert_int_equal(o.steps, 4096);
}

static void reals_are_finite_and_in_bounds(void **state) {
    options o = {0};
    assert_int_equal(set(&o, "sigma", "1e-3"), GLIM_OK);
    assert_true(o.sigma == 1e-3);
    assert_int_equal(set(&o, "sigma", ".5"), GLIM_OK);
    static const char *const bad[] = {"", "nan", "inf", "1e999", "0.5x", " 1", "11", "-0.1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(set(&o, "sigma", bad[i]), GLIM_EUSAGE);
    assert_true(o.sigma == 0.5);
}

static void choices_are_exact(void **state) {
    options o = {0};
    static const char *const good[] = {"zero", "mean", "token"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(set(&o, "baseline", good[i]), GLIM_OK);
        assert_string_equal(o.baseline, good[i]);
    }
    static const char *const bad[] = {"", "zer", "zeroo", "zero|mean", "|", "ero", "Zero"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(set(&o, "baseline", bad[i]), GLIM_EUSAGE);
    assert_int_equal(set(&o, "baseline", "none"), GLIM_EUSAGE);
    assert_string_equal(err.message, "--baseline: 'none' is none of zero|mean|token");
}

static void sizes_take_binary_units(void **state) {
    options o = {0};
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {{"4096", 4096},    {"2G", 2ull << 30}, {"512M", 512 << 20},
                {"1GiB", 1 << 30}, {"1.5K", 1536},     {"2kb", 2048},
                {"0", 0},          {"100B", 100},      {"3T", 3ull << 40}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(set(&o, "memory", good[i].text), GLIM_OK);
        assert_true(o.memory == good[i].bytes);
    }
    static const char *const bad[] = {"", "G", "-1", "2X", "2Gx", "1e9", "0x10", "9999999T", "nan"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(set(&o, "memory", bad[i]), GLIM_EUSAGE);
    assert_true(o.memory == 3ull << 40);
}

static void flags_need_no_value(void **state) {
    options o = {0};
    assert_int_equal(set(&o, "quiet", NULL), GLIM_OK);
    assert_true(o.quiet);
    assert_int_equal(set(&o, "quiet", "false"), GLIM_OK);
    assert_false(o.quiet);
    assert_int_equal(set(&o, "quiet", "maybe"), GLIM_EUSAGE);
}

static void strings_are_borrowed_and_may_be_optional(void **state) {
    options o = {0};
    const char *value = "name.json";
    assert_int_equal(set(&o, "file", value), GLIM_OK);
    assert_ptr_equal(o.file, value);
    assert_int_equal(set(&o, "file", NULL), GLIM_OK);
    assert_string_equal(o.file, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_fill_every_field),
        cmocka_unit_test(rows_are_found_by_name),
        cmocka_unit_test(whole_numbers_are_parsed_whole),
        cmocka_unit_test(reals_are_finite_and_in_bounds),
        cmocka_unit_test(choices_are_exact),
        cmocka_unit_test(sizes_take_binary_units),
        cmocka_unit_test(flags_need_no_value),
        cmocka_unit_test(strings_are_borrowed_and_may_be_optional),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
