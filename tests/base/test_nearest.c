/* SPDX-License-Identifier: Apache-2.0 */
/* How far names are apart. */
#include "base-testing.h"

#include "base/nearest.h"

static void distances_are_levenshteins(void **state) {
    assert_int_equal(glim__edit_distance("kitten", 6, "sitting"), 3);
    assert_int_equal(glim__edit_distance("", 0, "abc"), 3);
    assert_int_equal(glim__edit_distance("abcx", 3, "abc"), 0); /* of the first three bytes */
    char longer[GLIM_NEAREST_MOST + 2];
    memset(longer, 'a', sizeof longer);
    longer[sizeof longer - 1] = 0;
    assert_int_equal(glim__edit_distance(longer, strlen(longer), longer), GLIM_NEAREST_MOST);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(distances_are_levenshteins)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
