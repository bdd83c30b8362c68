/* SPDX-License-Identifier: Apache-2.0 */
/* Links from scores by every rule, gold, and the error rate against the counts that
   the tools/aer.py of awesome-align gives. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "explain/align.h"

static glim_context *ctx;

static glim_links gold_of(const char *text, size_t S, size_t T) {
    glim_links links;
    glim_error err = {0};
    if (glim__gold_parse(&links, ctx, text, strlen(text), "gold", 1, S, T, &err))
        fail_msg("%s", err.message);
    return links;
}

static glim_links links_of(const double *m, size_t T, size_t S, glim_extract rule) {
    glim_links links;
    assert_int_equal(glim__extract_links(&links, ctx, m, T, S, rule, 0.001, NULL), GLIM_OK);
    return links;
}

static void assert_links(glim_links links, const char *want) {
    char text[256] = "";
    for (size_t i = 0; i < links.count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%u-%u", i ? " " : "",
                 links.at[i].source, links.at[i].target);
    assert_string_equal(text, want);
    glim__links_free(&links);
}

/* ---- the error rate ---- */

static void assert_rates(const char *gold, const char *found, double aer, double precision,
                         double recall) {
    glim_links g = gold_of(gold, 9, 9), f = gold_of(found, 9, 9);
    glim_aer sum = {0};
    glim__aer_add(&sum, &g, &f);
    assert_float_equal(glim__aer(&sum), aer, 1e-12);
    assert_float_equal(glim__aer_precision(&sum), precision, 1e-12);
    assert_float_equal(glim__aer_recall(&sum), recall, 1e-12);
    glim__links_free(&g);
    glim__links_free(&f);
}

static void error_rates_are_those_of_hand_examples(void **state) {
    assert_rates("0-0 1p1", "0-0 1-1", 0, 1, 1);
    assert_rates("0-0 1-1 2-2", "0-0 1-1 2-2", 0, 1, 1);
    assert_rates("0-0 1-1", "0-1 1-0", 1, 0, 0);
    assert_rates("0-0 1-1 2p1", "0-0 2-1 2-2", 1 - 3. / 5, 2. / 3, .5);
    assert_rates("0p0 0-0 0-0", "0-0", 0, 1, 1); /* a pair is one link, and sure */
}

static void error_rates_are_of_the_corpus_and_not_means(void **state) {
    glim_links g1 = gold_of("0-0", 4, 4), f1 = gold_of("0-0 1-1 2-2", 4, 4);
    glim_links g2 = gold_of("0-0 1-1 2-2 3p3", 4, 4), f2 = gold_of("0-0 3-3", 4, 4);
    glim_aer sum = {0};
    glim__aer_add(&sum, &g1, &f1);
    glim__aer_add(&sum, &g2, &f2);
    assert_float_equal(glim__aer(&sum), 1 - (2. + 3) / (5 + 4), 1e-12);
    assert_float_equal(glim__aer_precision(&sum), 3. / 5, 1e-12);
    assert_float_equal(glim__aer_recall(&sum), 2. / 4, 1e-12);
    glim_links *all[] = {&g1, &f1, &g2, &f2};
    for (int i = 0; i < 4; i++)
        glim__links_free(all[i]);
    sum = (glim_aer){0};
    assert_true(isnan(glim__aer(&sum)) && isnan(glim__aer_recall(&sum)));
}

