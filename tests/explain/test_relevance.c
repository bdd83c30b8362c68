/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Methods that walk back by rules, and expected gradients: against functions whose answer is
 * known, against what PyTorch and Captum say (scripts/record-rules.py,
 * scripts/record-gradient-shap.py), and what they refuse.
 */
#include "../model/model-testing.h"
#include "analytic.h"
#include "default-options.h"

#include "predict/lm.h"

static glim_context *ctx;

struct setting {
    const char *name, *value;
};

static glim_document *explain_as(glim_predictor *p, const char *method, const struct setting *s,
                                 uint64_t seed) {
    const glim_method *m = glim_method_find(method);
    glim_error err = {0};
    glim_document *doc = NULL;
    void *opts = default_options(m);
    for (; s && s->name; s++)
        if (glim_param_set(glim_param_find(m->params, s->name), opts, s->value, &err))
            fail_msg("%s", err.message);
    if (glim_explain(&doc, p, m, opts, seed, &err))
        fail_msg("%s: %s", method, err.message);
    free(opts);
    return doc;
}

static double check_value(const glim_document *doc, const char *name) {
    for (size_t i = 0; i < doc->n_checks; i++)
        if (!strcmp(doc->checks[i].name, name))
            return doc->checks[i].value;
    fail_msg("no check '%s'", name);
    return NAN;
}

static void assert_close(double a, double b, double off) {
    if (!(fabs(a - b) <= off * fmax(1, fabs(b))))
        fail_msg("%.9g is not %.9g", a, b);
}

/* ---- expected gradients ---- */

static void expected_gradients_of_a_linear_function_are_exact(void **state) {
    static const struct {
        const char *background;
        double baseline;
    } cases[] = {{"zero", 0}, {"token", 0.25}, {"mixed", 0.25}};
    for (int k = 0; k < 3; k++) {
        struct analytic a;
        struct setting with[] = {
            {"background", cases[k].background}, {"n-samples", "7"}, {NULL, NULL}};
        analytic_init(&a, ctx, LINEAR, k == 1);
        glim_document *doc = explain_as(&a.base, "expected-gradients", with, 5);
        for (size_t t = k == 1; t < AT; t++) {
            double want = 0;
            for (size_t c = t * AC; c < (t + 1) * AC; c++)
                want += (double)a.w[c] * (a.x[c] - cases[k].baseline);
            assert_close(doc->scores[t], want, 1e-5);
            assert_true(doc->error[t] < 1e-5);
        }
        assert_true(check_value(doc, "completeness_residual") < 1e-5);
        assert_int_equal(doc->verdict, GLIM_VERDICT_OK);
        glim_document_free(doc);
    }
}

static void with_one_background_they_are_integrated_gradients(void **state) {
    static const enum analytic_kind kinds[] = {PRODUCT, SATURATED, STEEP};
    struct setting path[] = {
        {"baseline", "zero"}, {"steps", "512"}, {"rule", "midpoint"}, {NULL, NULL}};
    struct setting draws[] = {{"background", "zero"}, {"n-samples", "400"}, {NULL, NULL}};
    for (int k = 0; k < 3; k++)
        for (uint64_t seed = 0; seed < 5; seed++) {
            struct analytic a;
            analytic_init(&a, ctx, kinds[k], false);
            glim_document *ig = explain_as(&a.base, "integrated-gradients", path, 0);
            glim_document *eg = explain_as(&a.base, "expected-gradients", draws, seed);
            for (int t = 0; t < AT; t++)
                if (!(fabs(eg->scores[t] - ig->scores[t]) <= 4 * eg->error[t] + 1e-4))
                    fail_msg("%d, token %d: %g +- %g, by the path %g", k, t, eg->scores[t],
                             eg->error[t], ig->scores[t]);
            assert_close(eg->target.baseline_value, ig->target.baseline_value, 1e-9);
            glim_document_free(ig);
            glim_document_free(eg);
        }
}

static void a_rough_target_is_not_trusted_and_draws_repeat_with_their_seed(void **state) {
    struct analytic a;
    struct setting few[] = {{"background", "zero"}, {"n-samples", "4"}, {NULL, NULL}};
    analytic_init(&a, ctx, STEEP, false);
    glim_document *one = explain_as(&a.base, "expected-gradients", few, 1);
    glim_document *same = explain_as(&a.base, "expected-gradients", few, 1);
    glim_document *other = explain_as(&a.base, "expected-gradients", few, 2);
    assert_int_equal(one->verdict, GLIM_VERDICT_DISTRUST);
    assert_memory_equal(one->scores, same->scores, AT * sizeof(double));
    assert_true(memcmp(one->scores, other->scores, AT * sizeof(double)) != 0);
    glim_document_free(one);
    glim_document_free(same);
    glim_document_free(other);
}

