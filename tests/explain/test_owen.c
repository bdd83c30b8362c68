/* SPDX-License-Identifier: Apache-2.0 */
/* Owen values on games whose answer is known, over trees that are known, and beside shap. */
#include "games.h"

#include "explain/tree.h"

/* ---- shares ---- */

static void up_to_six_units_are_shared_as_by_shapley(void **state) {
    for (size_t d = 1; d <= 6; d++) {
        struct game g;
        double phi[MOST];
        random_game(&g, d);
        truth(&g, phi);
        glim_document *doc = explain(&g, "owen", NULL);
        for (size_t u = 0; u < d; u++)
            assert_near(doc->scores[u], phi[u], 1e-12);
        assert_true(check_value(doc, "coalitions") == (d == 1 ? 1 : (double)(1 << d) - 1));
        assert_true(check_value(doc, "left_on_nodes") == 0);
        assert_int_equal(doc->verdict, GLIM_VERDICT_OK);
        glim_document_free(doc);
    }
}

/* phi += what each of four units adds in this order, when both pairs stay together. */
static bool walk_order(const struct game *g, const int *order, double *phi) {
    uint8_t keep[MOST] = {0};
    double before = worth(g, keep);
    if (order[0] / 2 != order[1] / 2)
        return false;
    for (int k = 0; k < 4; k++) {
        keep[order[k]] = 1;
        double now = worth(g, keep);
        phi[order[k]] += now - before;
        before = now;
    }
    return true;
}

static void a_balanced_tree_is_the_mean_over_its_orders(void **state) {
    struct setting halves[] = {{"parts", "2"}, {0}};
    struct game g;
    double phi[4] = {0};
    int orders = 0;
    random_game(&g, 4);
    for (int code = 0; code < 256; code++) {
        int order[4] = {code & 3, code >> 2 & 3, code >> 4 & 3, code >> 6};
        bool all = (1 << order[0] | 1 << order[1] | 1 << order[2] | 1 << order[3]) == 15;
        orders += all && walk_order(&g, order, phi);
    }
    assert_int_equal(orders, 8);
    glim_document *doc = explain(&g, "owen", halves);
    for (int u = 0; u < 4; u++)
        assert_near(doc->scores[u], phi[u] / 8, 1e-12);
    assert_true(check_value(doc, "coalitions") == 11); /* ten, and nothing there */
    glim_document_free(doc);
}

static void scores_add_up_whatever_the_budget(void **state) {
    static const char *const contexts[] = {"none", "0", "1"};
    struct game g;
    char number[16];
    random_game(&g, 13);
    for (int c = 0; c < 3; c++)
        for (int budget = 1; budget < 140; budget += budget < 20 ? 1 : 17) {
            struct setting with[] = {
                {"max-evals", number}, {"fixed-context", contexts[c]}, {"parts", "3"}, {0}};
            snprintf(number, sizeof number, "%d", budget);
            g.calls = 0;
            glim_document *doc = explain(&g, "owen", with);
            assert_near(total(doc, 0), g.value[0] - doc->target.baseline_value, 1e-9);
            assert_true(g.calls <= budget);
            glim_document_free(doc);
        }
    glim_document *doc = explain(&g, "owen", (struct setting[]){{"max-evals", "1"}, {0}});
    assert_near(doc->scores[0], doc->scores[12], 1e-12); /* all alike: nothing was told apart */
    assert_near(check_value(doc, "left_on_nodes"), 1, 1e-12);
    assert_int_equal(doc->verdict, GLIM_VERDICT_CAREFUL);
    glim_document_free(doc);
}

static void sisters_alike_are_paid_alike_and_idle_ones_nothing(void **state) {
    struct game g;
    game_begin(&g, 12);
    add_term(&g, 2, 2, 4, 5, 0);
    add_term(&g, 1, 3, 3, 4, 5);
    add_term(&g, -1, 2, 8, 1, 0);
    game_end(&g);
    glim_document *doc = explain(&g, "owen", NULL);
    assert_near(doc->scores[4], doc->scores[5], 1e-12);
    for (int u = 0; u < 12; u++)
        if (u != 1 && u != 8 && (u < 3 || u > 5))
            assert_near(doc->scores[u], 0, 1e-12);
    glim_document_free(doc);
}

