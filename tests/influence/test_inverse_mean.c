/* SPDX-License-Identifier: Apache-2.0 */
/* DataInf against its formula, written down once more over gradients formed in double. */
#include "factors-testing.h"

#include "influence/inverse-mean.h"

enum { N = 70, Q = 2 };

static double mean_square(const made_up *m, size_t n, size_t w) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += made_up_dot(m, i, m, i, w);
    return sum / (double)n;
}

/* <v, H^-1 g_j> / n of one weight, by the formula. */
static double formula(const made_up *train, size_t n, const made_up *queries, size_t q, size_t j,
                      size_t w, double damping) {
    double size = (double)(made_up_weights[w].rows * made_up_weights[w].cols);
    double rho = damping * mean_square(train, n, w) / size, sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (made_up_dot(train, j, queries, q, w) -
                made_up_dot(train, i, train, j, w) * made_up_dot(train, i, queries, q, w) /
                    (rho + made_up_dot(train, i, train, i, w))) /
               rho;
    return sum / (double)n / (double)n;
}

static all_rows *run_of(const glim_inverse_mean *f) {
    all_rows *r = new_rows();
    glim_error err = {0};
    if (glim__inverse_mean_run(f, &r->out, &err))
        fail_msg("%s", err.message);
    assert_int_equal(r->rows, f->train->n);
    assert_int_equal(r->n_columns, f->queries->n);
    return r;
}

static void scores_are_those_of_the_formula(void **state) {
    made_up train, queries;
    glim_inverse_mean f = {
        .train = make_up(&train, N, 1, 2), .queries = make_up(&queries, Q, 2, 2), .damping = 0.1};
    all_rows *r = run_of(&f);
    for (size_t j = 0; j < N; j += 34)
        for (size_t q = 0; q < Q; q++) {
            double want = 0;
            for (size_t w = 0; w < MADE_UP - 1; w++)
                want += formula(&train, N, &queries, q, j, w, 0.1);
            if (!(fabs(row_value(r, j, q) - want) <= 1e-4 * fabs(want)))
                fail_msg("sample %zu: %g is not %g", j, row_value(r, j, q), want);
        }
    free(r);
}

/* With one sample the mean of inverses is the inverse: (g g^T + rho) H^-1 v = v, of which
   <g, H^-1 v> = <g, v> / (rho + ||g||^2). */
static void one_sample_is_exact(void **state) {
    made_up train, queries;
    glim_inverse_mean f = {
        .train = make_up(&train, 1, 1, 2), .queries = make_up(&queries, Q, 2, 2), .damping = 0.1};
    all_rows *r = run_of(&f);
    for (size_t q = 0; q < Q; q++) {
        double want = 0;
        for (size_t w = 0; w < MADE_UP - 1; w++) {
            double size = (double)(made_up_weights[w].rows * made_up_weights[w].cols);
            double square = made_up_dot(&train, 0, &train, 0, w);
            want += made_up_dot(&train, 0, &queries, q, w) / (0.1 * square / size + square);
        }
        if (!(fabs(row_value(r, 0, q) - want) <= 1e-3 * fabs(want)))
            fail_msg("%g is not %g", row_value(r, 0, q), want);
    }
    free(r);
}

/* Ever more damping: ever more the product of gradients, in its order. */
static void much_damping_is_the_product_of_gradients(void **state) {
    made_up train, queries;
    glim_inverse_mean f = {
        .train = make_up(&train, 20, 1, 2), .queries = make_up(&queries, 1, 2, 2), .damping = 1e7};
    all_rows *r = run_of(&f);
    for (size_t j = 0; j < 20; j++) {
        double want = 0;
        for (size_t w = 0; w < MADE_UP - 1; w++) {
            double size = (double)(made_up_weights[w].rows * made_up_weights[w].cols);
            want += made_up_dot(&train, j, &queries, 0, w) * size /
                    (1e7 * mean_square(&train, 20, w) * 20);
        }
        if (!(fabs(row_value(r, j, 0) - want) <= 1e-3 * fabs(want) + 1e-9))
            fail_msg("%g is not %g", row_value(r, j, 0), want);
    }
    free(r);
}

/* The mean of a part of the samples: here of the second block alone. */
static void the_mean_may_be_of_some_blocks(void **state) {
    made_up train, queries;
    glim_inverse_mean f = {
        .train = make_up(&train, 130, 1, 1), .queries = make_up(&queries, 1, 2, 1), .damping = 0.1};
    all_rows *whole = run_of(&f);
    f.most = 64;
    all_rows *some = run_of(&f);
    double apart = 0, size = 0;
    for (size_t i = 0; i < 130; i++) {
        apart += pow(row_value(some, i, 0) - row_value(whole, i, 0), 2);
        size += pow(row_value(whole, i, 0), 2);
    }
    assert_true(apart > 0 && apart < 0.1 * size);
    free(whole);
    free(some);
}

static void the_plan_covers_the_peak(void **state) {
    made_up train, queries;
    uint64_t plan;
    glim_context *was = ctx;
    ctx = context_of(1);
    glim_inverse_mean f = {
        .train = make_up(&train, 5, 1, 3), .queries = make_up(&queries, 9, 2, 2), .damping = 0.1};
    assert_int_equal(glim__inverse_mean_plan(&f, &plan, NULL), GLIM_OK);
    free(run_of(&f));
    assert_true(plan >= glim_context_peak(ctx));
    glim_context_free(ctx);
    ctx = was;
}

static void what_tokens_and_parts_have_sums_to_the_score(void **state) {
    static const char *const ways[] = {"token", "layer", "module"};
    for (size_t k = 0; k < 3; k++) {
        made_up train, queries;
        glim_inverse_mean f = {.train = make_up(&train, 5, 1, 3),
                               .queries = make_up(&queries, 2, 2, 2),
                               .damping = 0.1,
                               .by = ways[k],
                               .sign = -1};
        all_rows *r = new_rows();
        r->made = &train;
        r->out.why = all_rows_why;
        assert_int_equal(glim__inverse_mean_run(&f, &r->out, NULL), GLIM_OK);
        assert_int_equal(r->apart, 3);
        free(r);
    }
}

static void refused_memory_leaks_nothing(void **state) {
    made_up train, queries;
    glim_inverse_mean f = {
        .train = make_up(&train, 2, 1, 1), .queries = make_up(&queries, 1, 2, 1), .damping = 0.1};
    f.by = "layer";
    for (uint64_t n = 1;; n++) {
        all_rows *r = new_rows();
        r->made = &train;
        r->out.why = all_rows_why;
        glim__spare_trim(ctx);
        glim__fail_allocation(ctx, n);
        glim_status status = glim__inverse_mean_run(&f, &r->out, NULL);
        glim__fail_allocation(ctx, 0);
        free(r);
        if (!status)
            break;
        assert_int_equal(status, GLIM_ENOMEM);
        assert_true(n < 500);
    }
}

int main(void) {
    ctx = context_of(1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_are_those_of_the_formula),
        cmocka_unit_test(one_sample_is_exact),
        cmocka_unit_test(much_damping_is_the_product_of_gradients),
        cmocka_unit_test(the_mean_may_be_of_some_blocks),
        cmocka_unit_test(the_plan_covers_the_peak),
        cmocka_unit_test(what_tokens_and_parts_have_sums_to_the_score),
        cmocka_unit_test(refused_memory_leaks_nothing),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    glim_context_free(ctx);
    return failed;
}
