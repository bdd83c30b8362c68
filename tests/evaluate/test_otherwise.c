/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics that ask otherwise: in other words, about another class, over many explanations. */
#include "evaluate/examples.h"
#include "evaluate/likeness.h"
#include "evaluate/variants.h"
#include "explain/methods.h"
#include "tabled.h"

#include <stdio.h>

enum { WORDS = 8, LONGEST = 200 };
static glim_context *ctx;

/* ---- texts written otherwise ---- */

static const char *variant(const char *text, glim_variant_kind kind, uint64_t draw) {
    static char kept[LONGEST];
    glim_buffer b;
    glim__buffer_init(&b, ctx);
    bool any = glim__variant(&b, text, strlen(text), kind, 5, draw);
    assert_true(!any || b.len < LONGEST);
    snprintf(kept, sizeof kept, "%.*s", (int)b.len, any ? b.data : "");
    glim__buffer_release(&b);
    return any ? kept : NULL;
}

static void is(const char *text, glim_variant_kind kind, const char *expected) {
    const char *got = variant(text, kind, 0);
    if (!expected)
        assert_null(got);
    else
        assert_string_equal(got, expected);
}

static void rules_write_a_text_otherwise(void **state) {
    is("The Cat É", GLIM_VARIANT_LOWER, "the cat é");
    is("the cat", GLIM_VARIANT_LOWER, NULL);
    is("the big-cat о", GLIM_VARIANT_TITLE, "The Big-cat О");
    is("世界", GLIM_VARIANT_TITLE, NULL);
    is("a film. ", GLIM_VARIANT_PUNCTUATION, "a film ");
    is("a film\n", GLIM_VARIANT_PUNCTUATION, "a film.\n");
    is("really?", GLIM_VARIANT_PUNCTUATION, NULL);
    is("电影很好。", GLIM_VARIANT_PUNCTUATION, "电影很好");
    is("电影很好", GLIM_VARIANT_PUNCTUATION, "电影很好。");
    is("one space", GLIM_VARIANT_SPACE, "one  space");
    is("none", GLIM_VARIANT_SPACE, NULL);
    is("好，很好。", GLIM_VARIANT_WIDTH, "好,很好.");
    is("好, 很好!", GLIM_VARIANT_WIDTH, "好， 很好！");
    is("good, very good.", GLIM_VARIANT_WIDTH, NULL);
    is("\xff\xfe Ab", GLIM_VARIANT_LOWER, "\xff\xfe ab");
    is("", GLIM_VARIANT_LOWER, NULL);
}

/* One word of at least four letters, by one letter, and never its first. */
static void a_typo_is_in_one_long_word(void **state) {
    static const char text[] = "the film was wonderful to see";
    size_t in[2] = {0}, kinds[3] = {0};
    for (uint64_t draw = 0; draw < 60; draw++) {
        char got[LONGEST];
        snprintf(got, sizeof got, "%s", variant(text, GLIM_VARIANT_TYPO, draw));
        bool second = strncmp(got, "the film was ", 13) == 0;
        in[second]++;
        assert_memory_equal(got, second ? "the film was w" : "the f", second ? 14 : 5);
        assert_string_equal(strrchr(got, 't'), "to see");
        kinds[strlen(got) + 1 - (sizeof text - 1)]++;
    }
    assert_true(in[0] > 15 && in[1] > 15);
    assert_true(kinds[0] > 5 && kinds[1] > 5 && kinds[2] > 5); /* gone, changed, twice */
    is("a be sea", GLIM_VARIANT_TYPO, NULL);
    is("电影很好看吗", GLIM_VARIANT_TYPO, NULL);
}

/* ---- words and their places ---- */

static glim_document *words_of(const char *text) {
    glim_document *d;
    size_t n = 0;
    assert_int_equal(glim_document_new(&d, ctx, NULL), GLIM_OK);
    d->input.units = glim_document_alloc(d, 40 * sizeof *d->input.units);
    for (const char *s = text; *s; n++) {
        size_t len = strspn(s, " ") + strcspn(s + strspn(s, " "), " ");
        d->input.units[n] = (glim_document_unit){.text = s, .text_len = len, .turn = -1};
        s += len;
    }
    d->input.n_units = n;
    return d;
}