static void swapped_sides_have_the_same_error_rate(void **state) {
    enum { N = 6 };
    for (uint64_t seed = 0; seed < 50; seed++) {
        char text[2][2][512] = {{"", ""}, {"", ""}}; /* gold or found, as it is or swapped */
        for (uint64_t k = 0; k < 24; k++) {
            int i = (int)(glim__rng_uniform(seed, 1, k) * N);
            int j = (int)(glim__rng_uniform(seed, 2, k) * N), which = k % 2;
            char mark = k % 4 == 2 ? 'p' : '-';
            for (int swap = 0; swap < 2; swap++) {
                char *end = text[which][swap] + strlen(text[which][swap]);
                snprintf(end, 16, "%d%c%d ", swap ? j : i, mark, swap ? i : j);
            }
        }
        double aer[2];
        for (int swap = 0; swap < 2; swap++) {
            glim_links g = gold_of(text[0][swap], N, N), f = gold_of(text[1][swap], N, N);
            glim_aer sum = {0};
            glim__aer_add(&sum, &g, &f);
            aer[swap] = glim__aer(&sum);
            glim__links_free(&g);
            glim__links_free(&f);
        }
        assert_true(aer[0] == aer[1] && aer[0] >= 0 && aer[0] <= 1);
    }
}

/* ---- gold ---- */

static void gold_keeps_sure_and_possible_apart(void **state) {
    glim_links g = gold_of(" 2p1\t0-0  1-1\r\n", 3, 2);
    assert_int_equal(g.count, 3);
    assert_true(g.at[0].sure && g.at[1].sure && !g.at[2].sure);
    assert_true(g.at[2].source == 2 && g.at[2].target == 1);
    glim__links_free(&g);
    g = gold_of("", 3, 2);
    assert_int_equal(g.count, 0);
    glim__links_free(&g);
}

static void malformed_gold_is_refused_with_line_and_token(void **state) {
    static const char *const bad[][2] = {
        {"0-0 1:1", "line 3: '1:1' is no link"},
        {"a-0", "'a-0' is no link"},
        {"0-", "'0-' is no link"},
        {"-1", "'-1' is no link"},
        {"0-0-0", "'0-0-0' is no link"},
        {"0", "'0' is no link"},
        {"0P0", "'0P0' is no link"},
        {"0-99999999999", "is no link"},
        {"3-0", "'3-0' names word i"},
        {"0-0 2p2", "'2p2' names word j"},
        {"0-0 \xff-1", "line 3: "},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        glim_links links;
        glim_error err = {0};
        assert_int_equal(
            glim__gold_parse(&links, ctx, bad[i][0], strlen(bad[i][0]), "gold.txt", 3, 3, 2, &err),
            GLIM_EFORMAT);
        if (!strstr(err.message, bad[i][1]) || !strstr(err.message, "'gold.txt', line 3"))
            fail_msg("%s", err.message);
        assert_null(links.at);
    }
}

/* ---- rules ---- */

static const double peaked[] = {.8, .1, .1, /* target 0 */
                                .3, .4, .3, /* target 1 */
                                .7, .2, .1 /* target 2 */};

static void argmax_takes_the_best_source_word_of_each_target_word(void **state) {
    assert_links(links_of(peaked, 3, 3, GLIM_EXTRACT_ARGMAX), "0-0 1-1 0-2");
}

static void argmax_drops_what_is_below_an_even_share(void **state) {
    const double m[] = {.2, .3, .1, NAN, NAN, NAN, .34, .33, .33};
    assert_links(links_of(m, 3, 3, GLIM_EXTRACT_ARGMAX), "0-2");
}

static void intersection_wants_the_best_both_ways(void **state) {
    assert_links(links_of(peaked, 3, 3, GLIM_EXTRACT_INTERSECTION), "0-0 1-1");
}

/* Rows find 0-0 1-1 0-2, columns 0-0 1-1 2-1. Both agree on 0-0 and 1-1; 2-1 and 0-2 touch
   1-1 and give a word its first link. In the last one 4-1 touches nothing, but both its words
   are alone; 4-0, which a column found, is not: its target has a link. */
static void growing_takes_neighbours_and_then_lonely_pairs(void **state) {
    assert_links(links_of(peaked, 3, 3, GLIM_EXTRACT_GROW), "0-0 1-1 2-1 0-2");
    const double near[] = {.6, .3, .0, .1, 0, 0, 0, 0, .1, .1, .2, .6};
    assert_links(links_of(near, 3, 4, GLIM_EXTRACT_GROW), "0-0 1-0 2-2 3-2");
    const double lonely[] = {.65, 0, 0, 0, .35, 0, 0, 0, 0, .3};
    assert_links(links_of(lonely, 2, 5, GLIM_EXTRACT_GROW), "0-0 4-1");
}

