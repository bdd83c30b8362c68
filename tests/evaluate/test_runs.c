/* SPDX-License-Identifier: Apache-2.0 */
/* How alike lists are, and metrics that run the method again. */
#include "../explain/analytic.h"
#include "tabled.h"

static glim_context *ctx;

/* ---- lists ---- */

static void equal_lists_overlap_wholly_and_disjoint_ones_not_at_all(void **state) {
    const size_t a[] = {0, 1, 2, 3, 4}, b[] = {5, 6, 7, 8, 9}, c[] = {4, 3, 2, 1, 0};
    assert_float_equal(glim__rbo(a, a, 5, 0.9), 1, 1e-12);
    assert_float_equal(glim__rbo(a, b, 5, 0.9), 0, 1e-12);
    assert_float_equal(glim__jaccard_at(a, a, 5, 3), 1, 1e-12);
    assert_float_equal(glim__jaccard_at(a, c, 5, 3), 1 / 5., 1e-12);
    assert_float_equal(glim__jaccard_at(a, c, 5, 9), 1, 1e-12);
    /* overlaps 0 0 1 3 5 of the first 1 .. 5 */
    double p = 0.9, by_hand = 0;
    by_hand = pow(p, 5) + (1 - p) / p * (pow(p, 3) / 3 + pow(p, 4) * 3 / 4. + pow(p, 5));
    assert_float_equal(glim__rbo(a, c, 5, p), by_hand, 1e-12);
}

static void chance_of_overlap_is_that_of_random_orders(void **state) {
    enum { TIMES = 4000, N = 8 };
    size_t a[N], b[N];
    double jaccard = 0, rbo = 0;
    for (size_t i = 0; i < N; i++)
        a[i] = b[i] = i;
    for (uint64_t t = 0; t < TIMES; t++) {
        for (size_t i = N; i > 1; i--) {
            size_t at = glim__rng_below(3, t, i, (uint32_t)i), swap = b[i - 1];
            b[i - 1] = b[at];
            b[at] = swap;
        }
        jaccard += glim__jaccard_at(a, b, N, 3) / TIMES;
        rbo += glim__rbo(a, b, N, 0.9) / TIMES;
    }
    assert_float_equal(jaccard, glim__jaccard_chance(N, 3), 0.015);
    assert_float_equal(rbo, glim__rbo_chance(N, 0.9), 0.01);
    assert_float_equal(glim__jaccard_chance(4, 4), 1, 1e-9);
}

static void constant_lists_have_no_correlation(void **state) {
    const double same[] = {1, 1, 1}, x[] = {1, 2, 3};
    assert_true(isnan(glim__kendall_tau_b(same, x, 3, false)));
    assert_true(isnan(glim__spearman(x, same, 3, false)));
    assert_true(isnan(glim__spearman(x, x, 1, false)));
    const double back[] = {-3, -2, -1}, sizes[] = {3, 2, 1};
    assert_float_equal(glim__spearman(back, sizes, 3, true), 1, 1e-12);
    assert_float_equal(glim__kendall_tau_b(back, sizes, 3, false), -1, 1e-12);
}

/* ---- other seeds ---- */

static glim_evaluation *judge(glim_predictor *p, const glim_method *m, const void *opts,
                              glim_evaluate_options o) {
    glim_document *doc;
    glim_evaluation *e = NULL;
    glim_error err = {0};
    o.method = m;
    o.method_opts = opts;
    if (glim_explain(&doc, p, m, opts, 1, &err) || glim_evaluate(&e, p, doc, &o, &err))
        fail_msg("%s", err.message);
    glim_document_free(doc);
    return e;
}

static const glim_metric *const seeds[] = {&glim_metric_seed_kendall, &glim_metric_seed_jaccard,
                                           &glim_metric_seed_rbo, NULL};

static void a_method_that_draws_nothing_is_the_same_and_says_so(void **state) {
    struct analytic a;
    analytic_init(&a, ctx, LINEAR, true);
    glim_evaluation *e =
        judge(&a.base, &glim_method_occlusion, NULL, (glim_evaluate_options){.metrics = seeds});
    for (size_t i = 0; i < e->n_measures; i++) {
        assert_true(e->measures[i].value == 1);
        assert_non_null(e->measures[i].note);
        assert_null(e->measures[i].why);
    }
    assert_float_equal(measure(e, "seed-kendall")->skill, 1, 0);
    assert_true(
        isnan(measure(e, "seed-jaccard")->skill)); /* four features: all are the first five */
    glim_evaluation_free(e);
}

