/* SPDX-License-Identifier: Apache-2.0 */
/* A black box with a text: what it is asked, what it answers on which scale, and
   what is left of an interrupted run. The box is a function of ours. */
#include "box-testing.h"

#include <glim/explain.h>

/* Remembers what it was asked; a text's value is the number of its letters 'e'. */
struct counter {
    glim_context *ctx;
    char asked[64][128];
    size_t n, batches, cancel_after, fail_after;
};

static double letters(const char *s, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += s[i] == 'e';
    return sum;
}

static glim_status count(void *data, glim_input_kind kind, const glim_input *in, size_t n,
                         double *values, glim_error *err) {
    struct counter *c = data;
    assert_int_equal(kind, GLIM_INPUT_TEXT);
    for (size_t i = 0; i < n; i++) {
        if (c->n < 64)
            snprintf(c->asked[c->n++], 128, "%.*s", (int)in[i].len, in[i].text);
        values[2 * i] = letters(in[i].text, in[i].len);
        values[2 * i + 1] = 0.5;
    }
    if (++c->batches == c->cancel_after)
        glim_context_cancel(c->ctx);
    if (c->fail_after && c->batches == c->fail_after)
        return glim_fail(err, GLIM_EIO, "out of paper");
    return GLIM_OK;
}

static const char *const names[] = {"e", "other"};

static glim_black_box *make(glim_context *ctx, struct counter *c, glim_scale scale) {
    glim_black_box *box;
    glim_error err = {0};
    if (glim_black_box_new(&box, ctx, count, c, names, 2, scale, &err))
        fail_msg("%s", err.message);
    return box;
}

static bool was_asked(const struct counter *c, const char *text) {
    for (size_t i = 0; i < c->n; i++)
        if (!strcmp(c->asked[i], text))
            return true;
    return false;
}

static glim_document *explain(glim_context *ctx, struct counter *c, const char *text,
                              const glim_class_options *o, const char *absent, glim_status want,
                              glim_error *err) {
    glim_black_box *box = make(ctx, c, GLIM_SCALE_RAW);
    glim_predictor *p = NULL;
    glim_document *doc = NULL;
    const glim_method *m = glim_method_find("occlusion");
    void *opts = calloc(1, m->opts_size);
    glim_param_defaults(m->params, opts);
    assert_int_equal(glim_param_set(glim_param_find(m->params, "absent"), opts, absent, err), 0);
    if (glim_predictor_black_box(&p, box, text, strlen(text), o, err))
        fail_msg("%s", err->message);
    if (glim_explain(&doc, p, m, opts, 0, err) != want)
        fail_msg("%s", err->message);
    free(opts);
    glim_predictor_free(p);
    glim_black_box_close(box); /* the document outlives both */
    return doc;
}

static void deleting_drops_the_words_and_masking_keeps_their_places(void **state) {
    static const char text[] = "He sees, three";
    glim_context *ctx = begin();
    glim_error err = {0};
    struct counter c = {0};
    glim_document *doc =
        explain(ctx, &c, text, &(glim_class_options){.auto_units = true}, "delete", GLIM_OK, &err);
    const double want[] = {1, 2, 0, 2};
    assert_int_equal(doc->input.n_units, 4);
    for (int i = 0; i < 4; i++)
        assert_true(doc->scores[i] == want[i]);
    assert_string_equal(doc->target.kind, "class");
    assert_string_equal(doc->target.output, "score");
    assert_string_equal(doc->model.architecture, "function");
    assert_true(doc->target.value == 5 && doc->target.baseline_value == 0);
    assert_true(was_asked(&c, " sees, three") && was_asked(&c, "He, three") &&
                was_asked(&c, "He sees three") && was_asked(&c, "He sees,") && was_asked(&c, ""));
    assert_int_equal(c.n, 6);
    glim_document_free(doc);
    c.n = 0;
    doc = explain(ctx, &c, text,
                  &(glim_class_options){.units = GLIM_UNIT_SENTENCE, .mask_token = "[X]"}, "mask",
                  GLIM_OK, &err);
    assert_true(was_asked(&c, "[X] [X][X] [X]"));
    assert_string_equal(doc->input.unit, "sentence");
    glim_document_free(doc);
    end_context(ctx);
}

