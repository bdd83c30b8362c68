/* SPDX-License-Identifier: Apache-2.0 */
/* Products, cosines and TracIn, over factors that are known and over a head that learns. */
#include "factors-testing.h"

#include "influence/first-order.h"

enum { N = 131, Q = 3 }; /* N: more than two blocks */

static double dot(const made_up *a, size_t i, const made_up *b, size_t j) {
    double sum = 0;
    for (size_t w = 0; w < MADE_UP; w++)
        sum += made_up_chosen[w] ? made_up_dot(a, i, b, j, w) : 0;
    return sum;
}

static all_rows *run_of(const glim_first_order *f) {
    all_rows *r = new_rows();
    glim_error err = {0};
    if (glim__first_order_run(f, &r->out, &err))
        fail_msg("%s", err.message);
    assert_int_equal(r->rows, f->train->n);
    return r;
}

static void influence_is_the_product_of_gradients(void **state) {
    made_up train, queries;
    glim_first_order f = {
        .train = make_up(&train, N, 1, 2), .queries = make_up(&queries, Q, 2, 2), .self = true};
    all_rows *r = run_of(&f);
    assert_int_equal(r->n_columns, Q + 1);
    assert_string_equal(r->names[Q], "self-influence");
    for (size_t i = 0; i < N; i += 13) {
        double self = dot(&train, i, &train, i);
        close_to(row_value(r, i, Q), self, self);
        for (size_t q = 0; q < Q; q++)
            close_to(row_value(r, i, q), dot(&train, i, &queries, q),
                     sqrt(self * dot(&queries, q, &queries, q)));
    }
    free(r);
}

static void a_cosine_divides_both_lengths(void **state) {
    made_up train, queries;
    glim_first_order f = {
        .train = make_up(&train, 9, 1, 2), .queries = make_up(&queries, Q, 2, 2), .cosine = true};
    train.silent = true;
    all_rows *r = run_of(&f);
    for (size_t i = 0; i < 9; i++)
        for (size_t q = 0; q < Q; q++) {
            double want = dot(&train, i, &queries, q) /
                          sqrt(dot(&train, i, &train, i) * dot(&queries, q, &queries, q));
            if (i == 1)
                assert_true(isnan(row_value(r, i, q)));
            else
                close_to(row_value(r, i, q), want, 1);
        }
    free(r);
    f.queries = f.train;
    r = run_of(&f);
    close_to(row_value(r, 0, 0), 1, 1);
    close_to(row_value(r, 8, 8), 1, 1);
    free(r);
}

/* A sample without rows adds nothing; an answer's share is the sum's part. */
static void lengths_are_divided_by_answers(void **state) {
    made_up train, queries;
    glim_first_order f = {.train = make_up(&train, 9, 1, 2), .queries = make_up(&queries, Q, 2, 2)};
    train.silent = true;
    all_rows *whole = run_of(&f);
    f.per_answer = true;
    all_rows *each = run_of(&f);
    assert_true(row_value(whole, 1, 0) == 0);
    assert_true(isnan(row_value(each, 1, 0)));
    for (size_t i = 2; i < 9; i++)
        close_to(row_value(each, i, 0) * (double)made_up_rows(&train, i), row_value(whole, i, 0),
                 fabs(row_value(whole, i, 0)));
    free(whole);
    free(each);
}

static void parts_sum_to_the_whole(void **state) {
    made_up train, queries;
    glim_first_order f = {
        .train = make_up(&train, 9, 1, 2), .queries = make_up(&queries, 2, 2, 2), .by = "layer"};
    all_rows *layers = run_of(&f);
    f.by = "module";
    all_rows *modules = run_of(&f);
    assert_int_equal(layers->n_columns, 2 * 3);
    assert_string_equal(layers->names[0], "influence");
    assert_string_equal(layers->names[1], "influence.blocks.0");
    assert_string_equal(layers->names[2], "influence.blocks.1");
    assert_string_equal(modules->names[1], "influence.attn.W_O");
    assert_string_equal(modules->names[2], "influence.mlp.W_in");
    for (size_t i = 0; i < 9; i++) {
        close_to(row_value(layers, i, 4) + row_value(layers, i, 5), row_value(layers, i, 3), 100);
        close_to(row_value(layers, i, 5), made_up_dot(&train, i, &queries, 1, 2), 100);
        close_to(row_value(modules, i, 1), made_up_dot(&train, i, &queries, 0, 0), 100);
    }
    free(layers);
    free(modules);
}

