/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A real model: leave-one-out's scores beat random orders, and change with the weights.
 * Without the model it is skipped; in CI it fails.
 */
#include "../model/model-testing.h"

#include <unistd.h>

#include "evaluate/metrics.h"
#include "predict/predictor.h"

static const char model_name[] = "SmolLM2-135M-Instruct.Q4_1.gguf";
static const char text[] = "Paris is the capital of France, and Berlin is the capital of";

static bool find_model(char *path, size_t size) {
    const char *cache = getenv("GLIM_CACHE"), *xdg = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    if (cache)
        snprintf(path, size, "%s/%s", cache, model_name);
    else if (xdg && *xdg)
        snprintf(path, size, "%s/glim/%s", xdg, model_name);
    else
        snprintf(path, size, "%s/.cache/glim/%s", home ? home : "", model_name);
    return access(path, R_OK) == 0;
}

static glim_status remake(void *tokens, glim_predictor **out, const glim_model *m,
                          glim_error *err) {
    const glim_target_options target = {.target = " Germany", .units = GLIM_UNIT_WORD};
    return glim_predictor_lm(out, m, tokens, &target, err);
}

static void leave_one_out_beats_chance_and_notices_the_weights(void **state) {
    static const glim_metric *const few[] = {
        &glim_metric_aopc_comprehensiveness, &glim_metric_deletion_auc,
        &glim_metric_model_randomisation, &glim_metric_seed_kendall, NULL};
    char path[512];
    glim_error err = {0};
    glim_tokens *tokens = NULL;
    glim_predictor *p = NULL;
    glim_document *doc = NULL;
    glim_evaluation *e = NULL;
    glim_model *m = NULL;
    if (!find_model(path, sizeof path)) {
        if (getenv("GLIM_REQUIRE_MODELS") || getenv("CI"))
            fail_msg("'%s' is missing (scripts/fetch smollm2)", path);
        print_message("'%s' is not here: skipped (scripts/fetch smollm2)\n", path);
        return;
    }
    glim_context *ctx = context_with(2, 0);
    glim_evaluate_options o = {
        .metrics = few, .method = glim_method_find("occlusion"), .draws = 10, .remake = remake};
    if (glim_model_open(&m, ctx, path, &err) ||
        glim_model_tokenize(m, &tokens, text, sizeof text - 1, &err) ||
        remake(o.remake_data = tokens, &p, m, &err) ||
        glim_explain(&doc, p, o.method, NULL, 1, &err) || glim_evaluate(&e, p, doc, &o, &err)) {
        fail_msg("%s", err.message);
        return;
    }
    for (size_t i = 0; i < e->n_measures; i++)
        print_message("%s: %.3f, random %.3f (se %.3f), best %.3f, skill %.2f\n",
                      e->measures[i].metric->name, e->measures[i].value, e->measures[i].random,
                      e->measures[i].random_se, e->measures[i].best, e->measures[i].skill);
    const glim_measure *aopc = &e->measures[0], *deletion = &e->measures[1];
    assert_true(aopc->value > aopc->random + 2 * aopc->random_se);
    assert_true(deletion->value < deletion->random - 2 * deletion->random_se);
    assert_true(e->measures[2].n == 1 && !e->measures[2].failed);
    assert_true(e->measures[3].value == 1);
    glim_evaluation_free(e);
    glim_document_free(doc);
    glim_predictor_free(p);
    glim_tokens_free(tokens);
    glim_model_close(m);
    glim_context_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leave_one_out_beats_chance_and_notices_the_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
