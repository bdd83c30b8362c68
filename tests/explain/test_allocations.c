/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Refused memory on the whole way from a file to a document: open a tiny model,
 * read the text, make the predictor, explain by every method. The n-th
 * allocation and all later ones fail, for every n until the way is through:
 * each time the answer is one clear error and everything is given back.
 */
#include "../model/model-testing.h"

#include "predict/predictor.h"

#include <glim/explain.h>
#include <glim/image.h>
#include <glim/view.h>

enum { MOST_ALLOCATIONS = 100000, LEFT = 1 << 20 };

/* Few evaluations: what is looked for is the way, not the numbers. */
struct way {
    const char *method, *set[3][2];
    const char *file, *text, *prompt; /* text NULL: a picture */
    glim_target_options target;
    glim_image_options cut;
};

static const struct way ways[] = {
    {.method = "occlusion", .file = "llama-q4_0.gguf", .text = "the cat"},
    {.method = "occlusion",
     .set = {{"absent", "mean"}, {"window", "2"}},
     .file = "llama-q4_0.gguf",
     .text = "the cat",
     .target = {.continuation = " sat", .units = GLIM_UNIT_TOKEN}},
    {.method = "occlusion",
     .set = {{"keep-only", "true"}},
     .file = "llama-q4_0.gguf",
     .text = "the cat"},
    {.method = "gradient",
     .file = "llama-q4_0.gguf",
     .text = "the cat",
     .target = {.target = "a", .against = "b"}},
    {.method = "input-x-gradient",
     .file = "gemma3.gguf",
     .text = "the cat",
     .target = {.output = "prob", .units = GLIM_UNIT_WORD}},
    {.method = "integrated-gradients",
     .set = {{"steps", "2"}, {"refine", "none"}},
     .file = "llama-q4_0.gguf",
     .text = "the cat",
     .target = {.generate = 2, .auto_units = true}},
    {.method = "integrated-gradients",
     .set = {{"steps", "2"}, {"refine", "adaptive"}, {"max-steps", "8"}},
     .file = "qwen2.gguf",
     .text = "cat"},
    {.method = "occlusion",
     .set = {{"absent", "attention"}},
     .file = "stacks/marian",
     .text = "we have lost",
     .target = {.auto_units = true}},
    {.method = "occlusion",
     .set = {{"absent", "mean"}},
     .file = "stacks/t5",
     .text = "we",
     .target = {.target = "wir", .units = GLIM_UNIT_TOKEN}},
    {.method = "gradient",
     .file = "stacks/t5-gated",
     .text = "we",
     .target = {.continuation = "wir", .output = "prob", .units = GLIM_UNIT_WORD}},
    {.method = "lrp",
     .set = {{"accept-patent-note", "true"}},
     .file = "gemma2.gguf",
     .text = "the cat",
     .target = {.output = "logit", .auto_units = true}},
    {.method = "lrp",
     .set = {{"accept-patent-note", "true"}, {"rule", "cp"}},
     .file = "stacks/marian",
     .text = "we",
     .target = {.auto_units = true}},
    {.method = "guided-backprop", .file = "llama-q4_0.gguf", .text = "the cat"},
    {.method = "expected-gradients",
     .set = {{"n-samples", "4"}, {"backgrounds", "2"}},
     .file = "llama-q4_0.gguf",
     .text = "the cat",
     .target = {.generate = 2, .auto_units = true}},
    {.method = "reagent",
     .set = {{"max-steps", "2"}, {"probes", "2"}, {"candidates", "3"}},
     .file = "llama-q4_0.gguf",
     .text = "the cat",
     .target = {.generate = 2, .auto_units = true}},
    {.method = "reagent",
     .set = {{"max-steps", "1"}, {"probes", "2"}},
     .file = "published/bert-fill",
     .text = "the <|special_5|> cat",
     .target = {.auto_units = true}},
    {.method = "smoothgrad",
     .set = {{"n-samples", "2"}},
     .file = "llama-q4_0.gguf",
     .text = "the cat",
     .target = {.output = "logit"}},
    {.method = "shapley", .file = "llama-q4_0.gguf", .text = "the cat"},
    {.method = "occlusion", /* with sentences of words of characters */
     .file = "llama-q4_0.gguf",
     .text = "Oh. Nö.",
     .target = {.units = GLIM_UNIT_CHARACTER}},
    {.method = "shapley",
     .set = {{"exact-units", "0"}, {"pairs", "2"}},
     .file = "llama-q4_0.gguf",
     .text = "the cat",
     .target = {.generate = 2, .auto_units = true}},
    {.method = "kernel-shap",
     .set = {{"n-samples", "8"}},
     .file = "llama-q4_0.gguf",
     .text = "the cat"},
    {.method = "owen", .file = "llama-q4_0.gguf", .text = "the cat"},
    {.method = "owen",
     .set = {{"max-evals", "6"}, {"fixed-context", "1"}},
     .file = "llama-q4_0.gguf",
     .text = "the cat",
     .target = {.generate = 2, .auto_units = true}},
    {.method = "lime",
     .set = {{"num-samples", "12"}, {"bow", "true"}, {"num-features", "1"}},
     .file = "llama-q4_0.gguf",
     .text = "the cat"},
    {.method = "attention",
     .set = {{"layer", "0"}, {"head", "0"}, {"sink", "renormalise"}},
     .file = "llama-q4_0.gguf",
     .text = "the cat",
     .target = {.generate = 2, .auto_units = true}},
    {.method = "attention", .file = "published/bert-classes", .text = "a film"},
    {.method = "attention-rollout", .file = "llama-q4_0.gguf", .text = "the cat"},
    {.method = "attention-rollout",
     .file = "stacks/marian",
     .text = "we have lost",
     .target = {.auto_units = true}},
    {.method = "attention-flow",
     .file = "stacks/t5",
     .text = "we",
     .target = {.target = "wir", .units = GLIM_UNIT_TOKEN}},
    {.method = "attention-flow",
     .file = "published/bert-embed",
     .text = "a cat",
     .target = {.against = "a dog"}},
    {.method = "attention-gradient",
     .set = {{"sink", "hide"}},
     .file = "llama-q4_0.gguf",
     .text = "the cat",
     .target = {.generate = 2, .auto_units = true}},
    {.method = "attention-gradient",
     .file = "stacks/t5",
     .text = "we",
     .target = {.target = "wir", .units = GLIM_UNIT_TOKEN}},
    {.method = "attention-norm", .file = "gemma3.gguf", .text = "the cat"},
    {.method = "weighted-sum",
     .file = "stacks/marian",
     .text = "we",
     .target = {.target = "wir", .units = GLIM_UNIT_TOKEN}},
    {.method = "value-zeroing", .file = "llama-q4_0.gguf", .text = "the cat"},
    {.method = "value-zeroing",
     .file = "stacks/marian",
     .text = "we",
     .target = {.target = "wir", .units = GLIM_UNIT_TOKEN}},
    {.method = "lime",
     .set = {{"num-samples", "12"}},
     .file = "../images/efficientnet-lite",
     .cut = {.superpixels = "slic", .segments = 6}},
    {.method = "grad-cam",
     .file = "../images/efficientnet-lite",
     .cut = {.superpixels = "quickshift"}},
    {.method = "occlusion",
     .file = "llama-q4_0.gguf",
     .text = "the cat",
     .prompt = "is {text} so",
     .target = {.labels = "a, b c, b d", .against = "a", .target = "b c"}},
    {.method = "input-x-gradient",
     .file = "llama-q4_0.gguf",
     .text = "cat",
     .prompt = "{text}:",
     .target = {.labels = "a, b c, b d", .length_normalise = true}},
};

