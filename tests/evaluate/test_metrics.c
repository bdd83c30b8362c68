/* SPDX-License-Identifier: Apache-2.0 */
/* Each metric against numbers worked out by hand, and what theory says of the accuracy
   metrics: exact scores of a sum are perfect, no order beats theirs. */
#include "tabled.h"

static glim_context *ctx;
static struct tabled t;

static const double weights[] = {0.5, -1, 2, 0.25, 0, 1.25};
enum { D = 6 };

static double says(const char *name, const double *phi, const char *const *set) {
    glim_case c = case_of(&t, phi);
    return said(name, &t, &c, set);
}

#define SET(...) ((const char *const[]){__VA_ARGS__, NULL})

/* ---- theory ---- */

static void exact_scores_of_a_sum_are_perfect(void **state) {
    tabled_sum(&t, ctx, weights, D, 0.5);
    glim_evaluation *e = judged(&t, weights, NULL);
    for (size_t i = 0; i < e->n_measures; i++) {
        const glim_measure *m = &e->measures[i];
        if (m->metric->quality != GLIM_ACCURACY || m->why)
            continue;
        if (!(m->skill > 1 - 1e-9) || fabs(m->value - m->best) > 1e-9)
            fail_msg("%s: %g, best %g, skill %g", m->metric->name, m->value, m->best, m->skill);
    }
    assert_float_equal(measure(e, "infidelity")->value, 0, 1e-20);
    assert_float_equal(measure(e, "faithfulness-correlation")->value, 1, 1e-12);
    assert_float_equal(measure(e, "sensitivity-n")->value, 1, 1e-12);
    assert_float_equal(measure(e, "local-r2")->value, 1, 1e-12);
    assert_float_equal(e->marks[GLIM_ACCURACY], 1, 1e-9);
    glim_evaluation_free(e);
}

/* Mean over orders that know nothing, beside the engine's own mean over random ones. */
static void random_scores_get_what_chance_gets(void **state) {
    enum { TIMES = 60 };
    static const char *const names[] = {
        "aopc-comprehensiveness", "aopc-sufficiency", "deletion-auc",
        "insertion-auc",          "infidelity",       "faithfulness-correlation",
        "sensitivity-n",          "monotonicity"};
    double value[8] = {0}, square[8] = {0}, chance[8] = {0}, phi[D];
    tabled_sum(&t, ctx, weights, D, 0.5);
    for (uint64_t k = 0; k < TIMES; k++) {
        memcpy(phi, weights, sizeof phi);
        for (size_t i = D; i > 1; i--) {
            size_t at = glim__rng_below(9, k, i, (uint32_t)i);
            double swap = phi[at];
            phi[at] = phi[i - 1];
            phi[i - 1] = swap;
        }
        glim_evaluation *e = judged(&t, phi, &(glim_evaluate_options){.seed = k});
        for (size_t i = 0; i < 8; i++) {
            double x = measure(e, names[i])->value;
            value[i] += x / TIMES;
            square[i] += x * x / TIMES;
            chance[i] += measure(e, names[i])->random / TIMES;
        }
        glim_evaluation_free(e);
    }
    for (size_t i = 0; i < 8; i++) {
        double se = sqrt((square[i] - value[i] * value[i]) / TIMES);
        if (fabs(value[i] - chance[i]) > 4 * se)
            fail_msg("%s: %g, chance %g, se %g", names[i], value[i], chance[i], se);
    }
}

static bool next_order(size_t *order, size_t n) {
    size_t i = n - 1, k = n - 1;
    while (i && order[i - 1] > order[i])
        i--;
    if (!i)
        return false;
    while (order[k] < order[i - 1])
        k--;
    size_t swap = order[k];
    order[k] = order[i - 1];
    order[i - 1] = swap;
    for (size_t a = i, b = n - 1; a < b; a++, b--) {
        swap = order[a];
        order[a] = order[b];
        order[b] = swap;
    }
    return true;
}