/* ---- recordings ---- */

struct bench {
    glim_context *ctx;
    glim_safetensors *st;
    glim_model *model;
    glim_tokens *tokens;
    glim_predictor *p;
    size_t T;
};

static int64_t number_of(const struct bench *b, const char *name, size_t i) {
    int64_t value;
    memcpy(&value, (const char *)glim__safetensors_find(b->st, name)->data + 8 * i, 8);
    return value;
}

/* The recorded ids as an input of their own, every token a unit. */
static void open_bench(struct bench *b, const char *path, int threads, uint64_t memory) {
    char model[256];
    glim_error err = {0};
    *b = (struct bench){.ctx = context_with(threads, memory)};
    if (glim__safetensors_open(&b->st, b->ctx, path, &err))
        fail_msg("%s", err.message);
    snprintf(model, sizeof model, "published/%s", glim__safetensors_metadata(b->st, "model"));
    b->model = open_model(b->ctx, model);
    size_t T = b->T = (size_t)glim__safetensors_find(b->st, "ids")->dims[0];
    b->tokens = glim__calloc(b->ctx, 1, sizeof *b->tokens);
    b->tokens->ctx = b->ctx;
    b->tokens->at = glim__calloc(b->ctx, T, sizeof *b->tokens->at);
    b->tokens->text = glim__calloc(b->ctx, 1, T + 1);
    b->tokens->text_len = b->tokens->count = T;
    for (size_t i = 0; i < T; i++) {
        b->tokens->text[i] = 'x';
        b->tokens->at[i] = (glim_token){
            .id = (int32_t)number_of(b, "ids", i), .start = i, .end = i + 1, .turn = -1};
    }
    glim_target_options o = {.units = GLIM_UNIT_TOKEN, .output = "logit"};
    if (glim_predictor_lm(&b->p, b->model, b->tokens, &o, &err))
        fail_msg("%s", err.message);
    assert_int_equal(((glim_lm *)b->p)->rows[0].id, number_of(b, "target", 0));
}

static void close_bench(struct bench *b) {
    glim_predictor_free(b->p);
    glim_tokens_free(b->tokens);
    glim_model_close(b->model);
    glim__safetensors_close(b->st);
    glim_context_free(b->ctx);
}

static void compare(const char *what, const double *have, const double *want, size_t n) {
    double scale = 1e-9;
    for (size_t i = 0; i < n; i++)
        scale = fmax(scale, fabs(want[i]));
    for (size_t i = 0; i < n; i++)
        if (!(fabs(have[i] - want[i]) <= 1e-4 * scale))
            fail_msg("%s, token %zu: %g, recorded %g", what, i, have[i], want[i]);
}

static int each_recording(const char *dir, void (*fn)(const char *path)) {
    DIR *d = opendir(dir);
    int n = 0;
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (strstr(e->d_name, ".safetensors")) {
            fn(path);
            n++;
        }
    }
    closedir(d);
    return n;
}

/* Captum's draws are taken, background j being row j of every token. */
static void check_gradient_shap(const char *path) {
    struct bench b;
    glim_error err = {0};
    open_bench(&b, path, 2, 0);
    const glim_st_tensor *rows = glim__safetensors_find(b.st, "backgrounds");
    size_t K = (size_t)rows->dims[0], N = (size_t)glim__safetensors_find(b.st, "alpha")->dims[0];
    const float *want = glim__safetensors_find(b.st, "scores")->data;
    const float *base = glim__safetensors_find(b.st, "base")->data;
    uint8_t *pick = calloc(K, b.T);
    glim_draw *draws = calloc(N, sizeof *draws);
    double *sums = calloc(4 * b.T + 4, sizeof *sums), wanted[64];
    for (size_t i = 0; i < K * b.T; i++)
        pick[i] = (uint8_t)(i / b.T);
    for (size_t k = 0; k < N; k++) {
        memcpy(&draws[k].alpha, (const char *)glim__safetensors_find(b.st, "alpha")->data + 8 * k,
               8);
        draws[k].from = (size_t)number_of(&b, "from", k);
    }
    glim_backgrounds from = {rows->data, pick, K};
    glim_expectation e = {sums, sums + b.T, sums + 2 * b.T, sums + 2 * b.T + 1};
    if (glim__expected_gradients(b.p, &from, draws, N, &e, &err))
        fail_msg("%s", err.message);
    for (size_t t = 0; t < b.T; t++) {
        sums[t] /= (double)N;
        wanted[t] = want[t];
    }
    compare(path, sums, wanted, b.T);
    assert_close(*e.base, *base, 1e-5);
    free(pick);
    free(draws);
    free(sums);
    close_bench(&b);
}