/* Few samples of a target with interactions: the scores move, and more samples calm them. */
static void more_samples_agree_more_between_seeds(void **state) {
    static struct tabled t;
    for (size_t mask = 0; mask < 1 << 10; mask++) {
        double sum = 0;
        for (size_t i = 0; i < 10; i++)
            sum += mask >> i & 1 ? 0.1 * (double)i : 0;
        t.v[mask] = sum + glim__rng_normal(1, 1, mask);
    }
    tabled_init(&t, ctx, 10);
    const glim_method *lime = glim_method_find("lime");
    void *opts = calloc(1, lime->opts_size);
    double tau[2];
    for (int i = 0; i < 2; i++) {
        glim_param_defaults(lime->params, opts);
        assert_int_equal(glim_param_set(glim_param_find(lime->params, "num-samples"), opts,
                                        i ? "5000" : "30", NULL),
                         GLIM_OK);
        glim_evaluation *e = judge(&t.base, lime, opts, (glim_evaluate_options){.metrics = seeds});
        tau[i] = measure(e, "seed-kendall")->value;
        assert_null(measure(e, "seed-rbo")->note);
        assert_true(measure(e, "seed-rbo")->value < 1);
        assert_true(measure(e, "seed-jaccard")->random < 1);
        glim_evaluation_free(e);
    }
    assert_true(tau[0] < tau[1] && tau[1] > 0.6);
    free(opts);
}

/* ---- a moved input ---- */

static void the_gradient_of_a_sum_does_not_move(void **state) {
    static const glim_metric *const one[] = {&glim_metric_sensitivity_max, NULL};
    struct analytic a;
    analytic_init(&a, ctx, LINEAR, false);
    glim_evaluation *e =
        judge(&a.base, &glim_method_gradient, NULL, (glim_evaluate_options){.metrics = one});
    assert_true(e->measures[0].value == 0 && e->measures[0].skill == 1);
    glim_evaluation_free(e);
    analytic_init(&a, ctx, STEEP, false);
    for (size_t k = 0; k < AT * AC; k++)
        a.x[k] = 0.5f + 0.1f * (float)k / (AT * AC);
    a.value[0] = analytic_f(&a, a.x, NULL);
    e = judge(&a.base, &glim_method_gradient, NULL, (glim_evaluate_options){.metrics = one});
    assert_true(e->measures[0].value > 1e-4);
    glim_evaluation_free(e);
}

static void a_method_without_embeddings_has_no_sensitivity(void **state) {
    static const glim_metric *const one[] = {&glim_metric_sensitivity_max, NULL};
    struct analytic a;
    analytic_init(&a, ctx, LINEAR, false);
    glim_evaluation *e =
        judge(&a.base, &glim_method_occlusion, NULL, (glim_evaluate_options){.metrics = one});
    assert_true(isnan(e->measures[0].value));
    assert_non_null(e->measures[0].why);
    glim_evaluation_free(e);
}

/* The table answers alike whatever the way, so all ways agree. */
static void ways_that_answer_alike_agree(void **state) {
    static struct tabled t;
    const double w[] = {1, 3, -2, 0.5};
    static const glim_metric *const one[] = {&glim_metric_masking_kendall, NULL};
    tabled_sum(&t, ctx, w, 4, 0);
    glim_evaluation *e =
        judge(&t.base, &glim_method_occlusion, NULL, (glim_evaluate_options){.metrics = one});
    assert_float_equal(e->measures[0].value, 1, 1e-12);
    glim_evaluation_free(e);
    t.base.columns = true;
    e = judge(&t.base, &glim_method_occlusion, NULL, (glim_evaluate_options){.metrics = one});
    assert_non_null(e->measures[0].why);
    glim_evaluation_free(e);
}

/* Which ways the values were asked in, by their numbers. */
static unsigned seen_ways;

static glim_status see_way(glim_predictor *p, const uint8_t *keep, size_t n, glim_absent absent,
                           double *out, glim_error *err) {
    seen_ways |= 1U << absent;
    return tabled_values(p, keep, n, absent, out, err);
}

