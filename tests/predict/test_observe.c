/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What hooks see of a language model through its predictor, for decoders, encoders and
 * encoder-decoders: gradients at the embeddings are those of `gradient`, rows come in
 * their order, attention adds up to one, and the plan is no promise too small.
 */
#include "../model/model-testing.h"

#include "predict/lm.h"

enum { MOST = 4096 };

struct subject {
    const char *file, *embeddings, *text;
    glim_target_options options;
};

static const struct subject subjects[] = {
    {"llama.gguf", "hook_embed", "one two three four", {.generate = 3, .auto_units = true}},
    {"gemma3.gguf", "hook_embed", "one two three four", {.auto_units = true}},
    {"llama.gguf",
     "hook_embed",
     "one two three",
     {.labels = "the,a", .output = "logprob", .auto_units = true}},
    {"published/bert-classes", "hook_embed", "a fine film", {.auto_units = true}},
    {"published/bert-embed", "hook_embed", "a cat", {.against = "a dog", .auto_units = true}},
    {"stacks/t5", "encoder.hook_embed", "a cat naps", {.target = "a cat", .auto_units = true}},
    {"stacks/marian",
     "encoder.hook_embed",
     "the house is red",
     {.target = "das Haus", .auto_units = true}},
};

struct seen {
    size_t row;      /* floats of a row's gradient */
    float *gradient; /* of the rows, one after the other */
    size_t floats, patterns;
    double worst; /* distance of a row of a pattern from one */
};

static glim_status see(void *data, const glim_site *site, glim_error *err) {
    struct seen *s = data;
    if (site->gradient) {
        size_t n = site->dims[0] * site->dims[1];
        assert_true(s->floats + n <= MOST * 8);
        memcpy(s->gradient + s->floats, site->data, n * sizeof(float));
        s->floats += n;
        return GLIM_OK;
    }
    size_t S = site->dims[2];
    for (size_t i = 0; i < site->dims[0] * site->dims[1]; i++) {
        double sum = 0;
        for (size_t j = 0; j < S; j++)
            sum += site->data[i * S + j];
        s->worst = fmax(s->worst, fabs(sum - 1));
    }
    s->patterns++;
    return GLIM_OK;
}

static glim_status take(void *data, size_t sample, size_t row, const float *g, glim_error *err) {
    struct seen *s = data;
    memcpy(s->gradient + s->floats, g, s->row * sizeof(float));
    s->floats += s->row;
    return GLIM_OK;
}

static void compare(glim_predictor *p, const struct subject *one, const char *site) {
    size_t n = p->T * p->C;
    assert_true(n <= MOST && p->n_rows <= 8);
    float *x = calloc(n, sizeof *x);
    struct seen got = {.gradient = calloc(MOST, 8 * sizeof(float))},
                want = {.gradient = calloc(MOST, 8 * sizeof(float)), .row = n};
    double values[8];
    glim_error err = {0};
    glim_hook hooks[] = {{site, GLIM_HOOK_GRAD, see, &got},
                         {"*attn.hook_pattern", GLIM_HOOK_READ, see, &got}};
    if (p->observe(p, hooks, 2, -1, &err))
        fail_msg("%s: %s", one->file, err.message);
    assert_int_equal(p->embed(p, x, &err), 0);
    assert_int_equal(p->gradient(p, x, 1, -1, values, take, &want, &err), 0);
    assert_int_equal(got.floats, p->n_rows * n);
    for (size_t r = 0; r < p->n_rows; r++)
        for (size_t i = 0; i < n; i++)
            assert_true(fabs(got.gradient[r * n + i] - want.gradient[r * n + i]) <=
                        1e-6 + 1e-4 * fabs(want.gradient[r * n + i]));
    assert_true(got.patterns >= (size_t)glim_model_facts(p->model)->layers);
    assert_true(got.worst < 1e-5);
    free(x);
    free(got.gradient);
    free(want.gradient);
}

static void hooks_see_the_gradients_and_patterns_of_every_kind(void **state) {
    for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++) {
        glim_context *ctx = context_with(2, 0);
        glim_model *m = open_model(ctx, subjects[i].file);
        glim_tokens *tokens = NULL;
        glim_predictor *p = NULL;
        glim_error err = {0};
        assert_int_equal(
            glim_model_tokenize(m, &tokens, subjects[i].text, strlen(subjects[i].text), &err), 0);
        if (glim_predictor_lm(&p, m, tokens, &subjects[i].options, &err))
            fail_msg("%s: %s", subjects[i].file, err.message);
        compare(p, &subjects[i], subjects[i].embeddings);
        glim_predictor_free(p);
        glim_tokens_free(tokens);
        glim_model_close(m);
        glim_context_free(ctx);
    }
}

/* One document of a method, its target read with the pass or before it. */
static glim_document *explained(const glim_model *m, const char *method, bool late) {
    glim_tokens *tokens = NULL;
    glim_predictor *p = NULL;
    glim_document *doc = NULL;
    glim_error err = {0};
    glim_target_options o = {.auto_units = true, .late = late};
    assert_int_equal(glim_model_tokenize(m, &tokens, "one two three", 13, &err), 0);
    assert_int_equal(glim_predictor_lm(&p, m, tokens, &o, &err), 0);
    assert_int_equal(isnan(p->value[0]) != 0, late);
    if (glim_explain(&doc, p, glim_method_find(method), NULL, 0, &err))
        fail_msg("%s: %s", method, err.message);
    assert_false(isnan(p->value[0]));
    glim_predictor_free(p);
    glim_tokens_free(tokens);
    return doc;
}

static void a_target_that_is_read_late_is_the_same(void **state) {
    static const char *const methods[] = {"attention", "attention-rollout", "attention-gradient",
                                          "value-zeroing", "occlusion"};
    glim_context *ctx = context_with(2, 0);
    glim_model *m = open_model(ctx, "llama.gguf");
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        glim_document *a = explained(m, methods[i], false), *b = explained(m, methods[i], true);
        assert_int_equal(a->target.id, b->target.id);
        assert_string_equal(a->target.text, b->target.text);
        assert_memory_equal(&a->target.value, &b->target.value, sizeof(double));
        assert_memory_equal(&a->target.prob, &b->target.prob, sizeof(double));
        assert_memory_equal(a->scores, b->scores, a->input.n_units * sizeof(double));
        assert_int_equal(a->cost.forward_tokens, b->cost.forward_tokens);
        glim_document_free(a);
        glim_document_free(b);
    }
    glim_model_close(m);
    glim_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hooks_see_the_gradients_and_patterns_of_every_kind),
        cmocka_unit_test(a_target_that_is_read_late_is_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