/* A face of three people joined is one character, and so is a letter with its accent. */
static void characters_of_a_black_box_are_graphemes(void **state) {
    static const char text[] = "e\xcc\x81"
                               "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7"
                               "\xe6\x9f\xa5 e";
    static const char *const want[] = {"e\xcc\x81", "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7",
                                       "\xe6\x9f\xa5", " ", "e"};
    glim_context *ctx = begin();
    glim_error err = {0};
    struct counter c = {0};
    glim_document *doc = explain(ctx, &c, text, &(glim_class_options){.units = GLIM_UNIT_CHARACTER},
                                 "delete", GLIM_OK, &err);
    assert_string_equal(doc->input.unit, "character");
    assert_int_equal(doc->input.n_units, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(doc->input.units[i].text_len, strlen(want[i]));
        assert_memory_equal(doc->input.units[i].text, want[i], strlen(want[i]));
        assert_true(doc->scores[i] == (i == 0 || i == 4));
    }
    glim_document_free(doc);
    c.n = 0;
    doc = explain(ctx, &c, "xe", &(glim_class_options){.units = GLIM_UNIT_CHARACTER}, "mask",
                  GLIM_OK, &err);
    assert_true(was_asked(&c, "...e") && was_asked(&c, "x..."));
    glim_document_free(doc);
    end_context(ctx);
}

static void equal_masked_texts_are_asked_once(void **state) {
    glim_context *ctx = begin();
    glim_error err = {0};
    struct counter c = {0};
    glim_document *doc = explain(ctx, &c, "e e e e", &(glim_class_options){.auto_units = true},
                                 "mask", GLIM_OK, &err);
    assert_int_equal(c.n, 6);
    assert_int_equal(doc->cost.forward_tokens, 5);
    glim_document_free(doc);
    c.n = 0;
    doc = explain(ctx, &c, "a e e e e", &(glim_class_options){.auto_units = true}, "delete",
                  GLIM_OK, &err);
    assert_int_equal(c.n, 4); /* itself, without a, without one e, without all */
    glim_document_free(doc);
    end_context(ctx);
}

static void a_text_of_many_scripts_is_cut_between_graphemes(void **state) {
    static const char text[] = "电影很好看。 👩‍👩‍👧 naïve e\xcc\x81t\xc3\xa9";
    glim_context *ctx = begin();
    glim_error err = {0};
    struct counter c = {0};
    glim_document *doc =
        explain(ctx, &c, text, &(glim_class_options){.auto_units = true}, "delete", GLIM_OK, &err);
    size_t at = 0;
    for (size_t i = 0; i < doc->input.n_units; i++) {
        assert_int_equal(doc->input.units[i].start, at);
        at = doc->input.units[i].end;
        assert_true(at == strlen(text) || ((unsigned char)text[at] & 0xc0) != 0x80);
    }
    assert_int_equal(at, strlen(text));
    glim_document_free(doc);
    end_context(ctx);
}

