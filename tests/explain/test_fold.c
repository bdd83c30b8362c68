/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Levels of a document: words, sentences and turns from the scores of units. The
 * documents are made by hand, so every sum is known; then the share of fixed tokens, on
 * a function whose gradient is known.
 */
#include "analytic.h"

#include <glim/view.h>

static glim_context *begin(void) {
    glim_context *ctx = NULL;
    assert_int_equal(glim_context_new(&ctx, &(glim_context_options){.threads = 1}, NULL), GLIM_OK);
    return ctx;
}

static void end_context(glim_context *ctx) {
    assert_int_equal(glim_context_bytes(ctx), 0);
    glim_context_free(ctx);
}

/* A unit of a text: its bytes follow those of the one before. */
struct piece {
    const char *text;
    int turn;
    bool fixed, generated;
};

static glim_document *document_of(glim_context *ctx, const char *unit, const struct piece *pieces,
                                  size_t n, const char *const *roles, size_t n_turns) {
    glim_document *d = NULL;
    char text[1024] = "";
    size_t at = 0;
    assert_int_equal(glim_document_new(&d, ctx, NULL), GLIM_OK);
    d->input.units = glim_document_alloc(d, (n + 1) * sizeof *d->input.units);
    d->input.turns = glim_document_alloc(d, (n_turns + 1) * sizeof *d->input.turns);
    d->scores = glim_document_alloc(d, (n + 1) * sizeof *d->scores);
    for (size_t u = 0; u < n; u++) {
        const struct piece *p = &pieces[u];
        size_t len = p->fixed ? 0 : strlen(p->text);
        if (p->fixed && at)
            text[at++] = '\n'; /* as messages are joined */
        memcpy(text + at, p->text, len);
        d->input.units[u] = (glim_document_unit){.text = p->text,
                                                 .text_len = strlen(p->text),
                                                 .start = at,
                                                 .end = at + len,
                                                 .first = u,
                                                 .count = 1,
                                                 .fixed = p->fixed,
                                                 .generated = p->generated,
                                                 .turn = p->turn};
        d->scores[u] = p->fixed ? NAN : (double)(1 << u);
        at += len;
    }
    d->input.text = glim_document_text(d, text, at);
    d->input.text_len = at;
    d->input.unit = unit;
    d->input.n_units = n;
    for (size_t i = 0; i < n_turns; i++)
        d->input.turns[i].role = roles[i];
    d->input.n_turns = n_turns;
    d->n_rows = 1;
    d->kind = "attribution";
    d->target.text = "x";
    d->target.text_len = 1;
    d->target.kind = "next-token";
    d->target.output = "logprob";
    d->method = (typeof(d->method)){
        .name = "shapley", .additive = true, .is_signed = true, .fold = "sum", .params = "{}"};
    return d;
}

static const char *const talkers[] = {"system", "user", "assistant"};
static const struct piece talk[] = {
    {"<s>", -1, true, false},  {"Be", 0, false, false},  {" kind", 0, false, false},
    {".", 0, false, false},    {"<u>", -1, true, false}, {"Hi", 1, false, false},
    {"!", 1, false, false},    {" 你", 1, false, false}, {"好", 1, false, false},
    {"吗？", 1, false, false}, {"<a>", -1, true, false}};
enum { TALK = sizeof talk / sizeof *talk };

static const glim_document_level *level_of(const glim_document *d, const char *unit) {
    for (size_t k = 0; k < d->n_levels; k++)
        if (!strcmp(d->levels[k].unit, unit))
            return &d->levels[k];
    return NULL;
}

static double sum(const double *x, size_t n) {
    double all = 0;
    for (size_t i = 0; i < n; i++)
        all += isnan(x[i]) ? 0 : x[i];
    return all;
}

static void check_group(const glim_document *d, const char *unit, size_t i, const char *text,
                        double score) {
    const glim_document_level *level = level_of(d, unit);
    assert_non_null(level);
    assert_true(i < level->n_groups);
    const glim_document_group *g = &level->groups[i];
    assert_int_equal(g->end - g->start, strlen(text));
    assert_memory_equal(d->input.text + g->start, text, strlen(text));
    assert_true(level->scores[i] == score);
}