static void no_order_of_a_sum_has_a_better_area(void **state) {
    static const char *const names[] = {"aopc-comprehensiveness", "aopc-sufficiency",
                                        "deletion-auc", "insertion-auc"};
    double best[4];
    size_t order[D] = {0, 1, 2, 3, 4, 5}, orders = 0;
    tabled_sum(&t, ctx, weights, D, 0.5);
    for (size_t i = 0; i < 4; i++)
        best[i] = says(names[i], weights, NULL);
    do {
        glim_case c = case_of(&t, weights);
        c.order = order;
        for (size_t i = 0; i < 4; i++) {
            double x = said(names[i], &t, &c, NULL);
            assert_true(glim_metric_find(names[i])->higher ? x <= best[i] + 1e-12
                                                           : x >= best[i] - 1e-12);
        }
        orders++;
    } while (next_order(order, D));
    assert_int_equal(orders, 720);
}

/* Units that only matter together and units that each suffice: no sum at all. */
static void fill_mixed(void) {
    for (size_t mask = 0; mask < 1 << D; mask++)
        t.v[mask] = 3 * ((mask & 3) == 3) + 2 * ((mask & 12) != 0) - (mask >> 4 & 1) +
                    0.3 * (double)(mask >> 5 & 1);
    tabled_init(&t, ctx, D);
}

static void the_reversed_order_exchanges_deletion_and_insertion(void **state) {
    static const char *const steps[] = {"50", "4", "3", "1"};
    const double phi[] = {3, 1, 2, -1, 0.5, 7};
    double reversed[D];
    fill_mixed();
    for (size_t i = 0; i < D; i++)
        reversed[i] = -phi[i];
    for (size_t i = 0; i < 4; i++)
        assert_float_equal(says("deletion-auc", phi, SET("steps", steps[i])),
                           says("insertion-auc", reversed, SET("steps", steps[i])), 1e-12);
}

static void a_constant_target_gives_zeros_and_no_correlation(void **state) {
    const double nothing[D] = {0};
    tabled_sum(&t, ctx, nothing, D, 0.7);
    glim_evaluation *e = judged(&t, weights, NULL);
    assert_true(measure(e, "aopc-comprehensiveness")->value == 0);
    assert_true(measure(e, "aopc-sufficiency")->value == 0);
    assert_true(measure(e, "deletion-auc")->value == 0);
    assert_true(measure(e, "insertion-auc")->value == 0);
    assert_true(isnan(measure(e, "deletion-auc")->skill));
    assert_true(measure(e, "infidelity")->value > 0); /* the scores claim what is not so */
    static const char *const undefined[] = {"faithfulness-correlation", "sensitivity-n",
                                            "monotonicity", "local-r2"};
    for (size_t i = 0; i < 4; i++) {
        assert_true(isnan(measure(e, undefined[i])->value));
        assert_non_null(measure(e, undefined[i])->why);
    }
    glim_evaluation_free(e);
    e = judged(&t, nothing, NULL);
    assert_true(measure(e, "infidelity")->value == 0);
    assert_true(isnan(measure(e, "gini")->value) && isnan(measure(e, "n90")->value) &&
                isnan(measure(e, "entropy")->value) &&
                isnan(measure(e, "effective-complexity")->value));
    glim_evaluation_free(e);
}

/* The fitted scale makes infidelity blind to the scores' scale, and is the best one. */
static void infidelity_is_least_at_its_own_scale(void **state) {
    const double phi[] = {1, 2, 1, 0.5, -1, 0.1};
    double scaled[D];
    fill_mixed();
    double least = says("infidelity", phi, SET("normalise", "true"));
    for (int step = 0; step < 12; step++) {
        double scale = 0.25 * pow(1.3, step);
        for (size_t i = 0; i < D; i++)
            scaled[i] = scale * phi[i];
        assert_float_equal(says("infidelity", scaled, SET("normalise", "true")), least, 1e-12);
        assert_true(says("infidelity", scaled, NULL) >= least - 1e-12);
    }
}