static void pairs(const char *a, const char *b, bool in_order, const char *expected) {
    glim_document *x = words_of(a), *y = words_of(b);
    size_t other[40];
    char got[1000] = "";
    assert_int_equal(glim__words_align(ctx, x, y, in_order, other, NULL), GLIM_OK);
    for (size_t i = 0; i < x->input.n_units; i++)
        snprintf(got + strlen(got), 24, other[i] == SIZE_MAX ? " -" : " %zu", other[i]);
    assert_string_equal(got, expected);
    glim_document_free(x);
    glim_document_free(y);
}

static void words_find_their_partners(void **state) {
    pairs("The film was good.", "the  FILM was good", true, " 0 1 2 3");
    pairs("the film was good", "the flim was good", true, " 0 1 2 3");
    pairs("the film was good", "the flim was good", false, " 0 - 2 3");
    pairs("the film was good", "good was the film", true, " 2 3 - -");
    pairs("the film was good", "good was the film", false, " 2 3 1 0");
    pairs("a b a c", "c a", false, " 1 - - 0");
    pairs("a b c d", "a x y d", true, " 0 1 2 3");
    pairs("a b c d", "a x d", true, " 0 - - 2");
    pairs("a b", "c d", true, " 0 1");
    pairs("a b", "", true, " - -");
}

/* ---- a predictor of words: what stands at place i counts as i + 1 ---- */

struct wordy {
    struct tabled t;
    char text[LONGEST];
    bool other; /* about the other class, for which places count the other way */
};

static glim_status describe(const glim_predictor *p, glim_document *doc, glim_error *err) {
    const struct wordy *w = (const struct wordy *)p;
    glim_status status = tabled_describe(p, doc, err);
    const char *s = w->text;
    for (size_t u = 0; u < w->t.d && !status; u++) {
        size_t len = strspn(s, " ") + strcspn(s + strspn(s, " "), " ");
        doc->input.units[u].text = glim_document_text(doc, s, len);
        if (!doc->input.units[u].text)
            return glim__oom(p->ctx, err, "a word", len);
        doc->input.units[u].text_len = len;
        s += len;
    }
    doc->target.text = w->other || strstr(w->text, "not") ? "no" : "yes";
    doc->target.text_len = strlen(doc->target.text);
    return status;
}

static void make(struct wordy *w, const char *text, size_t n, bool other) {
    double weights[TABLED_MOST];
    size_t d = 0;
    *w = (struct wordy){.other = other};
    snprintf(w->text, sizeof w->text, "%.*s", (int)n, text);
    for (const char *s = w->text; *s && d < TABLED_MOST; d++) {
        weights[d] = other ? -0.5 * (double)(d % 3) : (double)(d + 1);
        s += strspn(s, " ");
        s += strcspn(s, " ");
    }
    tabled_sum(&w->t, ctx, weights, d, 0);
    w->t.base.describe = describe;
}

struct asked {
    struct wordy own, other;
    glim_rival rivals[3];
    size_t bound, n_rivals;
    glim_otherwise how;
};

static void nothing(glim_predictor *p) {}

static glim_status rebind(void *data, glim_predictor **out, const char *target, const char *text,
                          size_t n, glim_error *err) {
    struct asked *a = data;
    a->bound++;
    make(&a->other, text ? text : a->own.text, text ? n : strlen(a->own.text),
         target && !strcmp(target, "no"));
    a->other.t.base.free = nothing;
    *out = &a->other.t.base;
    return GLIM_OK;
}

static glim_status rivals(void *data, const glim_rival **list, size_t *n, glim_error *err) {
    struct asked *a = data;
    *list = a->rivals;
    *n = a->n_rivals;
    return GLIM_OK;
}

static void ask(struct asked *a, const char *text) {
    memset(a, 0, sizeof *a);
    make(&a->own, text, strlen(text), false);
    a->rivals[0] = (glim_rival){"yes", 3, 0.6};
    a->rivals[1] = (glim_rival){"no", 2, 0.3};
    a->rivals[2] = (glim_rival){"maybe", 5, 0.04};
    a->n_rivals = 3;
    a->how = (glim_otherwise){
        .data = a, .bind = rebind, .rivals = rivals, .text = a->own.text, .len = strlen(text)};
}

static glim_evaluation *judge(struct asked *a, const glim_method *m, glim_evaluate_options o) {
    glim_document *doc;
    glim_evaluation *e = NULL;
    glim_error err = {0};
    o.method = m;
    o.otherwise = &a->how;
    if (glim_explain(&doc, &a->own.t.base, m, NULL, 1, &err) ||
        glim_evaluate(&e, &a->own.t.base, doc, &o, &err))
        fail_msg("%s", err.message);
    glim_document_free(doc);
    return e;
}