static void sums_are_kept_from_tokens_to_words_sentences_and_turns(void **state) {
    glim_context *ctx = begin();
    glim_document *d = document_of(ctx, "token", talk, TALK, talkers, 2);
    assert_int_equal(glim__fold_levels(d, NULL), GLIM_OK);
    assert_int_equal(d->n_levels, 3);
    for (size_t k = 0; k < d->n_levels; k++)
        assert_true(sum(d->levels[k].scores, d->levels[k].n_groups) == sum(d->scores, TALK));
    check_group(d, "turn", 0, "Be kind.", 2 + 4 + 8);
    check_group(d, "turn", 1, "Hi! 你好吗？", 32 + 64 + 128 + 256 + 512);
    check_group(d, "sentence", 0, "Be kind.", 14);
    check_group(d, "sentence", 1, "Hi!", 96);
    check_group(d, "sentence", 2, " 你好吗？", 896);
    check_group(d, "word", 1, " kind", 4);
    assert_null(level_of(d, "word")->error);
    glim_document_free(d);
    end_context(ctx);
}

/* Every boundary of a level is one of the level below. */
static void groups_of_a_level_lie_in_those_of_the_next(void **state) {
    glim_context *ctx = begin();
    glim_document *d = document_of(ctx, "token", talk, TALK, talkers, 2);
    assert_int_equal(glim__fold_levels(d, NULL), GLIM_OK);
    for (size_t k = 0; k + 1 < d->n_levels; k++) {
        const glim_document_level *low = &d->levels[k], *high = &d->levels[k + 1];
        assert_true(low->n_groups > high->n_groups);
        for (size_t i = 0, j = 0; i < low->n_groups; i++) {
            const glim_document_group *g = &low->groups[i];
            while (j + 1 < high->n_groups && high->groups[j + 1].first <= g->first)
                j++;
            assert_true(g->first >= high->groups[j].first);
            assert_true(g->first + g->count <= high->groups[j].first + high->groups[j].count);
            assert_int_equal(g->turn, high->groups[j].turn);
        }
    }
    glim_document_free(d);
    end_context(ctx);
}

static void sizes_fold_by_their_length_or_the_largest(void **state) {
    glim_context *ctx = begin();
    static const double scores[] = {NAN, 3, -4, NAN, NAN, 1, 2, 2, 0, 0, NAN};
    static const struct {
        const char *rule;
        double want[2];
    } cases[] = {{"l2", {5, 3}}, {"max", {-4, 2}}, {"sum", {-1, 5}}};
    for (int i = 0; i < 3; i++) {
        glim_document *d = document_of(ctx, "word", talk, TALK, talkers, 2);
        memcpy(d->scores, scores, sizeof scores);
        d->error = glim_document_alloc(d, sizeof scores);
        for (int u = 0; u < TALK; u++)
            d->error[u] = u == 2 ? 1 : 0.5;
        d->method.fold = cases[i].rule;
        assert_int_equal(glim__fold_levels(d, NULL), GLIM_OK);
        const glim_document_level *turn = level_of(d, "turn");
        assert_string_equal(turn->rule, cases[i].rule);
        assert_true(turn->scores[0] == cases[i].want[0] && turn->scores[1] == cases[i].want[1]);
        double most = !i ? sqrt(1.25) : i == 1 ? 1 : 1.5; /* the third has no score */
        assert_true(fabs(turn->error[0] - most) < 1e-12);
        glim_document_free(d);
    }
    assert_string_equal(glim__fold_name(GLIM_FOLD_AUTO, true), "sum");
    assert_string_equal(glim__fold_name(GLIM_FOLD_AUTO, false), "max");
    assert_null(glim__fold_name(GLIM_FOLD_NONE, true));
    end_context(ctx);
}

