/* SPDX-License-Identifier: Apache-2.0 */
/* Products of gradients from their factors, against gradients that are formed in double. */
#include "factors-testing.h"

#include "influence/products.h"

enum { QUERIES = 4 };

static double length(const made_up *m, size_t i, size_t w) {
    return sqrt(made_up_dot(m, i, m, i, w));
}

struct against {
    glim_products *p;
    const made_up *train, *queries;
    bool rows;
    double *bits; /* what was said, one after another */
    size_t n;
};

static glim_status compare(void *data, size_t sample, size_t weight, size_t rows, const float *g,
                           const float *a, glim_error *err) {
    struct against *c = data;
    const glim_factors_view view = {weight, rows, g, a};
    double out[QUERIES] = {0}, each[64 * QUERIES] = {0}, square;
    assert_int_equal(glim__products_take(c->p, &view, out, NULL), GLIM_OK);
    assert_int_equal(glim__products_rows(c->p, &view, each, NULL), GLIM_OK);
    assert_int_equal(glim__product_square(ctx, &made_up_weights[weight], &view, &square, NULL),
                     GLIM_OK);
    close_to(square, pow(length(c->train, sample, weight), 2),
             pow(length(c->train, sample, weight), 2));
    for (size_t q = 0; q < QUERIES; q++) {
        double scale = length(c->train, sample, weight) * length(c->queries, q, weight), sum = 0;
        for (size_t t = 0; t < rows; t++)
            sum += each[t * QUERIES + q];
        close_to(out[q], made_up_dot(c->train, sample, c->queries, q, weight), scale);
        close_to(sum, out[q], scale);
        if (c->bits)
            c->bits[c->n++] = out[q];
    }
    return GLIM_OK;
}

static void check(size_t train_rows, size_t query_rows, bool formed, double *bits) {
    made_up train, queries;
    struct against c = {.train = &train, .queries = &queries, .bits = bits};
    make_up(&queries, QUERIES, 2, query_rows);
    make_up(&train, 5, 1, train_rows);
    assert_int_equal(glim__products_new(&c.p, &queries.g, formed, NULL), GLIM_OK);
    const glim_pass_visitor v = {.weight = compare, .data = &c};
    assert_int_equal(made_up_walk(&train, 0, 5, &v, NULL), GLIM_OK);
    for (size_t w = 0; w < MADE_UP - 1; w++)
        for (size_t q = 0; q < QUERIES; q++)
            close_to(glim__products_norm2(c.p, w, q), pow(length(&queries, q, w), 2),
                     pow(length(&queries, q, w), 2));
    glim__products_free(c.p);
}

/* Short and long on either side: by rows, with the sample's gradient formed, with the
   query's, with both. */
static void products_are_those_of_formed_gradients(void **state) {
    check(2, 1, false, NULL);
    check(40, 1, false, NULL);
    check(2, 50, false, NULL);
    check(40, 50, false, NULL);
    check(3, 2, true, NULL);
    check(9, 9, false, NULL);
}

static void threads_change_no_bit(void **state) {
    double bits[2][256] = {{0}};
    glim_context *was = ctx;
    check(9, 4, false, bits[0]);
    ctx = context_of(3);
    check(9, 4, false, bits[1]);
    glim_context_free(ctx);
    ctx = was;
    assert_memory_equal(bits[0], bits[1], sizeof bits[0]);
}

static void the_plan_is_what_is_kept(void **state) {
    for (size_t rows = 1; rows < 60; rows += 29) {
        made_up queries;
        uint64_t plan;
        glim_context *was = ctx;
        ctx = context_of(1);
        make_up(&queries, 7, 3, rows);
        assert_int_equal(glim__products_plan(&queries.g, false, rows, &plan, NULL), GLIM_OK);
        glim_products *p;
        assert_int_equal(glim__products_new(&p, &queries.g, false, NULL), GLIM_OK);
        assert_true(plan >= glim_context_peak(ctx));
        glim__products_free(p);
        glim_context_free(ctx);
        ctx = was;
    }
}

static void refused_memory_leaks_nothing(void **state) {
    made_up queries;
    glim_products *p;
    make_up(&queries, 2, 4, 3);
    for (uint64_t n = 1;; n++) {
        glim__spare_trim(ctx);
        glim__fail_allocation(ctx, n);
        glim_status status = glim__products_new(&p, &queries.g, false, NULL);
        glim__fail_allocation(ctx, 0);
        if (!status)
            break;
        assert_int_equal(status, GLIM_ENOMEM);
        assert_null(p);
        assert_true(n < 500);
    }
    glim__products_free(p);
}

int main(void) {
    ctx = context_of(1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_are_those_of_formed_gradients),
        cmocka_unit_test(threads_change_no_bit),
        cmocka_unit_test(the_plan_is_what_is_kept),
        cmocka_unit_test(refused_memory_leaks_nothing),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    glim_context_free(ctx);
    return failed;
}
