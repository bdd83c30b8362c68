/* SPDX-License-Identifier: Apache-2.0 */
/* How alike two explanations are, on scores whose likeness is known by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "evaluate/likeness.h"

enum { UNITS = 8 };
static glim_context *ctx;
static const char *const texts[UNITS] = {"a", "b", "c", "d", "e", "f", "g", "h"};

static void make(glim_document *d, glim_document_unit *units, double *scores, bool is_signed) {
    *d = (glim_document){.ctx = ctx, .n_rows = 1, .scores = scores};
    d->input.units = units;
    d->input.n_units = UNITS;
    d->method.is_signed = is_signed;
    for (size_t u = 0; u < UNITS; u++)
        units[u] = (glim_document_unit){.text = texts[u], .text_len = 1};
}

static void the_same_scores_are_wholly_alike(void **state) {
    double s[UNITS] = {3, -2, 1, 0.5, 4, -1, 0, 2};
    glim_document_unit u[UNITS];
    glim_document d;
    glim_likeness l;
    make(&d, u, s, true);
    assert_int_equal(glim__likeness(&l, &d, &d, NULL), GLIM_OK);
    assert_float_equal(l.tau, 1, 0);
    assert_float_equal(l.jaccard, 1, 0);
    assert_float_equal(l.rbo, 1, 1e-12);
    assert_float_equal(l.flips, 0, 0);
    assert_int_equal(l.n, UNITS);
}

static void signs_that_change_are_counted_and_order_backwards(void **state) {
    double s[UNITS] = {3, -2, 1, 0.5, 4, -1, 0, 2}, t[UNITS];
    glim_document_unit u[UNITS], v[UNITS];
    glim_document a, b;
    glim_likeness l;
    for (size_t i = 0; i < UNITS; i++)
        t[i] = -s[i];
    make(&a, u, s, true);
    make(&b, v, t, true);
    assert_int_equal(glim__likeness(&l, &a, &b, NULL), GLIM_OK);
    assert_float_equal(l.tau, -1, 1e-12);
    assert_float_equal(l.flips, UNITS - 1, 0); /* nothing is no side */
    assert_false(l.by_size);
}

static void beside_a_method_without_signs_sizes_count(void **state) {
    double s[UNITS] = {3, -2, 1, 0.5, 4, -1.5, 0, 2.5}, t[UNITS];
    glim_document_unit u[UNITS], v[UNITS];
    glim_document a, b;
    glim_likeness l;
    for (size_t i = 0; i < UNITS; i++)
        t[i] = 10 * fabs(s[i]);
    make(&a, u, s, true);
    make(&b, v, t, false);
    assert_int_equal(glim__likeness(&l, &a, &b, NULL), GLIM_OK);
    assert_true(l.by_size && isnan(l.flips));
    assert_float_equal(l.tau, 1, 1e-12);
    assert_float_equal(l.rbo, 1, 1e-12);
}

static void what_one_says_nothing_of_is_left_out(void **state) {
    double s[UNITS] = {3, NAN, 1, 0.5, 4, -1, 9, 2}, t[UNITS] = {3, 9, NAN, 0.5, 4, -1, -9, 2};
    size_t order[UNITS];
    glim_document_unit u[UNITS], v[UNITS];
    glim_document a, b;
    glim_likeness l;
    make(&a, u, s, true);
    make(&b, v, t, true);
    u[6].fixed = v[6].fixed = true;
    assert_int_equal(glim__likeness(&l, &a, &b, NULL), GLIM_OK);
    assert_int_equal(l.n, 5);
    assert_float_equal(l.tau, 1, 1e-12);
    assert_int_equal(glim__likeness_order(s, UNITS, true, order), 7);
    assert_int_equal(order[0], 6);
    assert_int_equal(order[6], 5); /* the only one against */
    assert_int_equal(glim__likeness_order(s, UNITS, false, order), 7);
    assert_int_equal(order[6], 3);
    assert_int_equal(glim__scored_units(&a, order), 7);
    assert_int_equal(order[6], 7);
}

static void other_units_are_refused(void **state) {
    double s[UNITS] = {0};
    glim_document_unit u[UNITS], v[UNITS];
    glim_document a, b;
    glim_likeness l;
    glim_error err;
    make(&a, u, s, true);
    make(&b, v, s, true);
    v[3].text = "x";
    assert_int_equal(glim__likeness(&l, &a, &b, &err), GLIM_EUSAGE);
    b.input.n_units = 3;
    assert_false(glim__same_units(&a, &b));
    for (size_t i = 3; i < UNITS; i++)
        u[i].fixed = true;
    assert_true(glim__same_units(&a, &b));
}

static void rows_are_compared_each_and_their_mean_is_told(void **state) {
    double s[2 * UNITS] = {3, -2, 1, 0.5, 4, -1, 0, 2, 3, -2, 1, 0.5, 4, NAN, NAN, NAN};
    double t[2 * UNITS];
    glim_document_unit u[UNITS], v[UNITS];
    glim_document a, b;
    glim_likeness l;
    for (size_t i = 0; i < (size_t)2 * UNITS; i++)
        t[i] = i < UNITS ? s[i] : -s[i];
    make(&a, u, s, true);
    make(&b, v, t, true);
    a.n_rows = b.n_rows = 2;
    assert_int_equal(glim__likeness_row(&l, &a, &b, 1, NULL), GLIM_OK);
    assert_float_equal(l.tau, -1, 1e-12);
    assert_int_equal(l.n, 5);
    assert_int_equal(glim__likeness(&l, &a, &b, NULL), GLIM_OK);
    assert_float_equal(l.tau, 0, 1e-12);
    assert_float_equal(l.flips, 5, 0);
    assert_int_equal(l.n, UNITS + 5);
    b.n_rows = 1;
    assert_int_equal(glim__likeness(&l, &a, &b, NULL), GLIM_EUSAGE);
}

static void divergence_has_the_numbers_of_the_book(void **state) {
    const float p[] = {logf(0.5F), logf(0.25F), logf(0.25F)}, even[] = {7, 7, 7};
    double by_hand = 0.5 * log(1.5) + 0.5 * log(0.75);
    assert_float_equal(glim__divergence(p, even, 3), by_hand, 1e-6);
    assert_float_equal(glim__divergence(p, p, 3), 0, 0);
}

static int setup(void **state) {
    return glim_context_new(&ctx, NULL, NULL) != GLIM_OK;
}

static int teardown(void **state) {
    glim_context_free(ctx);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_scores_are_wholly_alike),
        cmocka_unit_test(signs_that_change_are_counted_and_order_backwards),
        cmocka_unit_test(beside_a_method_without_signs_sizes_count),
        cmocka_unit_test(what_one_says_nothing_of_is_left_out),
        cmocka_unit_test(other_units_are_refused),
        cmocka_unit_test(rows_are_compared_each_and_their_mean_is_told),
        cmocka_unit_test(divergence_has_the_numbers_of_the_book),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
