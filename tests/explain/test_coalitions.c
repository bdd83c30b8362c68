/* SPDX-License-Identifier: Apache-2.0 */
/* Shapley values and LIME on games whose answer is known, and beside lime and shap. */
#include "games.h"

#include "explain/lime.h"

/* ---- Shapley values ---- */

static void exact_values_are_the_shares_of_every_term(void **state) {
    struct setting with[] = {{"exact-units", "15"}, {0}};
    struct setting kernel[] = {{"n-samples", "100000"}, {0}};
    for (size_t d = 1; d <= 12; d++) {
        struct game g;
        double phi[MOST];
        random_game(&g, d);
        truth(&g, phi);
        glim_document *all = explain(&g, "shapley", with);
        glim_document *fit = explain(&g, "kernel-shap", kernel);
        for (size_t u = 0; u < d; u++) {
            assert_near(all->scores[u], phi[u], 1e-12);
            assert_near(fit->scores[u], phi[u], 1e-8);
            assert_true(all->error[u] == 0 && fit->error[u] == 0);
        }
        assert_true(check_value(all, "coalitions") == (double)(1 << d));
        assert_int_equal(all->verdict, GLIM_VERDICT_OK);
        glim_document_free(all);
        glim_document_free(fit);
    }
}

static void the_glove_game_is_shared_as_in_the_books(void **state) {
    struct game g; /* one left glove, two right ones: a pair is worth 1 */
    game_begin(&g, 3);
    add_term(&g, 1, 2, 0, 1, 0);
    add_term(&g, 1, 2, 0, 2, 0);
    add_term(&g, -1, 3, 0, 1, 2);
    game_end(&g);
    static const char *const methods[] = {"shapley", "kernel-shap"};
    for (int i = 0; i < 2; i++) {
        glim_document *doc = explain(&g, methods[i], NULL);
        assert_near(doc->scores[0], 2.0 / 3, 1e-9);
        assert_near(doc->scores[1], 1.0 / 6, 1e-9);
        assert_near(doc->scores[2], 1.0 / 6, 1e-9);
        glim_document_free(doc);
    }
}

static void samples_add_up_and_are_as_far_off_as_they_say(void **state) {
    static const struct {
        const char *method;
        struct setting with[3];
    } cases[] = {{"shapley", {{"exact-units", "0"}, {"pairs", "40"}}},
                 {"shapley", {{"exact-units", "0"}, {"pairs", "2"}}},
                 {"kernel-shap", {{"n-samples", "200"}}}};
    for (size_t i = 0; i < 3; i++) {
        struct game g;
        double phi[MOST];
        random_game(&g, 14);
        truth(&g, phi);
        glim_document *doc = explain(&g, cases[i].method, cases[i].with);
        assert_near(total(doc, 0), g.value[0] - doc->target.baseline_value, 1e-9);
        for (size_t u = 0; u < 14 && i != 1; u++) {
            assert_true(doc->error[u] > 0 || fabs(doc->scores[u] - phi[u]) < 1e-9);
            assert_near(doc->scores[u], phi[u], 5 * doc->error[u] + 1e-9);
        }
        glim_document *again = explain(&g, cases[i].method, cases[i].with);
        glim_document *other = explain_seed(&g, cases[i].method, cases[i].with, 4);
        assert_memory_equal(doc->scores, again->scores, 14 * sizeof(double));
        assert_memory_equal(doc->error, again->error, 14 * sizeof(double));
        assert_memory_not_equal(doc->scores, other->scores, 14 * sizeof(double));
        glim_document_free(doc);
        glim_document_free(again);
        glim_document_free(other);
    }
}

static void orders_stop_when_they_are_good_enough(void **state) {
    struct setting few[] = {{"exact-units", "0"}, {"pairs", "5000"}, {"tolerance", "0.05"}, {0}};
    struct game g;
    random_game(&g, 12);
    glim_document *doc = explain(&g, "shapley", few);
    assert_true(check_value(doc, "standard_error") <= 0.05);
    assert_true(check_value(doc, "coalitions") < 4096);
    glim_document_free(doc);
}