static void simplicity_does_not_depend_on_scale(void **state) {
    static const char *const names[] = {"gini", "entropy", "effective-number", "n90",
                                        "effective-complexity"};
    const double phi[] = {3, -0.02, 0.5, 0.2, NAN, -1.5};
    double scaled[D];
    for (size_t i = 0; i < D; i++)
        scaled[i] = -1e-7 * phi[i];
    tabled_sum(&t, ctx, weights, D, 0);
    for (size_t i = 0; i < 5; i++)
        assert_float_equal(says(names[i], phi, NULL), says(names[i], scaled, NULL), 1e-12);
}

/* ---- by hand ---- */

static void areas_by_hand(void **state) {
    const double w[] = {1, 3, 0, 2};
    tabled_sum(&t, ctx, w, 4, 1);
    /* order b d a c: without them 7, 4, 2, 1, 1; from v(0) = 1 up, range 6 */
    assert_float_equal(says("deletion-auc", w, NULL),
                       ((6 + 3) / 2. + (3 + 1) / 2. + (1 + 0) / 2. + 0) / 4 / 6, 1e-12);
    assert_float_equal(says("insertion-auc", w, NULL),
                       ((0 + 3) / 2. + (3 + 5) / 2. + (5 + 6) / 2. + 6) / 4 / 6, 1e-12);
    /* two steps of two features */
    assert_float_equal(says("deletion-auc", w, SET("steps", "2")), ((6 + 1) / 2. + 0.5) / 2 / 6,
                       1e-12);
    /* 1, 5, 10, 20 % are one feature, 50 % are two: losses 3 and 5; alone 4 and 6 of 7 */
    assert_float_equal(says("aopc-comprehensiveness", w, NULL), (3 + 5) / 2., 1e-12);
    assert_float_equal(says("aopc-sufficiency", w, NULL), (3 + 1) / 2., 1e-12);
    /* tenths: one, two, three and four features */
    assert_float_equal(says("aopc-comprehensiveness", w, SET("shares", "tenths")),
                       (3 + 5 + 6 + 6) / 4., 1e-12);
}

/* A target below v(0), explained against: taking out what speaks for it lowers it. */
static void areas_keep_their_direction_for_a_falling_target(void **state) {
    const double w[] = {1, -5};
    tabled_sum(&t, ctx, w, 2, 0);
    assert_float_equal(says("deletion-auc", w, NULL), ((-4 - 5) / 2. + (-5 + 0) / 2.) / 2 / 4,
                       1e-12);
    const double reversed[] = {-5, 1};
    assert_true(says("deletion-auc", reversed, NULL) > says("deletion-auc", w, NULL));
}

static void log_odds_by_hand(void **state) {
    const double w[] = {0.1, 0.5, 0.05, 0.05, 0.1};
    tabled_sum(&t, ctx, w, 5, 0.1);
    assert_float_equal(says("log-odds", w, NULL), log(0.4 / 0.9), 1e-12);
    assert_float_equal(says("log-odds", w, SET("share", "0.4")), log(0.3 / 0.9), 1e-12);
    glim_case c = case_of(&t, w);
    c.log = true;
    assert_float_equal(said("log-odds", &t, &c, NULL), -0.5, 1e-12);
}

static void ranks_of_leave_one_out_by_hand(void **state) {
    const double phi[] = {-4, 3, NAN, 1}, loo[] = {2, -3, 0.5, 0};
    tabled_sum(&t, ctx, phi, 4, 0);
    glim_case c = case_of(&t, phi);
    c.loo = loo;
    /* ranks of sizes: 4 3 1 2 and 3 4 2 1: 1 - 6 (1 + 1 + 1 + 1) / (4 * 15) */
    assert_float_equal(said("monotonicity", &t, &c, NULL), 0.6, 1e-12);
    /* of six pairs two are turned */
    assert_float_equal(said("monotonicity", &t, &c, SET("by", "kendall")), 2 / 6., 1e-12);
}

