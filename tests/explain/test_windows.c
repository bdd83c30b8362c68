/* SPDX-License-Identifier: Apache-2.0 */
/* Occlusion by windows and leave-one-in, on sums and beside Captum. */
#include "games.h"

static void scores_are_those_of_captum(void **state) {
    json_error_t e;
    json_t *list = json_load_file(GLIM_TESTS "/golden/windows.json", 0, &e);
    assert_int_equal(json_array_size(list), 5);
    for (size_t c = 0; c < json_array_size(list); c++) {
        const json_t *one = json_array_get(list, c), *want = json_object_get(one, "values");
        char window[16], stride[16];
        struct setting with[] = {{"window", window}, {"stride", stride}, {0}};
        struct game g;
        recorded_game(&g, one);
        snprintf(window, sizeof window, "%lld",
                 (long long)json_integer_value(json_object_get(one, "window")));
        snprintf(stride, sizeof stride, "%lld",
                 (long long)json_integer_value(json_object_get(one, "stride")));
        glim_document *doc = explain(&g, "occlusion", with);
        for (size_t u = 0; u < g.d; u++)
            assert_near(doc->scores[u], json_number_value(json_array_get(want, u)),
                        1e-6); /* floats */
        glim_document_free(doc);
    }
    json_decref(list);
}

static void a_window_alone_is_what_it_adds_to_nothing(void **state) {
    struct setting one[] = {{"keep-only", "true"}, {0}};
    struct setting two[] = {{"keep-only", "true"}, {"window", "2"}, {0}};
    struct game g; /* 2a + 3b + 5ab; d is fixed and worth 7 */
    game_begin(&g, 4);
    add_term(&g, 2, 1, 0, 0, 0);
    add_term(&g, 3, 1, 1, 0, 0);
    add_term(&g, 5, 2, 0, 1, 0);
    add_term(&g, 7, 1, 3, 0, 0);
    g.unit[3].fixed = true;
    game_end(&g);
    glim_document *alone = explain(&g, "occlusion", one), *pairs = explain(&g, "occlusion", two);
    const double want[2][3] = {{2, 3, 0}, {10, 6.5, 3}};
    for (int u = 0; u < 3; u++) {
        assert_near(alone->scores[u], want[0][u], 1e-12);
        assert_near(pairs->scores[u], want[1][u], 1e-12);
    }
    assert_true(isnan(alone->scores[3]));
    assert_near(alone->target.baseline_value, 7, 1e-12);
    assert_near(check_value(alone, "sum_share"), 0.5, 1e-12);
    glim_document_free(alone);
    glim_document_free(pairs);
}

static void of_a_sum_both_ways_say_the_same(void **state) {
    struct setting one[] = {{"keep-only", "true"}, {0}};
    struct game g;
    game_begin(&g, 9);
    for (int u = 0; u < 8; u++)
        add_term(&g, u - 3, 1, u, 0, 0);
    game_end(&g);
    glim_document *in = explain(&g, "occlusion", one), *out = explain(&g, "occlusion", NULL);
    for (int u = 0; u < 9; u++) {
        assert_near(in->scores[u], u < 8 ? u - 3 : 0, 1e-12);
        assert_near(out->scores[u], in->scores[u], 1e-12);
    }
    glim_document_free(in);
    glim_document_free(out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_are_those_of_captum),
        cmocka_unit_test(a_window_alone_is_what_it_adds_to_nothing),
        cmocka_unit_test(of_a_sum_both_ways_say_the_same),
    };
    return cmocka_run_group_tests(tests, games_set_up, games_tear_down);
}
