/* SPDX-License-Identifier: Apache-2.0 */
/* Models with shuffled weights, and the check that scores notice. */
#include "../model/model-testing.h"

#include "evaluate/metrics.h"
#include "predict/predictor.h"

struct input {
    glim_tokens *tokens;
    glim_target_options target;
};

static glim_status remake(void *data, glim_predictor **out, const glim_model *m, glim_error *err) {
    struct input *in = data;
    return glim_predictor_lm(out, m, in->tokens, &in->target, err);
}

static const char *const files[] = {"llama-q4_0.gguf", "llama-kquants.gguf", "gpt2.gguf",
                                    "qwen2.gguf",      "gptneox.gguf",       "gemma3.gguf",
                                    "chatglm.gguf"};

static void open_input(struct input *in, const glim_model *m) {
    *in = (struct input){.target = {.target = "a", .output = "logit", .units = GLIM_UNIT_TOKEN}};
    glim_error err = {0};
    if (glim_model_tokenize(m, &in->tokens, "the cat sat on the mat", 22, &err))
        fail_msg("%s", err.message);
}

static double value_of(struct input *in, const glim_model *m) {
    glim_predictor *p;
    glim_error err = {0};
    if (remake(in, &p, m, &err))
        fail_msg("%s", err.message);
    double v = p->value[0];
    glim_predictor_free(p);
    return v;
}

static void shuffled_weights_change_the_answer_and_the_model_stays(void **state) {
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        glim_context *ctx = context_with(1, 0);
        glim_model *m = open_model(ctx, files[i]), *a, *b, *c, *top;
        struct input in;
        open_input(&in, m);
        double before = value_of(&in, m);
        uint64_t bytes = glim_context_bytes(ctx);
        assert_int_equal(glim__model_shuffled(&a, m, 0, 1, NULL), GLIM_OK);
        assert_int_equal(glim__model_shuffled(&b, m, 0, 1, NULL), GLIM_OK);
        assert_int_equal(glim__model_shuffled(&c, m, 0, 2, NULL), GLIM_OK);
        assert_int_equal(glim__model_shuffled(&top, m, 1, 1, NULL), GLIM_OK);
        double one = value_of(&in, a);
        assert_true(isfinite(one) && one != before);
        assert_true(value_of(&in, b) == one && value_of(&in, c) != one);
        assert_true(m->hyper.L < 2 || value_of(&in, top) != one);
        assert_true(value_of(&in, m) == before);
        glim_model_close(a);
        glim_model_close(b);
        glim_model_close(c);
        glim_model_close(top);
        assert_true(glim_context_bytes(ctx) <= bytes + (1 << 20)); /* scratch may stay */
        glim_tokens_free(in.tokens);
        glim_model_close(m);
        glim_context_free(ctx);
    }
}

/* Rows move whole: each matrix keeps its multiset of rows, read through any layout. */
static void shuffled_matrices_have_the_same_rows(void **state) {
    static const char *const some[] = {"llama-q4_0.gguf", "chatglm.gguf", "gptneox.gguf"};
    for (size_t i = 0; i < 3; i++) {
        glim_context *ctx = context_with(1, 0);
        glim_model *m = open_model(ctx, some[i]), *s;
        assert_int_equal(glim__model_shuffled(&s, m, 0, 1, NULL), GLIM_OK);
        const glim_matrix *a = &m->layers[0].k, *b = &s->layers[0].k;
        size_t found = 0, moved = 0;
        assert_false(a->turned);
        for (int64_t r = 0; r < a->rows; r++)
            for (int64_t k = 0; k < b->rows; k++)
                if (!memcmp(glim__matrix_row_data(a, r), glim__matrix_row_data(b, k),
                            b->row_bytes)) {
                    found++;
                    moved += k != r;
                    break;
                }
        assert_int_equal(found, a->rows);
        assert_true(moved > (size_t)a->rows / 2);
        glim_model_close(s);
        glim_model_close(m);
        glim_context_free(ctx);
    }
}

/* Scores that never look at the model: the place in the text. */
static glim_status run_places(glim_predictor *p, const void *opts, uint64_t seed,
                              glim_document *doc, glim_error *err) {
    doc->scores = glim_document_alloc(doc, p->n_rows * p->units->count * sizeof(double));
    for (size_t i = 0; i < p->n_rows * p->units->count; i++)
        doc->scores[i] = (double)(i % p->units->count);
    return GLIM_OK;
}

