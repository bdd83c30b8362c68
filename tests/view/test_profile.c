/* SPDX-License-Identifier: Apache-2.0 */
/* Profiles of made-up evaluations in every view. */
#include "view-testing.h"

#include "view/html.h"
#include "view/profile.h"
#include "view/width.h"

enum { MEASURES = 4 };

struct made {
    glim_measure m[MEASURES];
    glim_evaluation e;
    glim_document *doc;
    glim_profile profile;
};

static void make(struct made *t, glim_context *ctx, double mark, bool failed) {
    static const char *const names[MEASURES] = {"deletion-auc", "model-randomisation", "gini",
                                                "auprc"};
    glim_error err;
    assert_int_equal(glim_document_new(&t->doc, ctx, &err), GLIM_OK);
    t->doc->target.text = "\x1b[31m</script>";
    t->doc->target.text_len = 14;
    t->doc->target.output = "logit";
    t->doc->method.name = "given";
    assert_true(glim_document_note(t->doc, "a note \x1b[2J"));
    for (int i = 0; i < MEASURES; i++) {
        t->m[i] = (glim_measure){.metric = glim_metric_find(names[i]),
                                 .value = i ? 0.75 : -123456.789,
                                 .random = 0.25,
                                 .random_se = 0.01,
                                 .reversed = NAN,
                                 .best = 1,
                                 .skill = i ? 1 : -0.0,
                                 .n = 1};
        assert_non_null(t->m[i].metric);
    }
    t->m[1].failed = failed;
    t->m[3] = (glim_measure){.metric = t->m[3].metric,
                             .value = NAN,
                             .random = NAN,
                             .random_se = NAN,
                             .reversed = NAN,
                             .best = NAN,
                             .skill = NAN,
                             .why = "nobody marked what matters (--rationale)"};
    t->e = (glim_evaluation){.ctx = ctx,
                             .measures = t->m,
                             .n_measures = MEASURES,
                             .marks = {mark, NAN, 1, NAN, NAN},
                             .capped = failed,
                             .asked = 7};
    t->profile = (glim_profile){.e = &t->e, .doc = t->doc, .draws = 20};
}

static char *drawn(const struct made *t, const char *view, int width, const char *lang) {
    glim_view_options o = {.width = width, .lang = lang, .ascii = width == 40};
    glim_error err;
    char *out = NULL;
    size_t n = 0;
    if (glim__profile_render(view, &t->profile, &o, &out, &n, &err))
        fail_msg("%s", err.message);
    assert_int_equal(strlen(out), n);
    return out;
}

static void verdicts_follow_checks_and_the_mark_of_accuracy(void **state) {
    static const struct {
        double mark;
        bool failed;
        glim_verdict verdict;
        const char *says;
    } rows[] = {
        {0.9, false, GLIM_VERDICT_OK, "near the best that is known (accuracy 0.90)"},
        {0.7, false, GLIM_VERDICT_CAREFUL, "better than chance, short of"},
        {0.1, false, GLIM_VERDICT_CAREFUL, "hardly better than chance (accuracy 0.10)"},
        {NAN, false, GLIM_VERDICT_CAREFUL, "could not be told"},
        {0.3, true, GLIM_VERDICT_DISTRUST, "model-randomisation is 0.75 and its limit 0.5"}};
    glim_context *ctx = view_context();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct made t;
        make(&t, ctx, rows[i].mark, rows[i].failed);
        assert_int_equal(glim__profile_verdict(&t.profile).verdict, rows[i].verdict);
        char *out = drawn(&t, "json", 80, "en");
        assert_non_null(strstr(out, rows[i].says));
        glim_view_free(ctx, out);
        glim_document_free(t.doc);
    }
    glim_context_free(ctx);
}

static void lines_of_a_profile_fit_any_width(void **state) {
    glim_context *ctx = view_context();
    struct made t;
    make(&t, ctx, 0.3, true);
    for (int width = 20; width <= 120; width++) {
        char *out = drawn(&t, "terminal", width, "en");
        assert_null(strchr(out, '\x1b'));
        for (char *line = strtok(out, "\n"); line; line = strtok(NULL, "\n"))
            if (glim__text_width(line, strlen(line), 1) > width)
                fail_msg("width %d: %s", width, line);
        glim_view_free(ctx, out);
    }
    glim_document_free(t.doc);
    glim_context_free(ctx);
}

