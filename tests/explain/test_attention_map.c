/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model's attention as a document: rows that add up, the same bits for any number of
 * threads, plans that hold, cancelled runs, and refused memory on the whole way.
 */
#include "../model/model-testing.h"

#include <glim/attention.h>
#include <glim/view.h>
#include <math.h>

enum { MOST_ALLOCATIONS = 100000, LEFT = 1 << 20 };

struct look {
    const char *file, *text;
    glim_attention_options o;
};

#define ALL .layer = -1, .head = -1
static const struct look looks[] = {
    {"llama-q4_0.gguf", "the cat", {ALL, .auto_units = true, .heads = "auto"}},
    {"gemma3.gguf", "the cat", {ALL, .units = GLIM_UNIT_TOKEN, .sink = "renormalise"}},
    {"qwen2.gguf", "the cat", {.layer = 0, .head = 1, .sink = "hide", .generate = 2}},
    {"published/bert-classes", "the cat", {ALL, .units = GLIM_UNIT_WORD}},
    {"stacks/t5", "we see", {ALL, .side = "encoder", .heads = "0.1,1"}},
    {"stacks/t5", "we see", {ALL, .side = "decoder", .continuation = "wir sehen"}},
    {"stacks/marian", "I have seen the cat", {ALL, .auto_units = true}},
    {"stacks/marian",
     "I have seen the cat",
     {ALL, .auto_units = true, .align = true, .at = "output",
      .links = {.gold = "0-0 1p1", .gold_len = 7, .extract = "softmax-threshold"}}},
    {"llama-q4_0.gguf",
     "say: the cat, now",
     {ALL, .units = GLIM_UNIT_WORD, .align = true, .source = "the cat", .continuation = " a dog",
      .links = {.extract = "grow-diag-final-and"}}},
};
enum { N_LOOKS = sizeof looks / sizeof *looks };

static glim_status go(const struct look *k, glim_context *ctx, glim_document **doc, glim_plan *plan,
                      glim_error *err) {
    glim_model *m = NULL;
    glim_tokens *tokens = NULL;
    char path[512];
    snprintf(path, sizeof path, GOLDEN "%s", k->file);
    glim_status status = glim_model_open(&m, ctx, path, err);
    if (!status)
        status = glim_model_tokenize(m, &tokens, k->text, strlen(k->text), err);
    if (!status && plan)
        status = glim_attention_plan(plan, m, tokens, &k->o, err);
    if (!status)
        status = glim_attention_read(doc, m, tokens, &k->o, err);
    glim_tokens_free(tokens);
    glim_model_close(m);
    return status;
}

static void rows_add_up_to_one(void **state) {
    for (size_t i = 0; i < N_LOOKS; i++) {
        glim_context *ctx = context_with(1, 0);
        glim_document *d = NULL;
        glim_error err = {0};
        if (go(&looks[i], ctx, &d, NULL, &err))
            fail_msg("%s: %s", looks[i].file, err.message);
        size_t U = d->input.n_units;
        bool hidden = !strcmp(d->attention.sink, "hide");
        for (size_t r = 0; r < d->n_rows; r++) {
            double sum = 0;
            for (size_t u = 0; u < U; u++) {
                double x = d->scores[r * U + u];
                assert_true(isnan(x) || (x >= 0 && x <= 1 + 1e-5));
                sum += isnan(x) ? 0 : x;
            }
            if (hidden)
                assert_true(sum < 1);
            else
                assert_float_equal(sum, 1, 1e-5);
        }
        assert_int_equal(d->attention.n_stats, d->attention.layers * d->attention.heads);
        glim_document_free(d);
        glim_context_free(ctx);
    }
}

static void bits_do_not_depend_on_threads(void **state) {
    for (size_t i = 0; i < N_LOOKS; i++) {
        glim_context *one = context_with(1, 0), *three = context_with(3, 0);
        glim_document *a = NULL, *b = NULL;
        assert_int_equal(go(&looks[i], one, &a, NULL, NULL), GLIM_OK);
        assert_int_equal(go(&looks[i], three, &b, NULL, NULL), GLIM_OK);
        assert_memory_equal(a->scores, b->scores, a->n_rows * a->input.n_units * sizeof *a->scores);
        for (size_t h = 0; h < a->attention.n_stats; h++)
            assert_true(a->attention.stats[h].entropy == b->attention.stats[h].entropy);
        char *one_text, *three_text;
        size_t n, m;
        a->cost = b->cost; /* what a run took is no result */
        glim_view_options v = {.width = 80};
        assert_int_equal(glim_view_render(glim_view_find("json"), a, &v, &one_text, &n, NULL), 0);
        assert_int_equal(glim_view_render(glim_view_find("json"), b, &v, &three_text, &m, NULL), 0);
        assert_int_equal(n, m);
        assert_memory_equal(one_text, three_text, n);
        glim_view_free(a->ctx, one_text);
        glim_view_free(b->ctx, three_text);
        glim_document_free(a);
        glim_document_free(b);
        glim_context_free(one);
        glim_context_free(three);
    }
}

static void plans_are_never_below_what_is_used(void **state) {
    for (size_t i = 0; i < N_LOOKS; i++) {
        glim_context *ctx = context_with(1, 0);
        glim_document *d = NULL;
        glim_plan plan;
        assert_int_equal(go(&looks[i], ctx, &d, &plan, NULL), GLIM_OK);
        assert_true(plan.bytes >= glim_context_peak(ctx));
        glim_document_free(d);
        glim_context_free(ctx);
    }
}

static void a_cancelled_run_keeps_nothing_half(void **state) {
    glim_context *ctx = context_with(1, 0);
    glim_document *d = NULL;
    glim_error err = {0};
    glim_model *m = NULL;
    glim_tokens *tokens = NULL;
    assert_int_equal(glim_model_open(&m, ctx, GOLDEN "gemma3.gguf", &err), GLIM_OK);
    assert_int_equal(glim_model_tokenize(m, &tokens, "the cat", 7, &err), GLIM_OK);
    glim_context_cancel(ctx);
    assert_int_equal(glim_attention_read(&d, m, tokens, &looks[0].o, &err), GLIM_ECANCELLED);
    assert_null(d);
    glim_tokens_free(tokens);
    glim_model_close(m);
    glim_context_free(ctx);
}

static void refused_memory_is_an_error_and_nothing_leaks(void **state) {
    for (size_t i = 0; i < N_LOOKS; i++)
        for (uint64_t nth = 1;; nth++) {
            glim_context *ctx = context_with(1, 0);
            glim_error err = {0};
            glim_document *d = NULL;
            glim__fail_allocation(ctx, nth);
            glim_status status = go(&looks[i], ctx, &d, NULL, &err);
            glim_document_free(d);
            if (status && (status != GLIM_ENOMEM || !*err.message))
                fail_msg("%s, %lu: %d %s", looks[i].file, (unsigned long)nth, status, err.message);
            assert_true(glim_context_bytes(ctx) < LEFT);
            glim_context_free(ctx);
            if (!status)
                break;
            assert_true(nth < MOST_ALLOCATIONS);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_add_up_to_one),
        cmocka_unit_test(bits_do_not_depend_on_threads),
        cmocka_unit_test(plans_are_never_below_what_is_used),
        cmocka_unit_test(a_cancelled_run_keeps_nothing_half),
        cmocka_unit_test(refused_memory_is_an_error_and_nothing_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