/* ---- methods: one that knows, one that guesses anew for each text, one that sees no target ----
 */

static glim_status no_plan(const glim_predictor *p, const void *opts, glim_plan *out,
                           glim_error *err) {
    return GLIM_OK;
}

static glim_status guess(glim_predictor *p, const void *opts, uint64_t seed, glim_document *doc,
                         glim_error *err) {
    const struct wordy *w = (const struct wordy *)p;
    uint64_t hash = 1;
    for (const char *s = w->text; *s; s++)
        hash = hash * 31 + (unsigned char)*s;
    glim_status status = glim__scores_new(p, doc, false, err);
    for (size_t u = 0; u < w->t.d && !status; u++)
        doc->scores[u] = glim__rng_uniform(hash, seed, u);
    return status;
}

static glim_status look_away(glim_predictor *p, const void *opts, uint64_t seed, glim_document *doc,
                             glim_error *err) {
    glim_status status = glim__scores_new(p, doc, false, err);
    for (size_t u = 0; u < p->units->count && !status; u++)
        doc->scores[u] = (double)(u * u % 7);
    return status;
}

static const glim_method guesses = {.name = "guess",
                                    .family = "attention",
                                    .caption = "",
                                    .cite = "",
                                    .plan = no_plan,
                                    .run = guess,
                                    .is_signed = true};
static const glim_method looks_away = {.name = "away",
                                       .family = "attention",
                                       .caption = "",
                                       .cite = "",
                                       .plan = no_plan,
                                       .run = look_away};

static const glim_metric *const wording[] = {&glim_metric_wording_kendall, NULL};
static const glim_metric *const paraphrase[] = {&glim_metric_paraphrase_kendall, NULL};
static const glim_metric *const classes[] = {&glim_metric_random_class, &glim_metric_class_coverage,
                                             NULL};

static void exact_scores_stay_when_the_text_is_written_otherwise(void **state) {
    struct asked a;
    ask(&a, "The film was really wonderful to watch");
    glim_evaluation *e =
        judge(&a, &glim_method_occlusion, (glim_evaluate_options){.metrics = wording});
    assert_float_equal(e->measures[0].value, 1, 1e-12);
    assert_float_equal(e->measures[0].skill, 1, 1e-12);
    assert_string_equal(e->measures[0].note,
                        "ways to write it that keep the model's answer: 7 of 7");
    glim_evaluation_free(e);
}

static void scores_that_are_guessed_get_what_chance_gets(void **state) {
    enum { TIMES = 40 };
    double sum = 0, squares = 0;
    for (int k = 0; k < TIMES; k++) {
        struct asked a;
        char text[LONGEST];
        snprintf(text, sizeof text, "The film number %d was really wonderful to watch", k);
        ask(&a, text);
        glim_evaluation *e = judge(&a, &guesses, (glim_evaluate_options){.metrics = wording});
        sum += e->measures[0].value / TIMES;
        squares += e->measures[0].value * e->measures[0].value / TIMES;
        assert_true(e->measures[0].random == 0);
        glim_evaluation_free(e);
    }
    assert_true(fabs(sum) < 4 * sqrt((squares - sum * sum) / TIMES));
}

/* Of "good" 3, "film" 2, "a" 1 the second text keeps film before good: tau of a, film, good with
   1, 2, 4 is 1; of the third, good (1), film (3): -1. */
static void paraphrases_are_compared_by_the_words_that_they_share(void **state) {
    static const char *const texts[] = {"a film truly good", "good old film", "a film not good",
                                        NULL};
    struct asked a;
    ask(&a, "a film good");
    a.how.paraphrases = texts;
    glim_evaluation *e =
        judge(&a, &glim_method_occlusion, (glim_evaluate_options){.metrics = paraphrase});
    assert_float_equal(e->measures[0].value, 0, 1e-12);
    assert_string_equal(e->measures[0].note,
                        "ways to write it that keep the model's answer: 2 of 3; "
                        "the others do not count");
    glim_evaluation_free(e);
    static const char *const turned[] = {"a film not good", NULL};
    a.how.paraphrases = turned;
    e = judge(&a, &glim_method_occlusion, (glim_evaluate_options){.metrics = paraphrase});
    assert_true(isnan(e->measures[0].value));
    assert_string_equal(e->measures[0].why,
                        "ways to write it that keep the model's answer: 0 of 1");
    glim_evaluation_free(e);
    a.how.paraphrases = NULL;
    e = judge(&a, &glim_method_occlusion, (glim_evaluate_options){.metrics = paraphrase});
    assert_non_null(e->measures[0].why);
    glim_evaluation_free(e);
}