static void rounds_stop_when_they_are_good_enough(void **state) {
    struct setting all[] = {{"n-samples", "4000"}, {0}};
    struct setting few[] = {{"n-samples", "4000"}, {"tolerance", "0.05"}, {0}};
    struct setting none[] = {{"n-samples", "4000"}, {"tolerance", "1e-9"}, {0}};
    struct game g;
    double phi[MOST];
    random_game(&g, 14);
    truth(&g, phi);
    glim_document *whole = explain(&g, "kernel-shap", all),
                  *short_ = explain(&g, "kernel-shap", few),
                  *same = explain(&g, "kernel-shap", none);
    assert_true(check_value(short_, "standard_error") <= 0.05);
    assert_true(check_value(short_, "coalitions") < check_value(whole, "coalitions") / 2);
    assert_near(total(short_, 0), g.value[0] - short_->target.baseline_value, 1e-9);
    for (size_t u = 0; u < 14; u++) {
        assert_near(short_->scores[u], phi[u], 5 * short_->error[u] + 1e-9);
        assert_near(same->scores[u], whole->scores[u], 1e-9);
    }
    glim_document_free(whole);
    glim_document_free(short_);
    glim_document_free(same);
}

static void equal_coalitions_are_asked_once(void **state) {
    struct setting with[] = {{"num-samples", "2000"}, {0}};
    struct game g;
    random_game(&g, 5);
    glim_document *doc = explain(&g, "lime", with);
    assert_true(g.calls <= 32);
    glim_document_free(doc);
}

static void rows_see_what_lies_before_them(void **state) {
    static const char *const methods[] = {"shapley", "kernel-shap", "lime"};
    for (int i = 0; i < 3; i++) {
        struct setting linear[] = {{"alpha", "0"}, {0}};
        struct game g;
        game_begin(&g, 4);
        for (int u = 0; u < 4; u++)
            add_term(&g, 1 + u, 1, u, 0, 0);
        g.unit[1].fixed = true;
        g.base.n_rows = 2;
        g.row_end[0] = 3;
        game_end(&g);
        glim_document *doc = explain(&g, methods[i], i == 2 ? linear : NULL);
        const double want[] = {1, NAN, 3, NAN, 2, NAN, 6, 8};
        for (int k = 0; k < 8; k++) {
            assert_int_equal(isnan(doc->scores[k]), isnan(want[k]));
            if (!isnan(want[k]))
                assert_near(doc->scores[k], want[k], 1e-8);
        }
        assert_near(doc->rows[0].baseline_value, 2 + 4, 1e-8);
        assert_near(doc->rows[1].baseline_value, 4, 1e-8);
        glim_document_free(doc);
    }
}

static void without_features_there_are_no_scores(void **state) {
    for (size_t i = 0; glim_methods()[i]; i++) {
        struct game g;
        if (glim_methods()[i]->needs != GLIM_CAN_PREDICT)
            continue;
        game_begin(&g, 2);
        add_term(&g, 1, 1, 0, 0, 0);
        g.unit[0].fixed = g.unit[1].fixed = true;
        game_end(&g);
        glim_document *doc = explain(&g, glim_methods()[i]->name, NULL);
        assert_true(isnan(doc->scores[0]) && isnan(doc->scores[1]));
        glim_document_free(doc);
    }
}

static void a_constant_target_has_no_reasons(void **state) {
    static const char *const methods[] = {"shapley", "kernel-shap", "lime"};
    for (int i = 0; i < 3; i++) {
        struct game g;
        game_begin(&g, 9);
        game_end(&g);
        glim_document *doc = explain(&g, methods[i], NULL);
        for (int u = 0; u < 9; u++)
            assert_near(doc->scores[u], 0, 1e-12);
        glim_document_free(doc);
    }
}