static void what_the_model_wrote_is_in_groups_of_its_own(void **state) {
    static const struct piece pieces[] = {{"One", -1, false, false},
                                          {" two.", -1, false, false},
                                          {" Three", -1, false, false},
                                          {" four", -1, false, true},
                                          {".", -1, false, true}};
    glim_context *ctx = begin();
    glim_document *d = document_of(ctx, "word", pieces, 5, NULL, 0);
    assert_int_equal(glim__fold_levels(d, NULL), GLIM_OK);
    const glim_document_level *level = level_of(d, "sentence");
    assert_non_null(level);
    assert_int_equal(level->n_groups, 3);
    assert_false(level->groups[1].generated);
    assert_true(level->groups[2].generated);
    check_group(d, "sentence", 1, " Three", 4);
    check_group(d, "sentence", 2, " four.", 24);
    glim_document_free(d);
    end_context(ctx);
}

static void the_parts_of_a_pair_are_segments(void **state) {
    static const char *const parts[] = {"question", "context"};
    static const struct piece pieces[] = {{"Who", 0, false, false},
                                          {" built?", 0, false, false},
                                          {"[SEP]", -1, true, false},
                                          {"Ada", 1, false, false},
                                          {" did.", 1, false, false}};
    glim_context *ctx = begin();
    glim_document *d = document_of(ctx, "word", pieces, 5, parts, 2);
    assert_int_equal(glim__fold_levels(d, NULL), GLIM_OK);
    assert_int_equal(d->n_levels, 1); /* the sentences are the segments */
    check_group(d, "segment", 1, "Ada did.", 24);
    glim_document_free(d);
    end_context(ctx);
}

/* No levels, and no complaint. */
static void what_has_no_parts_has_no_levels(void **state) {
    static const struct piece one[] = {{"Hello", -1, false, false}};
    static const struct piece fixed[] = {
        {"<s>", -1, true, false}, {"<a>", -1, true, false}, {"<b>", -1, true, false}};
    static const struct piece alone[] = {
        {"One", -1, false, false}, {" long", -1, false, false}, {" sentence", -1, false, false}};
    static const struct {
        const char *unit;
        const struct piece *pieces;
        size_t n;
    } cases[] = {{"word", one, 1},     {"word", fixed, 3},  {"word", NULL, 0}, {"word", alone, 3},
                 {"column", alone, 3}, {"patch", alone, 3}, {NULL, alone, 3},  {"turn", alone, 3}};
    glim_context *ctx = begin();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        glim_document *d = document_of(ctx, cases[i].unit, cases[i].pieces, cases[i].n, NULL, 0);
        assert_int_equal(glim__fold_levels(d, NULL), GLIM_OK);
        assert_int_equal(d->n_levels, 0);
        glim_document_free(d);
    }
    glim_document *d = document_of(ctx, "token", talk, TALK, talkers, 2);
    d->method.fold = NULL; /* a method whose scores do not add up in any way */
    assert_int_equal(glim__fold_levels(d, NULL), GLIM_OK);
    assert_int_equal(d->n_levels, 0);
    glim_document_free(d);
    end_context(ctx);
}

/* An empty turn has no words and so no group; one of a single face is a group. */
static void empty_turns_are_passed_over_and_a_face_is_a_turn(void **state) {
    static const struct piece pieces[] = {{"Sad?", 0, false, false},
                                          {" Why?", 0, false, false},
                                          {"<t>", -1, true, false},
                                          {"👩‍👩‍👧", 2, false, false}};
    glim_context *ctx = begin();
    glim_document *d = document_of(ctx, "word", pieces, 4, talkers, 3);
    assert_int_equal(glim__fold_levels(d, NULL), GLIM_OK);
    const glim_document_level *turn = level_of(d, "turn");
    assert_int_equal(turn->n_groups, 2);
    assert_int_equal(turn->groups[1].turn, 2);
    check_group(d, "turn", 1, "👩‍👩‍👧", 8);
    glim_document_free(d);
    end_context(ctx);
}

static void a_score_that_is_not_there_leaves_the_others(void **state) {
    glim_context *ctx = begin();
    glim_document *d = document_of(ctx, "word", talk, TALK, talkers, 2);
    d->scores[1] = NAN;
    for (int u = 5; u < 10; u++)
        d->scores[u] = NAN;
    assert_int_equal(glim__fold_levels(d, NULL), GLIM_OK);
    const glim_document_level *turn = level_of(d, "turn");
    assert_true(turn->scores[0] == 12);
    assert_true(isnan(turn->scores[1]));
    glim_document_free(d);
    end_context(ctx);
}