static void a_profile_says_what_is_left_out_and_why(void **state) {
    glim_context *ctx = view_context();
    struct made t;
    make(&t, ctx, 0.3, true);
    char *out = drawn(&t, "terminal", 100, "en");
    assert_non_null(strstr(out, "not told, nobody marked what matters (--rationale): auprc"));
    assert_non_null(strstr(out, "failed: its limit is 0.5"));
    assert_null(strstr(out, "plausibility"));
    assert_null(strstr(out, "-0.00"));
    glim_view_free(ctx, out);
    glim_document_free(t.doc);
    glim_context_free(ctx);
}

static void nothing_of_an_input_is_markup(void **state) {
    glim_context *ctx = view_context();
    struct made t;
    make(&t, ctx, 0.9, false);
    for (int i = 0; i < 2; i++) {
        char *out = drawn(&t, "html", 80, i ? "zh-CN" : "en");
        size_t closed = 0;
        for (const char *s = out; (s = strstr(s, "</script>")); s++)
            closed++;
        assert_int_equal(closed, *glim__html_script ? 2 : 1); /* of the data and the viewer */
        assert_null(strchr(out, '\x1b'));
        assert_non_null(strstr(out, i ? "lang=\"zh-CN\"" : "lang=\"en\""));
        glim_view_free(ctx, out);
    }
    glim_document_free(t.doc);
    glim_context_free(ctx);
}

/* ---- inside an explanation ---- */

static void same(double a, double b) {
    assert_true(a == b || (isnan(a) && isnan(b)));
}

static void a_kept_profile_is_read_back(void **state) {
    glim_context *ctx = view_context();
    struct made t;
    glim_profile_kept k;
    glim_error err;
    make(&t, ctx, 0.3, true);
    assert_int_equal(glim__profile_keep(t.doc, &t.profile, &err), GLIM_OK);
    assert_int_equal(glim__profile_open(&k, t.doc, "a.json", &err), GLIM_OK);
    assert_int_equal(k.e.n_measures, MEASURES);
    for (int i = 0; i < MEASURES; i++) {
        const glim_measure *a = &t.m[i], *b = &k.e.measures[i];
        assert_ptr_equal(a->metric, b->metric);
        same(a->value, b->value);
        same(a->random, b->random);
        same(a->random_se, b->random_se);
        same(a->reversed, b->reversed);
        same(a->best, b->best);
        same(a->skill, b->skill);
        assert_int_equal(a->n, b->n);
        assert_int_equal(a->failed, b->failed);
        assert_int_equal(a->why != NULL, b->why != NULL);
    }
    for (int q = 0; q < GLIM_QUALITIES; q++)
        same(t.e.marks[q], k.e.marks[q]);
    assert_true(k.e.capped && k.e.asked == 7 && k.profile.draws == 20);
    glim__profile_close(&k);
    glim_document_free(t.doc);
    glim_context_free(ctx);
}

/* Of the same explanation judged and not: every view but the table tells of it. */
static void an_explanation_shows_its_profile_but_in_its_table(void **state) {
    static const char *const words[] = {"How good is this", "\"evaluation\"", NULL,
                                        "id=\"glim-profile\""};
    glim_context *ctx = view_context();
    glim_document *d = document_of(ctx, &cases[0], 1);
    glim_view_options o = {.width = 80};
    assert_non_null(d->evaluation);
    for (size_t i = 0; glim_views()[i]; i++) {
        const glim_view *view = glim_views()[i];
        char *with, *without;
        size_t n, m;
        d->evaluation = kept_evaluation;
        assert_int_equal(view->render(d, &o, &with, &n, NULL), GLIM_OK);
        d->evaluation = NULL;
        assert_int_equal(view->render(d, &o, &without, &m, NULL), GLIM_OK);
        const char *word = !strcmp(view->name, "csv")    ? words[2]
                           : !strcmp(view->name, "html") ? words[3]
                           : !strcmp(view->name, "json") ? words[1]
                                                         : words[0];
        if (word)
            assert_true(strstr(with, word) && !strstr(without, word));
        else
            assert_string_equal(with, without);
        glim_view_free(ctx, with);
        glim_view_free(ctx, without);
    }
    glim_document_free(d);
    glim_context_free(ctx);
}