/* ---- LIME ---- */

static void lime_is_exact_on_sums(void **state) {
    struct setting exact[] = {{"alpha", "0"}, {0}};
    struct setting ridge[] = {{"num-samples", "5000"}, {0}};
    struct game g;
    game_begin(&g, 10);
    for (int u = 0; u < 9; u++)
        add_term(&g, u - 4, 1, u, 0, 0);
    game_end(&g);
    glim_document *doc = explain(&g, "lime", exact);
    for (int u = 0; u < 10; u++)
        assert_near(doc->scores[u], u < 9 ? u - 4 : 0, 1e-8);
    assert_near(check_value(doc, "local_r2"), 1, 1e-9);
    assert_int_equal(doc->verdict, GLIM_VERDICT_OK);
    glim_document_free(doc);
    doc = explain(&g, "lime", ridge);
    for (int u = 0; u < 10; u++)
        assert_near(doc->scores[u], u < 9 ? u - 4 : 0, 0.005 * 4);
    glim_document_free(doc);
}

static void lime_says_when_a_sum_does_not_fit(void **state) {
    struct game g; /* pairs that are worth 1 together or apart, -1 else */
    game_begin(&g, 6);
    for (int u = 0; u < 6; u += 2) {
        add_term(&g, 4, 2, u, u + 1, 0);
        add_term(&g, -2, 1, u, 0, 0);
        add_term(&g, -2, 1, u + 1, 0, 0);
    }
    game_end(&g);
    struct setting with[] = {{"kernel-width", "1000"}, {0}};
    glim_document *doc = explain(&g, "lime", with);
    assert_true(check_value(doc, "local_r2") < 0.5);
    assert_int_equal(doc->verdict, GLIM_VERDICT_DISTRUST);
    glim_document_free(doc);
}

static void a_word_is_one_feature_with_bow(void **state) {
    struct setting with[] = {{"bow", "true"}, {"alpha", "0"}, {0}};
    struct game g;
    game_begin(&g, 4);
    g.text[2] = g.text[0];
    add_term(&g, 2, 1, 0, 0, 0);
    add_term(&g, 3, 1, 2, 0, 0);
    add_term(&g, 1, 1, 3, 0, 0);
    game_end(&g);
    glim_document *doc = explain(&g, "lime", with);
    assert_near(doc->scores[0], 5, 1e-8);
    assert_near(doc->scores[2], 5, 1e-8);
    assert_near(doc->scores[1], 0, 1e-8);
    glim_document_free(doc);
}

/* ---- beside lime and shap (scripts/record-coalitions.py) ---- */

static glim_lime_select select_of(const char *name) {
    return !strcmp(name, "forward_selection") ? GLIM_SELECT_FORWARD
           : !strcmp(name, "highest_weights") ? GLIM_SELECT_HIGHEST
           : !strcmp(name, "lasso_path")      ? GLIM_SELECT_LASSO
                                              : GLIM_SELECT_NONE;
}

static double real(const json_t *o, const char *name) {
    return json_number_value(json_object_get(o, name));
}

static void one_fit(const json_t *fit, const glim_moments *m) {
    size_t used[2 * MOST];
    double coefficient[MOST], scratch[MOST * MOST + 5 * MOST + 1];
    glim_local l = {.used = used, .coefficient = coefficient};
    const char *how = json_string_value(json_object_get(fit, "selection"));
    const json_t *want = json_object_get(fit, "coefficients");
    assert_true(glim__local_scratch(m->d) <= sizeof scratch / sizeof *scratch);
    glim__local_choose(&l, m, select_of(how), (size_t)real(fit, "most"), NULL, scratch);
    assert_true(glim__local_fit(&l, m, 1, scratch));
    assert_int_equal(l.n, json_array_size(want));
    double predicted = l.intercept;
    for (size_t i = 0; i < l.n; i++) {
        const json_t *pair = json_array_get(want, i);
        assert_int_equal(used[i], json_integer_value(json_array_get(pair, 0)));
        assert_near(coefficient[i], json_number_value(json_array_get(pair, 1)), 1e-6);
        predicted += coefficient[i];
    }
    assert_near(l.intercept, real(fit, "intercept"), 1e-6);
    assert_near(l.r2, real(fit, "r2"), 1e-6);
    assert_near(predicted, real(fit, "predicted"), 1e-6);
}