static void every_way_that_the_predictor_has_is_tried(void **state) {
    static struct tabled t;
    const double w[] = {1, 3, -2, 0.5};
    static const glim_metric *const one[] = {&glim_metric_masking_kendall, NULL};
    const unsigned text = 1U << GLIM_ABSENT_DELETE | 1U << GLIM_ABSENT_MASK |
                          1U << GLIM_ABSENT_MEAN | 1U << GLIM_ABSENT_ATTENTION,
                   picture = 1U << GLIM_ABSENT_MASK | 1U << GLIM_ABSENT_MEAN |
                             1U << GLIM_ABSENT_ZERO | 1U << GLIM_ABSENT_BLUR |
                             1U << GLIM_ABSENT_OWN | 1U << GLIM_ABSENT_BLACK;
    for (int i = 0; i < 2; i++) {
        tabled_sum(&t, ctx, w, 4, 0);
        t.base.values = see_way;
        t.base.image = i;
        seen_ways = 0;
        glim_evaluation *e =
            judge(&t.base, &glim_method_occlusion, NULL, (glim_evaluate_options){.metrics = one});
        assert_int_equal(seen_ways, i ? picture : text);
        glim_evaluation_free(e);
        glim_document *doc = tabled_document(&t, w);
        glim_evaluate_cost cost;
        glim_evaluate_options o = {.metrics = one, .method = &glim_method_occlusion};
        assert_int_equal(glim_evaluate_plan(&cost, &t.base, doc, &o, NULL), GLIM_OK);
        assert_int_equal(cost.runs, i ? 5 : 3); /* the other ways than its own */
        glim_document_free(doc);
    }
}

/* ---- the engine ---- */

static void what_a_metric_needs_and_lacks_is_said(void **state) {
    static struct tabled t;
    const double w[] = {1, 3, -2, 0.5};
    tabled_sum(&t, ctx, w, 4, 0);
    glim_document *doc = tabled_document(&t, w);
    doc->method.is_signed = doc->method.additive = false;
    glim_evaluation *e;
    assert_int_equal(glim_evaluate(&e, &t.base, doc, NULL, NULL), GLIM_OK);
    static const char *const lacking[] = {"infidelity", "completeness-residual",
                                          "token-f1",   "seed-kendall",
                                          "log-odds",   "masking-kendall"};
    for (size_t i = 0; i < 6; i++) {
        const glim_measure *m = measure(e, lacking[i]);
        assert_true(m->why && isnan(m->value) && isnan(m->skill));
    }
    assert_null(measure(e, "deletion-auc")->why);
    assert_true(isnan(e->marks[GLIM_PLAUSIBILITY]) && isnan(e->marks[GLIM_CONSISTENCY]));
    glim_evaluation_free(e);
    glim_document_free(doc);
}

static void people_enter_no_mark_but_their_own(void **state) {
    static struct tabled t;
    const double w[] = {1, 3, -2, 0.5};
    const uint8_t good[] = {1, 1, 0, 0}, bad[] = {0, 0, 1, 0};
    tabled_sum(&t, ctx, w, 4, 0);
    glim_evaluation *a = judged(&t, w, &(glim_evaluate_options){.rationale = good}),
                    *b = judged(&t, w, &(glim_evaluate_options){.rationale = bad});
    assert_float_equal(a->marks[GLIM_PLAUSIBILITY], 1, 1e-12);
    assert_float_equal(b->marks[GLIM_PLAUSIBILITY], 0, 1e-12);
    for (int q = 0; q < GLIM_PLAUSIBILITY; q++)
        assert_true(a->marks[q] == b->marks[q] || (isnan(a->marks[q]) && isnan(b->marks[q])));
    glim_evaluation_free(a);
    glim_evaluation_free(b);
}

static void a_failed_check_caps_the_accuracy(void **state) {
    static struct tabled t;
    const double w[] = {1, 3, -2, 0.5}, half[] = {0.5, 1.5, -1, 0.25};
    tabled_sum(&t, ctx, w, 4, 0);
    glim_evaluation *e = judged(&t, half, NULL); /* the right order, but not the sum */
    assert_true(measure(e, "completeness-residual")->failed && e->capped);
    assert_true(e->marks[GLIM_ACCURACY] == 0.3);
    glim_evaluation_free(e);
    glim_document *doc = tabled_document(&t, w);
    doc->verdict = GLIM_VERDICT_DISTRUST;
    assert_int_equal(glim_evaluate(&e, &t.base, doc, NULL, NULL), GLIM_OK);
    assert_true(e->capped && e->marks[GLIM_ACCURACY] == 0.3);
    glim_evaluation_free(e);
    glim_document_free(doc);
}