static void refused_memory_keeps_no_half_of_a_profile(void **state) {
    glim_context *ctx = view_context();
    struct made t;
    make(&t, ctx, 0.3, true);
    for (uint64_t nth = 1;; nth++) {
        glim_profile_kept k;
        glim_error err = {0};
        glim__fail_allocation(ctx, nth);
        glim_status status = glim__profile_keep(t.doc, &t.profile, &err);
        bool opened = !status && !(status = glim__profile_open(&k, t.doc, "a.json", &err));
        glim__fail_allocation(ctx, 0);
        if (opened)
            glim__profile_close(&k);
        if (!status)
            break;
        assert_int_equal(status, GLIM_ENOMEM);
        assert_true(*err.message && nth < 100);
    }
    glim_document_free(t.doc);
    glim_context_free(ctx);
}

/* A document of its own is drawn as what made it; a refused allocation leaves nothing. */
static void a_saved_profile_is_drawn_alike(void **state) {
    static const char *const views[] = {"terminal", "csv", "html", "json"};
    glim_context *ctx = view_context();
    struct made t;
    glim_error err;
    make(&t, ctx, 0.3, true);
    t.doc->target.text = "</script>";
    t.doc->target.text_len = 9;
    for (int q = 0; q < GLIM_QUALITIES; q++)
        t.e.low[q] = t.e.high[q] = NAN;
    for (int i = 0; i < MEASURES; i++)
        t.m[i].low = t.m[i].high = NAN;
    glim_curve curve;
    glim_seed_ranks ranks = {
        .n_units = 1,
        .n_seeds = 2,
        .units = {{.text = "\xe6\xb3\x95\xe5\x9b\xbd", .text_len = 6, .unit = 3, .rank = {1, 4}}}};
    for (int i = 0; i < GLIM_CURVE; i++) {
        curve.own[i] = 1 - i / 50.0;
        curve.random[i] = 1;
        curve.low[i] = curve.high[i] = NAN;
        curve.random_low[i] = 0;
        curve.random_high[i] = 2;
    }
    t.m[0].curve = &curve;
    t.e.ranks = &ranks;
    char *saved = drawn(&t, "json", 80, "en");
    json_t *all = json_loads(saved, 0, NULL);
    for (uint64_t nth = 0, done = 0; !done; nth++) {
        glim_document *doc;
        glim_profile_kept k;
        assert_int_equal(glim_document_new(&doc, ctx, &err), GLIM_OK);
        glim__fail_allocation(ctx, nth ? nth : 1000);
        glim_status status = glim__profile_read(&k, doc, all, "a.json", &err);
        glim__fail_allocation(ctx, 0);
        done = nth && !status;
        for (size_t i = 0; i < 4 && !nth; i++) {
            struct made again = {.profile = k.profile, .doc = doc};
            char *a = drawn(&t, views[i], 80, "en"), *b = drawn(&again, views[i], 80, "en");
            assert_string_equal(a, b);
            assert_true(i == 1 || (strstr(a, "random") && strstr(a, "\xe6\xb3\x95")));
            assert_int_equal(strstr(a, "class=\"band") != NULL, i == 2);
            glim_view_free(ctx, a);
            glim_view_free(ctx, b);
        }
        if (status)
            assert_int_equal(status, GLIM_ENOMEM);
        else
            glim__profile_close(&k);
        glim_document_free(doc);
    }
    json_decref(all);
    glim_view_free(ctx, saved);
    glim_document_free(t.doc);
    assert_int_equal(glim_context_bytes(ctx), 0);
    glim_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts_follow_checks_and_the_mark_of_accuracy),
        cmocka_unit_test(lines_of_a_profile_fit_any_width),
        cmocka_unit_test(a_profile_says_what_is_left_out_and_why),
        cmocka_unit_test(nothing_of_an_input_is_markup),
        cmocka_unit_test(a_kept_profile_is_read_back),
        cmocka_unit_test(a_saved_profile_is_drawn_alike),
        cmocka_unit_test(an_explanation_shows_its_profile_but_in_its_table),
        cmocka_unit_test(refused_memory_keeps_no_half_of_a_profile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