static json_t *recording(const char *name) {
    json_error_t e;
    json_t *all = json_load_file(GLIM_TESTS "/golden/coalitions.json", 0, &e);
    assert_non_null(all);
    json_t *list = json_incref(json_object_get(all, name));
    json_decref(all);
    return list;
}

static void fits_are_those_of_lime(void **state) {
    json_t *list = recording("lime");
    for (size_t c = 0; c < json_array_size(list); c++) {
        const json_t *one = json_array_get(list, c), *rows = json_object_get(one, "z"),
                     *ys = json_object_get(one, "y"), *fits = json_object_get(one, "fits");
        size_t n = json_array_size(rows), d = json_string_length(json_array_get(rows, 0));
        uint8_t *z = malloc(n * d);
        double *y = malloc(2 * n * sizeof *y), *w = y + n;
        double *room = malloc((glim__moments_size(d) + glim__moments_scratch(d)) * sizeof *room);
        for (size_t i = 0; i < n; i++) {
            double kept = 0;
            for (size_t k = 0; k < d; k++) {
                z[i * d + k] = json_string_value(json_array_get(rows, i))[k] == '1';
                kept += z[i * d + k];
            }
            double off = 100 * (1 - sqrt(kept / (double)d));
            w[i] = exp(-off * off / (2 * 25 * 25));
            y[i] = json_number_value(json_array_get(ys, i));
        }
        glim_moments m = {.gram = room};
        glim_lime_data a = {.ctx = ctx, .n = n, .d = d, .z = z, .weight = w, .y = y, .step = 1};
        glim__moments(&m, &a, w, NULL, d, room + glim__moments_size(d));
        for (size_t i = 0; i < json_array_size(fits); i++)
            one_fit(json_array_get(fits, i), &m);
        free(z);
        free(y);
        free(room);
    }
    json_decref(list);
}

static void values_are_those_of_shap(void **state) {
    json_t *list = recording("shap");
    for (size_t c = 0; c < json_array_size(list); c++) {
        const json_t *one = json_array_get(list, c), *want = json_object_get(one, "values");
        struct game g;
        recorded_game(&g, one);
        glim_document *doc = explain(&g, "kernel-shap", NULL);
        for (size_t u = 0; u < g.d; u++)
            assert_near(doc->scores[u], json_number_value(json_array_get(want, u)), 1e-8);
        glim_document_free(doc);
    }
    json_decref(list);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_values_are_the_shares_of_every_term),
        cmocka_unit_test(the_glove_game_is_shared_as_in_the_books),
        cmocka_unit_test(samples_add_up_and_are_as_far_off_as_they_say),
        cmocka_unit_test(orders_stop_when_they_are_good_enough),
        cmocka_unit_test(rounds_stop_when_they_are_good_enough),
        cmocka_unit_test(equal_coalitions_are_asked_once),
        cmocka_unit_test(rows_see_what_lies_before_them),
        cmocka_unit_test(without_features_there_are_no_scores),
        cmocka_unit_test(a_constant_target_has_no_reasons),
        cmocka_unit_test(lime_is_exact_on_sums),
        cmocka_unit_test(lime_says_when_a_sum_does_not_fit),
        cmocka_unit_test(a_word_is_one_feature_with_bow),
        cmocka_unit_test(fits_are_those_of_lime),
        cmocka_unit_test(values_are_those_of_shap),
    };
    return cmocka_run_group_tests(tests, games_set_up, games_tear_down);
}