static void what_needs_more_than_answers_is_refused_by_name(void **state) {
    glim_context *ctx = begin();
    glim_error err = {0};
    struct counter c = {0};
    glim_black_box *box = make(ctx, &c, GLIM_SCALE_RAW);
    glim_predictor *p;
    glim_document *doc;
    static const glim_class_options words = {.auto_units = true};
    assert_int_equal(glim_predictor_black_box(&p, box, "e a", 3, &words, &err), GLIM_OK);
    for (size_t i = 0; glim_methods()[i]; i++) {
        const glim_method *m = glim_methods()[i];
        glim_status status = glim_explain(&doc, p, m, NULL, 0, &err);
        assert_int_equal(status, m->needs & ~GLIM_CAN_PREDICT ? GLIM_EUSAGE : GLIM_OK);
        if (status)
            assert_contains(err.message, "(try --method occlusion)");
        glim_document_free(doc);
    }
    assert_ptr_equal(glim_method_default(p, NULL), glim_method_find("occlusion"));
    double out[2];
    assert_int_equal(p->values(p, (uint8_t[]){1, 0}, 1, GLIM_ABSENT_MEAN, out, &err), GLIM_EUSAGE);
    assert_contains(err.message, "--absent delete or mask");
    glim_predictor_free(p);
    static const struct {
        glim_class_options o;
        const char *text, *says;
    } cases[] = {
        {{.units = GLIM_UNIT_TOKEN}, "e", "--units character, word"},
        {{.units = GLIM_UNIT_TURN}, "e", "--units character, word"},
        {{.auto_units = true}, "", "empty"},
        {{.auto_units = true, .class_name = "x"}, "e", "no class 'x' (there are e, other)"},
        {{.auto_units = true, .against = "x"}, "e", "no class 'x'"},
        {{.auto_units = true, .class_name = "e", .against = "e"}, "e", "the target itself"},
        {{.auto_units = true, .output = "prob"}, "e", "raw scores"},
        {{.auto_units = true, .output = "odds"}, "e", "not one of"},
        {{.auto_units = true, .mask_token = "\xff"}, "e", "UTF-8 at byte 0"},
        {{.auto_units = true}, "e\xff", "UTF-8 at byte 1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_not_equal(glim_predictor_black_box(&p, box, cases[i].text, strlen(cases[i].text),
                                                      &cases[i].o, &err),
                             GLIM_OK);
        assert_contains(err.message, cases[i].says);
    }
    glim_black_box_close(box);
    end_context(ctx);
}

static void outputs_follow_from_the_scale(void **state) {
    static const struct {
        glim_scale scale;
        double row[2];
        const char *output;
        double want;
    } cases[] = {
        {GLIM_SCALE_PROB, {0.2, 0.8}, "prob", 0.2},
        {GLIM_SCALE_PROB, {0.2, 0.8}, "logprob", -1.6094379124341003},
        {GLIM_SCALE_PROB, {0.2, 0.8}, "logit", -1.3862943611198906},
        {GLIM_SCALE_PROB, {0, 1}, "logprob", -27.631021115928547},
        {GLIM_SCALE_PROB, {0.2, 0.8}, "score", 0.2},
        {GLIM_SCALE_LOGIT, {1, 3}, "prob", 0.11920292202211755},
        {GLIM_SCALE_LOGIT, {1, 3}, "logprob", -2.1269280110429727},
        {GLIM_SCALE_LOGIT, {1, 3}, "logit", 1},
        {GLIM_SCALE_LOGIT, {1000, -1000}, "prob", 1},
        {GLIM_SCALE_LOGPROB, {-1.6094379124341003, -3}, "prob", 0.2},
        {GLIM_SCALE_LOGPROB, {-1.6094379124341003, -3}, "logprob", -1.6094379124341003},
        {GLIM_SCALE_LOGPROB, {-1.6094379124341003, -3}, "logit", -1.3862943611198906},
        {GLIM_SCALE_RAW, {7, 8}, "score", 7},
    };
    glim_context *ctx = begin();
    glim_error err = {0};
    struct counter c = {0};
    double x;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        glim_black_box *box = make(ctx, &c, cases[i].scale);
        assert_int_equal(glim_black_box_output(box, cases[i].row, 0, cases[i].output, &x, &err), 0);
        if (fabs(x - cases[i].want) > 1e-12)
            fail_msg("case %zu: %.17g", i, x);
        glim_black_box_close(box);
    }
    glim_black_box *one;
    assert_int_equal(glim_black_box_new(&one, ctx, count, &c, names, 1, GLIM_SCALE_LOGIT, &err), 0);
    glim_black_box_output(one, (double[]){2}, 0, "prob", &x, &err);
    assert_true(fabs(x - 0.8807970779778823) < 1e-15);
    glim_black_box_close(one);
    end_context(ctx);
}

static void a_contrast_is_the_difference(void **state) {
    glim_context *ctx = begin();
    glim_error err = {0};
    struct counter c = {0};
    glim_document *doc =
        explain(ctx, &c, "e e",
                &(glim_class_options){.auto_units = true, .class_name = "other", .against = "e"},
                "delete", GLIM_OK, &err);
    assert_string_equal(doc->target.kind, "contrast");
    assert_true(doc->target.value == 0.5 - 2 && doc->scores[0] == -1);
    glim_document_free(doc);
    end_context(ctx);
}