static void completeness_by_hand(void **state) {
    const double w[] = {1, 3, 0, 2}, phi[] = {1, 3, 0, 0.5};
    tabled_sum(&t, ctx, w, 4, 1);
    assert_float_equal(says("completeness-residual", phi, NULL), 1.5 / 6, 1e-12);
    assert_float_equal(says("completeness", phi, NULL), 0.75, 1e-12);
    assert_float_equal(says("shown-share", phi, SET("k", "1")), 0.5, 1e-12);
    glim_case c = case_of(&t, phi);
    c.claimed = 2; /* what the method says of v(0) counts */
    c.fixed = 0.5;
    assert_float_equal(said("completeness-residual", &t, &c, NULL), 0, 1e-12);
}

static void simplicity_by_hand(void **state) {
    const double one[] = {0, 0, -3, 0}, same[] = {1, -1, 1, 1}, mixed[] = {4, -3, 2, 1};
    tabled_sum(&t, ctx, mixed, 4, 0);
    assert_float_equal(says("gini", one, NULL), 0.75, 1e-12);
    assert_float_equal(says("gini", same, NULL), 0, 1e-12);
    assert_float_equal(says("gini", mixed, NULL), (-3 * 1 - 1 * 2 + 1 * 3 + 3 * 4) / 40., 1e-12);
    assert_float_equal(says("entropy", one, NULL), 0, 1e-12);
    assert_float_equal(says("entropy", same, NULL), log(4), 1e-12);
    assert_float_equal(says("effective-number", one, NULL), 1, 1e-12);
    assert_float_equal(says("effective-number", same, NULL), 4, 1e-12);
    assert_float_equal(says("effective-number", mixed, SET("by", "participation")), 100 / 30.,
                       1e-12);
    assert_true(says("n90", one, NULL) == 1 && says("n90", same, NULL) == 4);
    assert_true(says("n90", mixed, NULL) == 3); /* 4 + 3 + 2 of 10, exactly 90 % */
    assert_true(says("n90", mixed, SET("share", "0.7")) == 2);
    const double thirds[] = {0.3, -0.3, 0.3, 0.1}; /* three times 0.3 is below 0.9 in binary */
    assert_true(says("n90", thirds, NULL) == 3);
    const double small[] = {1, 0.011, 0.01, -0.5};
    assert_true(says("effective-complexity", small, NULL) == 3);
    assert_true(says("effective-complexity", small, SET("threshold", "0.5")) == 1);
}

static void plausibility_by_hand(void **state) {
    const double phi[] = {5, 1, 4, 2, 3};
    const uint8_t marked[] = {1, 1, 0, 0, 1};
    tabled_sum(&t, ctx, phi, 5, 0);
    glim_case c = case_of(&t, phi);
    c.rationale = marked;
    /* a c e against a b e */
    assert_float_equal(said("token-f1", &t, &c, NULL), 2 / 3., 1e-12);
    assert_float_equal(said("token-iou", &t, &c, NULL), 2 / 4., 1e-12);
    assert_float_equal(said("token-f1", &t, &c, SET("k", "1")), 2 * 1 / 4., 1e-12);
    /* a c e d b: precision 1, 2/3, 3/5 where a marked one comes */
    assert_float_equal(said("auprc", &t, &c, NULL), (1 + 2 / 3. + 3 / 5.) / 3, 1e-12);
    const double equal[] = {1, 1, 1, 1, 1};
    c.phi = equal; /* nothing parts them: the share of marked ones */
    assert_float_equal(said("auprc", &t, &c, NULL), 0.6, 1e-12);
    const uint8_t none[5] = {0};
    c.rationale = none;
    assert_true(isnan(said("token-f1", &t, &c, NULL)) && isnan(said("auprc", &t, &c, NULL)));
}

static void coverage_by_hand(void **state) {
    const double phi[] = {0, NAN, 2, NAN};
    tabled_sum(&t, ctx, weights, 4, 0);
    assert_float_equal(says("feature-coverage", phi, NULL), 0.5, 1e-12);
    glim_evaluation *e = judged(&t, phi, NULL);
    assert_true(measure(e, "row-coverage")->value == 1);
    glim_evaluation_free(e);
    const double nothing[] = {NAN, NAN, NAN, NAN};
    e = judged(&t, nothing, NULL);
    assert_true(measure(e, "row-coverage")->value == 0 && measure(e, "row-coverage")->skill == 0);
    glim_evaluation_free(e);
}

