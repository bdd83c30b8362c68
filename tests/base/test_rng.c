/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The published known answers of philox4x32-10 (Random123's kat_vectors), and
 * moments of the distributions made from it.
 */
#include "base-testing.h"

#include "base/rng.h"

#include <math.h>

static void philox_gives_the_published_answers(void **state) {
    assert_int_equal(glim__rng_u32(0, 0, 0), 0x6627e8d5);
    assert_int_equal(glim__rng_u32(UINT64_MAX, UINT64_MAX, UINT64_MAX), 0x408f276d);
    /* counter 243f6a88 85a308d3 13198a2e 03707344, key a4093822 299f31d0 */
    assert_int_equal(glim__rng_u32(0x299f31d0a4093822u, 0x85a308d3243f6a88u, 0x0370734413198a2eu),
                     0xd16cfe09);
}

static void uniform_takes_53_bits_of_the_published_answers(void **state) {
    double expected = (double)((0xe169c58d6627e8d5u) >> 11) / 9007199254740992.0;
    assert_true(glim__rng_uniform(0, 0, 0) == expected);
}

static void uniform_draws_lie_in_range_with_the_right_moments(void **state) {
    double sum = 0, squares = 0;
    enum { N = 200000 };
    for (uint64_t i = 0; i < N; i++) {
        double x = glim__rng_uniform(7, 3, i);
        assert_true(x >= 0 && x < 1);
        sum += x;
        squares += x * x;
    }
    assert_true(fabs(sum / N - 0.5) < 4 * sqrt(1 / 12.0 / N));
    assert_true(fabs(squares / N - 1 / 3.0) < 4 * sqrt(4 / 45.0 / N));
}

static void normal_draws_have_mean_zero_variance_one_and_thin_tails(void **state) {
    double sum = 0, squares = 0, fourth = 0;
    enum { N = 200000 };
    for (uint64_t i = 0; i < N; i++) {
        double x = glim__rng_normal(11, i, 5);
        assert_true(isfinite(x));
        sum += x;
        squares += x * x;
        fourth += x * x * x * x;
    }
    assert_true(fabs(sum / N) < 4 / sqrt(N));
    assert_true(fabs(squares / N - 1) < 4 * sqrt(2.0 / N));
    assert_true(fabs(fourth / N - 3) < 4 * sqrt(96.0 / N));
}

static void draws_below_n_cover_it_evenly(void **state) {
    int counts[7] = {0};
    enum { N = 70000 };
    for (uint64_t i = 0; i < N; i++)
        counts[glim__rng_below(1, 2, i, 7)]++;
    for (int k = 0; k < 7; k++)
        assert_true(fabs(counts[k] - N / 7.0) < 5 * sqrt(N / 7.0));
    assert_int_equal(glim__rng_below(1, 2, 3, 1), 0);
}

static void draws_differ_in_seed_sample_and_position(void **state) {
    uint32_t a = glim__rng_u32(1, 1, 1);
    assert_int_equal(glim__rng_u32(1, 1, 1), a);
    assert_int_not_equal(glim__rng_u32(2, 1, 1), a);
    assert_int_not_equal(glim__rng_u32(1, 2, 1), a);
    assert_int_not_equal(glim__rng_u32(1, 1, 2), a);
    assert_int_not_equal(glim__rng_u32(1 + (1ull << 32), 1, 1), a);
    assert_int_not_equal(glim__rng_u32(1, 1 + (1ull << 32), 1), a);
    assert_int_not_equal(glim__rng_u32(1, 1, 1 + (1ull << 32)), a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_the_published_answers),
        cmocka_unit_test(uniform_takes_53_bits_of_the_published_answers),
        cmocka_unit_test(uniform_draws_lie_in_range_with_the_right_moments),
        cmocka_unit_test(normal_draws_have_mean_zero_variance_one_and_thin_tails),
        cmocka_unit_test(draws_below_n_cover_it_evenly),
        cmocka_unit_test(draws_differ_in_seed_sample_and_position),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