static void *options_of(const struct way *w, const glim_method *m) {
    void *opts = calloc(1, m->opts_size + 1);
    glim_error err = {0};
    if (m->params)
        glim_param_defaults(m->params, opts);
    for (int i = 0; i < 3 && w->set[i][0]; i++) {
        const glim_param *p = glim_param_find(m->params, w->set[i][0]);
        assert_non_null(p);
        if (glim_param_set(p, opts, w->set[i][1], &err))
            fail_msg("%s", err.message);
    }
    return opts;
}

static glim_status see(const struct way *w, const glim_model *m, glim_predictor **p,
                       glim_error *err) {
    static uint8_t rgb[48 * 40 * 3];
    glim_image image = {glim_model_context(m), 48, 40, rgb}, *seen = NULL;
    for (size_t i = 0; i < sizeof rgb; i++)
        rgb[i] = (uint8_t)(i / 400 * 37 + i % 3 * 50);
    glim_status status = glim_model_sees(m, &seen, &image, err);
    if (!status)
        status = glim_predictor_image(p, m, seen, &w->cut, err);
    glim_image_free(seen);
    return status;
}

/* The whole way. Everything that was made is freed whatever happens. */
static glim_status go(const struct way *w, glim_context *ctx, const void *opts, glim_error *err) {
    glim_model *m = NULL;
    glim_tokens *tokens = NULL;
    glim_predictor *p = NULL;
    glim_document *doc = NULL;
    char path[512];
    snprintf(path, sizeof path, GOLDEN "%s", w->file);
    glim_status status = glim_model_open(&m, ctx, path, err);
    if (!status && !w->text)
        status = see(w, m, &p, err);
    else if (!status && w->prompt)
        status = glim_model_tokenize_prompt(m, &tokens, &(glim_prompt){.form = w->prompt}, w->text,
                                            strlen(w->text), err);
    else if (!status)
        status = glim_model_tokenize(m, &tokens, w->text, strlen(w->text), err);
    if (!status && w->text)
        status = glim_predictor_lm(&p, m, tokens, &w->target, err);
    if (!status)
        status = glim_explain(&doc, p, glim_method_find(w->method), opts, 1, err);
    if (status)
        assert_null(doc);
    glim_document_free(doc);
    glim_predictor_free(p);
    glim_tokens_free(tokens);
    glim_model_close(m);
    return status;
}

