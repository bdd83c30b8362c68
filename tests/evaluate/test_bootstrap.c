/* SPDX-License-Identifier: Apache-2.0 */
/* Intervals of means, on numbers whose mean is known. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"
#include "evaluate/bootstrap.h"

static glim_context *ctx;

/* Skewed, so that the interval is not a matter of a bell: exponential, mean 1. */
static double draw(uint64_t sample, uint64_t i) {
    return -log(1 - glim__rng_uniform(77, sample, i));
}

static void the_interval_covers_the_mean_about_as_often_as_it_says(void **state) {
    enum { TIMES = 400, N = 60 };
    size_t covered = 0, low = 0;
    for (uint64_t t = 0; t < TIMES; t++) {
        double x[N];
        glim_interval in;
        for (size_t i = 0; i < N; i++)
            x[i] = draw(t, i);
        assert_int_equal(glim__bootstrap(ctx, &in, x, N, t, NULL), GLIM_OK);
        covered += in.low <= 1 && 1 <= in.high;
        low += in.high < 1;
    }
    /* 95 % less about 2 for the skew of 60 numbers; three standard errors either way */
    assert_in_range(covered, TIMES * 90 / 100, TIMES * 98 / 100);
    assert_true(low < TIMES * 8 / 100);
}

static void pairs_are_told_apart_where_groups_are_not(void **state) {
    enum { N = 40 };
    double a[N], b[N];
    glim_interval in, one, other;
    for (size_t i = 0; i < N; i++) {
        b[i] = 10 * draw(1, i); /* inputs differ much, methods little */
        a[i] = b[i] + 0.5 + 0.1 * draw(2, i);
    }
    assert_int_equal(glim__bootstrap_paired(ctx, &in, a, b, N, 1, NULL), GLIM_OK);
    assert_true(in.low > 0.5 && in.p < 0.01);
    assert_int_equal(glim__bootstrap(ctx, &one, a, N, 1, NULL), GLIM_OK);
    assert_int_equal(glim__bootstrap(ctx, &other, b, N, 1, NULL), GLIM_OK);
    assert_true(one.low < other.high && other.low < one.high);
}

static void no_difference_has_no_small_p(void **state) {
    enum { TIMES = 200, N = 40 };
    size_t small = 0;
    for (uint64_t t = 0; t < TIMES; t++) {
        double a[N], b[N];
        glim_interval in;
        for (size_t i = 0; i < N; i++) {
            a[i] = draw(1000 + t, i);
            b[i] = draw(5000 + t, i);
        }
        assert_int_equal(glim__bootstrap_paired(ctx, &in, a, b, N, t, NULL), GLIM_OK);
        small += in.p < 0.05;
    }
    assert_true(small < TIMES * 11 / 100); /* 5 % and four standard errors */
}

static void what_is_missing_is_left_out(void **state) {
    const double a[] = {1, NAN, 3, 5}, b[] = {0, 1, NAN, 1};
    glim_interval in;
    assert_int_equal(glim__bootstrap_paired(ctx, &in, a, b, 4, 1, NULL), GLIM_OK);
    assert_int_equal(in.n, 2);
    assert_float_equal(in.mean, 2.5, 1e-12);
    assert_true(in.low >= 1 && in.high <= 4);
    assert_int_equal(glim__bootstrap(ctx, &in, a, 1, 1, NULL), GLIM_OK);
    assert_true(in.mean == 1 && isnan(in.low) && isnan(in.high) && isnan(in.p));
    assert_int_equal(glim__bootstrap(ctx, &in, a, 0, 1, NULL), GLIM_OK);
    assert_true(in.n == 0 && isnan(in.mean));
}

/* R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm") */
static void holm_multiplies_and_never_falls(void **state) {
    double p[] = {0.01, 0.04, NAN, 0.03, 0.005};
    const double expected[] = {0.03, 0.06, 0, 0.06, 0.02};
    glim__holm(p, 5);
    for (size_t i = 0; i < 5; i++)
        assert_true(i == 2 ? isnan(p[i]) : fabs(p[i] - expected[i]) < 1e-12);
    double large[] = {0.9, 0.8};
    glim__holm(large, 2);
    assert_true(fabs(large[0] - 1) < 1e-12 && fabs(large[1] - 1) < 1e-12);
}

static void refused_memory_is_told(void **state) {
    const double x[] = {1, 2};
    glim_interval in;
    glim__fail_allocation(ctx, 1);
    assert_int_equal(glim__bootstrap(ctx, &in, x, 2, 1, NULL), GLIM_ENOMEM);
    glim__fail_allocation(ctx, 0);
}

static int open_context(void **state) {
    return glim_context_new(&ctx, &(glim_context_options){.threads = 1}, NULL);
}

static int close_context(void **state) {
    glim_context_free(ctx);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_interval_covers_the_mean_about_as_often_as_it_says),
        cmocka_unit_test(pairs_are_told_apart_where_groups_are_not),
        cmocka_unit_test(no_difference_has_no_small_p),
        cmocka_unit_test(what_is_missing_is_left_out),
        cmocka_unit_test(holm_multiplies_and_never_falls),
        cmocka_unit_test(refused_memory_is_told),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