/* Places count 1 2 3 4 for yes, and 0 -.5 -1 0 for no. */
static void another_class_has_other_scores(void **state) {
    struct asked a;
    ask(&a, "one two three four");
    glim_evaluation *e =
        judge(&a, &glim_method_occlusion, (glim_evaluate_options){.metrics = classes});
    const double x[] = {1, 2, 3, 4}, y[] = {0, -0.5, -1, 0};
    double xy = 0, xx = 0, yy = 0;
    for (int i = 0; i < 4; i++) {
        xy += (x[i] - 2.5) * (y[i] + 0.375);
        xx += (x[i] - 2.5) * (x[i] - 2.5);
        yy += (y[i] + 0.375) * (y[i] + 0.375);
    }
    const glim_measure *m = measure(e, "random-class");
    assert_float_equal(m->value, xy / sqrt(xx * yy), 1e-12);
    assert_true(!m->failed && isnan(m->skill) && m->random == 1);
    assert_float_equal(measure(e, "class-coverage")->value, 0.5, 1e-12);
    assert_string_equal(measure(e, "class-coverage")->note,
                        "explained: 1 of 2 that have a probability of 0.05 or more");
    glim_evaluation_free(e);
    e = judge(&a, &looks_away, (glim_evaluate_options){.metrics = classes});
    m = measure(e, "random-class");
    assert_true(m->value == 1 && m->failed && e->capped);
    assert_non_null(strstr(m->note, "it does not depend on what is asked"));
    glim_evaluation_free(e);
}

static void what_cannot_be_asked_otherwise_is_said(void **state) {
    struct asked a;
    ask(&a, "one two three four");
    a.n_rivals = 1;
    glim_evaluation *e =
        judge(&a, &glim_method_occlusion, (glim_evaluate_options){.metrics = classes});
    assert_string_equal(e->measures[0].why, "there is no other class or next token to ask about");
    assert_float_equal(e->measures[1].value, 1, 0);
    glim_evaluation_free(e);
    a.rivals[0].prob = 0.6;
    a.rivals[1].prob = 0.4; /* and without signs */
    a.n_rivals = 2;
    e = judge(&a, &looks_away, (glim_evaluate_options){.metrics = classes});
    assert_string_equal(e->measures[0].why, "without signs, the only two classes look alike");
    glim_evaluation_free(e);
    a.how.rivals = NULL;
    a.how.text = NULL;
    e = judge(&a, &glim_method_occlusion, (glim_evaluate_options){.metrics = classes});
    assert_true(e->measures[0].why && e->measures[1].why);
    glim_evaluation_free(e);
    e = judge(&a, &glim_method_occlusion, (glim_evaluate_options){.metrics = wording});
    assert_string_equal(e->measures[0].why, "the input is no text that could be put otherwise");
    glim_evaluation_free(e);
}

/* ---- of many explanations ---- */

/* Words a b (9 and 16: worth 3, 4), c (4: 2), d (1: 1): the first and the second cover 9 of 10. */
static void add_three(glim_examples *x, glim_status *status) {
    static const char *const texts[] = {"a b", "c", " d"};
    static const double scores[][2] = {{9, -16}, {4, 0}, {1, 0}};
    for (size_t i = 0; i < 3 && !*status; i++) {
        double own[2] = {scores[i][0], scores[i][1]};
        glim_document_unit unit[2] = {
            {.text = texts[i], .text_len = strcspn(texts[i] + 1, " ") + 1},
            {.text = " b", .text_len = 2}};
        glim_document d = {.ctx = ctx, .n_rows = 1, .scores = own};
        unit[0].text_len = i ? strlen(texts[i]) : 1;
        d.input.units = unit;
        d.input.n_units = i ? 1 : 2;
        *status = glim__examples_add(x, &d, NULL, NULL);
    }
}