static glim_status plan_places(const glim_predictor *p, const void *opts, glim_plan *out,
                               glim_error *err) {
    return GLIM_OK;
}

static const glim_method places = {.name = "places",
                                   .summary = "none",
                                   .cite = "none",
                                   .family = "none",
                                   .caption = "None.",
                                   .plan = plan_places,
                                   .run = run_places};

static glim_status judge(const glim_method *method, glim_evaluation **e, glim_context *ctx,
                         const char *file, glim_error *err) {
    static const glim_metric *const one[] = {&glim_metric_model_randomisation, NULL};
    glim_model *m = NULL;
    glim_predictor *p = NULL;
    glim_document *doc = NULL;
    struct input in = {.target = {.target = "a", .units = GLIM_UNIT_TOKEN}};
    char path[512];
    snprintf(path, sizeof path, GOLDEN "%s", file);
    *e = NULL;
    glim_status status = glim_model_open(&m, ctx, path, err);
    if (!status)
        status = glim_model_tokenize(m, &in.tokens, "the cat sat on the mat", 22, err);
    if (!status)
        status = remake(&in, &p, m, err);
    if (!status)
        status = glim_explain(&doc, p, method, NULL, 1, err);
    if (!status)
        status = glim_evaluate(
            e, p, doc,
            &(glim_evaluate_options){
                .metrics = one, .method = method, .remake = remake, .remake_data = &in},
            err);
    glim_document_free(doc);
    glim_predictor_free(p);
    glim_tokens_free(in.tokens);
    glim_model_close(m);
    return status;
}

static void scores_that_ignore_the_model_fail(void **state) {
    glim_context *ctx = context_with(1, 0);
    glim_evaluation *e;
    glim_error err = {0};
    if (judge(&places, &e, ctx, "llama-q4_0.gguf", &err)) {
        fail_msg("%s", err.message);
        return;
    }
    assert_float_equal(e->measures[0].value, 1, 1e-12);
    assert_true(e->measures[0].failed && e->measures[0].skill == 0 && e->capped);
    glim_evaluation_free(e);
    if (judge(glim_method_find("occlusion"), &e, ctx, "llama-q4_0.gguf", &err)) {
        fail_msg("%s", err.message);
        return;
    }
    assert_true(e->measures[0].value < 1 && e->measures[0].n == 1);
    glim_evaluation_free(e);
    glim_context_free(ctx);
}

static void kinds_that_are_not_shuffled_are_named(void **state) {
    static const char *const some[] = {"glm4moe.gguf", "stacks/marian"};
    for (size_t i = 0; i < 2; i++) {
        glim_context *ctx = context_with(1, 0);
        glim_model *m = open_model(ctx, some[i]), *s;
        glim_error err = {0};
        assert_int_equal(glim__model_shuffled(&s, m, 0, 1, &err), GLIM_EUNSUPPORTED);
        assert_true(!s && strstr(err.message, "not shuffled"));
        glim_model_close(m);
        if (i == 0) { /* an evaluation goes on, and says so */
            glim_evaluation *e;
            if (judge(&places, &e, ctx, some[i], &err)) {
                fail_msg("%s", err.message);
                return;
            }
            assert_true(isnan(e->measures[0].value) && strstr(e->measures[0].why, "not shuffled"));
            glim_evaluation_free(e);
        }
        glim_context_free(ctx);
    }
}

static void no_refused_allocation_leaks_or_crashes(void **state) {
    for (uint64_t nth = 1;; nth++) {
        glim_context *ctx = context_with(1, 0);
        glim_evaluation *e;
        glim_error err = {0};
        glim__fail_allocation(ctx, nth);
        glim_status status =
            judge(glim_method_find("input-x-gradient"), &e, ctx, "llama-q4_0.gguf", &err);
        glim__fail_allocation(ctx, 0);
        glim_evaluation_free(e);
        uint64_t left = glim_context_bytes(ctx);
        glim_context_free(ctx);
        if (!status)
            break;
        if (status != GLIM_ENOMEM || !*err.message || left > 1 << 20)
            fail_msg("allocation %lu: status %d, %lu bytes, '%s'", (unsigned long)nth, status,
                     (unsigned long)left, err.message);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shuffled_weights_change_the_answer_and_the_model_stays),
        cmocka_unit_test(shuffled_matrices_have_the_same_rows),
        cmocka_unit_test(scores_that_ignore_the_model_fail),
        cmocka_unit_test(kinds_that_are_not_shuffled_are_named),
        cmocka_unit_test(no_refused_allocation_leaks_or_crashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