static void check_way(const struct way *w) {
    void *opts = options_of(w, glim_method_find(w->method));
    for (uint64_t nth = 1;; nth++) {
        glim_context *ctx = context_with(1, 0);
        glim_error err = {0};
        glim__fail_allocation(ctx, nth);
        glim_status status = go(w, ctx, opts, &err);
        glim__fail_allocation(ctx, 0);
        uint64_t left = glim_context_bytes(ctx);
        glim_context_free(ctx);
        if (!status)
            break;
        if (status != GLIM_ENOMEM && status != GLIM_EBUDGET)
            fail_msg("%s, allocation %lu: status %d, %s", w->method, (unsigned long)nth, status,
                     err.message);
        if (!*err.message || strchr(err.message, '\n'))
            fail_msg("%s, allocation %lu: the message is '%s'", w->method, (unsigned long)nth,
                     err.message);
        if (left > LEFT) /* scratch and spare buffers stay with the context */
            fail_msg("%s, allocation %lu: %lu bytes are left", w->method, (unsigned long)nth,
                     (unsigned long)left);
        assert_true(nth < MOST_ALLOCATIONS);
    }
    free(opts);
}

static void no_refused_allocation_leaks_or_crashes_on_the_whole_way(void **state) {
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        check_way(&ways[i]);
}

static void every_method_has_a_way(void **state) {
    for (size_t i = 0; glim_methods()[i]; i++) {
        bool found = false;
        for (size_t k = 0; k < sizeof ways / sizeof *ways; k++)
            found = found || !strcmp(ways[k].method, glim_methods()[i]->name);
        if (!found)
            fail_msg("%s: no way through it is tested", glim_methods()[i]->name);
    }
}

/* Views and the reader of documents, on a document that is there. */
static void no_refused_allocation_leaks_in_views_and_their_reader(void **state) {
    glim_context *ctx = context_with(1, 0);
    glim_model *m = open_model(ctx, "llama-q4_0.gguf");
    glim_tokens *tokens = NULL;
    glim_predictor *p = NULL;
    glim_document *doc = NULL;
    glim_error err = {0};
    glim_target_options target = {.generate = 2};
    if (glim_model_tokenize(m, &tokens, "the \"cat\"", 9, &err) ||
        glim_predictor_lm(&p, m, tokens, &target, &err) ||
        glim_explain(&doc, p, glim_method_find("occlusion"), NULL, 1, &err))
        fail_msg("%s", err.message);
    char *json = NULL;
    size_t n = 0;
    assert_int_equal(glim_view_render(glim_view_find("json"), doc, NULL, &json, &n, &err), GLIM_OK);
    uint64_t before = glim_context_bytes(ctx);
    for (size_t i = 0; glim_views()[i]; i++) {
        char *whole = NULL;
        size_t all = 0;
        assert_int_equal(glim_view_render(glim_views()[i], doc, NULL, &whole, &all, &err), GLIM_OK);
        for (uint64_t nth = 1;; nth++) {
            char *out = NULL;
            size_t len = 0;
            glim__fail_allocation(ctx, nth);
            glim_status status = glim_view_render(glim_views()[i], doc, NULL, &out, &len, &err);
            glim__fail_allocation(ctx, 0);
            if (!status) { /* nothing was left out without a word */
                assert_int_equal(len, all);
                assert_memory_equal(out, whole, len);
            }
            glim_view_free(ctx, out);
            if (!status)
                break;
            assert_int_equal(status, GLIM_ENOMEM);
            assert_true(nth < MOST_ALLOCATIONS);
        }
        glim_view_free(ctx, whole);
        assert_int_equal(glim_context_bytes(ctx), before);
    }
    for (uint64_t nth = 1;; nth++) {
        glim_document *again = NULL;
        glim__fail_allocation(ctx, nth);
        glim_status status = glim_document_parse(&again, ctx, json, n, "a.json", &err);
        glim__fail_allocation(ctx, 0);
        glim_document_free(again);
        assert_int_equal(glim_context_bytes(ctx), before);
        if (!status)
            break;
        assert_int_equal(status, GLIM_ENOMEM);
        assert_true(nth < MOST_ALLOCATIONS);
    }
    glim_view_free(ctx, json);
    glim_document_free(doc);
    glim_predictor_free(p);
    glim_tokens_free(tokens);
    glim_model_close(m);
    glim_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_refused_allocation_leaks_or_crashes_on_the_whole_way),
        cmocka_unit_test(every_method_has_a_way),
        cmocka_unit_test(no_refused_allocation_leaks_in_views_and_their_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