/* ---- fixed tokens ---- */

static double check_of(const glim_document *d, const char *name) {
    for (size_t i = 0; i < d->n_checks; i++)
        if (!strcmp(d->checks[i].name, name))
            return d->checks[i].value;
    return NAN;
}

static glim_document *explained(glim_context *ctx, struct analytic *a, const char *method,
                                bool first_fixed) {
    glim_document *d = NULL;
    glim_error err = {0};
    analytic_init(a, ctx, LINEAR, first_fixed);
    if (glim_explain(&d, &a->base, glim_method_find(method), NULL, 0, &err))
        fail_msg("%s", err.message);
    return d;
}

/* The share by hand: |x0 w0| of the sum of all |xi wi|. */
static void the_share_of_fixed_tokens_is_reported(void **state) {
    glim_context *ctx = begin();
    struct analytic a;
    glim_document *d = explained(ctx, &a, "input-x-gradient", true);
    double all = 0, first = 0;
    for (int t = 0; t < AT; t++) {
        double x = 0;
        for (int c = 0; c < AC; c++)
            x += (double)a.x[t * AC + c] * a.w[t * AC + c];
        all += fabs(x);
        first = t ? first : x;
    }
    assert_true(fabs(d->fixed_total - first) < 1e-5);
    assert_true(fabs(check_of(d, "template_share") - fabs(first) / all) < 1e-5);
    assert_int_equal(d->verdict, fabs(first) / all > 0.25 ? GLIM_VERDICT_CAREFUL : GLIM_VERDICT_OK);
    glim_document_free(d);
    d = explained(ctx, &a, "input-x-gradient", false);
    assert_true(isnan(check_of(d, "template_share")));
    glim_document_free(d);
    d = explained(ctx, &a, "integrated-gradients", true); /* the baseline keeps fixed tokens */
    assert_true(check_of(d, "template_share") == 0);
    glim_document_free(d);
    end_context(ctx);
}

static void a_large_share_of_fixed_tokens_is_a_reason_for_care(void **state) {
    glim_context *ctx = begin();
    static const glim_method gradient = {.needs = GLIM_CAN_GRADIENT};
    for (int large = 0; large < 2; large++) {
        glim_document *d = document_of(ctx, "word", talk, TALK, talkers, 2);
        d->fixed_size = sum(d->scores, TALK) * (large ? 0.35 : 0.32); /* 25.9 %, 24.2 % */
        glim__tell_fixed(d, &gradient);
        assert_int_equal(d->verdict, large ? GLIM_VERDICT_CAREFUL : GLIM_VERDICT_OK);
        glim_document_free(d);
    }
    end_context(ctx);
}

static void methods_that_take_away_say_what_they_never_do(void **state) {
    glim_context *ctx = begin();
    glim_document *d = document_of(ctx, "word", talk, TALK, talkers, 2);
    glim__tell_fixed(d, glim_method_find("occlusion"));
    assert_int_equal(d->n_notes, 1);
    assert_non_null(strstr(d->notes[0], "3 tokens of the template or special are always kept"));
    assert_int_equal(d->n_checks, 0);
    glim__tell_fixed(d, glim_method_find("smoothgrad")); /* which does not add them up */
    assert_non_null(strstr(d->notes[1], "is in no score"));
    glim_document_free(d);
    end_context(ctx);
}

/* ---- descriptors ---- */

static void every_method_says_what_it_costs_and_needs(void **state) {
    static const char *const families[] = {"gradients", "attention", "perturbation", "surrogate"};
    for (size_t i = 0; glim_methods()[i]; i++) {
        const glim_method *m = glim_methods()[i];
        bool known = false;
        for (int k = 0; k < 4; k++)
            known = known || !strcmp(m->family, families[k]);
        if (!known || !m->costs || !*m->costs || strlen(m->costs) > 20 || !m->needs)
            fail_msg("%s: family '%s', costs '%s' (at most 20 characters)", m->name, m->family,
                     m->costs ? m->costs : "");
    }
}

/* ---- the views ---- */