static void bad_numbers_of_a_function_are_found(void **state) {
    glim_context *ctx = begin();
    glim_error err = {0};
    struct counter c = {0};
    glim_black_box *box = make(ctx, &c, GLIM_SCALE_PROB);
    assert_int_equal(ask(box, (const char *[]){"eee"}, 1, NULL, &err), GLIM_EFORMAT);
    assert_contains(err.message, "predictor 'function': row 0 gives class 'e' the probability 3");
    c.fail_after = c.batches + 1;
    assert_int_equal(ask(box, (const char *[]){"x"}, 1, NULL, &err), GLIM_EIO);
    assert_contains(err.message, "out of paper");
    glim_black_box_close(box);
    end_context(ctx);
}

/* 390 words go in two batches behind the text itself; the run ends within the second. */
static void an_interrupted_run_keeps_what_was_answered(void **state) {
    enum { WORDS = 390 };
    char text[WORDS * 8 + 1] = "";
    glim_context *ctx = begin();
    glim_error err = {0};
    struct counter c = {.ctx = ctx, .cancel_after = 3}; /* the text itself is the first */
    for (int i = 0; i < WORDS; i++)
        snprintf(text + strlen(text), 9, "e%03d ", i);
    glim_document *doc = explain(ctx, &c, text, &(glim_class_options){.auto_units = true}, "delete",
                                 GLIM_ECANCELLED, &err);
    assert_true(doc->partial);
    assert_true(doc->scores[0] == 1 && doc->scores[255] == 1);
    assert_true(isnan(doc->scores[256]) && isnan(doc->scores[WORDS - 1]));
    glim_document_free(doc);
    end_context(ctx);
}

static void no_refused_allocation_leaks(void **state) {
    static const char *const specs[] = {
        "process:while read l; do echo '{\"outputs\":[[1,2]],\"classes\":[\"a\",\"b\"]}'; done",
        NULL};
    for (int which = 0; which < 2; which++) {
        glim_status status = GLIM_ENOMEM;
        for (uint64_t nth = 1; status; nth++) {
            glim_context *ctx = begin();
            struct counter c = {0};
            glim_black_box *box = NULL;
            glim_predictor *p = NULL;
            glim_document *doc = NULL;
            glim_error err = {0};
            glim__fail_allocation(ctx, nth);
            status = specs[which]
                         ? glim_black_box_open(&box, ctx, specs[which],
                                               &(glim_black_box_options){.batch_size = 1}, &err)
                         : glim_black_box_new(&box, ctx, count, &c, names, 2, GLIM_SCALE_RAW, &err);
            if (!status)
                status = glim_predictor_black_box(&p, box, "e a", 3,
                                                  &(glim_class_options){.auto_units = true}, &err);
            if (!status)
                status = glim_explain(&doc, p, glim_method_find("occlusion"), NULL, 0, &err);
            if (status && status != GLIM_ENOMEM)
                fail_msg("%d: %s", (int)nth, err.message);
            glim__fail_allocation(ctx, 0);
            glim_document_free(doc);
            glim_predictor_free(p);
            glim_black_box_close(box);
            end_context(ctx);
            assert_true(nth < 1000);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deleting_drops_the_words_and_masking_keeps_their_places),
        cmocka_unit_test(characters_of_a_black_box_are_graphemes),
        cmocka_unit_test(equal_masked_texts_are_asked_once),
        cmocka_unit_test(a_text_of_many_scripts_is_cut_between_graphemes),
        cmocka_unit_test(what_needs_more_than_answers_is_refused_by_name),
        cmocka_unit_test(outputs_follow_from_the_scale),
        cmocka_unit_test(a_contrast_is_the_difference),
        cmocka_unit_test(bad_numbers_of_a_function_are_found),
        cmocka_unit_test(an_interrupted_run_keeps_what_was_answered),
        cmocka_unit_test(no_refused_allocation_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