/* Of every kind of score, at several checkpoints. */
static void what_tokens_and_parts_have_sums_to_the_score(void **state) {
    made_up train[2], queries[2];
    for (size_t k = 0; k < 2; k++) {
        make_up(&train[k], 7, 1, 2);
        make_up(&queries[k], Q, 2 + 5 * k, 2);
    }
    const glim_gradients t[2] = {train[0].g, train[1].g}, q[2] = {queries[0].g, queries[1].g};
    const double rates[2] = {0.5, -0.25};
    static const char *const ways[] = {"token", "layer", "module"};
    for (size_t k = 0; k < 12; k++) {
        glim_first_order f = {.train = t,
                              .queries = q,
                              .rates = rates,
                              .n = 2,
                              .by = ways[k % 3],
                              .cosine = k / 3 == 1,
                              .per_answer = k / 3 == 2,
                              .sign = k / 3 == 3 ? -1 : 1};
        all_rows *r = new_rows();
        r->made = &train[0];
        r->out.why = all_rows_why;
        assert_int_equal(glim__first_order_run(&f, &r->out, NULL), GLIM_OK);
        assert_int_equal(r->apart, 4);
        free(r);
    }
}

static void checkpoints_add_at_their_rates(void **state) {
    made_up train[2], queries[2];
    make_up(&train[0], 70, 1, 2);
    make_up(&train[1], 70, 5, 2);
    make_up(&queries[0], Q, 2, 2);
    make_up(&queries[1], Q, 7, 2);
    const glim_gradients t[2] = {train[0].g, train[1].g}, q[2] = {queries[0].g, queries[1].g};
    const double rates[2] = {0.5, -0.25};
    glim_first_order f = {.train = t, .queries = q, .rates = rates, .n = 2, .self = true};
    all_rows *r = run_of(&f);
    for (size_t i = 0; i < 70; i += 23) {
        close_to(row_value(r, i, 1),
                 0.5 * dot(&train[0], i, &queries[0], 1) - 0.25 * dot(&train[1], i, &queries[1], 1),
                 1000);
        close_to(row_value(r, i, Q),
                 0.5 * dot(&train[0], i, &train[0], i) - 0.25 * dot(&train[1], i, &train[1], i),
                 1000);
    }
    free(r);
}

static void an_interrupted_run_has_handed_out_whole_blocks(void **state) {
    made_up train, queries;
    glim_first_order f = {.train = make_up(&train, N, 1, 2), .queries = make_up(&queries, Q, 2, 2)};
    train.stop = 100;
    all_rows *r = new_rows();
    assert_int_equal(glim__first_order_run(&f, &r->out, NULL), GLIM_ECANCELLED);
    assert_int_equal(r->rows, GLIM_GRADIENTS_BLOCK);
    free(r);
}

/* A block holds as much for 20 samples as for 300: the peak is the same. */
static void memory_does_not_grow_with_samples(void **state) {
    uint64_t peaks[2], plan;
    for (int k = 0; k < 2; k++) {
        made_up train, queries;
        glim_context *was = ctx;
        ctx = context_of(1);
        glim_first_order f = {.train = make_up(&train, k ? 300 : 64, 1, 2),
                              .queries = make_up(&queries, Q, 2, 2),
                              .self = true};
        assert_int_equal(glim__first_order_plan(&f, &plan, NULL), GLIM_OK);
        free(run_of(&f));
        peaks[k] = glim_context_peak(ctx);
        assert_true(plan >= peaks[k]);
        glim_context_free(ctx);
        ctx = was;
    }
    assert_int_equal(peaks[0], peaks[1]);
}