static void expected_gradients_agree_with_captum_at_its_draws(void **state) {
    assert_true(each_recording(GOLDEN "gradient-shap", check_gradient_shap) >= 3);
}

static void check_lrp(const char *path) {
    static const struct {
        const char *rule, *recorded;
    } cases[] = {{"attnlrp", "attnlrp"}, {"cp", "cp-lrp"}};
    struct bench b;
    open_bench(&b, path, 2, 0);
    for (int k = 0; k < 2; k++) {
        struct setting with[] = {{"rule", cases[k].rule}, {NULL, NULL}};
        const float *relevance = glim__safetensors_find(b.st, cases[k].recorded)->data;
        const float *logit = glim__safetensors_find(b.st, "logit")->data;
        double wanted[64] = {0}, sum = 0;
        for (size_t i = 0; i < b.T * b.p->C; i++)
            wanted[i / b.p->C] += (double)relevance[i];
        for (size_t t = 0; t < b.T; t++)
            sum += wanted[t];
        glim_document *doc = explain_as(b.p, "lrp", with, 0);
        compare(path, doc->scores, wanted, b.T);
        assert_close(check_value(doc, "conservation"), sum / (double)*logit, 1e-3);
        bool leaks = fabs(sum / (double)*logit - 1) > 0.5;
        assert_int_equal(doc->verdict != GLIM_VERDICT_OK, leaks);
        glim_document_free(doc);
    }
    assert_null(b.p->rules);
    close_bench(&b);
}

static void relevance_agrees_with_its_recordings(void **state) {
    assert_true(each_recording(GOLDEN "rules", check_lrp) >= 7);
}

static void scores_depend_on_neither_threads_nor_memory(void **state) {
    static const char *const methods[] = {"lrp", "guided-backprop", "expected-gradients"};
    static const uint64_t memory[] = {0, 3 << 20};
    double first[3][64] = {{0}};
    for (int run = 0; run < 4; run++) {
        struct bench b;
        open_bench(&b, GOLDEN "rules/gemma2.safetensors", 1 + run % 3, memory[run / 3]);
        for (int k = 0; k < 3; k++) {
            glim_document *doc = explain_as(b.p, methods[k], NULL, 7);
            if (!run)
                memcpy(first[k], doc->scores, b.T * sizeof(double));
            if (memcmp(first[k], doc->scores, b.T * sizeof(double)))
                fail_msg("%s differs in run %d", methods[k], run);
            glim_document_free(doc);
        }
        close_bench(&b);
    }
}

/* ---- what they say ---- */

static void lrp_is_off_until_its_note_is_accepted(void **state) {
    struct analytic a;
    glim_document *doc = NULL;
    glim_error err = {0};
    glim_plan plan;
    const glim_method *m = glim_method_find("lrp");
    analytic_init(&a, ctx, LINEAR, false);
    assert_int_equal(glim_explain(&doc, &a.base, m, NULL, 0, &err), GLIM_EUSAGE);
    assert_null(doc);
    assert_non_null(strstr(err.message, "patent"));
    assert_non_null(strstr(err.message, "--accept-patent-note"));
    void *opts = calloc(1, m->opts_size);
    glim_param_defaults(m->params, opts);
    assert_int_equal(glim_explain_plan(&plan, &a.base, m, opts, &err), GLIM_EUSAGE);
    assert_int_equal(m->run(&a.base, opts, 0, NULL, &err), GLIM_EUSAGE);
    assert_non_null(strstr(m->summary, "off until"));
    free(opts);
}

static void relevance_of_a_linear_function_is_conserved(void **state) {
    struct analytic a;
    analytic_init(&a, ctx, LINEAR, false);
    glim_document *doc = explain_as(&a.base, "lrp", NULL, 0);
    double sum = 0;
    for (int t = 0; t < AT; t++)
        sum += doc->scores[t];
    assert_close(sum, a.value[0], 1e-6);
    assert_close(check_value(doc, "conservation"), 1, 1e-6);
    assert_int_equal(doc->verdict, GLIM_VERDICT_OK);
    glim_document_free(doc);
}

