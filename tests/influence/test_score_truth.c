/* SPDX-License-Identifier: Apache-2.0 */
/* Scores of influence against what happened, by hand; and TracIn's own influence on labels
   that were made wrong. */
#include "factors-testing.h"

#include "influence/first-order.h"
#include "influence/score-truth.h"

static double lds(const double *scores, size_t n, const uint8_t *subsets, const double *f,
                  size_t m) {
    double out;
    assert_int_equal(glim__score_lds(ctx, scores, n, subsets, f, m, &out, NULL), GLIM_OK);
    return out;
}

static double auc(const double *scores, const uint8_t *wrong, size_t n) {
    double out;
    assert_int_equal(glim__score_auc(ctx, scores, wrong, n, &out, NULL), GLIM_OK);
    return out;
}

/* Sums 3, 4, 5 and 3 of scores 1, 2, 3: ranks 1.5, 3, 4, 1.5 against 2, 1, 4, 3. */
static void lds_is_the_rank_correlation_of_sums(void **state) {
    const double scores[] = {1, 2, 3}, f[] = {0.2, 0.1, 0.9, 0.3};
    const uint8_t subsets[] = {1, 1, 0, 1, 0, 1, 0, 1, 1, 0, 0, 1};
    assert_true(fabs(lds(scores, 3, subsets, f, 4) - 1.5 / sqrt(4.5 * 5)) < 1e-12);
    const double same[] = {3, 4, 5, 3}, other[] = {-3, -4, -5, -3};
    assert_true(fabs(lds(scores, 3, subsets, same, 4) - 1) < 1e-12);
    assert_true(fabs(lds(scores, 3, subsets, other, 4) + 1) < 1e-12);
    const double flat[] = {1, 1, 1, 1};
    assert_true(isnan(lds(scores, 3, subsets, flat, 4)));
}

/* Of 2 x 3 pairs the wrong one is larger in 4, equal in 1. */
static void auc_counts_pairs(void **state) {
    const double scores[] = {5, 1, 3, 3, 0};
    const uint8_t wrong[] = {1, 0, 1, 0, 0}, none[] = {0, 0, 0, 0, 0};
    assert_true(fabs(auc(scores, wrong, 5) - (3 + 2.5) / 6) < 1e-12);
    assert_true(isnan(auc(scores, none, 5)));
    const double unknown[] = {5, NAN, 3, 3, 0};
    assert_true(isnan(auc(unknown, wrong, 5)));
}

enum { N = 120, K = 2, P = 3 };

/* A fitted head, one label in ten turned: gradients of the wrong ones are long. */
static void self_influence_finds_wrong_labels(void **state) {
    double theta[K * P] = {0}, x[N * P], scores[N];
    int y[N];
    uint8_t wrong[N];
    for (size_t i = 0; i < N; i++) {
        wrong[i] = i % 10 == 3;
        y[i] = (int)(i % K) ^ wrong[i];
        for (size_t c = 0; c < P; c++)
            x[i * P + c] = glim__rng_normal(4, i, c) + (c == i % K ? 2 : 0);
    }
    head h = {.theta = theta, .x = x, .y = y};
    make_head(&h, N, K, P);
    for (int step = 0; step < 200; step++) {
        double slope[K * P] = {0}, p[8];
        for (size_t i = 0; i < N; i++) {
            head_probabilities(&h, i, p);
            for (size_t k = 0; k < K * P; k++)
                slope[k] += (p[k / P] - (y[i] == (int)(k / P))) * x[i * P + k % P] / N;
        }
        for (size_t k = 0; k < K * P; k++)
            theta[k] -= 0.3 * slope[k];
    }
    all_rows *r = new_rows();
    const glim_first_order f = {.train = &h.g, .self = true};
    assert_int_equal(glim__first_order_run(&f, &r->out, NULL), GLIM_OK);
    for (size_t i = 0; i < N; i++)
        scores[i] = row_value(r, i, 0);
    assert_true(auc(scores, wrong, N) > 0.9);
    free(r);
}

int main(void) {
    ctx = context_of(1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lds_is_the_rank_correlation_of_sums),
        cmocka_unit_test(auc_counts_pairs),
        cmocka_unit_test(self_influence_finds_wrong_labels),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    glim_context_free(ctx);
    return failed;
}