static void a_few_examples_cover_what_their_features_are_worth(void **state) {
    glim_measure m = {.metric = &glim_metric_example_coverage, .why = "one"};
    glim_evaluation e = {.ctx = ctx, .measures = &m, .n_measures = 1};
    glim_examples x;
    glim_status status = GLIM_OK;
    const int64_t two = 2, many = 9;
    glim__examples_init(&x, ctx);
    add_three(&x, &status);
    assert_int_equal(status, GLIM_OK);
    assert_int_equal(glim__examples_tell(&x, &two, 1, &e, NULL), GLIM_OK);
    assert_null(m.why);
    assert_float_equal(m.value, 0.9, 1e-12);
    assert_int_equal(m.inputs, 3);
    /* of two at random, 9/10, 8/10 or 3/10, each as likely */
    assert_true(fabs(m.random - 2. / 3) < 0.2 && m.random < m.value);
    assert_int_equal(glim__examples_tell(&x, &many, 1, &e, NULL), GLIM_OK);
    assert_true(m.value == 1 && isnan(m.skill));
    glim__examples_release(&x);
    glim__examples_init(&x, ctx);
    m.why = "one";
    assert_int_equal(glim__examples_tell(&x, NULL, 1, &e, NULL), GLIM_OK);
    assert_string_equal(m.why, "one"); /* nothing was added */
    glim__examples_release(&x);
}

/* ---- refused memory ---- */

typedef glim_status try_fn(void);

static void refuse_each(try_fn *once) {
    uint64_t before = glim_context_bytes(ctx);
    for (uint64_t nth = 1;; nth++) {
        glim__fail_allocation(ctx, nth);
        glim_status status = once();
        glim__fail_allocation(ctx, 0);
        if (glim_context_bytes(ctx) != before)
            fail_msg("allocation %lu: bytes are left", (unsigned long)nth);
        if (!status)
            break;
        if (status != GLIM_ENOMEM)
            fail_msg("allocation %lu: status %d", (unsigned long)nth, status);
        assert_true(nth < 20000);
    }
}

static glim_status judge_once(void) {
    static const char *const texts[] = {"one two four", NULL};
    static const glim_metric *const all[] = {
        &glim_metric_wording_kendall, &glim_metric_paraphrase_kendall, &glim_metric_random_class,
        &glim_metric_class_coverage, NULL};
    struct asked a;
    glim_document *doc = NULL;
    glim_evaluation *e = NULL;
    ask(&a, "One two three four");
    a.how.paraphrases = texts;
    glim_evaluate_options o = {.metrics = all, .method = &looks_away, .otherwise = &a.how};
    glim_status status = glim_explain(&doc, &a.own.t.base, o.method, NULL, 1, NULL);
    if (!status)
        status = glim_evaluate(&e, &a.own.t.base, doc, &o, NULL);
    assert_true(!status == (e != NULL));
    glim_evaluation_free(e);
    glim_document_free(doc);
    return status;
}

static glim_status cover_once(void) {
    glim_measure m = {.metric = &glim_metric_example_coverage};
    glim_evaluation e = {.ctx = ctx, .measures = &m, .n_measures = 1};
    glim_examples x;
    glim_status status = GLIM_OK;
    glim__examples_init(&x, ctx);
    add_three(&x, &status);
    if (!status)
        status = glim__examples_tell(&x, NULL, 1, &e, NULL);
    glim__examples_release(&x);
    return status;
}

static glim_status compare_once(void) {
    double s[] = {3, -2, 1};
    glim_document_unit unit[] = {
        {.text = "a", .text_len = 1}, {.text = "b", .text_len = 1}, {.text = "c", .text_len = 1}};
    glim_document d = {.ctx = ctx, .n_rows = 1, .scores = s};
    glim_likeness l;
    d.input.units = unit;
    d.input.n_units = 3;
    return glim__likeness(&l, &d, &d, NULL);
}

static void no_refused_allocation_leaks_or_crashes(void **state) {
    refuse_each(judge_once);
    refuse_each(cover_once);
    refuse_each(compare_once);
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
        cmocka_unit_test(rules_write_a_text_otherwise),
        cmocka_unit_test(a_typo_is_in_one_long_word),
        cmocka_unit_test(words_find_their_partners),
        cmocka_unit_test(exact_scores_stay_when_the_text_is_written_otherwise),
        cmocka_unit_test(scores_that_are_guessed_get_what_chance_gets),
        cmocka_unit_test(paraphrases_are_compared_by_the_words_that_they_share),
        cmocka_unit_test(another_class_has_other_scores),
        cmocka_unit_test(what_cannot_be_asked_otherwise_is_said),
        cmocka_unit_test(a_few_examples_cover_what_their_features_are_worth),
        cmocka_unit_test(no_refused_allocation_leaks_or_crashes),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