static void a_log_probability_has_no_share_that_could_be_told(void **state) {
    glim_context *own = context_with(1, 0);
    glim_model *m = open_model(own, "llama.gguf");
    glim_tokens *tokens = NULL;
    glim_predictor *p = NULL;
    glim_error err = {0};
    glim_target_options o = {.auto_units = true, .output = "logprob"};
    if (glim_model_tokenize(m, &tokens, "the cat", 7, &err) ||
        glim_predictor_lm(&p, m, tokens, &o, &err))
        fail_msg("%s", err.message);
    glim_document *doc = explain_as(p, "lrp", NULL, 0);
    assert_int_equal(doc->n_checks, 0);
    assert_int_equal(doc->verdict, GLIM_VERDICT_CAREFUL);
    assert_non_null(strstr(doc->verdict_reason, "--output logit"));
    glim_document_free(doc);
    glim_predictor_free(p);
    glim_tokens_free(tokens);
    glim_model_close(m);
    glim_context_free(own);
}

static void where_nothing_bends_guided_is_the_gradient(void **state) {
    static const char *const norms[] = {"l2", "l1", "sum"};
    for (int k = 0; k < 3; k++) {
        struct analytic a;
        struct setting with[] = {{"norm", norms[k]}, {NULL, NULL}};
        analytic_init(&a, ctx, LINEAR, false);
        glim_document *guided = explain_as(&a.base, "guided-backprop", with, 0);
        glim_document *plain = explain_as(&a.base, "gradient", with, 0);
        assert_memory_equal(guided->scores, plain->scores, AT * sizeof(double));
        assert_close(check_value(guided, "likeness_to_gradient"), 1, 1e-9);
        assert_int_equal(guided->verdict, GLIM_VERDICT_OK);
        assert_int_equal(guided->method.is_signed, k == 2);
        glim_document_free(guided);
        glim_document_free(plain);
    }
}

/* What one of the methods has set does not stay for the next. */
static void the_gradient_is_plain_again_afterwards(void **state) {
    struct bench b;
    open_bench(&b, GOLDEN "rules/llama.safetensors", 1, 0);
    glim_document *before = explain_as(b.p, "gradient", NULL, 0);
    glim_document *guided = explain_as(b.p, "guided-backprop", NULL, 0);
    glim_document *after = explain_as(b.p, "gradient", NULL, 0);
    assert_memory_equal(before->scores, after->scores, b.T * sizeof(double));
    assert_true(memcmp(before->scores, guided->scores, b.T * sizeof(double)) != 0);
    glim_document_free(before);
    glim_document_free(guided);
    glim_document_free(after);
    close_bench(&b);
}

static void where_all_is_fixed_there_are_no_scores(void **state) {
    static const char *const methods[] = {"lrp", "guided-backprop", "expected-gradients"};
    for (int k = 0; k < 3; k++) {
        struct analytic a;
        analytic_init(&a, ctx, PRODUCT, false);
        for (int t = 0; t < AT; t++)
            a.unit[t].fixed = true;
        glim_document *doc = explain_as(&a.base, methods[k], NULL, 0);
        for (int t = 0; t < AT; t++)
            assert_true(isnan(doc->scores[t]));
        glim_document_free(doc);
    }
}

static int set_up(void **state) {
    ctx = context_with(1, 0);
    return 0;
}

static int tear_down(void **state) {
    glim_context_free(ctx);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expected_gradients_of_a_linear_function_are_exact),
        cmocka_unit_test(with_one_background_they_are_integrated_gradients),
        cmocka_unit_test(a_rough_target_is_not_trusted_and_draws_repeat_with_their_seed),
        cmocka_unit_test(expected_gradients_agree_with_captum_at_its_draws),
        cmocka_unit_test(relevance_agrees_with_its_recordings),
        cmocka_unit_test(scores_depend_on_neither_threads_nor_memory),
        cmocka_unit_test(lrp_is_off_until_its_note_is_accepted),
        cmocka_unit_test(relevance_of_a_linear_function_is_conserved),
        cmocka_unit_test(a_log_probability_has_no_share_that_could_be_told),
        cmocka_unit_test(where_nothing_bends_guided_is_the_gradient),
        cmocka_unit_test(the_gradient_is_plain_again_afterwards),
        cmocka_unit_test(where_all_is_fixed_there_are_no_scores),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