static void the_terminal_names_the_sentence_that_supports_most(void **state) {
    glim_context *ctx = begin();
    glim_document *d = document_of(ctx, "word", talk, TALK, talkers, 2);
    char *text = NULL;
    size_t n;
    assert_int_equal(glim__fold_levels(d, NULL), GLIM_OK);
    assert_int_equal(glim_view_render(glim_view_find("terminal"), d,
                                      &(glim_view_options){.width = 100}, &text, &n, NULL),
                     GLIM_OK);
    assert_non_null(strstr(text, "by turn: “Hi! 你好吗？” supports it most, 98.6 % of the sizes"));
    assert_non_null(strstr(text, "by sentence: “你好吗？” supports it most, 89.1 %"));
    glim_view_free(ctx, text);
    for (size_t i = 0; i < TALK; i++)
        d->scores[i] = -fabs(d->scores[i]);
    d->n_levels = 0;
    assert_int_equal(glim__fold_levels(d, NULL), GLIM_OK);
    assert_int_equal(glim_view_render(glim_view_find("terminal"), d,
                                      &(glim_view_options){.width = 100}, &text, &n, NULL),
                     GLIM_OK);
    assert_non_null(strstr(text, "by turn: none supports it"));
    glim_view_free(ctx, text);
    glim_document_free(d);
    end_context(ctx);
}

/* Of a question and its context, the context is what supports. */
static void the_question_supports_no_answer(void **state) {
    static const char *const parts[] = {"question", "context"};
    static const struct piece pieces[] = {{"It rained.", 1, false, false},
                                          {" Ada did.", 1, false, false},
                                          {" Who built?", 0, false, false},
                                          {" Why?", 0, false, false}};
    glim_context *ctx = begin();
    glim_document *d = document_of(ctx, "word", pieces, 4, parts, 2);
    char *text = NULL;
    size_t n;
    d->input.units[0].count = 1;
    assert_int_equal(glim__fold_levels(d, NULL), GLIM_OK);
    assert_int_equal(glim_view_render(glim_view_find("terminal"), d,
                                      &(glim_view_options){.width = 100}, &text, &n, NULL),
                     GLIM_OK);
    assert_non_null(strstr(text, "by segment: “It rained. Ada did.” supports it most, 20.0 %"));
    glim_view_free(ctx, text);
    glim_document_free(d);
    end_context(ctx);
}

/* ---- memory ---- */

static void no_refused_allocation_leaks(void **state) {
    glim_context *ctx = begin();
    for (uint64_t nth = 1;; nth++) {
        glim_document *d = document_of(ctx, "token", talk, TALK, talkers, 2);
        glim_error err = {0};
        uint64_t before = glim_context_bytes(ctx);
        glim__fail_allocation(ctx, nth);
        glim_status status = glim__fold_levels(d, &err);
        glim__fail_allocation(ctx, 0);
        assert_true(status == GLIM_OK || status == GLIM_ENOMEM);
        assert_true(glim_context_bytes(ctx) >= before);
        glim_document_free(d);
        if (!status)
            break;
        assert_true(nth < 100);
    }
    end_context(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_are_kept_from_tokens_to_words_sentences_and_turns),
        cmocka_unit_test(groups_of_a_level_lie_in_those_of_the_next),
        cmocka_unit_test(sizes_fold_by_their_length_or_the_largest),
        cmocka_unit_test(what_the_model_wrote_is_in_groups_of_its_own),
        cmocka_unit_test(the_parts_of_a_pair_are_segments),
        cmocka_unit_test(what_has_no_parts_has_no_levels),
        cmocka_unit_test(empty_turns_are_passed_over_and_a_face_is_a_turn),
        cmocka_unit_test(a_score_that_is_not_there_leaves_the_others),
        cmocka_unit_test(the_share_of_fixed_tokens_is_reported),
        cmocka_unit_test(a_large_share_of_fixed_tokens_is_a_reason_for_care),
        cmocka_unit_test(methods_that_take_away_say_what_they_never_do),
        cmocka_unit_test(every_method_says_what_it_costs_and_needs),
        cmocka_unit_test(the_terminal_names_the_sentence_that_supports_most),
        cmocka_unit_test(the_question_supports_no_answer),
        cmocka_unit_test(no_refused_allocation_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
