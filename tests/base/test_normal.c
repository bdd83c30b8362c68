/* SPDX-License-Identifier: Apache-2.0 */
/* The normal distribution at points that are known, and there and back. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/normal.h"

static void quantiles_are_those_of_the_books(void **state) {
    static const double known[][2] = {{0.5, 0},
                                      {0.975, 1.959963984540054},
                                      {0.995, 2.5758293035489004},
                                      {0.75, 0.6744897501960817},
                                      {1e-9, -5.9978070150076865},
                                      {1e-15, -7.941345326170998}};
    for (int i = 0; i < 6; i++) {
        double x = glim__normal_quantile(known[i][0]);
        assert_true(fabs(x - known[i][1]) <= 1e-14 * fmax(1, fabs(x)));
    }
    assert_true(glim__normal_quantile(0) == -INFINITY && glim__normal_quantile(1) == INFINITY);
}

static void quantiles_are_the_way_back(void **state) {
    for (int i = -800; i < 500; i++) {
        double x = 0.01 * i, p = glim__normal_share(x);
        assert_true(fabs(glim__normal_share(glim__normal_quantile(p)) - p) <= 3e-15 * p * 10);
    }
}

static void the_table_is_as_good(void **state) {
    static glim_normal t;
    glim__normal_fill(&t);
    for (int i = 0; i <= 2700; i++) {
        double p = i / 2700.0;
        assert_true(glim__normal_draw(&t, p) == glim__normal_quantile(p) ||
                    fabs(glim__normal_draw(&t, p) - glim__normal_quantile(p)) < 1e-7);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_are_those_of_the_books),
        cmocka_unit_test(quantiles_are_the_way_back),
        cmocka_unit_test(the_table_is_as_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