static void opening_stops_when_little_is_left(void **state) {
    struct setting some[] = {{"tolerance", "0.5"}, {"max-evals", "100000"}, {0}};
    struct setting all[] = {{"max-evals", "100000"}, {0}};
    struct game g;
    game_begin(&g, 16);
    for (int u = 0; u < 16; u++)
        add_term(&g, u == 9 ? 100 : 1, 1, u, 0, 0);
    game_end(&g);
    glim_document *few = explain(&g, "owen", some), *whole = explain(&g, "owen", all);
    assert_true(check_value(few, "left_on_nodes") <= 0.5);
    assert_true(check_value(few, "coalitions") < check_value(whole, "coalitions"));
    assert_near(total(few, 0), 115, 1e-9);
    assert_near(whole->scores[9], 100, 1e-9);
    glim_document_free(few);
    glim_document_free(whole);
}

static void rows_and_fixed_units_are_as_in_every_game(void **state) {
    const double want[] = {1, NAN, 3, NAN, 2, NAN, 6, 8};
    struct game g;
    game_begin(&g, 4);
    for (int u = 0; u < 4; u++)
        add_term(&g, 1 + u, 1, u, 0, 0);
    g.unit[1].fixed = true;
    g.base.n_rows = 2;
    g.row_end[0] = 3;
    game_end(&g);
    glim_document *doc = explain(&g, "owen", NULL);
    for (int k = 0; k < 8; k++) {
        assert_int_equal(isnan(doc->scores[k]), isnan(want[k]));
        if (!isnan(want[k]))
            assert_near(doc->scores[k], want[k], 1e-9);
    }
    assert_near(doc->rows[1].baseline_value, 4, 1e-9);
    glim_document_free(doc);
}

static glim_status values_until_cancelled(glim_predictor *p, const uint8_t *keep, size_t n,
                                          glim_absent absent, double *out, glim_error *err) {
    if (((struct game *)p)->calls > 40)
        glim_context_cancel(p->ctx);
    return values(p, keep, n, absent, out, err);
}

static void an_interrupted_run_adds_up_too(void **state) {
    const glim_method *m = glim_method_find("owen");
    struct game g;
    glim_document *doc = NULL;
    glim_error err = {0};
    random_game(&g, 14);
    g.base.values = values_until_cancelled;
    assert_int_equal(glim_explain(&doc, &g.base, m, NULL, 0, &err), GLIM_ECANCELLED);
    glim_context_reset(ctx);
    assert_non_null(doc);
    assert_true(doc->partial);
    assert_near(total(doc, 0), g.value[0] - doc->target.baseline_value, 1e-9);
    glim_document_free(doc);
}

static void values_are_those_of_shaps_partitions(void **state) {
    json_error_t e;
    json_t *list = json_load_file(GLIM_TESTS "/golden/partitions.json", 0, &e);
    assert_int_equal(json_array_size(list), 9);
    for (size_t c = 0; c < json_array_size(list); c++) {
        const json_t *one = json_array_get(list, c), *want = json_object_get(one, "values");
        struct setting with[] = {
            {"parts", "2"},
            {"max-evals", "100000"},
            {"fixed-context", json_string_value(json_object_get(one, "context"))},
            {0}};
        struct game g;
        recorded_game(&g, one);
        glim_document *doc = explain(&g, "owen", with);
        for (size_t u = 0; u < g.d; u++)
            assert_near(doc->scores[u], json_number_value(json_array_get(want, u)), 1e-8);
        glim_document_free(doc);
    }
    json_decref(list);
}

/* ---- trees ---- */

