/* SPDX-License-Identifier: Apache-2.0 */
/* Profiles of made-up evaluations in every view. */
#include "view-testing.h"

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
        assert_int_equal(closed, 1);
        assert_null(strchr(out, '\x1b'));
        assert_non_null(strstr(out, i ? "lang=\"zh-CN\"" : "lang=\"en\""));
        glim_view_free(ctx, out);
    }
    glim_document_free(t.doc);
    glim_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts_follow_checks_and_the_mark_of_accuracy),
        cmocka_unit_test(lines_of_a_profile_fit_any_width),
        cmocka_unit_test(a_profile_says_what_is_left_out_and_why),
        cmocka_unit_test(nothing_of_an_input_is_markup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