static void softmax_links_what_is_above_the_threshold_both_ways(void **state) {
    const double similar[] = {9, 0, 0, 0, 9, 0, 0, 8.9, 9};
    assert_links(links_of(similar, 3, 3, GLIM_EXTRACT_SOFTMAX), "0-0 1-1 1-2 2-2");
    const double nothing[] = {NAN, NAN, -INFINITY, -INFINITY};
    assert_links(links_of(nothing, 2, 2, GLIM_EXTRACT_SOFTMAX), "");
}

static void an_identity_is_the_diagonal_by_every_rule(void **state) {
    enum { N = 5 };
    double m[N * N];
    for (int rule = 0; rule < GLIM_EXTRACT_RULES; rule++) {
        for (int i = 0; i < N * N; i++)
            m[i] = rule == GLIM_EXTRACT_SOFTMAX ? (i % (N + 1) ? 0 : 20) : i % (N + 1) ? 0 : 1;
        assert_links(links_of(m, N, N, (glim_extract)rule), "0-0 1-1 2-2 3-3 4-4");
    }
}

static void turned_scores_give_turned_links(void **state) {
    enum { T = 4, S = 5 };
    static const glim_extract even[] = {GLIM_EXTRACT_INTERSECTION, GLIM_EXTRACT_SOFTMAX};
    for (uint64_t seed = 0; seed < 40; seed++)
        for (int which = 0; which < 2; which++) {
            double m[T * S], turned[T * S];
            for (int t = 0; t < T; t++)
                for (int s = 0; s < S; s++)
                    turned[s * T + t] = m[t * S + s] =
                        1 + 9 * glim__rng_uniform(seed, 0, (uint64_t)(t * S + s));
            glim_links a = links_of(m, T, S, even[which]);
            glim_links b = links_of(turned, S, T, even[which]);
            assert_int_equal(a.count, b.count);
            for (size_t i = 0; i < a.count; i++) {
                bool found = false;
                for (size_t k = 0; k < b.count; k++)
                    found = found ||
                            (b.at[k].source == a.at[i].target && b.at[k].target == a.at[i].source);
                assert_true(found);
            }
            glim__links_free(&a);
            glim__links_free(&b);
        }
}

static void rules_are_found_by_their_names(void **state) {
    for (int i = 0; i < GLIM_EXTRACT_RULES; i++)
        assert_int_equal(glim__extract_find(glim__extract_name((glim_extract)i)), i);
    assert_int_equal(glim__extract_find("argmin"), GLIM_EXTRACT_RULES);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(error_rates_are_those_of_hand_examples),
        cmocka_unit_test(error_rates_are_of_the_corpus_and_not_means),
        cmocka_unit_test(swapped_sides_have_the_same_error_rate),
        cmocka_unit_test(gold_keeps_sure_and_possible_apart),
        cmocka_unit_test(malformed_gold_is_refused_with_line_and_token),
        cmocka_unit_test(argmax_takes_the_best_source_word_of_each_target_word),
        cmocka_unit_test(argmax_drops_what_is_below_an_even_share),
        cmocka_unit_test(intersection_wants_the_best_both_ways),
        cmocka_unit_test(growing_takes_neighbours_and_then_lonely_pairs),
        cmocka_unit_test(softmax_links_what_is_above_the_threshold_both_ways),
        cmocka_unit_test(an_identity_is_the_diagonal_by_every_rule),
        cmocka_unit_test(turned_scores_give_turned_links),
        cmocka_unit_test(rules_are_found_by_their_names),
    };
    if (glim_context_new(&ctx, &(glim_context_options){.threads = 1}, NULL))
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    glim_context_free(ctx);
    return failed;
}
