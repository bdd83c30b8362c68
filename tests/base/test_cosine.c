/* SPDX-License-Identifier: Apache-2.0 */
/* Distances of directions that are known by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cosine.h"

static const glim_no_direction NONE = {.one = 7, .both = 8};

static void cosine_distance_is_one_minus_the_cosine(void **state) {
    const float x[] = {2, 0}, y[] = {3, 3}, back[] = {-5, 0}, across[] = {0, 1};
    assert_float_equal(glim__cosine_distance(x, y, 2, NONE), 1 - sqrt(0.5), 1e-12);
    assert_float_equal(glim__cosine_distance(x, back, 2, NONE), 2, 1e-12);
    assert_float_equal(glim__cosine_distance(x, across, 2, NONE), 1, 1e-12);
}

static void equal_vectors_are_exactly_no_way_apart(void **state) {
    const float p[] = {0.1F, -0.7F, 12.3F};
    assert_float_equal(glim__cosine_distance(p, p, 3, NONE), 0, 0);
}

static void a_small_turn_does_not_cancel(void **state) {
    const float p[] = {1, 0}, q[] = {1, 1e-7F};
    double turn = (double)q[1];
    assert_float_equal(glim__cosine_distance(p, q, 2, NONE) / (turn * turn / 2), 1, 1e-6);
}

static void what_has_no_direction_is_what_the_caller_says(void **state) {
    const float p[] = {1, 0}, zero[] = {0, 0};
    assert_float_equal(glim__cosine_distance(p, zero, 2, NONE), 7, 0);
    assert_float_equal(glim__cosine_distance(zero, p, 2, NONE), 7, 0);
    assert_float_equal(glim__cosine_distance(zero, zero, 2, NONE), 8, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cosine_distance_is_one_minus_the_cosine),
        cmocka_unit_test(equal_vectors_are_exactly_no_way_apart),
        cmocka_unit_test(a_small_turn_does_not_cancel),
        cmocka_unit_test(what_has_no_direction_is_what_the_caller_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