static void no_refused_allocation_leaks(void **state) {
    made_up train, queries;
    glim_first_order f = {
        .train = make_up(&train, 2, 1, 2), .queries = make_up(&queries, 1, 2, 2), .by = "token"};
    for (uint64_t n = 1;; n++) {
        all_rows *r = new_rows();
        r->made = &train;
        r->out.why = all_rows_why;
        glim__spare_trim(ctx);
        glim__fail_allocation(ctx, n);
        glim_status status = glim__first_order_run(&f, &r->out, NULL);
        glim__fail_allocation(ctx, 0);
        free(r);
        if (!status)
            break;
        assert_int_equal(status, GLIM_ENOMEM);
        assert_true(n < 500);
    }
}

/* ---- a head that learns ---- */

enum { K = 3, P = 4, STEPS = 30 };

static double logprob(const head *h, size_t i) {
    double p[8];
    head_probabilities(h, i, p);
    return log(p[h->y[i]]);
}

/* One step of stochastic gradient descent on sample i. */
static void step(const head *h, double *theta, size_t i, double rate) {
    double p[8] = {0};
    head_probabilities(h, i, p);
    for (size_t k = 0; k < K; k++)
        for (size_t c = 0; c < P; c++)
            theta[k * P + c] -= rate * (p[k] - (h->y[i] == (int)k)) * h->x[i * P + c];
}

/* With a checkpoint before every step, the sum over an epoch is what the queries'
   log-probabilities gained, up to the square of the rate. */
static double epoch_error(double rate) {
    double theta[K * P] = {0}, x[(STEPS + 1) * P], told = 0;
    int y[STEPS + 1];
    for (size_t i = 0; i <= STEPS; i++) {
        y[i] = (int)(i % K);
        for (size_t c = 0; c < P; c++)
            x[i * P + c] = glim__rng_normal(3, i, c) + (double)(c == i % K);
    }
    head train = {.theta = theta, .x = x, .y = y};
    head query = {.theta = theta, .x = x + STEPS * P, .y = y + STEPS};
    make_head(&train, STEPS, K, P);
    make_head(&query, 1, K, P);
    double before = logprob(&query, 0);
    for (size_t i = 0; i < STEPS; i++) {
        glim_first_order f = {.train = &train.g, .queries = &query.g, .rates = &rate, .n = 1};
        all_rows *r = run_of(&f);
        told += row_value(r, i, 0);
        free(r);
        step(&train, theta, i, rate);
    }
    double gained = logprob(&query, 0) - before;
    return fabs(told - gained) / fabs(gained);
}

static void an_epoch_of_small_steps_changes_what_the_sum_says(void **state) {
    double coarse = epoch_error(0.02), fine = epoch_error(0.002);
    assert_true(coarse < 0.2 && fine < 0.02);
    assert_true(fine < 0.2 * coarse);
}

int main(void) {
    ctx = context_of(1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(influence_is_the_product_of_gradients),
        cmocka_unit_test(a_cosine_divides_both_lengths),
        cmocka_unit_test(lengths_are_divided_by_answers),
        cmocka_unit_test(parts_sum_to_the_whole),
        cmocka_unit_test(what_tokens_and_parts_have_sums_to_the_score),
        cmocka_unit_test(checkpoints_add_at_their_rates),
        cmocka_unit_test(an_interrupted_run_has_handed_out_whole_blocks),
        cmocka_unit_test(memory_does_not_grow_with_samples),
        cmocka_unit_test(no_refused_allocation_leaks),
        cmocka_unit_test(an_epoch_of_small_steps_changes_what_the_sum_says),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    glim_context_free(ctx);
    return failed;
}