/* Leave-one-out misses what two features do together; another order may be the best. */
static void the_best_known_is_the_best_of_what_was_tried(void **state) {
    static struct tabled t;
    for (size_t mask = 0; mask < 16; mask++) /* either of a, b is enough; c is weak */
        t.v[mask] = ((mask & 3) != 0) + 0.1 * (double)(mask >> 2 & 1);
    tabled_init(&t, ctx, 4);
    const double phi[] = {0.5, 0.5, 0.1, 0};
    glim_evaluation *e = judged(&t, phi, NULL);
    const glim_measure *m = measure(e, "deletion-auc");
    assert_true(m->value <= m->best + 1e-12 || m->skill < 1);
    assert_true(m->best <= m->value && m->best < m->random && m->random < m->reversed);
    assert_true(m->skill == 1);
    glim_evaluation_free(e);
}

static void options_of_a_metric_are_heeded(void **state) {
    static struct tabled t;
    const double w[] = {1, 3, 0, 2};
    const void *opts[64] = {0};
    const glim_metric *m = glim_metric_find("deletion-auc");
    void *own = calloc(1, m->opts_size);
    glim_param_defaults(m->params, own);
    assert_int_equal(glim_param_set(&m->params[0], own, "2", NULL), GLIM_OK);
    for (size_t i = 0; glim_metrics()[i]; i++)
        opts[i] = glim_metrics()[i] == m ? own : NULL;
    tabled_sum(&t, ctx, w, 4, 1);
    glim_evaluation *e = judged(&t, w, &(glim_evaluate_options){.metric_opts = opts});
    assert_float_equal(measure(e, "deletion-auc")->value, ((6 + 1) / 2. + 0.5) / 2 / 6, 1e-12);
    glim_evaluation_free(e);
    free(own);
}

/* ---- refused memory ---- */

static void no_refused_allocation_leaks_or_crashes(void **state) {
    struct analytic a;
    analytic_init(&a, ctx, LINEAR, true);
    glim_document *doc;
    const uint8_t marked[] = {0, 1, 0, 1, 0};
    glim_evaluate_options o = {.method = &glim_method_smoothgrad, .rationale = marked, .draws = 2};
    assert_int_equal(glim_explain(&doc, &a.base, o.method, NULL, 1, NULL), GLIM_OK);
    for (int k = 0; k < 2; k++) {
        uint64_t before = glim_context_bytes(ctx);
        for (uint64_t nth = 1;; nth++) {
            glim_evaluation *e = NULL;
            glim_error err = {0};
            glim__fail_allocation(ctx, nth);
            glim_status status = glim_evaluate(&e, &a.base, doc, &o, &err);
            glim__fail_allocation(ctx, 0);
            assert_true(!status == (e != NULL));
            glim_evaluation_free(e);
            if (glim_context_bytes(ctx) != before)
                fail_msg("allocation %lu: %ld bytes are left", (unsigned long)nth,
                         (long)(glim_context_bytes(ctx) - before));
            if (!status)
                break;
            if (status != GLIM_ENOMEM || !*err.message)
                fail_msg("allocation %lu: status %d, '%s'", (unsigned long)nth, status,
                         err.message);
            assert_true(nth < 10000);
        }
        glim_document_free(doc);
        o.method = &glim_method_occlusion; /* the second time: other ways of masking */
        assert_int_equal(glim_explain(&doc, &a.base, o.method, NULL, 1, NULL), GLIM_OK);
    }
    glim_document_free(doc);
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
        cmocka_unit_test(equal_lists_overlap_wholly_and_disjoint_ones_not_at_all),
        cmocka_unit_test(chance_of_overlap_is_that_of_random_orders),
        cmocka_unit_test(constant_lists_have_no_correlation),
        cmocka_unit_test(a_method_that_draws_nothing_is_the_same_and_says_so),
        cmocka_unit_test(more_samples_agree_more_between_seeds),
        cmocka_unit_test(the_gradient_of_a_sum_does_not_move),
        cmocka_unit_test(a_method_without_embeddings_has_no_sensitivity),
        cmocka_unit_test(ways_that_answer_alike_agree),
        cmocka_unit_test(every_way_that_the_predictor_has_is_tried),
        cmocka_unit_test(what_a_metric_needs_and_lacks_is_said),
        cmocka_unit_test(people_enter_no_mark_but_their_own),
        cmocka_unit_test(a_failed_check_caps_the_accuracy),
        cmocka_unit_test(the_best_known_is_the_best_of_what_was_tried),
        cmocka_unit_test(options_of_a_metric_are_heeded),
        cmocka_unit_test(no_refused_allocation_leaks_or_crashes),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
