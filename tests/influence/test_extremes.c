/* SPDX-License-Identifier: Apache-2.0 */
/* The ends of columns, against sorting. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/context.h"
#include "base/rng.h"

#include <glim/influence.h>

enum { N = 200, MOST = 7 };
static glim_context *ctx;

static const glim_influence_column columns[] = {
    {.name = "cooks-distance", .query = GLIM_NO_QUERY, .threshold = 0.9},
    {.name = "influence", .query = 0, .threshold = 0.9, .is_signed = true},
};

/* Coarse, so that values are equal. */
static double value(size_t i, size_t k) {
    double u = floor(glim__rng_uniform(5, i, k) * 20) / 20;
    return k ? 2 * u - 1 : u;
}

static glim_extremes *fill(size_t n, size_t most, size_t block) {
    glim_extremes *e;
    assert_int_equal(glim_extremes_new(&e, ctx, columns, 2, most, NULL), GLIM_OK);
    glim_influence_sink sink = glim_extremes_sink(e);
    double values[N * 2];
    for (size_t i = 0; i < n * 2; i++)
        values[i] = value(i / 2, i % 2);
    for (size_t at = 0; at < n; at += block) {
        glim_influence_block b = {at, n - at < block ? n - at : block, values + at * 2};
        assert_int_equal(sink.take(sink.data, &b, NULL), GLIM_OK);
    }
    return e;
}

static int by_value(const void *a, const void *b) {
    const glim_influence_entry *x = a, *y = b;
    if (x->value != y->value)
        return x->value > y->value ? -1 : 1;
    return x->sample < y->sample ? -1 : x->sample > y->sample;
}

static void the_highest_are_those_of_a_sort(void **state) {
    glim_influence_entry all[N];
    glim_extremes *e = fill(N, MOST, 64);
    for (size_t k = 0; k < 2; k++) {
        const glim_influence_ends *ends = glim_extremes_column(e, k);
        for (size_t i = 0; i < N; i++)
            all[i] = (glim_influence_entry){i, value(i, k)};
        qsort(all, N, sizeof *all, by_value);
        assert_int_equal(ends->n_high, MOST);
        assert_int_equal(ends->n_low, MOST);
        for (size_t i = 0; i < MOST; i++) {
            assert_int_equal(ends->high[i].sample, all[i].sample);
            assert_true(ends->low[i].value == all[N - 1 - i].value);
        }
        for (size_t i = 0; i + 1 < MOST; i++)
            assert_true(ends->low[i].value < ends->low[i + 1].value ||
                        ends->low[i].sample < ends->low[i + 1].sample);
    }
    glim_extremes_free(e);
}

static void blocks_do_not_change_a_bit(void **state) {
    glim_extremes *a = fill(N, MOST, 1), *b = fill(N, MOST, N);
    for (size_t k = 0; k < 2; k++) {
        const glim_influence_ends *x = glim_extremes_column(a, k), *y = glim_extremes_column(b, k);
        assert_true(x->mean == y->mean && x->deviation == y->deviation);
        assert_int_equal(x->beyond, y->beyond);
        for (size_t i = 0; i < MOST; i++)
            assert_int_equal(x->low[i].sample, y->low[i].sample);
    }
    glim_extremes_free(a);
    glim_extremes_free(b);
}

static void few_samples_are_parted_between_the_ends(void **state) {
    glim_extremes *e = fill(5, MOST, 2);
    const glim_influence_ends *ends = glim_extremes_column(e, 0);
    assert_int_equal(ends->n_high, 3);
    assert_int_equal(ends->n_low, 2);
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < 2; k++)
            assert_int_not_equal(ends->high[i].sample, ends->low[k].sample);
    glim_extremes_free(e);
}

static void what_is_undefined_is_not_counted(void **state) {
    glim_extremes *e;
    double values[] = {1, NAN, NAN, -1, 0.95, -0.95};
    assert_int_equal(glim_extremes_new(&e, ctx, columns, 2, 2, NULL), GLIM_OK);
    glim_influence_sink sink = glim_extremes_sink(e);
    glim_influence_block b = {0, 3, values};
    assert_int_equal(sink.take(sink.data, &b, NULL), GLIM_OK);
    const glim_influence_ends *one = glim_extremes_column(e, 0);
    assert_int_equal(one->defined, 2);
    assert_int_equal(one->beyond, 2);
    assert_true(one->mean == 0.975);
    assert_int_equal(glim_extremes_column(e, 1)->beyond, 2); /* -1 and -0.95: both sides count */
    glim_extremes_free(e);
}

static void refused_memory_is_said(void **state) {
    for (uint64_t nth = 1; nth <= 3; nth++) {
        glim_extremes *e;
        glim__fail_allocation(ctx, nth);
        assert_int_equal(glim_extremes_new(&e, ctx, columns, 2, MOST, NULL), GLIM_ENOMEM);
        assert_null(e);
    }
    glim__fail_allocation(ctx, 0);
    glim_extremes *e;
    assert_int_equal(glim_extremes_new(&e, ctx, columns, 0, MOST, NULL), GLIM_EUSAGE);
}

/* Counts are those of bins of the last width, however values grow. */
static void bins_count_every_value(void **state) {
    static const double growing[] = {0, 1e-9, -2e-9, 0.25, 0.25, -0.5, 3, -8, 100, 0};
    enum { HERE = sizeof growing / sizeof *growing };
    glim_extremes *e;
    glim_influence_column one = columns[1];
    assert_int_equal(glim_extremes_new(&e, ctx, &one, 1, 2, NULL), GLIM_OK);
    glim_influence_sink sink = glim_extremes_sink(e);
    glim_influence_block b = {0, HERE, growing};
    assert_int_equal(sink.take(sink.data, &b, NULL), GLIM_OK);
    const glim_influence_ends *ends = glim_extremes_column(e, 0);
    assert_true(ends->reach == 128);
    uint64_t want[GLIM_INFLUENCE_BINS] = {0};
    for (size_t i = 0; i < HERE; i++)
        want[(size_t)floor((growing[i] / 128 + 1) * GLIM_INFLUENCE_BINS / 2)]++;
    assert_memory_equal(want, ends->bins, sizeof want);
    glim_extremes_free(e);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_highest_are_those_of_a_sort),
        cmocka_unit_test(blocks_do_not_change_a_bit),
        cmocka_unit_test(few_samples_are_parted_between_the_ends),
        cmocka_unit_test(what_is_undefined_is_not_counted),
        cmocka_unit_test(refused_memory_is_said),
        cmocka_unit_test(bins_count_every_value),
    };
    glim_context_new(&ctx, NULL, NULL);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    glim_context_free(ctx);
    return failed;
}