/* "(0 1)(2 3)": a node's leaves in brackets unless it is one. */
static void draw(const glim_tree *t, size_t at, char *out) {
    const glim_tree_node *n = &t->node[at];
    if (!n->n_children) {
        sprintf(out + strlen(out), "%zu", t->order[n->first]);
        return;
    }
    strcat(out, "(");
    for (size_t k = 0; k < n->n_children; k++) {
        strcat(out, k ? " " : "");
        draw(t, n->child + k, out);
    }
    strcat(out, ")");
}

static void assert_tree(struct game *g, const glim_document *doc, size_t most, const char *want) {
    size_t feature[MOST];
    char got[512] = "";
    glim_tree t;
    for (size_t u = 0; u < g->d; u++)
        feature[u] = u;
    glim_game game = {.p = &g->base, .d = g->d, .feature = feature};
    assert_int_equal(glim__tree_make(&t, &game, doc, most, NULL), GLIM_OK);
    draw(&t, 0, got);
    assert_string_equal(got, want);
    glim__tree_free(&t);
}

/* Units of a document that lie behind one another in `text`, parted by '|'. */
static void cut_text(struct game *g, glim_document *doc, const char *text, char *plain) {
    size_t n = 0, u = 0;
    doc->input.units = calloc(MOST, sizeof *doc->input.units);
    for (; *text; text++) {
        if (*text == '|')
            doc->input.units[u++].end = n;
        else
            plain[n++] = *text;
        if (*text == '|')
            doc->input.units[u].start = n;
    }
    plain[n] = 0;
    doc->input.units[u++].end = n;
    doc->input.text = plain;
    doc->input.text_len = n;
    doc->input.n_units = u;
    game_begin(g, u);
    game_end(g);
}

static void a_text_is_cut_at_its_sentences_and_words(void **state) {
    struct game g;
    glim_document doc = {0};
    char plain[200];
    cut_text(&g, &doc, "A| dog| bark|ed|.| Cats| fl|ed|.", plain);
    assert_tree(&g, &doc, 6, "((0 1 (2 3) 4) (5 (6 7) 8))");
    assert_tree(&g, &doc, 2, "(((0 1) ((2 3) 4)) (5 ((6 7) 8)))");
    for (int u = 0; u < 9; u++)
        doc.input.units[u].turn = u > 6;
    assert_tree(&g, &doc, 6, "(((0 1 (2 3) 4) (5 6)) (7 8))");
    free(doc.input.units);
    cut_text(&g, &doc, "a| b| c| d| e| f| g", plain);
    assert_tree(&g, &doc, 6, "((0 1 2) (3 4 5 6))");
    free(doc.input.units);
}

static void a_picture_is_halved_across_its_longer_side(void **state) {
    struct game g;
    glim_document doc = {0};
    glim_document_unit units[6] = {{0}};
    for (int u = 0; u < 6; u++) { /* two rows of three */
        units[u].x = u % 3 * 10;
        units[u].y = u / 3 * 10;
        units[u].width = units[u].height = 10;
    }
    game_begin(&g, 6);
    game_end(&g);
    g.base.image = true;
    doc.input.units = units;
    assert_tree(&g, &doc, 2, "(((0 3) (1 4)) (2 5))");
    for (int u = 0; u < 6; u++)
        units[u].x = units[u].y = 0; /* all in one place: by their order */
    assert_tree(&g, &doc, 2, "((0 (1 2)) (3 (4 5)))");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(up_to_six_units_are_shared_as_by_shapley),
        cmocka_unit_test(a_balanced_tree_is_the_mean_over_its_orders),
        cmocka_unit_test(scores_add_up_whatever_the_budget),
        cmocka_unit_test(sisters_alike_are_paid_alike_and_idle_ones_nothing),
        cmocka_unit_test(opening_stops_when_little_is_left),
        cmocka_unit_test(rows_and_fixed_units_are_as_in_every_game),
        cmocka_unit_test(an_interrupted_run_adds_up_too),
        cmocka_unit_test(values_are_those_of_shaps_partitions),
        cmocka_unit_test(a_text_is_cut_at_its_sentences_and_words),
        cmocka_unit_test(a_picture_is_halved_across_its_longer_side),
    };
    return cmocka_run_group_tests(tests, games_set_up, games_tear_down);
}