/* The sizes know no sign, so the best order is beyond them; it counts all the same. */
static void scores_without_sign_are_held_to_the_best_order(void **state) {
    const double sizes[] = {0.5, 1, 2, 0.25, 0, 1.25};
    tabled_sum(&t, ctx, weights, D, 0.5);
    glim_document *doc = tabled_document(&t, sizes);
    doc->method.is_signed = doc->method.additive = false;
    glim_evaluation *e;
    assert_int_equal(glim_evaluate(&e, &t.base, doc, NULL, NULL), GLIM_OK);
    const glim_measure *m = measure(e, "deletion-auc");
    assert_float_equal(m->best, says("deletion-auc", weights, NULL), 1e-12);
    assert_true(m->value > m->best && m->skill > 0 && m->skill < 1);
    glim_evaluation_free(e);
    glim_document_free(doc);
}

/* ---- the descriptors ---- */

static void every_descriptor_is_whole(void **state) {
    for (size_t i = 0; glim_metrics()[i]; i++) {
        const glim_metric *m = glim_metrics()[i];
        assert_ptr_equal(glim_metric_find(m->name), m);
        if (!m->summary || !m->cite || !m->caption || !m->cost || !*m->cite) {
            fail_msg("%s lacks words", m->name);
            return;
        }
        if (!m->read == !m->run || (m->masks && !m->read))
            fail_msg("%s must either read or run", m->name);
        if (m->caption[strlen(m->caption) - 1] != '.' || m->summary[strlen(m->summary) - 1] == '.')
            fail_msg("%s: a caption is a sentence, a summary is none", m->name);
        if (m->masks && !(m->needs & GLIM_NEEDS_VALUES))
            fail_msg("%s asks without saying so", m->name);
        void *opts = calloc(1, m->opts_size + 1);
        if (m->params)
            glim_param_defaults(m->params, opts);
        free(opts);
    }
}

static void one_feature_is_judged_without_a_floor(void **state) {
    const double w[] = {2};
    const uint8_t marked[] = {1};
    tabled_sum(&t, ctx, w, 1, 0);
    glim_evaluation *e = judged(&t, w, &(glim_evaluate_options){.rationale = marked});
    for (size_t i = 0; i < e->n_measures; i++) {
        const glim_measure *m = &e->measures[i];
        if (!m->why && isnan(m->value))
            fail_msg("%s is undefined and does not say why", m->metric->name);
        if (isinf(m->value) || isinf(m->random) || isinf(m->skill))
            fail_msg("%s is infinite", m->metric->name);
    }
    assert_float_equal(measure(e, "aopc-comprehensiveness")->value, 2, 1e-12);
    assert_true(isnan(measure(e, "deletion-auc")->skill)); /* there is one order only */
    assert_true(isnan(measure(e, "gini")->skill));
    glim_evaluation_free(e);
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
        cmocka_unit_test(exact_scores_of_a_sum_are_perfect),
        cmocka_unit_test(random_scores_get_what_chance_gets),
        cmocka_unit_test(no_order_of_a_sum_has_a_better_area),
        cmocka_unit_test(the_reversed_order_exchanges_deletion_and_insertion),
        cmocka_unit_test(a_constant_target_gives_zeros_and_no_correlation),
        cmocka_unit_test(infidelity_is_least_at_its_own_scale),
        cmocka_unit_test(simplicity_does_not_depend_on_scale),
        cmocka_unit_test(areas_by_hand),
        cmocka_unit_test(areas_keep_their_direction_for_a_falling_target),
        cmocka_unit_test(log_odds_by_hand),
        cmocka_unit_test(ranks_of_leave_one_out_by_hand),
        cmocka_unit_test(completeness_by_hand),
        cmocka_unit_test(simplicity_by_hand),
        cmocka_unit_test(plausibility_by_hand),
        cmocka_unit_test(coverage_by_hand),
        cmocka_unit_test(scores_without_sign_are_held_to_the_best_order),
        cmocka_unit_test(every_descriptor_is_whole),
        cmocka_unit_test(one_feature_is_judged_without_a_floor),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
